//! The state decisions are made on: a tree of accounts, each with its entitlements, its counters
//! and what is held.
//!
//! A tree is one immutable value with shared nodes; changing it copies the nodes on the way and
//! nothing else, so a published tree can be read while the next one is made. Use is added to every
//! ancestor when it is recorded and never summed downwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;

use crate::catalog::Rule;
use crate::code::{Code, closed_list};
use crate::command::{Halt, Need};
use crate::entitlement::Entitlement;
use crate::id::{AccountId, EntitlementId, TreeId};
use crate::lease::Lease;
use crate::ledger::{Chain, LedgerEvent};
use crate::quantity::{Amount, Quantity};
use crate::reservation::Reservation;
use crate::time::{SECOND, Time};
use crate::window::{Window, oldest_step, step_of};
use crate::write::Write;

/// Levels a tree may have.
pub const LEVELS_MAX: usize = 8;

closed_list! {
    /// Whether an account may use anything.
    AccountStatus {
        Active = "active": "May use what it is entitled to",
        Suspended = "suspended": "Denied, with everything below it, until it is active again",
        Closed = "closed": "Denied for good, with everything below it",
    }
}

/// A customer, a team, a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The account above it; fixed at creation.
    pub parent: Option<AccountId>,
    /// The account at the top of its tree.
    pub root: AccountId,
    /// Its type's code.
    pub account_type: Code,
    /// Its name in another system.
    pub external_id: Option<Code>,
    /// For people.
    pub display_name: Code,
    /// For people.
    pub email: Option<Code>,
    /// Whether it may use anything.
    pub status: AccountStatus,
    /// IANA name; `None` inherits the parent's, at the root UTC.
    pub time_zone: Option<Code>,
    /// Free JSON text.
    pub metadata: Option<Code>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// A plan or an add-on an account has, had, or will have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPlan {
    /// Who.
    pub account: AccountId,
    /// Which plan.
    pub plan: Code,
    /// The add-on's name where it was bought (a subscription item); empty for a plan.
    pub reference: Code,
    /// The plan's version its rows came from.
    pub version: i32,
    /// Seats.
    pub quantity: Quantity,
    /// Where billing windows are counted from; kept over a plan change.
    pub anchor: Time,
    /// First instant.
    pub starts_at: Time,
    /// First instant after it; `None` while nothing ends it.
    pub ends_at: Option<Time>,
    /// Where it ends by itself; `ends_at` is sooner where another plan is to replace it.
    pub own_end: Option<Time>,
    /// Added to a plan instead of being one.
    pub is_addon: bool,
    /// The tree's one trial.
    pub is_trial: bool,
}

impl AccountPlan {
    /// Whether it is in force at `now`.
    pub fn is_current(&self, now: Time) -> bool {
        self.starts_at <= now && !self.is_over(now)
    }

    /// Whether it was taken back before it began.
    pub fn never_begins(&self) -> bool {
        self.ends_at.is_some_and(|end| end <= self.starts_at)
    }

    /// Whether `other` is this one as it was or will be.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.account, &self.plan, &self.reference, self.starts_at)
            == (
                other.account,
                &other.plan,
                &other.reference,
                other.starts_at,
            )
    }

    /// Whether it has ended.
    pub fn is_over(&self, now: Time) -> bool {
        self.ends_at.is_some_and(|end| end <= now)
    }
}

/// Which counter: a resource, all of it or one scope, over one window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowKey {
    /// What is counted.
    pub resource: Code,
    /// One part of it; `None` counts every part.
    pub scope: Option<Code>,
    /// Over which window.
    pub window: Window,
}

/// A window's total: an account's use and its descendants'.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowTotal {
    /// Use of the account and everything below it; zero for a rolling window, whose use is in its
    /// steps.
    pub used: Amount,
    /// Use of the account itself; zero for a rolling window.
    pub own: Amount,
    /// Use of the account and everything below it per step of a rolling window; empty for others.
    pub steps: BTreeMap<i64, Amount>,
    /// Open reservations of the account and everything below it, by expiry.
    pub held: Expiries,
    /// Since when use is above the limit: where a grace period runs from.
    pub over_since: Option<Time>,
    /// Overage accrued in it, net of what corrections took back.
    pub overage: Amount,
}

