//! Recomputing from the ledger what follows from it, and comparing. Tree by tree, in one read transaction: memory is
//! bounded by the largest tree's accounts and hours.

mod counters;
mod keys;
mod records;
mod walk;

use mec_kernel::{Catalogue, Time, TreeId};
use rusqlite::{Connection, params};

use self::counters::Counters;
use self::walk::Walk;
use super::Sqlite;
use crate::{Progress, Report, StoreError};

/// The next tree that any of its tables knows, so that one without a head or without events is looked at too.
const NEXT_TREE: &str = "SELECT min(tree) FROM (SELECT min(tree) AS tree FROM account_trees WHERE tree > ?1 \
     UNION ALL SELECT min(tree) FROM accounts WHERE tree > ?1 \
     UNION ALL SELECT min(tree) FROM consumption_ledger INDEXED BY consumption_ledger_seq WHERE tree > ?1 \
     UNION ALL SELECT min(tree) FROM usage_hours WHERE tree > ?1 \
     UNION ALL SELECT min(tree) FROM usage_windows WHERE tree > ?1)";

const TREES: &str = "SELECT count(*) FROM account_trees WHERE tree > 0";
const EVENTS: &str = "SELECT coalesce(sum(next_seq - 1), 0) FROM account_trees WHERE tree > 0";

/// What a verification carries along.
struct Verification<'a> {
    connection: &'a Connection,
    catalogue: &'a Catalogue,
    report: Report,
    /// Keys that lead to their event: as many as there are rows in `ledger_keys`, or some lead nowhere.
    keys: u64,
    progress: Progress,
    tell: &'a mut dyn FnMut(Progress),
}

impl Sqlite {
    pub(crate) fn verify(
        &self,
        catalogue: &Catalogue,
        now: Time,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, StoreError> {
        self.read_apart(|connection| {
            let (trees_total, events_total) = (count(connection, TREES)?, count(connection, EVENTS)?);
            let mut verification = Verification {
                connection,
                catalogue,
                report: Report::default(),
                keys: 0,
                progress: Progress { trees_total, events_total, ..Progress::default() },
                tell: progress,
            };
            let mut last = TreeId::CATALOGUE;
            while let Some(tree) = next_tree(connection, last)? {
                verification.tree(tree, now)?;
                last = tree;
            }
            verification.keys_that_lead_nowhere()?;
            verification.details_of_no_event()?;
            verification.reservations()?;
            verification.leases()?;
            verification.entitlements()?;
            verification.told();
            Ok(verification.report)
        })
    }
}

impl Verification<'_> {
    fn tree(&mut self, tree: TreeId, now: Time) -> Result<(), StoreError> {
        let head = match walk::head(self.connection, tree) {
            Ok(head) => head,
            Err(error) => {
                self.find("account_trees", format!("tree {tree}"), unreadable(error)?);
                None
            }
        };
        // Counters were last moved at the head's instant: a clock that went back since must not reopen their windows.
        let now = head.map_or(now, |head| head.last_at.max(now));
        let mut counters = Counters::of(self, tree, now)?;
        Walk::new(tree, head).through(self, &mut counters)?;
        counters.compare(self, tree)?;
        self.report.trees += 1;
        self.progress.trees += 1;
        self.told();
        Ok(())
    }

    fn find(&mut self, table: &'static str, key: String, problem: String) {
        self.report.find(table, key, problem);
    }

    fn told(&mut self) {
        (self.tell)(self.progress);
    }
}

fn count(connection: &Connection, sql: &str) -> Result<u64, StoreError> {
    let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn next_tree(connection: &Connection, last: TreeId) -> Result<Option<TreeId>, StoreError> {
    let next: Option<u32> = connection.prepare_cached(NEXT_TREE)?.query_row(params![last.0], |row| row.get(0))?;
    Ok(next.map(TreeId))
}

/// What is to be said of a row that does not hold what this program writes; any other error ends the verification.
fn unreadable(error: rusqlite::Error) -> Result<String, StoreError> {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    match error {
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..) => {
            Ok(format!("cannot be read: {error}"))
        }
        error => Err(error.into()),
    }
}

/// `expected … found …`, the words of every finding that compares.
fn differs(what: &str, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> String {
    format!("{what}: expected {expected}, found {found}")
}
