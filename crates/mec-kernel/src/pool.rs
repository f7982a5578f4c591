//! Pools: the entitlements of one account for one resource and scope that count as one limit.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::account::AccountPlan;
use crate::catalog::LimitKind;
use crate::command::View;
use crate::counter::WindowKey;
use crate::enforcement::Enforcement;
use crate::entitlement::Entitlement;
use crate::id::{EntitlementId, RuleId};
use crate::need::{Halt, Need};
use crate::node::Node;
use crate::quantity::Amount;
use crate::time::Time;
use crate::window::{Window, WindowKind, Zone, window_at};

/// One limit.
#[derive(Debug)]
pub(crate) struct Pool<'a> {
    pub(crate) node: &'a Arc<Node>,
    /// 0 is the account itself.
    pub(crate) level: usize,
    pub(crate) key: WindowKey,
    /// Lifetime for what is not counted in windows.
    pub(crate) window_kind: WindowKind,
    pub(crate) entitlements: Vec<&'a Arc<Entitlement>>,
    /// In base units; `None` is unlimited.
    pub(crate) limit: Option<Amount>,
    pub(crate) is_override: bool,
    /// Only add-ons: it adds to what an ancestor allows and never caps it.
    pub(crate) is_addon_only: bool,
    pub(crate) rule: Enforcement<'a>,
}

impl<'a> Pool<'a> {
    pub(crate) fn entitlement(&self) -> Option<EntitlementId> {
        self.entitlements.first().map(|row| row.id)
    }

    /// Whether both pools count in one counter, and this one, being the tighter, keeps its note:
    /// where the looser is exceeded the tighter is. Where their rules differ, the looser's grace
    /// ends sooner than it could, never later.
    pub(crate) fn keeps_note_of(&self, other: &Self) -> bool {
        let rank = |pool: &Self| (pool.limit.is_none(), pool.limit, pool.entitlement());
        self.level == other.level && self.key == other.key && rank(self) < rank(other)
    }

    pub(crate) fn rule_id(&self) -> Option<RuleId> {
        self.rule.rule.map(|rule| rule.id)
    }

    /// What is used and what is held, in base units.
    pub(crate) fn usage(&self, kind: LimitKind, now: Time) -> Result<(Amount, Amount), Halt> {
        let total = self
            .node
            .windows
            .get(&self.key)
            .ok_or_else(|| Halt::Need(Need::Window(self.node.account.id, self.key.clone())))?;
        if kind == LimitKind::Concurrency {
            return Ok((self.seats_at(now), Amount::ZERO));
        }
        Ok((
            total.used_at(self.key.window, now).or_zero(),
            total.held.live(now),
        ))
    }

    /// The live leases that outlast `at`.
    pub(crate) fn seats_at(&self, at: Time) -> Amount {
        let seats = self
            .node
            .seats_of(&self.key.resource, self.key.scope.as_ref());
        seats.map_or(Amount::ZERO, |seats| seats.live(at))
    }

    /// Whether use is above the limit.
    pub(crate) fn is_over(&self, used: Amount) -> bool {
        self.limit.is_some_and(|limit| used > limit)
    }

    /// Since when use is above the limit, as the write that took it there noted. What lapses by
    /// itself (a lease, a step of a rolling window) may have brought it back below without a write:
    /// then the note is void.
    pub(crate) fn noted(&self) -> Option<Time> {
        self.node
            .windows
            .get(&self.key)
            .and_then(|total| total.over_since)
    }

    /// The overage its window has accrued.
    pub(crate) fn accrued(&self) -> Amount {
        self.node
            .windows
            .get(&self.key)
            .map_or(Amount::ZERO, |total| total.overage)
    }

    /// The window as answers show it.
    pub(crate) fn shown_window(&self, now: Time) -> (Option<Time>, Option<Time>) {
        let period = self
            .entitlements
            .first()
            .filter(|row| row.window.kind == WindowKind::Period)
            .and_then(|row| row.window.period);
        match period {
            Some((start, end)) => (Some(start), Some(end)),
            None => self.key.window.shown(now),
        }
    }
}

/// The window of `row` that holds `at`, in its owner's zone; a billing window is counted from the
/// owner's plan.
pub(crate) fn row_window(
    row: &Entitlement,
    plan: Option<&AccountPlan>,
    zone: &Zone,
    at: Time,
) -> Window {
    window_at(
        row.window,
        zone,
        plan.map_or(row.valid_from, |plan| plan.anchor),
        at,
    )
}

/// How much of `amount`, added to what is `taken`, lies beyond `limit`.
pub(crate) fn beyond(taken: Amount, amount: Amount, limit: Amount) -> Amount {
    taken.plus(amount).minus(limit).or_zero().min(amount)
}

/// With a window that nobody has counted yet, all the others that the decision would ask for next,
/// one after another: those in which the account's rows for the resource are counted now.
pub fn with_windows_beside(view: &View<'_>, need: Need) -> Vec<Need> {
    let mut needs = vec![need];
    if let Some(Need::Window(account, key)) = needs.first().cloned()
        && let Ok(path) = view.path(account)
        && let Some(node) = path.first()
        && matches!(view.catalog.resources.get(&key.resource), Some(resource) if resource.limit_kind == LimitKind::Cumulative)
    {
        let (zone, plan) = (view.zone(&path), node.current_plan(view.now));
        let rows = node
            .entitlements
            .iter()
            .filter(|row| row.resource == key.resource && row.is_standing(view.now));
        let keys: BTreeSet<WindowKey> = rows
            .map(|row| WindowKey {
                resource: row.resource.clone(),
                scope: row.scope.clone(),
                window: row_window(row, plan, &zone, view.now),
            })
            .filter(|other| *other != key && !node.windows.contains_key(other))
            .collect();
        needs.extend(keys.into_iter().map(|key| Need::Window(account, key)));
    }
    needs
}
