//! Levels: what each account of a path says to a request, by the entitlements that apply to it
//! (design 1.3, steps 3 and 4).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::absence::{Absence, When, absence};
use crate::catalog::LimitKind;
use crate::code::Code;
use crate::command::View;
use crate::counter::WindowKey;
use crate::enforcement::enforcement;
use crate::entitlement::{Entitlement, Source};
use crate::node::Node;
use crate::pool::{Pool, row_window};
use crate::quantity::Amount;
use crate::request::Request;
use crate::window::{Window, WindowKind};

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

/// The pool an add-on joins when none has its window: the one with the longest.
fn longest(groups: &[Group<'_>]) -> Option<usize> {
    groups
        .iter()
        .enumerate()
        .max_by_key(|(_, ((_, key), _))| key.window.length_micros())
        .map(|(place, _)| place)
}
