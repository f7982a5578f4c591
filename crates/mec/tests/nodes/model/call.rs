//! What clients ask for, and what they are told.

use serde::{Deserialize, Serialize};

use super::accounts::{Instant, Resource};

/// What a client asked for. Names are the clients' own: idempotency keys, and session tokens for
/// leases.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub(crate) enum Call {
    Consume {
        key: String,
        account: usize,
        quantity: u64,
    },
    /// For one more.
    Check {
        account: usize,
        resource: Resource,
    },
    Reserve {
        key: String,
        account: usize,
        quantity: u64,
        seconds: i64,
    },
    /// With 0 it gives the hold back.
    Settle {
        key: String,
        quantity: u64,
    },
    GiveBack {
        key: String,
    },
    /// The amount of an event is put right.
    Correct {
        key: String,
        event: String,
        quantity: u64,
    },
    Acquire {
        session: String,
        account: usize,
        seconds: i64,
    },
    Renew {
        session: String,
        seconds: i64,
    },
    Release {
        session: String,
    },
    Limit {
        account: usize,
        resource: Resource,
        limit: u64,
    },
    Suspend {
        account: usize,
        resource: Resource,
        is_suspended: bool,
    },
    Provision {
        account: usize,
        plan: usize,
    },
    Cancel {
        account: usize,
        plan: usize,
    },
}

/// What is told of one account's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub(crate) struct Level {
    pub(crate) account: usize,
    pub(crate) limit: u64,
    pub(crate) used: u64,
    pub(crate) reserved: u64,
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub(crate) enum Answer {
    /// Nothing, or that nobody knows.
    Unknown,
    /// Recorded under this id; what the limit that binds has then. A repeat is not told that while
    /// it would be denied.
    Recorded {
        id: String,
        level: Option<Level>,
    },
    /// The event of a settlement or a correction.
    Event(String),
    /// A limit is reached.
    Refused(Level),
    /// An entitlement is suspended: whose, and until when the lease lives that was not renewed,
    /// where that is told.
    Denied {
        account: Option<usize>,
        kept: Option<Instant>,
    },
    Checked {
        levels: Vec<Level>,
        is_allowed: bool,
    },
    Held {
        id: String,
        expires: Instant,
        is_held: bool,
        level: Option<Level>,
    },
    /// The hold was settled with another amount, or given back.
    Closed,
    /// It is done, and there is no more to say.
    Done,
    /// So many entitlements were given or have ended.
    Changed(u64),
    Leased {
        id: String,
        fencing: Option<i64>,
        expires: Instant,
    },
    /// No seat; until when the lease lives that was not renewed.
    Full {
        kept: Option<Instant>,
    },
    /// The lease has expired or was released.
    Over,
    Released(bool),
}

impl Call {
    /// The names it uses.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Consume { key, .. }
            | Self::Reserve { key, .. }
            | Self::Settle { key, .. }
            | Self::GiveBack { key } => {
                vec![key]
            }
            Self::Correct { key, event, .. } => {
                vec![key, event.strip_prefix(SETTLED).unwrap_or(event)]
            }
            Self::Acquire { session, .. }
            | Self::Renew { session, .. }
            | Self::Release { session } => vec![session],
            Self::Check { .. }
            | Self::Limit { .. }
            | Self::Suspend { .. }
            | Self::Provision { .. }
            | Self::Cancel { .. } => {
                vec![]
            }
        }
    }

    /// Whether it can change something after another call although it changes nothing before it.
    pub(crate) fn sets(&self) -> bool {
        matches!(
            self,
            Self::Limit { .. } | Self::Suspend { .. } | Self::Provision { .. }
        )
    }

    /// For how long it asks for something that expires.
    pub(super) fn seconds(&self) -> Option<i64> {
        match self {
            Self::Reserve { seconds, .. }
            | Self::Acquire { seconds, .. }
            | Self::Renew { seconds, .. } => Some(*seconds),
            _ => None,
        }
    }
}

/// Before the key of a hold: the name of the event that settled it.
pub(crate) const SETTLED: &str = "settled ";

impl Level {
    pub(super) fn fits(&self, quantity: u64) -> bool {
        self.used + self.reserved + quantity <= self.limit
    }
}
