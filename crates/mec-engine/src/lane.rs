//! A lane: commands of many trees, decided one after the other, committed together.
//!
//! It takes whatever queued while the last batch was in flight, and nobody is answered before the
//! commit is durable. A command whose missing fact depends on the batch's own uncommitted writes
//! waits for the next batch.

mod batch;
mod commands;
mod commit;
mod decide;
mod due;
mod invariants;
mod lock;
mod log;
mod queue;
mod state;
mod table_write;

pub(crate) use state::{Duty, Lane, RUNS_MAX, State};

use state::Entry;

impl Lane {
    /// Runs until it is closed, every sender is gone, or the store fails in a way that leaves open
    /// what is durable; says why where that was not asked for.
    pub(crate) async fn run(mut self) -> Result<(), String> {
        while self.fill().await {
            match self.state.waiting.pop_front() {
                Some(Entry::Table(write)) => self.table_write(*write).await,
                Some(Entry::Prune(prune)) => self.prune_for(prune).await,
                Some(Entry::Probe(caller)) => self.probe_for(caller).await,
                Some(Entry::Job(job)) => {
                    let jobs = self.next_jobs(job);
                    self.batch(jobs).await;
                }
                None => {}
            }
            if self.duty.keeps_log() {
                self.tend_log().await;
            }
            if let Some(failure) = self.state.failure.take() {
                self.refuse_the_rest().await;
                self.log.count_lost(self.log.end());
                return Err(failure);
            }
        }
        if self.duty.keeps_log() {
            self.end_log().await;
        }
        if let Some(failure) = self.state.failure.take() {
            return Err(failure);
        }
        if let Err(error) = self.writer.close().await {
            tracing::warn!(%error, "everything is durable, but not in one file");
        }
        Ok(())
    }
}
