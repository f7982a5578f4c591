//! A client: it asks any node, repeats with the same key what it gets no answer to, and compares
//! every answer with what must be true at that instant.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::gate::Gate;
use crate::node::Node;
use crate::request::{self, request};
use crate::told::{Event, Outcome, Told, count};
use crate::witnessed::Witnessed;
use crate::world::{GPU, RUNS, SEATS, World};

/// After that a client asks another node.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// So many requests go elsewhere after a node has not answered one.
const AVOIDED: u32 = 40;
const LEASES_MAX: usize = 3;
const TTL_SECONDS: u32 = 3_600;

/// What all clients share.
pub(crate) struct Shared {
    pub(crate) world: World,
    pub(crate) told: Told,
    pub(crate) gate: Gate,
    pub(crate) nodes: Vec<Node>,
    pub(crate) witnessed: Witnessed,
    /// The node whose trouble lasts, from 1; 0: none.
    pub(crate) away: AtomicUsize,
}

pub(crate) struct Client<'a> {
    number: usize,
    /// Whether it uses the hot tree, or the others.
    is_hot: bool,
    dice: Dice,
    made: u64,
    /// For how many requests each node is avoided.
    avoided: Vec<u32>,
    leases: Vec<Lease>,
    shared: &'a Shared,
}

/// A lease that it holds.
struct Lease {
    id: String,
    account: usize,
    /// Whether a request for it may still be on its way, and take its seat again.
    is_late: bool,
}

/// An answer, and whether a request before it may still be on its way.
struct Answer {
    status: u16,
    is_replayed: bool,
    body: Value,
    is_late: bool,
}

impl<'a> Client<'a> {
    pub(crate) fn new(number: usize, seed: u64, shared: &'a Shared) -> Self {
        let dice = Dice::of(seed ^ (number as u64 + 1).wrapping_mul(0x2545_f491_4f6c_dd1d));
        let avoided = vec![0; shared.nodes.len()];
        Self {
            number,
            is_hot: number.is_multiple_of(2),
            dice,
            made: 0,
            avoided,
            leases: vec![],
            shared,
        }
    }

    /// Goes on until the gate ends it, or something is wrong.
    pub(crate) fn run(mut self) {
        while self.shared.gate.pass() {
            match self.act() {
                Ok(()) => self.shared.gate.answered(self.is_hot),
                Err(what) => self
                    .shared
                    .gate
                    .fail(format!("client {}: {what}", self.number)),
            }
        }
    }

    fn act(&mut self) -> Result<(), String> {
        self.made += 1;
        match self.dice.roll(100) {
            0..45 => self.consume(),
            45..60 => self.check(),
            60..80
                if self.leases.is_empty()
                    || (self.leases.len() < LEASES_MAX && self.dice.happens(50)) =>
            {
                self.acquire()
            }
            60..80 => self.release(),
            80..96 => self.meter(),
            _ => self.create(),
        }
    }

    fn key(&self) -> String {
        format!("{}-{}", self.number, self.made)
    }

    /// Some are wanted more than others, so that not all limits are reached at once.
    fn user(&mut self) -> usize {
        let trees = self.shared.world.users.len();
        let tree = if self.is_hot {
            0
        } else {
            1 + self.dice.index(trees - 1)
        };
        let users = &self.shared.world.users[tree];
        users[self
            .dice
            .index(users.len())
            .min(self.dice.index(users.len()))]
    }

