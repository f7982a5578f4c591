//! How far it is: a bar with rate and remaining time on a terminal, a plain line every few seconds
//! elsewhere.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a plain line is written.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The progress of something whose end may be known.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    total: Option<u64>,
    began: Instant,
    told_at: Instant,
}

impl Progress {
    /// Starts; `total` is in the measure `update` is given, `what` names what is counted.
    pub(crate) fn start(total: Option<u64>, what: &'static str) -> Self {
        let now = Instant::now();
        let bar = io::stderr().is_terminal().then(|| {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let template = if total.is_some() {
                "{bar:30} {percent:>3} % {msg}, {eta} left"
            } else {
                "{spinner} {msg}"
            };
            // The template is fixed, so that it is understood does not depend on anything given.
            bar.with_style(
                ProgressStyle::with_template(template)
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            )
        });
        Self {
            bar,
            what,
            total,
            began: now,
            told_at: now,
        }
    }

    /// `done` of `total`, which are `count` things; `more` is said behind them.
    pub(crate) fn update(&mut self, done: u64, count: u64, more: &str) {
        let rate = per_second(count, self.began.elapsed());
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(format!("{count} {}{more}, {rate}/s", self.what));
            return;
        }
        if self.told_at.elapsed() < LINE_EVERY {
            return;
        }
        self.told_at = Instant::now();
        let left = self
            .total
            .filter(|total| *total > 0 && done > 0)
            .map(|total| {
                let percent = done.saturating_mul(100) / total;
                let seconds = self
                    .began
                    .elapsed()
                    .as_secs()
                    .saturating_mul(total.saturating_sub(done))
                    / done;
                format!(", {percent} %, about {seconds} s left")
            });
        eprintln!(
            "{count} {}{more}, {rate}/s{}",
            self.what,
            left.unwrap_or_default()
        );
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Whole things a second.
pub(crate) fn per_second(count: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis())
        .unwrap_or(u64::MAX)
        .max(1);
    count.saturating_mul(1_000) / millis
}
