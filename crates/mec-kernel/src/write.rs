//! What a ruling changes. The store writes it, [`Tree::apply`](crate::Tree::apply) shows the state
//! after it.

use std::sync::Arc;

use crate::account::{Account, AccountPlan};
use crate::catalog::Rule;
use crate::code::Code;
use crate::counter::{WindowKey, WindowTotal};
use crate::entitlement::Entitlement;
use crate::id::{AccountId, AuditId, RuleId, TreeId};
use crate::lease::Lease;
use crate::ledger::{Effect, LedgerEvent};
use crate::node::Node;
use crate::quantity::Amount;
use crate::reservation::Reservation;
use crate::time::Time;

/// One change of one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// An account was made or changed.
    Account(Account),
    /// An entitlement was made or changed; the audit row goes with it.
    Entitlement {
        /// The row as it is now.
        row: Arc<Entitlement>,
        /// Free JSON text; `None` leaves it as it is.
        metadata: Option<Code>,
        /// Why it changed.
        audit: Audit,
    },
    /// A plan or an add-on of an account was made or changed.
    AccountPlan(Arc<AccountPlan>),
    /// A rule was made or changed.
    Rule(Arc<Rule>),
    /// A rule was removed.
    RemoveRule {
        /// The account it named.
        account: Option<AccountId>,
        /// Which one.
        rule: RuleId,
    },
    /// Use was recorded.
    Event {
        /// The ledger's row.
        event: Arc<LedgerEvent>,
        /// The account and its ancestors, nearest first: whose sums it moves.
        path: Vec<AccountId>,
    },
    /// A lease was taken, extended or released.
    Lease {
        /// As it was.
        old: Option<Arc<Lease>>,
        /// As it is.
        new: Arc<Lease>,
        /// The account and its ancestors, nearest first.
        path: Vec<AccountId>,
    },
    /// A reservation was made, settled or released.
    Reservation {
        /// As it was.
        old: Option<Arc<Reservation>>,
        /// As it is.
        new: Arc<Reservation>,
        /// The account and its ancestors, nearest first.
        path: Vec<AccountId>,
    },
    /// Use went above a pool's limit, or came back.
    Mark {
        /// Whose pool.
        account: AccountId,
        /// Which counter.
        key: WindowKey,
        /// Since when it is above the limit.
        over_since: Option<Time>,
    },
    /// A window was counted from the ledger.
    Window {
        /// Whose.
        account: AccountId,
        /// Which counter.
        key: WindowKey,
        /// What the ledger says.
        total: WindowTotal,
    },
}

impl Write {
    /// A lease was taken, extended or released, by the first account of `path`.
    pub(crate) fn lease(path: &[&Arc<Node>], old: Option<Arc<Lease>>, new: Arc<Lease>) -> Self {
        Self::Lease {
            old,
            new,
            path: path.iter().map(|node| node.account.id).collect(),
        }
    }

    /// A reservation was made, settled or released, by the first account of `path`.
    pub(crate) fn reservation(
        path: &[&Arc<Node>],
        old: Option<Arc<Reservation>>,
        new: Arc<Reservation>,
    ) -> Self {
        Self::Reservation {
            old,
            new,
            path: path.iter().map(|node| node.account.id).collect(),
        }
    }

    /// The tree whose state it is part of, where that is decided on.
    pub fn tree(&self) -> Option<TreeId> {
        self.decided_for().map(|(account, _)| account.tree())
    }

    /// Whose use of what it was decided for; `None`: nothing that ends by itself had a say.
    pub(crate) fn decided_for(&self) -> Option<(AccountId, &Code)> {
        match self {
            Self::Entitlement { row, .. } => Some((row.account, &row.resource)),
            Self::Event { event, .. } => Some((event.account, &event.resource)),
            Self::Lease { new, .. } => Some((new.account, &new.resource)),
            Self::Reservation { new, .. } => Some((new.account, &new.resource)),
            Self::Account(_)
            | Self::AccountPlan(_)
            | Self::Rule(_)
            | Self::RemoveRule { .. }
            | Self::Mark { .. }
            | Self::Window { .. } => None,
        }
    }

    /// When the lease or the hold ends that it changes, as it was and as it is.
    pub(crate) fn own_ends(&self) -> [Option<Time>; 2] {
        match self {
            Self::Lease { old, new, .. } => {
                [old.as_ref().map(|old| old.expires_at), Some(new.expires_at)]
            }
            Self::Reservation { old, new, .. } => {
                [old.as_ref().map(|old| old.expires_at), Some(new.expires_at)]
            }
            _ => [None, None],
        }
    }
}

/// Why an entitlement changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The audit row's id.
    pub id: AuditId,
    /// `create`, `update`, `expire`, `suspend`, `resume`.
    pub action: &'static str,
    /// Who changed it.
    pub by: Code,
    /// Why (`provision_plan starter`).
    pub reason: String,
}

/// What one event adds to the stored sum of one account and UTC hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourSum {
    /// The account's own use, in base units.
    pub own: Amount,
    /// The account's and its descendants' use, in base units.
    pub subtree: Amount,
    /// Overage accrued in the account's pools, in base units.
    pub overage: Amount,
    /// What that overage costs, exactly: see [`Effect::cost`].
    pub overage_cost: Amount,
    /// The account's own events.
    pub events: i64,
}

impl HourSum {
    /// The sums `event` moves: one per account on its path. The key's hour is the event's
    /// `occurred_at` cut to the hour.
    pub fn of<'a>(
        event: &'a LedgerEvent,
        path: &'a [AccountId],
    ) -> impl Iterator<Item = (AccountId, Self)> + 'a {
        path.iter().map(|account| {
            let is_own = *account == event.account;
            let effects = || {
                event
                    .effects
                    .iter()
                    .filter(|effect| effect.account == *account)
            };
            let sum_of = |each: fn(&Effect) -> Amount| {
                effects().fold(Amount::ZERO, |sum, effect| sum.plus(each(effect)))
            };
            let sum = Self {
                own: if is_own { event.amount } else { Amount::ZERO },
                subtree: event.amount,
                overage: sum_of(|effect| effect.overage),
                overage_cost: sum_of(Effect::cost),
                events: i64::from(is_own),
            };
            (*account, sum)
        })
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            own: self.own.plus(other.own),
            subtree: self.subtree.plus(other.subtree),
            overage: self.overage.plus(other.overage),
            overage_cost: self.overage_cost.plus(other.overage_cost),
            events: self.events.saturating_add(other.events),
        }
    }
}
