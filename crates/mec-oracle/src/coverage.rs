//! How often a rule that is easily forgotten decided what was answered or recorded: sequences that never meet it prove
//! nothing about it.

use std::collections::BTreeMap;

use crate::amount::Amount;
use crate::answer::Answer;
use crate::command::{Attributes, Code, Command, Question};
use crate::decide::{Asked, Ruling, Verdict};
use crate::history::{Effect, Event, Except, Lease};
use crate::oracle::Oracle;
use crate::pool::Pool;
use crate::record::Recording;

/// What would have come out otherwise without the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is a sentence")]
pub enum Rule {
    RenewalsStateTheirAttributes,
    MeteredEventsStateTheirAttributes,
    SettlementsStateTheirAttributes,
    CorrectionsStateNone,
    AttributesAreNoContent,
    EmptyScopesOfQuestions,
    EmptyScopesOfEvents,
    EmptyScopesOfGrants,
    EmptyScopesOfTemplates,
    LateUseBillsItsWindow,
    EarlyUseBillsItsWindow,
    SettlementsBillTheirWindow,
    CorrectionsBillTheirWindow,
    ForgottenAccruesNothing,
    BeforeTheBeginningAccruesNothing,
    KindsOfWindowAreTwoLimits,
    TheTighterLimitKeepsTheNote,
    UnitsBilledOnce,
    ShortestFirst,
    ScopedFirst,
    FirstKeyFirst,
    MostFirst,
    LevelsBillApart,
    TakenBackOnce,
    TakenBackElsewhere,
    TakenBackWhereBilledFirst,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::RenewalsStateTheirAttributes,
        Self::MeteredEventsStateTheirAttributes,
        Self::SettlementsStateTheirAttributes,
        Self::CorrectionsStateNone,
        Self::AttributesAreNoContent,
        Self::EmptyScopesOfQuestions,
        Self::EmptyScopesOfEvents,
        Self::EmptyScopesOfGrants,
        Self::EmptyScopesOfTemplates,
        Self::LateUseBillsItsWindow,
        Self::EarlyUseBillsItsWindow,
        Self::SettlementsBillTheirWindow,
        Self::CorrectionsBillTheirWindow,
        Self::ForgottenAccruesNothing,
        Self::BeforeTheBeginningAccruesNothing,
        Self::KindsOfWindowAreTwoLimits,
        Self::TheTighterLimitKeepsTheNote,
        Self::UnitsBilledOnce,
        Self::ShortestFirst,
        Self::ScopedFirst,
        Self::FirstKeyFirst,
        Self::MostFirst,
        Self::LevelsBillApart,
        Self::TakenBackOnce,
        Self::TakenBackElsewhere,
        Self::TakenBackWhereBilledFirst,
    ];
}

/// How often each rule decided.
pub type Coverage = BTreeMap<Rule, u64>;

impl Oracle {
    /// How often each rule decided so far.
    pub fn coverage(&self) -> Coverage {
        self.coverage.borrow().clone()
    }

    pub(crate) fn count(&self, rule: Rule, is_met: bool) {
        if is_met {
            *self.coverage.borrow_mut().entry(rule).or_default() += 1;
        }
    }

    /// What would have come out otherwise, not counted.
    fn uncounted<T>(&self, of: impl FnOnce() -> T) -> T {
        let kept = self.coverage();
        let otherwise = of();
        *self.coverage.borrow_mut() = kept;
        otherwise
    }

    /// What the attributes of recorded use decided.
    pub(crate) fn count_attributes(&self, question: &Question, other: &Attributes, recording: &Recording, rule: Rule) {
        if question.attributes == *other || recording.amount <= Amount::ZERO {
            return;
        }
        let accrues = |attributes: &Attributes| {
            let question = Question { attributes: attributes.clone(), ..question.clone() };
            let resource = self.shop.resource(question.resource).expect("it is recorded");
            let pools = self.pools(&question, resource, Except::Nothing);
            self.accrued(&pools, &recording.amount, recording.occurred_at)
        };
        let differs = self.uncounted(|| accrues(&question.attributes) != accrues(other));
        self.count(rule, differs);
    }

    /// What the attributes of a renewal decided.
    pub(crate) fn count_renewal(&self, asked: &Asked<'_>, lease: &Lease, except: Except, verdict: &Verdict) {
        let question = Question { attributes: lease.attributes.clone(), ..asked.question.clone() };
        let remembered = Asked { question: &question, ..asked.clone() };
        let differs = self.uncounted(|| self.decide(&remembered, except).ruling.allowed() != verdict.ruling.allowed());
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
            others.filter(move |other| other.0.counter == one.0.counter).map(move |other| (one, other))
        });
        for ((one, ruling), (other, other_ruling)) in twins {
            let limit = one.limit.as_ref().zip(other.limit.as_ref()).map(|(a, b)| a + b);
            let both = Pool { limit, ..one.clone() };
            let added = self.judge(&both, &asked.amount, asked.factor);
            self.count(Rule::KindsOfWindowAreTwoLimits, added.allowed() != (ruling.allowed() && other_ruling.allowed()));
        }
    }

    /// Empty scopes that were accepted.
    pub(crate) fn count_empty_scopes(&self, command: &Command, answer: &Answer) {
        let is_empty = |scope: Option<Code>| scope == Some("") && !matches!(answer, Answer::Refused(_));
        match command {
            Command::Check(question)
            | Command::Consume { question, .. }
            | Command::Reserve { question, .. }
            | Command::Acquire { question, .. } => self.count(Rule::EmptyScopesOfQuestions, is_empty(question.scope)),
            Command::Usage(question) => self.count(Rule::EmptyScopesOfQuestions, is_empty(question.scope)),
            Command::Meter(meter) => self.count(Rule::EmptyScopesOfEvents, is_empty(meter.scope)),
            Command::Grant(grant) => self.count(Rule::EmptyScopesOfGrants, is_empty(grant.scope)),
            Command::PutPlan(plan) => {
                self.count(Rule::EmptyScopesOfTemplates, plan.templates.iter().any(|of| is_empty(of.scope)));
            }
            _ => {}
        }
    }
}
