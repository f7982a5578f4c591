//! Reporting use: whole UTC hours from the stored sums, cut hours from the ledger.

use std::collections::BTreeMap;

use mec_kernel::{Catalog, Code, HourSum, Stay, Time};
use rusqlite::{Connection, params};

use super::Sqlite;
use super::ledger::{self, SUBTREE, Stretch};
use super::rows::{self, sql};
use crate::usage;
use crate::{StoreError, UsageBucket, UsageQuery};

const IN_HOURS: &str =
    "resource_type_code = ?3 AND (?4 IS NULL OR resource_scope = ?4) AND hour >= ?5 AND hour < ?6";

sql!(
    SUMS = "SELECT hour, own, subtree, overage, events, overage_cost FROM usage_hours WHERE tree = ?2 AND account_id = ?1 AND ",
    IN_HOURS
);
sql!(
    /// A stored sum counts the account's own events: those below it are counted where they are
    /// theirs.
    EVENTS_SUBTREE = SUBTREE,
    "SELECT hour, sum(events) FROM usage_hours WHERE tree = ?2 AND account_id IN (SELECT id FROM subtree) AND ",
    IN_HOURS,
    " GROUP BY hour",
);

const STAY: &str = "SELECT quantity, acquired_at, coalesce(released_at, expires_at) FROM concurrency_leases WHERE ";
/// A lease lasts until `expires_at` at the longest, so both bounds can be looked up.
const IN_SPAN: &str = "resource_type_code = ?2 AND (?3 IS NULL OR resource_scope = ?3) AND expires_at > ?4 AND acquired_at < ?5";

sql!(
    STAYS_SUBTREE = SUBTREE,
    STAY,
    "account_id IN (SELECT id FROM subtree) AND ",
    IN_SPAN
);
sql!(STAYS_OWN = STAY, "account_id = ?1 AND ", IN_SPAN);

impl Sqlite {
    pub(crate) fn stays(&self, query: &UsageQuery<'_>) -> Result<Vec<Stay>, StoreError> {
        let Some((from, to)) = usage::span_of(query) else {
            return Ok(vec![]);
        };
        self.read_for(&mec_query::Budget::unlimited(), |connection| {
            let mut statement = connection.prepare_cached(if query.own_only {
                &STAYS_OWN
            } else {
                &STAYS_SUBTREE
            })?;
            let (account, scope) = (rows::Id(query.account.0), query.scope.map(Code::as_str));
            let mut found = statement.query(params![
                account,
                query.resource.as_str(),
                scope,
                from.micros(),
                to.micros()
            ])?;
            let mut stays = Vec::new();
            while let Some(row) = found.next()? {
                let (quantity, from, until) = (
                    rows::quantity(row, 0)?,
                    rows::time(row, 1)?,
                    rows::time(row, 2)?,
                );
                stays.push(Stay {
                    quantity,
                    from,
                    until,
                });
            }
            Ok(stays)
        })
    }

    pub(crate) fn usage(
        &self,
        query: &UsageQuery<'_>,
        catalog: &Catalog,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        self.read_for(&mec_query::Budget::unlimited(), |connection| {
            // Sums and ledger are read as they are in one instant.
            let snapshot = connection.unchecked_transaction()?;
            let buckets = sum(&snapshot, query, catalog)?;
            snapshot.commit()?;
            Ok(buckets)
        })
    }
}

fn sum(
    connection: &Connection,
    query: &UsageQuery<'_>,
    catalog: &Catalog,
) -> Result<Vec<UsageBucket>, StoreError> {
    let hours = hours(connection, query)?;
    let mut buckets = Vec::with_capacity(query.buckets.len());
    for &(start, end) in query.buckets {
        let (mut bucket, cuts) = usage::whole(&hours, query, start, end);
        for cut in cuts {
            add_cut(connection, query, cut, catalog, &mut bucket)?;
        }
        buckets.push(bucket);
    }
    Ok(buckets)
}

/// The sums of every whole hour any bucket holds, by hour.
fn hours(
    connection: &Connection,
    query: &UsageQuery<'_>,
) -> Result<BTreeMap<Time, HourSum>, StoreError> {
    let mut hours: BTreeMap<Time, HourSum> = BTreeMap::new();
    let Some((first, last)) = usage::whole_hours_of(query) else {
        return Ok(hours);
    };
    let parameters = params![
        rows::Id(query.account.0),
        query.account.tree().0,
        query.resource.as_str(),
        query.scope.map(Code::as_str),
        first.micros(),
        last.micros()
    ];
    let mut statement = connection.prepare_cached(&SUMS)?;
    let mut found = statement.query(parameters)?;
    while let Some(row) = found.next()? {
        let sum = HourSum {
            own: row.get::<_, rows::Exact>(1)?.0,
            subtree: row.get::<_, rows::Exact>(2)?.0,
            overage: row.get::<_, rows::Exact>(3)?.0,
            overage_cost: row.get::<_, rows::Exact>(5)?.0,
            events: if query.own_only { row.get(4)? } else { 0 },
        };
        let entry = hours.entry(rows::time(row, 0)?).or_default();
        *entry = entry.plus(sum);
    }
    if !query.own_only {
        let mut statement = connection.prepare_cached(&EVENTS_SUBTREE)?;
        let mut found = statement.query(parameters)?;
        while let Some(row) = found.next()? {
            let entry = hours.entry(rows::time(row, 0)?).or_default();
            entry.events = entry.events.saturating_add(row.get(1)?);
        }
    }
    Ok(hours)
}

/// What happened in a part of a bucket that is no whole hour.
fn add_cut(
    connection: &Connection,
    query: &UsageQuery<'_>,
    (from, to): (Time, Time),
    catalog: &Catalog,
    bucket: &mut UsageBucket,
) -> Result<(), StoreError> {
    let stretch = Stretch {
        account: query.account,
        resource: query.resource,
        scope: query.scope,
        from,
        to,
    };
    ledger::each_use(connection, &stretch, query.own_only, catalog, |used| {
        bucket.amount = bucket.amount.plus(used.amount);
        bucket.events = bucket.events.saturating_add(1);
    })?;
    ledger::each_effect(connection, query.account.tree(), &stretch, |effect| {
        bucket.overage = bucket.overage.plus(effect.overage);
        bucket.overage_cost = bucket.overage_cost.plus(effect.cost());
    })
}
