//! `release_lease`: give a slot back.

use std::sync::Arc;

use crate::command::{Ruling, View};
use crate::entitlement::Attributes;
use crate::id::LeaseId;
use crate::judge::pools;
use crate::lease::Lease;
use crate::marks::marks;
use crate::need::Halt;
use crate::request::Request;
use crate::write::Write;

/// Gives a slot back: `true` once, then `false`; also for a lease that is expired or unknown.
pub fn release(view: &View<'_>, lease: LeaseId) -> Result<Ruling<bool>, Halt> {
    let Some(held) = view
        .facts
        .lease(lease)?
        .filter(|lease| lease.is_live(view.now))
    else {
        return Ok(Ruling::unchanged(false));
    };
    let path = view.path(held.account)?;
    let attributes = Attributes::new();
    let request = Request {
        resource: view.resource(&held.resource)?,
        scope: held.scope.as_ref(),
        amount: None,
        attributes: &attributes,
        extends: None,
    };
    let lease = Lease {
        released_at: Some(view.now),
        ..Lease::clone(held)
    };
    let mut writes = vec![Write::lease(&path, Some(held.clone()), Arc::new(lease))];
    writes.extend(marks(
        &pools(view, &request, &path)?.judged,
        held.amount.negated(),
        view.now,
        view.now,
    ));
    Ok(Ruling {
        answer: true,
        writes,
    })
}
