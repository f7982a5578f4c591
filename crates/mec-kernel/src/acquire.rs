//! `acquire_lease`: take a slot.

use std::sync::Arc;

use crate::catalog::LimitKind;
use crate::code::Code;
use crate::command::{Making, Ruling, View};
use crate::entitlement::Attributes;
use crate::id::{AccountId, LeaseId};
use crate::judge::judge;
use crate::lease::{Lease, Session};
use crate::leased::{Leased, no_slot, taken};
use crate::need::Halt;
use crate::quantity::{Amount, Quantity};
use crate::refusal::Refusal;
use crate::request::{Request, check_positive, check_whole, scope_of};
use crate::time_to_live::expiry;

/// Take a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquire {
    /// Who.
    pub account: AccountId,
    /// Of which resource.
    pub resource: Code,
    /// Which part of it.
    pub scope: Option<Code>,
    /// The session: while its lease is live the same token gets the same lease, extended.
    pub token: Option<Code>,
    /// How many slots.
    pub quantity: Quantity,
    /// For how long, in seconds: 1 … 86,400.
    pub ttl_seconds: i64,
    /// What conditions look at.
    pub attributes: Attributes,
}

/// Takes a slot under the same rules as every other decision.
pub fn acquire(
    view: &View<'_>,
    making: &mut Making<'_>,
    acquire: &Acquire,
) -> Result<Ruling<Leased>, Halt> {
    let path = view.path(acquire.account)?;
    let resource = view.resource(&acquire.resource)?;
    if resource.limit_kind != LimitKind::Concurrency {
        let (resource, kind) = (resource.code.to_string(), resource.limit_kind);
        return Err(Refusal::WrongLimitKind {
            resource,
            kind,
            operation: "acquire_lease",
        }
        .into());
    }
    let expires_at = expiry(view.now, acquire.ttl_seconds)?;
    check_positive(acquire.quantity)?;
    let amount = Amount::of(acquire.quantity, view.catalog.canonical(resource));
    check_whole(view, resource, Some(amount), "quantity")?;
    let scope = scope_of(acquire.scope.as_ref());
    let session = acquire.token.clone().map(|token| Session {
        account: acquire.account,
        resource: acquire.resource.clone(),
        scope: scope.cloned(),
        token,
    });
    let held = session
        .map(|session| view.facts.session(&session))
        .transpose()?
        .flatten()
        .filter(|lease| lease.is_live(view.now));
    let request = Request {
        resource,
        scope,
        amount: Some(amount),
        attributes: &acquire.attributes,
        extends: held.map(Arc::as_ref),
    };
    let judgement = judge(view, &request, &path)?;
    if !judgement.decision.allowed() {
        return Ok(Ruling::unchanged(no_slot(view, &request, &judgement)));
    }
    let lease = match held {
        Some(held) => Lease {
            quantity: acquire.quantity,
            amount,
            expires_at: held.expires_at.max(expires_at),
            ..Lease::clone(held)
        },
        None => Lease {
            id: LeaseId(making.ids.draw()),
            account: acquire.account,
            resource: resource.code.clone(),
            scope: scope.cloned(),
            token: acquire.token.clone(),
            quantity: acquire.quantity,
            amount,
            fencing_token: view.tree.head.next_token,
            acquired_at: view.now,
            expires_at,
            released_at: None,
        },
    };
    Ok(taken(
        view,
        &request,
        &judgement,
        &path,
        held.cloned(),
        lease,
    ))
}
