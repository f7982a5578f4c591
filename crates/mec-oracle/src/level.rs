//! Design 1.3, step 3: which rows apply at a level.

use crate::command::{Id, Question, RowStatus, Time, Window};
use crate::coverage::Rule;
use crate::row::{Row, Source};
use crate::state::Oracle;

/// A level's rows, by whether they apply.
pub(crate) struct LevelRows<'a> {
    pub(crate) in_force: Vec<&'a Row>,
    pub(crate) suspended: Vec<&'a Row>,
    pub(crate) unmet: Vec<&'a Row>,
    pub(crate) starts: Option<Time>,
    pub(crate) expired: bool,
    pub(crate) other_scope: bool,
}

pub(crate) fn is_base(row: &&Row) -> bool {
    row.source != Source::Addon
}

impl LevelRows<'_> {
    /// Whether base rows are in force and none of them applies: then add-ons do not count either.
    pub(crate) fn has_lapsed(&self) -> bool {
        !self.in_force.iter().any(is_base) && self.suspended.iter().chain(&self.unmet).any(is_base)
    }
}

impl Oracle {
    /// The rows of a level that were in force at `valid`, suspended or not as they are now, as
    /// their conditions apply at `at`.
    pub(crate) fn level(
        &self,
        account: Id,
        question: &Question,
        valid: Time,
        at: Time,
    ) -> LevelRows<'_> {
        let mut level = LevelRows {
            in_force: vec![],
            suspended: vec![],
            unmet: vec![],
            starts: None,
            expired: false,
            other_scope: false,
        };
        let zone = self.zone(account);
        for row in self
            .rows
            .values()
            .filter(|row| row.account == account && row.resource == question.resource)
        {
            let begins = self.begins(row);
            if row.scope.is_some() && row.scope != question.scope {
                level.other_scope = true;
            } else if row.had_ended(valid, self.now) {
                level.expired = true;
            } else if begins > valid {
                level.starts = Some(level.starts.map_or(begins, |starts| starts.min(begins)));
            } else if row.status == RowStatus::Suspended {
                level.suspended.push(row);
            } else if row.is_met(question, zone, at) {
                level.in_force.push(row);
            } else {
                level.unmet.push(row);
            }
        }
        level
    }

    /// When a row can be in force first: once it is valid and its window has begun.
    pub(crate) fn begins(&self, row: &Row) -> Time {
        match row.window {
            Window::Period(start, _) | Window::Lifetime(Some(start))
                if self.holds(Rule::WindowsBegin) =>
            {
                start.max(row.valid_from)
            }
            _ => row.valid_from,
        }
    }
}
