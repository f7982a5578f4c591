//! One account with everything a decision needs of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::account::{Account, AccountPlan};
use crate::catalog::Rule;
use crate::code::Code;
use crate::counter::{Expiries, WindowKey, WindowTotal};
use crate::entitlement::Entitlement;
use crate::time::Time;

/// One account with everything a decision needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The account.
    pub account: Account,
    /// Its entitlements, oldest first, expired ones too.
    pub entitlements: Vec<Arc<Entitlement>>,
    /// Its plan, add-ons, what is scheduled and what was.
    pub plans: Vec<Arc<AccountPlan>>,
    /// The rules that name it.
    pub rules: Vec<Arc<Rule>>,
    /// Its counters.
    pub windows: BTreeMap<WindowKey, WindowTotal>,
    /// Live leases of the account and everything below it; scope `None` counts every scope.
    pub seats: BTreeMap<(Code, Option<Code>), Expiries>,
}

impl Node {
    /// The first instant after `now` at which something of `resource` begins or ends by itself.
    pub(crate) fn next_end(&self, resource: &Code, now: Time) -> Option<Time> {
        let seats = self
            .seats
            .iter()
            .filter(|((of, _), _)| of == resource)
            .filter_map(|(_, seats)| seats.expiries(now).next());
        let windows = self
            .windows
            .iter()
            .filter(|(key, _)| key.resource == *resource);
        let counted =
            windows.flat_map(|(key, total)| [key.window.end(), total.held.expiries(now).next()]);
        let rows = self
            .entitlements
            .iter()
            .filter(|row| row.resource == *resource);
        let bounds = rows.flat_map(|row| {
            let (start, end) = row.window.period.unzip();
            [Some(row.valid_from), row.valid_until, start, end]
        });
        seats
            .chain(counted.chain(bounds).flatten())
            .filter(|end| *end > now)
            .min()
    }

    /// An account that has nothing yet.
    pub fn new(account: Account) -> Self {
        Self {
            account,
            entitlements: vec![],
            plans: vec![],
            rules: vec![],
            windows: BTreeMap::new(),
            seats: BTreeMap::new(),
        }
    }

    /// Its plan at `at`. A plan that was given from a past instant on replaces from there on what
    /// the account had then.
    pub fn current_plan(&self, at: Time) -> Option<&AccountPlan> {
        let plans = self
            .plans
            .iter()
            .map(Arc::as_ref)
            .filter(|plan| !plan.is_addon && plan.is_current(at));
        plans.max_by_key(|plan| (plan.starts_at, plan.ends_at.is_none(), plan.ends_at))
    }

    /// Live leases of a resource, all of it or one scope.
    pub fn seats_of(&self, resource: &Code, scope: Option<&Code>) -> Option<&Expiries> {
        self.seats.get(&(resource.clone(), scope.cloned()))
    }

    /// Roughly how many bytes it takes: for the cache's bound.
    pub fn size_bytes(&self) -> usize {
        let seats: usize = self.seats.values().map(Expiries::len).sum();
        let steps: usize = self
            .windows
            .values()
            .map(|total| total.steps.len().saturating_add(total.held.len()))
            .sum();
        let rows = self
            .entitlements
            .len()
            .saturating_mul(size_of::<Entitlement>());
        let windows = self
            .windows
            .len()
            .saturating_mul(size_of::<(WindowKey, WindowTotal)>());
        size_of::<Self>()
            .saturating_add(rows)
            .saturating_add(windows)
            .saturating_add(self.plans.len().saturating_mul(size_of::<AccountPlan>()))
            .saturating_add(seats.saturating_add(steps).saturating_mul(48))
    }
}