impl WindowTotal {
    /// What counts at `now`.
    pub fn used_at(&self, window: Window, now: Time) -> Amount {
        match window {
            Window::Fixed { .. } => self.used,
            Window::Rolling { seconds } => self
                .steps
                .range(oldest_step(now, seconds)..)
                .fold(Amount::ZERO, |sum, (_, amount)| sum.plus(*amount)),
        }
    }

    /// Adds use that happened at `at`.
    pub fn add(&mut self, window: Window, at: Time, now: Time, amount: Amount, is_own: bool) {
        if let Window::Rolling { seconds } = window {
            let oldest = oldest_step(now, seconds);
            self.steps.retain(|step, _| *step >= oldest);
            let step = step_of(at, seconds);
            if step < oldest {
                return;
            }
            let sum = self.steps.entry(step).or_default();
            *sum = sum.plus(amount);
            return;
        }
        self.used = self.used.plus(amount);
        if is_own {
            self.own = self.own.plus(amount);
        }
    }
}

/// Amounts that lapse by themselves, per full second of expiry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiries {
    total: Amount,
    by_second: BTreeMap<i64, Amount>,
}

impl Expiries {
    /// What has not lapsed at `now`: an amount counts while `now < expires_at`.
    pub fn live(&self, now: Time) -> Amount {
        let last = now.micros().div_euclid(SECOND);
        self.by_second
            .range(..=last)
            .fold(self.total, |sum, (_, amount)| sum.minus(*amount))
    }

    /// The instants after `now` at which something lapses, the next one first.
    pub fn expiries(&self, now: Time) -> impl Iterator<Item = Time> {
        let last = now.micros().div_euclid(SECOND);
        self.by_second
            .range(last.saturating_add(1)..)
            .map(|(second, _)| Time::from_micros(second.saturating_mul(SECOND)))
    }

    /// Adds an amount that lapses at `expires_at` (a full second), and forgets what has lapsed by
    /// `now`.
    pub fn add(&mut self, expires_at: Time, amount: Amount, now: Time) {
        let last = now.micros().div_euclid(SECOND);
        while let Some(entry) = self.by_second.first_entry() {
            if *entry.key() > last {
                break;
            }
            self.total = self.total.minus(entry.remove());
        }
        if expires_at > now {
            let entry = self
                .by_second
                .entry(expires_at.micros().div_euclid(SECOND))
                .or_default();
            *entry = entry.plus(amount);
            self.total = self.total.plus(amount);
            if *entry == Amount::ZERO {
                self.by_second
                    .remove(&expires_at.micros().div_euclid(SECOND));
            }
        }
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.by_second.is_empty()
    }

    /// How many seconds are kept apart: for the cache's accounting.
    pub fn len(&self) -> usize {
        self.by_second.len()
    }
}

/// One account with everything a decision needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The account.
    pub account: Account,
    /// Its entitlements, oldest first, expired ones too.
    pub entitlements: Vec<Arc<Entitlement>>,
    /// Its plan, add-ons, what is scheduled and what was.
    pub plans: Vec<Arc<AccountPlan>>,
    /// The rules that name it.
    pub rules: Vec<Arc<Rule>>,
    /// Its counters.
    pub windows: BTreeMap<WindowKey, WindowTotal>,
    /// Live leases of the account and everything below it; scope `None` counts every scope.
    pub seats: BTreeMap<(Code, Option<Code>), Expiries>,
}

impl Node {
    /// The first instant after `now` at which something of `resource` begins or ends by itself.
    fn next_end(&self, resource: &Code, now: Time) -> Option<Time> {
        let seats = self
            .seats
            .iter()
            .filter(|((of, _), _)| of == resource)
            .filter_map(|(_, seats)| seats.expiries(now).next());
        let windows = self
            .windows
            .iter()
            .filter(|(key, _)| key.resource == *resource);
        let counted =
            windows.flat_map(|(key, total)| [key.window.end(), total.held.expiries(now).next()]);
        let rows = self
            .entitlements
            .iter()
            .filter(|row| row.resource == *resource);
        let bounds = rows.flat_map(|row| {
            let (start, end) = row.window.period.unzip();
            [Some(row.valid_from), row.valid_until, start, end]
        });
        seats
            .chain(counted.chain(bounds).flatten())
            .filter(|end| *end > now)
            .min()
    }

