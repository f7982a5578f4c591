//! What a tree of accounts does, as naive as can be: every sum is taken anew for every call. It
//! knows nothing of the program.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A microsecond of the machine's clock.
pub(crate) type Instant = i64;
pub(crate) const SECOND: Instant = 1_000_000;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub(crate) enum Resource {
    /// Counted in the ledger, held by reservations.
    Runs,
    /// Taken by leases.
    Seats,
}

/// The limits of an account or a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    pub(crate) runs: u64,
    pub(crate) seats: u64,
}

/// Accounts as the model knows them: by their places, a parent before its children.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) parents: Vec<Option<usize>>,
    /// What each has by hand before anything happens.
    pub(crate) limits: Vec<Option<Limits>>,
    pub(crate) plans: Vec<Limits>,
}

/// Entitlements of an account: one for each resource.
const OF_A_PLAN: u64 = 2;

/// What a client asked for. Names are the clients' own: idempotency keys, and session tokens for
/// leases.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub(crate) enum Call {
    Consume {
        key: String,
        account: usize,
        quantity: u64,
    },
    /// For one more.
    Check {
        account: usize,
        resource: Resource,
    },
    Reserve {
        key: String,
        account: usize,
        quantity: u64,
        seconds: i64,
    },
    /// With 0 it gives the hold back.
    Settle {
        key: String,
        quantity: u64,
    },
    GiveBack {
        key: String,
    },
    /// The amount of an event is put right.
    Correct {
        key: String,
        event: String,
        quantity: u64,
    },
    Acquire {
        session: String,
        account: usize,
        seconds: i64,
    },
    Renew {
        session: String,
        seconds: i64,
    },
    Release {
        session: String,
    },
    Limit {
        account: usize,
        resource: Resource,
        limit: u64,
    },
    Suspend {
        account: usize,
        resource: Resource,
        is_suspended: bool,
    },
    Provision {
        account: usize,
        plan: usize,
    },
    Cancel {
        account: usize,
        plan: usize,
    },
}

/// What is told of one account's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub(crate) struct Level {
    pub(crate) account: usize,
    pub(crate) limit: u64,
    pub(crate) used: u64,
    pub(crate) reserved: u64,
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub(crate) enum Answer {
    /// Nothing, or that nobody knows.
    Unknown,
    /// Recorded under this id; what the limit that binds has then. A repeat is not told that while
    /// it would be denied.
    Recorded {
        id: String,
        level: Option<Level>,
    },
    /// The event of a settlement or a correction.
    Event(String),
    /// A limit is reached.
    Refused(Level),
    /// An entitlement is suspended: whose, and until when the lease lives that was not renewed,
    /// where that is told.
    Denied {
        account: Option<usize>,
        kept: Option<Instant>,
    },
    Checked {
        levels: Vec<Level>,
        is_allowed: bool,
    },
    Held {
        id: String,
        expires: Instant,
        is_held: bool,
        level: Option<Level>,
    },
    /// The hold was settled with another amount, or given back.
    Closed,
    /// It is done, and there is no more to say.
    Done,
    /// So many entitlements were given or have ended.
    Changed(u64),
    Leased {
        id: String,
        fencing: Option<i64>,
        expires: Instant,
    },
    /// No seat; until when the lease lives that was not renewed.
    Full {
        kept: Option<Instant>,
    },
    /// The lease has expired or was released.
    Over,
    Released(bool),
}

impl Call {
    /// The names it uses.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Consume { key, .. }
            | Self::Reserve { key, .. }
            | Self::Settle { key, .. }
            | Self::GiveBack { key } => {
                vec![key]
            }
            Self::Correct { key, event, .. } => {
                vec![key, event.strip_prefix(SETTLED).unwrap_or(event)]
            }
            Self::Acquire { session, .. }
            | Self::Renew { session, .. }
            | Self::Release { session } => vec![session],
            Self::Check { .. }
            | Self::Limit { .. }
            | Self::Suspend { .. }
            | Self::Provision { .. }
            | Self::Cancel { .. } => {
                vec![]
            }
        }
    }

    /// Whether it can change something after another call although it changes nothing before it.
    pub(crate) fn sets(&self) -> bool {
        matches!(
            self,
            Self::Limit { .. } | Self::Suspend { .. } | Self::Provision { .. }
        )
    }

    /// For how long it asks for something that expires.
    fn seconds(&self) -> Option<i64> {
        match self {
            Self::Reserve { seconds, .. }
            | Self::Acquire { seconds, .. }
            | Self::Renew { seconds, .. } => Some(*seconds),
            _ => None,
        }
    }
}

