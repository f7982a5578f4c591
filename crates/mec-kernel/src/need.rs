//! Why a command was not decided: a fact is missing, or the caller is mistaken.

use std::sync::Arc;

use crate::code::Code;
use crate::counter::WindowKey;
use crate::id::{AccountId, EventId, LeaseId, ReservationId};
use crate::lease::Session;
use crate::refusal::Refusal;
use crate::tree::NotLoaded;

/// A fact a command cannot be decided without.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// An account of the tree, or that there is none.
    Account(AccountId),
    /// The event under an idempotency key, or that there is none.
    Key(Arc<str>),
    /// The event with this id, or that there is none.
    Event(EventId),
    /// What all corrections of an event add up to.
    Corrections(EventId),
    /// The lease with this id, or that there is none.
    Lease(LeaseId),
    /// The newest lease of an account, resource, scope and session token, or that there is none.
    Session(Session),
    /// The reservation with this id, or that there is none.
    Reservation(ReservationId),
    /// The reservation under an idempotency key, or that there is none.
    Hold(Code),
    /// The account linked to an external id, in whatever tree, or that there is none.
    Link(Code),
    /// The trials this tree has had.
    Trials,
    /// A counter, counted from the ledger.
    Window(AccountId, WindowKey),
}

/// Why a command was not decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// A fact is missing: look it up and decide again.
    Need(Need),
    /// The caller's mistake: nothing changes.
    Refuse(Refusal),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

impl From<NotLoaded> for Halt {
    fn from(NotLoaded(account): NotLoaded) -> Self {
        Self::Need(Need::Account(account))
    }
}
