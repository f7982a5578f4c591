//! Design 1.4: holds, and what becomes of them.

use crate::amount::{Amount, amount};
use crate::answer::{Answer, Told};
use crate::command::full_second;
use crate::command::{Attributes, Id, Question, SECOND};
use crate::coverage::Rule;
use crate::history::{Content, End, Except, Hold};
use crate::record::{Recording, is_bad_key};
use crate::state::Oracle;

pub(crate) fn is_bad_ttl(seconds: i64) -> bool {
    !(1..=86_400).contains(&seconds)
}

impl Oracle {
    fn hold_under(&self, account: Id, key: &str) -> Option<&Hold> {
        let tree = self.accounts.get(&account)?.tree();
        self.holds
            .iter()
            .find(|hold| hold.key == key && hold.path[hold.path.len() - 1] == tree)
    }

    pub(crate) fn reserve(&mut self, question: &Question, key: &str, ttl_seconds: i64) -> Answer {
        let mut wrong = Vec::new();
        if is_bad_key(key) {
            wrong.push("MEC_BAD_IDEMPOTENCY_KEY");
        }
        if is_bad_ttl(ttl_seconds) {
            wrong.push("MEC_BAD_TTL");
        }
        let known = self
            .hold_under(question.account, key)
            .map(|hold| hold.content.unit);
        let asked = match self.asked_with(question, known) {
            Ok(asked) => asked,
            Err(mut more) => {
                if known.is_some() {
                    more.push("MEC_IDEMPOTENCY_CONFLICT");
                }
                wrong.extend(more);
                if question.quantity.is_none_or(|quantity| quantity <= 0) {
                    wrong.push("MEC_QUANTITY_NOT_POSITIVE");
                }
                return Answer::refused(&wrong);
            }
        };
        wrong.extend(self.wrong_use(&asked));
        if asked.amount < Amount::ZERO {
            wrong.push("MEC_QUANTITY_NOT_POSITIVE");
        }
        let content = Content {
            account: question.account,
            resource: question.resource,
            scope: question.scope,
            quantity: question.quantity.unwrap_or(0),
            unit: asked.unit,
            occurred_at: None,
            details: None,
            corrects: None,
        };
        if let Some(hold) = self.hold_under(question.account, key) {
            if hold.content != content {
                wrong.push("MEC_IDEMPOTENCY_CONFLICT");
                return Answer::refused(&wrong);
            }
            if wrong.is_empty() {
                let verdict = self.decide(&asked, Except::Nothing);
                let standing = self.standing(&asked, &verdict, &Amount::ZERO, &Amount::ZERO);
                let is_held = hold.end.is_none() && self.now < hold.expires_at;
                let success = is_held || !self.holds(Rule::ReplayedHoldsMayBeOver);
                self.count(Rule::ReplayedHoldsMayBeOver, !success);
                let told =
                    Some(hold.told.clone()).filter(|_| self.holds(Rule::ReplayedHoldsMayBeOver));
                return Answer::Reserved {
                    success,
                    standing,
                    reservation: Some((hold.id, hold.expires_at)),
                    replayed: true,
                    told,
                };
            }
        }
        if !wrong.is_empty() {
            return Answer::refused(&wrong);
        }
        let verdict = self.decide(&asked, Except::Nothing);
        if !verdict.ruling.allowed() {
            let standing = self.standing(&asked, &verdict, &Amount::ZERO, &Amount::ZERO);
            return Answer::Reserved {
                success: false,
                standing,
                reservation: None,
                replayed: false,
                told: None,
            };
        }
        let standing = self.standing(&asked, &verdict, &Amount::ZERO, &asked.amount);
        let id = self.make();
        let expires_at = full_second(self.now + ttl_seconds * SECOND);
        let path = self.accounts[&question.account].path.clone();
        let (amount, reserved_at) = (asked.amount, self.now);
        let attributes = question.attributes.clone();
        let told = Told {
            decision: standing.decision,
            reason: standing.reason.clone(),
            reason_code: standing.reason_code.clone(),
            entitlement: standing.entitlement,
        };
        self.holds.push(Hold {
            id,
            key: key.to_owned(),
            path,
            content,
            amount,
            reserved_at,
            attributes,
            expires_at,
            end: None,
            told,
        });
        Answer::Reserved {
            success: true,
            standing,
            reservation: Some((id, expires_at)),
            replayed: false,
            told: None,
        }
    }

    pub(crate) fn settle(&mut self, id: Id, quantity: i64, attributes: &Attributes) -> Answer {
        let mut wrong = Vec::new();
        if quantity < 0 {
            wrong.push("MEC_QUANTITY_NOT_POSITIVE");
        }
        let Some(place) = self.holds.iter().position(|hold| hold.id == id) else {
            wrong.push("MEC_RESERVATION_NOT_FOUND");
            return Answer::refused(&wrong);
        };
        let hold = self.holds[place].clone();
        match hold.end {
            Some(End::Settled(amount, event)) if amount == quantity => {
                return Answer::Settled {
                    event: Some(event),
                    replayed: true,
                };
            }
            Some(End::Released) if quantity == 0 => {
                return Answer::Settled {
                    event: None,
                    replayed: true,
                };
            }
            Some(_) => wrong.push("MEC_RESERVATION_CLOSED"),
            None => {}
        }
        if !wrong.is_empty() {
            return Answer::refused(&wrong);
        }
        if quantity == 0 {
            self.holds[place].end = Some(End::Released);
            return Answer::Settled {
                event: None,
                replayed: false,
            };
        }
        let resource = self
            .shop
            .resource(hold.content.resource)
            .expect("it was held");
        let factor = self.shop.factor(hold.content.unit).expect("it was held");
        let question = Question {
            scope: hold.content.scope,
            attributes: attributes.clone(),
            ..Question::of(hold.content.account, resource.code)
        };
        let pools = self.pools(&question, resource, Except::Hold(id));
        let content = Content {
            quantity,
            occurred_at: Some(hold.reserved_at),
            ..hold.content
        };
        let recording = Recording {
            key: None,
            content,
            amount: amount(quantity, factor),
            occurred_at: hold.reserved_at,
            told: None,
            original: None,
            attributes: attributes.clone(),
        };
        self.count_attributes(
            &question,
            &hold.attributes,
            &recording,
            Rule::SettlementsStateTheirAttributes,
        );
        self.count_named(id);
        let event = self.record(&question, &pools, recording);
        self.holds[place].end = Some(End::Settled(quantity, event));
        Answer::Settled {
            event: Some(event),
            replayed: false,
        }
    }

    pub(crate) fn release_reservation(&mut self, id: Id) -> Answer {
        let now = self.now;
        let Some(hold) = self.holds.iter_mut().find(|hold| hold.id == id) else {
            return Answer::Truth(false);
        };
        let is_open = hold.end.is_none() && now < hold.expires_at;
        if is_open {
            hold.end = Some(End::Released);
        }
        Answer::Truth(is_open)
    }
}
