//! The state decisions are made on: a tree of accounts, each with its entitlements, its counters
//! and what is held.
//!
//! A tree is one immutable value with shared nodes; changing it copies the nodes on the way and
//! nothing else, so a published tree can be read while the next one is made. Use is added to every
//! ancestor when it is recorded and never summed downwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;

use crate::account::LEVELS_MAX;
use crate::code::Code;
use crate::counter::{WindowKey, WindowTotal};
use crate::entitlement::Entitlement;
use crate::id::{AccountId, EntitlementId, TreeId};
use crate::lease::Lease;
use crate::ledger::{Chain, LedgerEvent};
use crate::node::Node;
use crate::reservation::Reservation;
use crate::time::Time;
use crate::window::Window;
use crate::write::Write;

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

/// This account of a tree has not been loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLoaded(pub AccountId);

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

    /// The account `id`, or that it has not been loaded.
    pub fn node(&self, id: AccountId) -> Result<&Arc<Node>, NotLoaded> {
        self.nodes.get(&id).ok_or(NotLoaded(id))
    }

    /// The account and its ancestors, nearest first.
    pub fn path(&self, id: AccountId) -> Result<Vec<&Arc<Node>>, NotLoaded> {
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
