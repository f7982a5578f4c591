//! A client: it asks any node, repeats with the same key what it gets no answer to, and compares
//! every answer with what must be true at that instant.

mod seats;
mod usage;

use std::io::ErrorKind;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::gate::Gate;
use crate::node::Node;
use crate::request::{self, request};
use crate::told::{Event, Told, count};
use crate::witnessed::Witnessed;
use crate::world::World;

/// After that a client asks another node.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// So many requests go elsewhere after a node has not answered one.
const AVOIDED: u32 = 40;
const LEASES_MAX: usize = 3;

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

fn demand(is_so: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(what()) }
}
