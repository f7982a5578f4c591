//! The decision (design 1.3): may this account do this? Every other command that is limited asks it
//! first.
//!
//! The order of the steps is the documented precedence. All pools of all levels must let the
//! request through; the worst answer wins and the pool it comes from, the *binding pool*, is what
//! the answer describes.

use std::sync::Arc;

use crate::catalog::{LimitAction, LimitKind, Resource};
use crate::code::{Code, closed_list};
use crate::command::{Halt, View};
use crate::entitlement::Attributes;
use crate::fall::fell_at;
use crate::id::{AccountId, EntitlementId, RuleId};
use crate::lease::Lease;
use crate::ledger::price_of;
use crate::pool::{Absence, Levels, Pool, When, levels};
use crate::quantity::{Amount, Factor, Percent, Quantity, QuantityError, SCALE, Total};
use crate::refusal::Refusal;
use crate::retry::fits_at;
use crate::time::{SECOND, Time};
use crate::trace::{Trace, bare_levels};
use crate::tree::{AccountStatus, Node};
use crate::window::WindowKind;

closed_list! {
    /// What a request is told, from the best to the worst.
    Decision {
        Allow = "allow": "Go ahead",
        Warn = "warn": "Go ahead; near or over the limit",
        Grace = "grace": "Go ahead; over the limit, in grace",
        Overage = "overage": "Go ahead; over the limit, will be billed",
        Block = "block": "Do not: a limit is reached",
        Deny = "deny": "Do not: not entitled",
    }
}

impl Decision {
    /// Whether to go ahead.
    pub const fn allowed(self) -> bool {
        !matches!(self, Self::Block | Self::Deny)
    }
}

/// Why, with the figures its sentence needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The account or one above it is suspended.
    AccountSuspended,
    /// The account or one above it is closed.
    AccountClosed,
    /// The rows in force are suspended.
    EntitlementSuspended,
    /// A row in force misses a condition.
    ConditionNotMet,
    /// The entitlement is not valid yet.
    EntitlementStarts(Time),
    /// The entitlement is over.
    EntitlementExpired,
    /// A time_access entitlement is over.
    AccessExpired,
    /// There are entitlements, for other scopes.
    NoEntitlementForScope,
    /// There is none.
    NoEntitlement,
    /// There are add-ons alone, and another level has a limit. Said of a level, never of a
    /// decision.
    AddonAlone,
    /// Inventory is given back.
    Released,
    /// The limit is no limit.
    Unlimited,
    /// Within the limit.
    Within,
    /// Within the limit, and near it.
    NearLimit(Percent),
    /// The request would exceed the limit.
    LimitReached,
    /// Over the limit, let through with a warning.
    OverLimit(Percent),
    /// Over the limit by the first, of the second (`None`: any amount).
    InGrace(Total, Option<Total>),
    /// Grace is used up or over.
    GraceExhausted,
    /// Over the limit by so much, which will be billed.
    Overage(Total),
    /// Overage goes no further.
    OverageExhausted,
    /// time_access: valid until then (`None`: without end).
    AccessValid(Option<Time>),
    /// A lease that is not there, over or released.
    LeaseOver,
    /// The use was recorded before, under the same key.
    Recorded,
}