/// Before the key of a hold: the name of the event that settled it.
pub(crate) const SETTLED: &str = "settled ";

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

impl Level {
    fn fits(&self, quantity: u64) -> bool {
        self.used + self.reserved + quantity <= self.limit
    }
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

    /// What a call does at an instant, if its answer is right then.
    pub(crate) fn after(
        &self,
        accounts: &Accounts,
        call: &'a Call,
        answer: &'a Answer,
        at: Instant,
    ) -> Option<Self> {
        let mut next = self.clone();
        if !matches!(call, Call::Check { .. }) {
            next.now = moment(at.max(self.now));
        }
        let is_unknown = *answer == Answer::Unknown;
        let fits = match call {
            Call::Consume {
                key,
                account,
                quantity,
            } => next.consume(accounts, key, (*account, *quantity), answer),
            Call::Check { account, resource } => {
                match self.standing(accounts, *account, *resource, at) {
                    Standing::Denied(by) => {
                        is_unknown
                            || *answer
                                == Answer::Denied {
                                    account: Some(by),
                                    kept: None,
                                }
                    }
                    Standing::Levels(levels) => {
                        let is_allowed = levels.iter().all(|level| level.fits(1));
                        is_unknown || *answer == Answer::Checked { levels, is_allowed }
                    }
                }
            }
            Call::Reserve {
                key,
                account,
                quantity,
                seconds,
            } => next.reserve(
                accounts,
                key,
                (*account, *quantity),
                expiry(at, *seconds),
                answer,
            ),
            Call::Settle { key, quantity } => next.settle(accounts, key, *quantity, answer),
            Call::GiveBack { key } => {
                let hold = next
                    .holds
                    .get_mut(key.as_str())
                    .filter(|hold| hold.settled.is_none() && at < hold.expires);
                let is_given = hold.is_some_and(|hold| {
                    hold.settled = Some(Event {
                        id: None,
                        account: hold.account,
                        quantity: 0,
                    });
                    true
                });
                is_unknown || *answer == Answer::Released(is_given)
            }
            Call::Correct {
                key,
                event,
                quantity,
            } => next.correct(accounts, key, event, *quantity, answer),
            Call::Acquire {
                session,
                account,
                seconds,
            } => next.acquire(accounts, session, *account, expiry(at, *seconds), answer),
            Call::Renew { session, seconds } => match next
                .leases
                .get(session.as_str())
                .filter(|lease| at < lease.expires)
            {
                None => matches!(answer, Answer::Unknown | Answer::Over),
                Some(_) => next.extend(accounts, session, expiry(at, *seconds), answer, true),
            },
            Call::Release { session } => {
                let was_live = next
                    .leases
                    .remove(session.as_str())
                    .is_some_and(|lease| at < lease.expires);
                is_unknown || *answer == Answer::Released(was_live)
            }
            Call::Limit {
                account,
                resource,
                limit,
            } => {
                next.rows.get_mut(&(*account, *resource))?.limit = *limit;
                matches!(answer, Answer::Unknown | Answer::Done)
            }
            Call::Suspend {
                account,
                resource,
                is_suspended,
            } => {
                next.rows.get_mut(&(*account, *resource))?.is_suspended = *is_suspended;
                matches!(answer, Answer::Unknown | Answer::Done)
            }
            Call::Provision { account, plan } => {
                if next.plans.insert(*account, *plan) != Some(*plan) {
                    next.entitle(*account, Some(accounts.plans[*plan]));
                }
                is_unknown || *answer == Answer::Changed(OF_A_PLAN)
            }
            Call::Cancel { account, plan } => {
                let has_it = next.plans.get(account) == Some(plan);
                if has_it {
                    next.plans.remove(account);
                    next.entitle(*account, None);
                }
                is_unknown || *answer == Answer::Changed(if has_it { OF_A_PLAN } else { 0 })
            }
        };
        fits.then_some(next)
    }

