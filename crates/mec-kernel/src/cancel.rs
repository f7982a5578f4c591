//! `cancel_plan`: take a plan or an add-on away (design 1.6).

use std::sync::Arc;

use crate::account::AccountPlan;
use crate::code::Code;
use crate::command::{Making, Ruling, View};
use crate::entitlement::{Entitlement, Source};
use crate::entitlement_write::{entitlement_write, marks_after};
use crate::held_plan::{came_with, earlier, end, put_held};
use crate::id::AccountId;
use crate::need::Halt;
use crate::node::Node;
use crate::refusal::Refusal;
use crate::time::Time;
use crate::write::Write;

/// Take a plan or an add-on away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// Who.
    pub account: AccountId,
    /// Which plan.
    pub plan: Code,
    /// Only the plan or add-on of this name; `None`: whatever its name.
    pub reference: Option<Code>,
    /// From when; `None`: now.
    pub at: Option<Time>,
}

/// Takes the plan away, now or later; the answer is the number of entitlements that end.
pub fn cancel(
    view: &View<'_>,
    making: &mut Making<'_>,
    cancel: &Cancel,
) -> Result<Ruling<i64>, Halt> {
    let path = view.path(cancel.account)?;
    let Some(node) = path.first().copied() else {
        return Ok(Ruling::unchanged(0));
    };
    if !view.catalog.plans.contains_key(&cancel.plan) {
        return Err(Refusal::PlanNotFound {
            plan: cancel.plan.to_string(),
        }
        .into());
    }
    let at = cancel.at.unwrap_or(view.now).max(view.now);
    let fits = |reference: &str| {
        cancel
            .reference
            .as_deref()
            .is_none_or(|wanted| wanted == reference)
    };
    let is_asked = |held: &AccountPlan| {
        held.plan == cancel.plan
            && fits(&held.reference)
            && !held.is_over(view.now)
            && !held.never_begins()
    };
    let mut writes = Vec::new();
    for held in node.plans.iter().filter(|held| is_asked(held)) {
        let ends = |end: Option<Time>| Some(earlier(end, at).max(held.starts_at));
        put_held(
            held,
            AccountPlan {
                ends_at: ends(held.ends_at),
                own_end: ends(held.own_end),
                ..AccountPlan::clone(held)
            },
            &mut writes,
        );
    }
    let mut ended: i64 = 0;
    let reason = format!("cancel_plan {}", cancel.plan);
    for row in node
        .entitlements
        .iter()
        .filter(|row| row.is_standing(view.now) && row.plan.as_ref() == Some(&cancel.plan))
    {
        if matches!(row.source, Source::Plan | Source::Addon)
            && fits(row.source_ref.as_deref().unwrap_or_default())
        {
            writes.extend(end(row, at, view.now, making, &reason));
            ended = ended.saturating_add(1);
        }
    }
    let (cancelled, staying): (Vec<_>, Vec<_>) = node
        .plans
        .iter()
        .filter(|held| !held.is_addon && !held.never_begins())
        .partition(|held| is_asked(held));
    let dropped: Vec<Time> = cancelled
        .iter()
        .map(|held| held.starts_at)
        .filter(|start| *start > view.now && at <= *start)
        .collect();
    for held in staying.iter().filter(|held| {
        held.ends_at
            .is_some_and(|end| end > view.now && dropped.contains(&end))
    }) {
        writes.extend(go_on(node, held, &staying, view.now, making, &reason));
    }
    marks_after(view, &path, &mut writes)?;
    Ok(Ruling {
        answer: ended,
        writes,
    })
}

/// A plan that was to end when another began goes on as it would have without that one: to its own
/// end, or until what is scheduled next.
fn go_on(
    node: &Node,
    held: &Arc<AccountPlan>,
    staying: &[&Arc<AccountPlan>],
    now: Time,
    making: &mut Making<'_>,
    reason: &str,
) -> Vec<Write> {
    let next = staying
        .iter()
        .map(|other| other.starts_at)
        .filter(|start| *start > held.starts_at.max(now))
        .min();
    let ends_at = next.map_or(held.own_end, |next| Some(earlier(held.own_end, next)));
    let mut writes = Vec::new();
    put_held(
        held,
        AccountPlan {
            ends_at,
            ..AccountPlan::clone(held)
        },
        &mut writes,
    );
    let rows = node
        .entitlements
        .iter()
        .filter(|row| row.source == Source::Plan && came_with(row, held) && row.is_standing(now));
    for row in rows.filter(|row| row.valid_until == held.ends_at && row.valid_until != ends_at) {
        let lifted = Entitlement {
            valid_until: ends_at,
            updated_at: now,
            ..Entitlement::clone(row)
        };
        writes.push(entitlement_write(
            lifted,
            "update",
            making,
            reason.to_owned(),
        ));
    }
    writes
}
