//! Clients of a server that will not live long, and what they were told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::request::{Answer, request};

/// Longer than any answer takes that still comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const RUNS: &str = "benchmark_runs";
const SEATS: &str = "concurrent_users";

/// Accounts that everybody uses, without a limit that is reached.
#[derive(Clone, Debug)]
pub(crate) struct World {
    accounts: Vec<String>,
}

/// An event that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) path: &'static str,
    pub(crate) body: Value,
    /// What its clients were told; `None`: they were not answered.
    pub(crate) id: Option<String>,
}

/// A lease that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) id: String,
    /// `None`: that it is given back was not answered.
    pub(crate) is_released: Option<bool>,
}

/// What clients were told, and what they asked for in vain.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) events: Vec<Event>,
    pub(crate) leases: Vec<Lease>,
    /// The most use that a check told of, by account.
    pub(crate) used: Vec<u64>,
    pub(crate) replays: u64,
    pub(crate) checks: u64,
    acknowledged: usize,
}

/// Clients at work.
pub(crate) struct Load {
    pub(crate) told: Mutex<Told>,
    more: Condvar,
    has_ended: AtomicBool,
}

impl World {
    pub(crate) fn make(address: SocketAddr) -> Self {
        let accounts = (0..3).map(|number| {
            let made = done(address, "/api/accounts", &json!({"display_name": format!("{number}")}));
            let id = made[0]["account_id"].as_str().expect("an account has an id").to_owned();
            for (resource, kind) in [(RUNS, "cumulative"), (SEATS, "concurrency")] {
                let row = json!({"account_id": id, "resource_type_code": resource, "limit_kind_code": kind,
                    "quantity_allowed": 1_000_000});
                done(address, "/api/entitlements", &row);
            }
            id
        });
        Self {
            accounts: accounts.collect(),
        }
    }

    /// The use of an account that a check tells of.
    pub(crate) fn used(&self, address: SocketAddr, account: usize) -> Result<u64, String> {
        let body = json!({"p_account_id": self.accounts[account], "p_resource_type": RUNS, "p_requested_qty": 1});
        let answer = ask(address, "POST", "/api/rpc/check_entitlement", &body)
            .map_err(|error| error.to_string())?;
        answer.body[0]["quantity_used"]
            .as_u64()
            .ok_or_else(|| format!("a check without an answer: {answer:?}"))
    }

    pub(crate) fn account(&self, number: usize) -> &str {
        &self.accounts[number]
    }

    pub(crate) fn accounts(&self) -> usize {
        self.accounts.len()
    }
}

impl Load {
    pub(crate) fn new(world: &World) -> Self {
        let told = Told {
            used: vec![0; world.accounts()],
            ..Told::default()
        };
        Self {
            told: Mutex::new(told),
            more: Condvar::new(),
            has_ended: AtomicBool::new(false),
        }
    }

