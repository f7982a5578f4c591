//! Design 1.6: entitlements written by hand.

use crate::answer::Answer;
use crate::command::{Condition, Grant, Id, Patch, RowStatus, Window};
use crate::row::{Row, Source};
use crate::shop::Kind;
use crate::state::Oracle;

impl Oracle {
    pub(crate) fn grant(&mut self, grant: &Grant) -> Answer {
        let mut wrong = Vec::new();
        if !self.accounts.contains_key(&grant.account) {
            wrong.push("MEC_ACCOUNT_NOT_FOUND");
        }
        let resource = self.shop.resource(grant.resource);
        if resource.is_none() {
            wrong.extend(["MEC_RESOURCE_NOT_FOUND", "MEC_NOT_PRESENT"]);
        }
        let valid_from = grant.valid_from.unwrap_or(self.now);
        if grant.valid_until.is_some_and(|until| until < valid_from)
            || grant.quantity.is_some_and(|quantity| quantity < 0)
            || grant.window.is_some_and(is_bad)
        {
            wrong.extend([
                "MEC_BAD_VALUE",
                "MEC_BAD_QUANTITY",
                "MEC_QUANTITY_NOT_POSITIVE",
            ]);
        }
        if self.is_closed(grant.account) {
            wrong.push("MEC_ACCOUNT_CLOSED");
        }
        let Some(resource) = resource.filter(|_| wrong.is_empty()) else {
            return Answer::refused(&wrong);
        };
        let alike = |row: &&Row| {
            row.account == grant.account
                && row.resource == grant.resource
                && row.scope == grant.scope
                && !row.is_over(self.now)
        };
        let default = self
            .rows
            .values()
            .rfind(alike)
            .map_or(Window::Lifetime(None), |row| row.window);
        let window = if resource.kind == Kind::Cumulative {
            grant.window.unwrap_or(default)
        } else {
            Window::Lifetime(None)
        };
        let before = self.clone();
        let id = self.make();
        let row = Row {
            id,
            account: grant.account,
            resource: grant.resource,
            scope: grant.scope,
            quantity: grant.quantity,
            window,
            source: if grant.is_override {
                Source::Override
            } else {
                Source::Manual
            },
            plan: None,
            priority: grant.priority,
            valid_from,
            valid_until: grant.valid_until,
            status: RowStatus::Active,
            conditions: vec![],
        };
        self.rows.insert(id, row);
        self.touched.push(id);
        self.note_limits(grant.account, &before);
        Answer::Done
    }

    pub(crate) fn patch_entitlement(&mut self, id: Id, patch: &Patch) -> Answer {
        let Some(row) = self.rows.get(&id) else {
            return Answer::refused(&["MEC_ENTITLEMENT_NOT_FOUND", "MEC_ACCOUNT_NOT_FOUND"]);
        };
        if row.is_over(self.now)
            && patch
                .status
                .is_some_and(|status| status != RowStatus::Expired)
        {
            return Answer::refused(&["MEC_ENTITLEMENT_EXPIRED"]);
        }
        let is_new = |condition: &Condition| !row.conditions.contains(condition);
        if patch.conditions.iter().flatten().any(is_new) && self.is_closed(row.account) {
            return Answer::refused(&["MEC_ACCOUNT_CLOSED", "MEC_BAD_VALUE"]);
        }
        let mut changed = row.clone();
        changed.quantity = patch.quantity.unwrap_or(row.quantity);
        changed.priority = patch.priority.unwrap_or(row.priority);
        changed.valid_from = patch.valid_from.unwrap_or(row.valid_from);
        changed.valid_until = patch.valid_until.unwrap_or(row.valid_until);
        changed.conditions = patch.conditions.clone().unwrap_or(changed.conditions);
        if self
            .shop
            .resource(row.resource)
            .is_some_and(|resource| resource.kind == Kind::Cumulative)
        {
            changed.window = patch.window.unwrap_or(row.window);
        }
        if changed
            .valid_until
            .is_some_and(|until| until < changed.valid_from)
            || changed.quantity.is_some_and(|quantity| quantity < 0)
            || is_bad(changed.window)
        {
            return Answer::refused(&[
                "MEC_BAD_VALUE",
                "MEC_BAD_QUANTITY",
                "MEC_QUANTITY_NOT_POSITIVE",
            ]);
        }
        match patch.status {
            Some(RowStatus::Expired) if row.status != RowStatus::Expired => {
                changed.end(self.now, self.now)
            }
            Some(status) => changed.status = status,
            None => {}
        }
        if row.is_over(self.now) && !changed.is_over(self.now) {
            return Answer::refused(&["MEC_ENTITLEMENT_EXPIRED"]);
        }
        let account = row.account;
        // What changes nothing is no write, so nothing is noted.
        if changed == *row {
            return Answer::Done;
        }
        let before = self.clone();
        self.rows.insert(id, changed);
        self.touched.push(id);
        self.note_limits(account, &before);
        Answer::Done
    }
}

fn is_bad(window: Window) -> bool {
    match window {
        Window::Rolling(seconds) => seconds < 60,
        Window::Period(start, end) => end <= start,
        _ => false,
    }
}
