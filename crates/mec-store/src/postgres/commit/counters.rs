//! Hourly sums, windows, and what the next batch of each tree continues from.

use std::collections::{BTreeMap, BTreeSet};

use mec_kernel::{Head, HourSum, TreeId, WindowKey};

use crate::postgres::bulk::Bulk;
use crate::postgres::codec::{Exact, Hash, Id, Instant, Json};
use crate::postgres::session::Change;
use crate::postgres::tree_number::number;
use crate::rows::{self, HourKey};
use crate::tally::{WindowOf, Windows};

/// The one place that adds sums.
pub(super) fn add_hours(hours: &BTreeMap<HourKey, HourSum>) -> Option<Change<'static>> {
    let keys = || hours.keys();
    let sums = || hours.values();
    Bulk::of("usage_hours")
        .column("tree", keys().map(|(account, ..)| number(account.tree())))
        .column("account_id", keys().map(|(account, ..)| Id(account.0)))
        .column(
            "resource_type_code",
            keys().map(|(_, resource, ..)| resource.as_str().to_owned()),
        )
        .column(
            "resource_scope",
            keys().map(|(_, _, scope, ..)| rows::scope_text(scope.as_ref()).to_owned()),
        )
        .column(
            "unit_code",
            keys().map(|(_, _, _, unit, _)| unit.as_str().to_owned()),
        )
        .column("hour", keys().map(|(.., hour)| Instant::from(*hour)))
        .column("own", sums().map(|sum| Exact(sum.own)))
        .column("subtree", sums().map(|sum| Exact(sum.subtree)))
        .column("overage", sums().map(|sum| Exact(sum.overage)))
        .column("overage_cost", sums().map(|sum| Exact(sum.overage_cost)))
        .column("events", sums().map(|sum| sum.events))
        .add(
            "tree, account_id, resource_type_code, resource_scope, unit_code, hour",
            &["own", "subtree", "overage", "overage_cost", "events"],
        )
}

/// Stores open windows and drops closed ones.
pub(super) fn move_windows<'a>(windows: &Windows<'a>) -> impl Iterator<Item = Change<'a>> {
    let dropped = keys(windows.closed.iter().copied()).with_trees(
        "DELETE FROM usage_windows w USING {rows} WHERE w.tree = x.tree AND w.tree = {trees} AND w.account_id = x.account_id \
         AND w.resource_type_code = x.resource_type_code AND w.resource_scope = x.resource_scope \
         AND w.rolling_seconds = x.rolling_seconds AND w.window_start = x.window_start AND w.window_end = x.window_end",
        windows.closed.iter().map(|(account, _)| account.tree()),
    );
    let totals = || windows.open.iter().map(|(_, total)| *total);
    let put = keys(windows.open.iter().map(|(of, _)| *of))
        .column("used", totals().map(|total| Exact(total.used)))
        .column("own", totals().map(|total| Exact(total.own)))
        .column("steps", totals().map(|total| rows::steps_text(&total.steps).map(Json)))
        .column("over_since", totals().map(|total| total.over_since.map(Instant::from)))
        .column("overage", totals().map(|total| Exact(total.overage)))
        .replace(
            "tree, account_id, resource_type_code, resource_scope, rolling_seconds, window_start, window_end",
            &["used", "own", "steps", "over_since", "overage"],
        );
    dropped.into_iter().chain(put)
}

fn keys<'a>(windows: impl Iterator<Item = WindowOf<'a>> + Clone) -> Bulk<'a> {
    let each = || windows.clone();
    let columns = |key: &WindowKey| rows::window_columns(key.window);
    Bulk::of("usage_windows")
        .column("tree", each().map(|(account, _)| number(account.tree())))
        .column("account_id", each().map(|(account, _)| Id(account.0)))
        .column(
            "resource_type_code",
            each().map(|(_, key)| key.resource.as_str()),
        )
        .column(
            "resource_scope",
            each().map(|(_, key)| rows::scope_text(key.scope.as_ref())),
        )
        .column("rolling_seconds", each().map(|(_, key)| columns(key).0))
        .column(
            "window_start",
            each().map(|(_, key)| Instant(columns(key).1)),
        )
        .column("window_end", each().map(|(_, key)| Instant(columns(key).2)))
}

/// What the next batches continue from. A tree that was not there is only ever made, so that of two
/// batches that make the same one the second is refused.
pub(super) fn move_heads<'a>(
    heads: &[Head],
    new_trees: &BTreeSet<TreeId>,
) -> impl Iterator<Item = Change<'a>> + use<'a> {
    let (new, known): (Vec<_>, Vec<_>) = heads
        .iter()
        .copied()
        .partition(|head| new_trees.contains(&head.tree));
    let of = |heads: Vec<Head>| {
        let each = || heads.iter();
        Bulk::of("account_trees")
            .column("tree", each().map(|head| number(head.tree)))
            .column("version", each().map(|head| head.version))
            .column("stamp", each().map(|head| head.stamp))
            .column("last_at", each().map(|head| Instant::from(head.last_at)))
            .column("next_seq", each().map(|head| head.next_seq))
            .column("next_token", each().map(|head| head.next_token))
            .column("chain", each().map(|head| Hash(head.chain)))
    };
    let made = of(new).insert();
    let moved = of(known).replace(
        "tree",
        &[
            "version",
            "stamp",
            "last_at",
            "next_seq",
            "next_token",
            "chain",
        ],
    );
    made.into_iter().chain(moved)
}
