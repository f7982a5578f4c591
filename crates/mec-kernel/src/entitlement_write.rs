//! What goes with every change of entitlements: its audit row, the bound on an account's rows, and
//! notes of the limits that use is above from now on.

use std::sync::Arc;

use crate::catalog::{LimitKind, Resource};
use crate::code::Code;
use crate::command::{Making, View};
use crate::entitlement::{Attributes, Entitlement};
use crate::facts::Facts;
use crate::id::{AccountId, AuditId};
use crate::judge::{Judged, pools};
use crate::marks::marks;
use crate::need::Halt;
use crate::node::Node;
use crate::quantity::Amount;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::write::{Audit, Write};

/// The write that makes or changes `row`, with its audit row.
pub(crate) fn entitlement_write(
    row: Entitlement,
    action: &'static str,
    making: &mut Making<'_>,
    reason: String,
) -> Write {
    let reason = match &making.actor.reason {
        Some(stated) => format!("{reason}: {stated}"),
        None => reason,
    };
    let audit = Audit {
        id: AuditId(making.ids.draw()),
        action,
        by: making.actor.name.clone(),
        reason,
    };
    Write::Entitlement {
        row: Arc::new(row),
        metadata: None,
        audit,
    }
}

/// After limits changed: notes which pools of these accounts are above their limit now, or no
/// longer. Grace periods run from the write that lowered a limit.
pub(crate) fn marks_after(
    view: &View<'_>,
    path: &[&Arc<Node>],
    writes: &mut Vec<Write>,
) -> Result<(), Halt> {
    let Some(node) = path.first() else {
        return Ok(());
    };
    let mut tree = view.tree.clone();
    for write in writes.iter() {
        tree.apply(write, view.now);
    }
    if let Some(after) = tree.get(node.account.id) {
        check_standing_rows(view, node, after)?;
    }
    let mut touched: Vec<(&Arc<Resource>, Option<Code>)> = Vec::new();
    for write in writes.iter() {
        if let Write::Entitlement { row, .. } = write
            && let Some(resource) = view.catalog.resources.get(&row.resource)
            && resource.limit_kind != LimitKind::TimeAccess
            && !touched
                .iter()
                .any(|(of, scope)| of.code == row.resource && *scope == row.scope)
        {
            touched.push((resource, row.scope.clone()));
        }
    }
    touched.sort_by(|(one, of_one), (other, of_other)| {
        (&one.code, of_one).cmp(&(&other.code, of_other))
    });
    let (facts, attributes) = (Facts::default(), Attributes::new());
    let before = limits(view, node.account.id, &touched, &attributes)?;
    let after = View {
        tree: &tree,
        facts: &facts,
        catalog: view.catalog,
        now: view.now,
    };
    let mut limits = limits(&after, node.account.id, &touched, &attributes)?;
    for judged in &mut limits {
        // Limits on one counter share its note. One that use was not above before has a grace
        // period of its own, from now on, whatever was noted of an earlier one and whenever its
        // rows begin.
        let is_it =
            |of: &&Judged<'_>| of.pool.level == judged.pool.level && of.pool.key == judged.pool.key;
        judged.over_since = before.iter().filter(is_it).find_map(|of| of.over_since);
    }
    writes.extend(marks(&limits, Amount::ZERO, view.now, view.now));
    Ok(())
}

/// The pools of the account's path for each of `touched`.
fn limits<'a>(
    view: &View<'a>,
    account: AccountId,
    touched: &'a [(&'a Arc<Resource>, Option<Code>)],
    attributes: &'a Attributes,
) -> Result<Vec<Judged<'a>>, Halt> {
    let path = view.path(account)?;
    let mut found = Vec::new();
    for (resource, scope) in touched {
        let request = Request {
            resource,
            scope: scope.as_ref(),
            amount: None,
            attributes,
            extends: None,
        };
        found.extend(pools(view, &request, &path)?.judged);
    }
    Ok(found)
}

/// Refuses what would give an account more entitlements than it may have, or more conditions. One
/// that has more already (the setting was lowered) may be changed, and have fewer.
fn check_standing_rows(view: &View<'_>, before: &Node, after: &Node) -> Result<(), Halt> {
    let rows = |node: &Node| {
        node.entitlements
            .iter()
            .filter(|row| row.is_standing(view.now))
            .count()
    };
    let conditions = |node: &Node| {
        let standing = node
            .entitlements
            .iter()
            .filter(|row| row.is_standing(view.now));
        standing.map(|row| row.conditions.len()).sum()
    };
    check_rows(view, "entitlements", rows(before), rows(after))?;
    check_rows(view, "conditions", conditions(before), conditions(after))
}

/// Refuses more rows of one kind than an account may have.
pub(crate) fn check_rows(
    view: &View<'_>,
    what: &'static str,
    before: usize,
    after: usize,
) -> Result<(), Halt> {
    let max = view.catalog.settings.rows_per_account_max;
    let is_over = after > before && i64::try_from(after).is_ok_and(|after| after > max);
    if is_over {
        Err(Refusal::TooManyRows { what, max }.into())
    } else {
        Ok(())
    }
}
