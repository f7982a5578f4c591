//! When what is refused now would be granted as things stand.

use crate::amount::{Amount, amount};
use crate::command::{Action, SECOND, Time};
use crate::coverage::Rule;
use crate::decide::{Asked, Verdict};
use crate::history::Except;
use crate::pool::Pool;
use crate::shop::Kind;
use crate::state::Oracle;
use crate::window::{Cut, FOREVER, step};

impl Oracle {
    /// What is asked for where no quantity is.
    pub(crate) fn smallest(&self, asked: &Asked<'_>) -> Amount {
        if !self.holds(Rule::BlocksSayTheirEnd) {
            return amount(1, 1);
        }
        amount(
            if asked.resource.kind == Kind::Concurrency {
                1_000_000
            } else {
                1
            },
            asked.factor,
        )
    }

    /// Seconds, rounded up, until the first instant at which all of it would fit.
    pub(crate) fn retry_after(&self, asked: &Asked<'_>, verdict: &Verdict) -> Option<i64> {
        let seconds = |at: Time| ((at - self.now + SECOND - 1) / SECOND).max(1);
        if verdict.ruling.decision == "deny" {
            let is_to_come = verdict.ruling.code == "entitlement_not_started"
                && self.holds(Rule::DeniesSayTheirEnd);
            let starts = self.starts(asked.question).filter(|_| is_to_come);
            self.count(Rule::DeniesSayTheirEnd, starts.is_some());
            return starts.map(seconds);
        }
        if !self.holds(Rule::BlocksSayTheirEnd) {
            return None;
        }
        let q = if asked.amount == Amount::ZERO {
            self.smallest(asked)
        } else {
            asked.amount.clone()
        };
        let blocking = verdict
            .pools
            .iter()
            .map(|(pool, _)| pool)
            .filter(|pool| !self.judge(pool, &q, asked.factor).allowed());
        let fits: Option<Vec<Time>> = blocking
            .map(|pool| self.fits_at(pool, &q, asked.factor, verdict.except))
            .collect();
        let last = fits?.into_iter().max();
        self.count(Rule::BlocksSayTheirEnd, last.is_some());
        last.map(seconds)
    }

    /// The first instant at which a pool that blocks would not.
    fn fits_at(&self, pool: &Pool, q: &Amount, factor: i64, except: Except) -> Option<Time> {
        let counter = &pool.counter;
        let mut instants: Vec<Time> = Vec::new();
        match counter.cut {
            Cut::Span(_, FOREVER) => {}
            Cut::Span(_, end) => instants.push(end),
            Cut::Rolling(seconds) => {
                let step = step(seconds);
                let counted = self
                    .events
                    .iter()
                    .map(|event| (event.occurred_at.div_euclid(step) + 1) * step);
                instants.extend(counted.map(|end| end + seconds * SECOND));
            }
        }
        instants.extend(self.holds.iter().map(|hold| hold.expires_at));
        instants.extend(
            self.live_leases(counter, self.now)
                .map(|lease| lease.expires_at),
        );
        instants.retain(|at| *at > self.now);
        instants.sort_unstable();
        let rule = pool.rule.as_ref().map(|row| &row.rule);
        let further = match rule {
            Some(rule) if rule.action == Action::Overage && !pool.is_zero_override() => {
                rule.overage_limit.unwrap_or(0)
            }
            _ => 0,
        };
        let room = pool.limit.as_ref()? + amount(further, factor);
        // Nothing is ever taken of a limit of nothing, by its override.
        let is_open = room > Amount::ZERO;
        instants
            .into_iter()
            .find(|at| is_open && self.taken_at(pool, *at, except) + q <= room)
    }

    /// What of a pool is taken at an instant to come, as things stand.
    fn taken_at(&self, pool: &Pool, at: Time, except: Except) -> Amount {
        let counter = &pool.counter;
        if let Except::Lease(renewed) = except {
            return self.in_the_way(counter, at, renewed);
        }
        if matches!(counter.cut, Cut::Span(_, end) if end <= at) {
            return Amount::ZERO;
        }
        let is_leased = self
            .shop
            .resource(counter.resource)
            .is_some_and(|of| of.kind == Kind::Concurrency);
        let used = if is_leased {
            self.leased(counter, at)
        } else {
            self.used(counter, at)
        };
        used + self.held_except(counter, at, except)
    }
}