impl Reason {
    /// The reason as a code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AccountSuspended => "account_suspended",
            Self::AccountClosed => "account_closed",
            Self::EntitlementSuspended => "entitlement_suspended",
            Self::ConditionNotMet => "condition_not_met",
            Self::EntitlementStarts(_) => "entitlement_not_started",
            Self::EntitlementExpired => "entitlement_expired",
            Self::AccessExpired => "access_expired",
            Self::NoEntitlementForScope => "no_entitlement_for_scope",
            Self::NoEntitlement => "no_entitlement",
            Self::AddonAlone => "addon_alone",
            Self::Released => "released",
            Self::Unlimited => "unlimited",
            Self::Within => "within",
            Self::NearLimit(_) => "near_limit",
            Self::LimitReached => "limit_reached",
            Self::OverLimit(_) => "over_limit",
            Self::InGrace(..) => "in_grace",
            Self::GraceExhausted => "grace_exhausted",
            Self::Overage(_) => "overage",
            Self::OverageExhausted => "overage_exhausted",
            Self::AccessValid(_) => "access_valid",
            Self::LeaseOver => "lease_over",
            Self::Recorded => "recorded",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AccountSuspended => "Account suspended",
            Self::AccountClosed => "Account closed",
            Self::EntitlementSuspended => "Entitlement suspended",
            Self::ConditionNotMet => "Condition not met",
            Self::EntitlementStarts(at) => return write!(f, "Entitlement starts {}", at.date()),
            Self::EntitlementExpired => "Entitlement expired",
            Self::AccessExpired => "Access expired",
            Self::NoEntitlementForScope => "No entitlement for this scope",
            Self::NoEntitlement => "No entitlement",
            Self::AddonAlone => "Add-ons alone set no limit here",
            Self::Released => "Released",
            Self::Unlimited => "Unlimited",
            Self::Within => "Within entitlement",
            Self::NearLimit(percent) => {
                return write!(f, "Usage at {}% of limit", percent.one_decimal());
            }
            Self::LimitReached => "Limit reached",
            Self::OverLimit(percent) => {
                return write!(f, "Over limit: usage at {}%", percent.one_decimal());
            }
            Self::InGrace(over, Some(of)) => return write!(f, "In grace: {over} of {of} used"),
            Self::InGrace(over, None) => return write!(f, "In grace: {over} used"),
            Self::GraceExhausted => "Grace exhausted",
            Self::Overage(over) => return write!(f, "Over limit by {over}, will be billed"),
            Self::OverageExhausted => "Overage limit reached",
            Self::AccessValid(Some(until)) => {
                return write!(f, "Access valid until {}", until.date());
            }
            Self::AccessValid(None) => "Access valid",
            Self::LeaseOver => "Lease is over",
            Self::Recorded => "Already recorded",
        })
    }
}

/// A question: may this account do this?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Who.
    pub account: AccountId,
    /// What.
    pub resource: Code,
    /// Which part of it; empty is none.
    pub scope: Option<Code>,
    /// How much; `None` or zero asks where the account stands.
    pub quantity: Option<Quantity>,
    /// In which unit; `None`: the canonical one.
    pub unit: Option<Code>,
    /// What conditions look at.
    pub attributes: Attributes,
    /// Whether the answer lists every pool considered.
    pub explain: bool,
}

impl Check {
    /// The question about `resource` as a whole, in its canonical unit, without attributes;
    /// `quantity` as [`Check::quantity`].
    pub fn of(account: AccountId, resource: &str, quantity: Option<Quantity>) -> Self {
        let (resource, attributes) = (Code::from(resource), Attributes::default());
        Self {
            account,
            resource,
            scope: None,
            quantity,
            unit: None,
            attributes,
            explain: false,
        }
    }
}

/// The answer to a question about a limit. Quantities are in the resource's canonical unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The decision.
    pub decision: Decision,
    /// Whether to go ahead; where no quantity was given: whether the smallest further amount may.
    pub allowed: bool,
    /// Why.
    pub reason: Reason,
    /// The first entitlement of the binding pool.
    pub entitlement: Option<EntitlementId>,
    /// The rule the binding pool is enforced by; `None`: the default.
    pub rule: Option<RuleId>,
    /// Whose pool binds; of a deny the account whose level denied.
    pub account: Option<AccountId>,
    /// How the resource is counted.
    pub limit_kind: LimitKind,
    /// The figures of the binding pool; `None` where nothing is entitled.
    pub figures: Option<Figures>,
    /// What of this request is overage, and its price where the rule names one. Where no quantity
    /// was given: what has accrued in the window, at the rule's present price.
    pub overage: Option<(Total, Option<Total>)>,
    /// Seconds, rounded up, after which this request would be let through if nothing else happens;
    /// `None`: it is let through now, or never by itself. Where no quantity was given: the smallest
    /// further amount.
    pub retry_after_seconds: Option<i64>,
    /// What the decision rests on, where asked for.
    pub trace: Trace,
}

/// What a pool allows and what of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// The limit; `None` is unlimited (or time_access, which has no quantity).
    pub allowed: Option<Total>,
    /// Ledger or leases alone.
    pub used: Option<Total>,
    /// Open holds.
    pub reserved: Option<Total>,
    /// `max(0, allowed − used − reserved)`.
    pub remaining: Option<Total>,
    /// Used and reserved of the limit.
    pub percent: Option<Percent>,
    /// The kind of window it is counted in; `None` for what is not counted in windows.
    pub window_kind: Option<WindowKind>,
    /// Where the window begins and ends; `None`: it does not.
    pub window: (Option<Time>, Option<Time>),
}

