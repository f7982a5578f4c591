//! Clients whose every attempt is written down, and judged when all is over: on small trees of
//! their own, with leases and holds of a few seconds that expire, are renewed, settled and given
//! back, while limits, plans and suspensions change.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mec_engine::Now as _;
use serde_json::{Value, json};

use crate::client::Shared;
use crate::dice::Dice;
use crate::judge::Attempt;
use crate::model::{Answer, Call, Instant, Level, Resource, SETTLED};
use crate::request::{self, request};
use crate::told::count;
use crate::witnessed::{BY_HAND, PLANS, RANGES, TREES, Tree, WITH_PLANS, code, plan_id};
use crate::world::{RUNS, SEATS};

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

    /// What an answer says; `Some(None)`: that nothing has happened. `None`: it cannot be read.
    fn read(&self, sent: &Sent, told: &request::Answer) -> Option<Option<Answer>> {
        let request::Answer { status, body, .. } = told;
        match status {
            200 => self.read_done(sent, body).map(Some),
            409 if body["code"] == "MEC_RESERVATION_CLOSED"
                && matches!(sent.call, Call::Settle { .. }) =>
            {
                Some(Some(Answer::Closed))
            }
            503 | 504 => {
                let code = body["code"].as_str()?;
                self.shared.told.figures.error(code);
                match code {
                    "MEC_NOT_DONE" | "MEC_BUSY" | "MEC_STOPPED" => Some(None),
                    "MEC_OUTCOME_UNKNOWN" => Some(Some(Answer::Unknown)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn read_done(&self, sent: &Sent, body: &Value) -> Option<Answer> {
        let row = &body[0];
        let tree = self.tree_of(sent.tree);
        let place = |id: &Value| tree.place_of(id);
        // What is told of a limit; a repeat is told of none while it would be denied.
        let level = |row: &Value, account: &str| {
            let figure = |of: &str| row[of].as_u64();
            let (limit, used, reserved) = (
                figure("quantity_allowed")?,
                figure("quantity_used")?,
                figure("quantity_reserved")?,
            );
            Some(Level {
                account: place(&row[account])?,
                limit,
                used,
                reserved,
            })
        };
        let is_told = !row["quantity_used"].is_null();
        let text = |id: &Value| id.as_str().map(str::to_owned);
        let binding = || level(row, "binding_account_id");
        let is_suspended = row["reason"] == "Entitlement suspended";
        let refused = || match row["decision"].as_str()? {
            "block" => Some(Answer::Refused(binding()?)),
            "deny" if is_suspended => Some(Answer::Denied {
                account: Some(place(&row["binding_account_id"])?),
                kept: None,
            }),
            _ => None,
        };
        let told_level = || {
            if is_told {
                binding().map(Some)
            } else {
                Some(None)
            }
        };
        match &sent.call {
            Call::Consume { .. } if row["event_id"].is_null() => refused(),
            Call::Consume { .. } => Some(Answer::Recorded {
                id: text(&row["event_id"])?,
                level: told_level()?,
            }),
            Call::Check { .. } if row["decision"] == "deny" => refused(),
            Call::Check { .. } => {
                // Accounts that have nothing, or whose plan has ended, are listed too.
                let has_none = |limit: &&Value| {
                    ["no_entitlement", "entitlement_expired"]
                        .map(Value::from)
                        .contains(&limit["reason_code"])
                };
                let limits = row["limits"]
                    .as_array()?
                    .iter()
                    .filter(|limit| !has_none(limit));
                let levels = limits.map(|limit| level(limit, "account_id"));
                Some(Answer::Checked {
                    levels: levels.collect::<Option<_>>()?,
                    is_allowed: row["allowed"].as_bool()?,
                })
            }
            Call::Reserve { .. } if row["reservation_id"].is_null() => refused(),
            Call::Reserve { .. } => {
                let (id, expires) = (text(&row["reservation_id"])?, instant(&row["expires_at"])?);
                Some(Answer::Held {
                    id,
                    expires,
                    is_held: row["success"].as_bool()?,
                    level: told_level()?,
                })
            }
            Call::Settle { quantity: 0, .. } if body.is_null() => Some(Answer::Done),
            Call::Settle { .. } | Call::Correct { .. } => text(body).map(Answer::Event),
            Call::GiveBack { .. } | Call::Release { .. } => body.as_bool().map(Answer::Released),
            Call::Acquire { .. } | Call::Renew { .. } if row["success"] == true => {
                let fencing = match sent.call {
                    Call::Acquire { .. } => Some(row["fencing_token"].as_i64()?),
                    _ => None,
                };
                Some(Answer::Leased {
                    id: text(&row["lease_id"])?,
                    fencing,
                    expires: instant(&row["expires_at"])?,
                })
            }
            Call::Acquire { .. } | Call::Renew { .. } => {
                let kept = if row["expires_at"].is_null() {
                    None
                } else {
                    Some(instant(&row["expires_at"])?)
                };
                match (row["decision"].as_str()?, row["reason"].as_str()?) {
                    ("block", "Limit reached") => Some(Answer::Full { kept }),
                    ("deny", "Lease is over") => Some(Answer::Over),
                    ("deny", _) if is_suspended => Some(Answer::Denied {
                        account: None,
                        kept,
                    }),
                    _ => None,
                }
            }
            Call::Limit { .. } | Call::Suspend { .. } => {
                (body.as_array()?.len() == 1).then_some(Answer::Done)
            }
            Call::Provision { .. } | Call::Cancel { .. } => body.as_u64().map(Answer::Changed),
        }
    }

    fn consume(&mut self) -> Result<(), String> {
        let (tree, account, id) = self.somebody();
        let (key, quantity) = (self.name(), 1 + self.dice.roll(2));
        let body = json!({"p_account_id": id, "p_resource_type": RUNS, "p_quantity": quantity, "p_idempotency_key": key});
        let call = Call::Consume {
            key: key.clone(),
            account,
            quantity,
        };
        if let Answer::Recorded { id, .. } =
            self.ask(&Sent::function(tree, call, "consume", body))?
        {
            self.events.push((tree, key, id, quantity));
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), String> {
        let (tree, account, _) = self.somebody();
        let resource = self.dice.one_of(&[Resource::Runs, Resource::Seats]);
        self.look(tree, account, resource)
    }

    fn look(&mut self, tree: usize, account: usize, resource: Resource) -> Result<(), String> {
        let id = &self.tree_of(tree).accounts[account];
        let body = json!({"p_account_id": id, "p_resource_type": code(resource), "p_requested_qty": 1, "p_explain": true});
        self.ask(&Sent::function(
            tree,
            Call::Check { account, resource },
            "check_entitlement",
            body,
        ))
        .map(drop)
    }

    /// Asks what everybody has in every tree, so that the end is judged too: nothing is under way
    /// any more.
    pub(crate) fn look_at_everything(&mut self) -> Result<(), String> {
        for (tree, made) in self.shared.witnessed.trees().iter().enumerate() {
            for account in 0..made.accounts.len() {
                self.look(tree, account, Resource::Runs)?;
                self.look(tree, account, Resource::Seats)?;
            }
        }
        Ok(())
    }

    fn reserve(&mut self) -> Result<(), String> {
        let (tree, account, id) = self.somebody();
        let (key, quantity, seconds) = (self.name(), 1 + self.dice.roll(3), self.seconds());
        let body = json!({"p_account_id": id, "p_resource_type": RUNS, "p_quantity": quantity, "p_idempotency_key": key,
            "p_ttl_seconds": seconds});
        let call = Call::Reserve {
            key: key.clone(),
            account,
            quantity,
            seconds,
        };
        if let Answer::Held { id, .. } = self.ask(&Sent::function(tree, call, "reserve", body))? {
            self.holds.push((tree, key, id, quantity));
        }
        Ok(())
    }

    /// With no more than is held, or nothing, also when the hold has expired; some are forgotten.
    fn close_hold(&mut self) -> Result<(), String> {
        // Often the newest, which has not expired.
        let newest = self.holds.len() - 1;
        let at = if self.dice.happens(50) {
            newest
        } else {
            self.dice.index(self.holds.len())
        };
        let (tree, key, id, held) = self.holds.swap_remove(at);
        if self.dice.happens(15) {
            return Ok(());
        }
        if self.dice.happens(35) {
            let body = json!({"p_reservation_id": id});
            return self
                .ask(&Sent::function(
                    tree,
                    Call::GiveBack { key },
                    "release_reservation",
                    body,
                ))
                .map(drop);
        }
        // Again, sometimes with another amount: that changes nothing.
        for _ in 0..1 + self.dice.roll(4) / 3 {
            let quantity = self.dice.roll(held + 1);
            let body = json!({"p_reservation_id": id, "p_quantity": quantity});
            let call = Call::Settle {
                key: key.clone(),
                quantity,
            };
            if let Answer::Event(id) =
                self.ask(&Sent::function(tree, call, "settle_reservation", body))?
            {
                let event = (tree, format!("{SETTLED}{key}"), id, quantity);
                if !self.events.contains(&event) {
                    self.events.push(event);
                }
            }
        }
        Ok(())
    }

    /// Takes back some of an event or all of it, which makes room again.
    fn correct(&mut self) -> Result<(), String> {
        let (tree, event, id, before) = self.events.swap_remove(self.dice.index(self.events.len()));
        let (key, quantity) = (self.name(), self.dice.roll(before));
        let body = json!({"p_event_id": id, "p_quantity": quantity, "p_idempotency_key": key, "p_reason": "a test"});
        let call = Call::Correct {
            key,
            event,
            quantity,
        };
        self.ask(&Sent::function(tree, call, "correct_consumption", body))
            .map(drop)
    }

    fn acquire(&mut self) -> Result<(), String> {
        let (tree, account, id) = self.somebody();
        let (session, seconds) = (self.name(), self.seconds());
        let body = json!({"p_account_id": id, "p_resource_type": SEATS, "p_session_token": session, "p_ttl_seconds": seconds});
        let call = Call::Acquire {
            session: session.clone(),
            account,
            seconds,
        };
        if let Answer::Leased { id, .. } =
            self.ask(&Sent::function(tree, call, "acquire_lease", body))?
        {
            self.leases.push((tree, session, id));
        }
        Ok(())
    }

    /// Renews what it has in a tree: the limit might be another now.
    fn renew_in(&mut self, tree: usize) -> Result<(), String> {
        for at in (0..self.leases.len()).rev() {
            if self.leases[at].0 == tree {
                self.renew_at(at)?;
            }
        }
        Ok(())
    }

    fn renew(&mut self) -> Result<(), String> {
        let at = self.dice.index(self.leases.len());
        self.renew_at(at)
    }

    fn renew_at(&mut self, at: usize) -> Result<(), String> {
        let (tree, session, id) = self.leases[at].clone();
        let seconds = self.seconds();
        let body = json!({"p_lease_id": id, "p_ttl_seconds": seconds});
        if self.ask(&Sent::function(
            tree,
            Call::Renew { session, seconds },
            "renew_lease",
            body,
        ))? == Answer::Over
        {
            self.leases.swap_remove(at);
        }
        Ok(())
    }

    fn release(&mut self) -> Result<(), String> {
        let (tree, session, id) = self.leases.swap_remove(self.dice.index(self.leases.len()));
        let body = json!({"p_lease_id": id});
        self.ask(&Sent::function(
            tree,
            Call::Release { session },
            "release_lease",
            body,
        ))
        .map(drop)
    }

    /// Changes the entitlement of an account that has one by hand.
    fn change(
        &mut self,
        tree: usize,
        call: Call,
        (account, resource): (usize, Resource),
        body: Value,
    ) -> Result<(), String> {
        let entitlement = &self.tree_of(tree).entitlements[&(account, resource)];
        let path = format!("/api/entitlements?entitlement_id=eq.{entitlement}");
        self.ask(&Sent {
            tree,
            call,
            method: "PATCH",
            path,
            body,
        })
        .map(drop)
    }

    fn limit(&mut self) -> Result<usize, String> {
        let ((tree, resource), account) = (self.changed(), self.dice.one_of(&BY_HAND));
        let (least, more) = RANGES[account][usize::from(resource == Resource::Seats)];
        // Often the least, so that there are more leases than seats.
        let limit = if self.dice.happens(35) {
            least
        } else {
            least + self.dice.roll(more + 1)
        };
        let call = Call::Limit {
            account,
            resource,
            limit,
        };
        self.change(
            tree,
            call,
            (account, resource),
            json!({"quantity_allowed": limit}),
        )
        .map(|()| tree)
    }

    /// Mostly it is in force again.
    fn suspend(&mut self) -> Result<usize, String> {
        let ((tree, resource), account) = (self.changed(), self.dice.one_of(&BY_HAND));
        let is_suspended = self.dice.happens(22);
        let call = Call::Suspend {
            account,
            resource,
            is_suspended,
        };
        let status = if is_suspended { "suspended" } else { "active" };
        self.change(tree, call, (account, resource), json!({"status": status}))
            .map(|()| tree)
    }

    fn provision(&mut self) -> Result<(), String> {
        let (tree, plan) = (self.tree(), self.dice.index(PLANS.len()));
        let body = json!({"p_account_id": self.tree_of(tree).accounts[WITH_PLANS], "p_plan_id": plan_id(plan)});
        let call = Call::Provision {
            account: WITH_PLANS,
            plan,
        };
        self.ask(&Sent::function(tree, call, "provision_plan", body))
            .map(drop)
    }

    fn cancel(&mut self) -> Result<(), String> {
        let (tree, plan) = (self.tree(), self.dice.index(PLANS.len()));
        let body = json!({"p_account_id": self.tree_of(tree).accounts[WITH_PLANS], "p_plan_id": plan_id(plan)});
        let call = Call::Cancel {
            account: WITH_PLANS,
            plan,
        };
        self.ask(&Sent::function(tree, call, "cancel_plan", body))
            .map(drop)
    }
}

/// The machine's clock, which is the database's too.
fn now() -> Instant {
    mec_engine::MachineClock.now().micros()
}

fn instant(told: &Value) -> Option<Instant> {
    Some(told.as_str()?.parse::<mec_kernel::Time>().ok()?.micros())
}
