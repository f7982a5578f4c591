//! The rows of one instant as a verification looks at them.

use std::cell::RefCell;

use mec_kernel::{
    AccountId, Catalog, EntitlementId, EventId, Head, HourSum, Lease, LedgerEvent, Reservation,
    Time, TreeId,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::Value;

use super::rows::{self, sql};
use super::{Sqlite, entitlement};
use crate::rows::Cells as _;
use crate::rows::HourKey;
use crate::verify::{Counted, Each, EventRow, Evidence, KeyRow, Reading, WindowRow, verify};
use crate::{Progress, Report, StoreError};

/// Ledger rows shown at once.
const EVENTS_AT_ONCE: usize = 1_000;

const NEXT_TREE: &str = "SELECT min(tree) FROM (SELECT min(tree) AS tree FROM account_trees WHERE tree > ?1 \
     UNION ALL SELECT min(tree) FROM accounts WHERE tree > ?1 \
     UNION ALL SELECT min(tree) FROM consumption_ledger INDEXED BY consumption_ledger_seq WHERE tree > ?1 \
     UNION ALL SELECT min(tree) FROM usage_hours WHERE tree > ?1 \
     UNION ALL SELECT min(tree) FROM usage_windows WHERE tree > ?1)";
sql!(
    HOURS = "SELECT ",
    crate::rows::HOUR,
    " FROM usage_hours WHERE tree = ?1"
);
sql!(
    WINDOWS = "SELECT ",
    rows::WINDOW,
    ", account_id FROM usage_windows WHERE tree = ?1 AND (rolling_seconds > 0 OR window_end > ?2)",
);
sql!(
    EVENTS = "SELECT ",
    rows::EVENT,
    " FROM consumption_ledger l INDEXED BY consumption_ledger_seq \
     LEFT JOIN consumption_event_details d ON d.event_id = l.event_id AND d.tree = l.tree \
     WHERE l.tree = ?1 ORDER BY l.tree_seq",
);
const KEYS: &str = "SELECT k.event_id, l.tree_seq, l.idempotency_key FROM ledger_keys k \
     LEFT JOIN consumption_ledger l ON l.event_id = k.event_id AND l.tree = k.tree WHERE k.key_hash = ?1 AND k.tree = ?2";
const ALL_KEYS: &str = "SELECT k.event_id, l.tree_seq, l.idempotency_key, k.key_hash, k.tree FROM ledger_keys k \
     LEFT JOIN consumption_ledger l ON l.event_id = k.event_id AND l.tree = k.tree";
const LOST_DETAILS: &str = "SELECT d.event_id, d.tree FROM consumption_event_details d WHERE NOT EXISTS \
     (SELECT 1 FROM consumption_ledger l WHERE l.event_id = d.event_id AND l.tree = d.tree)";
sql!(
    RESERVATIONS = "SELECT ",
    rows::RESERVATION,
    " FROM reservations ORDER BY reservation_id"
);
sql!(
    LEASES = "SELECT ",
    rows::LEASE,
    " FROM concurrency_leases ORDER BY lease_id"
);
sql!(
    EVENT = "SELECT ",
    rows::EVENT,
    " FROM ",
    rows::EVENT_FROM,
    " WHERE l.event_id = ?1 AND l.tree = ?2"
);
const ENTITLEMENTS: &str = "SELECT entitlement_id FROM entitlements ORDER BY entitlement_id";
const LAST_AUDIT: &str = "SELECT new_row FROM entitlements_audit WHERE entitlement_id = ?1 ORDER BY audit_id DESC LIMIT 1";
const AUDITED_ONLY: &str = "SELECT DISTINCT a.entitlement_id FROM entitlements_audit a WHERE NOT EXISTS \
     (SELECT 1 FROM entitlements e WHERE e.entitlement_id = a.entitlement_id)";

impl Sqlite {
    pub(crate) fn verify(
        &self,
        catalog: &Catalog,
        now: Time,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, StoreError> {
        self.read_apart(|connection| {
            verify(
                &Snapshot {
                    connection,
                    catalog,
                },
                catalog,
                now,
                progress,
            )
        })
    }
}

/// What a connection reads within one transaction.
struct Snapshot<'a> {
    connection: &'a Connection,
    catalog: &'a Catalog,
}

impl Snapshot<'_> {
    fn each<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
        each: Each<'_, T>,
    ) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare(sql)?;
        let mut found = statement.query(parameters)?;
        while let Some(row) = found.next()? {
            each(read(row)?)?;
        }
        Ok(())
    }

    fn last_audit(&self, id: EntitlementId) -> Result<Option<String>, StoreError> {
        let mut statement = self.connection.prepare_cached(LAST_AUDIT)?;
        let audited: Option<Option<String>> = statement
            .query_row(params![rows::Id(id.0)], |row| row.get(0))
            .optional()?;
        Ok(audited.flatten())
    }
}

