//! Changes of limits, suspensions and plans.

use serde_json::{Value, json};

use super::{Sent, Witness};
use crate::model::{Call, Resource};
use crate::witnessed::{BY_HAND, PLANS, RANGES, WITH_PLANS, plan_id};

impl<'a> Witness<'a> {
    /// Changes the entitlement of an account that has one by hand.
    fn change(
        &mut self,
        tree: usize,
        call: Call,
        (account, resource): (usize, Resource),
        body: Value,
    ) -> Result<(), String> {
        let entitlement = &self.tree_of(tree).entitlements[&(account, resource)];
        let path = format!("/api/entitlements?entitlement_id=eq.{entitlement}");
        self.ask(&Sent {
            tree,
            call,
            method: "PATCH",
            path,
            body,
        })
        .map(drop)
    }

    pub(super) fn limit(&mut self) -> Result<usize, String> {
        let ((tree, resource), account) = (self.changed(), self.dice.one_of(&BY_HAND));
        let (least, more) = RANGES[account][usize::from(resource == Resource::Seats)];
        // Often the least, so that there are more leases than seats.
        let limit = if self.dice.happens(35) {
            least
        } else {
            least + self.dice.roll(more + 1)
        };
        let call = Call::Limit {
            account,
            resource,
            limit,
        };
        self.change(
            tree,
            call,
            (account, resource),
            json!({"quantity_allowed": limit}),
        )
        .map(|()| tree)
    }

    /// Mostly it is in force again.
    pub(super) fn suspend(&mut self) -> Result<usize, String> {
        let ((tree, resource), account) = (self.changed(), self.dice.one_of(&BY_HAND));
        let is_suspended = self.dice.happens(22);
        let call = Call::Suspend {
            account,
            resource,
            is_suspended,
        };
        let status = if is_suspended { "suspended" } else { "active" };
        self.change(tree, call, (account, resource), json!({"status": status}))
            .map(|()| tree)
    }

    pub(super) fn provision(&mut self) -> Result<(), String> {
        let (tree, plan) = (self.tree(), self.dice.index(PLANS.len()));
        let body = json!({"p_account_id": self.tree_of(tree).accounts[WITH_PLANS], "p_plan_id": plan_id(plan)});
        let call = Call::Provision {
            account: WITH_PLANS,
            plan,
        };
        self.ask(&Sent::function(tree, call, "provision_plan", body))
            .map(drop)
    }

    pub(super) fn cancel(&mut self) -> Result<(), String> {
        let (tree, plan) = (self.tree(), self.dice.index(PLANS.len()));
        let body = json!({"p_account_id": self.tree_of(tree).accounts[WITH_PLANS], "p_plan_id": plan_id(plan)});
        let call = Call::Cancel {
            account: WITH_PLANS,
            plan,
        };
        self.ask(&Sent::function(tree, call, "cancel_plan", body))
            .map(drop)
    }
}