/// One pool that was considered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// 0 is the account itself.
    pub level: usize,
    /// Whose pool.
    pub account: AccountId,
    /// Its rows.
    pub entitlements: Vec<EntitlementId>,
    /// Its scope.
    pub scope: Option<Code>,
    /// What happens beyond it.
    pub action: LimitAction,
    /// The rule; `None`: the default.
    pub rule: Option<RuleId>,
    /// Its figures.
    pub figures: Figures,
    /// Its own decision.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
}

/// Answers a question on the state it is given; changes nothing.
pub fn check(view: &View<'_>, check: &Check) -> Result<Standing, Halt> {
    let path = view.path(check.account)?;
    let resource = view.resource(&check.resource)?;
    let quantity = check.quantity.filter(|quantity| !quantity.is_zero());
    let unit = unit_of(view, resource, check.unit.as_ref())?.1;
    if quantity.is_some_and(Quantity::is_negative) && resource.limit_kind != LimitKind::Inventory {
        return Err(Refusal::QuantityNotPositive {
            argument: "requested_qty",
        }
        .into());
    }
    let amount = quantity.map(|quantity| Amount::of(quantity, unit));
    check_whole(view, resource, amount, "requested_qty")?;
    let request = Request {
        resource,
        scope: scope_of(check.scope.as_ref()),
        amount,
        attributes: &check.attributes,
        extends: None,
    };
    let judgement = judge(view, &request, &path)?;
    Ok(judgement.standing(view, &request, Effect::None, check.explain))
}

/// Seats are whole: of a concurrency resource nobody has a part of its unit.
pub(crate) fn check_whole(
    view: &View<'_>,
    resource: &Resource,
    amount: Option<Amount>,
    argument: &'static str,
) -> Result<(), Halt> {
    let one = Amount::of(Quantity::whole(1), view.catalog.canonical(resource)).0;
    let is_whole = amount.is_none_or(|amount| amount.0.checked_rem(one) == Some(0));
    if resource.limit_kind == LimitKind::Concurrency && !is_whole {
        return Err(Refusal::BadQuantity {
            argument,
            error: QuantityError::NotWhole,
        }
        .into());
    }
    Ok(())
}

/// The unit a caller named (the canonical one where none) and how large it is.
pub(crate) fn unit_of<'a>(
    view: &View<'a>,
    resource: &'a Resource,
    unit: Option<&Code>,
) -> Result<(&'a Code, Factor), Halt> {
    let Some(code) = unit else {
        return Ok((&resource.unit, view.catalog.canonical(resource)));
    };
    let Some(unit) = view.catalog.units.get(code) else {
        return Err(Refusal::UnitNotFound {
            unit: code.to_string(),
        }
        .into());
    };
    if unit.code != resource.unit && !resource.allowed_units.contains(&unit.code) {
        let allowed = std::iter::once(&resource.unit)
            .chain(&resource.allowed_units)
            .map(ToString::to_string)
            .collect();
        return Err(Refusal::UnitNotAllowed {
            unit: code.to_string(),
            resource: resource.code.to_string(),
            allowed,
        }
        .into());
    }
    Ok((&unit.code, unit.factor))
}

/// The unit a caller's content is in, known or not, so that a key can be looked up before the unit
/// is judged.
pub(crate) fn unit_named<'a>(resource: &'a Resource, unit: Option<&'a Code>) -> &'a Code {
    unit.unwrap_or(&resource.unit)
}

/// The scope a caller named. An empty one is none: whatever the door, there is one way to mean the
/// whole resource.
pub fn scope_of(scope: Option<&Code>) -> Option<&Code> {
    scope.filter(|scope| !scope.is_empty())
}

/// A request as the rules see it.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) resource: &'a Arc<Resource>,
    pub(crate) scope: Option<&'a Code>,
    /// In base units; `None` asks where the account stands.
    pub(crate) amount: Option<Amount>,
    pub(crate) attributes: &'a Attributes,
    /// The live lease this request extends: decided as if its slots were free.
    pub(crate) extends: Option<&'a Lease>,
}

