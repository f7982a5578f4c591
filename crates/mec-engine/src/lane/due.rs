//! What of the care for the decision log is to be done when.

use std::time::{Duration, Instant};

use mec_store::{DecisionRow, StoreError};
use tokio::sync::oneshot;

use crate::decision_log::{DecisionLog, WAIT, WRITTEN_MAX};

/// When which part of that care is to be taken.
#[derive(Default)]
pub(super) struct Due {
    /// Rows taken from the buffer that the store could not write yet.
    pub(super) kept: Vec<DecisionRow>,
    /// When rows were written last.
    pub(super) written_at: Option<Instant>,
    /// Dropped rows that were reported.
    pub(super) reported: u64,
    /// When rows that are too old are looked for again; `None`: now.
    pub(super) prune_at: Option<Instant>,
    pub(super) size: Size,
}

/// What is known of how many rows there are.
#[derive(Default)]
pub(super) struct Size {
    /// Rows written since they were counted; `None`: they never were.
    pub(super) uncounted: Option<u64>,
    /// All rows, on their way.
    pub(super) counting: Option<oneshot::Receiver<Result<u64, StoreError>>>,
    /// Rows that are too many and have not been removed yet.
    pub(super) excess: u64,
}

impl Due {
    /// Waits until rows have to be written or removed.
    pub(super) async fn wait(&self, log: &DecisionLog) {
        let prune_in = self.prune_at.map_or(Duration::ZERO, |at| {
            at.saturating_duration_since(Instant::now())
        });
        if self.rows_wait(log) {
            tokio::time::sleep(self.write_in(log).min(prune_in)).await;
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(prune_in) => {}
            () = log.filled.notified() => {}
        }
    }

    pub(super) fn rows_wait(&self, log: &DecisionLog) -> bool {
        !self.kept.is_empty() || log.waiting() > 0
    }

    /// How long they may wait yet: not at all where there is a commit's worth of them.
    pub(super) fn write_in(&self, log: &DecisionLog) -> Duration {
        if self.kept.is_empty() && log.waiting() >= WRITTEN_MAX {
            return Duration::ZERO;
        }
        self.written_at
            .map_or(Duration::ZERO, |at| WAIT.saturating_sub(at.elapsed()))
    }
}
