//! What is held for a while.

use super::Generator;
use crate::command::Command;
use crate::state::Oracle;

impl Generator {
    pub(super) fn reserve(&mut self, oracle: &Oracle) -> Command {
        let (mut question, mut key, ttl_seconds) =
            (self.question(oracle), self.key(oracle), self.ttl());
        let held = self.hold(oracle);
        if self.chance.of(8)
            && let Some(hold) = oracle.holds.iter().find(|hold| hold.id == held)
        {
            let of = &hold.content;
            (question.account, question.resource, question.scope) =
                (of.account, of.resource, of.scope);
            (question.unit, question.quantity) = (Some(of.unit), Some(of.quantity));
            key.clone_from(&hold.key);
        }
        Command::Reserve {
            question,
            key,
            ttl_seconds,
        }
    }

    pub(super) fn settle(&mut self, oracle: &Oracle) -> Command {
        let reservation = self.hold(oracle);
        let same = oracle
            .holds
            .iter()
            .find(|hold| hold.id == reservation)
            .map(|hold| hold.content.quantity);
        let quantity = match self.chance.below(4) {
            0 => 0,
            1 => same.unwrap_or(1_000_000),
            _ => self.quantity(),
        };
        Command::Settle {
            reservation,
            quantity,
            attributes: self.attributes(),
        }
    }

    pub(super) fn acquire(&mut self, oracle: &Oracle) -> Command {
        let mut question = self.question(oracle);
        (question.unit, question.quantity) = (None, Some(question.quantity.unwrap_or(1_000_000)));
        if !self.chance.of(30) {
            question.resource = "seats";
            question.quantity = Some(if self.chance.of(6) {
                self.quantity()
            } else {
                1_000_000
            });
        }
        let token = [None, Some("tom"), Some("ann")][self.chance.place(3)];
        Command::Acquire {
            question,
            token,
            ttl_seconds: self.ttl(),
        }
    }
}
