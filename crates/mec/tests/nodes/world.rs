//! The accounts that clients use: trees of three levels with limits at each, and what is known of
//! every account's use.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::node::Node;
use crate::request::{Answer, request};

pub(crate) const RUNS: &str = "benchmark_runs";
pub(crate) const SEATS: &str = "concurrent_users";
pub(crate) const GPU: &str = "gpu_hours";
/// The first of them is the one that many want.
const TREES: usize = 4;
const TEAMS: usize = 3;
const USERS_PER_TEAM: usize = 2;
/// By level, from the root down.
const SEATS_ALLOWED: [u64; 3] = [8, 4, 2];
/// How much more may be used until the limits are raised again, by level: each level is the one
/// that binds, somewhere.
const MORE_IN_HOT: [u64; 3] = [240, 110, 70];
const MORE_IN_OTHERS: [u64; 3] = [70, 32, 18];
const PATIENCE: Duration = Duration::from_secs(30);

/// An account, and bounds of its use and its descendants' that hold at every instant.
pub(crate) struct Account {
    pub(crate) id: String,
    entitlement: String,
    /// Itself and its ancestors, the root last.
    pub(crate) path: Vec<usize>,
    pub(crate) tree: usize,
    pub(crate) limit: AtomicU64,
    pub(crate) seats: u64,
    /// What was recorded for sure.
    pub(crate) recorded: AtomicU64,
    /// What may have been recorded: all that was sent, but for what was refused.
    pub(crate) sent: AtomicU64,
    /// The most that anybody was told was used.
    pub(crate) seen: AtomicU64,
    /// Seats that are held for sure.
    pub(crate) held: AtomicU64,
    /// Leases that were asked for, ever, and those of them that hold no seat any more, or never
    /// did.
    pub(crate) asked: AtomicU64,
    pub(crate) ended: AtomicU64,
}

impl Account {
    pub(crate) fn level(&self) -> usize {
        self.path.len() - 1
    }

    /// What must be counted by whoever looks from here on.
    pub(crate) fn used_at_least(&self) -> u64 {
        self.recorded
            .load(Ordering::SeqCst)
            .max(self.seen.load(Ordering::SeqCst))
    }

    pub(crate) fn forget_what_was_seen(&self) {
        self.seen.store(0, Ordering::SeqCst);
    }
}

/// All of them.
pub(crate) struct World {
    pub(crate) accounts: Vec<Account>,
    by_id: BTreeMap<String, usize>,
    /// The accounts at the bottom, by tree.
    pub(crate) users: Vec<Vec<usize>>,
}

impl World {
    /// Makes them by way of a node.
    pub(crate) fn make(node: &Node) -> Self {
        let mut world = Self {
            accounts: vec![],
            by_id: BTreeMap::new(),
            users: vec![],
        };
        for tree in 0..TREES {
            let root = world.grow(node, tree, None);
            let mut users = vec![];
            for _ in 0..TEAMS {
                let team = world.grow(node, tree, Some(root));
                users.extend((0..USERS_PER_TEAM).map(|_| world.grow(node, tree, Some(team))));
            }
            world.users.push(users);
        }
        world
    }

    fn grow(&mut self, node: &Node, tree: usize, parent: Option<usize>) -> usize {
        let at = self.accounts.len();
        let above: &[usize] = parent.map_or(&[], |parent| &self.accounts[parent].path);
        let path: Vec<usize> = std::iter::once(at).chain(above.iter().copied()).collect();
        let level = path.len() - 1;
        let parent = parent.map(|parent| self.accounts[parent].id.clone());
        let made = done(
            node,
            "POST",
            "/api/accounts",
            &json!({"display_name": format!("{at}"), "parent_account_id": parent}),
        );
        let id = text(&made, "account_id");
        // A rolling window as long as this counts everything too, in another way.
        let window = if level == 1 {
            json!("rolling")
        } else {
            json!("lifetime")
        };
        let seconds = if level == 1 {
            json!(30 * 86_400)
        } else {
            Value::Null
        };
        let limit = if tree == 0 {
            MORE_IN_HOT
        } else {
            MORE_IN_OTHERS
        }[level];
        let runs = json!({"account_id": id, "resource_type_code": RUNS, "limit_kind_code": "cumulative",
            "quantity_allowed": limit, "window_type_code": window, "window_seconds": seconds});
        let entitlement = text(
            &done(node, "POST", "/api/entitlements", &runs)[0],
            "entitlement_id",
        );
        let seats = SEATS_ALLOWED[level];
        let lease = json!({"account_id": id, "resource_type_code": SEATS, "limit_kind_code": "concurrency",
            "quantity_allowed": seats});
        done(node, "POST", "/api/entitlements", &lease);
        self.by_id.insert(id.clone(), at);
        let [recorded, sent, seen, held, asked, ended] = std::array::from_fn(|_| AtomicU64::new(0));
        let limit = AtomicU64::new(limit);
        let account = Account {
            id,
            entitlement,
            path,
            tree,
            limit,
            seats,
            recorded,
            sent,
            seen,
            held,
            asked,
            ended,
        };
        self.accounts.push(account);
        at
    }

    /// Counts for an account and its ancestors.
    pub(crate) fn add(
        &self,
        account: usize,
        counter: impl Fn(&Account) -> &AtomicU64,
        quantity: u64,
    ) {
        for at in &self.accounts[account].path {
            counter(&self.accounts[*at]).fetch_add(quantity, Ordering::SeqCst);
        }
    }

    pub(crate) fn of_id(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// Lets every account use more, while nobody uses anything.
    pub(crate) fn raise_limits(&self, node: &Node) {
        let raise = |account: &Account| {
            let more = if account.tree == 0 {
                MORE_IN_HOT
            } else {
                MORE_IN_OTHERS
            }[account.level()];
            let limit = account
                .limit
                .load(Ordering::SeqCst)
                .max(account.recorded.load(Ordering::SeqCst) + more);
            let path = format!(
                "/api/entitlements?entitlement_id=eq.{}",
                account.entitlement
            );
            let changed = done(node, "PATCH", &path, &json!({"quantity_allowed": limit}));
            assert_eq!(changed.as_array().map(Vec::len), Some(1), "{changed}");
            account.limit.store(limit, Ordering::SeqCst);
        };
        thread::scope(|scope| {
            for tree in 0..TREES {
                let accounts = self
                    .accounts
                    .iter()
                    .filter(move |account| account.tree == tree);
                scope.spawn(move || accounts.for_each(raise));
            }
        });
    }
}

/// The answer to a request that cannot fail; while the store is being reached again, it is sent
/// again.
pub(crate) fn done(node: &Node, method: &str, path: &str, body: &Value) -> Value {
    let address = node.address().expect("it runs");
    let mut told = vec![];
    for _ in 0..5 {
        match request(address, method, path, body, PATIENCE) {
            Ok(Answer {
                status: 200 | 201,
                body,
                ..
            }) => return body,
            Ok(Answer {
                status: 503, body, ..
            }) => told.push(body.to_string()),
            other => panic!("{method} {path} {body}: {other:?}"),
        }
    }
    panic!(
        "{method} {path} {body}: {told:?}; it said:\n{}",
        node.said()
    );
}

pub(crate) fn text(row: &Value, column: &str) -> String {
    let row = row.get(0).unwrap_or(row);
    row[column]
        .as_str()
        .unwrap_or_else(|| panic!("no {column} in {row}"))
        .to_owned()
}
