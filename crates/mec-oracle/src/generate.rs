//! Random sequences of commands from a seed: what callers do, and what they should not do, at
//! ordinary moments and at the very instants at which something begins or ends.

mod across;
mod chance;
mod edge;
mod hold;
mod moment;
mod set_up;
mod setting;
mod stated;
mod usage;

use crate::command::{Command, SECOND, Step, Time};
use crate::state::Oracle;

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
            61..=66 => self.reserve(oracle),
            67..=71 => self.settle(oracle),
            72..=73 => Command::ReleaseReservation {
                reservation: self.hold(oracle),
            },
            74..=80 => self.acquire(oracle),
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
}
