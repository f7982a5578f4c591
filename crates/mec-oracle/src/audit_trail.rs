//! Design 1.6: every change of an entitlement is noted.

use std::collections::BTreeMap;

use crate::audit::Audit;
use crate::command::{Id, RowStatus};
use crate::row::Row;
use crate::state::Oracle;

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
