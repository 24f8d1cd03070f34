//! Every interleaving of a small cast, within the bounds that `model/README.md` tells.

mod appends;
mod buffered;
mod held;
mod rollover;
mod sabotage;
mod steward;
mod troubles;
mod zeros;
