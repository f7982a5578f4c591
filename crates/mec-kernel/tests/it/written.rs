//! A naive memory of everything that was ever written, and the answers it gives to what a command
//! needs to know.
//!
//! It counts by walking lists and shares no arithmetic with the kernel beyond adding numbers up.

use std::collections::BTreeMap;
use std::sync::Arc;

use mec_kernel::*;

/// Everything that was written, in order or as it is now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) entitlements: BTreeMap<EntitlementId, Arc<Entitlement>>,
    pub(crate) audits: Vec<(EntitlementId, Audit)>,
    pub(crate) plans: Vec<Arc<AccountPlan>>,
    pub(crate) rules: BTreeMap<RuleId, Arc<Rule>>,
    pub(crate) events: Vec<Arc<LedgerEvent>>,
    pub(crate) leases: BTreeMap<LeaseId, Arc<Lease>>,
    pub(crate) reservations: BTreeMap<ReservationId, Arc<Reservation>>,
    pub(crate) over_since: BTreeMap<(AccountId, WindowKey), Option<Time>>,
}

impl Written {
    pub(crate) fn apply(&mut self, write: &Write) {
        match write {
            Write::Account(account) => {
                self.accounts.insert(account.id, account.clone());
            }
            Write::Entitlement { row, audit, .. } => {
                self.entitlements.insert(row.id, row.clone());
                self.audits.push((row.id, audit.clone()));
            }
            Write::AccountPlan(plan) => {
                let name = |plan: &AccountPlan| {
                    (
                        plan.account,
                        plan.plan.clone(),
                        plan.reference.clone(),
                        plan.starts_at,
                    )
                };
                self.plans.retain(|other| name(other) != name(plan));
                self.plans.push(plan.clone());
            }
            Write::Rule(rule) => {
                self.rules.insert(rule.id, rule.clone());
            }
            Write::RemoveRule { rule, .. } => {
                self.rules.remove(rule);
            }
            Write::Event { event, .. } => self.events.push(event.clone()),
            Write::Lease { new, .. } => {
                self.leases.insert(new.id, new.clone());
            }
            Write::Reservation { new, .. } => {
                self.reservations.insert(new.id, new.clone());
            }
            Write::Mark {
                account,
                key,
                over_since,
            } => {
                self.over_since.insert((*account, key.clone()), *over_since);
            }
            Write::Window { .. } => panic!("no command rules that a window is to be counted"),
        }
    }

    /// What a command needs to know.
    pub(crate) fn look_up(&self, need: Need, now: Time) -> Fact {
        match need {
            Need::Account(id) => Fact::Account(id, self.node(id, now).map(Box::new)),
            Need::Key(key) => {
                let event = self
                    .events
                    .iter()
                    .find(|event| event.key == key && event.reservation.is_none())
                    .cloned();
                Fact::Key(key, event)
            }
            Need::Event(id) => Fact::Event(id, self.event(id).cloned()),
            Need::Corrections(id) => {
                let corrections = self
                    .events
                    .iter()
                    .filter(|event| event.corrects == Some(id));
                let sum = corrections
                    .map(|event| i128::from(event.quantity.millionths()))
                    .sum();
                Fact::Corrections(id, sum)
            }
            Need::Lease(id) => Fact::Lease(id, self.leases.get(&id).cloned()),
            Need::Session(session) => {
                let newest = self
                    .leases
                    .values()
                    .rfind(|lease| lease.session().as_ref() == Some(&session))
                    .cloned();
                Fact::Session(session, newest)
            }
            Need::Reservation(id) => Fact::Reservation(id, self.reservations.get(&id).cloned()),
            Need::Hold(key) => {
                let held = self
                    .reservations
                    .values()
                    .find(|held| held.key == key)
                    .cloned();
                Fact::Hold(key, held)
            }
            Need::Link(external_id) => {
                let account = self
                    .accounts
                    .values()
                    .find(|account| account.external_id.as_ref() == Some(&external_id));
                Fact::Link(external_id, account.map(|account| account.id))
            }
            Need::Trials => Fact::Trials(
                self.plans
                    .iter()
                    .filter(|plan| plan.is_trial)
                    .cloned()
                    .collect(),
            ),
            Need::Window(account, key) => {
                let total = self.count(account, &key, now);
                Fact::Window(account, key, total)
            }
        }
    }

