//! One batch, one transaction: rows, keys and sums together.

mod accounts;
mod counters;
mod events;
mod holds;

use mec_kernel::{Time, TreeId, Write};
use rusqlite::{Connection, TransactionBehavior};

use super::commit_error::{failed, lost, not_committed};
use super::rule::{put_rule, remove_rule};
use super::{Writer, decisions, entitlement};
use crate::tally::{self, Windows};
use crate::{Commit, CommitError, Fault, StoreError};

impl Writer {
    /// A failed statement changes nothing. A failed COMMIT leaves open what is on disk, unless
    /// SQLite says the disk is full or the file is busy, which it says before it writes.
    pub(crate) fn commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        let fault = self.faults.get();
        self.heed(fault).map_err(failed)?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        write_all(&transaction, commit)?;
        if fault == Some(Fault::CommitLost) {
            transaction.rollback().map_err(failed)?;
            return Err(lost());
        }
        transaction.commit().map_err(not_committed)?;
        if fault == Some(Fault::AnswerLost) {
            Err(lost())
        } else {
            Ok(())
        }
    }

    /// Writes to new pages and to the disk, and leaves nothing behind.
    pub(crate) fn probe(&mut self) -> Result<(), CommitError> {
        self.heed(self.faults.get()).map_err(failed)?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let sql = "CREATE TABLE probe (filler); INSERT INTO probe VALUES (zeroblob(65536)); DROP TABLE probe";
        transaction.execute_batch(sql).map_err(failed)?;
        transaction.commit().map_err(not_committed)
    }

    fn heed(&mut self, fault: Option<Fault>) -> rusqlite::Result<()> {
        let is_full = fault == Some(Fault::DiskFull);
        if is_full || self.is_full {
            self.fill_disk(is_full)
        } else {
            Ok(())
        }
    }

    /// A file that may have no more pages than it has is what a full disk is to SQLite.
    fn fill_disk(&mut self, is_full: bool) -> rusqlite::Result<()> {
        let pages_max = if is_full { 1 } else { i64::from(u32::MAX - 1) };
        self.connection
            .pragma_update_and_check(None, "max_page_count", pages_max, |_| Ok(()))?;
        self.is_full = is_full;
        Ok(())
    }
}

fn write_all(connection: &Connection, commit: &Commit) -> Result<(), CommitError> {
    let (now, at) = (commit.now(), commit.present());
    for write in &commit.writes {
        write_one(connection, write, &at).map_err(failed)?;
    }
    for (key, sum) in &tally::hours(&commit.writes) {
        counters::add_hour(connection, key, *sum).map_err(failed)?;
    }
    let windows = Windows::of(commit, &at);
    for window in windows.closed {
        counters::drop_window(connection, window).map_err(failed)?;
    }
    for (window, total) in windows.open {
        counters::put_window(connection, window, total).map_err(failed)?;
    }
    for head in &commit.heads {
        counters::put_head(connection, head).map_err(failed)?;
    }
    super::catalog::write(connection, &commit.catalog, commit.catalog_version, now).map_err(
        |error| match error {
            StoreError::Sqlite(error) => failed(error),
            error => CommitError::NotDone(error),
        },
    )?;
    for row in &commit.decisions {
        decisions::log(connection, row).map_err(failed)?;
    }
    Ok(())
}

fn write_one(
    connection: &Connection,
    write: &Write,
    at: &dyn Fn(TreeId) -> Time,
) -> rusqlite::Result<()> {
    match write {
        Write::Account(account) => accounts::put_account(connection, account),
        Write::Entitlement {
            row,
            metadata,
            audit,
        } => entitlement::put(
            connection,
            row,
            metadata.as_ref(),
            audit,
            at(row.account.tree()),
        ),
        Write::AccountPlan(plan) => accounts::put_account_plan(connection, plan),
        Write::Rule(rule) => put_rule(connection, rule),
        Write::RemoveRule { rule, .. } => remove_rule(connection, *rule),
        Write::Event { event, .. } => events::put_event(connection, event),
        Write::Lease { new, .. } => holds::put_lease(connection, new),
        Write::Reservation { new, .. } => holds::put_reservation(connection, new),
        // Counters are written once, as they are after the batch.
        Write::Mark { .. } | Write::Window { .. } => Ok(()),
    }
}
