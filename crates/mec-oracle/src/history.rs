//! What happened: events, holds, leases; and the sums over them, made anew each time.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::amount::Amount;
use crate::answer::Told;
use crate::command::{Attributes, Code, Id, Time};
use crate::oracle::Oracle;
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
    fn is_about(&self, path: &[Id], resource: Code, scope: Option<Code>) -> bool {
        self.resource == resource
            && (self.scope.is_none() || self.scope == scope)
            && path.contains(&self.account)
    }
}

impl Oracle {
    /// Use of the account and everything below it.
    pub fn used(&self, counter: &Counter, now: Time) -> Amount {
        self.sum(counter, now, false)
    }

    /// Use of the account itself.
    pub fn own(&self, counter: &Counter, now: Time) -> Amount {
        self.sum(counter, now, true)
    }

    fn sum(&self, counter: &Counter, now: Time, own_only: bool) -> Amount {
        let mut sum = Amount::ZERO;
        for event in &self.events {
            if counter.is_about(&event.path, event.content.resource, event.content.scope)
                && (!own_only || event.path[0] == counter.account)
                && counter.cut.counts(event.occurred_at, now)
            {
                sum += &event.amount;
            }
        }
        sum
    }

    /// Open holds of the account and everything below it.
    pub fn held(&self, counter: &Counter, now: Time) -> Amount {
        self.held_except(counter, now, Except::Nothing)
    }

    pub(crate) fn held_except(&self, counter: &Counter, now: Time, except: Except) -> Amount {
        let mut sum = Amount::ZERO;
        for hold in &self.holds {
            let is_in_window = match counter.cut {
                Cut::Span(..) => counter.cut.counts(hold.reserved_at, now),
                Cut::Rolling(_) => true,
            };
            if hold.end.is_none()
                && now < hold.expires_at
                && !matches!(except, Except::Hold(id) if id == hold.id)
                && counter.is_about(&hold.path, hold.content.resource, hold.content.scope)
                && is_in_window
            {
                sum += &hold.amount;
            }
        }
        sum
    }

    /// Overage accrued, net of what was taken back.
    pub fn overage(&self, counter: &Counter) -> Amount {
        let effects = self
            .events
            .iter()
            .flat_map(|event| &event.overage)
            .filter(|effect| effect.counter == *counter);
        effects.fold(Amount::ZERO, |sum, effect| sum + &effect.overage)
    }

    /// What the events of the present step accrued and took back.
    pub fn effects_of_step(&self) -> Vec<Effect> {
        let events = self
            .events
            .iter()
            .filter(|event| self.made.contains(&event.id));
        events
            .flat_map(|event| event.overage.iter().cloned())
            .collect()
    }

    /// How many events there are.
    pub const fn event_count(&self) -> usize {
        self.events.len()
    }

    /// All overage there is, by counter.
    pub fn overages(&self) -> BTreeMap<Counter, Amount> {
        let mut sums: BTreeMap<Counter, Amount> = BTreeMap::new();
        for effect in self.events.iter().flat_map(|event| &event.overage) {
            *sums.entry(effect.counter.clone()).or_default() += &effect.overage;
        }
        sums
    }

    /// Since when the pool on this counter is above its limit, as last noted.
    pub fn over_since(&self, counter: &Counter) -> Option<Time> {
        self.over_since.get(counter).copied()
    }

    /// Live leases of the account and everything below it.
    pub fn seats(&self, account: Id, resource: Code, scope: Option<Code>, now: Time) -> Amount {
        let counter = Counter {
            account,
            resource,
            scope,
            cut: Cut::ALWAYS,
        };
        self.leased(&counter, now)
    }

    pub(crate) fn leased(&self, counter: &Counter, now: Time) -> Amount {
        self.live_leases(counter, now)
            .fold(Amount::ZERO, |sum, lease| sum + &lease.amount)
    }

    /// The leases that leave no room for a renewal.
    pub(crate) fn in_the_way(&self, counter: &Counter, now: Time, of: Renewed) -> Amount {
        let others = self
            .live_leases(counter, now)
            .filter(|lease| lease.id != of.id);
        let others = others.filter(|lease| of.grows || lease.expires_at > of.expires_at);
        others.fold(Amount::ZERO, |sum, lease| sum + &lease.amount)
    }

    pub(crate) fn live_leases<'a>(
        &'a self,
        counter: &'a Counter,
        now: Time,
    ) -> impl Iterator<Item = &'a Lease> {
        let live = self.leases.iter().filter(move |lease| lease.is_live(now));
        live.filter(|lease| counter.is_about(&lease.path, lease.resource, lease.scope))
    }
}
