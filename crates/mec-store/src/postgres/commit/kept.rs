//! Which rows a batch leaves, whatever became of them on the way.

use std::collections::BTreeMap;

use mec_kernel::{
    Account, AccountId, AccountPlan, Lease, LeaseId, LedgerEvent, Reservation, ReservationId, Rule,
    RuleId, Time, TreeId, Write,
};

use crate::postgres::rule::tree_of;

/// The rows a batch leaves: of one that is written twice the last state.
#[derive(Default)]
pub(super) struct Kept<'a> {
    pub(super) accounts: BTreeMap<AccountId, &'a Account>,
    pub(super) account_plans: BTreeMap<(AccountId, &'a str, &'a str, Time), &'a AccountPlan>,
    /// `None`: removed.
    pub(super) rules: BTreeMap<(RuleId, TreeId), Option<&'a Rule>>,
    pub(super) events: Vec<&'a LedgerEvent>,
    pub(super) leases: BTreeMap<LeaseId, &'a Lease>,
    pub(super) reservations: BTreeMap<ReservationId, &'a Reservation>,
}

impl<'a> Kept<'a> {
    pub(super) fn of(writes: &'a [Write]) -> Self {
        let mut kept = Self::default();
        for write in writes {
            kept.take(write);
        }
        kept
    }

    pub(super) fn removed_rules(&self) -> Vec<(RuleId, TreeId)> {
        let removed = self.rules.iter().filter(|(_, rule)| rule.is_none());
        removed.map(|(key, _)| *key).collect()
    }

    fn take(&mut self, write: &'a Write) {
        match write {
            Write::Account(account) => drop(self.accounts.insert(account.id, account)),
            Write::AccountPlan(plan) => {
                self.account_plans.insert(
                    (plan.account, &plan.plan, &plan.reference, plan.starts_at),
                    plan,
                );
            }
            Write::Rule(rule) => drop(
                self.rules
                    .insert((rule.id, tree_of(rule.account)), Some(rule)),
            ),
            Write::RemoveRule { account, rule } => {
                self.rules.insert((*rule, tree_of(*account)), None);
            }
            Write::Event { event, .. } => self.events.push(event),
            Write::Lease { new, .. } => drop(self.leases.insert(new.id, new)),
            Write::Reservation { new, .. } => drop(self.reservations.insert(new.id, new)),
            // Counters are added up apart; entitlements are written with their audit.
            Write::Mark { .. } | Write::Window { .. } | Write::Entitlement { .. } => {}
        }
    }
}