    /// Waits until so many effects were acknowledged.
    pub(crate) fn wait_for(&self, acknowledged: usize) -> Result<(), String> {
        let told = self.told.lock().unwrap();
        let waited = self
            .more
            .wait_timeout_while(told, PATIENCE, |told| told.acknowledged < acknowledged)
            .unwrap();
        if waited.1.timed_out() {
            Err(format!(
                "{} of {acknowledged} acknowledged",
                waited.0.acknowledged
            ))
        } else {
            Ok(())
        }
    }

    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
    }

    /// A client's life: it ends with the load or at the first request that is not answered.
    pub(crate) fn client(&self, name: &str, seed: u64, address: SocketAddr, world: &World) {
        let mut dice = Dice::of(seed);
        for number in 0.. {
            let account = dice.index(world.accounts());
            let key = format!("{name}-{number}");
            let goes_on = match dice.roll(12) {
                0..5 => self.record(address, "/api/rpc/consume", &world.accounts[account], &key),
                5..8 => self.record(
                    address,
                    "/api/rpc/meter_consumption",
                    &world.accounts[account],
                    &key,
                ),
                8 => self.acquire(address, &world.accounts[account], &key),
                9 => self.release(address, &mut dice),
                10 => self.repeat(address, &mut dice),
                _ => self.check(address, world, account),
            };
            if !goes_on || self.has_ended.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    fn tell(&self, tell: impl FnOnce(&mut Told)) {
        let mut told = self.told.lock().unwrap();
        tell(&mut told);
        told.acknowledged += 1;
        self.more.notify_all();
    }

    fn record(&self, address: SocketAddr, path: &'static str, account: &str, key: &str) -> bool {
        let body = json!({"p_account_id": account, "p_resource_type": RUNS, "p_quantity": 1, "p_idempotency_key": key});
        let id = ask(address, "POST", path, &body)
            .ok()
            .and_then(|answer| event_in(&answer));
        let is_answered = id.is_some();
        let event = Event { path, body, id };
        if is_answered {
            self.tell(|told| told.events.push(event));
        } else {
            self.told.lock().unwrap().events.push(event);
        }
        is_answered
    }

    fn acquire(&self, address: SocketAddr, account: &str, session: &str) -> bool {
        let body = json!({"p_account_id": account, "p_resource_type": SEATS, "p_session_token": session, "p_ttl_seconds": 3_600});
        let Ok(answer) = ask(address, "POST", "/api/rpc/acquire_lease", &body) else {
            return false;
        };
        let Some(id) = answer.body[0]["lease_id"].as_str().map(str::to_owned) else {
            return false;
        };
        self.tell(|told| {
            told.leases.push(Lease {
                id,
                is_released: Some(false),
            })
        });
        true
    }

    fn release(&self, address: SocketAddr, dice: &mut Dice) -> bool {
        let lease = {
            let mut told = self.told.lock().unwrap();
            let held: Vec<usize> = (0..told.leases.len())
                .filter(|at| told.leases[*at].is_released == Some(false))
                .collect();
            if held.is_empty() {
                return true;
            }
            let at = held[dice.index(held.len())];
            told.leases[at].is_released = None;
            told.leases[at].id.clone()
        };
        match ask(
            address,
            "POST",
            "/api/rpc/release_lease",
            &json!({"p_lease_id": lease}),
        ) {
            Ok(answer) if answer.body == json!(true) => {
                self.tell(|told| {
                    let released = told.leases.iter_mut().filter(|other| other.id == lease);
                    released.for_each(|other| other.is_released = Some(true));
                });
                true
            }
            _ => false,
        }
    }

    fn repeat(&self, address: SocketAddr, dice: &mut Dice) -> bool {
        let event = {
            let told = self.told.lock().unwrap();
            let known: Vec<&Event> = told
                .events
                .iter()
                .filter(|event| event.id.is_some())
                .collect();
            if known.is_empty() {
                return true;
            }
            known[dice.index(known.len())].clone()
        };
        let Ok(answer) = ask(address, "POST", event.path, &event.body) else {
            return false;
        };
        if answer.status == 503 {
            return false;
        }
        assert_eq!(event_in(&answer), event.id, "a repeat: {answer:?}");
        self.told.lock().unwrap().replays += 1;
        true
    }

    fn check(&self, address: SocketAddr, world: &World, account: usize) -> bool {
        let Ok(used) = world.used(address, account) else {
            return false;
        };
        let mut told = self.told.lock().unwrap();
        told.used[account] = told.used[account].max(used);
        told.checks += 1;
        true
    }
}

/// The event that an answer tells of.
pub(crate) fn event_in(answer: &Answer) -> Option<String> {
    let id = answer.body[0]["event_id"]
        .as_str()
        .or(answer.body.as_str())?;
    (answer.status == 200).then(|| id.to_owned())
}

fn done(address: SocketAddr, path: &str, body: &Value) -> Value {
    let answer = ask(address, "POST", path, body).expect("it answers");
    assert!(
        matches!(answer.status, 200 | 201),
        "{path} {body}: {answer:?}"
    );
    answer.body
}

/// Asks a server that is given all the time it needs.
pub(crate) fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &Value,
) -> std::io::Result<Answer> {
    request(address, method, path, body, PATIENCE)
}
