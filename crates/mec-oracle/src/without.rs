//! What would have come out otherwise without a rule that is easily forgotten.

use crate::amount::Amount;
use crate::answer::Answer;
use crate::command::{Attributes, Code, Command, Id, Question, Time};
use crate::coverage::Rule;
use crate::decide::{Asked, Ruling, Verdict};
use crate::history::{Effect, Event, Except, Lease};
use crate::pool::Pool;
use crate::record::Recording;
use crate::row::Source;
use crate::state::Oracle;

impl Oracle {
    /// Counts the rule where `of` comes out otherwise without it.
    pub(crate) fn count_difference<T: PartialEq>(&self, rule: Rule, of: impl Fn() -> T) {
        if !self.holds(rule) || self.without.get().is_some() {
            return;
        }
        let differs = self.uncounted(|| {
            let with = of();
            self.without.set(Some(rule));
            let without = of();
            self.without.set(None);
            with != without
        });
        self.count(rule, differs);
    }

    /// What would have come out otherwise, not counted.
    fn uncounted<T>(&self, of: impl FnOnce() -> T) -> T {
        let kept = self.coverage();
        let otherwise = of();
        *self.coverage.borrow_mut() = kept;
        otherwise
    }

    /// What the attributes of recorded use decided.
    pub(crate) fn count_attributes(
        &self,
        question: &Question,
        other: &Attributes,
        recording: &Recording,
        rule: Rule,
    ) {
        if question.attributes == *other || recording.amount <= Amount::ZERO {
            return;
        }
        let accrues = |attributes: &Attributes| {
            let question = Question {
                attributes: attributes.clone(),
                ..question.clone()
            };
            let resource = self
                .shop
                .resource(question.resource)
                .expect("it is recorded");
            let pools = self.pools(&question, resource, Except::Nothing);
            self.accrued_by(&question, &pools, &recording.amount, recording.occurred_at)
        };
        let differs = self.uncounted(|| accrues(&question.attributes) != accrues(other));
        self.count(rule, differs);
    }

    /// Rulings that would be others without a rule about rows or about rules.
    pub(crate) fn count_rulings(&self, asked: &Asked<'_>, except: Except) {
        let ruling = || self.decided(asked, except).ruling;
        for rule in [
            Rule::LapsedLevelsDeny,
            Rule::WindowsBegin,
            Rule::RollingLimitsBlock,
        ] {
            if self.may_matter(rule, asked.question) {
                self.count_difference(rule, ruling);
            }
        }
        if self.rules.iter().any(|row| {
            row.rule.window.is_some_and(|of| of != "rolling")
                && row.rule.resource == asked.question.resource
        }) {
            self.count_difference(Rule::RulesOfOneWindow, ruling);
        }
    }

    /// Use that the rows of its time bill otherwise than those of now.
    pub(crate) fn count_late(
        &self,
        question: &Question,
        pools: &[Pool],
        amount: &Amount,
        at: Time,
        is_correction: bool,
    ) {
        if at == self.now || !self.holds(Rule::LateUseIsJudgedByItsRows) {
            return;
        }
        let differs = self.uncounted(|| {
            self.accrued(pools, amount, at) != self.accrued_by(question, pools, amount, at)
        });
        let rule = if is_correction {
            Rule::CorrectionsAreJudgedByTheirRows
        } else {
            Rule::LateUseIsJudgedByItsRows
        };
        self.count(rule, differs);
    }

    /// Settlements of a hold whose name a caller has used as a key.
    pub(crate) fn count_named(&self, hold: Id) {
        let name = format!("reservation:{}", hold.0);
        self.count(
            Rule::SettlementsHaveKeysOfTheirOwn,
            self.events
                .iter()
                .any(|event| event.key.as_ref() == Some(&name)),
        );
    }

