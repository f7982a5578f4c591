//! Facts that were looked up: a decision finds them here, or names the one that is missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::account::AccountPlan;
use crate::code::Code;
use crate::counter::{WindowKey, WindowTotal};
use crate::id::{AccountId, EventId, LeaseId, ReservationId};
use crate::lease::{Lease, Session};
use crate::ledger::LedgerEvent;
use crate::need::{Halt, Need};
use crate::node::Node;
use crate::reservation::Reservation;
use crate::time::Time;
use crate::tree::Tree;
use crate::write::Write;

/// Facts looked up for one batch, kept true while the batch is decided. `None` inside: looked up
/// and not there.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Accounts that do not exist.
    pub absent: BTreeMap<AccountId, ()>,
    /// Events by idempotency key.
    pub keys: BTreeMap<Arc<str>, Option<Arc<LedgerEvent>>>,
    /// Events by id.
    pub events: BTreeMap<EventId, Option<Arc<LedgerEvent>>>,
    /// Sum of the corrections of an event, in its unit.
    pub corrections: BTreeMap<EventId, i128>,
    /// Leases by id.
    pub leases: BTreeMap<LeaseId, Option<Arc<Lease>>>,
    /// Newest lease per session.
    pub sessions: BTreeMap<Session, Option<LeaseId>>,
    /// Reservations by id.
    pub reservations: BTreeMap<ReservationId, Option<Arc<Reservation>>>,
    /// Reservations by idempotency key.
    pub holds: BTreeMap<Code, Option<ReservationId>>,
    /// Accounts by external id.
    pub links: BTreeMap<Code, Option<AccountId>>,
    /// The trials of this tree.
    pub trials: Option<Vec<Arc<AccountPlan>>>,
}

impl Facts {
    /// The facts after `write`.
    pub fn apply(&mut self, write: &Write) {
        match write {
            Write::Account(account) => {
                self.absent.remove(&account.id);
                for linked in self
                    .links
                    .values_mut()
                    .filter(|linked| **linked == Some(account.id))
                {
                    *linked = None;
                }
                if let Some(external_id) = &account.external_id {
                    self.links.insert(external_id.clone(), Some(account.id));
                }
            }
            Write::Event { event, .. } => {
                if event.reservation.is_none() {
                    self.keys.insert(event.key.clone(), Some(event.clone()));
                }
                self.events.insert(event.id, Some(event.clone()));
                if let Some(sum) = event
                    .corrects
                    .and_then(|original| self.corrections.get_mut(&original))
                {
                    *sum = sum.saturating_add(i128::from(event.quantity.millionths()));
                }
            }
            Write::Lease { new, .. } => {
                self.leases.insert(new.id, Some(new.clone()));
                if let Some(session) = new.session() {
                    self.sessions.insert(session, Some(new.id));
                }
            }
            Write::Reservation { new, .. } => {
                self.holds.insert(new.key.clone(), Some(new.id));
                self.reservations.insert(new.id, Some(new.clone()));
            }
            Write::AccountPlan(plan) => {
                if let Some(trials) = self.trials.as_mut().filter(|_| plan.is_trial) {
                    trials.retain(|trial| !trial.is_same(plan));
                    trials.push(plan.clone());
                }
            }
            _ => {}
        }
    }

    /// The event under `key`.
    pub fn key(&self, key: &Arc<str>) -> Result<Option<&Arc<LedgerEvent>>, Halt> {
        self.keys
            .get(key)
            .map(Option::as_ref)
            .ok_or_else(|| Halt::Need(Need::Key(key.clone())))
    }

    /// The event with this id.
    pub fn event(&self, id: EventId) -> Result<Option<&Arc<LedgerEvent>>, Halt> {
        self.events
            .get(&id)
            .map(Option::as_ref)
            .ok_or(Halt::Need(Need::Event(id)))
    }

    /// What the corrections of an event add up to, in millionths of its unit. Each is a quantity,
    /// their sum may be more than one.
    pub fn corrections_of(&self, id: EventId) -> Result<i128, Halt> {
        self.corrections
            .get(&id)
            .copied()
            .ok_or(Halt::Need(Need::Corrections(id)))
    }

    /// The lease with this id.
    pub fn lease(&self, id: LeaseId) -> Result<Option<&Arc<Lease>>, Halt> {
        self.leases
            .get(&id)
            .map(Option::as_ref)
            .ok_or(Halt::Need(Need::Lease(id)))
    }

