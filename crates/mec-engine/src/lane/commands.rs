//! A batch of commands: begun, decided, committed, answered; run again where it was not done.

use std::collections::{BTreeSet, VecDeque};

use mec_kernel::{Need, TreeId};
use mec_store::{CommitError, DecisionRow, StoreError};

use super::batch::{Batch, Trouble};
use super::state::{Lane, RUNS_MAX};
use crate::error::MecError;
use crate::job::Job;

impl Lane {
    /// Decides and commits; what has to wait goes back to the front of the queue.
    pub(super) async fn batch(&mut self, mut jobs: VecDeque<Box<dyn Job>>) {
        for run in 1.. {
            let mut batch = match self.begin(&jobs).await {
                Ok(batch) => batch,
                Err(error) if error.is_passing() && run < RUNS_MAX => {
                    tracing::warn!(%error, run, "a batch was not begun and is tried again");
                    continue;
                }
                Err(error) => {
                    self.writer.abort().await;
                    let error = MecError::from(error);
                    jobs.into_iter()
                        .for_each(|job| job.finish(Err(error.clone())));
                    return;
                }
            };
            self.decide(std::mem::take(&mut jobs), &mut batch).await;
            match self.commit(&mut batch).await {
                Ok(()) => {
                    self.publish(batch.trees, batch.seen);
                    for row in batch.decisions {
                        self.log.push(row);
                    }
                    for (job, outcome) in batch.done {
                        job.finish(outcome);
                    }
                    self.wait(batch.later);
                    return;
                }
                Err(CommitError::NotDone(error)) if run < RUNS_MAX => {
                    tracing::warn!(%error, run, "a batch was not done and is run again");
                    jobs = batch.into_jobs().collect();
                }
                Err(CommitError::Refused(error)) if batch.done.len() > 1 => {
                    tracing::warn!(%error, "a row of a batch was refused; its commands are run in two halves");
                    let half = batch.done.len() / 2;
                    self.state.parts.extend([batch.done.len() - half, half]);
                    self.wait(batch.into_jobs().collect());
                    return;
                }
                Err(error) => {
                    self.failed(&error, batch.trees.keys());
                    // Also a refusal may rest on a write of this batch that was not done.
                    let error = MecError::of_commit(&error);
                    batch
                        .done
                        .into_iter()
                        .for_each(|(job, _)| job.finish(Err(error.clone())));
                    self.wait(batch.later);
                    return;
                }
            }
        }
    }

    /// Locks, and looks up at once what the batch's commands will certainly ask for.
    async fn begin(&mut self, jobs: &VecDeque<Box<dyn Job>>) -> Result<Batch, StoreError> {
        let mut batch = self
            .lock(
                jobs.iter().map(|job| job.tree()).collect(),
                self.duty.hold(),
            )
            .await?;
        let missed = jobs
            .iter()
            .map(|job| job.tree())
            .filter(|tree| !batch.trees.contains_key(tree))
            .collect();
        batch.missed_again = self.state.missed.intersection(&missed).copied().collect();
        self.state.missed = missed;
        let mut needs = BTreeSet::new();
        for job in jobs {
            let Some(work) = batch.trees.get(&job.tree()) else {
                continue;
            };
            // Accounts are all that a tree brings along from the batches before.
            let is_open =
                |need: &&Need| !matches!(need, Need::Account(id) if work.tree.get(*id).is_some());
            needs.extend(
                job.foreseen()
                    .needs
                    .iter()
                    .filter(is_open)
                    .map(|need| (job.tree(), need.clone())),
            );
        }
        let needs: Vec<(TreeId, Need)> = needs.into_iter().collect();
        // The earliest, so that nothing is left out that counts at a tree's own instant.
        let Some(now) = batch.trees.values().map(|work| work.now).min() else {
            return Ok(batch);
        };
        for (tree, fact) in self
            .writer
            .look_up_many(&needs, &self.cache.catalog(), now)
            .await?
        {
            if let Some(work) = batch.trees.get_mut(&tree) {
                fact.learn(&mut work.tree, &mut work.facts, work.now);
            }
        }
        Ok(batch)
    }

    async fn decide(&mut self, mut jobs: VecDeque<Box<dyn Job>>, batch: &mut Batch) {
        let catalog = self.cache.catalog();
        while let Some(mut job) = jobs.pop_front() {
            let Some(work) = batch.trees.get_mut(&job.tree()) else {
                self.miss(job, batch);
                continue;
            };
            if work.waits {
                batch.later.push(job);
                continue;
            }
            match self
                .decide_one(job.as_mut(), work, batch.seen, &catalog)
                .await
            {
                Ok(Some(writes)) => {
                    let row = job
                        .log(&mut work.ids, work.now)
                        .filter(|row| self.log.wants(row.decision));
                    if writes.is_empty() {
                        // Nothing moves the tree's clock on, so the next batch may draw the same id
                        // again.
                        let id = |row: &DecisionRow| self.log.draw(row.account, work.now);
                        batch.decisions.extend(row.map(|row| DecisionRow {
                            id: id(&row),
                            ..row
                        }));
                    } else {
                        batch.commit.decisions.extend(row);
                        batch.apply(job.tree(), writes);
                    }
                    batch.done.push((job, Ok(())));
                }
                Ok(None) => {
                    work.waits = true;
                    batch.later.push(job);
                }
                Err(Trouble::Own(error)) => batch.done.push((job, Err(error))),
                Err(Trouble::Failed(error)) if self.store.is_shared() => {
                    // A transaction answers nothing more after that: what else is in it is run
                    // again without this one.
                    job.finish(Err(error.into()));
                    batch.lost = Some(StoreError::Stopped(
                        "the store did not answer another command".to_owned(),
                    ));
                    batch.later.extend(jobs);
                    return;
                }
                Err(Trouble::Failed(error)) => batch.done.push((job, Err(error.into()))),
                Err(Trouble::Lost(error)) => {
                    batch.lost = Some(error);
                    batch.later.push(job);
                    batch.later.extend(jobs);
                    return;
                }
            }
        }
    }

    /// Somebody else has the tree: the command is tried once more, then it waits where it delays no
    /// other.
    fn miss(&self, job: Box<dyn Job>, batch: &mut Batch) {
        match &self.away {
            Some(away) if batch.missed_again.contains(&job.tree()) => away.send(job),
            _ => batch.later.push(job),
        }
    }
}
