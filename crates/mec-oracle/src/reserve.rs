//! Design 1.4: holds, and what becomes of them.

use crate::amount::{Amount, amount};
use crate::answer::Answer;
use crate::command::{Attributes, Id, Question, SECOND};
use crate::coverage::Rule;
use crate::history::{Content, End, Except, Hold};
use crate::oracle::{Oracle, full_second};
use crate::record::{Recording, is_bad_key};

pub(crate) fn is_bad_ttl(seconds: i64) -> bool {
    !(1..=86_400).contains(&seconds)
}

impl Oracle {
    pub(crate) fn reserve(&mut self, question: &Question, key: &str, ttl_seconds: i64) -> Answer {
        let mut wrong = Vec::new();
        if is_bad_key(key) {
            wrong.push("MEC_BAD_IDEMPOTENCY_KEY");
        }
        if is_bad_ttl(ttl_seconds) {
            wrong.push("MEC_BAD_TTL");
        }
        let asked = match self.asked(question) {
            Ok(asked) => asked,
            Err(more) => {
                wrong.extend(more);
                return Answer::refused(&wrong);
            }
        };
        wrong.extend(Self::wrong_use(&asked));
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
        let tree = self.accounts[&question.account].tree();
        let under = self.holds.iter().find(|hold| hold.key == key && hold.path[hold.path.len() - 1] == tree);
        if let Some(hold) = under {
            if hold.content != content {
                wrong.push("MEC_IDEMPOTENCY_CONFLICT");
                return Answer::refused(&wrong);
            }
            if wrong.is_empty() {
                let verdict = self.decide(&asked, Except::Nothing);
                let standing = self.standing(&asked, &verdict, &Amount::ZERO, &Amount::ZERO);
                return Answer::Reserved { standing, reservation: Some((hold.id, hold.expires_at)), replayed: true };
            }
        }
        if !wrong.is_empty() {
            return Answer::refused(&wrong);
        }
        let verdict = self.decide(&asked, Except::Nothing);
        if !verdict.ruling.allowed() {
            let standing = self.standing(&asked, &verdict, &Amount::ZERO, &Amount::ZERO);
            return Answer::Reserved { standing, reservation: None, replayed: false };
        }
        let standing = self.standing(&asked, &verdict, &Amount::ZERO, &asked.amount);
        let id = self.make();
        let expires_at = full_second(self.now + ttl_seconds * SECOND);
        let path = self.accounts[&question.account].path.clone();
        let (amount, reserved_at) = (asked.amount, self.now);
        let attributes = question.attributes.clone();
        self.holds.push(Hold { id, key: key.to_owned(), path, content, amount, reserved_at, attributes, expires_at, end: None });
        Answer::Reserved { standing, reservation: Some((id, expires_at)), replayed: false }
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
                return Answer::Settled { event: Some(event), replayed: true };
            }
            Some(_) => wrong.push("MEC_RESERVATION_CLOSED"),
            None => {}
        }
        if !wrong.is_empty() {
            return Answer::refused(&wrong);
        }
        if quantity == 0 {
            self.holds[place].end = Some(End::Released);
            return Answer::Settled { event: None, replayed: false };
        }
        let resource = self.shop.resource(hold.content.resource).expect("it was held");
        let factor = self.shop.factor(hold.content.unit).expect("it was held");
        let question = Question {
            scope: hold.content.scope,
            attributes: attributes.clone(),
            ..Question::of(hold.content.account, resource.code)
        };
        let pools = self.pools(&question, resource, Except::Hold(id));
        let content = Content { quantity, occurred_at: Some(hold.reserved_at), ..hold.content };
        let recording = Recording {
            key: format!("reservation:{}", id.0),
            content,
            amount: amount(quantity, factor),
            occurred_at: hold.reserved_at,
            told: None,
            original: None,
            attributes: attributes.clone(),
        };
        self.count_attributes(&question, &hold.attributes, &recording, Rule::SettlementsStateTheirAttributes);
        let event = self.record(&pools, recording);
        self.holds[place].end = Some(End::Settled(quantity, event));
        Answer::Settled { event: Some(event), replayed: false }
    }

    pub(crate) fn release_reservation(&mut self, id: Id) -> Answer {
        let now = self.now;
        let Some(hold) = self.holds.iter_mut().find(|hold| hold.id == id) else { return Answer::Truth(false) };
        let is_open = hold.end.is_none() && now < hold.expires_at;
        if is_open {
            hold.end = Some(End::Released);
        }
        Answer::Truth(is_open)
    }
}
