//! How a batch becomes durable, and known.

use std::collections::BTreeMap;
use std::time::Instant;

use mec_kernel::TreeId;
use mec_store::{CommitError, StoreError};
use tokio::sync::oneshot;

use super::batch::{Batch, Work};
use super::invariants::broken;
use super::state::Lane;
use crate::error::MecError;

impl Lane {
    /// What was touched leaves the cache. Where the outcome is unknown and this process alone has
    /// the store, the lane ends: whoever opens it again reads what is durable. A database tells
    /// itself, to the next who locks the trees.
    pub(super) fn failed<'a>(
        &mut self,
        error: &CommitError,
        trees: impl Iterator<Item = &'a TreeId>,
    ) {
        tracing::error!(%error, "a batch failed");
        trees.for_each(|id| self.cache.forget(*id));
        if matches!(error, CommitError::Unknown(_)) && !self.store.is_shared() {
            self.state.failure = Some(error.to_string());
        }
    }

    pub(super) fn publish(&self, trees: BTreeMap<TreeId, Work>, seen: Instant) {
        for (id, work) in trees {
            if work.tree.nodes().next().is_some() {
                self.cache.publish(id, work.tree, seen);
            }
        }
    }

    pub(super) async fn commit(&mut self, batch: &mut Batch) -> Result<(), CommitError> {
        if let Some(lost) = batch.lost.take() {
            self.writer.abort().await;
            return Err(CommitError::NotDone(lost));
        }
        // Since its trees were locked others may have been told that something of them is over.
        // What comes to an end while COMMIT itself is under way is not seen.
        if let Some(ended) = batch.outlived(self.clock.now()) {
            self.writer.abort().await;
            let why = format!(
                "it was decided before {ended}, when something it rests on ended, and that has passed"
            );
            return Err(CommitError::NotDone(StoreError::Stopped(why)));
        }
        self.seal(batch);
        if let Some(problem) = broken(batch) {
            self.writer.abort().await;
            return Err(CommitError::Refused(StoreError::Stopped(problem)));
        }
        if batch.commit.is_empty() {
            return self.writer.release().await;
        }
        let outcome = self.writer.commit(&batch.commit).await;
        self.writes.tell(&outcome);
        outcome
    }

    /// Says whether writes go through.
    pub(super) async fn probe_for(&mut self, caller: oneshot::Sender<Result<(), MecError>>) {
        let outcome = self.writer.probe().await;
        self.writes.tell(&outcome);
        // Whoever asked may have gone away.
        drop(caller.send(outcome.map_err(|error| MecError::of_commit(&error))));
    }

    /// The heads the next batches continue from, and the counters as they are now.
    fn seal(&mut self, batch: &mut Batch) {
        for work in batch.trees.values_mut().filter(|work| work.has_writes) {
            work.tree.head.version = work.tree.head.version.saturating_add(1);
            work.tree.head.last_at = work.ids.now();
            work.tree.head.stamp = i64::from_be_bytes(self.random().to_be_bytes());
            batch.commit.heads.push(work.tree.head);
        }
        batch.take_windows();
        batch.commit.now = batch
            .trees
            .values()
            .map(|work| work.now)
            .max()
            .or(Some(batch.now));
    }
}
