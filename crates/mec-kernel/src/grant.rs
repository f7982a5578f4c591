//! Entitlements and rules written by hand: `manual` grants and overrides, patches of any row, rules
//! of one account.

use std::sync::Arc;

use crate::account_change::check_open;
use crate::catalog::{LimitKind, Resource, Rule};
use crate::catalog_check::check_rule_in;
use crate::code::Code;
use crate::command::{Making, Ruling, View};
use crate::entitlement::{Condition, Entitlement, EntitlementStatus, Source};
use crate::entitlement_write::{check_rows, entitlement_write, marks_after};
use crate::id::{AccountId, EntitlementId, RuleId};
use crate::need::Halt;
use crate::node::Node;
use crate::quantity::Quantity;
use crate::refusal::Refusal;
use crate::request::scope_of;
use crate::time::Time;
use crate::window::{ROLLING_SECONDS_MIN, WindowKind, WindowRule};
use crate::write::Write;

/// A grant by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub account: AccountId,
    /// Of what.
    pub resource: Code,
    /// Of which part; `None` is every part.
    pub scope: Option<Code>,
    /// The kind the caller believes it has; must be the resource's.
    pub limit_kind: Option<LimitKind>,
    /// How much; `None` is unlimited.
    pub quantity: Option<Quantity>,
    /// The window; `None`: the one of the account's other rows for this resource, else lifetime.
    pub window: Option<WindowRule>,
    /// `manual` or `override`.
    pub source: Source,
    /// Among overrides the highest wins.
    pub priority: i32,
    /// First instant; `None`: now.
    pub valid_from: Option<Time>,
    /// First instant after it.
    pub valid_until: Option<Time>,
    /// Free JSON text.
    pub metadata: Option<Code>,
}

/// What to change of an entitlement; `None` leaves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntitlementPatch {
    /// How much; `Some(None)` is unlimited.
    pub quantity: Option<Option<Quantity>>,
    /// The window.
    pub window: Option<WindowRule>,
    /// `active` ⇄ `suspended` → `expired`, which is final.
    pub status: Option<EntitlementStatus>,
    /// Among overrides the highest wins.
    pub priority: Option<i32>,
    /// First instant.
    pub valid_from: Option<Time>,
    /// First instant after it; `Some(None)`: none.
    pub valid_until: Option<Option<Time>>,
    /// All of its conditions.
    pub conditions: Option<Vec<Condition>>,
    /// Free JSON text.
    pub metadata: Option<Option<Code>>,
}

/// Grants by hand.
pub fn grant(
    view: &View<'_>,
    making: &mut Making<'_>,
    grant: &Grant,
) -> Result<Ruling<Arc<Entitlement>>, Halt> {
    let path = view.path(grant.account)?;
    check_open(&path)?;
    let resource = view.resource(&grant.resource)?;
    if let Some(kind) = grant.limit_kind.filter(|kind| *kind != resource.limit_kind) {
        let must = format!(
            "be {}, as {} is counted; not {kind}",
            resource.limit_kind, resource.code
        );
        return Err(Refusal::BadValue {
            column: "limit_kind_code",
            must,
        }
        .into());
    }
    if !matches!(grant.source, Source::Manual | Source::Override) {
        return Err(Refusal::BadValue {
            column: "source",
            must: "be manual or override; plans are given by provision_plan".to_owned(),
        }
        .into());
    }
    let scope = scope_of(grant.scope.as_ref());
    let window = match (resource.limit_kind, grant.window) {
        (LimitKind::Cumulative, Some(window)) => check_window(window)?,
        (LimitKind::Cumulative, None) => inherited_window(view, &path, resource, scope),
        _ => WindowRule::LIFETIME,
    };
    let row = Entitlement {
        id: EntitlementId(making.ids.draw()),
        account: grant.account,
        resource: resource.code.clone(),
        scope: scope.cloned(),
        quantity: check_limit(grant.quantity)?
            .filter(|_| resource.limit_kind != LimitKind::TimeAccess),
        window,
        status: EntitlementStatus::Active,
        source: grant.source,
        source_ref: None,
        plan: None,
        plan_version: None,
        priority: grant.priority,
        valid_from: grant.valid_from.unwrap_or(view.now),
        valid_until: grant.valid_until,
        conditions: vec![],
        created_at: view.now,
        updated_at: view.now,
    };
    check_validity(&row)?;
    put(
        view,
        making,
        &path,
        row,
        Some(grant.metadata.clone()),
        "create",
    )
}

