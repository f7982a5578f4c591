//! Pools: the entitlements of one account for one resource and scope that count as one limit
//! (design 1.3, steps 3 and 4), and the rule each is enforced by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::{Catalog, LimitAction, LimitKind, Resource, Rule};
use crate::check::Request;
use crate::code::Code;
use crate::command::{Halt, Need, View};
use crate::entitlement::{Entitlement, EntitlementStatus, Source};
use crate::id::{EntitlementId, RuleId};
use crate::quantity::{Amount, Percent, Quantity};
use crate::time::Time;
use crate::tree::{AccountPlan, Node, WindowKey};
use crate::window::{Window, WindowKind, Zone, window_at};

/// Which instants rows are asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    /// Rows that are in force then; what is suspended now was so then.
    pub(crate) in_force: Time,
    /// Their windows, their conditions and the account's plan are those of then.
    pub(crate) at: Time,
}

impl When {
    pub(crate) const fn at(at: Time) -> Self {
        Self { in_force: at, at }
    }
}

/// What the levels of a path say to a request.
#[derive(Debug)]
pub(crate) struct Levels<'a> {
    /// The limits of those that have some.
    pub(crate) pools: Vec<Pool<'a>>,
    /// What the levels lack whose base rows in force are all suspended or miss a condition, and the
    /// nearest level that lacks it.
    pub(crate) lapsed: Option<(Absence, usize)>,
    /// The nearest thing to an entitlement where a level has none, and the nearest such level.
    pub(crate) nearest: (Absence, usize),
}

/// What one level says to a request.
#[derive(Debug)]
pub(crate) enum Level<'a> {
    /// These limits, all of which must let it through.
    Pools(Vec<Pool<'a>>),
    /// It has base rows in force, all of them suspended or missing a condition: the request is
    /// denied, whatever add-ons there are.
    Lapsed(Absence),
    /// Nothing here; the nearest thing to an entitlement was this.
    Silent(Absence),
}

/// Why no row applies, in the order in which it is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Absence {
    Suspended,
    ConditionNotMet,
    StartsAt(Time),
    Expired,
    OtherScope,
    Nothing,
}

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

/// How a pool is enforced: its rule, or the default of a resource that has none.
#[derive(Clone, Debug)]
pub(crate) struct Enforcement<'a> {
    pub(crate) action: LimitAction,
    pub(crate) warn_at: Percent,
    pub(crate) rule: Option<&'a Arc<Rule>>,
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

/// Steps 3 and 4: the limits that apply to a request, from the account up to its root.
pub(crate) fn levels<'a>(
    view: &View<'a>,
    request: &Request<'a>,
    path: &[&'a Arc<Node>],
    when: When,
) -> Levels<'a> {
    let mut levels = Levels {
        pools: Vec::new(),
        lapsed: None,
        nearest: (Absence::Nothing, 0),
    };
    for (place, node) in path.iter().copied().enumerate() {
        match level(view, request, path, node, place, when) {
            Level::Lapsed(absence) => {
                levels.lapsed = levels.lapsed.into_iter().chain([(absence, place)]).min()
            }
            Level::Silent(absence) => levels.nearest = levels.nearest.min((absence, place)),
            Level::Pools(found) => levels.pools.extend(found),
        }
    }
    // An add-on whose plan is gone adds to what is allowed above; it is a limit of its own only
    // where there is none.
    if levels.pools.iter().any(|pool| !pool.is_addon_only) {
        levels.pools.retain(|pool| !pool.is_addon_only);
    }
    levels
}

/// What the level of `node` says to a request.
pub(crate) fn level<'a>(
    view: &View<'a>,
    request: &Request<'a>,
    path: &[&'a Arc<Node>],
    node: &'a Arc<Node>,
    level: usize,
    when: When,
) -> Level<'a> {
    let resource = &**request.resource;
    let zone = view.zone(path.get(level..).unwrap_or_default());
    let mut applying = Vec::new();
    let mut lapsed = Absence::Nothing;
    let mut silent = Absence::Nothing;
    for row in node
        .entitlements
        .iter()
        .filter(|row| row.resource == resource.code)
    {
        let Some(absence) = absence(row, request, &zone, when, view.now) else {
            applying.push(row);
            continue;
        };
        // Add-ons only join: one that is in force but does not apply leaves its level silent.
        let is_lapsed = row.source != Source::Addon
            && matches!(absence, Absence::Suspended | Absence::ConditionNotMet);
        let nearest = if is_lapsed { &mut lapsed } else { &mut silent };
        *nearest = absence.min(nearest.clone());
    }
    let has_base = applying.iter().any(|row| row.source != Source::Addon);
    if !has_base && lapsed != Absence::Nothing {
        return Level::Lapsed(lapsed);
    }
    if applying.is_empty() {
        return Level::Silent(silent);
    }
    let plan = node.current_plan(when.at);
    let key_of = |row: &Entitlement| WindowKey {
        resource: resource.code.clone(),
        scope: row.scope.clone(),
        window: match resource.limit_kind {
            LimitKind::Cumulative => row_window(row, plan, &zone, when.at),
            _ => Window::LIFETIME,
        },
    };
    let window_of = |row: &Entitlement| match resource.limit_kind {
        LimitKind::Cumulative => (row.window.kind, key_of(row)),
        _ => (WindowKind::Lifetime, key_of(row)),
    };
    let rule = |kind: WindowKind| {
        enforcement(
            view.catalog,
            node,
            plan.map(|plan| &plan.plan),
            resource,
            kind,
        )
    };
    let factor = view.catalog.canonical(resource);
    let pool = |rows: Vec<&'a Arc<Entitlement>>,
                (window_kind, key): (WindowKind, WindowKey),
                is_override,
                is_addon_only| Pool {
        node,
        level,
        key,
        window_kind,
        limit: rows.iter().try_fold(Amount::ZERO, |sum, row| {
            row.quantity
                .map(|quantity| sum.plus(Amount::of(quantity, factor)))
        }),
        entitlements: rows,
        is_override,
        is_addon_only,
        rule: rule(window_kind),
    };
    let mut scopes: Vec<Option<Code>> = applying.iter().map(|row| row.scope.clone()).collect();
    scopes.sort();
    scopes.dedup();
    let mut pools = Vec::new();
    for scope in scopes {
        let rows = || applying.iter().copied().filter(|row| row.scope == scope);
        let newest_override = rows()
            .filter(|row| row.source == Source::Override)
            .max_by_key(|row| (row.priority, row.created_at, row.id));
        if let Some(row) = newest_override {
            pools.push(pool(vec![row], window_of(row), true, false));
            continue;
        }
        let (mut groups, mut places): (Vec<Group<'_>>, Places) = (Vec::new(), BTreeMap::new());
        for row in rows().filter(|row| row.source != Source::Addon) {
            join(&mut groups, &mut places, window_of(row), row);
        }
        let is_addon_only = groups.is_empty();
        for row in rows().filter(|row| row.source == Source::Addon) {
            let window = window_of(row);
            let place = places.get(&window).copied().or_else(|| longest(&groups));
            match place
                .filter(|_| !is_addon_only)
                .and_then(|place| groups.get_mut(place))
            {
                Some((_, members)) => members.push(row),
                None => join(&mut groups, &mut places, window, row),
            }
        }
        pools.extend(
            groups
                .into_iter()
                .map(|(window, rows)| pool(rows, window, false, is_addon_only)),
        );
    }
    Level::Pools(pools)
}

