//! Since when limits are exceeded: noted when use is recorded, and when rows change.

use crate::amount::Amount;
use crate::command::{Code, Id, Question, Time};
use crate::coverage::Rule;
use crate::history::{Counter, Except};
use crate::pool::Pool;
use crate::state::Oracle;

impl Oracle {
    /// Notes since when pools on the path of an account are above their limit, after its rows
    /// changed from what they were `before`.
    pub(crate) fn note_limits(&mut self, account: Id, before: &Self) {
        let rows = self.touched.iter().map(|id| &self.rows[id]);
        let mut touched: Vec<(Code, Option<Code>)> =
            rows.map(|row| (row.resource, row.scope)).collect();
        touched.sort_unstable();
        touched.dedup();
        for (resource, scope) in touched {
            let resource = self
                .shop
                .resource(resource)
                .expect("a row names a resource");
            let question = Question {
                scope,
                ..Question::of(account, resource.code)
            };
            let was = before.pools(&question, resource, Except::Nothing);
            let is = self.pools(&question, resource, Except::Nothing);
            self.note(&was, &is);
        }
    }

    /// Notes which pools are above their limit once `amount` is used at `at`, or leased.
    pub(crate) fn note_use(&mut self, pools: &[Pool], amount: &Amount, at: Time) {
        let mut after = pools.to_vec();
        for pool in after
            .iter_mut()
            .filter(|pool| pool.counter.cut.counts(at, self.now))
        {
            pool.used += amount;
        }
        self.note(pools, &after);
    }

    /// Of pools that share a counter the tightest keeps its note. Where there is none although a
    /// limit had fallen, it is of that instant.
    pub(crate) fn note(&mut self, was: &[Pool], is: &[Pool]) {
        let is_over = |pools: &[Pool], counter: &Counter| {
            pools
                .iter()
                .any(|of| of.counter == *counter && of.is_over())
        };
        for pool in is {
            let counter = &pool.counter;
            let is_tighter_over = is_over(is, counter);
            self.count(
                Rule::TheTighterLimitKeepsTheNote,
                is_tighter_over && !pool.is_over(),
            );
            if !is_tighter_over {
                self.over_since.remove(counter);
            } else if !is_over(was, counter) {
                self.over_since.insert(counter.clone(), self.now);
            } else if !self.over_since.contains_key(counter) {
                let fell = was
                    .iter()
                    .filter(|of| of.counter == *counter)
                    .find_map(|of| of.fell);
                self.count(
                    Rule::LimitsFallByThemselves,
                    fell.is_some_and(|fell| fell < self.now),
                );
                self.over_since
                    .insert(counter.clone(), fell.unwrap_or(self.now));
            }
        }
    }
}

impl Pool {
    /// Whether what is used is above the limit; what is only held is not used.
    pub(crate) fn is_over(&self) -> bool {
        self.limit.as_ref().is_some_and(|limit| self.used > *limit)
    }
}