/// Changes an entitlement.
pub fn patch_entitlement(
    view: &View<'_>,
    making: &mut Making<'_>,
    account: AccountId,
    id: EntitlementId,
    patch: &EntitlementPatch,
) -> Result<Ruling<Arc<Entitlement>>, Halt> {
    let path = view.path(account)?;
    let before = path
        .first()
        .and_then(|node| node.entitlements.iter().find(|row| row.id == id));
    let before = before.ok_or_else(|| Refusal::EntitlementNotFound {
        entitlement: id.to_string(),
    })?;
    // Past its end it is over, whether or not its row was tidied yet.
    if before.is_expired(view.now)
        && patch
            .status
            .is_some_and(|status| status != EntitlementStatus::Expired)
    {
        return Err(Refusal::EntitlementExpired.into());
    }
    let mut row = Entitlement {
        updated_at: view.now,
        ..Entitlement::clone(before)
    };
    if let Some(quantity) = patch.quantity {
        let kind = view.resource(&row.resource)?.limit_kind;
        row.quantity = check_limit(quantity)?.filter(|_| kind != LimitKind::TimeAccess);
    }
    if let Some(window) = patch.window {
        // As when it was granted: nothing else is counted in a window.
        let is_cumulative = view.resource(&row.resource)?.limit_kind == LimitKind::Cumulative;
        row.window = if is_cumulative {
            check_window(window)?
        } else {
            WindowRule::LIFETIME
        };
    }
    row.priority = patch.priority.unwrap_or(row.priority);
    row.valid_from = patch.valid_from.unwrap_or(row.valid_from);
    row.valid_until = patch.valid_until.unwrap_or(row.valid_until);
    if let Some(conditions) = &patch.conditions {
        let is_new = |test: &crate::entitlement::ConditionTest| {
            before.conditions.iter().all(|known| known.test != *test)
        };
        if conditions.iter().any(|condition| is_new(&condition.test)) {
            check_open(&path)?;
        }
        row.conditions.clone_from(conditions);
    }
    check_validity(&row)?;
    let action = match patch.status {
        Some(status) if status != before.status => set_status(&mut row, status, view.now),
        _ => "update",
    };
    if before.is_expired(view.now) && !row.is_expired(view.now) {
        return Err(Refusal::EntitlementExpired.into());
    }
    if row
        == (Entitlement {
            updated_at: row.updated_at,
            ..Entitlement::clone(before)
        })
        && patch.metadata.is_none()
    {
        return Ok(Ruling::unchanged(before.clone()));
    }
    put(view, making, &path, row, patch.metadata.clone(), action)
}

/// Gives `row` another status; the answer is what the audit calls it.
fn set_status(row: &mut Entitlement, status: EntitlementStatus, now: Time) -> &'static str {
    row.status = status;
    match status {
        EntitlementStatus::Active => "resume",
        EntitlementStatus::Suspended => "suspend",
        EntitlementStatus::Expired => {
            row.valid_until = Some(
                row.valid_until
                    .map_or(now, |until| until.min(now))
                    .max(row.valid_from),
            );
            "expire"
        }
    }
}

fn put(
    view: &View<'_>,
    making: &mut Making<'_>,
    path: &[&Arc<Node>],
    row: Entitlement,
    new_metadata: Option<Option<Code>>,
    action: &'static str,
) -> Result<Ruling<Arc<Entitlement>>, Halt> {
    let mut write = entitlement_write(row, action, making, "table write".to_owned());
    let Write::Entitlement { row, metadata, .. } = &mut write else {
        return Err(Refusal::EntitlementExpired.into());
    };
    *metadata = new_metadata.map(|text| text.unwrap_or_else(|| Code::from("null")));
    let answer = row.clone();
    let mut writes = vec![write];
    marks_after(view, path, &mut writes)?;
    Ok(Ruling { answer, writes })
}

/// Makes or changes a rule that names an account of this tree.
pub fn put_rule(view: &View<'_>, rule: &Arc<Rule>) -> Result<Ruling<()>, Halt> {
    if let Some(account) = rule.account {
        let path = view.path(account)?;
        let rules = path
            .first()
            .map(|node| node.rules.as_slice())
            .unwrap_or_default();
        if rules.iter().all(|other| other.id != rule.id) {
            check_open(&path)?;
            check_rows(view, "rules", rules.len(), rules.len().saturating_add(1))?;
        }
    }
    check_rule(view, rule)?;
    Ok(Ruling {
        answer: (),
        writes: vec![Write::Rule(rule.clone())],
    })
}

/// Removes a rule that names an account of this tree.
pub fn remove_rule(view: &View<'_>, account: AccountId, rule: RuleId) -> Result<Ruling<()>, Halt> {
    view.path(account)?;
    Ok(Ruling {
        answer: (),
        writes: vec![Write::RemoveRule {
            account: Some(account),
            rule,
        }],
    })
}

/// What a rule must be, whoever it is for.
pub fn check_rule(view: &View<'_>, rule: &Rule) -> Result<(), Halt> {
    check_rule_in(view.catalog, rule).map_err(Halt::from)
}

/// The window of the account's other rows for the same resource and scope: a grant adds to them.
fn inherited_window(
    view: &View<'_>,
    path: &[&Arc<Node>],
    resource: &Resource,
    scope: Option<&Code>,
) -> WindowRule {
    let rows = path
        .first()
        .map(|node| node.entitlements.as_slice())
        .unwrap_or_default();
    let same = rows.iter().rfind(|row| {
        row.resource == resource.code && row.scope.as_ref() == scope && row.is_standing(view.now)
    });
    same.map_or(WindowRule::LIFETIME, |row| row.window)
}

fn check_limit(quantity: Option<Quantity>) -> Result<Option<Quantity>, Halt> {
    if quantity.is_some_and(Quantity::is_negative) {
        return Err(Refusal::BadValue {
            column: "quantity_allowed",
            must: "not be below zero; null is unlimited".to_owned(),
        }
        .into());
    }
    Ok(quantity)
}

fn check_validity(row: &Entitlement) -> Result<(), Halt> {
    if row.valid_until.is_some_and(|until| until < row.valid_from) {
        return Err(Refusal::BadValue {
            column: "valid_until",
            must: "not be before valid_from".to_owned(),
        }
        .into());
    }
    Ok(())
}

fn check_window(window: WindowRule) -> Result<WindowRule, Halt> {
    let problem = match window.kind {
        WindowKind::Rolling
            if window
                .seconds
                .is_none_or(|seconds| seconds < ROLLING_SECONDS_MIN) =>
        {
            Some((
                "window_seconds",
                "be at least 60 for a rolling window".to_owned(),
            ))
        }
        WindowKind::Period => match window.period {
            Some((start, end)) if start < end => None,
            _ => Some((
                "period_start",
                "be before period_end; both are needed for a period window".to_owned(),
            )),
        },
        _ => None,
    };
    match problem {
        Some((column, must)) => Err(Refusal::BadValue { column, must }.into()),
        None => Ok(window),
    }
}
