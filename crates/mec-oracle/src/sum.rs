//! Sums over what happened, made anew each time.

use std::collections::BTreeMap;

use crate::amount::Amount;
use crate::command::{Code, Id, Time};
use crate::history::{Counter, Effect, Except, Lease, Renewed};
use crate::state::Oracle;
use crate::window::Cut;

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
