//! Random sequences of commands from a seed: what callers do, and what they should not do, at
//! ordinary moments and at the very instants at which something begins or ends.

mod across;
mod chance;
mod edge;
mod moment;
mod setting;
mod stated;

use crate::command::{
    Code, Command, Id, Meter, Patch, Provision, Question, RowStatus, SECOND, Status, Step, Time,
};
use crate::oracle::Oracle;
use crate::row::Holding;
use crate::shop::{HOURS, Kind};

use self::chance::Chance;

/// The largest quantity, in millionths.
const QUANTITY_MAX: i64 = 999_999_999_999_999_999;

/// Microseconds around a batch in which nothing else happens.
const BATCH_APART: i64 = 20;

/// Makes one sequence, step by step, from what has happened so far.
#[derive(Clone, Debug)]
pub struct Generator {
    chance: Chance,
    at: Time,
    serial: u32,
    trees: u64,
    accounts_max: usize,
    /// How much is used at a time, against limits of tens.
    hunger: u64,
    /// Restlessness of the clock.
    haste: u64,
    /// In how many of eight steps no time passes.
    standstill: u64,
    /// Whether an installation is asked, which knows more than its kernel.
    asks_installation: bool,
    /// Whether much of it is about overage: small limits, many windows, use that comes late.
    bills: bool,
    /// Whether much of it is about attributes: conditions, and what is stated to meet them.
    is_conditional: bool,
}

