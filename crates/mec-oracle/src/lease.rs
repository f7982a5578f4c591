//! Design 1.5: seats that free themselves.

use crate::amount::Amount;
use crate::answer::{Answer, Seat, Standing};
use crate::command::full_second;
use crate::command::{Attributes, Code, Id, Question, SECOND};
use crate::coverage::Rule;
use crate::decide::{Asked, Verdict};
use crate::history::{Except, Lease, Renewed};
use crate::pool::Pool;
use crate::reserve::is_bad_ttl;
use crate::shop::Kind;
use crate::state::Oracle;

impl Oracle {
    pub(crate) fn acquire(
        &mut self,
        question: &Question,
        token: Option<Code>,
        ttl_seconds: i64,
    ) -> Answer {
        let mut wrong = Vec::new();
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
        if asked.resource.kind != Kind::Concurrency {
            wrong.push("MEC_WRONG_LIMIT_KIND");
        }
        wrong.extend(self.wrong_seats(&asked));
        if asked.amount <= Amount::ZERO {
            wrong.push("MEC_QUANTITY_NOT_POSITIVE");
        }
        if !wrong.is_empty() {
            return Answer::refused(&wrong);
        }
        let held = self.leases.iter().find(|lease| {
            token.is_some()
                && lease.token == token
                && lease.path[0] == question.account
                && lease.resource == question.resource
                && lease.scope == question.scope
                && lease.is_live(self.now)
        });
        if let Some(lease) = held.cloned() {
            return self.extend(&asked, &lease, question.quantity.unwrap_or(0), ttl_seconds);
        }
        let verdict = self.decide(&asked, Except::Nothing);
        if !verdict.ruling.allowed() {
            return self.full(&asked, &verdict);
        }
        let standing = self.standing(&asked, &verdict, &asked.amount, &Amount::ZERO);
        let pools: Vec<Pool> = verdict.pools.iter().map(|(pool, _)| pool.clone()).collect();
        self.note_use(&pools, &asked.amount, self.now);
        let id = self.make();
        let path = self.accounts[&question.account].path.clone();
        let tree = path[path.len() - 1];
        let in_tree = self
            .leases
            .iter()
            .filter(|lease| lease.path[lease.path.len() - 1] == tree)
            .count();
        let lease = Lease {
            id,
            path,
            resource: question.resource,
            scope: question.scope,
            token,
            attributes: question.attributes.clone(),
            quantity: question.quantity.unwrap_or(0),
            amount: asked.amount,
            fencing_token: i64::try_from(in_tree).expect("few") + 1,
            acquired_at: self.now,
            expires_at: full_second(self.now + ttl_seconds * SECOND),
            released_at: None,
        };
        let answer = leased(&verdict, Some(&lease), Some(standing));
        self.leases.push(lease);
        answer
    }

    pub(crate) fn renew(&mut self, id: Id, ttl_seconds: i64, attributes: &Attributes) -> Answer {
        if is_bad_ttl(ttl_seconds) {
            return Answer::refused(&["MEC_BAD_TTL"]);
        }
        let lease = self
            .leases
            .iter()
            .find(|lease| lease.id == id && lease.is_live(self.now));
        let Some(lease) = lease.cloned() else {
            return Answer::Leased {
                lease: None,
                decision: "deny",
                reason: "Lease is over".to_owned(),
                reason_code: "lease_over".to_owned(),
                retry_after_seconds: None,
                standing: None,
            };
        };
        let question = Question {
            scope: lease.scope,
            quantity: Some(lease.quantity),
            attributes: attributes.clone(),
            ..Question::of(lease.path[0], lease.resource)
        };
        let asked = self.asked(&question).expect("it was asked before");
        self.extend(&asked, &lease, lease.quantity, ttl_seconds)
    }

    /// Decided again, as if what does not outlast it were free.
    fn extend(
        &mut self,
        asked: &Asked<'_>,
        lease: &Lease,
        quantity: i64,
        ttl_seconds: i64,
    ) -> Answer {
        let grows = asked.amount > lease.amount;
        let except = Except::Lease(Renewed {
            id: lease.id,
            expires_at: lease.expires_at,
            grows,
        });
        let verdict = self.decide(asked, except);
        self.count_renewal(asked, lease, except, &verdict);
        if !verdict.ruling.allowed() {
            return self.full(asked, &verdict);
        }
        let added = &asked.amount - &lease.amount;
        let pools: Vec<Pool> = verdict.pools.iter().map(|(pool, _)| pool.clone()).collect();
        self.note_use(&pools, &added, self.now);
        let standing = self.standing(asked, &verdict, &added, &Amount::ZERO);
        let now = self.now;
        let row = self
            .leases
            .iter_mut()
            .find(|of| of.id == lease.id)
            .expect("it is live");
        (row.quantity, row.amount) = (quantity, asked.amount.clone());
        row.attributes.clone_from(&asked.question.attributes);
        row.expires_at = row.expires_at.max(full_second(now + ttl_seconds * SECOND));
        let row = row.clone();
        leased(&verdict, Some(&row), Some(standing))
    }

    fn full(&self, asked: &Asked<'_>, verdict: &Verdict) -> Answer {
        let standing = self.standing(asked, verdict, &Amount::ZERO, &Amount::ZERO);
        let retry = standing.retry_after_seconds;
        let mut answer = leased(verdict, None, Some(standing));
        if self.holds(Rule::BlocksSayTheirEnd) {
            if let Answer::Leased {
                retry_after_seconds,
                ..
            } = &mut answer
            {
                *retry_after_seconds = retry;
            }
        } else if let (
            Answer::Leased {
                retry_after_seconds,
                decision: "block",
                ..
            },
            Some(pool),
        ) = (&mut answer, verdict.binding())
        {
            let next = self
                .live_leases(&pool.counter, self.now)
                .map(|lease| lease.expires_at)
                .min();
            *retry_after_seconds = next.map(|at| (at - self.now + SECOND - 1) / SECOND);
        }
        answer
    }

    pub(crate) fn release_lease(&mut self, id: Id) -> Answer {
        let Some(place) = self
            .leases
            .iter()
            .position(|lease| lease.id == id && lease.is_live(self.now))
        else {
            return Answer::Truth(false);
        };
        let lease = &self.leases[place];
        let question = Question {
            scope: lease.scope,
            ..Question::of(lease.path[0], lease.resource)
        };
        let resource = self.shop.resource(lease.resource).expect("it was leased");
        let freed = -&lease.amount;
        let pools = self.pools(&question, resource, Except::Nothing);
        self.note_use(&pools, &freed, self.now);
        self.leases[place].released_at = Some(self.now);
        Answer::Truth(true)
    }
}

fn leased(verdict: &Verdict, lease: Option<&Lease>, standing: Option<Standing>) -> Answer {
    let seat = |lease: &Lease| Seat {
        lease: lease.id,
        expires_at: lease.expires_at,
        fencing_token: lease.fencing_token,
    };
    Answer::Leased {
        lease: lease.map(seat),
        decision: verdict.ruling.decision,
        reason: verdict.ruling.reason.clone(),
        reason_code: verdict.ruling.code.to_owned(),
        retry_after_seconds: None,
        standing,
    }
}
