//! Where a tree stands, and whether a call can have been answered like that.

mod after;
mod seats;
mod usage;

use std::collections::BTreeMap;

use super::accounts::{Accounts, Instant, Limits, Resource, SECOND};
use super::call::{Call, Level};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Row {
    limit: u64,
    is_suspended: bool,
}

/// An event, a hold or a lease; its id might not have been told yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Event<'a> {
    id: Option<&'a str>,
    account: usize,
    quantity: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Hold<'a> {
    id: Option<&'a str>,
    account: usize,
    quantity: u64,
    expires: Instant,
    /// With how much, 0 if it was given back.
    settled: Option<Event<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Lease<'a> {
    id: Option<&'a str>,
    account: usize,
    fencing: Option<i64>,
    expires: Instant,
}

/// Where a tree stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State<'a> {
    /// The instant of the last call that was no check, or one like it.
    pub(crate) now: Instant,
    used: BTreeMap<usize, u64>,
    rows: BTreeMap<(usize, Resource), Row>,
    plans: BTreeMap<usize, usize>,
    events: BTreeMap<&'a str, Event<'a>>,
    holds: BTreeMap<&'a str, Hold<'a>>,
    leases: BTreeMap<&'a str, Lease<'a>>,
    /// The highest token that was told.
    fencing: i64,
}

/// What a request for one more is told by the limits.
enum Standing {
    /// The nearest account whose entitlement is suspended.
    Denied(usize),
    Levels(Vec<Level>),
}

/// The second at which something ends that is asked for at `at` for so long: none is shorter than
/// it was asked for.
fn expiry(at: Instant, seconds: i64) -> Instant {
    let end = at + seconds * SECOND;
    end + (SECOND - end.rem_euclid(SECOND)) % SECOND
}

/// The first instant that differs in nothing from this one: everything ends at a full second, and
/// what is asked for just after it ends a second later.
fn moment(at: Instant) -> Instant {
    let past = at.rem_euclid(SECOND);
    at - past + past.min(1)
}

/// Whether an id that was told is, or may be, that of what is there.
fn is_named<'a>(kept: &mut Option<&'a str>, told: &'a str) -> bool {
    *kept.get_or_insert(told) == told
}

impl<'a> State<'a> {
    pub(crate) fn of(accounts: &Accounts) -> Self {
        let mut state = Self {
            now: 0,
            used: BTreeMap::new(),
            rows: BTreeMap::new(),
            plans: BTreeMap::new(),
            events: BTreeMap::new(),
            holds: BTreeMap::new(),
            leases: BTreeMap::new(),
            fencing: 0,
        };
        for (account, limits) in accounts.limits.iter().enumerate() {
            state.entitle(account, *limits);
        }
        state
    }

    /// Ends what an account has, and gives it that.
    fn entitle(&mut self, account: usize, limits: Option<Limits>) {
        self.rows.retain(|(at, _), _| *at != account);
        if let Some(Limits { runs, seats }) = limits {
            for (resource, limit) in [(Resource::Runs, runs), (Resource::Seats, seats)] {
                self.rows.insert(
                    (account, resource),
                    Row {
                        limit,
                        is_suspended: false,
                    },
                );
            }
        }
    }

    /// What an account has of a resource at an instant, if it is limited there.
    fn level(
        &self,
        accounts: &Accounts,
        account: usize,
        resource: Resource,
        at: Instant,
    ) -> Option<Level> {
        let limit = self.rows.get(&(account, resource))?.limit;
        let is_below = |of: usize| path(accounts, of).any(|at| at == account);
        let (used, reserved) = match resource {
            Resource::Runs => {
                let holds = self
                    .holds
                    .values()
                    .filter(|hold| hold.settled.is_none() && at < hold.expires);
                let held = holds
                    .filter(|hold| is_below(hold.account))
                    .map(|hold| hold.quantity)
                    .sum();
                (self.used.get(&account).copied().unwrap_or(0), held)
            }
            Resource::Seats => (self.seats_after(accounts, account, at), 0),
        };
        Some(Level {
            account,
            limit,
            used,
            reserved,
        })
    }

    /// The leases that outlast an instant.
    fn seats_after(&self, accounts: &Accounts, account: usize, at: Instant) -> u64 {
        let is_below = |of: usize| path(accounts, of).any(|at| at == account);
        self.leases
            .values()
            .filter(|lease| at < lease.expires && is_below(lease.account))
            .count() as u64
    }

    fn standing(
        &self,
        accounts: &Accounts,
        account: usize,
        resource: Resource,
        at: Instant,
    ) -> Standing {
        let is_suspended = |of: &usize| {
            self.rows
                .get(&(*of, resource))
                .is_some_and(|row| row.is_suspended)
        };
        match path(accounts, account).find(is_suspended) {
            Some(account) => Standing::Denied(account),
            None => {
                let levels =
                    path(accounts, account).filter_map(|of| self.level(accounts, of, resource, at));
                Standing::Levels(levels.collect())
            }
        }
    }

    /// Whether that is told of a limit now.
    fn is_so(&self, accounts: &Accounts, told: &Level, resource: Resource, at: Instant) -> bool {
        self.level(accounts, told.account, resource, at).as_ref() == Some(told)
    }

    fn add(&mut self, accounts: &Accounts, account: usize, more: u64, less: u64) {
        for at in path(accounts, account) {
            let used = self.used.entry(at).or_default();
            *used = (*used + more).saturating_sub(less);
        }
    }

    /// Forgets what nobody asks for any more, and what has expired.
    pub(crate) fn forget(&mut self, names: &[&'a str], is_asked_for: impl Fn(&str) -> bool) {
        let now = self.now;
        self.leases.retain(|_, lease| now < lease.expires);
        for name in names.iter().copied().filter(|name| !is_asked_for(name)) {
            self.events.remove(name);
            // Until it expires it is counted.
            if self
                .holds
                .get(name)
                .is_some_and(|hold| hold.settled.is_some() || hold.expires <= now)
            {
                self.holds.remove(name);
            }
        }
        self.holds.retain(|name, hold| {
            hold.settled.is_none() && now < hold.expires || is_asked_for(name)
        });
    }

    /// Whether all is as it was, but for the time.
    pub(crate) fn is_but_later_than(&self, before: &Self) -> bool {
        Self {
            now: before.now,
            ..self.clone()
        } == *before
    }

    /// Instants from the sending of a call to `last` that differ for it: something ends at each, or
    /// what it asks for does.
    ///
    /// What was not answered may have happened earlier, unnoticed: then what it asked for ends
    /// earlier too.
    pub(crate) fn instants(
        &self,
        call: &Call,
        sent: Instant,
        last: Instant,
        is_answered: bool,
    ) -> Vec<Instant> {
        let earlier = call.seconds().filter(|_| !is_answered).unwrap_or_default() * SECOND;
        let first = sent.max(self.now - earlier);
        let mut instants = vec![first];
        let ends = self
            .holds
            .values()
            .filter(|hold| hold.settled.is_none())
            .map(|hold| hold.expires);
        instants.extend(ends.chain(self.leases.values().map(|lease| lease.expires)));
        if call.seconds().is_some() {
            // Just after a full second the new end is another.
            let seconds = first.div_euclid(SECOND)..=last.div_euclid(SECOND);
            instants.extend(seconds.map(|second| second * SECOND + 1));
        }
        instants.retain(|at| (first..=last).contains(at));
        instants.sort_unstable();
        instants.dedup();
        instants
    }
}

/// An account and those above it.
fn path(accounts: &Accounts, account: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(account), |at| accounts.parents[*at])
}
