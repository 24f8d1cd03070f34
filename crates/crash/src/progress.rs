//! A progress bar, on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

/// How far something is.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar that ends at `total`.
    #[must_use]
    pub fn new(what: &'static str, total: u64) -> Self {
        // It hides itself where standard error is no terminal.
        let bar = ProgressBar::new(total);
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {per_sec} {eta}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self(bar)
    }

    /// No bar.
    #[must_use]
    pub fn none() -> Self {
        Self(ProgressBar::hidden())
    }

    /// It is so far.
    pub fn set(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
