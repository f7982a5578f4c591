//! Design 1.6: every change of an entitlement, as it was and as it is.

use std::collections::BTreeMap;

use crate::command::{Code, Id, RowStatus, Time};
use crate::oracle::Oracle;
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

impl Oracle {
    /// Every change there was, in order.
    pub fn audits(&self) -> &[Audit] {
        &self.audits
    }

    /// The changes of the present step.
    pub fn audits_of_step(&self) -> &[Audit] {
        &self.audits[self.audited..]
    }

    /// Notes what the present step made of rows that were as they are in `before`.
    pub(crate) fn audit(&mut self, before: &BTreeMap<Id, Row>) {
        let mut touched = self.touched.clone();
        touched.sort_unstable();
        touched.dedup();
        for id in touched {
            let (old, new) = (before.get(&id), &self.rows[&id]);
            if old == Some(new) {
                continue;
            }
            let action = match (old.map(|row| row.status), new.status) {
                (None, _) => "create",
                (Some(RowStatus::Active | RowStatus::Suspended), RowStatus::Expired) => "expire",
                (Some(RowStatus::Active), RowStatus::Suspended) => "suspend",
                (Some(RowStatus::Suspended), RowStatus::Active) => "resume",
                _ => "update",
            };
            self.audits.push(Audit {
                entitlement: id,
                account: new.account,
                action,
                old: old.map(Row::in_words),
                new: new.in_words(),
                changed_at: self.now,
            });
        }
    }
}
