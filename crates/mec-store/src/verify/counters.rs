//! What the ledger adds up to: the hourly sums and the windows still open of one tree, folded anew
//! and compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use mec_kernel::{
    AccountId, Amount, Code, HourSum, LEVELS_MAX, LedgerEvent, Time, TreeId, Window, WindowKey,
    WindowTotal, oldest_step,
};

use super::evidence::Evidence;
use super::verification::{Verification, differs};
use crate::StoreError;
use crate::rows::{self, HourKey};

/// One tree's counters as the ledger says they are.
pub(super) struct Counters {
    now: Time,
    parents: BTreeMap<AccountId, Option<AccountId>>,
    unknown: BTreeSet<AccountId>,
    hours: BTreeMap<HourKey, HourSum>,
    windows: BTreeMap<(AccountId, Code), Vec<OpenWindow>>,
}

/// A window that is still read.
struct OpenWindow {
    key: WindowKey,
    found: WindowTotal,
    expected: WindowTotal,
}

impl Counters {
    pub(super) fn of(
        of: &mut Verification<'_, impl Evidence>,
        tree: TreeId,
        now: Time,
    ) -> Result<Self, StoreError> {
        let parents = of.evidence.parents(tree)?.into_iter().collect();
        let mut windows: BTreeMap<_, Vec<OpenWindow>> = BTreeMap::new();
        for window in of.evidence.windows(tree, now)? {
            match window {
                Ok((account, key, found)) => {
                    let window = OpenWindow {
                        key,
                        found,
                        expected: WindowTotal::default(),
                    };
                    windows
                        .entry((account, window.key.resource.clone()))
                        .or_default()
                        .push(window);
                }
                Err(problem) => of.find("usage_windows", format!("tree {tree}"), problem),
            }
        }
        Ok(Self {
            now,
            parents,
            unknown: BTreeSet::new(),
            hours: BTreeMap::new(),
            windows,
        })
    }

    /// Adds an event to everything on its account's path.
    pub(super) fn add(&mut self, of: &mut Verification<'_, impl Evidence>, event: &LedgerEvent) {
        let path = self.path(of, event);
        for (account, sum) in HourSum::of(event, &path) {
            let key = (
                account,
                event.resource.clone(),
                event.scope.clone(),
                event.unit.clone(),
                event.occurred_at.hour(),
            );
            let entry = self.hours.entry(key).or_default();
            *entry = entry.plus(sum);
            let Some(windows) = self.windows.get_mut(&(account, event.resource.clone())) else {
                continue;
            };
            for window in windows {
                if (window.key.scope.is_none() || window.key.scope == event.scope)
                    && window.key.window.holds(event.occurred_at)
                {
                    let is_own = account == event.account;
                    window.expected.add(
                        window.key.window,
                        event.occurred_at,
                        self.now,
                        event.amount,
                        is_own,
                    );
                }
                for effect in event
                    .effects
                    .iter()
                    .filter(|effect| effect.account == account && effect.key == window.key)
                {
                    window.expected.overage = window.expected.overage.plus(effect.overage);
                }
            }
        }
    }

    fn path(
        &mut self,
        of: &mut Verification<'_, impl Evidence>,
        event: &LedgerEvent,
    ) -> Vec<AccountId> {
        let mut path = Vec::with_capacity(2);
        let mut next = Some(event.account);
        while let Some(account) = next.filter(|_| path.len() < LEVELS_MAX) {
            path.push(account);
            next = match self.parents.get(&account) {
                Some(parent) => *parent,
                None => {
                    if self.unknown.insert(account) {
                        of.find(
                            "accounts",
                            format!("account {account}"),
                            differs("row", "one, as the ledger names it", "none"),
                        );
                    }
                    None
                }
            };
        }
        path
    }

