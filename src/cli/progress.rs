//! The progress bar on a terminal.

use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that counts datasets; invisible where standard error is no terminal.
pub struct Progress {
    bars: MultiProgress,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A bar that appears when the first dataset is found.
    pub fn new(quiet: bool) -> Self {
        let is_hidden = quiet || !std::io::stderr().is_terminal();
        let target =
            if is_hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { bars: MultiProgress::with_draw_target(target), bar: None }
    }

    /// What log lines must be written through.
    pub fn bars(&self) -> MultiProgress {
        self.bars.clone()
    }

    /// One more dataset is to be done.
    pub fn found(&mut self) {
        self.bar().inc_length(1);
    }

    /// One dataset is done.
    pub fn done(&mut self) {
        self.bar().inc(1);
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn bar(&mut self) -> &ProgressBar {
        let bars = &self.bars;
        self.bar.get_or_insert_with(|| {
            let bar = bars.add(ProgressBar::new(0));
            let template = "{bar:30} {pos}/{len} datasets, {per_sec}, {eta} left";
            bar.set_style(
                ProgressStyle::with_template(template)
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        })
    }
}
