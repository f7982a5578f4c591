//! Design 1.6: a change of an entitlement, as it was and as it is.

use crate::command::{Code, Id, RowStatus, Time};
use crate::row::{Row, Source};

/// One change of one entitlement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words")]
pub struct Audit {
    pub entitlement: Id,
    pub account: Id,
    pub action: Code,
    pub old: Option<RowInWords>,
    pub new: RowInWords,
    pub changed_at: Time,
}

/// An entitlement, as far as everybody shows it alike.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the design's words; quantities in millionths")]
pub struct RowInWords {
    pub resource: Code,
    pub scope: Option<Code>,
    pub quantity: Option<i64>,
    pub status: Code,
    pub source: Code,
    /// The plan it came with, its reference and version.
    pub plan: Option<(Code, Code, i32)>,
    pub priority: i32,
    pub valid_from: Time,
    pub valid_until: Option<Time>,
    pub conditions: usize,
}

impl Row {
    pub(crate) fn in_words(&self) -> RowInWords {
        RowInWords {
            resource: self.resource,
            scope: self.scope,
            quantity: self.quantity,
            status: match self.status {
                RowStatus::Active => "active",
                RowStatus::Suspended => "suspended",
                RowStatus::Expired => "expired",
            },
            source: match self.source {
                Source::Plan => "plan",
                Source::Addon => "addon",
                Source::Manual => "manual",
                Source::Override => "override",
            },
            plan: self.plan,
            priority: self.priority,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            conditions: self.conditions.len(),
        }
    }
}