    /// Compares what was added up with what is stored.
    pub(super) fn compare(
        self,
        of: &mut Verification<'_, impl Evidence>,
        tree: TreeId,
    ) -> Result<(), StoreError> {
        self.windows
            .iter()
            .for_each(|((account, _), windows)| compare_windows(of, self.now, *account, windows));
        let mut hours = self.hours;
        let evidence = of.evidence;
        evidence.hours(tree, &mut |hour| {
            of.report.counters += 1;
            match hour {
                Ok((key, found)) => match hours.remove(&key) {
                    Some(expected) if expected == found => {}
                    Some(expected) => of.find(
                        "usage_hours",
                        name_of_hour(&key),
                        difference(&expected, &found),
                    ),
                    None => of.find(
                        "usage_hours",
                        name_of_hour(&key),
                        differs("row", "none", Sum(&found)),
                    ),
                },
                Err(problem) => of.find("usage_hours", format!("tree {tree}"), problem),
            }
            Ok(())
        })?;
        for (key, expected) in &hours {
            of.find(
                "usage_hours",
                name_of_hour(key),
                differs("row", Sum(expected), "none"),
            );
        }
        Ok(())
    }
}

fn compare_windows(
    of: &mut Verification<'_, impl Evidence>,
    now: Time,
    account: AccountId,
    windows: &[OpenWindow],
) {
    for OpenWindow {
        key,
        found,
        expected,
    } in windows
    {
        of.report.counters += 1;
        of.report.windows += 1;
        let mut problems = Vec::new();
        for (what, expected, found) in [
            ("used", expected.used, found.used),
            ("own", expected.own, found.own),
            ("overage", expected.overage, found.overage),
        ] {
            if expected != found {
                problems.push(differs(what, Figure(expected), Figure(found)));
            }
        }
        let (expected, found) = (
            steps(key.window, expected, now),
            steps(key.window, found, now),
        );
        let all: BTreeSet<i64> = expected.keys().chain(found.keys()).copied().collect();
        for step in all {
            let of_step = |steps: &BTreeMap<i64, Amount>| {
                Figure(steps.get(&step).copied().unwrap_or_default())
            };
            let (expected, found) = (of_step(&expected), of_step(&found));
            if expected != found {
                problems.push(differs(&format!("step {step}"), expected, found));
            }
        }
        if !problems.is_empty() {
            let scope = rows::scope_text(key.scope.as_ref());
            let key = format!(
                "account {account}, {}{}{scope}, {}",
                key.resource,
                separator(scope),
                name_of_window(key.window)
            );
            of.find("usage_windows", key, problems.join("; "));
        }
    }
}

/// The steps that still count: older ones are dropped by the next write, not before.
fn steps(window: Window, total: &WindowTotal, now: Time) -> BTreeMap<i64, Amount> {
    let oldest = match window {
        Window::Rolling { seconds } => oldest_step(now, seconds),
        Window::Fixed { .. } => i64::MIN,
    };
    total
        .steps
        .range(oldest..)
        .filter(|(_, amount)| **amount != Amount::ZERO)
        .map(|(step, amount)| (*step, *amount))
        .collect()
}

fn name_of_window(window: Window) -> String {
    match window {
        Window::Fixed { start, end } if !end.is_bounded() => {
            if start.is_bounded() {
                format!("from {start} on")
            } else {
                "lifetime".to_owned()
            }
        }
        window => window.to_string(),
    }
}

fn name_of_hour((account, resource, scope, unit, hour): &HourKey) -> String {
    let scope = rows::scope_text(scope.as_ref());
    format!(
        "account {account}, {resource}{}{scope}, {unit}, hour {hour}",
        separator(scope)
    )
}

fn separator(scope: &str) -> &'static str {
    if scope.is_empty() { "" } else { "/" }
}

fn difference(expected: &HourSum, found: &HourSum) -> String {
    let mut problems = Vec::new();
    for (what, expected, found) in [
        ("own", expected.own, found.own),
        ("subtree", expected.subtree, found.subtree),
        ("overage", expected.overage, found.overage),
        ("overage_cost", expected.overage_cost, found.overage_cost),
    ] {
        if expected != found {
            problems.push(differs(what, Figure(expected), Figure(found)));
        }
    }
    if expected.events != found.events {
        problems.push(differs("events", expected.events, found.events));
    }
    problems.join("; ")
}

/// A counter as people read it: in base units.
#[derive(PartialEq, Eq)]
struct Figure(Amount);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        mec_kernel::Total(self.0.0).fmt(f)
    }
}

/// A sum on one line.
struct Sum<'a>(&'a HourSum);

impl fmt::Display for Sum<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HourSum {
            own,
            subtree,
            overage,
            events,
            ..
        } = *self.0;
        write!(
            f,
            "own {}, subtree {}, overage {}, events {events}",
            Figure(own),
            Figure(subtree),
            Figure(overage)
        )
    }
}
