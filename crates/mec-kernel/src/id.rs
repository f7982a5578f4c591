//! Ids that route. Every id is a valid UUIDv7 whose last 32 bits are the tree it was made in, so an
//! id alone names its lane, lock row and shard, and the ids of one tree sort in the order they were
//! made.
//!
//! ```text
//! 48 bits  milliseconds since the epoch        15 bits  count within the batch
//!  4 bits  version 7                           15 bits  the batch's seed
//! 12 bits  fraction of the millisecond         32 bits  tree
//!  2 bits  variant (between fraction and count)
//! ```

use std::fmt;

use crate::time::Time;

/// The number of a tree: 1 … 2³¹−1; 0 is the catalog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeId(pub u32);

impl TreeId {
    /// The catalog, which is one more tree.
    pub const CATALOG: Self = Self(0);
    /// The largest number of a tree.
    pub const MAX: u32 = 0x7fff_ffff;
}

impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl $name {
            /// The tree it was made in.
            pub const fn tree(self) -> TreeId {
                TreeId(self.0 as u32)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                uuid::Uuid::from_u128(self.0).hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                uuid::Uuid::try_parse(text).map(|id| Self(id.as_u128())).map_err(|_| NotAnId)
            }
        }
    )*};
}

/// The text is not a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

ids! {
    /// An account.
    AccountId
    /// An entitlement.
    EntitlementId
    /// A ledger event.
    EventId
    /// A lease of a concurrency resource.
    LeaseId
    /// A reservation.
    ReservationId
    /// A control rule.
    RuleId
    /// A row of the entitlements' audit.
    AuditId
    /// A template of a plan.
    TemplateId
    /// A condition of an entitlement.
    ConditionId
    /// A row of the decision log.
    DecisionId
}

/// Makes the ids of one batch in one tree.
#[derive(Clone, Debug)]
pub struct IdSource {
    tree: TreeId,
    now: Time,
    seed: u16,
    count: u16,
}

impl IdSource {
    const COUNT_MAX: u16 = 0x7fff;

    /// Ids of `tree` made at `now`; `seed` (15 bits of it are used) keeps two histories of one tree
    /// apart.
    pub const fn new(tree: TreeId, now: Time, seed: u16) -> Self {
        Self {
            tree,
            now,
            seed: seed & 0x7fff,
            count: 0,
        }
    }

    /// The next id. When a batch makes more than 32,768 ids its clock moves on by a microsecond.
    pub fn draw(&mut self) -> u128 {
        let micros = u128::from(self.now.micros().max(0).unsigned_abs());
        let millis = (micros / 1_000) & 0xffff_ffff_ffff;
        let fraction = (micros % 1_000).saturating_mul(4_096) / 1_000;
        let id = (millis << 80)
            | (0x7 << 76)
            | (fraction << 64)
            | (0b10 << 62)
            | (u128::from(self.count) << 47)
            | (u128::from(self.seed) << 32)
            | u128::from(self.tree.0);
        if self.count == Self::COUNT_MAX {
            self.count = 0;
            self.now = self.now.plus_micros(1);
        } else {
            self.count = self.count.saturating_add(1);
        }
        id
    }

    /// The instant ids are made at; later than the batch's `now` only after very many ids.
    pub const fn now(&self) -> Time {
        self.now
    }
}
