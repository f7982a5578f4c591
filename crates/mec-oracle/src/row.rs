//! What there is: accounts, entitlements, plans held, rules, and whether an entitlement applies.

use std::sync::Arc;

use chrono_tz::Tz;

use crate::command::{
    Action, Attribute, Code, Condition, Id, Operator, Question, RowStatus, Status, Time, Window,
};
use crate::window::day_clock;

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: Id,
    pub(crate) zone: Option<Code>,
    pub(crate) status: Status,
    /// Itself and everything above it, nearest first.
    pub(crate) path: Arc<[Id]>,
}

impl Account {
    /// The account at the top.
    pub(crate) fn tree(&self) -> Id {
        self.path[self.path.len() - 1]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Plan,
    Addon,
    Manual,
    Override,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: Id,
    pub(crate) account: Id,
    pub(crate) resource: Code,
    pub(crate) scope: Option<Code>,
    pub(crate) quantity: Option<i64>,
    pub(crate) window: Window,
    pub(crate) source: Source,
    /// The plan it came with, its reference and version.
    pub(crate) plan: Option<(Code, Code, i32)>,
    pub(crate) priority: i32,
    pub(crate) valid_from: Time,
    pub(crate) valid_until: Option<Time>,
    pub(crate) status: RowStatus,
    pub(crate) conditions: Vec<Condition>,
}

impl Row {
    pub(crate) fn is_over(&self, now: Time) -> bool {
        self.status == RowStatus::Expired || self.valid_until.is_some_and(|until| until <= now)
    }

    /// Whether it had ended by `at`: a row that has expired since keeps the validity it had.
    pub(crate) fn had_ended(&self, at: Time, now: Time) -> bool {
        if at >= now {
            self.is_over(at)
        } else {
            self.valid_until.is_some_and(|until| until <= at)
        }
    }

    pub(crate) fn is_of(&self, resource: Code, scope: Option<Code>) -> bool {
        self.resource == resource && (self.scope.is_none() || self.scope == scope)
    }

    pub(crate) fn is_met(&self, question: &Question, zone: Tz, now: Time) -> bool {
        self.conditions
            .iter()
            .all(|condition| is_met(condition, question, zone, now))
    }

    /// Ends it at `at`, or at once where that has come.
    pub(crate) fn end(&mut self, at: Time, now: Time) {
        if at <= now {
            self.status = RowStatus::Expired;
            // What was over before stays over since then.
            let end = now.max(self.valid_from);
            self.valid_until = Some(self.valid_until.map_or(end, |until| until.min(end)));
        } else {
            self.valid_until = Some(at);
        }
    }
}

fn is_met(condition: &Condition, question: &Question, zone: Tz, now: Time) -> bool {
    let (second, weekday) = day_clock(zone, now);
    match condition {
        Condition::TimeOfDay { from, to } if from <= to => *from <= second && second < *to,
        Condition::TimeOfDay { from, to } => second >= *from || second < *to,
        Condition::Weekday(days) => days.contains(&weekday),
        Condition::Attribute {
            name,
            operator,
            values,
        } => {
            let Some(given) = question.attributes.get(name) else {
                return false;
            };
            let number = match (given, values.first()) {
                (Attribute::Number(given), Some(Attribute::Number(than))) => Some((*given, *than)),
                _ => None,
            };
            match operator {
                Operator::In => values.contains(given),
                Operator::NotIn => !values.contains(given),
                Operator::Gt => number.is_some_and(|(given, than)| given > than),
                Operator::Gte => number.is_some_and(|(given, than)| given >= than),
                Operator::Lt => number.is_some_and(|(given, than)| given < than),
                Operator::Lte => number.is_some_and(|(given, than)| given <= than),
            }
        }
    }
}

/// A plan or an add-on an account has, had, or will have.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    pub(crate) account: Id,
    pub(crate) plan: Code,
    pub(crate) reference: Code,
    pub(crate) quantity: i64,
    pub(crate) anchor: Time,
    pub(crate) start: Time,
    pub(crate) end: Option<Time>,
    /// When it would end if no other plan were to come.
    pub(crate) own_end: Option<Time>,
    pub(crate) is_addon: bool,
}

impl Holding {
    pub(crate) fn holds(&self, at: Time) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }

    /// Whether a row is one of its own: an add-on's by its name, a plan's by the plan and the time.
    pub(crate) fn gave(&self, row: &Row) -> bool {
        let Some((plan, reference, _)) = row.plan.filter(|_| row.account == self.account) else {
            return false;
        };
        if self.is_addon {
            return row.source == Source::Addon && plan == self.plan && reference == self.reference;
        }
        row.source == Source::Plan
            && plan == self.plan
            && self
                .end
                .is_none_or(|end| self.start < end && row.valid_from < end)
            && row.valid_until.is_none_or(|until| until > self.start)
    }
}

/// A rule with its id and when it was made.
#[derive(Clone, Debug)]
pub(crate) struct RuleRow {
    pub(crate) id: Id,
    pub(crate) rule: crate::command::Rule,
}

impl RuleRow {
    pub(crate) fn action(rule: Option<&Self>) -> Action {
        rule.map_or(Action::Block, |row| row.rule.action)
    }
}
