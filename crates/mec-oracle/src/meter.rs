//! Design 1.4: what was used already.

use crate::amount::Amount;
use crate::answer::Answer;
use crate::command::{Attributes, Code, Meter, Question, SECOND, Time};
use crate::coverage::Rule;
use crate::history::{Content, Event, Except};
use crate::record::{Recording, is_bad_key};
use crate::state::Oracle;

const AHEAD_MAX: Time = 300 * SECOND;
const LATE_MAX: Time = 90 * 86_400 * SECOND;

impl Oracle {
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
        wrong.extend(self.wrong_correction(meter, asked.unit, occurred_at, original.as_ref()));
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
        let (other, rule) = match &original {
            Some(original) => (&original.attributes, Rule::CorrectionsStateNone),
            None => (&Attributes::new(), Rule::MeteredEventsStateTheirAttributes),
        };
        self.count_attributes(&question, other, &recording, rule);
        let event = self.record(&question, &pools, recording);
        Answer::Recorded {
            event,
            replayed: false,
        }
    }

    /// What is wrong with what an event says it corrects.
    fn wrong_correction(
        &self,
        meter: &Meter,
        unit: Code,
        occurred_at: Time,
        original: Option<&Event>,
    ) -> Vec<Code> {
        let mut wrong = Vec::new();
        match (meter.is_correction, meter.corrects, original) {
            (false, None, _) => {}
            (true, Some(_), Some(original)) => {
                let of = &original.content;
                let is_alike = of.account == meter.account
                    && of.resource == meter.resource
                    && of.scope == meter.scope
                    && of.unit == unit
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
        wrong
    }
}
