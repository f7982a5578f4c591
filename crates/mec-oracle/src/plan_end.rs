//! Design 1.6: plans taken away, and what ends with them.

use crate::answer::Answer;
use crate::command::{Code, Id, Time};
use crate::coverage::Rule;
use crate::row::{Holding, Row};
use crate::state::Oracle;

impl Oracle {
    pub(crate) fn cancel(
        &mut self,
        account: Id,
        plan: Code,
        reference: Option<Code>,
        at: Option<Time>,
    ) -> Answer {
        let mut wrong = Vec::new();
        if !self.accounts.contains_key(&account) {
            wrong.push("MEC_ACCOUNT_NOT_FOUND");
        }
        if self.shop.plan(plan).is_none() {
            wrong.push("MEC_PLAN_NOT_FOUND");
        }
        if !wrong.is_empty() {
            return Answer::refused(&wrong);
        }
        let before = self.clone();
        let at = at.unwrap_or(self.now).max(self.now);
        let named =
            |of: Code, by: Code| of == plan && reference.is_none_or(|reference| reference == by);
        let is_ended = |row: &&Row| {
            row.account == account
                && !row.is_over(self.now)
                && row.plan.is_some_and(|(of, by, _)| named(of, by))
        };
        let rows: Vec<Id> = self
            .rows
            .values()
            .filter(is_ended)
            .map(|row| row.id)
            .collect();
        for id in &rows {
            self.end_row(*id, at);
        }
        let now = self.now;
        let held = self
            .holdings
            .iter_mut()
            .filter(|holding| holding.account == account && named(holding.plan, holding.reference));
        let mut dropped = Vec::new();
        let begins = |holding: &&mut Holding| {
            holding
                .end
                .is_none_or(|end| end > now && end > holding.start)
        };
        for holding in held.filter(begins) {
            holding.own_end = Some(holding.own_end.map_or(at, |end| end.min(at)));
            holding.end = Some(holding.end.map_or(at, |end| end.min(at)));
            if !holding.is_addon && holding.start > now && at <= holding.start {
                dropped.push(holding.start);
            }
        }
        if self.holds(Rule::CancelledPlansLiftTheirEnd) {
            dropped
                .into_iter()
                .for_each(|start| self.lift(account, start));
        }
        let ended = i64::try_from(rows.len()).expect("few");
        self.note_limits(account, &before);
        Answer::Number(ended)
    }

    /// A plan that was to begin at `start` never does: what it would have replaced ends as if it
    /// had not been asked for.
    pub(crate) fn lift(&mut self, account: Id, start: Time) {
        for place in 0..self.holdings.len() {
            let holding = &self.holdings[place];
            if holding.account != account
                || holding.is_addon
                || holding.end != Some(start)
                || holding.start >= start
            {
                continue;
            }
            let others = self.holdings.iter().filter(|other| {
                let begins = other.end.is_none_or(|end| end > other.start);
                other.account == account
                    && !other.is_addon
                    && begins
                    && other.start > holding.start.max(self.now)
            });
            let next = others.map(|other| other.start).min();
            let end = holding.own_end.into_iter().chain(next).min();
            if end == Some(start) {
                continue;
            }
            self.count(Rule::CancelledPlansLiftTheirEnd, true);
            for id in self.standing_ids(place) {
                if self.rows[&id].valid_until == Some(start) {
                    self.row(id).valid_until = end;
                }
            }
            self.holdings[place].end = end;
        }
    }

    /// Base plans of an account that start at `from` or later never begin.
    pub(crate) fn drop_scheduled(&mut self, account: Id, from: Time, staying: &[Id]) {
        for place in 0..self.holdings.len() {
            let holding = &self.holdings[place];
            if holding.account == account
                && !holding.is_addon
                && holding.start >= from
                && holding.start > self.now
            {
                self.end_holding(place, self.now, staying);
            }
        }
    }

    /// Ends a holding and its rows, but those that stay, at `at`.
    pub(crate) fn end_holding(&mut self, place: usize, at: Time, staying: &[Id]) {
        let at = at.max(self.now);
        let ended = self
            .standing_ids(place)
            .into_iter()
            .filter(|id| !staying.contains(id));
        let ended = ended.filter(|id| self.rows[id].valid_until.is_none_or(|until| until > at));
        for id in ended.collect::<Vec<_>>() {
            self.end_row(id, at);
        }
        let holding = &mut self.holdings[place];
        holding.end = Some(holding.end.map_or(at, |end| end.min(at)));
    }

    pub(crate) fn end_row(&mut self, id: Id, at: Time) {
        let now = self.now;
        let row = self.row(id);
        if row.valid_until.is_none_or(|until| until > at) {
            row.end(if row.valid_from >= at { now } else { at }, now);
        }
    }

    /// Another base plan begins at `from`.
    pub(crate) fn replace_holding(&mut self, place: usize, from: Time) {
        let own = self.holdings[place].own_end;
        self.end_holding(place, from, &[]);
        self.holdings[place].own_end = own;
    }
}
