//! Leases: slots of a concurrency resource that free themselves (design 1.5). Admission control,
//! not mutual exclusion: a holder that pauses past its expiry finds its slot given away, and the
//! fencing token tells.

use crate::code::Code;
use crate::id::{AccountId, LeaseId};
use crate::quantity::{Amount, Quantity};
use crate::time::Time;

/// A slot that is taken until it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// Who holds it.
    pub account: AccountId,
    /// Of which resource.
    pub resource: Code,
    /// Which part of it.
    pub scope: Option<Code>,
    /// The caller's name for the session that holds it.
    pub token: Option<Code>,
    /// How many slots, in the canonical unit.
    pub quantity: Quantity,
    /// The same in base units.
    pub amount: Amount,
    /// Grows with every lease of the tree: what a resource compares to turn a late holder away.
    pub fencing_token: i64,
    /// When it was taken.
    pub acquired_at: Time,
    /// First instant at which it no longer counts; a full second.
    pub expires_at: Time,
    /// When it was given back.
    pub released_at: Option<Time>,
}

impl Lease {
    /// Whether it counts: taken, not given back, not expired.
    pub fn is_live(&self, now: Time) -> bool {
        self.released_at.is_none() && now < self.expires_at
    }

    /// What it is found by when the session logs in again.
    pub fn session(&self) -> Option<Session> {
        let token = self.token.clone()?;
        Some(Session {
            account: self.account,
            resource: self.resource.clone(),
            scope: self.scope.clone(),
            token,
        })
    }
}

/// Who logged in where: a lease with a session token is found by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    /// Whose seat.
    pub account: AccountId,
    /// Of which resource.
    pub resource: Code,
    /// Which part of it.
    pub scope: Option<Code>,
    /// The caller's name for the session.
    pub token: Code,
}