    /// The newest lease of a session.
    pub fn session(&self, session: &Session) -> Result<Option<&Arc<Lease>>, Halt> {
        match self.sessions.get(session) {
            None => Err(Halt::Need(Need::Session(session.clone()))),
            Some(None) => Ok(None),
            Some(Some(id)) => self.lease(*id),
        }
    }

    /// The reservation with this id.
    pub fn reservation(&self, id: ReservationId) -> Result<Option<&Arc<Reservation>>, Halt> {
        self.reservations
            .get(&id)
            .map(Option::as_ref)
            .ok_or(Halt::Need(Need::Reservation(id)))
    }

    /// The reservation under `key`.
    pub fn hold(&self, key: &Code) -> Result<Option<&Arc<Reservation>>, Halt> {
        match self.holds.get(key) {
            None => Err(Halt::Need(Need::Hold(key.clone()))),
            Some(None) => Ok(None),
            Some(Some(id)) => self.reservation(*id),
        }
    }

    /// The account an external id stands for.
    pub fn link(&self, external_id: &Code) -> Result<Option<AccountId>, Halt> {
        self.links
            .get(external_id)
            .copied()
            .ok_or_else(|| Halt::Need(Need::Link(external_id.clone())))
    }

    /// The trials of this tree.
    pub fn trials(&self) -> Result<&[Arc<AccountPlan>], Halt> {
        self.trials.as_deref().ok_or(Halt::Need(Need::Trials))
    }
}

/// The answer to a [`Need`]. `None`: looked up and not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// An account with everything a decision needs of it.
    Account(AccountId, Option<Box<Node>>),
    /// The event under an idempotency key.
    Key(Arc<str>, Option<Arc<LedgerEvent>>),
    /// The event with this id.
    Event(EventId, Option<Arc<LedgerEvent>>),
    /// What all corrections of an event add up to, in millionths of its unit.
    Corrections(EventId, i128),
    /// The lease with this id.
    Lease(LeaseId, Option<Arc<Lease>>),
    /// The newest lease of a session.
    Session(Session, Option<Arc<Lease>>),
    /// The reservation with this id.
    Reservation(ReservationId, Option<Arc<Reservation>>),
    /// The reservation under an idempotency key.
    Hold(Code, Option<Arc<Reservation>>),
    /// The account linked to an external id.
    Link(Code, Option<AccountId>),
    /// The trials of the tree.
    Trials(Vec<Arc<AccountPlan>>),
    /// A counter, counted from the ledger.
    Window(AccountId, WindowKey, WindowTotal),
}

impl Fact {
    /// Puts the fact where the next decision finds it.
    pub fn learn(self, tree: &mut Tree, facts: &mut Facts, now: Time) {
        match self {
            Self::Account(id, None) => {
                facts.absent.insert(id, ());
            }
            Self::Account(_, Some(node)) => tree.insert(*node),
            Self::Key(key, event) => {
                facts.keys.insert(key, event);
            }
            Self::Event(id, event) => {
                facts.events.insert(id, event);
            }
            Self::Corrections(id, sum) => {
                facts.corrections.insert(id, sum);
            }
            Self::Lease(id, lease) => {
                facts.leases.insert(id, lease);
            }
            Self::Session(session, lease) => {
                facts
                    .sessions
                    .insert(session, lease.as_ref().map(|lease| lease.id));
                if let Some(lease) = lease {
                    facts.leases.entry(lease.id).or_insert(Some(lease));
                }
            }
            Self::Reservation(id, reservation) => {
                facts.reservations.insert(id, reservation);
            }
            Self::Hold(key, reservation) => {
                facts
                    .holds
                    .insert(key, reservation.as_ref().map(|reservation| reservation.id));
                if let Some(reservation) = reservation {
                    facts
                        .reservations
                        .entry(reservation.id)
                        .or_insert(Some(reservation));
                }
            }
            Self::Link(external_id, account) => {
                facts.links.insert(external_id, account);
            }
            Self::Trials(trials) => facts.trials = Some(trials),
            Self::Window(account, key, total) => tree.apply(
                &Write::Window {
                    account,
                    key,
                    total,
                },
                now,
            ),
        }
    }
}
