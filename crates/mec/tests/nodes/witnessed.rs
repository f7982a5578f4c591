//! The trees of the witnesses, what was told of each, and its judgement.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use serde_json::{Value, json};

use crate::judge::{Attempt, judge};
use crate::model::{Accounts, Answer, Call, Limits, Resource};
use crate::node::Node;
use crate::world::{RUNS, SEATS, done, text};

/// So many trees are in use at once.
pub(crate) const TREES: usize = 3;
/// A tree that was asked so often is left for a new one, so that every history is short enough to
/// be judged.
const LIFE: usize = 100;
/// So many trees wait for those who leave theirs: more than they need until there are new ones.
const SPARE: usize = 15;
/// Accounts whose entitlements are made by hand: the root, and a team below it.
pub(crate) const BY_HAND: [usize; 2] = [0, 1];
/// A team below the root that has what its plan gives it.
pub(crate) const WITH_PLANS: usize = 2;
const FIRST: [Option<Limits>; 3] = [
    Some(Limits { runs: 14, seats: 4 }),
    Some(Limits { runs: 9, seats: 3 }),
    None,
];
pub(crate) const PLANS: [Limits; 2] = [Limits { runs: 5, seats: 1 }, Limits { runs: 9, seats: 3 }];
/// Between what and how much more the limits of those by hand change: of runs, of seats.
pub(crate) const RANGES: [[(u64, u64); 2]; 2] = [[(11, 6), (2, 3)], [(6, 6), (1, 3)]];

/// A tree, and what was told of it.
pub(crate) struct Tree {
    /// By place.
    pub(crate) accounts: [String; 3],
    /// Those that are made by hand.
    pub(crate) entitlements: BTreeMap<(usize, Resource), String>,
    history: Mutex<Vec<Attempt>>,
}

/// All their trees.
pub(crate) struct Witnessed {
    trees: RwLock<Vec<Arc<Tree>>>,
    /// Those in use; all before the first that waits, and none of these, have been left.
    used: [AtomicUsize; TREES],
    first_waiting: AtomicUsize,
}

/// What a resource is called.
pub(crate) const fn code(resource: Resource) -> &'static str {
    match resource {
        Resource::Runs => RUNS,
        Resource::Seats => SEATS,
    }
}

pub(crate) fn plan_id(plan: usize) -> String {
    format!("witnessed-{plan}")
}

