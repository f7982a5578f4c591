//! Streaming the ledger in order. Memory stays flat: rows come from the sequence's index one by
//! one.

use mec_kernel::{Catalog, LedgerEvent, Time};
use rusqlite::{Connection, params};

use super::rows::{self, sql};
use super::{Sqlite, open_reader};
use crate::{EventFilter, StoreError};

// The index is named because another one would need the whole answer sorted before its first row.
const FROM: &str = " FROM consumption_ledger l INDEXED BY consumption_ledger_seq \
     LEFT JOIN consumption_event_details d ON d.event_id = l.event_id AND d.tree = l.tree WHERE ";
const HAPPENED: &str =
    " AND l.occurred_at >= ?3 AND l.occurred_at < ?4 ORDER BY l.tree, l.tree_seq";

sql!(
    OF_ALL = "SELECT ",
    rows::EVENT,
    FROM,
    "(l.tree, l.tree_seq) > (?1, ?2)",
    HAPPENED
);
sql!(
    OF_ACCOUNT = "SELECT ",
    rows::EVENT,
    FROM,
    "l.tree = ?1 AND l.tree_seq > ?2 AND l.account_id = ?5",
    HAPPENED
);

impl Sqlite {
    /// Lends a connection of its own to `read`, on one instant's state, for as long as it needs:
    /// the readers that requests share stay free.
    pub(super) fn read_apart<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection = open_reader(&self.path)?;
        let snapshot = connection.unchecked_transaction()?;
        let outcome = read(&snapshot)?;
        snapshot.commit()?;
        Ok(outcome)
    }

    pub(crate) fn each_event(
        &self,
        filter: &EventFilter,
        catalog: &Catalog,
        each: &mut dyn FnMut(&LedgerEvent) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let from = filter.from.unwrap_or(Time::BEGINNING).micros();
        let to = filter.to.unwrap_or(Time::FOREVER).micros();
        let after = filter
            .after
            .map_or((0, 0), |after| (after.tree.0, after.tree_seq));
        self.read_apart(|connection| {
            let mut statement = connection.prepare(if filter.account.is_some() {
                &OF_ACCOUNT
            } else {
                &OF_ALL
            })?;
            let mut found = match filter.account {
                None => statement.query(params![after.0, after.1, from, to])?,
                Some(account) => {
                    let tree = account.tree().0;
                    let seen = match after.0.cmp(&tree) {
                        std::cmp::Ordering::Less => 0,
                        std::cmp::Ordering::Equal => after.1,
                        std::cmp::Ordering::Greater => return Ok(()),
                    };
                    statement.query(params![tree, seen, from, to, rows::Id(account.0)])?
                }
            };
            while let Some(row) = found.next()? {
                each(&rows::event(row, catalog)?)?;
            }
            Ok(())
        })
    }
}
