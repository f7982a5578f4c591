//! Reservations: an amount held as used until it is settled with the true one, released, or
//! expires.

use crate::code::{Code, closed_list};
use crate::id::{AccountId, EventId, ReservationId};
use crate::ledger::RecordedRuling;
use crate::quantity::{Amount, Quantity};
use crate::time::Time;

closed_list! {
    /// What became of a reservation. One past its expiry holds nothing, whatever its status.
    ReservationStatus {
        Open = "open": "Holds its amount until it expires",
        Settled = "settled": "The true amount was recorded",
        Released = "released": "Given back",
    }
}

/// An amount held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// The caller's key of the hold.
    pub key: Code,
    /// Who holds.
    pub account: AccountId,
    /// What is held.
    pub resource: Code,
    /// Which part of it.
    pub scope: Option<Code>,
    /// How much, in `unit`.
    pub quantity: Quantity,
    /// The unit of `quantity`.
    pub unit: Code,
    /// The same in base units.
    pub amount: Amount,
    /// What became of it.
    pub status: ReservationStatus,
    /// When it was made: hold and settling event count in the windows that hold this instant.
    pub reserved_at: Time,
    /// First instant at which it no longer holds; a full second.
    pub expires_at: Time,
    /// What its maker was told, and is told again under the same key.
    pub ruling: RecordedRuling,
    /// The event that settled it.
    pub event: Option<EventId>,
}

impl Reservation {
    /// Whether it holds its amount until it expires.
    pub fn is_open(&self) -> bool {
        self.status == ReservationStatus::Open
    }

    /// Whether it holds its amount at `now`.
    pub fn holds(&self, now: Time) -> bool {
        self.is_open() && now < self.expires_at
    }
}