    /// Sends it until there is an answer that is one. `before` is called before each attempt.
    fn ask(
        &mut self,
        path: &str,
        body: &Value,
        mut before: impl FnMut(),
    ) -> Result<Answer, String> {
        let figures = &self.shared.told.figures;
        let mut is_late = false;
        for attempt in 0.. {
            if attempt > 0 {
                if !self.shared.gate.pause() {
                    return Err("the test has ended".to_owned());
                }
                count(&figures.repeated);
            }
            let at = self.choose();
            let Some(address) = self.shared.nodes[at].address() else {
                continue;
            };
            before();
            count(&figures.requests);
            match request(address, "POST", path, body, PATIENCE) {
                Ok(request::Answer {
                    status: 503 | 504,
                    body,
                    ..
                }) => {
                    let code = body["code"]
                        .as_str()
                        .ok_or_else(|| format!("an error without a code: {body}"))?;
                    is_late |= code == "MEC_OUTCOME_UNKNOWN";
                    figures.error(code);
                }
                Ok(request::Answer {
                    status,
                    is_replayed,
                    body,
                }) => {
                    return Ok(Answer {
                        status,
                        is_replayed,
                        body,
                        is_late,
                    });
                }
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    return Err(format!("{path}: {error}"));
                }
                Err(error) => {
                    count(&figures.unanswered);
                    is_late |= error.kind() != ErrorKind::ConnectionRefused;
                    self.avoided[at] = AVOIDED;
                }
            }
        }
        unreachable!("it tries for ever")
    }

    fn choose(&mut self) -> usize {
        let fresh: Vec<usize> = (0..self.avoided.len())
            .filter(|node| self.avoided[*node] == 0)
            .collect();
        self.avoided
            .iter_mut()
            .for_each(|left| *left = left.saturating_sub(1));
        if fresh.is_empty() {
            self.dice.index(self.avoided.len())
        } else {
            self.dice.one_of(&fresh)
        }
    }

    fn consume(&mut self) -> Result<(), String> {
        let (user, key) = (self.user(), self.key());
        let quantity = 1 + self.dice.roll(10) / 8;
        let world = &self.shared.world;
        let path = &world.accounts[user].path;
        world.add(user, |account| &account.sent, quantity);
        let body = json!({"p_account_id": world.accounts[user].id, "p_resource_type": RUNS, "p_quantity": quantity,
            "p_idempotency_key": key});
        let mut least = vec![];
        let answer = self.ask("/api/rpc/consume", &body, || {
            least = path
                .iter()
                .map(|at| world.accounts[*at].used_at_least())
                .collect();
        })?;
        let row = &answer.body[0];
        let wrong = |what: &str| {
            format!(
                "consume {key} of {quantity}: {what}: {}: {}",
                answer.status, answer.body
            )
        };
        demand(answer.is_late || !answer.is_replayed, || {
            wrong("told of something earlier")
        })?;
        let binding = row["binding_account_id"]
            .as_str()
            .and_then(|id| world.of_id(id))
            .ok_or_else(|| wrong("no answer"))?;
        let level = path
            .iter()
            .position(|at| *at == binding)
            .ok_or_else(|| wrong("another's limit"))?;
        let account = &world.accounts[binding];
        let limit = account.limit.load(Ordering::SeqCst);
        let used = self
            .used(row, binding, least[level])
            .map_err(|what| wrong(&what))?;
        demand(row["quantity_allowed"] == json!(limit), || {
            wrong(&format!("the limit is {limit}"))
        })?;
        demand(used <= limit, || wrong("more than the limit"))?;
        let outcome = match row["event_id"].as_str() {
            Some(event) => {
                demand(row["allowed"] == json!(true), || {
                    wrong("recorded but not allowed")
                })?;
                world.add(user, |account| &account.recorded, quantity);
                Outcome::Recorded(event.to_owned())
            }
            None => {
                demand(row["reason_code"] == json!("limit_reached"), || {
                    wrong("another reason")
                })?;
                demand(used + quantity > limit, || {
                    wrong("refused although there is room")
                })?;
                count(&self.shared.told.figures.refused);
                if answer.is_late {
                    Outcome::Open
                } else {
                    for at in path {
                        world.accounts[*at]
                            .sent
                            .fetch_sub(quantity, Ordering::SeqCst);
                    }
                    Outcome::Refused
                }
            }
        };
        self.tell(
            key,
            Event {
                account: user,
                resource: RUNS,
                quantity,
                unit: "count",
                outcome,
            },
        );
        Ok(())
    }

    /// The use that is told of an account, where it is one that it may have had since the question
    /// was sent.
    fn used(&self, row: &Value, account: usize, least: u64) -> Result<u64, String> {
        let account = &self.shared.world.accounts[account];
        let used = row["quantity_used"].as_u64().ok_or("no quantity")?;
        let most = account.sent.load(Ordering::SeqCst);
        demand((least..=most).contains(&used), || {
            format!("{used} used, and it was between {least} and {most}")
        })?;
        account.seen.fetch_max(used, Ordering::SeqCst);
        Ok(used)
    }

    fn check(&mut self) -> Result<(), String> {
        let user = self.user();
        let world = &self.shared.world;
        let path = &world.accounts[user].path;
        let body = json!({"p_account_id": world.accounts[user].id, "p_resource_type": RUNS, "p_requested_qty": 1,
            "p_explain": true});
        let mut least = vec![];
        let answer = self.ask("/api/rpc/check_entitlement", &body, || {
            least = path
                .iter()
                .map(|at| world.accounts[*at].used_at_least())
                .collect();
        })?;
        let row = &answer.body[0];
        let wrong = |what: &str| format!("a check: {what}: {}: {}", answer.status, answer.body);
        let limits = row["limits"].as_array().ok_or_else(|| wrong("no limits"))?;
        demand(limits.len() == path.len(), || wrong("not every level"))?;
        let mut has_room = true;
        for pool in limits {
            let at = pool["account_id"]
                .as_str()
                .and_then(|id| world.of_id(id))
                .ok_or_else(|| wrong("an unknown account"))?;
            let level = path
                .iter()
                .position(|of| *of == at)
                .ok_or_else(|| wrong("another's limit"))?;
            let used = self
                .used(pool, at, least[level])
                .map_err(|what| wrong(&what))?;
            let limit = world.accounts[at].limit.load(Ordering::SeqCst);
            demand(pool["quantity_allowed"] == json!(limit), || {
                wrong(&format!("the limit is {limit}"))
            })?;
            demand(used <= limit, || wrong("more than the limit"))?;
            has_room &= used < limit;
        }
        demand(row["allowed"] == json!(has_room), || {
            wrong("not what its limits say")
        })?;
        count(&self.shared.told.figures.checks);
        Ok(())
    }

    fn acquire(&mut self) -> Result<(), String> {
        let (user, token) = (self.user(), self.key());
        let world = &self.shared.world;
        let body = json!({"p_account_id": world.accounts[user].id, "p_resource_type": SEATS, "p_session_token": token,
            "p_ttl_seconds": TTL_SECONDS});
        world.add(user, |account| &account.asked, 1);
        let path = &world.accounts[user].path;
        let mut ended = vec![];
        let answer = self.ask("/api/rpc/acquire_lease", &body, || {
            ended = path
                .iter()
                .map(|at| world.accounts[*at].ended.load(Ordering::SeqCst))
                .collect();
        })?;
        let row = &answer.body[0];
        let wrong = |what: &str| {
            format!(
                "a lease of session {token}: {what}: {}: {}",
                answer.status, answer.body
            )
        };
        if answer.is_late {
            self.shared
                .told
                .open_sessions
                .lock()
                .unwrap()
                .insert(token.clone());
        }
        let is_held = row["success"].as_bool().ok_or_else(|| wrong("no answer"))?;
        if !is_held {
            demand(row["decision"] == json!("block"), || {
                wrong("another reason")
            })?;
            // As many as were asked for but for those that had ended before, and this one.
            let is_full = |(at, ended): (&usize, &u64)| {
                let account = &world.accounts[*at];
                account.asked.load(Ordering::SeqCst) - 1 - ended >= account.seats
            };
            demand(path.iter().zip(&ended).any(is_full), || {
                wrong("refused although there is a seat")
            })?;
            count(&self.shared.told.figures.refused);
            count(&self.shared.told.figures.full);
            if !answer.is_late {
                world.add(user, |account| &account.ended, 1);
            }
            return Ok(());
        }
        let lease = row["lease_id"]
            .as_str()
            .ok_or_else(|| wrong("no lease"))?
            .to_owned();
        for at in path {
            let account = &world.accounts[*at];
            let held = account.held.fetch_add(1, Ordering::SeqCst) + 1;
            demand(held <= account.seats, || {
                wrong(&format!("{held} seats of {}", account.seats))
            })?;
        }
        self.shared
            .told
            .leases
            .lock()
            .unwrap()
            .insert(lease.clone(), user);
        self.leases.push(Lease {
            id: lease,
            account: user,
            is_late: answer.is_late,
        });
        Ok(())
    }

    fn release(&mut self) -> Result<(), String> {
        let Lease {
            id: lease,
            account: user,
            is_late,
        } = self.leases.swap_remove(self.dice.index(self.leases.len()));
        let world = &self.shared.world;
        for at in &world.accounts[user].path {
            world.accounts[*at].held.fetch_sub(1, Ordering::SeqCst);
        }
        self.shared.told.leases.lock().unwrap().remove(&lease);
        let answer = self.ask(
            "/api/rpc/release_lease",
            &json!({"p_lease_id": lease}),
            || {},
        )?;
        let wrong = || {
            format!(
                "lease {lease} is released: {}: {}",
                answer.status, answer.body
            )
        };
        demand(
            answer
                .body
                .as_bool()
                .is_some_and(|released| released || answer.is_late),
            wrong,
        )?;
        if !is_late {
            world.add(user, |account| &account.ended, 1);
        }
        Ok(())
    }

    fn meter(&mut self) -> Result<(), String> {
        let events: Vec<(String, usize, u64, &'static str)> = (0..2 + self.dice.roll(5))
            .map(|number| {
                let (quantity, unit) = (
                    1 + self.dice.roll(9),
                    self.dice.one_of(&["hour", "minute", "second"]),
                );
                (
                    format!("{}-{number}", self.key()),
                    self.user(),
                    quantity,
                    unit,
                )
            })
            .collect();
        let world = &self.shared.world;
        let sent: Vec<Value> = events
            .iter()
            .map(|(key, user, quantity, unit)| {
                json!({"account_id": world.accounts[*user].id, "resource_type": GPU, "quantity": quantity, "unit_code": unit,
                    "idempotency_key": key})
            })
            .collect();
        let body = json!({"p_events": sent});
        let mut ids: Vec<Option<String>> = vec![None; events.len()];
        while ids.iter().any(Option::is_none) {
            let answer = self.ask("/api/rpc/meter_batch", &body, || {})?;
            let wrong = |what: &str| format!("a batch: {what}: {}: {}", answer.status, answer.body);
            let results = answer.body.as_array().ok_or_else(|| wrong("no answer"))?;
            demand(results.len() == events.len(), || {
                wrong("not one answer an event")
            })?;
            for (id, result) in ids.iter_mut().zip(results) {
                match (result["status"].as_str(), result["event_id"].as_str()) {
                    (Some("recorded" | "replayed"), Some(event)) => {
                        let first = id.get_or_insert_with(|| event.to_owned());
                        demand(first == event, || wrong("another event of the same key"))?;
                    }
                    (Some("unknown"), _) => self.shared.told.figures.error("an event unknown"),
                    (Some("rejected"), _) if passes(result) => {
                        self.shared.told.figures.error("an event not done")
                    }
                    _ => return Err(wrong("rejected")),
                }
            }
        }
        for ((key, account, quantity, unit), id) in
            events.into_iter().zip(ids.into_iter().flatten())
        {
            self.tell(
                key,
                Event {
                    account,
                    resource: GPU,
                    quantity,
                    unit,
                    outcome: Outcome::Recorded(id),
                },
            );
        }
        Ok(())
    }

    fn create(&mut self) -> Result<(), String> {
        let name = self.key();
        let answer = self.ask(
            "/api/accounts",
            &json!({"external_id": name, "display_name": "New"}),
            || {},
        )?;
        let is_made = answer.status == 201 || (answer.status == 409 && answer.is_late);
        demand(is_made, || {
            format!(
                "an account {name} is made: {}: {}",
                answer.status, answer.body
            )
        })?;
        self.shared.told.names.lock().unwrap().insert(name);
        Ok(())
    }

    fn tell(&self, key: String, event: Event) {
        self.shared.told.events.lock().unwrap().insert(key, event);
    }
}

/// An event that was not recorded because the store could not, which another attempt changes.
fn passes(result: &Value) -> bool {
    let code = result["error"]["code"]
        .as_str()
        .or(result["error"].as_str())
        .unwrap_or_default();
    ["MEC_NOT_DONE", "MEC_BUSY", "MEC_STOPPED"]
        .iter()
        .any(|passing| code.contains(passing))
}

fn demand(is_so: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(what()) }
}
