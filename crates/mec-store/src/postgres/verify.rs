//! The rows of one instant as a verification looks at them: streamed by a cursor, keys and audits
//! some at a time.

use mec_kernel::{
    AccountId, Catalog, EntitlementId, EventId, Head, HourSum, Lease, LedgerEvent, Reservation,
    Time, TreeId,
};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::cells::Found;
use super::codec::{Id, Instant};
use super::heads::head;
use super::read::Snapshot;
use super::session::Parameter;
use super::tree_number::{number, numbers};
use super::{Postgres, entitlement, look_up};
use crate::rows::HourKey;
use crate::rows::{self, Cells as _, sql};
use crate::verify::{Counted, Each, EventRow, Evidence, KeyRow, Reading, WindowRow, verify};
use crate::{Progress, Report, StoreError};

/// Rows shown at once, where what belongs to them is asked for at once too.
const ROWS_AT_ONCE: usize = 1_000;

/// The next tree that any of its tables knows, from indexes that begin with the tree.
const NEXT_TREE: &str = "SELECT min(tree) FROM (SELECT min(tree) AS tree FROM account_trees WHERE tree > $1 \
     UNION ALL SELECT min(tree) FROM accounts WHERE tree > $1 \
     UNION ALL SELECT min(tree) FROM consumption_ledger WHERE tree > $1 \
     UNION ALL SELECT min(tree) FROM usage_hours WHERE tree > $1 \
     UNION ALL SELECT min(tree) FROM usage_windows WHERE tree > $1) AS trees";
sql!(
    HEAD = "SELECT ",
    rows::HEAD,
    " FROM account_trees WHERE tree = $1"
);
const PARENTS: &str = "SELECT account_id, parent_account_id FROM accounts WHERE tree = $1";
sql!(
    HOURS = "SELECT ",
    rows::HOUR,
    " FROM usage_hours WHERE tree = $1"
);
sql!(
    WINDOWS = "SELECT ",
    rows::WINDOW,
    ", account_id FROM usage_windows WHERE tree = $1 AND (rolling_seconds > 0 OR window_end > $2)",
);
sql!(
    EVENTS = "SELECT ",
    rows::EVENT,
    " FROM consumption_ledger l \
     LEFT JOIN consumption_event_details d ON d.event_id = l.event_id AND d.tree = l.tree \
     WHERE l.tree = $1 ORDER BY l.tree_seq",
);
const KEYS: &str = "SELECT u.place, k.event_id, l.tree_seq, l.idempotency_key \
     FROM unnest($1::bigint[]) WITH ORDINALITY AS u(hash, place) \
     JOIN ledger_keys k ON k.key_hash = u.hash AND k.tree = $2 \
     LEFT JOIN consumption_ledger l ON l.event_id = k.event_id AND l.tree = k.tree ORDER BY u.place";
const ALL_KEYS: &str = "SELECT k.key_hash, k.event_id, l.tree_seq, l.idempotency_key, k.tree FROM ledger_keys k \
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
    " WHERE l.event_id = $1 AND l.tree = $2"
);
/// Those that are there, and those that only their audit knows.
const ENTITLEMENTS: &str = "SELECT entitlement_id FROM entitlements UNION SELECT entitlement_id FROM entitlements_audit \
     ORDER BY entitlement_id";
const LAST_AUDITS: &str = "SELECT DISTINCT ON (entitlement_id) entitlement_id, new_row FROM entitlements_audit \
     WHERE entitlement_id = ANY($1) AND tree = ANY($2) ORDER BY entitlement_id, audit_id DESC";

impl Postgres {
    pub(crate) fn verify(
        &self,
        catalog: &Catalog,
        now: Time,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, StoreError> {
        self.read_apart(|snapshot| verify(&Verified { snapshot, catalog }, catalog, now, progress))
    }
}

/// What is read within one transaction.
struct Verified<'a> {
    snapshot: &'a Snapshot,
    catalog: &'a Catalog,
}