impl Request<'_> {
    /// What of a pool is taken when this request takes effect.
    ///
    /// An extension takes effect when the lease would have expired; what expires by then needs no
    /// slot any more. So after a limit was lowered exactly the surplus runs out, however the
    /// holders' renewals interleave.
    fn taken(&self, pool: &Pool<'_>, used: Amount, reserved: Amount) -> Amount {
        match self.extends {
            Some(lease) if self.amount.is_some_and(|amount| amount <= lease.amount) => {
                pool.seats_at(lease.expires_at)
            }
            Some(lease) => used.plus(reserved).minus(lease.amount).or_zero(),
            None => used.plus(reserved),
        }
    }
}

/// How every pool decided, and which one binds.
#[derive(Debug)]
pub(crate) struct Judgement<'a> {
    pub(crate) decision: Decision,
    pub(crate) reason: Reason,
    pub(crate) allowed: bool,
    pub(crate) pools: Vec<Judged<'a>>,
    /// The pools of other levels than the one that denied.
    beside: Vec<Judged<'a>>,
    /// Place of the binding pool; `None` where nothing is entitled.
    pub(crate) binding: Option<usize>,
    /// Whose level denied.
    pub(crate) denied_by: Option<AccountId>,
    /// The account and those above it.
    path: Vec<&'a Arc<Node>>,
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
    allows_more: bool,
}

/// What an operation did to the pools after it was decided.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effect {
    None,
    Used(Amount),
    Held(Amount),
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

