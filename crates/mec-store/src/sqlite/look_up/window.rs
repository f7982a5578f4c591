//! A window counted from the ledger.

use mec_kernel::{
    AccountId, Amount, Catalog, Code, Time, TreeId, Window, WindowKey, WindowTotal, step_of,
};
use rusqlite::{Connection, params};

use super::held::held;
use crate::StoreError;
use crate::sqlite::query::all;
use crate::sqlite::{ledger, rows};
use crate::usage::{Stretch, WindowParts};

const HOURS: &str = "SELECT own, subtree FROM usage_hours WHERE tree = ?1 AND account_id = ?2 AND resource_type_code = ?3 \
     AND (?4 IS NULL OR resource_scope = ?4) AND hour >= ?5 AND hour < ?6";

/// Counts a window: whole hours from the stored sums, its edge hours and rolling steps from the
/// ledger, overage from the effects of its own key.
pub(super) fn count_window(
    connection: &Connection,
    tree: TreeId,
    id: AccountId,
    key: &WindowKey,
    catalog: &Catalog,
    now: Time,
) -> Result<WindowTotal, StoreError> {
    let mut total = WindowTotal {
        held: held(connection, id, key, now)?,
        ..WindowTotal::default()
    };
    let parts = WindowParts::of(id, key, now);
    sum_hours(connection, &mut total, tree, &parts.hours)?;
    for edge in &parts.edges {
        ledger::each_use(connection, edge, false, catalog, |used| {
            if let Window::Rolling { seconds } = key.window {
                let step = total.steps.entry(step_of(used.at, seconds)).or_default();
                *step = step.plus(used.amount);
            } else {
                let own = if used.is_own {
                    used.amount
                } else {
                    Amount::ZERO
                };
                add(&mut total, used.amount, own);
            }
        })?;
    }
    ledger::each_effect(connection, tree, &parts.whole, |effect| {
        if effect.key == *key {
            total.overage = total.overage.plus(effect.overage);
        }
    })?;
    Ok(total)
}

fn sum_hours(
    connection: &Connection,
    total: &mut WindowTotal,
    tree: TreeId,
    stretch: &Stretch<'_>,
) -> Result<(), StoreError> {
    if stretch.from >= stretch.to {
        return Ok(());
    }
    let scope = stretch.scope.map(Code::as_str);
    let (account, resource) = (rows::Id(stretch.account.0), stretch.resource.as_str());
    let parameters = params![
        tree.0,
        account,
        resource,
        scope,
        stretch.from.micros(),
        stretch.to.micros()
    ];
    for (own, subtree) in all(connection, HOURS, parameters, |row| {
        Ok((
            row.get::<_, rows::Exact>(0)?.0,
            row.get::<_, rows::Exact>(1)?.0,
        ))
    })? {
        add(total, subtree, own);
    }
    Ok(())
}

fn add(total: &mut WindowTotal, subtree: Amount, own: Amount) {
    total.used = total.used.plus(subtree);
    total.own = total.own.plus(own);
}