    /// An account that has nothing yet.
    pub fn new(account: Account) -> Self {
        Self {
            account,
            entitlements: vec![],
            plans: vec![],
            rules: vec![],
            windows: BTreeMap::new(),
            seats: BTreeMap::new(),
        }
    }

    /// Its plan at `at`. A plan that was given from a past instant on replaces from there on what
    /// the account had then.
    pub fn current_plan(&self, at: Time) -> Option<&AccountPlan> {
        let plans = self
            .plans
            .iter()
            .map(Arc::as_ref)
            .filter(|plan| !plan.is_addon && plan.is_current(at));
        plans.max_by_key(|plan| (plan.starts_at, plan.ends_at.is_none(), plan.ends_at))
    }

    /// Live leases of a resource, all of it or one scope.
    pub fn seats_of(&self, resource: &Code, scope: Option<&Code>) -> Option<&Expiries> {
        self.seats.get(&(resource.clone(), scope.cloned()))
    }

    /// Roughly how many bytes it takes: for the cache's bound.
    pub fn size_bytes(&self) -> usize {
        let seats: usize = self.seats.values().map(Expiries::len).sum();
        let steps: usize = self
            .windows
            .values()
            .map(|total| total.steps.len().saturating_add(total.held.len()))
            .sum();
        let rows = self
            .entitlements
            .len()
            .saturating_mul(size_of::<Entitlement>());
        let windows = self
            .windows
            .len()
            .saturating_mul(size_of::<(WindowKey, WindowTotal)>());
        size_of::<Self>()
            .saturating_add(rows)
            .saturating_add(windows)
            .saturating_add(self.plans.len().saturating_mul(size_of::<AccountPlan>()))
            .saturating_add(seats.saturating_add(steps).saturating_mul(48))
    }
}

/// The row that is locked: what a batch of one tree continues from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The tree.
    pub tree: TreeId,
    /// Raised by every batch.
    pub version: i64,
    /// Random per batch: tells whose batch was the last one.
    pub stamp: i64,
    /// The last batch's `now`.
    pub last_at: Time,
    /// The next event's `tree_seq`.
    pub next_seq: i64,
    /// The next lease's fencing token.
    pub next_token: i64,
    /// The last event's link.
    pub chain: Chain,
}

impl Head {
    /// A tree in which nothing has happened.
    pub const fn new(tree: TreeId) -> Self {
        Self {
            tree,
            version: 0,
            stamp: 0,
            last_at: Time::from_micros(0),
            next_seq: 1,
            next_token: 1,
            chain: [0; 16],
        }
    }
}

/// All of a tree that has been looked at so far. Cloning it copies two pointers and the head.
#[derive(Clone, Debug)]
pub struct Tree {
    /// What the next batch continues from.
    pub head: Head,
    nodes: RedBlackTreeMapSync<AccountId, Arc<Node>>,
    /// Of the nodes together, kept as they change: a tree may have very many.
    bytes: usize,
}

impl Tree {
    /// A tree none of whose accounts has been loaded.
    pub fn new(head: Head) -> Self {
        Self {
            head,
            nodes: RedBlackTreeMapSync::new_sync(),
            bytes: 0,
        }
    }

    /// The account `id`, where it has been loaded.
    pub fn get(&self, id: AccountId) -> Option<&Arc<Node>> {
        self.nodes.get(&id)
    }

    /// The account `id`, or the need for it.
    pub fn node(&self, id: AccountId) -> Result<&Arc<Node>, Halt> {
        self.nodes.get(&id).ok_or(Halt::Need(Need::Account(id)))
    }

    /// The account and its ancestors, nearest first.
    pub fn path(&self, id: AccountId) -> Result<Vec<&Arc<Node>>, Halt> {
        let mut path = Vec::with_capacity(2);
        let mut next = Some(id);
        while let Some(id) = next {
            let node = self.node(id)?;
            path.push(node);
            next = node.account.parent.filter(|_| path.len() < LEVELS_MAX);
        }
        Ok(path)
    }