impl Verified<'_> {
    fn query(
        &self,
        sql: &'static str,
        parameters: Vec<(Parameter<'static>, Type)>,
    ) -> Result<Vec<Row>, StoreError> {
        self.snapshot
            .wait(move |session| async move { session.query_once(sql, &parameters).await })
    }

    /// The single number a statement answers.
    fn number(
        &self,
        sql: &'static str,
        parameters: Vec<(Parameter<'static>, Type)>,
    ) -> Result<Option<i64>, StoreError> {
        let rows = self.query(sql, parameters)?;
        rows.first()
            .map(|row| {
                Found {
                    row,
                    table: "account_trees",
                }
                .optional_integer(0)
            })
            .transpose()
            .map(Option::flatten)
    }

    /// Entitlements as they are shown; where one of them cannot be read, each on its own.
    fn shown(&self, ids: &[EntitlementId]) -> Result<Vec<Reading<Option<Value>>>, StoreError> {
        let of_task = ids.to_vec();
        let stored = self
            .snapshot
            .wait(move |session| async move { entitlement::stored(&session, &of_task).await });
        match (reading(stored)?, ids) {
            (Ok(stored), ids) => Ok(ids
                .iter()
                .map(|id| Ok(stored.get(id).map(entitlement::Stored::shown)))
                .collect()),
            (Err(problem), [_]) => Ok(vec![Err(problem)]),
            (Err(_), ids) => {
                let mut shown = vec![];
                for id in ids {
                    shown.extend(self.shown(&[*id])?);
                }
                Ok(shown)
            }
        }
    }

    fn last_audits(&self, ids: &[EntitlementId]) -> Result<Vec<Option<String>>, StoreError> {
        let trees = numbers(ids.iter().map(|id| id.tree()));
        let keys: Vec<Id> = ids.iter().map(|id| Id(id.0)).collect();
        let parameters: Vec<(Parameter<'static>, Type)> = vec![
            (Box::new(keys), Type::UUID_ARRAY),
            (Box::new(trees), Type::INT4_ARRAY),
        ];
        let mut audits = std::collections::BTreeMap::new();
        for row in &self.query(LAST_AUDITS, parameters)? {
            let found = Found {
                row,
                table: "entitlements_audit",
            };
            audits.insert(
                EntitlementId(found.id(0)?),
                found.optional_text(1)?.map(str::to_owned),
            );
        }
        Ok(ids.iter().map(|id| audits.remove(id).flatten()).collect())
    }
}

fn of_tree(tree: TreeId) -> Vec<(Parameter<'static>, Type)> {
    vec![(Box::new(number(tree)), Type::INT4)]
}

impl Evidence for Verified<'_> {
    fn count(&self, what: Counted) -> Result<u64, StoreError> {
        let sql = match what {
            Counted::Trees => "SELECT count(*) FROM account_trees WHERE tree > 0",
            Counted::Events => {
                "SELECT coalesce(sum(next_seq - 1), 0)::bigint FROM account_trees WHERE tree > 0"
            }
            Counted::Keys => "SELECT count(*) FROM ledger_keys",
        };
        Ok(self
            .number(sql, vec![])?
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or(0))
    }

    fn next_tree(&self, last: TreeId) -> Result<Option<TreeId>, StoreError> {
        Ok(self
            .number(NEXT_TREE, of_tree(last))?
            .and_then(|tree| u32::try_from(tree).ok())
            .map(TreeId))
    }

    fn head(&self, tree: TreeId) -> Result<Reading<Option<Head>>, StoreError> {
        reading(
            self.query(&HEAD, of_tree(tree))?
                .first()
                .map(head)
                .transpose(),
        )
    }

    fn parents(&self, tree: TreeId) -> Result<Vec<(AccountId, Option<AccountId>)>, StoreError> {
        let read = |row| {
            let found = Found {
                row,
                table: "accounts",
            };
            Ok((
                AccountId(found.id(0)?),
                found.optional_id(1)?.map(AccountId),
            ))
        };
        self.query(PARENTS, of_tree(tree))?
            .iter()
            .map(read)
            .collect()
    }

    fn windows(&self, tree: TreeId, now: Time) -> Result<Vec<Reading<WindowRow>>, StoreError> {
        let mut parameters = of_tree(tree);
        parameters.push((Box::new(Instant::from(now)), Type::TIMESTAMPTZ));
        let read = |row| {
            let found = Found {
                row,
                table: "usage_windows",
            };
            let (key, total) = rows::window(&found)?;
            Ok((AccountId(found.id(rows::WINDOW_COLUMNS)?), key, total))
        };
        self.query(&WINDOWS, parameters)?
            .iter()
            .map(|row| reading(read(row)))
            .collect()
    }

    fn hours(
        &self,
        tree: TreeId,
        each: Each<'_, Reading<(HourKey, HourSum)>>,
    ) -> Result<(), StoreError> {
        self.snapshot.each_row(&HOURS, of_tree(tree), |row| {
            each(reading(rows::hour(&Found {
                row,
                table: "usage_hours",
            }))?)
        })
    }

    fn events(&self, tree: TreeId, each: Each<'_, Vec<EventRow>>) -> Result<(), StoreError> {
        let mut some = Vec::with_capacity(ROWS_AT_ONCE);
        self.snapshot.each_row(&EVENTS, of_tree(tree), |row| {
            some.push(match reading(look_up::event(row, self.catalog))? {
                Ok(event) => EventRow::Read(Box::new(event)),
                Err(problem) => {
                    let found = Found {
                        row,
                        table: "consumption_ledger",
                    };
                    let (seq, event) = (found.integer(1)?, EventId(found.id(0)?));
                    EventRow::Unreadable {
                        seq,
                        event,
                        chain: found.hash(21).ok(),
                        problem,
                    }
                }
            });
            if some.len() < ROWS_AT_ONCE {
                Ok(())
            } else {
                each(std::mem::take(&mut some))
            }
        })?;
        each(some)
    }

    fn keys(&self, tree: TreeId, hashes: &[i64]) -> Result<Vec<Vec<KeyRow>>, StoreError> {
        let mut keys: Vec<Vec<KeyRow>> = hashes.iter().map(|_| vec![]).collect();
        let parameters: Vec<(Parameter<'static>, Type)> = vec![
            (Box::new(hashes.to_vec()), Type::INT8_ARRAY),
            (Box::new(number(tree)), Type::INT4),
        ];
        for row in &self.query(KEYS, parameters)? {
            let place = Found {
                row,
                table: "ledger_keys",
            }
            .integer(0)?;
            if let Some(of_hash) = usize::try_from(place - 1)
                .ok()
                .and_then(|place| keys.get_mut(place))
            {
                of_hash.push(key_row(row)?);
            }
        }
        Ok(keys)
    }

    fn all_keys(&self, each: Each<'_, (i64, TreeId, KeyRow)>) -> Result<(), StoreError> {
        self.snapshot.each_row(ALL_KEYS, vec![], |row| {
            let found = Found {
                row,
                table: "ledger_keys",
            };
            each((found.integer(0)?, found.tree(4)?, key_row(row)?))
        })
    }

    fn details_of_no_event(&self, each: Each<'_, (TreeId, EventId)>) -> Result<(), StoreError> {
        self.snapshot.each_row(LOST_DETAILS, vec![], |row| {
            let found = Found {
                row,
                table: "consumption_event_details",
            };
            each((found.tree(1)?, EventId(found.id(0)?)))
        })
    }

    fn reservations(
        &self,
        each: Each<'_, Result<Reservation, (String, String)>>,
    ) -> Result<(), StoreError> {
        self.snapshot.each_row(&RESERVATIONS, vec![], |row| {
            let found = Found {
                row,
                table: "reservations",
            };
            each(
                reading(rows::reservation(&found))?
                    .map_err(|problem| (rows::key_of(&found), problem)),
            )
        })
    }

    fn leases(&self, each: Each<'_, Result<Lease, (String, String)>>) -> Result<(), StoreError> {
        self.snapshot.each_row(&LEASES, vec![], |row| {
            let found = Found {
                row,
                table: "concurrency_leases",
            };
            each(reading(rows::lease(&found))?.map_err(|problem| (rows::key_of(&found), problem)))
        })
    }

    fn event(&self, id: EventId) -> Result<Reading<Option<LedgerEvent>>, StoreError> {
        let parameters: Vec<(Parameter<'static>, Type)> = vec![
            (Box::new(Id(id.0)), Type::UUID),
            (Box::new(number(id.tree())), Type::INT4),
        ];
        let found = self.query(&EVENT, parameters)?;
        reading(
            found
                .first()
                .map(|row| look_up::event(row, self.catalog))
                .transpose(),
        )
    }

    fn entitlements(
        &self,
        each: Each<'_, (EntitlementId, Reading<Option<Value>>, Option<String>)>,
    ) -> Result<(), StoreError> {
        let mut some = Vec::with_capacity(ROWS_AT_ONCE);
        let mut show = |ids: Vec<EntitlementId>| {
            let both = self.shown(&ids)?.into_iter().zip(self.last_audits(&ids)?);
            ids.into_iter()
                .zip(both)
                .try_for_each(|(id, (shown, audited))| each((id, shown, audited)))
        };
        self.snapshot.each_row(ENTITLEMENTS, vec![], |row| {
            some.push(EntitlementId(
                Found {
                    row,
                    table: "entitlements",
                }
                .id(0)?,
            ));
            if some.len() < ROWS_AT_ONCE {
                Ok(())
            } else {
                show(std::mem::take(&mut some))
            }
        })?;
        show(some)
    }
}

fn key_row(row: &Row) -> Result<KeyRow, StoreError> {
    let found = Found {
        row,
        table: "ledger_keys",
    };
    let place = found
        .optional_integer(2)?
        .zip(found.optional_text(3)?.map(str::to_owned));
    Ok(KeyRow {
        event: EventId(found.id(1)?),
        found: place,
    })
}

/// What is to be said of a row that does not hold what this program writes; any other error ends
/// the verification.
fn reading<T>(read: Result<T, StoreError>) -> Result<Reading<T>, StoreError> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(StoreError::Damaged { problem, .. }) => Ok(Err(format!("cannot be read: {problem}"))),
        Err(error) => Err(error),
    }
}