impl Evidence for Snapshot<'_> {
    fn count(&self, what: Counted) -> Result<u64, StoreError> {
        let sql = match what {
            Counted::Trees => "SELECT count(*) FROM account_trees WHERE tree > 0",
            Counted::Events => {
                "SELECT coalesce(sum(next_seq - 1), 0) FROM account_trees WHERE tree > 0"
            }
            Counted::Keys => "SELECT count(*) FROM ledger_keys",
        };
        let count: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn next_tree(&self, last: TreeId) -> Result<Option<TreeId>, StoreError> {
        let next: Option<u32> = self
            .connection
            .prepare_cached(NEXT_TREE)?
            .query_row(params![last.0], |row| row.get(0))?;
        Ok(next.map(TreeId))
    }

    fn head(&self, tree: TreeId) -> Result<Reading<Option<Head>>, StoreError> {
        reading(
            self.connection
                .prepare_cached(&rows::HEAD_OF)?
                .query_row(params![tree.0], rows::head)
                .optional(),
        )
    }

    fn parents(&self, tree: TreeId) -> Result<Vec<(AccountId, Option<AccountId>)>, StoreError> {
        let sql = "SELECT account_id, parent_account_id FROM accounts WHERE tree = ?1";
        let read = |row: &Row<'_>| Ok((AccountId(row.id(0)?), row.optional_id(1)?.map(AccountId)));
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement
            .query_map(params![tree.0], read)?
            .collect::<rusqlite::Result<_>>()?)
    }

    fn windows(&self, tree: TreeId, now: Time) -> Result<Vec<Reading<WindowRow>>, StoreError> {
        let mut windows = vec![];
        let read = |row: &Row<'_>| {
            let window = |row: &Row<'_>| {
                let (key, total) = rows::window(row)?;
                Ok((AccountId(row.id(rows::WINDOW_COLUMNS)?), key, total))
            };
            reading(window(row))
        };
        self.each(
            &WINDOWS,
            params![tree.0, now.micros()],
            read,
            &mut |window| {
                windows.push(window);
                Ok(())
            },
        )?;
        Ok(windows)
    }

    fn hours(
        &self,
        tree: TreeId,
        each: Each<'_, Reading<(HourKey, HourSum)>>,
    ) -> Result<(), StoreError> {
        self.each(
            &HOURS,
            params![tree.0],
            |row| reading(crate::rows::hour(row)),
            each,
        )
    }

    fn events(&self, tree: TreeId, each: Each<'_, Vec<EventRow>>) -> Result<(), StoreError> {
        let some = RefCell::new(Vec::with_capacity(EVENTS_AT_ONCE));
        let read = |row: &Row<'_>| {
            Ok(match reading(rows::event(row, self.catalog))? {
                Ok(event) => EventRow::Read(Box::new(event)),
                Err(problem) => EventRow::Unreadable {
                    seq: row.get(1)?,
                    event: EventId(row.id(0)?),
                    chain: row.hash(21).ok(),
                    problem,
                },
            })
        };
        self.each(&EVENTS, params![tree.0], read, &mut |row| {
            some.borrow_mut().push(row);
            if some.borrow().len() < EVENTS_AT_ONCE {
                Ok(())
            } else {
                each(some.take())
            }
        })?;
        each(some.into_inner())
    }

    fn keys(&self, tree: TreeId, hashes: &[i64]) -> Result<Vec<Vec<KeyRow>>, StoreError> {
        let mut statement = self.connection.prepare_cached(KEYS)?;
        let mut of_hash = |hash: &i64| {
            statement
                .query_map(params![hash, tree.0], key_row)?
                .collect::<rusqlite::Result<_>>()
        };
        Ok(hashes
            .iter()
            .map(&mut of_hash)
            .collect::<rusqlite::Result<_>>()?)
    }

    fn all_keys(&self, each: Each<'_, (i64, TreeId, KeyRow)>) -> Result<(), StoreError> {
        self.each(
            ALL_KEYS,
            [],
            |row| Ok((row.get(3)?, TreeId(row.get(4)?), key_row(row)?)),
            each,
        )
    }

    fn details_of_no_event(&self, each: Each<'_, (TreeId, EventId)>) -> Result<(), StoreError> {
        self.each(
            LOST_DETAILS,
            [],
            |row| Ok((TreeId(row.get(1)?), EventId(row.id(0)?))),
            each,
        )
    }

    fn reservations(
        &self,
        each: Each<'_, Result<Reservation, (String, String)>>,
    ) -> Result<(), StoreError> {
        self.each(
            &RESERVATIONS,
            [],
            |row| {
                Ok(reading(rows::reservation(row))?
                    .map_err(|problem| (crate::rows::key_of(row), problem)))
            },
            each,
        )
    }

    fn leases(&self, each: Each<'_, Result<Lease, (String, String)>>) -> Result<(), StoreError> {
        self.each(
            &LEASES,
            [],
            |row| {
                Ok(reading(rows::lease(row))?
                    .map_err(|problem| (crate::rows::key_of(row), problem)))
            },
            each,
        )
    }

    fn event(&self, id: EventId) -> Result<Reading<Option<LedgerEvent>>, StoreError> {
        let read = |row: &Row<'_>| rows::event(row, self.catalog);
        let mut statement = self.connection.prepare_cached(&EVENT)?;
        reading(
            statement
                .query_row(params![rows::Id(id.0), id.tree().0], read)
                .optional(),
        )
    }

    fn entitlements(
        &self,
        each: Each<'_, (EntitlementId, Reading<Option<Value>>, Option<String>)>,
    ) -> Result<(), StoreError> {
        let read = |row: &Row<'_>| Ok(EntitlementId(row.id(0)?));
        self.each(ENTITLEMENTS, [], read, &mut |id| {
            each((
                id,
                reading(entitlement::shown(self.connection, id))?,
                self.last_audit(id)?,
            ))
        })?;
        self.each(AUDITED_ONLY, [], read, &mut |id| {
            each((id, Ok(None), self.last_audit(id)?))
        })
    }
}

fn key_row(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    let found = row
        .get::<_, Option<i64>>(1)?
        .zip(row.get::<_, Option<String>>(2)?);
    Ok(KeyRow {
        event: EventId(row.id(0)?),
        found,
    })
}

/// What is to be said of a row that does not hold what this program writes; any other error ends
/// the verification.
fn reading<T>(read: rusqlite::Result<T>) -> Result<Reading<T>, StoreError> {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
    };
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(
            error @ (FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | Utf8Error(..)),
        ) => Ok(Err(format!("cannot be read: {error}"))),
        Err(error) => Err(error.into()),
    }
}
