//! Design 1.3, overage: what recorded use accrues in which counter, and what a correction takes
//! back.

use crate::amount::Amount;
use crate::command::{Action, Code, Id, Question, Time};
use crate::coverage::Rule;
use crate::history::{Content, Counter, Effect};
use crate::pool::Pool;
use crate::state::Oracle;
use crate::window::Cut;

/// Which counter bills first: that of the shortest window, then of one scope, then the first by its
/// name.
fn place(counter: &Counter) -> (i128, bool, Counter) {
    (
        counter.cut.length(),
        counter.scope.is_none(),
        counter.clone(),
    )
}

impl Oracle {
    /// What use of `amount` at `at` accrues, by the rows that were in force then; `pools` are those
    /// in force now.
    pub(crate) fn accrued_by(
        &self,
        question: &Question,
        pools: &[Pool],
        amount: &Amount,
        at: Time,
    ) -> Vec<Effect> {
        if at == self.now || !self.holds(Rule::LateUseIsJudgedByItsRows) {
            return self.accrued(pools, amount, at);
        }
        let resource = self
            .shop
            .resource(question.resource)
            .expect("it is recorded");
        let then = self.pools_at(question, resource, at);
        self.accrued(&then, amount, at)
    }

    /// What use of `amount` at `at` accrues in the pools in force: each account bills a unit once.
    pub(crate) fn accrued(&self, pools: &[Pool], amount: &Amount, at: Time) -> Vec<Effect> {
        let mut effects = Vec::new();
        let levels = pools
            .iter()
            .map(|pool| pool.level)
            .max()
            .map_or(0, |level| level + 1);
        for level in 0..levels {
            let of_level = pools.iter().filter(|pool| pool.level == level);
            let mut beyond: Vec<Effect> = of_level
                .filter_map(|pool| self.beyond_at(pool, amount, at))
                .collect();
            beyond.sort_by(|a, b| {
                place(&a.counter)
                    .cmp(&place(&b.counter))
                    .then(b.overage.cmp(&a.overage))
            });
            self.count_shared_units(&beyond);
            let mut billed = Amount::ZERO;
            for effect in beyond {
                // What is beyond a limit is the end of the event: of two ends the longer holds the
                // shorter.
                let more = &effect.overage - &billed;
                if more > Amount::ZERO {
                    billed.clone_from(&effect.overage);
                    effects.push(Effect {
                        overage: more,
                        ..effect
                    });
                }
            }
        }
        let levels_billed = effects
            .chunk_by(|a, b| a.counter.account == b.counter.account)
            .count();
        self.count(Rule::LevelsBillApart, levels_billed > 1);
        effects
    }

    /// What of an event lies beyond a pool's limit in the window of the event, as far as that is
    /// used by now.
    fn beyond_at(&self, pool: &Pool, amount: &Amount, at: Time) -> Option<Effect> {
        let rule = pool
            .rule
            .as_ref()
            .filter(|row| row.rule.action == Action::Overage)?;
        let limit = pool.limit.as_ref()?;
        let counter = self.counter_at(pool, at);
        let used = self.used(&counter, self.now);
        let overage = (&used + amount - used.max(limit.clone())).max(Amount::ZERO);
        let is_counted = counter.cut.counts(at, self.now);
        let is_missed = !is_counted && overage > Amount::ZERO;
        self.count(
            Rule::ForgottenAccruesNothing,
            is_missed && matches!(counter.cut, Cut::Rolling(_)),
        );
        let price = rule.rule.overage_unit_price;
        (is_counted && overage > Amount::ZERO).then_some(Effect {
            counter,
            overage,
            price,
        })
    }

    /// What a correction of `-amount` takes back: of each account no more than that, first where
    /// its event was billed.
    pub(crate) fn taken_back(
        &self,
        content: &Content,
        original: Option<Id>,
        at: Time,
        amount: &Amount,
    ) -> Vec<Effect> {
        let of_original = original
            .and_then(|id| self.event(id))
            .map_or(&[][..], |event| &event.overage);
        let all = self.counters(content.account, content.resource, content.scope, at);
        let mut effects = Vec::new();
        for account in self.accounts[&content.account].path.iter() {
            let mine = |counter: &&Counter| counter.account == *account;
            let in_order = |counters: Vec<Counter>| {
                let mut counters = counters;
                counters.sort_by_key(place);
                counters.dedup();
                counters
            };
            let named = in_order(
                of_original
                    .iter()
                    .map(|effect| &effect.counter)
                    .filter(mine)
                    .cloned()
                    .collect(),
            );
            let others = in_order(
                all.iter()
                    .filter(mine)
                    .filter(|counter| !named.contains(counter))
                    .cloned()
                    .collect(),
            );
            let is_other_first = named
                .first()
                .zip(others.first())
                .is_some_and(|(a, b)| place(b) < place(a));
            let mut left = amount.clone();
            for counter in named.iter().chain(&others) {
                let overage = self.overage(counter);
                let taken = overage.clone().min(left.clone());
                self.count(Rule::TakenBackOnce, taken < overage.min(amount.clone()));
                if taken > Amount::ZERO {
                    self.count(Rule::TakenBackElsewhere, others.contains(counter));
                    self.count(
                        Rule::TakenBackWhereBilledFirst,
                        is_other_first && named.contains(counter),
                    );
                    left -= &taken;
                    effects.push(Effect {
                        counter: counter.clone(),
                        overage: -taken,
                        price: None,
                    });
                }
            }
        }
        effects
    }

    /// The counters that rows which are not over cut around `at`, from the account up.
    pub(crate) fn counters(
        &self,
        account: Id,
        resource: Code,
        scope: Option<Code>,
        at: Time,
    ) -> Vec<Counter> {
        let kind = self.shop.resource(resource).expect("it was recorded");
        let mut counters = Vec::new();
        for id in self.accounts[&account].path.iter() {
            let owner = &self.accounts[id];
            for row in self.rows.values() {
                if row.account == *id && row.is_of(resource, scope) && !row.is_over(self.now) {
                    let cut = self.cut_of(row, owner, kind, at);
                    let holds = match cut {
                        Cut::Span(..) => cut.counts(at, self.now),
                        Cut::Rolling(_) => true,
                    };
                    if holds {
                        counters.push(Counter {
                            account: *id,
                            resource,
                            scope: row.scope,
                            cut,
                        });
                    }
                }
            }
        }
        counters
    }

    fn count_shared_units(&self, beyond: &[Effect]) {
        for pair in beyond.windows(2) {
            let (first, second) = (&pair[0], &pair[1]);
            let (a, b) = (place(&first.counter), place(&second.counter));
            self.count(Rule::UnitsBilledOnce, true);
            self.count(Rule::ShortestFirst, a.0 < b.0);
            self.count(Rule::ScopedFirst, a.0 == b.0 && a.1 != b.1);
            self.count(Rule::FirstKeyFirst, a.0 == b.0 && a.1 == b.1 && a.2 != b.2);
            self.count(Rule::MostFirst, a == b && first.overage != second.overage);
        }
    }
}
