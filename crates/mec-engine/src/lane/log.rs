//! The lane's care for the decision log: rows written at most 100 ms late in a commit of their own,
//! old ones removed an hour apart, and the oldest where there are too many, also while commands
//! never cease. What goes wrong with a row costs no command its answer.

use std::time::{Duration, Instant};

use mec_store::{Commit, CommitError};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::state::{Lane, RUNS_MAX};
use crate::decision_log::{WAIT, WRITTEN_MAX};
use crate::error::MecError;
use crate::message::Prune;

/// How often rows that are too old are removed.
const PRUNED_EVERY: Duration = Duration::from_secs(3_600);
const DAY_MICROS: i64 = 86_400_000_000;

impl Lane {
    /// Does what is due.
    pub(super) async fn tend_log(&mut self) {
        if self.state.due.rows_wait(&self.log) && self.state.due.write_in(&self.log).is_zero() {
            self.write_log().await;
        }
        let dropped = self.log.dropped();
        if dropped > self.state.due.reported {
            let rows = dropped - self.state.due.reported;
            tracing::warn!(rows, dropped, "the decision log is full; rows were dropped");
            self.state.due.reported = dropped;
        }
        self.tend_size();
        if self
            .state
            .due
            .prune_at
            .is_none_or(|at| at <= Instant::now())
        {
            self.prune().await;
        }
    }

    /// Counts the rows off this thread: at first, and whenever they may be a tenth more than is
    /// kept.
    fn tend_size(&mut self) {
        let (size, max) = (&mut self.state.due.size, self.log.rows_max());
        let counted = size
            .counting
            .as_mut()
            .map_or(Err(TryRecvError::Empty), oneshot::Receiver::try_recv);
        if !matches!(counted, Err(TryRecvError::Empty)) {
            size.counting = None;
        }
        match counted {
            Ok(Ok(rows)) if rows > max => {
                tracing::warn!(
                    rows,
                    decisions_kept_rows = max,
                    "the decision log has too many rows; the oldest are removed"
                );
                size.excess = rows - max;
                self.state.due.prune_at = None;
            }
            Ok(Ok(_)) | Err(TryRecvError::Empty) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "the rows of the decision log could not be counted")
            }
            Err(TryRecvError::Closed) => {
                tracing::error!("the rows of the decision log were not counted")
            }
        }
        let is_due = size.uncounted.is_none_or(|rows| rows > max / 10) && size.excess == 0;
        if is_due && size.counting.is_none() {
            let (store, log, ahead) = (
                self.store.clone(),
                self.log.clone(),
                self.clock.now().plus_micros(DAY_MICROS),
            );
            let (lane, counting) = oneshot::channel();
            size.uncounted = Some(0);
            size.counting = Some(counting);
            tokio::task::spawn_blocking(move || {
                // The lane may have ended meanwhile.
                drop(lane.send(store.count_decisions(ahead)));
                log.filled.notify_one();
            });
        }
    }

    /// Writes everything out; what the store does not take in three tries is counted as lost.
    pub(super) async fn end_log(&mut self) {
        let mut tries = 0;
        while self.state.due.rows_wait(&self.log)
            && tries < RUNS_MAX
            && self.state.failure.is_none()
        {
            self.write_log().await;
            tries = if self.state.due.kept.is_empty() {
                0
            } else {
                tries + 1
            };
        }
        let lost = std::mem::take(&mut self.state.due.kept).len() + self.log.end();
        if lost > 0 {
            tracing::error!(
                rows = lost,
                "rows of the decision log could not be written and are lost"
            );
            self.log.count_lost(lost);
        }
    }

    /// The oldest rows, in commits of their own.
    async fn write_log(&mut self) {
        let mut parts = vec![std::mem::take(&mut self.state.due.kept)];
        if parts[0].is_empty() {
            parts = vec![self.log.take()];
        }
        while let Some(decisions) = parts.pop() {
            let mut commit = Commit {
                now: Some(self.clock.now()),
                decisions,
                ..Commit::default()
            };
            let outcome = self.writer.commit(&commit).await;
            self.writes.tell(&outcome);
            match outcome {
                Ok(()) => {
                    let written = u64::try_from(commit.decisions.len()).unwrap_or(u64::MAX);
                    self.state.due.size.uncounted = self
                        .state
                        .due
                        .size
                        .uncounted
                        .map(|rows| rows.saturating_add(written));
                }
                Err(CommitError::Refused(_)) if commit.decisions.len() > 1 => {
                    let second = commit.decisions.split_off(commit.decisions.len() / 2);
                    parts.extend([second, commit.decisions]);
                }
                Err(CommitError::Refused(error)) => {
                    tracing::error!(%error, "a row of the decision log was refused and is lost");
                    self.log.count_lost(commit.decisions.len());
                }
                Err(CommitError::NotDone(error)) => {
                    tracing::warn!(%error, rows = commit.decisions.len(), "the decision log was not written, it is tried again");
                    self.state.due.kept.append(&mut commit.decisions);
                }
                Err(error @ CommitError::Unknown(_)) => {
                    self.state.failure = Some(error.to_string());
                    return;
                }
            }
        }
        self.state.due.written_at = Some(Instant::now());
    }

    /// A part at a time, so that commands wait for no more than that, and only whole UTC days: a
    /// store that keeps the log by days drops one without touching its rows.
    async fn prune(&mut self) {
        let oldest = self
            .clock
            .now()
            .plus_seconds(self.log.kept_seconds().saturating_neg());
        let mut before =
            oldest.plus_micros(oldest.micros().rem_euclid(DAY_MICROS).saturating_neg());
        let excess = std::mem::take(&mut self.state.due.size.excess);
        let mut most = WRITTEN_MAX;
        if excess > 0 {
            before = self.clock.now();
            most = usize::try_from(excess)
                .unwrap_or(WRITTEN_MAX)
                .min(WRITTEN_MAX);
        }
        let again_in = match self.writer.prune_decisions(before, most).await {
            // As fast as rows are written, which is a part at a time too.
            Ok(removed @ 1..) if excess > 0 => {
                self.state.due.size.excess =
                    excess.saturating_sub(u64::try_from(removed).unwrap_or(u64::MAX));
                Duration::ZERO
            }
            Ok(WRITTEN_MAX..) => WAIT,
            Ok(_) => PRUNED_EVERY,
            Err(error @ CommitError::Unknown(_)) => {
                self.state.failure = Some(error.to_string());
                return;
            }
            Err(error) => {
                tracing::error!(%error, "old rows of the decision log could not be removed; tried again in an hour");
                PRUNED_EVERY
            }
        };
        self.state.due.prune_at = Some(Instant::now() + again_in);
    }

    /// One commit's worth of old rows goes because somebody asked for it.
    pub(super) async fn prune_for(&mut self, asked: Prune) {
        let outcome = self.writer.prune_decisions(asked.before, WRITTEN_MAX).await;
        if let Err(error @ CommitError::Unknown(_)) = &outcome {
            self.state.failure = Some(error.to_string());
        }
        // Whoever asked may have gone away.
        drop(
            asked
                .caller
                .send(outcome.map_err(|error| MecError::of_commit(&error))),
        );
    }
}