impl Generator {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        // 2026-01-30T12:00:00Z and up to a year later.
        let at = 1_769_774_400 * SECOND + chance.below(365 * 86_400).cast_signed() * SECOND;
        let trees = 1 + chance.below(3);
        let accounts_max = usize::try_from(2 + chance.below(12)).expect("few");
        let (hunger, haste) = (1 + chance.below(12), chance.below(10));
        let (bills, is_conditional) = (chance.of(2), chance.of(2));
        Self {
            chance,
            at,
            serial: 0,
            trees,
            accounts_max,
            hunger,
            haste,
            standstill: 0,
            asks_installation: false,
            bills,
            is_conditional,
        }
    }

    /// Steps may share an instant, as the commands of a batch do.
    #[must_use]
    pub fn with_standstills(mut self) -> Self {
        self.standstill = self.chance.below(8);
        self
    }

    /// Also asks for use over time and for everything at once.
    #[must_use]
    pub const fn of_an_installation(mut self) -> Self {
        self.asks_installation = true;
        self
    }

    /// The next step after what `oracle` has seen.
    pub fn next(&mut self, oracle: &Oracle) -> Step {
        let serial = self.serial;
        self.serial += 1;
        if self.standstill == 0 || self.chance.below(8) >= self.standstill {
            self.at = self.moment(oracle);
        }
        let command = self.command(oracle);
        if self.asks_installation && matches!(command, Command::MeterBatch(_)) {
            // It is recorded in several turns a microsecond apart: away from every edge.
            let at = self.at + BATCH_APART;
            self.at += 2 * BATCH_APART;
            return Step {
                serial,
                at,
                command,
            };
        }
        Step {
            serial,
            at: self.at,
            command,
        }
    }

    fn command(&mut self, oracle: &Oracle) -> Command {
        let roots = oracle
            .accounts
            .values()
            .filter(|account| account.path.len() == 1)
            .count();
        if oracle.accounts.is_empty() {
            return Command::CreateAccount {
                parent: None,
                zone: self.zone(),
            };
        }
        if self.serial < 14 && oracle.accounts.len() < self.accounts_max || self.chance.of(60) {
            let is_root = u64::try_from(roots).expect("few") < self.trees && self.chance.of(4);
            let newest = oracle.accounts.keys().next_back().copied();
            let parent = if self.chance.of(2) {
                newest
            } else {
                Some(self.account(oracle))
            };
            let parent = parent.filter(|_| !is_root);
            let zone = if self.chance.of(3) { self.zone() } else { None };
            return Command::CreateAccount { parent, zone };
        }
        if self.bills && (14..16).contains(&self.serial) {
            return Command::PutRule(self.price());
        }
        if self.serial < 40 && self.chance.below(4) > 0 {
            return self.set_up(oracle);
        }
        // Where it is about overage, less is asked and more is recorded, held and settled.
        let drawn = match self.chance.below(100) {
            drawn @ 0..=11 if self.bills => 42 + drawn,
            drawn @ 12..=16 if self.bills => 61 + (drawn - 12) % 2 * 6,
            drawn => drawn,
        };
        match drawn {
            0..=5 if self.asks_installation => Command::Usage(self.usage(oracle)),
            6 | 7 if self.asks_installation => self.check_all(oracle),
            0..=21 => Command::Check(self.question(oracle)),
            22..=41 => self.consume(oracle),
            42 if self.chance.of(4) => Command::MeterBatch(self.batch(oracle)),
            42..=54 => Command::Meter(self.meter(oracle)),
            55..=60 => self.correct(oracle),
            61..=66 => {
                let (mut question, mut key, ttl_seconds) =
                    (self.question(oracle), self.key(oracle), self.ttl());
                let held = self.hold(oracle);
                if self.chance.of(8)
                    && let Some(hold) = oracle.holds.iter().find(|hold| hold.id == held)
                {
                    let of = &hold.content;
                    (question.account, question.resource, question.scope) =
                        (of.account, of.resource, of.scope);
                    (question.unit, question.quantity) = (Some(of.unit), Some(of.quantity));
                    key.clone_from(&hold.key);
                }
                Command::Reserve {
                    question,
                    key,
                    ttl_seconds,
                }
            }
            67..=71 => {
                let reservation = self.hold(oracle);
                let same = oracle
                    .holds
                    .iter()
                    .find(|hold| hold.id == reservation)
                    .map(|hold| hold.content.quantity);
                let quantity = match self.chance.below(4) {
                    0 => 0,
                    1 => same.unwrap_or(1_000_000),
                    _ => self.quantity(),
                };
                Command::Settle {
                    reservation,
                    quantity,
                    attributes: self.attributes(),
                }
            }
            72..=73 => Command::ReleaseReservation {
                reservation: self.hold(oracle),
            },
            74..=80 => {
                let mut question = self.question(oracle);
                (question.unit, question.quantity) =
                    (None, Some(question.quantity.unwrap_or(1_000_000)));
                if !self.chance.of(30) {
                    question.resource = "seats";
                    question.quantity = Some(if self.chance.of(6) {
                        self.quantity()
                    } else {
                        1_000_000
                    });
                }
                let token = [None, Some("tom"), Some("ann")][self.chance.place(3)];
                Command::Acquire {
                    question,
                    token,
                    ttl_seconds: self.ttl(),
                }
            }
            81..=84 => Command::Renew {
                lease: self.lease(oracle),
                ttl_seconds: self.ttl(),
                attributes: self.attributes(),
            },
            85..=86 => Command::ReleaseLease {
                lease: self.lease(oracle),
            },
            _ => self.set_up(oracle),
        }
    }

    /// Changes of what may be used.
    fn set_up(&mut self, oracle: &Oracle) -> Command {
        let is_patch = self.is_conditional && self.chance.of(5);
        match if is_patch { 71 } else { self.chance.below(100) } {
            0..=24 => Command::Grant(self.grant(oracle)),
            25..=44 => Command::PutRule(self.rule(oracle)),
            45..=64 => Command::Provision(self.provision(oracle)),
            65..=70 => {
                let waits = |of: &&Holding| {
                    !of.is_addon && of.start > self.at && of.end.is_none_or(|end| end > of.start)
                };
                let to_come = oracle
                    .holdings
                    .iter()
                    .rev()
                    .find(waits)
                    .map(|of| (of.account, of.plan, of.reference));
                let (account, plan, reference) = match to_come {
                    Some(to_come) if !self.chance.of(3) => to_come,
                    _ => self.holding(oracle),
                };
                let reference = if self.chance.of(2) {
                    None
                } else {
                    Some(reference)
                };
                let at = if self.chance.of(2) {
                    None
                } else {
                    Some(self.ahead())
                };
                Command::Cancel {
                    account,
                    plan,
                    reference,
                    at,
                }
            }
            71..=88 => self.patch(oracle),
            89..=90 => {
                let status = match self.chance.below(20) {
                    0 => Some(Status::Closed),
                    1..=6 => Some(Status::Suspended),
                    _ => Some(Status::Active),
                };
                let account = self.account(oracle);
                let is_closed = oracle
                    .accounts
                    .get(&account)
                    .is_some_and(|account| account.status == Status::Closed);
                let zone = if !is_closed && self.chance.of(5) {
                    Some(self.zone())
                } else {
                    None
                };
                Command::PatchAccount {
                    account,
                    status,
                    zone,
                }
            }
            91 | 92 => Command::PutResource(&HOURS[self.chance.place(HOURS.len())]),
            93..=95 => self.new_version(oracle),
            _ => {
                let inactive = oracle
                    .accounts
                    .values()
                    .filter(|account| account.status == Status::Suspended);
                let ids: Vec<Id> = inactive.map(|account| account.id).collect();
                let account = if ids.is_empty() {
                    self.account(oracle)
                } else {
                    ids[self.chance.place(ids.len())]
                };
                Command::PatchAccount {
                    account,
                    status: Some(Status::Active),
                    zone: None,
                }
            }
        }
    }

    fn new_version(&mut self, oracle: &Oracle) -> Command {
        let mut plan = oracle.shop.plans[self.chance.place(oracle.shop.plans.len())].clone();
        let place = self.chance.place(plan.templates.len());
        let is_unscoped = plan.templates[place].scope.is_none();
        let quantity = self.limit();
        let scope = if self.chance.of(3) { Some("") } else { None };
        let template = &mut plan.templates[place];
        template.scope = if is_unscoped { scope } else { template.scope };
        template.quantity = if template.resource == "access" {
            None
        } else {
            quantity
        };
        Command::PutPlan(plan)
    }

    fn provision(&mut self, oracle: &Oracle) -> Provision {
        if self.chance.of(6)
            && let Some(scheduled) = self.scheduled(oracle)
        {
            return scheduled;
        }
        let start = match self.chance.below(6) {
            0 => Some(self.ahead()),
            1 if self.chance.of(3) => {
                Some(self.at - self.chance.below(20 * 86_400).cast_signed() * SECOND)
            }
            _ => None,
        };
        let (account, plan, reference) = self.holding(oracle);
        let is_addon = plan.starts_with("more");
        let until = if self.chance.of(6) {
            Some(self.ahead() + 30 * 86_400 * SECOND)
        } else {
            None
        };
        Provision {
            account,
            plan,
            start: start.filter(|_| !is_addon),
            quantity: if self.chance.of(2) {
                None
            } else {
                Some((1 + self.chance.below(4)).cast_signed() * 1_000_000)
            },
            reference,
            until,
            migrate: self.chance.of(4),
        }
    }

    /// Another plan to come for an account that has one now, so that there are schedules to cancel.
    fn scheduled(&mut self, oracle: &Oracle) -> Option<Provision> {
        let at = self.at;
        let bases = oracle
            .holdings
            .iter()
            .filter(|holding| holding.holds(at) && !holding.plan.starts_with("more"));
        let accounts: Vec<Id> = bases.map(|holding| holding.account).collect();
        if accounts.is_empty() {
            return None;
        }
        let account = accounts[self.chance.place(accounts.len())];
        let plan = ["starter", "pro", "team"][self.chance.place(3)];
        let (start, reference) = (Some(self.ahead()), "");
        Some(Provision {
            account,
            plan,
            start,
            quantity: None,
            reference,
            until: None,
            migrate: false,
        })
    }

    /// Who has or shall have what: often what there is already.
    fn holding(&mut self, oracle: &Oracle) -> (Id, Code, Code) {
        if !oracle.holdings.is_empty() && self.chance.of(3) {
            let to_come = oracle
                .holdings
                .iter()
                .rev()
                .find(|holding| holding.start > self.at)
                .filter(|_| self.chance.of(3));
            let any = &oracle.holdings[self.chance.place(oracle.holdings.len())];
            let holding = to_come.unwrap_or(any);
            let reference = if self.chance.of(4) {
                self.reference()
            } else {
                holding.reference
            };
            return (holding.account, holding.plan, reference);
        }
        let plan = self.plan();
        let reference = if plan.starts_with("more") || self.chance.of(4) {
            self.reference()
        } else {
            ""
        };
        (self.account(oracle), plan, reference)
    }

    fn patch(&mut self, oracle: &Oracle) -> Command {
        let entitlement = self.pick(oracle.rows.keys().copied());
        let row = oracle.rows.get(&entitlement);
        let is_cumulative = row.is_some_and(|row| {
            oracle
                .shop
                .resource(row.resource)
                .is_some_and(|of| of.kind == Kind::Cumulative)
        });
        let is_access = row.is_some_and(|row| row.resource == "access");
        let mut patch = Patch::default();
        match if self.is_conditional && !self.chance.of(3) {
            11
        } else {
            self.chance.below(12)
        } {
            0..=3 if !is_access => patch.quantity = Some(self.limit()),
            4 => patch.status = Some(RowStatus::Suspended),
            5 | 6 => patch.status = Some(RowStatus::Active),
            7 if self.chance.of(3) => patch.status = Some(RowStatus::Expired),
            8 => {
                patch.valid_until = Some(if self.chance.of(2) {
                    None
                } else {
                    Some(self.ahead())
                })
            }
            9 if is_cumulative => patch.window = Some(self.window()),
            11 if self.is_conditional => patch.conditions = Some(vec![self.attribute_condition()]),
            10 => patch.priority = Some(i32::try_from(self.chance.below(3)).expect("small")),
            _ => {
                let conditions = if self.chance.of(2) {
                    vec![]
                } else {
                    vec![self.condition()]
                };
                patch.conditions = Some(conditions);
            }
        }
        Command::PatchEntitlement { entitlement, patch }
    }

    fn question(&mut self, oracle: &Oracle) -> Question {
        let resource = self.resource();
        let attributes = self.attributes();
        let quantity = match self.chance.below(20) {
            0..=2 => None,
            3 => Some(0),
            4..=7 if resource == "servers" => Some(-self.quantity()),
            5 if self.chance.of(4) => Some(-self.quantity()),
            _ => Some(self.quantity()),
        };
        Question {
            account: self.account(oracle),
            resource,
            scope: self.scope(),
            quantity,
            unit: self.unit(resource),
            attributes,
        }
    }

    fn consume(&mut self, oracle: &Oracle) -> Command {
        let mut question = self.question(oracle);
        if !self.chance.of(30) {
            question.quantity = question
                .quantity
                .filter(|quantity| *quantity != 0)
                .or(Some(1_000_000));
            if matches!(question.resource, "seats" | "access") {
                question.resource = "runs";
            }
        }
        let details = if self.chance.of(8) {
            Some("{\"job\":1}")
        } else {
            None
        };
        if self.chance.of(10)
            && let Some(event) = self.pick_event(oracle)
            && !oracle.events[event].is_settlement()
        {
            let of = &oracle.events[event].content;
            let question = Question {
                scope: of.scope,
                quantity: Some(of.quantity),
                unit: Some(of.unit),
                ..Question::of(of.account, of.resource)
            };
            return Command::Consume {
                question,
                key: oracle.events[event].key.clone().unwrap_or_default(),
                details: None,
            };
        }
        Command::Consume {
            question,
            key: self.key(oracle),
            details,
        }
    }

    fn meter(&mut self, oracle: &Oracle) -> Meter {
        let question = self.question(oracle);
        let resource = if matches!(question.resource, "seats" | "access") && !self.chance.of(20) {
            "runs"
        } else {
            question.resource
        };
        let occurred_at = self.happened(oracle, question.account, resource);
        let mut meter = Meter {
            key: self.key(oracle),
            account: question.account,
            resource,
            scope: question.scope,
            quantity: question
                .quantity
                .filter(|quantity| *quantity != 0)
                .unwrap_or(1_000_000),
            unit: if resource == question.resource {
                question.unit
            } else {
                None
            },
            occurred_at,
            details: if self.chance.of(8) {
                Some("{\"job\":1}")
            } else {
                None
            },
            is_correction: false,
            corrects: None,
            attributes: question.attributes,
        };
        if let Some(event) = self.pick_event(oracle) {
            let (id, of) = (oracle.events[event].id, &oracle.events[event].content);
            match self.chance.below(12) {
                // A correction, as it should be or nearly so.
                0 | 1 => {
                    meter.quantity = if self.chance.of(2) {
                        -self.quantity()
                    } else {
                        -of.quantity
                    };
                    (meter.account, meter.resource, meter.scope) =
                        (of.account, of.resource, of.scope);
                    (meter.unit, meter.occurred_at) =
                        (Some(of.unit), Some(oracle.events[event].occurred_at));
                    (meter.is_correction, meter.corrects) = (!self.chance.of(10), Some(id));
                    if self.chance.of(10) {
                        meter.scope = self.scope();
                    }
                }
                // The same again, exactly or nearly so.
                2 if !oracle.events[event].is_settlement() => {
                    meter.key = oracle.events[event].key.clone().unwrap_or_default();
                    (meter.account, meter.resource, meter.scope) =
                        (of.account, of.resource, of.scope);
                    (meter.unit, meter.quantity, meter.occurred_at) =
                        (Some(of.unit), of.quantity, of.occurred_at);
                    meter.details = None;
                    (meter.is_correction, meter.corrects) = (of.corrects.is_some(), of.corrects);
                    if self.chance.of(4) {
                        meter.quantity += if meter.quantity > 0 { -1 } else { 1 };
                    }
                }
                _ => {}
            }
        }
        meter
    }

    fn correct(&mut self, oracle: &Oracle) -> Command {
        let event = self.pick_event(oracle);
        let quantity = match self.chance.below(5) {
            0 | 1 => None,
            2 if self.chance.of(8) => Some(-self.quantity()),
            2 | 3 => event.map(|event| {
                oracle.events[event]
                    .content
                    .quantity
                    .max(0)
                    .saturating_add(self.quantity())
                    .min(QUANTITY_MAX)
            }),
            _ => Some(self.quantity()),
        };
        let event = event.map_or(Id::new(9_999, 0), |event| oracle.events[event].id);
        Command::Correct {
            event,
            key: self.key(oracle),
            quantity,
        }
    }
}
