//! One batch, one transaction: rows, keys and sums together, written by arrays and sent in one go
//! with COMMIT.

mod accounts;
mod counters;
mod events;
mod holds;
mod kept;

use std::collections::{BTreeMap, BTreeSet};

use mec_kernel::{Time, TreeId};

use self::kept::Kept;
use super::commit_error::{is_rolled_back, refusal, warned};
use super::rule::{put_rule, remove_rules};
use super::session::Change;
use super::{Stage, Writer, catalog, decisions, entitlement};
use crate::tally::{self, Windows};
use crate::{Commit, CommitError, Fault, StoreError};

impl Writer {
    /// What fails before COMMIT is sent has changed nothing, and neither has what the server itself
    /// refuses. A connection that is lost afterwards leaves open what is durable, and so does a
    /// warning: it is how the server tells that it did not wait for a standby, or could not tell
    /// every node. Then the trees' stamps are asked.
    pub(crate) async fn commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        let outcome = match self.try_commit(commit).await {
            Err(CommitError::Unknown(lost)) => self.settle(commit, lost).await,
            outcome => outcome,
        };
        if outcome.is_err() {
            self.abort().await;
        }
        self.new_trees.clear();
        outcome
    }

    async fn try_commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        let fault = self.faults.get();
        if fault == Some(Fault::DiskFull) {
            return Err(CommitError::NotDone(StoreError::Stopped(
                "a test filled the disk".to_owned(),
            )));
        }
        self.begin().await.map_err(CommitError::NotDone)?;
        let new_trees = std::mem::take(&mut self.new_trees);
        let session = self.session().await.map_err(CommitError::NotDone)?;
        let now = commit.now();
        let mut changes = entitlement::put(session, &commit.writes, &commit.present())
            .await
            .map_err(CommitError::NotDone)?;
        if let Some(version) = commit.catalog_version {
            catalog::raise_version(session, version, now)
                .await
                .map_err(CommitError::NotDone)?;
        }
        changes.extend(batch(commit, &new_trees, now));
        let statements = session
            .prepare(&changes)
            .await
            .map_err(CommitError::NotDone)?;
        session.take_warning();
        let end = if fault == Some(Fault::CommitLost) {
            "ROLLBACK"
        } else {
            "COMMIT"
        };
        let (changed, ended) = session.send(&statements, &changes, end).await;
        let warning = session.take_warning();
        let Some(ended) = ended else {
            let error = changed.err().unwrap_or(StoreError::Lost);
            // What the server said no word to has no form it could be sent in.
            let is_refused = !error.is_passing() && refusal(&error, commit).unwrap_or(true);
            return Err(if is_refused {
                CommitError::Refused(error)
            } else {
                CommitError::NotDone(error)
            });
        };
        self.stage = Stage::Idle;
        if let Err(error) = changed {
            return Err(match refusal(&error, commit) {
                // The server said no to a statement, and so the COMMIT behind it was a ROLLBACK.
                Some(true) => CommitError::Refused(error),
                Some(false) => CommitError::NotDone(error),
                None => self.lost(error),
            });
        }
        match (ended, warning) {
            (Ok(()), None) if fault.is_none() => Ok(()),
            (Ok(()), None) => Err(CommitError::Unknown(StoreError::Stopped(
                "a test lost the answer".to_owned(),
            ))),
            (Ok(()), Some(warning)) => Err(self.lost(warned(&warning))),
            (Err(error), _) if is_rolled_back(&error) => Err(CommitError::NotDone(error)),
            (Err(error), _) => Err(self.lost(error)),
        }
    }

    /// Whoever comes next gets a connection of which nothing is open.
    fn lost(&mut self, error: StoreError) -> CommitError {
        self.session = None;
        CommitError::Unknown(error)
    }
}

/// The changes of a batch, in an order in which each is right after those before it.
fn batch<'a>(commit: &'a Commit, new_trees: &BTreeSet<TreeId>, now: Time) -> Vec<Change<'a>> {
    let kept = Kept::of(&commit.writes);
    let mut changes = vec![];
    changes.extend(accounts::put_accounts(&all(&kept.accounts)));
    changes.extend(accounts::put_account_plans(&all(&kept.account_plans)));
    changes.extend(kept.rules.values().filter_map(|rule| rule.map(put_rule)));
    changes.extend(remove_rules(&kept.removed_rules()));
    changes.extend(events::add_events(&kept.events));
    changes.extend(holds::put_leases(&all(&kept.leases)));
    changes.extend(holds::put_reservations(&all(&kept.reservations)));
    changes.extend(counters::add_hours(&tally::hours(&commit.writes)));
    changes.extend(counters::move_windows(&Windows::of(
        commit,
        &commit.present(),
    )));
    changes.extend(counters::move_heads(&commit.heads, new_trees));
    changes.extend(catalog::changes(&commit.catalog, now));
    changes.extend(decisions::log(&commit.decisions));
    changes
}

fn all<'a, K, V>(rows: &BTreeMap<K, &'a V>) -> Vec<&'a V> {
    rows.values().copied().collect()
}
