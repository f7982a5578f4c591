//! Questions about many things at once: use over time, and every resource of an account.

use std::collections::BTreeSet;

use crate::amount::{Amount, decimal, rounded};
use crate::answer::{Answer, Bucket};
use crate::command::{Attributes, Code, Id, Question, SECOND, Time, UsageQuestion, Window};
use crate::history::{Event, Lease};
use crate::shop::Kind;
use crate::state::Oracle;
use crate::window::{Cut, cut};

/// Buckets of one answer.
const BUCKETS_MAX: usize = 10_000;

impl Oracle {
    /// Use in every bucket, summed from the list of events: what was used, or what is owned at the
    /// bucket's end; of seats the most that were held at once until now.
    pub(crate) fn usage(&self, asked: &UsageQuestion) -> Answer {
        let mut wrong = Vec::new();
        if !self.accounts.contains_key(&asked.account) {
            wrong.push("MEC_ACCOUNT_NOT_FOUND");
        }
        let Some(resource) = self
            .shop
            .resource(asked.resource)
            .filter(|_| wrong.is_empty())
        else {
            wrong.push("MEC_RESOURCE_NOT_FOUND");
            return Answer::refused(&wrong);
        };
        let zone = self.zone(asked.account);
        let bounds = |window: Window, at: Time| match cut(window, zone, at, at) {
            Cut::Span(start, end) => (start, end),
            Cut::Rolling(_) => unreachable!("buckets are the calendar's"),
        };
        let from = asked
            .from
            .unwrap_or_else(|| bounds(Window::Month, self.now).0);
        let to = asked
            .to
            .unwrap_or_else(|| bounds(asked.group_by.unwrap_or(Window::Month), self.now).1);
        if to <= from {
            return Answer::refused(&["MEC_BAD_VALUE"]);
        }
        let mut stretches = Vec::new();
        let mut start = from;
        while start < to {
            let end = asked
                .group_by
                .map_or(to, |window| bounds(window, start).1)
                .min(to);
            stretches.push((start, end));
            start = end;
        }
        if stretches.len() > BUCKETS_MAX {
            return Answer::refused(&["MEC_BAD_VALUE"]);
        }
        let factor = self.shop.factor(resource.unit).expect("a unit of the shop");
        let stretches = stretches.into_iter();
        Answer::Usage(if resource.kind == Kind::Concurrency {
            stretches
                .map(|stretch| self.seats_in(asked, factor, stretch))
                .collect()
        } else {
            stretches
                .map(|stretch| self.use_in(asked, resource.kind, factor, stretch))
                .collect()
        })
    }

    /// The most seats that were held at once in `[start, end)`, and for how long.
    fn seats_in(&self, asked: &UsageQuestion, factor: i64, (start, end): (Time, Time)) -> Bucket {
        let leases = self.leases.iter().filter(|lease| {
            lease.resource == asked.resource
                && (asked.scope.is_none() || lease.scope == asked.scope)
                && if asked.own_only {
                    lease.path[0] == asked.account
                } else {
                    lease.path.contains(&asked.account)
                }
        });
        let leases: Vec<&Lease> = leases.collect();
        let beginnings = leases.iter().map(|lease| lease.acquired_at).chain([start]);
        let within = beginnings.filter(|at| start <= *at && *at < end && *at <= self.now);
        let live_at = |at: Time| {
            let live = leases
                .iter()
                .filter(|lease| lease.acquired_at <= at && at < lease.ends_at());
            live.map(|lease| &lease.amount).sum::<Amount>()
        };
        let hours = leases.iter().map(|lease| {
            let (from, to) = (
                lease.acquired_at.max(start),
                lease.ends_at().min(end).min(self.now),
            );
            &lease.amount * (to - from).max(0)
        });
        let hours = decimal(&rounded(&hours.sum(), factor * 3_600 * SECOND), 6);
        let quantity = shown(&within.map(live_at).max().unwrap_or_default(), factor);
        Bucket {
            start,
            end,
            quantity,
            lease_hours: Some(hours),
            overage: "0".to_owned(),
            events: 0,
        }
    }

    /// What was used in `[start, end)`, or what was owned at its end.
    fn use_in(
        &self,
        asked: &UsageQuestion,
        kind: Kind,
        factor: i64,
        (start, end): (Time, Time),
    ) -> Bucket {
        let is_about = |event: &&Event| {
            let is_of_scope = asked.scope.is_none() || event.content.scope == asked.scope;
            event.path.contains(&asked.account)
                && is_of_scope
                && event.content.resource == asked.resource
        };
        let (mut used, mut overage, mut events) = (Amount::ZERO, Amount::ZERO, 0);
        let within = |event: &&Event| start <= event.occurred_at && event.occurred_at < end;
        for event in self.events.iter().filter(is_about).filter(within) {
            if !asked.own_only || event.path[0] == asked.account {
                used += &event.amount;
                events += 1;
            }
            // What the account's pools bill, whoever below it used.
            let mine = event
                .overage
                .iter()
                .filter(|effect| effect.counter.account == asked.account);
            overage += mine.map(|effect| &effect.overage).sum::<Amount>();
        }
        if kind == Kind::Inventory {
            let before = self
                .events
                .iter()
                .filter(is_about)
                .filter(|event| event.occurred_at < start);
            used += before
                .filter(|event| !asked.own_only || event.path[0] == asked.account)
                .map(|event| &event.amount)
                .sum::<Amount>();
        }
        Bucket {
            start,
            end,
            quantity: shown(&used, factor),
            lease_hours: None,
            overage: shown(&overage, factor),
            events,
        }
    }

    /// Where the account stands with each of the resources, or with all it or an account above it
    /// was ever granted: with each scope that was granted of it, or with the whole if none was.
    pub(crate) fn check_all(
        &self,
        account: Id,
        resources: Option<&[Code]>,
        attributes: &Attributes,
    ) -> Answer {
        let Some(path) = self
            .accounts
            .get(&account)
            .map(|account| account.path.clone())
        else {
            return Answer::refused(&["MEC_ACCOUNT_NOT_FOUND", "MEC_RESOURCE_NOT_FOUND"]);
        };
        let rows = self.rows.values().filter(|row| path.contains(&row.account));
        let granted: BTreeSet<(Code, Option<Code>)> =
            rows.map(|row| (row.resource, row.scope)).collect();
        let parts: Vec<(Code, Option<Code>)> = match resources {
            None => granted.into_iter().collect(),
            Some(resources) => {
                let parts_of = |resource: &Code| {
                    let parts: Vec<_> = granted
                        .iter()
                        .copied()
                        .filter(|(of, _)| of == resource)
                        .collect();
                    if parts.is_empty() {
                        vec![(*resource, None)]
                    } else {
                        parts
                    }
                };
                // A name counts once, at its first place.
                let named = resources
                    .iter()
                    .enumerate()
                    .filter(|(place, name)| !resources[..*place].contains(name));
                named.flat_map(|(_, name)| parts_of(name)).collect()
            }
        };
        let mut standings = Vec::new();
        for (resource, scope) in parts {
            let question = Question {
                attributes: attributes.clone(),
                scope,
                ..Question::of(account, resource)
            };
            match self.check(&question) {
                Answer::Standing(mut standing) => {
                    standing.limits.clear();
                    standings.push((resource.to_owned(), scope.map(str::to_owned), standing));
                }
                refused => return refused,
            }
        }
        Answer::Standings(standings)
    }
}

fn shown(amount: &Amount, factor: i64) -> String {
    decimal(&rounded(amount, factor), 6)
}
