//! Counters: what was used, is held and is billed, per window.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::quantity::Amount;
use crate::time::{SECOND, Time};
use crate::window::{Window, oldest_step, step_of};

/// Which counter: a resource, all of it or one scope, over one window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowKey {
    /// What is counted.
    pub resource: Code,
    /// One part of it; `None` counts every part.
    pub scope: Option<Code>,
    /// Over which window.
    pub window: Window,
}

/// A window's total: an account's use and its descendants'.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowTotal {
    /// Use of the account and everything below it; zero for a rolling window, whose use is in its
    /// steps.
    pub used: Amount,
    /// Use of the account itself; zero for a rolling window.
    pub own: Amount,
    /// Use of the account and everything below it per step of a rolling window; empty for others.
    pub steps: BTreeMap<i64, Amount>,
    /// Open reservations of the account and everything below it, by expiry.
    pub held: Expiries,
    /// Since when use is above the limit: where a grace period runs from.
    pub over_since: Option<Time>,
    /// Overage accrued in it, net of what corrections took back.
    pub overage: Amount,
}

impl WindowTotal {
    /// What counts at `now`.
    pub fn used_at(&self, window: Window, now: Time) -> Amount {
        match window {
            Window::Fixed { .. } => self.used,
            Window::Rolling { seconds } => self
                .steps
                .range(oldest_step(now, seconds)..)
                .fold(Amount::ZERO, |sum, (_, amount)| sum.plus(*amount)),
        }
    }

    /// Adds use that happened at `at`.
    pub fn add(&mut self, window: Window, at: Time, now: Time, amount: Amount, is_own: bool) {
        if let Window::Rolling { seconds } = window {
            let oldest = oldest_step(now, seconds);
            self.steps.retain(|step, _| *step >= oldest);
            let step = step_of(at, seconds);
            if step < oldest {
                return;
            }
            let sum = self.steps.entry(step).or_default();
            *sum = sum.plus(amount);
            return;
        }
        self.used = self.used.plus(amount);
        if is_own {
            self.own = self.own.plus(amount);
        }
    }
}

/// Amounts that lapse by themselves, per full second of expiry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiries {
    total: Amount,
    by_second: BTreeMap<i64, Amount>,
}

impl Expiries {
    /// What has not lapsed at `now`: an amount counts while `now < expires_at`.
    pub fn live(&self, now: Time) -> Amount {
        let last = now.micros().div_euclid(SECOND);
        self.by_second
            .range(..=last)
            .fold(self.total, |sum, (_, amount)| sum.minus(*amount))
    }

    /// The instants after `now` at which something lapses, the next one first.
    pub fn expiries(&self, now: Time) -> impl Iterator<Item = Time> {
        let last = now.micros().div_euclid(SECOND);
        self.by_second
            .range(last.saturating_add(1)..)
            .map(|(second, _)| Time::from_micros(second.saturating_mul(SECOND)))
    }

    /// Adds an amount that lapses at `expires_at` (a full second), and forgets what has lapsed by
    /// `now`.
    pub fn add(&mut self, expires_at: Time, amount: Amount, now: Time) {
        let last = now.micros().div_euclid(SECOND);
        while let Some(entry) = self.by_second.first_entry() {
            if *entry.key() > last {
                break;
            }
            self.total = self.total.minus(entry.remove());
        }
        if expires_at > now {
            let entry = self
                .by_second
                .entry(expires_at.micros().div_euclid(SECOND))
                .or_default();
            *entry = entry.plus(amount);
            self.total = self.total.plus(amount);
            if *entry == Amount::ZERO {
                self.by_second
                    .remove(&expires_at.micros().div_euclid(SECOND));
            }
        }
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.by_second.is_empty()
    }

    /// How many seconds are kept apart: for the cache's accounting.
    pub fn len(&self) -> usize {
        self.by_second.len()
    }
}