/// Why a row does not apply to a request; `None`: it does.
pub(crate) fn absence(
    row: &Entitlement,
    request: &Request<'_>,
    zone: &Zone,
    when: When,
    now: Time,
) -> Option<Absence> {
    if row.scope.is_some() && row.scope.as_ref() != request.scope {
        Some(Absence::OtherScope)
    } else if row.is_over_at(when.in_force, now) {
        Some(Absence::Expired)
    } else if row.starts_at() > when.in_force {
        Some(Absence::StartsAt(row.starts_at()))
    } else if row.status == EntitlementStatus::Suspended {
        Some(Absence::Suspended)
    } else if !row
        .conditions
        .iter()
        .all(|condition| condition.test.is_met(request.attributes, zone, when.at))
    {
        Some(Absence::ConditionNotMet)
    } else {
        None
    }
}

/// Rows that add up: those of one counter, in windows of one kind. A month and a billing month
/// remain two limits where they coincide.
type Group<'a> = ((WindowKind, WindowKey), Vec<&'a Arc<Entitlement>>);

/// Where in the groups the one of a window is.
type Places = BTreeMap<(WindowKind, WindowKey), usize>;

fn join<'a>(
    groups: &mut Vec<Group<'a>>,
    places: &mut Places,
    window: (WindowKind, WindowKey),
    row: &'a Arc<Entitlement>,
) {
    let place = *places.entry(window.clone()).or_insert(groups.len());
    match groups.get_mut(place) {
        Some((_, members)) => members.push(row),
        None => groups.push((window, vec![row])),
    }
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

/// The pool an add-on joins when none has its window: the one with the longest.
fn longest(groups: &[Group<'_>]) -> Option<usize> {
    groups
        .iter()
        .enumerate()
        .max_by_key(|(_, ((_, key), _))| key.window.length_micros())
        .map(|(place, _)| place)
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

/// The most specific active rule: the account's, the plan's, the window's, the resource's; then
/// priority, then the newest.
fn enforcement<'a>(
    catalog: &'a Catalog,
    node: &'a Node,
    plan: Option<&Code>,
    resource: &Resource,
    kind: WindowKind,
) -> Enforcement<'a> {
    let applies = |rule: &&'a Arc<Rule>| {
        rule.is_active
            && rule.resource == resource.code
            && rule.limit_kind == resource.limit_kind
            && (rule.plan.is_none() || rule.plan.as_ref() == plan)
            && rule.reaches(kind)
    };
    let rank = |rule: &&'a Arc<Rule>| {
        let specific = (
            rule.account.is_some(),
            rule.plan.is_some(),
            rule.window.is_some(),
        );
        (specific, rule.priority, rule.created_at, rule.id)
    };
    let rule = node
        .rules
        .iter()
        .chain(&catalog.rules)
        .filter(applies)
        .max_by_key(rank);
    let default_warn_at = catalog.settings.warn_at;
    Enforcement {
        action: rule.map_or(LimitAction::Block, |rule| rule.action),
        warn_at: rule
            .and_then(|rule| rule.warn_at)
            .unwrap_or(default_warn_at),
        rule,
    }
}

impl Enforcement<'_> {
    pub(crate) fn grace_quantity(&self) -> Option<Quantity> {
        self.rule.and_then(|rule| rule.grace_quantity)
    }

    pub(crate) fn grace_seconds(&self) -> Option<i64> {
        self.rule.and_then(|rule| rule.grace_seconds)
    }

    pub(crate) fn overage_limit(&self) -> Option<Quantity> {
        self.rule.and_then(|rule| rule.overage_limit)
    }

    pub(crate) fn overage_price(&self) -> Option<Quantity> {
        self.rule.and_then(|rule| rule.overage_price)
    }
}
