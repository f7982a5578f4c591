//! What a decision did not rest on: every level of the path that had no limit, and why.

use std::sync::Arc;

use crate::absence::{Absence, When, absence, absence_reason};
use crate::account::AccountStatus;
use crate::command::View;
use crate::decision::Reason;
use crate::entitlement::Entitlement;
use crate::level::{Level, level};
use crate::node::Node;
use crate::request::Request;
use crate::standing::{BareLevel, UnusedRow};

/// The levels of `path` that have no pool among `pooled`. If an account of the path may do nothing,
/// nothing else was looked at.
pub(crate) fn bare_levels<'a>(
    view: &View<'a>,
    request: &Request<'a>,
    path: &[&'a Arc<Node>],
    pooled: &[usize],
) -> Vec<BareLevel> {
    let is_return = request.amount.is_some_and(|amount| amount.0 < 0);
    let stopped = |node: &Arc<Node>| match node.account.status {
        AccountStatus::Active => None,
        AccountStatus::Suspended => Some(Reason::AccountSuspended),
        AccountStatus::Closed => Some(Reason::AccountClosed),
    };
    let mut levels = Vec::new();
    for (place, node) in path.iter().enumerate() {
        let bare = |denies, reason, rows| BareLevel {
            level: place,
            account: node.account.id,
            denies,
            reason,
            rows,
        };
        if let Some(reason) = stopped(node).filter(|_| !is_return) {
            return vec![bare(true, reason, vec![])];
        }
        if pooled.contains(&place) {
            continue;
        }
        let (denies, reason) = match level(view, request, path, node, place, When::at(view.now)) {
            Level::Lapsed(absence) => (true, absence_reason(&absence, request.resource.limit_kind)),
            Level::Silent(absence) => {
                (false, absence_reason(&absence, request.resource.limit_kind))
            }
            Level::Pools(_) => (false, Reason::AddonAlone),
        };
        levels.push(bare(denies, reason, unused(view, request, path, place)));
    }
    levels
}

/// The rows of a level for the resource, each with why it did not apply.
fn unused(
    view: &View<'_>,
    request: &Request<'_>,
    path: &[&Arc<Node>],
    place: usize,
) -> Vec<UnusedRow> {
    let Some(node) = path.get(place) else {
        return vec![];
    };
    let zone = view.zone(path.get(place..).unwrap_or_default());
    let rows = || {
        node.entitlements
            .iter()
            .filter(|row| row.resource == request.resource.code)
    };
    let shown = |row: &Arc<Entitlement>| {
        let unmet = row
            .conditions
            .iter()
            .find(|condition| !condition.test.is_met(request.attributes, &zone, view.now));
        let absence = absence(row, request, &zone, When::at(view.now), view.now);
        let kind = request.resource.limit_kind;
        UnusedRow {
            entitlement: row.id,
            scope: row.scope.clone(),
            status: row.status,
            condition: unmet
                .filter(|_| absence == Some(Absence::ConditionNotMet))
                .cloned(),
            reason: absence.map_or(Reason::AddonAlone, |absence| absence_reason(&absence, kind)),
            starts_at: row.starts_at(),
        }
    };
    let standing: Vec<_> = rows()
        .filter(|row| row.is_standing(view.now))
        .map(shown)
        .collect();
    if !standing.is_empty() {
        return standing;
    }
    rows()
        .max_by_key(|row| (row.valid_until.is_none(), row.valid_until, row.id))
        .map(shown)
        .into_iter()
        .collect()
}
