//! The counters in which use at an instant counts; none of them falls below zero.

use std::sync::Arc;

use crate::catalog::{LimitKind, Resource};
use crate::code::Code;
use crate::command::View;
use crate::counter::{WindowKey, WindowTotal};
use crate::need::{Halt, Need};
use crate::node::Node;
use crate::pool::row_window;
use crate::quantity::Amount;
use crate::refusal::Refusal;
use crate::time::Time;
use crate::window::Window;

/// Refuses an `amount` below zero that would take a total below zero: the account's own in any
/// window that is counted at its level or above, or a rolling one.
pub(crate) fn check_not_below_zero(
    view: &View<'_>,
    path: &[&Arc<Node>],
    resource: &Resource,
    scope: Option<&Code>,
    occurred_at: Time,
    amount: Amount,
) -> Result<(), Halt> {
    let Some(own) = path.first() else {
        return Ok(());
    };
    let below_zero = || Refusal::BelowZero {
        resource: resource.code.to_string(),
    };
    let mut windows = vec![Window::LIFETIME];
    for (node, key) in counters(view, path, resource, scope.map(Code::as_str), occurred_at) {
        if !matches!(key.window, Window::Rolling { .. }) {
            windows.push(key.window);
        } else if key.window.counts(occurred_at, view.now)
            && total(node, &key)?
                .used_at(key.window, view.now)
                .plus(amount)
                < Amount::ZERO
        {
            return Err(below_zero().into());
        }
    }
    windows.sort();
    windows.dedup();
    for window in windows {
        // What is counted for one scope counts for all of them too.
        for scope in [scope, None]
            .into_iter()
            .take(if scope.is_some() { 2 } else { 1 })
        {
            let key = WindowKey {
                resource: resource.code.clone(),
                scope: scope.cloned(),
                window,
            };
            if total(own, &key)?.own.plus(amount) < Amount::ZERO {
                return Err(below_zero().into());
            }
        }
    }
    Ok(())
}

/// The counters of rows that are not over, from the account up to its root, in which use at `at`
/// counts.
pub(crate) fn counters<'a>(
    view: &View<'_>,
    path: &[&'a Arc<Node>],
    resource: &Resource,
    scope: Option<&str>,
    at: Time,
) -> Vec<(&'a Arc<Node>, WindowKey)> {
    let mut found: Vec<(&Arc<Node>, WindowKey)> = Vec::new();
    for (level, node) in path.iter().copied().enumerate() {
        let zone = view.zone(path.get(level..).unwrap_or_default());
        let plan = node.current_plan(at);
        let rows = node
            .entitlements
            .iter()
            .filter(|row| row.resource == resource.code && row.is_standing(view.now));
        for row in rows.filter(|row| row.scope.is_none() || row.scope.as_deref() == scope) {
            let window = match resource.limit_kind {
                LimitKind::Cumulative => row_window(row, plan, &zone, at),
                _ => Window::LIFETIME,
            };
            let key = WindowKey {
                resource: resource.code.clone(),
                scope: row.scope.clone(),
                window,
            };
            if window.holds(at)
                && !found
                    .iter()
                    .any(|(other, of)| other.account.id == node.account.id && *of == key)
            {
                found.push((node, key));
            }
        }
    }
    found
}

/// The total of a counter, or the need for it.
pub(crate) fn total<'a>(node: &'a Arc<Node>, key: &WindowKey) -> Result<&'a WindowTotal, Halt> {
    node.windows
        .get(key)
        .ok_or_else(|| Halt::Need(Need::Window(node.account.id, key.clone())))
}