#[cfg(test)]
mod tests {
    use mec_kernel::{Check, Provision};
    use mec_query::Filter;

    use crate::{Caller, Mec, NewAccount, Options, catalog_file};

    #[tokio::test]
    async fn a_row_the_store_refuses_costs_no_other_row() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("mec.db").display());
        let catalog = catalog_file::parse(catalog_file::DEMO)
            .unwrap()
            .changes(&mec_kernel::Catalog::default(), false);
        let mec = Mec::open(
            &url,
            Options {
                catalog,
                ..Options::default()
            },
        )
        .await
        .unwrap();
        let caller = Caller::new("test", "api");
        let account = mec
            .create_account(NewAccount::named("Acme Corp"), &caller)
            .await
            .unwrap()
            .id;
        mec.provision(Provision::new(account, "starter"), &caller)
            .await
            .unwrap();
        let (entered, is_held) = tokio::sync::oneshot::channel();
        let (resume, resumed) = std::sync::mpsc::channel::<()>();
        let mut entered = Some(entered);
        let hold = mec.change_catalog(&caller, move |_| {
            if let Some(entered) = entered.take() {
                entered.send(()).unwrap();
                resumed.recv().unwrap_err();
            }
            vec![]
        });
        let fill = async {
            is_held.await.unwrap();
            for _ in 0..40 {
                mec.check(Check::of(account, "benchmark_runs", None), &caller)
                    .await
                    .unwrap();
            }
            let rows = mec.log.take();
            assert_eq!(rows.len(), 40);
            rows.iter()
                .chain(&rows[10..13])
                .for_each(|row| mec.log.push(row.clone()));
            drop(resume);
        };
        tokio::join!(async { hold.await.unwrap() }, fill);
        mec.close().await.unwrap();
        assert_eq!(mec.status().decisions_dropped, 3);
        let tables = mec_store::tables::tables();
        let table = tables
            .into_iter()
            .find(|table| table.name == "control_decisions_log")
            .unwrap();
        assert_eq!(
            mec.count(table.into(), Filter::All(vec![])).await.unwrap(),
            40
        );
    }
}
