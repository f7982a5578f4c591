//! What is answered, in a form that every implementation can be brought to: codes, decimals as
//! text, things by [`Id`].

use crate::command::{Code, Id, Time};

/// What a command is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub enum Answer {
    /// The caller's mistake. Where several were made, any of their codes is right.
    Refused(Vec<String>),
    Done,
    Number(i64),
    Truth(bool),
    Standing(Standing),
    /// Of each resource and scope.
    Standings(Vec<(String, Option<String>, Standing)>),
    Usage(Vec<Bucket>),
    Each(Vec<Answer>),
    Consumed {
        standing: Standing,
        event: Option<Id>,
        replayed: bool,
        told: Option<Told>,
    },
    Recorded {
        event: Id,
        replayed: bool,
    },
    Reserved {
        /// Whether it is held now.
        success: bool,
        standing: Standing,
        reservation: Option<(Id, Time)>,
        replayed: bool,
        told: Option<Told>,
    },
    Settled {
        event: Option<Id>,
        replayed: bool,
    },
    Leased {
        lease: Option<Seat>,
        decision: Code,
        reason: String,
        reason_code: String,
        retry_after_seconds: Option<i64>,
        standing: Option<Standing>,
    },
}

impl Answer {
    pub(crate) fn refused(codes: &[Code]) -> Self {
        Self::Refused(codes.iter().map(|code| (*code).to_owned()).collect())
    }

    /// Whether `other` is right where this is expected.
    pub fn accepts(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Refused(any), Self::Refused(one)) => one.iter().all(|code| any.contains(code)),
            (Self::Each(these), Self::Each(those)) => {
                these.len() == those.len()
                    && these
                        .iter()
                        .zip(those)
                        .all(|(this, that)| this.accepts(that))
            }
            _ => self == other,
        }
    }
}

/// What the recorder of an event was told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub struct Told {
    pub decision: Code,
    pub reason: String,
    pub reason_code: String,
    pub entitlement: Option<Id>,
}

/// A lease as its holder sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub struct Seat {
    pub lease: Id,
    pub expires_at: Time,
    pub fencing_token: i64,
}

/// Use in `[start, end)`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub struct Bucket {
    pub start: Time,
    pub end: Time,
    pub quantity: String,
    pub lease_hours: Option<String>,
    pub overage: String,
    pub events: i64,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the design's words; overage is quantity and cost"
)]
pub struct Standing {
    pub decision: Code,
    pub allowed: bool,
    pub reason: String,
    pub reason_code: String,
    pub entitlement: Option<Id>,
    pub rule: Option<Id>,
    pub account: Option<Id>,
    pub figures: Option<Figures>,
    pub overage: Option<(String, Option<String>)>,
    pub retry_after_seconds: Option<i64>,
    pub limits: Vec<Limit>,
}

/// What a pool allows and what of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub struct Figures {
    pub allowed: Option<String>,
    pub used: Option<String>,
    pub reserved: Option<String>,
    pub remaining: Option<String>,
    pub percent: Option<String>,
    pub window: (Option<Time>, Option<Time>),
}

/// One pool that was considered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the design's words")]
pub struct Limit {
    pub level: usize,
    pub entitlements: Vec<Id>,
    pub account: Id,
    pub scope: Option<String>,
    pub action: String,
    pub rule: Option<Id>,
    pub used: Option<String>,
    pub reserved: Option<String>,
    pub allowed: Option<String>,
    pub window: (Option<Time>, Option<Time>),
    pub window_type: Code,
    pub decision: Code,
    pub reason: String,
}