const fn each(limits: Limits) -> [(Resource, &'static str, u64); 2] {
    [
        (Resource::Runs, "cumulative", limits.runs),
        (Resource::Seats, "concurrency", limits.seats),
    ]
}

impl Tree {
    fn make(node: &Node, number: usize) -> Self {
        let post = |table: &str, row: &Value| done(node, "POST", &format!("/api/{table}"), row);
        let (mut ids, mut entitlements): (Vec<String>, _) = (vec![], BTreeMap::new());
        for (place, limits) in FIRST.into_iter().enumerate() {
            let account = json!({"display_name": format!("witnessed {number}.{place}"), "parent_account_id": ids.first()});
            let id = text(&post("accounts", &account), "account_id");
            for (resource, kind, quantity) in limits.into_iter().flat_map(each) {
                let row = json!({"account_id": id, "resource_type_code": code(resource), "limit_kind_code": kind,
                    "quantity_allowed": quantity});
                entitlements.insert(
                    (place, resource),
                    text(&post("entitlements", &row), "entitlement_id"),
                );
            }
            ids.push(id);
        }
        Self {
            accounts: ids.try_into().expect("there are three"),
            entitlements,
            history: Mutex::default(),
        }
    }

    /// Which account that is.
    pub(crate) fn place_of(&self, id: &Value) -> Option<usize> {
        let id = id.as_str()?;
        self.accounts.iter().position(|of| of == id)
    }
}

impl Witnessed {
    pub(crate) fn make(node: &Node) -> Self {
        let post = |table: &str, row: &Value| done(node, "POST", &format!("/api/{table}"), row);
        for (plan, limits) in PLANS.into_iter().enumerate() {
            post(
                "plans",
                &json!({"plan_id": plan_id(plan), "plan_name": format!("Plan {plan}")}),
            );
            for (resource, _, quantity) in each(limits) {
                let row = json!({"plan_id": plan_id(plan), "resource_type_code": code(resource), "quantity_allowed": quantity});
                post("plan_entitlement_templates", &row);
            }
        }
        let trees = (0..TREES)
            .map(|number| Arc::new(Tree::make(node, number)))
            .collect();
        let used = std::array::from_fn(AtomicUsize::new);
        let witnessed = Self {
            trees: RwLock::new(trees),
            used,
            first_waiting: AtomicUsize::new(TREES),
        };
        witnessed.make_more(node);
        witnessed
    }

    /// Makes trees for those who leave theirs.
    pub(crate) fn make_more(&self, node: &Node) {
        let wanted = self.first_waiting.load(Ordering::SeqCst) + SPARE;
        let made = self.trees().len();
        let more: Vec<_> = (made..wanted)
            .map(|number| Arc::new(Tree::make(node, number)))
            .collect();
        self.trees.write().unwrap().extend(more);
    }

    /// All there are, also those that were left and those that wait.
    pub(crate) fn trees(&self) -> Vec<Arc<Tree>> {
        self.trees.read().unwrap().clone()
    }

    pub(crate) fn tree(&self, number: usize) -> Arc<Tree> {
        Arc::clone(&self.trees.read().unwrap()[number])
    }

    /// The number of one that is in use.
    pub(crate) fn used(&self, which: usize) -> usize {
        self.used[which].load(Ordering::SeqCst)
    }

    pub(crate) fn is_used(&self, number: usize) -> bool {
        self.used
            .iter()
            .any(|used| used.load(Ordering::SeqCst) == number)
    }

    /// Writes down what was told of a tree. One that was asked often enough is left: what is under
    /// way still belongs to it, and nobody asks anything else of it until everything is over.
    pub(crate) fn write(&self, number: usize, attempt: Attempt) {
        let tree = self.tree(number);
        let mut history = tree.history.lock().unwrap();
        history.push(attempt);
        if history.len() < LIFE {
            return;
        }
        let next = self.first_waiting.load(Ordering::SeqCst);
        let is_there = next < self.trees.read().unwrap().len();
        let used = self
            .used
            .iter()
            .find(|used| used.load(Ordering::SeqCst) == number)
            .filter(|_| is_there);
        let Some(used) = used else { return };
        // Only who takes the next one leaves; another does it with its next attempt.
        if self
            .first_waiting
            .compare_exchange(next, next + 1, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
        {
            used.store(next, Ordering::SeqCst);
        }
    }

    /// Judges all of them, each by itself, and tells how many calls that were not answered must
    /// have happened.
    ///
    /// # Errors
    /// What no order explains, or what could not be decided, and where all of it can be read.
    pub(crate) fn judge(&self) -> Result<usize, String> {
        let (mut wrong, mut happened, mut attempts, mut most) = (vec![], 0, 0, (0, 0));
        let (begun, trees) = (std::time::Instant::now(), self.trees());
        for (number, tree) in trees.iter().enumerate() {
            let history = tree.history.lock().unwrap();
            attempts += history.len();
            match judge(&accounts(), &history) {
                Ok(order) => {
                    happened += order.happened;
                    most = most.max((order.places, number));
                }
                Err(why) => {
                    let kept = keep(number, &history);
                    wrong.push(format!(
                        "the witnessed tree {number}: {why}\nall {} attempts: {kept}",
                        history.len()
                    ));
                }
            }
        }
        println!(
            "{attempts} attempts on {} witnessed trees were judged in {} ms: {happened} that were not answered must have \
             happened; the most places looked at were {} of tree {}",
            trees.len(),
            begun.elapsed().as_millis(),
            most.0,
            most.1
        );
        if wrong.is_empty() {
            Ok(happened)
        } else {
            Err(wrong.join("\n"))
        }
    }

    /// Whether there was enough of everything to judge.
    ///
    /// # Errors
    /// What was too rare.
    pub(crate) fn enough(&self, happened: usize) -> Result<(), String> {
        let mut kinds: BTreeMap<&str, usize> =
            BTreeMap::from([("unknown that must have happened", happened)]);
        for tree in self.trees() {
            let history = tree.history.lock().unwrap();
            history
                .iter()
                .for_each(|attempt| *kinds.entry(kind(attempt)).or_default() += 1);
            *kinds.entry("whole lives").or_default() += usize::from(history.len() >= LIFE);
        }
        println!("witnessed: {kinds:?}");
        let times = |kind: &str| kinds.get(kind).copied().unwrap_or(0);
        let rare: Vec<_> = LEAST
            .iter()
            .filter(|(least, kind)| times(kind) < *least)
            .collect();
        if rare.is_empty() {
            Ok(())
        } else {
            Err(format!(
                "too rare to say anything of: {rare:?} in {kinds:?}"
            ))
        }
    }
}

/// What there must be of each in a whole run.
const LEAST: [(usize, &str); 26] = [
    (18, "whole lives"),
    (100, "unknown"),
    (8, "unknown that must have happened"),
    (150, "consumed"),
    (100, "refused"),
    (80, "denied"),
    (250, "checked"),
    (100, "held"),
    (25, "settled"),
    (12, "settled with nothing"),
    (4, "settled otherwise"),
    (14, "given back"),
    (5, "given back too late"),
    (120, "corrected"),
    (130, "leased"),
    (120, "full"),
    (100, "renewed"),
    (4, "renewed above the limit"),
    (4, "renewed while suspended"),
    (40, "expired"),
    (25, "released"),
    (12, "released too late"),
    (70, "limits changed"),
    (80, "suspended or not"),
    (60, "provisioned"),
    (10, "cancelled"),
];

fn kind(attempt: &Attempt) -> &'static str {
    match (&attempt.call, &attempt.answer) {
        (_, Answer::Unknown) => "unknown",
        (Call::Consume { .. }, Answer::Recorded { .. }) => "consumed",
        (Call::Renew { .. }, Answer::Denied { .. }) => "renewed while suspended",
        (Call::Renew { .. }, Answer::Full { .. }) => "renewed above the limit",
        (_, Answer::Refused(_)) => "refused",
        (_, Answer::Denied { .. }) => "denied",
        (_, Answer::Checked { .. }) => "checked",
        (_, Answer::Held { .. }) => "held",
        (Call::Settle { .. }, Answer::Event(_)) => "settled",
        (Call::Settle { .. }, Answer::Done) => "settled with nothing",
        (Call::Settle { .. }, Answer::Closed) => "settled otherwise",
        (Call::GiveBack { .. }, Answer::Released(true)) => "given back",
        (Call::GiveBack { .. }, _) => "given back too late",
        (Call::Correct { .. }, _) => "corrected",
        (Call::Acquire { .. }, Answer::Leased { .. }) => "leased",
        (Call::Renew { .. }, Answer::Leased { .. }) => "renewed",
        (_, Answer::Full { .. }) => "full",
        (_, Answer::Over) => "expired",
        (_, Answer::Released(true)) => "released",
        (_, Answer::Released(false)) => "released too late",
        (Call::Limit { .. }, _) => "limits changed",
        (Call::Suspend { .. }, _) => "suspended or not",
        (Call::Provision { .. }, _) => "provisioned",
        (Call::Cancel { .. }, Answer::Changed(0)) => "cancelled in vain",
        (Call::Cancel { .. }, _) => "cancelled",
        _ => "other",
    }
}

/// Where a history is written that has no order.
fn keep(tree: usize, history: &[Attempt]) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("history-{}-{tree}.json", std::process::id()));
    let text = serde_json::to_string(history).expect("it is text");
    match std::fs::write(&path, text) {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("they could not be written to {}: {error}", path.display()),
    }
}

/// Judges a history that was kept.
///
/// # Errors
/// What no order explains.
pub(crate) fn judge_kept(path: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let history: Vec<Attempt> =
        serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
    judge(&accounts(), &history).map(|order| println!("{path}: {order:?}"))
}

fn accounts() -> Accounts {
    Accounts {
        parents: vec![None, Some(0), Some(0)],
        limits: FIRST.to_vec(),
        plans: PLANS.to_vec(),
    }
}

/// Whether the audit of the other clients has nothing to say of it.
pub(crate) fn is_witnessed(name: &str) -> bool {
    name.starts_with("witness-") || name.starts_with("reservation:")
}
