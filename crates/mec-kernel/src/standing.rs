//! Where an account stands: the answer to a question about a limit, with what it rests on.

use crate::catalog::{LimitAction, LimitKind};
use crate::code::Code;
use crate::decision::{Decision, Reason};
use crate::entitlement::{Condition, EntitlementStatus};
use crate::id::{AccountId, EntitlementId, RuleId};
use crate::quantity::{Percent, Total};
use crate::time::Time;
use crate::window::WindowKind;

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

/// What a decision rested on, from the account up to its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Every pool that decides.
    pub limits: Vec<Limit>,
    /// The pools of the other levels, if one denies.
    pub beside: Vec<Limit>,
    /// Every level considered that has no pool.
    pub levels: Vec<BareLevel>,
}

/// A level that has no limit for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BareLevel {
    /// 0 is the account itself.
    pub level: usize,
    /// Whose level.
    pub account: AccountId,
    /// Whether it denies the request; else it has no say.
    pub denies: bool,
    /// Why it has no limit.
    pub reason: Reason,
    /// The account's rows for the resource; of those that are over only the last, if all are.
    pub rows: Vec<UnusedRow>,
}

/// A row that did not apply to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedRow {
    /// Which.
    pub entitlement: EntitlementId,
    /// Its scope.
    pub scope: Option<Code>,
    /// Its status.
    pub status: EntitlementStatus,
    /// Why it did not apply.
    pub reason: Reason,
    /// The first condition that was not met, if that is why.
    pub condition: Option<Condition>,
    /// First instant it is in force.
    pub starts_at: Time,
}