    /// An account as a store loads it: no counter yet, every seat that is live.
    fn node(&self, id: AccountId, now: Time) -> Option<Node> {
        let mut node = Node::new(self.accounts.get(&id)?.clone());
        node.entitlements = self
            .entitlements
            .values()
            .filter(|row| row.account == id)
            .cloned()
            .collect();
        node.plans = self
            .plans
            .iter()
            .filter(|plan| plan.account == id)
            .cloned()
            .collect();
        node.rules = self
            .rules
            .values()
            .filter(|rule| rule.account == Some(id))
            .cloned()
            .collect();
        for lease in self
            .leases
            .values()
            .filter(|lease| lease.is_live(now) && self.is_within(lease.account, id))
        {
            for scope in [None, lease.scope.clone()]
                .into_iter()
                .take(if lease.scope.is_some() { 2 } else { 1 })
            {
                let seats = node
                    .seats
                    .entry((lease.resource.clone(), scope))
                    .or_default();
                seats.add(lease.expires_at, lease.amount, now);
            }
        }
        Some(node)
    }

    /// A counter, counted event by event and hold by hold.
    pub(crate) fn count(&self, account: AccountId, key: &WindowKey, now: Time) -> WindowTotal {
        let mut total = WindowTotal::default();
        let is_counted = |of: AccountId, resource: &Code, scope: Option<&Code>, at: Time| {
            let in_window = match key.window {
                Window::Fixed { start, end } => start <= at && at < end,
                Window::Rolling { .. } => true,
            };
            self.is_within(of, account)
                && *resource == key.resource
                && (key.scope.is_none() || key.scope.as_ref() == scope)
                && in_window
        };
        for event in &self.events {
            if !is_counted(
                event.account,
                &event.resource,
                event.scope.as_ref(),
                event.occurred_at,
            ) {
                continue;
            }
            match key.window {
                Window::Fixed { .. } => {
                    total.used.0 += event.amount.0;
                    total.own.0 += if event.account == account {
                        event.amount.0
                    } else {
                        0
                    };
                }
                Window::Rolling { seconds } => {
                    // A step counts until all of it is older than the window.
                    let step_length = (seconds * 1_000_000 + 59) / 60;
                    let step = event.occurred_at.micros().div_euclid(step_length);
                    if (step + 1) * step_length > now.micros() - seconds * 1_000_000 {
                        total.steps.entry(step).or_default().0 += event.amount.0;
                    }
                }
            }
        }
        for event in &self.events {
            let effects = event
                .effects
                .iter()
                .filter(|effect| effect.account == account && effect.key == *key);
            total.overage.0 += effects.map(|effect| effect.overage.0).sum::<i128>();
        }
        for held in self
            .reservations
            .values()
            .filter(|held| held.is_open() && now < held.expires_at)
        {
            if is_counted(
                held.account,
                &held.resource,
                held.scope.as_ref(),
                held.reserved_at,
            ) {
                total.held.add(held.expires_at, held.amount, now);
            }
        }
        total.over_since = self
            .over_since
            .get(&(account, key.clone()))
            .copied()
            .flatten();
        total
    }

    /// The seats of a resource that are taken, of an account and everything below it.
    pub(crate) fn seats(
        &self,
        account: AccountId,
        resource: &Code,
        scope: Option<&Code>,
        now: Time,
    ) -> i128 {
        let live = self
            .leases
            .values()
            .filter(|lease| lease.released_at.is_none() && now < lease.expires_at);
        let counted = live.filter(|lease| {
            lease.resource == *resource
                && (scope.is_none() || lease.scope.as_ref() == scope)
                && self.is_within(lease.account, account)
        });
        counted.map(|lease| lease.amount.0).sum()
    }

    pub(crate) fn event(&self, id: EventId) -> Option<&Arc<LedgerEvent>> {
        self.events.iter().find(|event| event.id == id)
    }

    /// Whether `account` is `above` or below it.
    fn is_within(&self, account: AccountId, above: AccountId) -> bool {
        let parent = self
            .accounts
            .get(&account)
            .and_then(|account| account.parent);
        account == above || parent.is_some_and(|parent| self.is_within(parent, above))
    }
}
