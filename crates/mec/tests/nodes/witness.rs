//! Clients whose every attempt is written down, and judged when all is over: on small trees of
//! their own, with leases and holds of a few seconds that expire, are renewed, settled and given
//! back, while limits, plans and suspensions change.

mod answers;
mod changes;
mod seats;
mod usage;

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mec_engine::Now as _;
use serde_json::Value;

use crate::client::Shared;
use crate::dice::Dice;
use crate::judge::Attempt;
use crate::model::{Answer, Call, Instant, Resource};
use crate::request::request;
use crate::told::count;
use crate::witnessed::{TREES, Tree};

const PATIENCE: Duration = Duration::from_millis(1_500);
/// What a witness has open at most, of each kind.
const OPEN_MAX: usize = 3;

pub(crate) struct Witness<'a> {
    number: usize,
    dice: Dice,
    made: u64,
    shared: &'a Shared,
    /// What it knows of in trees that are in use: the tree, the name, the id, the amount.
    events: Vec<(usize, String, String, u64)>,
    holds: Vec<(usize, String, String, u64)>,
    leases: Vec<(usize, String, String)>,
}

/// What is sent, and how its answer is read.
struct Sent {
    tree: usize,
    call: Call,
    method: &'static str,
    path: String,
    body: Value,
}

impl Sent {
    fn function(tree: usize, call: Call, name: &str, body: Value) -> Self {
        Self {
            tree,
            call,
            method: "POST",
            path: format!("/api/rpc/{name}"),
            body,
        }
    }
}

impl<'a> Witness<'a> {
    pub(crate) fn new(number: usize, seed: u64, shared: &'a Shared) -> Self {
        let dice = Dice::of(seed ^ (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self {
            number,
            dice,
            made: 0,
            shared,
            events: vec![],
            holds: vec![],
            leases: vec![],
        }
    }

    /// Goes on until the gate ends it, or an answer cannot be read.
    pub(crate) fn run(mut self) {
        while self.shared.gate.pass() {
            match self.act() {
                Ok(()) => self.shared.gate.answered(self.number.is_multiple_of(2)),
                Err(what) => self
                    .shared
                    .gate
                    .fail(format!("witness {}: {what}", self.number)),
            }
        }
    }

    fn act(&mut self) -> Result<(), String> {
        self.made += 1;
        self.leave();
        match self.dice.roll(100) {
            0..16 => self.consume(),
            16..27 => self.check(),
            27..40 if self.holds.len() < OPEN_MAX => self.reserve(),
            27..50 if !self.holds.is_empty() => self.close_hold(),
            40..58 if !self.events.is_empty() => self.correct(),
            58..71 if self.leases.len() < OPEN_MAX => self.acquire(),
            58..79 if !self.leases.is_empty() => self.renew(),
            79..84 if !self.leases.is_empty() => self.release(),
            84..88 => self.limit().and_then(|tree| self.renew_in(tree)),
            88..93 => self.suspend().and_then(|tree| self.renew_in(tree)),
            93..97 => self.provision(),
            97..100 => self.cancel(),
            _ => self.acquire(),
        }
    }

    /// Forgets what it has in trees that are not in use any more.
    fn leave(&mut self) {
        let witnessed = &self.shared.witnessed;
        self.events.retain(|(tree, ..)| witnessed.is_used(*tree));
        self.holds.retain(|(tree, ..)| witnessed.is_used(*tree));
        self.leases.retain(|(tree, ..)| witnessed.is_used(*tree));
    }

    fn name(&self) -> String {
        format!("witness-{}-{}", self.number, self.made)
    }

    /// For how long something is asked for that expires.
    fn seconds(&mut self) -> i64 {
        self.dice.one_of(&[1, 1, 2, 3, 4])
    }

    fn tree(&mut self) -> usize {
        self.shared.witnessed.used(self.dice.index(TREES))
    }

    fn tree_of(&self, number: usize) -> Arc<Tree> {
        self.shared.witnessed.tree(number)
    }

    /// A tree and a resource whose entitlement is changed; often where it has a lease itself.
    fn changed(&mut self) -> (usize, Resource) {
        if !self.leases.is_empty() && self.dice.happens(50) {
            return (
                self.leases[self.dice.index(self.leases.len())].0,
                Resource::Seats,
            );
        }
        (
            self.tree(),
            self.dice.one_of(&[Resource::Runs, Resource::Seats]),
        )
    }

    fn somebody(&mut self) -> (usize, usize, String) {
        let (tree, place) = (self.tree(), self.dice.one_of(&[0, 1, 1, 2, 2]));
        (tree, place, self.tree_of(tree).accounts[place].clone())
    }

    /// Any but the one whose trouble lasts: it does half a minute later what it was asked, and too
    /// many orders would have to be tried.
    fn node(&mut self) -> usize {
        loop {
            let node = self.dice.index(self.shared.nodes.len());
            if self.shared.away.load(Ordering::SeqCst) != node + 1 {
                return node;
            }
        }
    }

    /// Sends it until there is an answer, and writes down every attempt.
    fn ask(&mut self, sent: &Sent) -> Result<Answer, String> {
        let figures = &self.shared.told.figures;
        let mut is_late = false;
        loop {
            let node = self.node();
            if let Some(address) = self.shared.nodes[node].address() {
                count(&figures.requests);
                let at = now();
                let told = request(address, sent.method, &sent.path, &sent.body, PATIENCE);
                let answered = now();
                let answer = match told {
                    // Nothing is told again that might not have been told before; what settles a
                    // hold is sent twice.
                    Ok(told)
                        if told.is_replayed
                            && !is_late
                            && !matches!(sent.call, Call::Settle { .. }) =>
                    {
                        return Err(format!(
                            "{:?} is told of something earlier: {told:?}",
                            sent.call
                        ));
                    }
                    Ok(told) => self
                        .read(sent, &told)
                        .ok_or_else(|| format!("{:?} is answered {told:?}", sent.call))?,
                    Err(error) if error.kind() == ErrorKind::InvalidData => {
                        return Err(format!("{:?}: {error}", sent.call));
                    }
                    Err(error) => {
                        count(&figures.unanswered);
                        (error.kind() != ErrorKind::ConnectionRefused).then_some(Answer::Unknown)
                    }
                };
                if let Some(answer) = answer {
                    let (client, call, is_known) =
                        (self.number, sent.call.clone(), answer != Answer::Unknown);
                    self.shared.witnessed.write(
                        sent.tree,
                        Attempt {
                            client,
                            call,
                            sent: at,
                            answered,
                            answer: answer.clone(),
                        },
                    );
                    if is_known {
                        return Ok(answer);
                    }
                    is_late = true;
                }
            }
            if !self.shared.gate.pause() {
                return Err("the test has ended".to_owned());
            }
        }
    }
}

/// The machine's clock, which is the database's too.
fn now() -> Instant {
    mec_engine::MachineClock.now().micros()
}
