//! How often a rule that is easily forgotten decided what was answered or recorded: sequences that never meet it prove
//! nothing about it.

use std::collections::BTreeMap;

use crate::answer::Answer;
use crate::command::{Code, Command};
use crate::oracle::Oracle;

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

    /// Empty scopes that were accepted.
    pub(crate) fn count_empty_scopes(&self, command: &Command, answer: &Answer) {
        let is_empty = |scope: Option<Code>| scope == Some("") && !matches!(answer, Answer::Refused(_));
        match command {
            Command::Check(question)
            | Command::Consume { question, .. }
            | Command::Reserve { question, .. }
            | Command::Acquire { question, .. } => self.count(Rule::EmptyScopesOfQuestions, is_empty(question.scope)),
            Command::Meter(meter) => self.count(Rule::EmptyScopesOfEvents, is_empty(meter.scope)),
            Command::Grant(grant) => self.count(Rule::EmptyScopesOfGrants, is_empty(grant.scope)),
            Command::PutPlan(plan) => {
                self.count(Rule::EmptyScopesOfTemplates, plan.templates.iter().any(|of| is_empty(of.scope)));
            }
            _ => {}
        }
    }
}