    /// Whether what a repeat is told of the limits is so.
    fn is_told_again(&self, accounts: &Accounts, account: usize, told: Option<&Level>) -> bool {
        match self.standing(accounts, account, Resource::Runs, self.now) {
            Standing::Denied(_) => told.is_none(),
            Standing::Levels(_) => {
                told.is_some_and(|told| self.is_so(accounts, told, Resource::Runs, self.now))
            }
        }
    }

    /// Whether so much may be used; else whether the answer is that.
    fn is_let_through(
        &self,
        accounts: &Accounts,
        account: usize,
        quantity: u64,
        answer: &Answer,
    ) -> Result<(), bool> {
        let is_unknown = *answer == Answer::Unknown;
        match self.standing(accounts, account, Resource::Runs, self.now) {
            Standing::Denied(by) => Err(is_unknown
                || *answer
                    == Answer::Denied {
                        account: Some(by),
                        kept: None,
                    }),
            Standing::Levels(levels) if levels.iter().all(|level| level.fits(quantity)) => Ok(()),
            Standing::Levels(levels) => {
                let binds = |told: &Level| !told.fits(quantity) && levels.contains(told);
                Err(is_unknown || matches!(answer, Answer::Refused(told) if binds(told)))
            }
        }
    }

    fn consume(
        &mut self,
        accounts: &Accounts,
        key: &'a str,
        (account, quantity): (usize, u64),
        answer: &'a Answer,
    ) -> bool {
        if let Some(event) = self.events.get_mut(key) {
            return match answer {
                Answer::Recorded { id, level } => {
                    is_named(&mut event.id, id)
                        && self.is_told_again(accounts, account, level.as_ref())
                }
                _ => *answer == Answer::Unknown,
            };
        }
        if let Err(is_told) = self.is_let_through(accounts, account, quantity, answer) {
            return is_told;
        }
        self.add(accounts, account, quantity, 0);
        let id = match answer {
            Answer::Recorded {
                id,
                level: Some(level),
            } if self.is_so(accounts, level, Resource::Runs, self.now) => Some(id.as_str()),
            Answer::Unknown => None,
            _ => return false,
        };
        self.events.insert(
            key,
            Event {
                id,
                account,
                quantity,
            },
        );
        true
    }

    fn reserve(
        &mut self,
        accounts: &Accounts,
        key: &'a str,
        (account, quantity): (usize, u64),
        expires: Instant,
        answer: &'a Answer,
    ) -> bool {
        if let Some(hold) = self.holds.get_mut(key) {
            let holds = hold.settled.is_none() && self.now < hold.expires;
            return match answer {
                Answer::Held {
                    id,
                    expires: told,
                    is_held,
                    level,
                } => {
                    (*told, *is_held) == (hold.expires, holds)
                        && is_named(&mut hold.id, id)
                        && self.is_told_again(accounts, account, level.as_ref())
                }
                _ => *answer == Answer::Unknown,
            };
        }
        if let Err(is_told) = self.is_let_through(accounts, account, quantity, answer) {
            return is_told;
        }
        self.holds.insert(
            key,
            Hold {
                id: None,
                account,
                quantity,
                expires,
                settled: None,
            },
        );
        match answer {
            Answer::Held {
                id,
                expires: told,
                is_held: true,
                level: Some(level),
            } => {
                self.holds
                    .entry(key)
                    .and_modify(|hold| hold.id = Some(id.as_str()));
                *told == expires && self.is_so(accounts, level, Resource::Runs, self.now)
            }
            _ => *answer == Answer::Unknown,
        }
    }

    fn settle(
        &mut self,
        accounts: &Accounts,
        key: &'a str,
        quantity: u64,
        answer: &'a Answer,
    ) -> bool {
        let Some(hold) = self.holds.get_mut(key) else {
            return *answer == Answer::Unknown;
        };
        if let Some(event) = &mut hold.settled {
            return match answer {
                Answer::Event(id) => {
                    event.quantity == quantity && quantity > 0 && is_named(&mut event.id, id)
                }
                Answer::Done => (event.quantity, quantity) == (0, 0),
                Answer::Closed => event.quantity != quantity,
                _ => *answer == Answer::Unknown,
            };
        }
        let id = match answer {
            Answer::Event(id) if quantity > 0 => Some(id.as_str()),
            Answer::Done if quantity == 0 => None,
            Answer::Unknown => None,
            _ => return false,
        };
        let account = hold.account;
        hold.settled = Some(Event {
            id,
            account,
            quantity,
        });
        self.add(accounts, account, quantity, 0);
        true
    }

