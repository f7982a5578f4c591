//! The decision (design 1.3): may this account do this? Every other command that is limited asks it
//! first.
//!
//! The order of the steps is the documented precedence. All pools of all levels must let the
//! request through; the worst answer wins and the pool it comes from, the *binding pool*, is what
//! the answer describes.

use std::sync::Arc;

use crate::absence::{Absence, When, absence_reason};
use crate::account::AccountStatus;
use crate::catalog::{LimitAction, LimitKind};
use crate::command::View;
use crate::decision::{Decision, Reason};
use crate::fall::fell_at;
use crate::id::AccountId;
use crate::level::{Levels, levels};
use crate::need::Halt;
use crate::node::Node;
use crate::pool::Pool;
use crate::quantity::{Amount, Factor, Percent, Quantity};
use crate::request::{Request, smallest};
use crate::time::{SECOND, Time};

/// How every pool decided, and which one binds.
#[derive(Debug)]
pub(crate) struct Judgement<'a> {
    pub(crate) decision: Decision,
    pub(crate) reason: Reason,
    pub(crate) allowed: bool,
    pub(crate) pools: Vec<Judged<'a>>,
    /// The pools of other levels than the one that denied.
    pub(crate) beside: Vec<Judged<'a>>,
    /// Place of the binding pool; `None` where nothing is entitled.
    pub(crate) binding: Option<usize>,
    /// Whose level denied.
    pub(crate) denied_by: Option<AccountId>,
    /// The account and those above it.
    pub(crate) path: Vec<&'a Arc<Node>>,
}

/// One pool and what it says.
#[derive(Debug)]
pub(crate) struct Judged<'a> {
    pub(crate) pool: Pool<'a>,
    pub(crate) used: Amount,
    pub(crate) reserved: Amount,
    /// Since when use is above the limit, as was noted, or else since the limit fell; `None`: it is
    /// not, or was not before this instant.
    pub(crate) over_since: Option<Time>,
    pub(crate) decision: Decision,
    pub(crate) reason: Reason,
    pub(crate) allows_more: bool,
}

/// Steps 2 to 5 of the decision.
pub(crate) fn judge<'a>(
    view: &View<'a>,
    request: &Request<'a>,
    path: &[&'a Arc<Node>],
) -> Result<Judgement<'a>, Halt> {
    Ok(Judgement {
        path: path.to_vec(),
        ..ruled(view, request, path)?
    })
}

fn ruled<'a>(
    view: &View<'a>,
    request: &Request<'a>,
    path: &[&'a Arc<Node>],
) -> Result<Judgement<'a>, Halt> {
    if request.amount.is_some_and(|amount| amount.0 < 0) {
        let mut judgement = combine(view, request, path)?;
        (judgement.decision, judgement.reason, judgement.allowed) =
            (Decision::Allow, Reason::Released, true);
        return Ok(judgement);
    }
    for node in path {
        match node.account.status {
            AccountStatus::Active => {}
            AccountStatus::Suspended => return Ok(denied(Reason::AccountSuspended, Some(node))),
            AccountStatus::Closed => return Ok(denied(Reason::AccountClosed, Some(node))),
        }
    }
    combine(view, request, path)
}

/// A deny, by the level of `node`.
fn denied<'a>(reason: Reason, node: Option<&Arc<Node>>) -> Judgement<'a> {
    let denied_by = node.map(|node| node.account.id);
    Judgement {
        decision: Decision::Deny,
        reason,
        allowed: false,
        pools: vec![],
        beside: vec![],
        binding: None,
        denied_by,
        path: vec![],
    }
}

/// The pools of every level, each decided on its own.
#[derive(Debug)]
pub(crate) struct Pools<'a> {
    pub(crate) judged: Vec<Judged<'a>>,
    /// As [`Levels::lapsed`].
    lapsed: Option<(Absence, usize)>,
    /// As [`Levels::nearest`].
    nearest: (Absence, usize),
}

/// Step 3 to 5: the pools that apply to a request now, each decided.
pub(crate) fn pools<'a>(
    view: &View<'a>,
    request: &Request<'a>,
    path: &[&'a Arc<Node>],
) -> Result<Pools<'a>, Halt> {
    let Levels {
        pools,
        lapsed,
        nearest,
    } = levels(view, request, path, When::at(view.now));
    let judged = pools
        .into_iter()
        .map(|pool| decide(view, request, path, pool))
        .collect::<Result<_, _>>()?;
    Ok(Pools {
        judged,
        lapsed,
        nearest,
    })
}

fn combine<'a>(
    view: &View<'a>,
    request: &Request<'a>,
    path: &[&'a Arc<Node>],
) -> Result<Judgement<'a>, Halt> {
    let kind = request.resource.limit_kind;
    let Pools {
        judged: pools,
        lapsed,
        nearest,
    } = pools(view, request, path)?;
    let absent = |(absence, place): (Absence, usize)| {
        denied(absence_reason(&absence, kind), path.get(place).copied())
    };
    if let Some(lapsed) = lapsed {
        return Ok(Judgement {
            beside: pools,
            ..absent(lapsed)
        });
    }
    let worst = pools.iter().enumerate().max_by_key(|(_, judged)| {
        let remaining = judged.pool.limit.map_or(i128::MAX, |limit| {
            limit.minus(judged.used).minus(judged.reserved).or_zero().0
        });
        (
            judged.decision,
            std::cmp::Reverse((remaining, judged.pool.level, judged.pool.entitlement())),
        )
    });
    let Some((binding, judged)) = worst else {
        return Ok(absent(nearest));
    };
    Ok(Judgement {
        decision: judged.decision,
        reason: judged.reason.clone(),
        allowed: pools.iter().all(|judged| judged.allows_more),
        binding: Some(binding),
        denied_by: None,
        pools,
        beside: vec![],
        path: vec![],
    })
}

