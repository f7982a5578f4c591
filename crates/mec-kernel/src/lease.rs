//! Leases: slots of a concurrency resource that free themselves (design 1.5). Admission control,
//! not mutual exclusion: a holder that pauses past its expiry finds its slot given away, and the
//! fencing token tells.

use std::sync::Arc;

use crate::catalog::LimitKind;
use crate::check::{
    Decision, Effect, Judgement, Reason, Request, Standing, check_whole, judge, pools, scope_of,
};
use crate::code::Code;
use crate::command::{Halt, Making, Ruling, Session, View};
use crate::entitlement::Attributes;
use crate::id::{AccountId, LeaseId};
use crate::quantity::{Amount, Quantity};
use crate::record::marks;
use crate::refusal::Refusal;
use crate::time::Time;
use crate::tree::Node;
use crate::write::Write;

/// The longest time to live of a lease or a reservation, in seconds: 24 hours.
pub const TTL_SECONDS_MAX: i64 = 86_400;

/// A slot that is taken until it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// Who holds it.
    pub account: AccountId,
    /// Of which resource.
    pub resource: Code,
    /// Which part of it.
    pub scope: Option<Code>,
    /// The caller's name for the session that holds it.
    pub token: Option<Code>,
    /// How many slots, in the canonical unit.
    pub quantity: Quantity,
    /// The same in base units.
    pub amount: Amount,
    /// Grows with every lease of the tree: what a resource compares to turn a late holder away.
    pub fencing_token: i64,
    /// When it was taken.
    pub acquired_at: Time,
    /// First instant at which it no longer counts; a full second.
    pub expires_at: Time,
    /// When it was given back.
    pub released_at: Option<Time>,
}

impl Lease {
    /// Whether it counts: taken, not given back, not expired.
    pub fn is_live(&self, now: Time) -> bool {
        self.released_at.is_none() && now < self.expires_at
    }

    /// What it is found by when the session logs in again.
    pub fn session(&self) -> Option<Session> {
        let token = self.token.clone()?;
        Some(Session {
            account: self.account,
            resource: self.resource.clone(),
            scope: self.scope.clone(),
            token,
        })
    }
}

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

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// The lease; `None`: no slot.
    pub lease: Option<Arc<Lease>>,
    /// The lease that was not extended, which counts until it expires.
    pub kept: Option<Arc<Lease>>,
    /// The decision.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// When full: seconds until the next slot frees itself.
    pub retry_after_seconds: Option<i64>,
    /// What it was decided on, with every pool considered and the quantities after the effect;
    /// `None`: the lease was over, nothing was decided.
    pub standing: Option<Standing>,
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
    if acquire.quantity.millionths() <= 0 {
        return Err(Refusal::QuantityNotPositive {
            argument: "quantity",
        }
        .into());
    }
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
    let mut writes = vec![write(&path, Some(held.clone()), Arc::new(lease))];
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

fn taken(
    view: &View<'_>,
    request: &Request<'_>,
    judgement: &Judgement<'_>,
    path: &[&Arc<Node>],
    old: Option<Arc<Lease>>,
    new: Lease,
) -> Ruling<Leased> {
    let new = Arc::new(new);
    let added = new
        .amount
        .minus(old.as_ref().map_or(Amount::ZERO, |old| old.amount));
    let mut writes = vec![write(path, old, new.clone())];
    writes.extend(marks(&judgement.pools, added, view.now, view.now));
    let standing = judgement.standing(view, request, Effect::Used(added), true);
    let (decision, reason) = (judgement.decision, judgement.reason.clone());
    let answer = Leased {
        lease: Some(new),
        kept: None,
        decision,
        reason,
        retry_after_seconds: None,
        standing: Some(standing),
    };
    Ruling { answer, writes }
}

fn write(path: &[&Arc<Node>], old: Option<Arc<Lease>>, new: Arc<Lease>) -> Write {
    Write::Lease {
        old,
        new,
        path: path.iter().map(|node| node.account.id).collect(),
    }
}

fn no_slot(view: &View<'_>, request: &Request<'_>, judgement: &Judgement<'_>) -> Leased {
    let standing = judgement.standing(view, request, Effect::None, true);
    Leased {
        lease: None,
        kept: None,
        decision: judgement.decision,
        reason: judgement.reason.clone(),
        retry_after_seconds: standing.retry_after_seconds,
        standing: Some(standing),
    }
}

/// When something taken now for `ttl_seconds` expires: the next full second.
pub(crate) fn expiry(now: Time, ttl_seconds: i64) -> Result<Time, Halt> {
    if (1..=TTL_SECONDS_MAX).contains(&ttl_seconds) {
        Ok(now.plus_seconds(ttl_seconds).full_second_up())
    } else {
        Err(Refusal::BadTtl.into())
    }
}