    fn correct(
        &mut self,
        accounts: &Accounts,
        key: &'a str,
        event: &str,
        quantity: u64,
        answer: &'a Answer,
    ) -> bool {
        if let Some(correction) = self.events.get_mut(key) {
            return match answer {
                Answer::Event(id) => is_named(&mut correction.id, id),
                _ => *answer == Answer::Unknown,
            };
        }
        // What settled a hold stays as it was told: settling again goes by the amount it was
        // settled with.
        let corrected = match event.strip_prefix(SETTLED) {
            Some(hold) => self.holds.get(hold).and_then(|hold| hold.settled.as_ref()),
            None => self.events.get(event),
        };
        let Some(Event {
            account,
            quantity: before,
            ..
        }) = corrected.cloned()
        else {
            return *answer == Answer::Unknown;
        };
        self.add(accounts, account, quantity, before);
        let id = match answer {
            Answer::Event(id) => Some(id.as_str()),
            Answer::Unknown => None,
            _ => return false,
        };
        self.events.insert(
            key,
            Event {
                id,
                account,
                quantity,
            },
        );
        true
    }

    fn acquire(
        &mut self,
        accounts: &Accounts,
        session: &'a str,
        account: usize,
        expires: Instant,
        answer: &'a Answer,
    ) -> bool {
        if self
            .leases
            .get(session)
            .is_some_and(|lease| self.now < lease.expires)
        {
            return self.extend(accounts, session, expires, answer, false);
        }
        let is_unknown = *answer == Answer::Unknown;
        match self.standing(accounts, account, Resource::Seats, self.now) {
            Standing::Denied(_) => {
                return is_unknown
                    || *answer
                        == Answer::Denied {
                            account: None,
                            kept: None,
                        };
            }
            Standing::Levels(levels) if levels.iter().all(|level| level.fits(1)) => {}
            Standing::Levels(_) => return is_unknown || *answer == Answer::Full { kept: None },
        }
        let mut lease = Lease {
            id: None,
            account,
            fencing: None,
            expires,
        };
        let fits = match answer {
            Answer::Leased {
                id,
                fencing: Some(fencing),
                expires: told,
            } => {
                (lease.id, lease.fencing) = (Some(id.as_str()), Some(*fencing));
                let is_newer = *fencing > self.fencing;
                self.fencing = *fencing;
                *told == expires && is_newer
            }
            _ => is_unknown,
        };
        self.leases.insert(session, lease);
        fits
    }

    /// A live lease is extended if its seat is free of those that outlast it.
    fn extend(
        &mut self,
        accounts: &Accounts,
        session: &str,
        wanted: Instant,
        answer: &'a Answer,
        is_kept_told: bool,
    ) -> bool {
        let Some(lease) = self.leases.get(session) else {
            return false;
        };
        let (now, expires, account) = (self.now, lease.expires, lease.account);
        let kept = is_kept_told.then_some(expires);
        let is_unknown = *answer == Answer::Unknown;
        match self.standing(accounts, account, Resource::Seats, now) {
            Standing::Denied(_) => {
                return is_unknown
                    || *answer
                        == Answer::Denied {
                            account: None,
                            kept,
                        };
            }
            Standing::Levels(levels) => {
                let fits = |level: &Level| {
                    self.seats_after(accounts, level.account, expires) < level.limit
                };
                if !levels.iter().all(fits) {
                    return is_unknown || *answer == Answer::Full { kept };
                }
            }
        }
        let Some(lease) = self.leases.get_mut(session) else {
            return false;
        };
        lease.expires = expires.max(wanted);
        match answer {
            Answer::Leased {
                id,
                fencing,
                expires,
            } => {
                self.fencing = self.fencing.max(fencing.unwrap_or_default());
                let is_same_token =
                    fencing.is_none_or(|told| *lease.fencing.get_or_insert(told) == told);
                *expires == lease.expires && is_same_token && is_named(&mut lease.id, id)
            }
            _ => is_unknown,
        }
    }
}

/// An account and those above it.
fn path(accounts: &Accounts, account: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(account), |at| accounts.parents[*at])
}
