//! Accounts with everything a decision needs of them, many at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{join3, try_join5};
use mec_kernel::{AccountId, Node, Time, TreeId};
use tokio_postgres::types::ToSql;

use super::held::{HELD, Held};
use crate::StoreError;
use crate::postgres::cells::Found;
use crate::postgres::codec::{Id, Instant};
use crate::postgres::entitlement;
use crate::postgres::ledger::SUBTREE;
use crate::postgres::session::Session;
use crate::postgres::tree_number::numbers;
use crate::rows::{self, Cells as _, sql};

sql!(
    ACCOUNTS = "SELECT ",
    rows::ACCOUNT,
    " FROM accounts WHERE account_id = ANY($1) AND tree = ANY($2)"
);

sql!(
    PLANS = "SELECT ",
    rows::ACCOUNT_PLAN,
    " FROM account_plans WHERE account_id = ANY($1) AND tree = ANY($2) ORDER BY account_id, starts_at, plan_id, ref",
);

sql!(
    RULES = "SELECT ",
    rows::RULE,
    " FROM control_rules WHERE account_id = ANY($1) AND tree = ANY($2) ORDER BY rule_id"
);

sql!(
    WINDOWS = "SELECT ",
    rows::WINDOW,
    ", account_id FROM usage_windows WHERE account_id = ANY($1) AND tree = ANY($2) \
     AND (rolling_seconds > 0 OR window_end > $3)",
);

sql!(
    SEATS = SUBTREE,
    "SELECT s.root, l.resource_type_code, l.resource_scope, l.expires_at, l.amount FROM subtree s \
     JOIN concurrency_leases l ON l.account_id = s.id AND l.tree = ANY($2) \
     WHERE l.released_at IS NULL AND l.expires_at > $3",
);

pub(super) type Nodes = BTreeMap<(TreeId, AccountId), Node>;

/// Accounts with everything a decision needs of them; those that are not there are left out.
pub(super) async fn nodes(
    session: &Session,
    accounts: &[(TreeId, AccountId)],
    now: Time,
) -> Result<Nodes, StoreError> {
    if accounts.is_empty() {
        return Ok(Nodes::new());
    }
    let mut nodes = granted(session, accounts).await?;
    let ids: Vec<Id> = nodes.keys().map(|(_, id)| Id(id.0)).collect();
    let (trees, at) = (
        numbers(accounts.iter().map(|(tree, _)| *tree)),
        Instant::from(now),
    );
    let parameters: [&(dyn ToSql + Sync); 3] = [&ids, &trees, &at];
    let (windows, seats, held) = join3(
        session.query(&WINDOWS, &parameters),
        session.query(&SEATS, &parameters),
        session.query(&HELD, &parameters),
    )
    .await;
    for row in &windows? {
        let found = Found {
            row,
            table: "usage_windows",
        };
        let (key, total) = rows::window(&found)?;
        if let Some(node) = of(&mut nodes, AccountId(found.id(rows::WINDOW_COLUMNS)?)) {
            node.windows.insert(key, total);
        }
    }
    for row in &seats? {
        let found = Found {
            row,
            table: "concurrency_leases",
        };
        let Some(node) = of(&mut nodes, AccountId(found.id(0)?)) else {
            continue;
        };
        let (resource, scope) = (found.code(1)?, found.optional_code(2)?);
        let (expires_at, amount) = (found.time(3)?, found.exact(4)?);
        for scope in std::iter::once(None).chain(scope.map(Some)) {
            node.seats
                .entry((resource.clone(), scope))
                .or_default()
                .add(expires_at, amount, now);
        }
    }
    for row in &held? {
        let held = Held::of(row)?;
        let Some(node) = of(&mut nodes, held.of) else {
            continue;
        };
        for (key, total) in &mut node.windows {
            if held.counts_in(key) {
                total.held.add(held.expires_at, held.amount, now);
            }
        }
    }
    Ok(nodes)
}

/// Accounts with their entitlements, plans and rules.
pub(in crate::postgres) async fn granted(
    session: &Session,
    accounts: &[(TreeId, AccountId)],
) -> Result<Nodes, StoreError> {
    let ids: Vec<Id> = accounts.iter().map(|(_, id)| Id(id.0)).collect();
    let trees = numbers(accounts.iter().map(|(tree, _)| *tree));
    let wanted: BTreeSet<(TreeId, AccountId)> = accounts.iter().copied().collect();
    let parameters: [&(dyn ToSql + Sync); 2] = [&ids, &trees];
    let (found, entitlements, conditions, plans, rules) = try_join5(
        session.query(&ACCOUNTS, &parameters),
        session.query(&entitlement::OF_ACCOUNTS, &parameters),
        session.query(&entitlement::CONDITIONS_OF_ACCOUNTS, &parameters),
        session.query(&PLANS, &parameters),
        session.query(&RULES, &parameters),
    )
    .await?;
    let mut nodes = Nodes::new();
    for row in &found {
        let account = rows::account(&Found {
            row,
            table: "accounts",
        })?;
        // An id names its tree, which is where it was looked for.
        let key = (account.id.tree(), account.id);
        if wanted.contains(&key) {
            nodes.insert(key, Node::new(account));
        }
    }
    for row in entitlement::with_conditions(&entitlements, &conditions)? {
        if let Some(node) = of(&mut nodes, row.account) {
            node.entitlements.push(Arc::new(row));
        }
    }
    for row in &plans {
        let plan = rows::account_plan(&Found {
            row,
            table: "account_plans",
        })?;
        if let Some(node) = of(&mut nodes, plan.account) {
            node.plans.push(Arc::new(plan));
        }
    }
    for row in &rules {
        let rule = rows::rule(&Found {
            row,
            table: "control_rules",
        })?;
        if let Some(node) = rule.account.and_then(|account| of(&mut nodes, account)) {
            node.rules.push(Arc::new(rule));
        }
    }
    Ok(nodes)
}

fn of(nodes: &mut Nodes, account: AccountId) -> Option<&mut Node> {
    nodes.get_mut(&(account.tree(), account))
}
