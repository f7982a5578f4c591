//! What is used, held, and corrected.

use super::{Generator, QUANTITY_MAX};
use crate::command::{Command, Id, Meter, Question};
use crate::state::Oracle;

impl Generator {
    pub(super) fn question(&mut self, oracle: &Oracle) -> Question {
        let resource = self.resource();
        let attributes = self.attributes();
        let quantity = match self.chance.below(20) {
            0..=2 => None,
            3 => Some(0),
            4..=7 if resource == "servers" => Some(-self.quantity()),
            5 if self.chance.of(4) => Some(-self.quantity()),
            _ => Some(self.quantity()),
        };
        Question {
            account: self.account(oracle),
            resource,
            scope: self.scope(),
            quantity,
            unit: self.unit(resource),
            attributes,
        }
    }

    pub(super) fn consume(&mut self, oracle: &Oracle) -> Command {
        let mut question = self.question(oracle);
        if !self.chance.of(30) {
            question.quantity = question
                .quantity
                .filter(|quantity| *quantity != 0)
                .or(Some(1_000_000));
            if matches!(question.resource, "seats" | "access") {
                question.resource = "runs";
            }
        }
        let details = if self.chance.of(8) {
            Some("{\"job\":1}")
        } else {
            None
        };
        if self.chance.of(10)
            && let Some(event) = self.pick_event(oracle)
            && !oracle.events[event].is_settlement()
        {
            let of = &oracle.events[event].content;
            let question = Question {
                scope: of.scope,
                quantity: Some(of.quantity),
                unit: Some(of.unit),
                ..Question::of(of.account, of.resource)
            };
            return Command::Consume {
                question,
                key: oracle.events[event].key.clone().unwrap_or_default(),
                details: None,
            };
        }
        Command::Consume {
            question,
            key: self.key(oracle),
            details,
        }
    }

    pub(super) fn meter(&mut self, oracle: &Oracle) -> Meter {
        let question = self.question(oracle);
        let resource = if matches!(question.resource, "seats" | "access") && !self.chance.of(20) {
            "runs"
        } else {
            question.resource
        };
        let occurred_at = self.happened(oracle, question.account, resource);
        let mut meter = Meter {
            key: self.key(oracle),
            account: question.account,
            resource,
            scope: question.scope,
            quantity: question
                .quantity
                .filter(|quantity| *quantity != 0)
                .unwrap_or(1_000_000),
            unit: if resource == question.resource {
                question.unit
            } else {
                None
            },
            occurred_at,
            details: if self.chance.of(8) {
                Some("{\"job\":1}")
            } else {
                None
            },
            is_correction: false,
            corrects: None,
            attributes: question.attributes,
        };
        if let Some(event) = self.pick_event(oracle) {
            let (id, of) = (oracle.events[event].id, &oracle.events[event].content);
            match self.chance.below(12) {
                // A correction, as it should be or nearly so.
                0 | 1 => {
                    meter.quantity = if self.chance.of(2) {
                        -self.quantity()
                    } else {
                        -of.quantity
                    };
                    (meter.account, meter.resource, meter.scope) =
                        (of.account, of.resource, of.scope);
                    (meter.unit, meter.occurred_at) =
                        (Some(of.unit), Some(oracle.events[event].occurred_at));
                    (meter.is_correction, meter.corrects) = (!self.chance.of(10), Some(id));
                    if self.chance.of(10) {
                        meter.scope = self.scope();
                    }
                }
                // The same again, exactly or nearly so.
                2 if !oracle.events[event].is_settlement() => {
                    meter.key = oracle.events[event].key.clone().unwrap_or_default();
                    (meter.account, meter.resource, meter.scope) =
                        (of.account, of.resource, of.scope);
                    (meter.unit, meter.quantity, meter.occurred_at) =
                        (Some(of.unit), of.quantity, of.occurred_at);
                    meter.details = None;
                    (meter.is_correction, meter.corrects) = (of.corrects.is_some(), of.corrects);
                    if self.chance.of(4) {
                        meter.quantity += if meter.quantity > 0 { -1 } else { 1 };
                    }
                }
                _ => {}
            }
        }
        meter
    }

    pub(super) fn correct(&mut self, oracle: &Oracle) -> Command {
        let event = self.pick_event(oracle);
        let quantity = match self.chance.below(5) {
            0 | 1 => None,
            2 if self.chance.of(8) => Some(-self.quantity()),
            2 | 3 => event.map(|event| {
                oracle.events[event]
                    .content
                    .quantity
                    .max(0)
                    .saturating_add(self.quantity())
                    .min(QUANTITY_MAX)
            }),
            _ => Some(self.quantity()),
        };
        let event = event.map_or(Id::new(9_999, 0), |event| oracle.events[event].id);
        Command::Correct {
            event,
            key: self.key(oracle),
            quantity,
        }
    }
}
