//! What happened: events, holds, leases.

use std::sync::Arc;

use crate::amount::Amount;
use crate::answer::Told;
use crate::command::{Attributes, Code, Id, Time};
use crate::window::Cut;

/// What is summed: an account and everything below it, of a resource and all scopes or one, over a
/// window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the sentence above names them")]
pub struct Counter {
    pub account: Id,
    pub resource: Code,
    pub scope: Option<Code>,
    pub cut: Cut,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: Id,
    /// What its caller named it; what settles a reservation has none.
    pub(crate) key: Option<String>,
    pub(crate) path: Arc<[Id]>,
    pub(crate) content: Content,
    pub(crate) amount: Amount,
    pub(crate) occurred_at: Time,
    pub(crate) told: Option<Told>,
    /// Overage it accrued (or took back).
    pub(crate) overage: Vec<Effect>,
    /// Stated with it.
    pub(crate) attributes: Attributes,
}

/// Overage that an event accrued in a counter, or took back from it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the sentence above names them")]
pub struct Effect {
    pub counter: Counter,
    pub overage: Amount,
    /// Of one canonical unit, in millionths; nothing is taken back at a price.
    pub price: Option<i64>,
}

impl Event {
    /// Whether it settles a reservation.
    pub(crate) fn is_settlement(&self) -> bool {
        self.key.is_none()
    }
}

/// What a key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) account: Id,
    pub(crate) resource: Code,
    pub(crate) scope: Option<Code>,
    pub(crate) quantity: i64,
    pub(crate) unit: Code,
    pub(crate) occurred_at: Option<Time>,
    pub(crate) details: Option<String>,
    pub(crate) corrects: Option<Id>,
}

#[derive(Clone, Debug)]
pub(crate) struct Hold {
    pub(crate) id: Id,
    pub(crate) key: String,
    pub(crate) path: Arc<[Id]>,
    pub(crate) content: Content,
    pub(crate) amount: Amount,
    pub(crate) reserved_at: Time,
    /// Stated with it; a settlement states its own.
    pub(crate) attributes: Attributes,
    pub(crate) expires_at: Time,
    pub(crate) end: Option<End>,
    /// What was answered when it was made.
    pub(crate) told: Told,
}

/// What became of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Settled(i64, Id),
    Released,
}

#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) id: Id,
    pub(crate) path: Arc<[Id]>,
    pub(crate) resource: Code,
    pub(crate) scope: Option<Code>,
    pub(crate) token: Option<Code>,
    pub(crate) quantity: i64,
    pub(crate) amount: Amount,
    pub(crate) fencing_token: i64,
    /// Stated when it was taken or last decided anew; nothing is decided with them again.
    pub(crate) attributes: Attributes,
    pub(crate) acquired_at: Time,
    pub(crate) expires_at: Time,
    pub(crate) released_at: Option<Time>,
}

impl Lease {
    pub(crate) fn is_live(&self, now: Time) -> bool {
        self.released_at.is_none() && now < self.expires_at
    }

    /// First instant at which it no longer counted, or will no longer count.
    pub(crate) fn ends_at(&self) -> Time {
        self.released_at.unwrap_or(self.expires_at)
    }
}

/// What is left out of a sum.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Except {
    /// Nothing.
    Nothing,
    /// A hold that is just being settled.
    Hold(Id),
    /// A lease that is renewed as it is, or for fewer seats: it, and every lease that does not
    /// outlast it. Or for more seats (`true`): it alone.
    Lease(Renewed),
}

/// A lease that is to be extended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renewed {
    pub(crate) id: Id,
    pub(crate) expires_at: Time,
    pub(crate) grows: bool,
}

impl Counter {
    pub(crate) fn is_about(&self, path: &[Id], resource: Code, scope: Option<Code>) -> bool {
        self.resource == resource
            && (self.scope.is_none() || self.scope == scope)
            && path.contains(&self.account)
    }
}
