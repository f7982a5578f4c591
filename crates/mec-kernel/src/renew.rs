//! `renew_lease`: keep a slot.

use crate::command::{Ruling, View};
use crate::decision::{Decision, Reason};
use crate::entitlement::Attributes;
use crate::id::LeaseId;
use crate::judge::judge;
use crate::lease::Lease;
use crate::leased::{Leased, no_slot, taken};
use crate::need::Halt;
use crate::request::Request;
use crate::time_to_live::expiry;

/// Keep a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renew {
    /// Which.
    pub lease: LeaseId,
    /// For how long from now, in seconds: 1 … 86,400. A lease never gets shorter.
    pub ttl_seconds: i64,
    /// What conditions look at; those the lease was taken with are not remembered.
    pub attributes: Attributes,
}

/// Extends a live lease; never revives a dead one, and decides again as if its own slot were free.
pub fn renew(view: &View<'_>, renew: &Renew) -> Result<Ruling<Leased>, Halt> {
    let expires_at = expiry(view.now, renew.ttl_seconds)?;
    let Some(held) = view
        .facts
        .lease(renew.lease)?
        .filter(|lease| lease.is_live(view.now))
    else {
        let (decision, reason) = (Decision::Deny, Reason::LeaseOver);
        let leased = Leased {
            lease: None,
            kept: None,
            decision,
            reason,
            retry_after_seconds: None,
            standing: None,
        };
        return Ok(Ruling::unchanged(leased));
    };
    let path = view.path(held.account)?;
    let resource = view.resource(&held.resource)?;
    let (scope, attributes) = (held.scope.as_ref(), &renew.attributes);
    let request = Request {
        resource,
        scope,
        amount: Some(held.amount),
        attributes,
        extends: Some(held),
    };
    let judgement = judge(view, &request, &path)?;
    if !judgement.decision.allowed() {
        let leased = Leased {
            kept: Some(held.clone()),
            ..no_slot(view, &request, &judgement)
        };
        return Ok(Ruling::unchanged(leased));
    }
    let lease = Lease {
        expires_at: held.expires_at.max(expires_at),
        ..Lease::clone(held)
    };
    Ok(taken(
        view,
        &request,
        &judgement,
        &path,
        Some(held.clone()),
        lease,
    ))
}
