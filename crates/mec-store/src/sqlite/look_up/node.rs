//! An account with everything a decision needs of it.

use std::sync::Arc;

use mec_kernel::{AccountId, Node, Time, TreeId};
use rusqlite::{Connection, params};

use super::held::held;
use crate::StoreError;
use crate::sqlite::ledger::SUBTREE;
use crate::sqlite::query::{all, one};
use crate::sqlite::rows::{self, sql};
use crate::sqlite::{Sqlite, entitlement};

sql!(
    ACCOUNT = "SELECT ",
    rows::ACCOUNT,
    " FROM accounts WHERE account_id = ?1 AND tree = ?2"
);

sql!(
    PLANS = "SELECT ",
    rows::ACCOUNT_PLAN,
    " FROM account_plans WHERE account_id = ?1 ORDER BY starts_at"
);

sql!(
    RULES = "SELECT ",
    rows::RULE,
    " FROM control_rules WHERE account_id = ?1"
);

sql!(
    WINDOWS = "SELECT ",
    rows::WINDOW,
    " FROM usage_windows WHERE tree = ?1 AND account_id = ?2 AND (rolling_seconds > 0 OR window_end > ?3)",
);

sql!(
    SEATS = SUBTREE,
    "SELECT resource_type_code, resource_scope, expires_at, amount FROM concurrency_leases \
     WHERE account_id IN (SELECT id FROM subtree) AND released_at IS NULL AND expires_at > ?2",
);

impl Sqlite {
    pub(crate) fn account(&self, id: AccountId) -> Result<Option<Node>, StoreError> {
        self.read(|connection| granted(connection, id.tree(), id))
    }
}

/// The account as a decision needs it.
pub(super) fn node(
    connection: &Connection,
    tree: TreeId,
    id: AccountId,
    now: Time,
) -> Result<Option<Node>, StoreError> {
    let Some(mut node) = granted(connection, tree, id)? else {
        return Ok(None);
    };
    for (key, mut total) in all(
        connection,
        &WINDOWS,
        params![tree.0, rows::Id(id.0), now.micros()],
        rows::window,
    )? {
        total.held = held(connection, id, &key, now)?;
        node.windows.insert(key, total);
    }
    let live = all(
        connection,
        &SEATS,
        params![rows::Id(id.0), now.micros()],
        |row| {
            Ok((
                rows::code(row, 0)?,
                rows::optional_code(row, 1)?,
                rows::time(row, 2)?,
                row.get::<_, rows::Exact>(3)?.0,
            ))
        },
    )?;
    for (resource, scope, expires_at, amount) in live {
        for scope in std::iter::once(None).chain(scope.map(Some)) {
            node.seats
                .entry((resource.clone(), scope))
                .or_default()
                .add(expires_at, amount, now);
        }
    }
    Ok(Some(node))
}

/// The account with its entitlements, plans and rules.
fn granted(
    connection: &Connection,
    tree: TreeId,
    id: AccountId,
) -> Result<Option<Node>, StoreError> {
    let account = one(
        connection,
        &ACCOUNT,
        params![rows::Id(id.0), tree.0],
        rows::account,
    )?;
    let Some(mut node) = account.map(Node::new) else {
        return Ok(None);
    };
    node.entitlements = entitlement::of_account(connection, id)?
        .into_iter()
        .map(Arc::new)
        .collect();
    node.plans = all(connection, &PLANS, params![rows::Id(id.0)], |row| {
        rows::account_plan(row).map(Arc::new)
    })?;
    node.rules = all(connection, &RULES, params![rows::Id(id.0)], |row| {
        rows::rule(row).map(Arc::new)
    })?;
    Ok(Some(node))
}
