//! Design 1.4: what an event should have been.

use crate::amount::{Amount, amount};
use crate::answer::Answer;
use crate::command::{Attributes, Id, Question};
use crate::coverage::Rule;
use crate::history::{Content, Event, Except};
use crate::record::{Recording, is_bad_key};
use crate::state::Oracle;

impl Oracle {
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

    /// What an event and its corrections add up to, in its unit.
    pub(crate) fn stands(&self, original: &Event) -> i64 {
        let corrections = self
            .events
            .iter()
            .filter(|event| event.content.corrects == Some(original.id));
        original.content.quantity + corrections.map(|event| event.content.quantity).sum::<i64>()
    }
}