    /// Whether a rule can change anything at all: what it is about is there.
    fn may_matter(&self, rule: Rule, question: &Question) -> bool {
        let path = &self.accounts[&question.account].path;
        let mut rows = self
            .rows
            .values()
            .filter(|row| row.resource == question.resource && path.contains(&row.account));
        match rule {
            Rule::LapsedLevelsDeny => {
                rows.any(|row| row.source == Source::Addon && !row.is_over(self.now))
            }
            Rule::WindowsBegin => rows.any(|row| self.begins(row) > self.now.max(row.valid_from)),
            Rule::RollingLimitsBlock => rows.any(|row| row.window.kind() == "rolling"),
            _ => true,
        }
    }

    /// What the attributes of a renewal decided.
    pub(crate) fn count_renewal(
        &self,
        asked: &Asked<'_>,
        lease: &Lease,
        except: Except,
        verdict: &Verdict,
    ) {
        let question = Question {
            attributes: lease.attributes.clone(),
            ..asked.question.clone()
        };
        let remembered = Asked {
            question: &question,
            ..asked.clone()
        };
        let differs = self.uncounted(|| {
            self.decided(&remembered, except).ruling.allowed() != verdict.ruling.allowed()
        });
        self.count(Rule::RenewalsStateTheirAttributes, differs);
    }

    /// Windows that an event bills although they are not the present ones.
    pub(crate) fn count_windows(&self, pools: &[Pool], event: &Event) {
        let is_present = |effect: &Effect| pools.iter().any(|pool| pool.counter == effect.counter);
        let is_other = event.amount > Amount::ZERO && !event.overage.iter().all(is_present);
        let rule = if event.content.corrects.is_some() {
            Rule::CorrectionsBillTheirWindow
        } else if event.is_settlement() {
            Rule::SettlementsBillTheirWindow
        } else if event.occurred_at < self.now {
            Rule::LateUseBillsItsWindow
        } else {
            Rule::EarlyUseBillsItsWindow
        };
        self.count(rule, is_other);
    }

    /// Limits that coincide and would decide otherwise if they were added up.
    pub(crate) fn count_coinciding(&self, asked: &Asked<'_>, pools: &[(Pool, Ruling)]) {
        let twins = pools.iter().enumerate().flat_map(|(place, one)| {
            let others = pools[place + 1..].iter();
            others
                .filter(move |other| other.0.counter == one.0.counter)
                .map(move |other| (one, other))
        });
        for ((one, ruling), (other, other_ruling)) in twins {
            let limit = one
                .limit
                .as_ref()
                .zip(other.limit.as_ref())
                .map(|(a, b)| a + b);
            let both = Pool {
                limit,
                ..one.clone()
            };
            let added = self.judge(&both, &asked.amount, asked.factor);
            self.count(
                Rule::KindsOfWindowAreTwoLimits,
                added.allowed() != (ruling.allowed() && other_ruling.allowed()),
            );
        }
    }

    /// Empty scopes that were accepted.
    pub(crate) fn count_empty_scopes(&self, command: &Command, answer: &Answer) {
        let is_empty =
            |scope: Option<Code>| scope == Some("") && !matches!(answer, Answer::Refused(_));
        match command {
            Command::Check(question)
            | Command::Consume { question, .. }
            | Command::Reserve { question, .. }
            | Command::Acquire { question, .. } => {
                self.count(Rule::EmptyScopesOfQuestions, is_empty(question.scope))
            }
            Command::Usage(question) => {
                self.count(Rule::EmptyScopesOfQuestions, is_empty(question.scope))
            }
            Command::Meter(meter) => self.count(Rule::EmptyScopesOfEvents, is_empty(meter.scope)),
            Command::Grant(grant) => self.count(Rule::EmptyScopesOfGrants, is_empty(grant.scope)),
            Command::PutPlan(plan) => {
                self.count(
                    Rule::EmptyScopesOfTemplates,
                    plan.templates.iter().any(|of| is_empty(of.scope)),
                );
            }
            _ => {}
        }
    }
}
