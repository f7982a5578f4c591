//! A plan that an account has: which rows it gave, and what ending it writes.

use std::sync::Arc;

use crate::account::AccountPlan;
use crate::command::Making;
use crate::entitlement::{Entitlement, EntitlementStatus};
use crate::entitlement_write::entitlement_write;
use crate::time::Time;
use crate::write::Write;

/// Writes a plan that is had as it is now, unless it is what it was.
pub(crate) fn put_held(before: &AccountPlan, held: AccountPlan, writes: &mut Vec<Write>) {
    if held != *before {
        writes.push(Write::AccountPlan(Arc::new(held)));
    }
}

/// Whether `row` is one of those that `held` gave, and not of the same plan at another time. What
/// was taken back before it began gave nothing.
pub(crate) fn came_with(row: &Entitlement, held: &AccountPlan) -> bool {
    row.plan.as_ref() == Some(&held.plan)
        && held
            .ends_at
            .is_none_or(|end| held.starts_at < end && row.valid_from < end)
        && row.valid_until.is_none_or(|until| until > held.starts_at)
}

/// Ends `row` at `at`; a row that ends by now, or before it begins, is expired for good. `None`: it
/// ends no later anyway.
pub(crate) fn end(
    row: &Arc<Entitlement>,
    at: Time,
    now: Time,
    making: &mut Making<'_>,
    reason: &str,
) -> Option<Write> {
    let at = earlier(row.valid_until, at);
    let status = if at <= now.max(row.valid_from) {
        EntitlementStatus::Expired
    } else {
        row.status
    };
    let valid_until = Some(at.max(row.valid_from));
    if (status, valid_until) == (row.status, row.valid_until) {
        return None;
    }
    let ended = Entitlement {
        status,
        valid_until,
        updated_at: now,
        ..Entitlement::clone(row)
    };
    Some(entitlement_write(
        ended,
        if status == EntitlementStatus::Expired {
            "expire"
        } else {
            "update"
        },
        making,
        reason.to_owned(),
    ))
}

/// `at`, or the end that was set where it is earlier: ending something never makes it longer.
pub(crate) fn earlier(end: Option<Time>, at: Time) -> Time {
    end.map_or(at, |end| end.min(at))
}
