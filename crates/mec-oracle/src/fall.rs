//! Limits that fall by themselves: a row ends, or a smaller one begins, and what was used before is
//! too much.

use crate::amount::Amount;
use crate::command::{Question, SECOND, Time};
use crate::coverage::Rule;
use crate::pool::Pool;
use crate::shop::Resource;
use crate::state::Oracle;
use crate::window::Cut;

impl Oracle {
    /// The instant since which the present use of a pool is above its limit, by when its rows begin
    /// and end alone; none where it is noted, or where nothing began or ended then.
    pub(crate) fn fell_at(
        &self,
        pool: &Pool,
        question: &Question,
        resource: &Resource,
    ) -> Option<Time> {
        if !pool.is_over()
            || self.over_since.contains_key(&pool.counter)
            || !self.holds(Rule::LimitsFallByThemselves)
        {
            return None;
        }
        let start = match pool.counter.cut {
            Cut::Span(start, _) => start,
            Cut::Rolling(seconds) => self.now - seconds * SECOND,
        };
        // An add-on alone may become a limit by what ends above it.
        let path = &self.accounts[&question.account].path;
        let rows = self
            .rows
            .values()
            .filter(|row| path.contains(&row.account) && row.resource == pool.counter.resource);
        let mut edges: Vec<Time> = rows
            .flat_map(|row| [Some(self.begins(row)), row.valid_until])
            .flatten()
            .collect();
        edges.retain(|edge| start <= *edge && *edge <= self.now);
        edges.sort_unstable();
        let is_low = |at: Time| {
            self.limit_at(pool, question, resource, at)
                .is_some_and(|limit| pool.used > limit)
        };
        let fell = edges
            .iter()
            .rev()
            .copied()
            .take_while(|edge| is_low(*edge))
            .last()?;
        // Where it was too low from the beginning of the window, nothing fell.
        let is_first = edges[0] == fell && fell > start && is_low(start);
        (!is_first).then_some(fell)
    }

    /// The lowest limit on a pool's counter by the rows that were in force at `at`, applying as
    /// they do now.
    fn limit_at(
        &self,
        pool: &Pool,
        question: &Question,
        resource: &Resource,
        at: Time,
    ) -> Option<Amount> {
        let pools = self.pools_valid(question, resource, at).into_iter();
        pools
            .filter(|of| of.counter == pool.counter)
            .filter_map(|of| of.limit)
            .min()
    }
}
