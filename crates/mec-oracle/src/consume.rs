//! Design 1.4: what is used if it is allowed.

use crate::amount::Amount;
use crate::answer::{Answer, Told};
use crate::command::{Code, Id, Question};
use crate::decide::Asked;
use crate::history::{Content, Except};
use crate::pool::Pool;
use crate::record::{Recording, is_bad_key};
use crate::state::Oracle;

impl Oracle {
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
    pub(crate) fn replayed(&self, asked: &Asked<'_>, event: Id, told: Option<Told>) -> Answer {
        let verdict = self.decide(asked, Except::Nothing);
        let standing = self.standing(asked, &verdict, &Amount::ZERO, &Amount::ZERO);
        Answer::Consumed {
            standing,
            event: Some(event),
            replayed: true,
            told,
        }
    }
}