pub(crate) fn absence_reason(absence: &Absence, kind: LimitKind) -> Reason {
    match absence {
        Absence::Suspended => Reason::EntitlementSuspended,
        Absence::ConditionNotMet => Reason::ConditionNotMet,
        Absence::StartsAt(at) => Reason::EntitlementStarts(*at),
        Absence::Expired if kind == LimitKind::TimeAccess => Reason::AccessExpired,
        Absence::Expired => Reason::EntitlementExpired,
        Absence::OtherScope => Reason::NoEntitlementForScope,
        Absence::Nothing => Reason::NoEntitlement,
    }
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
    let held = request.taken(&pool, used, reserved);
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

/// The smallest further amount there is: a seat, or a millionth of the canonical unit.
pub(crate) fn smallest(kind: LimitKind, canonical: Factor) -> Amount {
    let millionths = if kind == LimitKind::Concurrency {
        i128::from(SCALE)
    } else {
        1
    };
    Amount(i128::from(canonical.get()).saturating_mul(millionths))
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

/// From when until when the rows of a time_access pool give access; the longest row counts.
fn access_span(pool: &Pool<'_>) -> (Time, Option<Time>) {
    let longest = pool
        .entitlements
        .iter()
        .max_by_key(|row| (row.valid_until.is_none(), row.valid_until));
    longest.map_or((Time::BEGINNING, None), |row| {
        (row.valid_from, row.valid_until)
    })
}

fn elapsed(from: Time, until: Time, now: Time) -> Percent {
    Percent::of(
        Amount(i128::from(now.since(from))),
        Amount(i128::from(until.since(from))),
    )
}

impl<'a> Judgement<'a> {
    /// Every pool that refuses must let the request through: the last of them says when.
    fn retry_after_seconds(
        &self,
        request: &Request<'_>,
        canonical: Factor,
        now: Time,
    ) -> Option<i64> {
        if self.allowed {
            return None;
        }
        let at = match self.reason {
            Reason::EntitlementStarts(at) => at,
            _ => {
                let refusing = self.pools.iter().filter(|judged| !judged.allows_more);
                let instants: Option<Vec<Time>> = refusing
                    .map(|judged| fits_at(&judged.pool, request, canonical, now))
                    .collect();
                instants?.into_iter().max()?
            }
        };
        Some(
            at.since(now)
                .saturating_add(SECOND - 1)
                .div_euclid(SECOND)
                .max(1),
        )
    }

    /// The binding pool.
    pub(crate) fn bound(&self) -> Option<&Judged<'a>> {
        self.pools.get(self.binding?)
    }

    /// The answer, with the quantities after `effect`.
    pub(crate) fn standing(
        &self,
        view: &View<'_>,
        request: &Request<'_>,
        effect: Effect,
        explain: bool,
    ) -> Standing {
        let canonical = view.catalog.canonical(request.resource);
        let kind = request.resource.limit_kind;
        let bound = self.bound();
        Standing {
            decision: self.decision,
            allowed: self.allowed,
            reason: self.reason.clone(),
            entitlement: bound.and_then(|judged| judged.pool.entitlement()),
            rule: bound.and_then(|judged| judged.pool.rule_id()),
            account: bound
                .map(|judged| judged.pool.node.account.id)
                .or(self.denied_by.filter(|_| !self.decision.allowed())),
            limit_kind: kind,
            figures: bound.map(|judged| judged.figures(kind, canonical, effect, view.now)),
            overage: bound
                .filter(|_| self.decision == Decision::Overage)
                .map(|judged| judged.overage(request, canonical)),
            retry_after_seconds: self.retry_after_seconds(request, canonical, view.now),
            trace: if explain {
                self.trace(view, request, effect)
            } else {
                Trace::default()
            },
        }
    }

    fn trace(&self, view: &View<'_>, request: &Request<'_>, effect: Effect) -> Trace {
        let (kind, canonical) = (
            request.resource.limit_kind,
            view.catalog.canonical(request.resource),
        );
        let pooled: Vec<usize> = self
            .pools
            .iter()
            .chain(&self.beside)
            .map(|judged| judged.pool.level)
            .collect();
        let limits = |of: &[Judged<'_>]| {
            of.iter()
                .map(|judged| judged.limit(kind, canonical, effect, view.now))
                .collect()
        };
        Trace {
            limits: limits(&self.pools),
            beside: limits(&self.beside),
            levels: bare_levels(view, request, &self.path, &pooled),
        }
    }
}

impl Judged<'_> {
    /// How much of `amount`, added now to what is used and held, lies beyond the limit.
    fn beyond(&self, amount: Amount) -> Amount {
        self.pool.limit.map_or(Amount::ZERO, |limit| {
            beyond(self.used.plus(self.reserved), amount, limit)
        })
    }

    fn overage(&self, request: &Request<'_>, canonical: Factor) -> (Total, Option<Total>) {
        let beyond = match request.amount {
            Some(amount) => self.beyond(amount.or_zero()),
            None => self.pool.accrued(),
        };
        (
            beyond.rounded(canonical),
            self.pool
                .rule
                .overage_price()
                .map(|price| cost(beyond, price, canonical)),
        )
    }

    fn figures(&self, kind: LimitKind, canonical: Factor, effect: Effect, now: Time) -> Figures {
        if kind == LimitKind::TimeAccess {
            let (from, until) = access_span(&self.pool);
            let percent = until.map(|until| elapsed(from, until, now));
            let window = (Some(from), until);
            return Figures {
                allowed: None,
                used: None,
                reserved: None,
                remaining: None,
                percent,
                window_kind: None,
                window,
            };
        }
        let (used, reserved) = match effect {
            Effect::None => (self.used, self.reserved),
            Effect::Used(amount) => (self.used.plus(amount), self.reserved),
            Effect::Held(amount) => (self.used, self.reserved.plus(amount)),
        };
        let taken = used.plus(reserved);
        Figures {
            allowed: self.pool.limit.map(|limit| limit.rounded(canonical)),
            used: Some(used.rounded(canonical)),
            reserved: Some(reserved.rounded(canonical)),
            remaining: self
                .pool
                .limit
                .map(|limit| limit.minus(taken).or_zero().cut(canonical)),
            percent: self.pool.limit.map(|limit| Percent::of(taken, limit)),
            window_kind: Some(self.pool.window_kind).filter(|_| kind == LimitKind::Cumulative),
            window: self.pool.shown_window(now),
        }
    }

    fn limit(&self, kind: LimitKind, canonical: Factor, effect: Effect, now: Time) -> Limit {
        Limit {
            level: self.pool.level,
            account: self.pool.node.account.id,
            entitlements: self.pool.entitlements.iter().map(|row| row.id).collect(),
            scope: self.pool.key.scope.clone(),
            action: self.pool.rule.action,
            rule: self.pool.rule_id(),
            figures: self.figures(kind, canonical, effect, now),
            decision: self.decision,
            reason: self.reason.clone(),
        }
    }
}

/// How much of `amount`, added to what is `taken`, lies beyond `limit`.
pub(crate) fn beyond(taken: Amount, amount: Amount, limit: Amount) -> Amount {
    taken.plus(amount).minus(limit).or_zero().min(amount)
}

/// `amount` at `price` per canonical unit, rounded half away from zero to a millionth.
pub(crate) fn cost(amount: Amount, price: Quantity, canonical: Factor) -> Total {
    price_of(
        Amount(amount.0.saturating_mul(i128::from(price.millionths()))),
        canonical,
    )
}
