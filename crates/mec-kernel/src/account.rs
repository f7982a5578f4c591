//! Accounts and the plans they have.

use crate::code::{Code, closed_list};
use crate::id::AccountId;
use crate::quantity::Quantity;
use crate::time::Time;

/// Levels a tree may have.
pub const LEVELS_MAX: usize = 8;

closed_list! {
    /// Whether an account may use anything.
    AccountStatus {
        Active = "active": "May use what it is entitled to",
        Suspended = "suspended": "Denied, with everything below it, until it is active again",
        Closed = "closed": "Denied for good, with everything below it",
    }
}

/// A customer, a team, a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The account above it; fixed at creation.
    pub parent: Option<AccountId>,
    /// The account at the top of its tree.
    pub root: AccountId,
    /// Its type's code.
    pub account_type: Code,
    /// Its name in another system.
    pub external_id: Option<Code>,
    /// For people.
    pub display_name: Code,
    /// For people.
    pub email: Option<Code>,
    /// Whether it may use anything.
    pub status: AccountStatus,
    /// IANA name; `None` inherits the parent's, at the root UTC.
    pub time_zone: Option<Code>,
    /// Free JSON text.
    pub metadata: Option<Code>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// A plan or an add-on an account has, had, or will have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPlan {
    /// Who.
    pub account: AccountId,
    /// Which plan.
    pub plan: Code,
    /// The add-on's name where it was bought (a subscription item); empty for a plan.
    pub reference: Code,
    /// The plan's version its rows came from.
    pub version: i32,
    /// Seats.
    pub quantity: Quantity,
    /// Where billing windows are counted from; kept over a plan change.
    pub anchor: Time,
    /// First instant.
    pub starts_at: Time,
    /// First instant after it; `None` while nothing ends it.
    pub ends_at: Option<Time>,
    /// Where it ends by itself; `ends_at` is sooner where another plan is to replace it.
    pub own_end: Option<Time>,
    /// Added to a plan instead of being one.
    pub is_addon: bool,
    /// The tree's one trial.
    pub is_trial: bool,
}

impl AccountPlan {
    /// Whether it is in force at `now`.
    pub fn is_current(&self, now: Time) -> bool {
        self.starts_at <= now && !self.is_over(now)
    }

    /// Whether it was taken back before it began.
    pub fn never_begins(&self) -> bool {
        self.ends_at.is_some_and(|end| end <= self.starts_at)
    }

    /// Whether `other` is this one as it was or will be.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.account, &self.plan, &self.reference, self.starts_at)
            == (
                other.account,
                &other.plan,
                &other.reference,
                other.starts_at,
            )
    }

    /// Whether it has ended.
    pub fn is_over(&self, now: Time) -> bool {
        self.ends_at.is_some_and(|end| end <= now)
    }
}
