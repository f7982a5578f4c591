//! Reporting use: whole UTC hours from the stored sums, cut hours from the ledger.

use std::collections::BTreeMap;

use mec_kernel::{Catalog, Code, HourSum, Stay, Time};
use tokio_postgres::types::ToSql;

use super::Postgres;
use super::cells::Found;
use super::codec::{Id, Instant};
use super::ledger::{self, SUBTREE};
use super::session::Session;
use super::tree_number::number;
use crate::rows::{Cells as _, sql};
use crate::usage::{self, Stretch};
use crate::{StoreError, UsageBucket, UsageQuery};

const IN_HOURS: &str = "resource_type_code = $3 AND ($4::text IS NULL OR resource_scope = $4) AND hour >= $5 AND hour < $6";

sql!(
    SUMS = "SELECT hour, own, subtree, overage, events, overage_cost FROM usage_hours WHERE tree = ANY($2) AND account_id = ANY($1) AND ",
    IN_HOURS,
);
sql!(
    /// A stored sum counts the account's own events: those below it are counted where they are
    /// theirs.
    EVENTS_SUBTREE = SUBTREE,
    "SELECT hour, sum(events)::bigint FROM usage_hours WHERE tree = ANY($2) AND account_id IN (SELECT id FROM subtree) AND ",
    IN_HOURS,
    " GROUP BY hour",
);

const STAY: &str = "SELECT quantity, acquired_at, coalesce(released_at, expires_at) FROM concurrency_leases WHERE ";
const IN_SPAN: &str = "tree = ANY($2) AND resource_type_code = $3 AND ($4::text IS NULL OR resource_scope = $4) \
     AND expires_at > $5 AND acquired_at < $6";

sql!(
    STAYS_SUBTREE = SUBTREE,
    STAY,
    "account_id IN (SELECT id FROM subtree) AND ",
    IN_SPAN
);
sql!(STAYS_OWN = STAY, "account_id = ANY($1) AND ", IN_SPAN);

/// A query that does not borrow, so that it can be answered on the connections' thread.
struct Owned {
    account: mec_kernel::AccountId,
    resource: Code,
    scope: Option<Code>,
    buckets: Vec<(Time, Time)>,
    own_only: bool,
}

impl Owned {
    fn of(query: &UsageQuery<'_>) -> Self {
        Self {
            account: query.account,
            resource: query.resource.clone(),
            scope: query.scope.cloned(),
            buckets: query.buckets.to_vec(),
            own_only: query.own_only,
        }
    }

    fn query(&self) -> UsageQuery<'_> {
        UsageQuery {
            account: self.account,
            resource: &self.resource,
            scope: self.scope.as_ref(),
            buckets: &self.buckets,
            own_only: self.own_only,
        }
    }
}

impl Postgres {
    pub(crate) fn usage(
        &self,
        query: &UsageQuery<'_>,
        catalog: &Catalog,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        let (owned, catalog) = (Owned::of(query), catalog.clone());
        self.read_for(|snapshot| {
            snapshot.wait(|session| async move { sum(&session, &owned.query(), &catalog).await })
        })
    }

    pub(crate) fn stays(&self, query: &UsageQuery<'_>) -> Result<Vec<Stay>, StoreError> {
        let owned = Owned::of(query);
        self.read_for(|snapshot| {
            snapshot.wait(|session| async move { stays(&session, &owned.query()).await })
        })
    }
}

async fn stays(session: &Session, query: &UsageQuery<'_>) -> Result<Vec<Stay>, StoreError> {
    let Some((from, to)) = usage::span_of(query) else {
        return Ok(vec![]);
    };
    let (accounts, trees) = (
        vec![Id(query.account.0)],
        vec![number(query.account.tree())],
    );
    let (resource, scope) = (query.resource.as_str(), query.scope.map(Code::as_str));
    let (from, to) = (Instant::from(from), Instant::from(to));
    let parameters: [&(dyn ToSql + Sync); 6] = [&accounts, &trees, &resource, &scope, &from, &to];
    let stay = |row| {
        let found = Found {
            row,
            table: "concurrency_leases",
        };
        Ok(Stay {
            quantity: found.quantity(0)?,
            from: found.time(1)?,
            until: found.time(2)?,
        })
    };
    session
        .query(
            if query.own_only {
                &STAYS_OWN
            } else {
                &STAYS_SUBTREE
            },
            &parameters,
        )
        .await?
        .iter()
        .map(stay)
        .collect()
}

async fn sum(
    session: &Session,
    query: &UsageQuery<'_>,
    catalog: &Catalog,
) -> Result<Vec<UsageBucket>, StoreError> {
    let hours = hours(session, query).await?;
    let mut buckets = Vec::with_capacity(query.buckets.len());
    for &(start, end) in query.buckets {
        let (mut bucket, cuts) = usage::whole(&hours, query, start, end);
        for (from, to) in cuts {
            let stretch = Stretch {
                account: query.account,
                resource: query.resource,
                scope: query.scope,
                from,
                to,
            };
            let tree = query.account.tree();
            for used in ledger::uses(session, tree, &stretch, query.own_only, catalog).await? {
                bucket.amount = bucket.amount.plus(used.amount);
                bucket.events = bucket.events.saturating_add(1);
            }
            let effects = ledger::effects(session, tree, &stretch).await?;
            for effect in effects
                .iter()
                .filter(|effect| effect.account == query.account)
            {
                bucket.overage = bucket.overage.plus(effect.overage);
                bucket.overage_cost = bucket.overage_cost.plus(effect.cost());
            }
        }
        buckets.push(bucket);
    }
    Ok(buckets)
}

/// The sums of every whole hour any bucket holds, by hour.
async fn hours(
    session: &Session,
    query: &UsageQuery<'_>,
) -> Result<BTreeMap<Time, HourSum>, StoreError> {
    let mut hours: BTreeMap<Time, HourSum> = BTreeMap::new();
    let Some((first, last)) = usage::whole_hours_of(query) else {
        return Ok(hours);
    };
    let (accounts, trees) = (
        vec![Id(query.account.0)],
        vec![number(query.account.tree())],
    );
    let (resource, scope) = (query.resource.as_str(), query.scope.map(Code::as_str));
    let (first, last) = (Instant::from(first), Instant::from(last));
    let parameters: [&(dyn ToSql + Sync); 6] =
        [&accounts, &trees, &resource, &scope, &first, &last];
    for row in &session.query(&SUMS, &parameters).await? {
        let found = Found {
            row,
            table: "usage_hours",
        };
        let sum = HourSum {
            own: found.exact(1)?,
            subtree: found.exact(2)?,
            overage: found.exact(3)?,
            overage_cost: found.exact(5)?,
            events: if query.own_only { found.integer(4)? } else { 0 },
        };
        let entry = hours.entry(found.time(0)?).or_default();
        *entry = entry.plus(sum);
    }
    if !query.own_only {
        for row in &session.query(&EVENTS_SUBTREE, &parameters).await? {
            let found = Found {
                row,
                table: "usage_hours",
            };
            let entry = hours.entry(found.time(0)?).or_default();
            entry.events = entry.events.saturating_add(found.integer(1)?);
        }
    }
    Ok(hours)
}
