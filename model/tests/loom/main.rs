//! Every interleaving of a small cast, within the bounds that `model/README.md` tells.

mod appends;
mod rollover;
mod sabotage;
mod steward;
mod troubles;
