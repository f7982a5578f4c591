//! Design 1.4: consume, meter, correct, and what every recorded event changes.

use crate::amount::Amount;
use crate::answer::Told;
use crate::command::{Attributes, Code, Id, Question, Time};
use crate::decide::Asked;
use crate::history::{Content, Counter, Event};
use crate::pool::Pool;
use crate::shop::{Kind, Resource};
use crate::state::Oracle;
use crate::window::Cut;

/// An event that is to be recorded.
pub(crate) struct Recording {
    pub(crate) key: Option<String>,
    pub(crate) content: Content,
    pub(crate) amount: Amount,
    pub(crate) occurred_at: Time,
    pub(crate) told: Option<Told>,
    pub(crate) original: Option<Id>,
    pub(crate) attributes: Attributes,
}

pub(crate) fn is_bad_key(key: &str) -> bool {
    !(1..=255).contains(&key.chars().count())
}

impl Oracle {
    pub(crate) fn event_under(&self, account: Id, key: &str) -> Option<&Event> {
        let tree = self.accounts.get(&account)?.tree();
        self.events.iter().find(|event| {
            event.key.as_deref() == Some(key) && event.path[event.path.len() - 1] == tree
        })
    }

    pub(crate) fn event(&self, id: Id) -> Option<&Event> {
        self.events.iter().find(|event| event.id == id)
    }

    /// The unit of what has the key or is corrected, whether it is allowed today or not.
    pub(crate) fn known_unit(
        &self,
        account: Id,
        key: Option<&str>,
        original: Option<Id>,
    ) -> Option<Code> {
        let under = key
            .and_then(|key| self.event_under(account, key))
            .or_else(|| self.event(original?));
        under.map(|event| event.content.unit)
    }

    /// What is wrong with a quantity that is to be recorded.
    pub(crate) fn wrong_use(&self, asked: &Asked<'_>) -> Vec<Code> {
        let mut wrong = self.wrong_seats(asked);
        if !matches!(asked.resource.kind, Kind::Cumulative | Kind::Inventory) {
            wrong.push("MEC_WRONG_LIMIT_KIND");
        }
        if asked.amount == Amount::ZERO
            || asked.amount < Amount::ZERO && asked.resource.kind != Kind::Inventory
        {
            wrong.push("MEC_QUANTITY_NOT_POSITIVE");
        }
        wrong
    }

    /// The event happens. `pools` are those in force before it.
    pub(crate) fn record(
        &mut self,
        question: &Question,
        pools: &[Pool],
        recording: Recording,
    ) -> Id {
        let Recording {
            key,
            content,
            amount,
            occurred_at,
            told,
            original,
            attributes,
        } = recording;
        let overage = if amount < Amount::ZERO {
            self.taken_back(&content, original, occurred_at, &-&amount)
        } else {
            let accrued = self.accrued_by(question, pools, &amount, occurred_at);
            self.count_late(question, pools, &amount, occurred_at, original.is_some());
            accrued
        };
        let id = self.make();
        let path = self.accounts[&content.account].path.clone();
        self.note_use(pools, &amount, occurred_at);
        let event = Event {
            id,
            key,
            path,
            content,
            amount,
            occurred_at,
            told,
            overage,
            attributes,
        };
        self.count_windows(pools, &event);
        self.events.push(event);
        id
    }

    /// Whether `amount` would take a total below zero: the account's own, of its scope or of all,
    /// over its lifetime or in any window that holds `at`; in a rolling window that of the level
    /// whose limit it is.
    pub(crate) fn is_below_zero(
        &self,
        account: Id,
        resource: &Resource,
        scope: Option<Code>,
        at: Time,
        amount: &Amount,
    ) -> bool {
        if *amount >= Amount::ZERO {
            return false;
        }
        let own = |cut: Cut| {
            let count = |scope| {
                self.own(
                    &Counter {
                        account,
                        resource: resource.code,
                        scope,
                        cut,
                    },
                    self.now,
                )
            };
            count(scope) + amount < Amount::ZERO || count(None) + amount < Amount::ZERO
        };
        own(Cut::ALWAYS)
            || self
                .counters(account, resource.code, scope, at)
                .into_iter()
                .any(|counter| match counter.cut {
                    Cut::Span(..) => own(counter.cut),
                    Cut::Rolling(_) => {
                        counter.cut.counts(at, self.now)
                            && self.used(&counter, self.now) + amount < Amount::ZERO
                    }
                })
    }
}