fn decide<'a>(
    view: &View<'a>,
    request: &Request<'a>,
    path: &[&'a Arc<Node>],
    pool: Pool<'a>,
) -> Result<Judged<'a>, Halt> {
    let kind = request.resource.limit_kind;
    if kind == LimitKind::TimeAccess {
        let (decision, reason) = decide_access(&pool, view.now);
        let (used, reserved) = (Amount::ZERO, Amount::ZERO);
        return Ok(Judged {
            pool,
            used,
            reserved,
            over_since: None,
            decision,
            reason,
            allows_more: true,
        });
    }
    let (used, reserved) = pool.usage(kind, view.now)?;
    let held = taken(request, &pool, used, reserved);
    let canonical = view.catalog.canonical(request.resource);
    let asked = request.amount.unwrap_or(Amount::ZERO).or_zero();
    let over_since = if pool.is_over(used) {
        pool.noted()
            .or_else(|| fell_at(view, request, path, &pool, used))
    } else {
        None
    };
    let over_for = over_since.map_or(0, |since| view.now.since(since));
    let answer = |asked: Amount| decide_pool(&pool, held, asked, over_for, canonical);
    let smallest = smallest(kind, canonical);
    let (decision, reason) = answer(asked);
    let allows_more = match request.amount {
        Some(_) => decision.allowed(),
        None => answer(smallest).0.allowed(),
    };
    Ok(Judged {
        pool,
        used,
        reserved,
        over_since,
        decision,
        reason,
        allows_more,
    })
}

/// The table of design 1.3: one pool, its limit, what is used and held, what is asked, and for how
/// many microseconds use has been above the limit.
fn decide_pool(
    pool: &Pool<'_>,
    held: Amount,
    asked: Amount,
    over_for: i64,
    canonical: Factor,
) -> (Decision, Reason) {
    let Some(limit) = pool.limit else {
        return (Decision::Allow, Reason::Unlimited);
    };
    let total = held.plus(asked);
    if limit.0 > 0 && total <= limit {
        let percent = Percent::of(held, limit);
        return if percent >= pool.rule.warn_at {
            (Decision::Warn, Reason::NearLimit(percent))
        } else {
            (Decision::Allow, Reason::Within)
        };
    }
    if pool.is_override && limit.0 <= 0 {
        return (Decision::Block, Reason::LimitReached);
    }
    let over = total.minus(limit);
    let amount = |quantity: Quantity| Amount::of(quantity, canonical);
    match pool.rule.action {
        LimitAction::Block => (Decision::Block, Reason::LimitReached),
        LimitAction::Warn => (Decision::Warn, Reason::OverLimit(Percent::of(total, limit))),
        LimitAction::Grace => {
            let (quantity, seconds) = (pool.rule.grace_quantity(), pool.rule.grace_seconds());
            let far = match quantity {
                Some(quantity) => over > amount(quantity),
                None => seconds.is_none(),
            };
            let late = seconds.is_some_and(|seconds| over_for >= seconds.saturating_mul(SECOND));
            if far || late {
                (Decision::Block, Reason::GraceExhausted)
            } else {
                (
                    Decision::Grace,
                    Reason::InGrace(
                        over.rounded(canonical),
                        quantity.map(|quantity| amount(quantity).rounded(canonical)),
                    ),
                )
            }
        }
        LimitAction::Overage => match pool.rule.overage_limit() {
            Some(quantity) if over > amount(quantity) => {
                (Decision::Block, Reason::OverageExhausted)
            }
            _ => (Decision::Overage, Reason::Overage(over.rounded(canonical))),
        },
    }
}

/// time_access has no quantity: while a row is valid, yes.
fn decide_access(pool: &Pool<'_>, now: Time) -> (Decision, Reason) {
    let (from, until) = access_span(pool);
    let reason = Reason::AccessValid(until);
    match until.map(|until| elapsed(from, until, now)) {
        Some(percent) if percent >= pool.rule.warn_at => (Decision::Warn, reason),
        _ => (Decision::Allow, reason),
    }
}

/// What of a pool is taken when this request takes effect.
///
/// An extension takes effect when the lease would have expired; what expires by then needs no
/// slot any more. So after a limit was lowered exactly the surplus runs out, however the
/// holders' renewals interleave.
fn taken(request: &Request<'_>, pool: &Pool<'_>, used: Amount, reserved: Amount) -> Amount {
    match request.extends {
        Some(lease) if request.amount.is_some_and(|amount| amount <= lease.amount) => {
            pool.seats_at(lease.expires_at)
        }
        Some(lease) => used.plus(reserved).minus(lease.amount).or_zero(),
        None => used.plus(reserved),
    }
}

/// From when until when the rows of a time_access pool give access; the longest row counts.
pub(crate) fn access_span(pool: &Pool<'_>) -> (Time, Option<Time>) {
    let longest = pool
        .entitlements
        .iter()
        .max_by_key(|row| (row.valid_until.is_none(), row.valid_until));
    longest.map_or((Time::BEGINNING, None), |row| {
        (row.valid_from, row.valid_until)
    })
}

pub(crate) fn elapsed(from: Time, until: Time, now: Time) -> Percent {
    Percent::of(
        Amount(i128::from(now.since(from))),
        Amount(i128::from(until.since(from))),
    )
}