    /// Puts a loaded account in.
    pub fn insert(&mut self, node: Node) {
        let before = self
            .nodes
            .get(&node.account.id)
            .map_or(0, |node| node.size_bytes());
        self.bytes = self
            .bytes
            .saturating_sub(before)
            .saturating_add(node.size_bytes());
        self.nodes.insert_mut(node.account.id, Arc::new(node));
    }

    /// Every loaded account.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    /// The first instant after `now` at which something ends that `write` was decided on: a lease
    /// or a hold, a row, a window. Decided there it might be another. (What slides all the time, a
    /// rolling window, has no such instant.)
    pub fn decided_until(&self, write: &Write, now: Time) -> Option<Time> {
        let (account, resource) = write.decided_for()?;
        let path = self.path(account).unwrap_or_default();
        let of_path = path
            .into_iter()
            .filter_map(|node| node.next_end(resource, now));
        of_path
            .chain(
                write
                    .own_ends()
                    .into_iter()
                    .flatten()
                    .filter(|end| *end > now),
            )
            .min()
    }

    /// Roughly how many bytes it takes: for the cache's bound.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(self.bytes)
    }

    fn change(&mut self, id: AccountId, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(&id) {
            let before = node.size_bytes();
            change(Arc::make_mut(node));
            self.bytes = self
                .bytes
                .saturating_sub(before)
                .saturating_add(node.size_bytes());
        }
    }

    /// The state after `write`. Accounts that are not loaded need no change: they will be read as
    /// the write left them.
    pub fn apply(&mut self, write: &Write, now: Time) {
        match write {
            Write::Account(account) => {
                if self.nodes.contains_key(&account.id) {
                    self.change(account.id, |node| node.account = account.clone());
                } else {
                    self.insert(Node::new(account.clone()));
                }
            }
            Write::Entitlement { row, .. } => self.change(row.account, |node| {
                put_entitlement(&mut node.entitlements, row)
            }),
            Write::AccountPlan(plan) => self.change(plan.account, |node| {
                match node.plans.iter_mut().find(|other| other.is_same(plan)) {
                    Some(slot) => *slot = plan.clone(),
                    None => node.plans.push(plan.clone()),
                }
            }),
            Write::Rule(rule) => {
                if let Some(account) = rule.account {
                    self.change(account, |node| {
                        node.rules.retain(|other| other.id != rule.id);
                        node.rules.push(rule.clone());
                    });
                }
            }
            Write::RemoveRule { account, rule } => {
                if let Some(account) = account {
                    self.change(*account, |node| {
                        node.rules.retain(|other| other.id != *rule)
                    });
                }
            }
            Write::Event { event, path } => self.apply_event(event, path, now),
            Write::Lease { old, new, path } => self.apply_lease(old.as_deref(), new, path, now),
            Write::Reservation { old, new, path } => {
                self.apply_reservation(old.as_deref(), new, path, now)
            }
            Write::Mark {
                account,
                key,
                over_since,
            } => self.change(*account, |node| {
                node.windows.entry(key.clone()).or_default().over_since = *over_since;
            }),
            Write::Window {
                account,
                key,
                total,
            } => self.change(*account, |node| {
                node.windows.insert(key.clone(), total.clone());
            }),
        }
    }

    /// The counters `write` moved, as they are now: what a commit has to write.
    pub fn moved_by<'a>(
        &'a self,
        write: &'a Write,
    ) -> Vec<(AccountId, &'a WindowKey, &'a WindowTotal)> {
        match write {
            Write::Event { event, path } => {
                let nodes = path.iter().filter_map(|id| self.nodes.get(id));
                let moved = nodes.flat_map(|node| {
                    let of_event = move |(key, _): &(&WindowKey, &WindowTotal)| {
                        key.resource == event.resource
                            && (key.scope.is_none() || key.scope == event.scope)
                            && key.window.holds(event.occurred_at)
                    };
                    node.windows
                        .iter()
                        .filter(of_event)
                        .map(|(key, total)| (node.account.id, key, total))
                });
                moved.collect()
            }
            Write::Mark { account, key, .. } | Write::Window { account, key, .. } => {
                let node = self.nodes.get(account);
                let entry = node.and_then(|node| node.windows.get_key_value(key));
                entry
                    .map(|(key, total)| (*account, key, total))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn apply_event(&mut self, event: &LedgerEvent, path: &[AccountId], now: Time) {
        self.head.next_seq = event.tree_seq.saturating_add(1);
        self.head.chain = event.chain;
        for id in path {
            self.change(*id, |node| {
                // Where late use was counted in a window that is over, more of it may follow; else
                // they are not kept.
                let mut over = node
                    .windows
                    .keys()
                    .filter(|key| key.window.is_over(now))
                    .peekable();
                if over.peek().is_some() && !over.any(|key| key.window.holds(event.occurred_at)) {
                    node.windows.retain(|key, _| !key.window.is_over(now));
                }
                for (key, total) in
                    windows_of(&mut node.windows, &event.resource, event.scope.as_ref())
                {
                    if key.window.holds(event.occurred_at) {
                        total.add(
                            key.window,
                            event.occurred_at,
                            now,
                            event.amount,
                            *id == event.account,
                        );
                    }
                }
            });
        }
        for effect in &event.effects {
            self.change(effect.account, |node| {
                if let Some(total) = node.windows.get_mut(&effect.key) {
                    total.overage = total.overage.plus(effect.overage);
                }
            });
        }
    }

    fn apply_lease(&mut self, old: Option<&Lease>, new: &Lease, path: &[AccountId], now: Time) {
        self.head.next_token = self
            .head
            .next_token
            .max(new.fencing_token.saturating_add(1));
        let scopes = std::iter::once(None).chain(new.scope.clone().map(Some));
        let keys: Vec<_> = scopes.map(|scope| (new.resource.clone(), scope)).collect();
        for id in path {
            self.change(*id, |node| {
                for key in &keys {
                    let seats = node.seats.entry(key.clone()).or_default();
                    if let Some(old) = old.filter(|old| old.released_at.is_none()) {
                        seats.add(old.expires_at, old.amount.negated(), now);
                    }
                    if new.released_at.is_none() {
                        seats.add(new.expires_at, new.amount, now);
                    }
                    if seats.is_empty() {
                        node.seats.remove(key);
                    }
                }
            });
        }
    }

    fn apply_reservation(
        &mut self,
        old: Option<&Reservation>,
        new: &Reservation,
        path: &[AccountId],
        now: Time,
    ) {
        for id in path {
            self.change(*id, |node| {
                for (key, total) in windows_of(&mut node.windows, &new.resource, new.scope.as_ref())
                {
                    if key.window.holds(new.reserved_at) {
                        if let Some(old) = old.filter(|old| old.is_open()) {
                            total.held.add(old.expires_at, old.amount.negated(), now);
                        }
                        if new.is_open() {
                            total.held.add(new.expires_at, new.amount, now);
                        }
                    }
                }
            });
        }
    }
}

/// The counters an event of this resource and scope moves: those of its scope and those of every
/// scope.
fn windows_of<'a>(
    windows: &'a mut BTreeMap<WindowKey, WindowTotal>,
    resource: &'a Code,
    scope: Option<&'a Code>,
) -> impl Iterator<Item = (&'a WindowKey, &'a mut WindowTotal)> {
    let from = WindowKey {
        resource: resource.clone(),
        scope: None,
        window: Window::Fixed {
            start: Time::BEGINNING,
            end: Time::BEGINNING,
        },
    };
    windows
        .range_mut(from..)
        .take_while(move |(key, _)| key.resource == *resource)
        .filter(move |(key, _)| key.scope.is_none() || key.scope.as_ref() == scope)
}

fn put_entitlement(rows: &mut Vec<Arc<Entitlement>>, row: &Arc<Entitlement>) {
    match rows.binary_search_by_key(&row.id, |other: &Arc<Entitlement>| -> EntitlementId {
        other.id
    }) {
        Ok(at) => {
            if let Some(slot) = rows.get_mut(at) {
                *slot = row.clone();
            }
        }
        Err(at) => rows.insert(at, row.clone()),
    }
}
