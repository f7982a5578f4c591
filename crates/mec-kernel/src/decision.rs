//! The words of an answer: what a request is told, and why.

use crate::code::closed_list;
use crate::quantity::{Percent, Total};
use crate::time::Time;

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
