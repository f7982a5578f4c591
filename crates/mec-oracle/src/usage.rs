//! Questions about many things at once: use over time, and every resource of an account.

use std::collections::BTreeSet;

use crate::amount::{Amount, decimal, rounded};
use crate::answer::{Answer, Bucket};
use crate::command::{Attributes, Code, Id, Question, Time, UsageQuestion, Window};
use crate::history::Event;
use crate::oracle::Oracle;
use crate::window::{Cut, cut};

/// Buckets of one answer.
const BUCKETS_MAX: usize = 10_000;

impl Oracle {
    /// Use in every bucket, summed from the list of events.
    pub(crate) fn usage(&self, asked: &UsageQuestion) -> Answer {
        let mut wrong = Vec::new();
        if !self.accounts.contains_key(&asked.account) {
            wrong.push("MEC_ACCOUNT_NOT_FOUND");
        }
        let Some(resource) = self.shop.resource(asked.resource).filter(|_| wrong.is_empty()) else {
            wrong.push("MEC_RESOURCE_NOT_FOUND");
            return Answer::refused(&wrong);
        };
        let zone = self.zone(asked.account);
        let bounds = |window: Window, at: Time| match cut(window, zone, at, at) {
            Cut::Span(start, end) => (start, end),
            Cut::Rolling(_) => unreachable!("buckets are the calendar's"),
        };
        let from = asked.from.unwrap_or_else(|| bounds(Window::Month, self.now).0);
        let to = asked.to.unwrap_or_else(|| bounds(asked.group_by.unwrap_or(Window::Month), self.now).1);
        if to <= from {
            return Answer::refused(&["MEC_BAD_VALUE"]);
        }
        let mut stretches = Vec::new();
        let mut start = from;
        while start < to {
            let end = asked.group_by.map_or(to, |window| bounds(window, start).1).min(to);
            stretches.push((start, end));
            start = end;
        }
        if stretches.len() > BUCKETS_MAX {
            return Answer::refused(&["MEC_BAD_VALUE"]);
        }
        let factor = self.shop.factor(resource.unit).expect("a unit of the shop");
        let shown = |amount: &Amount| decimal(&rounded(amount, factor), 6);
        let is_about = |event: &&Event| {
            let is_of_scope = asked.scope.is_none() || event.content.scope == asked.scope;
            event.path.contains(&asked.account) && is_of_scope && event.content.resource == asked.resource
        };
        let bucket = |(start, end): (Time, Time)| {
            let (mut used, mut overage, mut events) = (Amount::ZERO, Amount::ZERO, 0);
            let within = |event: &&Event| start <= event.occurred_at && event.occurred_at < end;
            for event in self.events.iter().filter(is_about).filter(within) {
                if !asked.own_only || event.path[0] == asked.account {
                    used += &event.amount;
                    events += 1;
                }
                // What the account's pools bill, whoever below it used.
                let mine = event.overage.iter().filter(|effect| effect.counter.account == asked.account);
                overage += mine.map(|effect| &effect.overage).sum::<Amount>();
            }
            Bucket { start, end, quantity: shown(&used), overage: shown(&overage), events }
        };
        Answer::Usage(stretches.into_iter().map(bucket).collect())
    }

    /// Where the account stands with each of the resources, or with all it or an account above it was ever granted.
    pub(crate) fn check_all(&self, account: Id, resources: Option<&[Code]>, attributes: &Attributes) -> Answer {
        let Some(path) = self.accounts.get(&account).map(|account| account.path.clone()) else {
            return Answer::refused(&["MEC_ACCOUNT_NOT_FOUND", "MEC_RESOURCE_NOT_FOUND"]);
        };
        let granted = self.rows.values().filter(|row| path.contains(&row.account)).map(|row| row.resource);
        let all = || granted.collect::<BTreeSet<_>>().into_iter().collect();
        let mut standings = Vec::new();
        for resource in resources.map_or_else(all, <[Code]>::to_vec) {
            let question = Question { attributes: attributes.clone(), ..Question::of(account, resource) };
            match self.check(&question) {
                Answer::Standing(mut standing) => {
                    standing.limits.clear();
                    standings.push((resource.to_owned(), standing));
                }
                refused => return refused,
            }
        }
        Answer::Standings(standings)
    }
}
