//! What an account may use.

use std::collections::BTreeMap;

use crate::code::{Code, closed_list};
use crate::decimal::Decimal;
use crate::id::{AccountId, ConditionId, EntitlementId};
use crate::quantity::Quantity;
use crate::time::Time;
use crate::window::{WindowKind, WindowRule, Zone};

closed_list! {
    /// Whether an entitlement is in force.
    EntitlementStatus {
        Active = "active": "In force while it is valid",
        Suspended = "suspended": "Held back; its level denies",
        Expired = "expired": "Over, for good",
    }
}

closed_list! {
    /// Where an entitlement comes from.
    Source {
        Plan = "plan": "A plan was provisioned",
        Addon = "addon": "An add-on was provisioned",
        Manual = "manual": "Somebody granted it",
        Override = "override": "Replaces the pools of its resource and scope at its level",
    }
}

/// One grant to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// Its id.
    pub id: EntitlementId,
    /// To whom.
    pub account: AccountId,
    /// Of what.
    pub resource: Code,
    /// Of which part; `None` is every part.
    pub scope: Option<Code>,
    /// How much; `None` is unlimited.
    pub quantity: Option<Quantity>,
    /// The window it is counted in.
    pub window: WindowRule,
    /// Whether it is in force.
    pub status: EntitlementStatus,
    /// Where it comes from.
    pub source: Source,
    /// Its name there (a subscription item).
    pub source_ref: Option<Code>,
    /// The plan it came with.
    pub plan: Option<Code>,
    /// The plan's version then.
    pub plan_version: Option<i32>,
    /// Among overrides the highest wins.
    pub priority: i32,
    /// First instant it counts.
    pub valid_from: Time,
    /// First instant it does not.
    pub valid_until: Option<Time>,
    /// All must be met.
    pub conditions: Vec<Condition>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

impl Entitlement {
    /// Past its end, whoever tidies the row later.
    pub fn is_expired(&self, now: Time) -> bool {
        self.is_over_at(now, now)
    }

    /// Whether it is over at `at`, as known at `now`: one that has expired since keeps the validity
    /// it had.
    pub(crate) fn is_over_at(&self, at: Time, now: Time) -> bool {
        let is_ended = self.valid_until.is_some_and(|until| until <= at);
        is_ended || (at >= now && self.status == EntitlementStatus::Expired)
    }

    /// First instant it is in force: it is valid then, and its window has begun.
    pub fn starts_at(&self) -> Time {
        let window_start = match self.window.kind {
            WindowKind::Period => self.window.period.map(|(start, _)| start),
            WindowKind::Lifetime => self.window.anchor,
            _ => None,
        };
        window_start.map_or(self.valid_from, |start| start.max(self.valid_from))
    }

    /// Not over: in force, suspended or still to come.
    pub fn is_standing(&self, now: Time) -> bool {
        !self.is_expired(now)
    }
}

/// What must hold for a row to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its id.
    pub id: ConditionId,
    /// What is looked at.
    pub test: ConditionTest,
}

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionTest {
    /// An attribute of the request.
    Attribute {
        /// Its name.
        name: Code,
        /// What must hold of it; a missing attribute never meets it.
        comparison: Comparison,
    },
    /// The wall clock in the owner's zone, in seconds of the day, half-open; `from > to` wraps
    /// midnight.
    TimeOfDay {
        /// First second.
        from: i64,
        /// First second after it.
        to: i64,
    },
    /// The day in the owner's zone, 1 = Monday … 7 = Sunday.
    Weekday(Vec<i8>),
}

/// How an attribute is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Is one of these.
    In(Vec<Attribute>),
    /// Is there and none of these.
    NotIn(Vec<Attribute>),
    /// A number above.
    Above(Decimal),
    /// A number at or above.
    AtLeast(Decimal),
    /// A number below.
    Below(Decimal),
    /// A number at or below.
    AtMost(Decimal),
}

/// A fact the caller states with a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// Text.
    Text(String),
    /// A number of any length, compared exactly.
    Number(Decimal),
    /// Yes or no.
    Flag(bool),
}

/// The facts stated with a request, by name.
pub type Attributes = BTreeMap<String, Attribute>;

impl ConditionTest {
    /// Whether it is met at `now` in the owner's `zone`.
    pub fn is_met(&self, attributes: &Attributes, zone: &Zone, now: Time) -> bool {
        match self {
            Self::Attribute { name, comparison } => attributes
                .get(&**name)
                .is_some_and(|value| comparison.holds(value)),
            Self::TimeOfDay { from, to } => {
                let second = zone.second_of_day(now);
                if from <= to {
                    (*from..*to).contains(&second)
                } else {
                    second >= *from || second < *to
                }
            }
            Self::Weekday(days) => days.contains(&zone.weekday(now)),
        }
    }
}

impl Comparison {
    fn holds(&self, value: &Attribute) -> bool {
        match (self, value) {
            (Self::In(list), value) => list.contains(value),
            (Self::NotIn(list), value) => !list.contains(value),
            (Self::Above(bound), Attribute::Number(number)) => number > bound,
            (Self::AtLeast(bound), Attribute::Number(number)) => number >= bound,
            (Self::Below(bound), Attribute::Number(number)) => number < bound,
            (Self::AtMost(bound), Attribute::Number(number)) => number <= bound,
            _ => false,
        }
    }
}
