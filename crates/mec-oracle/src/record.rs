//! Design 1.4: consume, meter, correct, and what every recorded event changes.

use crate::amount::{Amount, amount};
use crate::answer::{Answer, Told};
use crate::command::{Attributes, Code, Id, Meter, Question, SECOND, Time};
use crate::coverage::Rule;
use crate::decide::Asked;
use crate::history::{Content, Counter, Event, Except};
use crate::oracle::Oracle;
use crate::pool::Pool;
use crate::shop::{Kind, Resource};
use crate::window::Cut;

const AHEAD_MAX: Time = 300 * SECOND;
const LATE_MAX: Time = 90 * 86_400 * SECOND;

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

    pub(crate) fn consume(
        &mut self,
        question: &Question,
        key: &str,
        details: Option<Code>,
    ) -> Answer {
        let mut wrong = Vec::new();
        if is_bad_key(key) {
            wrong.push("MEC_BAD_IDEMPOTENCY_KEY");
        }
        let known = self.known_unit(question.account, Some(key), None);
        let asked = match self.asked_with(question, known) {
            Ok(asked) => asked,
            Err(mut more) => {
                if known.is_some() {
                    more.push("MEC_IDEMPOTENCY_CONFLICT");
                }
                if question.quantity.is_none_or(|quantity| quantity <= 0) {
                    more.push("MEC_QUANTITY_NOT_POSITIVE");
                }
                wrong.extend(more);
                return Answer::refused(&wrong);
            }
        };
        wrong.extend(self.wrong_use(&asked));
        let content = Content {
            account: question.account,
            resource: question.resource,
            scope: question.scope,
            quantity: question.quantity.unwrap_or(0),
            unit: asked.unit,
            occurred_at: None,
            details: details.map(str::to_owned),
            corrects: None,
        };
        if let Some(event) = self.event_under(question.account, key) {
            if event.content != content {
                wrong.push("MEC_IDEMPOTENCY_CONFLICT");
                return Answer::refused(&wrong);
            }
            let (event, told) = (event.id, event.told.clone());
            return self.replayed(&asked, event, told);
        }
        if !wrong.is_empty() {
            return Answer::refused(&wrong);
        }
        let verdict = self.decide(&asked, Except::Nothing);
        if !verdict.ruling.allowed() {
            let standing = self.standing(&asked, &verdict, &Amount::ZERO, &Amount::ZERO);
            return Answer::Consumed {
                standing,
                event: None,
                replayed: false,
                told: None,
            };
        }
        if self.is_below_zero(
            question.account,
            asked.resource,
            question.scope,
            self.now,
            &asked.amount,
        ) {
            return Answer::refused(&["MEC_BELOW_ZERO"]);
        }
        let standing = self.standing(&asked, &verdict, &asked.amount, &Amount::ZERO);
        let told = Told {
            decision: standing.decision,
            reason: standing.reason.clone(),
            reason_code: standing.reason_code.clone(),
            entitlement: standing.entitlement,
        };
        let pools: Vec<Pool> = verdict.pools.into_iter().map(|(pool, _)| pool).collect();
        let (amount, occurred_at) = (asked.amount, self.now);
        let recording = Recording {
            key: Some(key.to_owned()),
            content,
            amount,
            occurred_at,
            told: Some(told),
            original: None,
            attributes: question.attributes.clone(),
        };
        let event = self.record(question, &pools, recording);
        Answer::Consumed {
            standing,
            event: Some(event),
            replayed: false,
            told: None,
        }
    }

    /// An effect replays for ever: what was told then, today's quantities.
    fn replayed(&self, asked: &Asked<'_>, event: Id, told: Option<Told>) -> Answer {
        let verdict = self.decide(asked, Except::Nothing);
        let standing = self.standing(asked, &verdict, &Amount::ZERO, &Amount::ZERO);
        Answer::Consumed {
            standing,
            event: Some(event),
            replayed: true,
            told,
        }
    }

    pub(crate) fn meter(&mut self, meter: &Meter) -> Answer {
        let mut wrong = Vec::new();
        if is_bad_key(&meter.key) {
            wrong.push("MEC_BAD_IDEMPOTENCY_KEY");
        }
        let question = Question {
            scope: meter.scope,
            quantity: Some(meter.quantity),
            unit: meter.unit,
            // A correction has none.
            attributes: if meter.is_correction {
                Attributes::new()
            } else {
                meter.attributes.clone()
            },
            ..Question::of(meter.account, meter.resource)
        };
        // A unit that was taken away since serves what has it.
        let known = self.known_unit(
            meter.account,
            Some(&meter.key),
            meter.corrects.filter(|_| meter.is_correction),
        );
        let asked = match self.asked_with(&question, known) {
            Ok(asked) => asked,
            Err(mut more) => {
                if known.is_some() {
                    more.extend(["MEC_IDEMPOTENCY_CONFLICT", "MEC_BAD_CORRECTION"]);
                }
                // A quantity that nobody may record is refused before its unit.
                if meter.quantity <= 0 && !meter.is_correction {
                    more.push("MEC_QUANTITY_NOT_POSITIVE");
                }
                wrong.extend(more);
                // A correction is compared with its event before its unit is judged.
                if meter.corrects.is_some() {
                    wrong.extend(["MEC_BAD_CORRECTION", "MEC_EVENT_NOT_FOUND"]);
                }
                return Answer::refused(&wrong);
            }
        };
        wrong.extend(self.wrong_use(&asked));
        if meter.is_correction && asked.amount < Amount::ZERO {
            wrong.retain(|code| *code != "MEC_QUANTITY_NOT_POSITIVE");
        }
        let content = Content {
            account: meter.account,
            resource: meter.resource,
            scope: meter.scope,
            quantity: meter.quantity,
            unit: asked.unit,
            occurred_at: meter.occurred_at,
            details: meter.details.map(str::to_owned),
            corrects: meter.corrects,
        };
        if let Some(event) = self.event_under(meter.account, &meter.key) {
            if event.content != content || event.content.corrects.is_some() != meter.is_correction {
                wrong.push("MEC_IDEMPOTENCY_CONFLICT");
                return Answer::refused(&wrong);
            }
            self.count(
                Rule::AttributesAreNoContent,
                event.attributes != question.attributes,
            );
            return Answer::Recorded {
                event: event.id,
                replayed: true,
            };
        }
        let occurred_at = meter.occurred_at.unwrap_or(self.now);
        if occurred_at > self.now + AHEAD_MAX {
            wrong.push("MEC_OCCURRED_IN_FUTURE");
        }
        // What was recorded in time can be corrected for ever.
        if occurred_at < self.now - LATE_MAX && !meter.is_correction {
            wrong.push("MEC_OCCURRED_TOO_LATE");
        }
        let original = meter.corrects.and_then(|id| self.event(id)).cloned();
        match (meter.is_correction, meter.corrects, &original) {
            (false, None, _) => {}
            (true, Some(_), Some(original)) => {
                let of = &original.content;
                let is_alike = of.account == meter.account
                    && of.resource == meter.resource
                    && of.scope == meter.scope
                    && of.unit == asked.unit
                    && original.occurred_at == occurred_at;
                if !is_alike || of.corrects.is_some() {
                    wrong.extend(["MEC_BAD_CORRECTION", "MEC_EVENT_NOT_FOUND"]);
                }
                // Else a window that holds this event alone would be below zero.
                if self.stands(original) + meter.quantity < 0 {
                    wrong.push("MEC_BELOW_ZERO");
                }
            }
            (true, Some(_), None) => wrong.extend(["MEC_EVENT_NOT_FOUND", "MEC_BAD_CORRECTION"]),
            _ => wrong.push("MEC_BAD_CORRECTION"),
        }
        if asked.amount < Amount::ZERO
            && self.is_below_zero(
                meter.account,
                asked.resource,
                meter.scope,
                occurred_at,
                &asked.amount,
            )
        {
            wrong.push("MEC_BELOW_ZERO");
        }
        if !wrong.is_empty() {
            return Answer::refused(&wrong);
        }
        let pools = self.pools(&question, asked.resource, Except::Nothing);
        let recording = Recording {
            key: Some(meter.key.clone()),
            content,
            amount: asked.amount,
            occurred_at,
            told: None,
            original: meter.corrects,
            attributes: question.attributes.clone(),
        };
        match original {
            Some(original) => self.count_attributes(
                &question,
                &original.attributes,
                &recording,
                Rule::CorrectionsStateNone,
            ),
            None => {
                self.count_attributes(
                    &question,
                    &Attributes::new(),
                    &recording,
                    Rule::MeteredEventsStateTheirAttributes,
                );
            }
        }
        let event = self.record(&question, &pools, recording);
        Answer::Recorded {
            event,
            replayed: false,
        }
    }

    /// What an event and its corrections add up to, in its unit.
    fn stands(&self, original: &Event) -> i64 {
        let corrections = self
            .events
            .iter()
            .filter(|event| event.content.corrects == Some(original.id));
        original.content.quantity + corrections.map(|event| event.content.quantity).sum::<i64>()
    }

    pub(crate) fn correct(&mut self, id: Id, key: &str, quantity: Option<i64>) -> Answer {
        let mut wrong = Vec::new();
        if is_bad_key(key) {
            wrong.push("MEC_BAD_IDEMPOTENCY_KEY");
        }
        if quantity.is_some_and(|quantity| quantity < 0) {
            wrong.push("MEC_QUANTITY_NOT_POSITIVE");
        }
        let Some(original) = self.event(id).cloned() else {
            wrong.push("MEC_EVENT_NOT_FOUND");
            return Answer::refused(&wrong);
        };
        let details = Some(format!("{{\"quantity\":{quantity:?}}}"));
        if let Some(event) = self.event_under(original.content.account, key) {
            let same = event.content.corrects == Some(id) && event.content.details == details;
            if !same {
                wrong.push("MEC_IDEMPOTENCY_CONFLICT");
                wrong.push("MEC_BAD_CORRECTION");
                return Answer::refused(&wrong);
            }
            return Answer::Recorded {
                event: event.id,
                replayed: true,
            };
        }
        if original.content.corrects.is_some() {
            wrong.push("MEC_BAD_CORRECTION");
        }
        let difference = quantity.unwrap_or(0) - self.stands(&original);
        if difference == 0 {
            wrong.push("MEC_BAD_VALUE");
        }
        if difference.abs() > 999_999_999_999_999_999 {
            wrong.push("MEC_BAD_QUANTITY");
        }
        let resource = self
            .shop
            .resource(original.content.resource)
            .expect("it was recorded");
        let factor = self
            .shop
            .factor(original.content.unit)
            .expect("it was recorded");
        let amount = amount(difference, factor);
        let scope = original.content.scope;
        if amount < Amount::ZERO
            && self.is_below_zero(
                original.content.account,
                resource,
                scope,
                original.occurred_at,
                &amount,
            )
        {
            wrong.push("MEC_BELOW_ZERO");
        }
        if !wrong.is_empty() {
            return Answer::refused(&wrong);
        }
        let question = Question {
            scope,
            ..Question::of(original.content.account, resource.code)
        };
        let pools = self.pools(&question, resource, Except::Nothing);
        let content = Content {
            quantity: difference,
            occurred_at: Some(original.occurred_at),
            details,
            corrects: Some(id),
            ..original.content.clone()
        };
        let recording = Recording {
            key: Some(key.to_owned()),
            content,
            amount,
            occurred_at: original.occurred_at,
            told: None,
            original: Some(id),
            attributes: Attributes::new(),
        };
        self.count_attributes(
            &question,
            &original.attributes,
            &recording,
            Rule::CorrectionsStateNone,
        );
        let event = self.record(&question, &pools, recording);
        Answer::Recorded {
            event,
            replayed: false,
        }
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
    fn is_below_zero(
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
