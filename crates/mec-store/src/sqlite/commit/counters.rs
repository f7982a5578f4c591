//! Hourly sums, windows, and what the next batch of each tree continues from.

use mec_kernel::{Head, HourSum, Time, WindowTotal};
use rusqlite::{Connection, params};

use crate::rows::HourKey;
use crate::sqlite::rows;
use crate::tally::WindowOf;

pub(super) fn add_hour(
    connection: &Connection,
    (account, resource, scope, unit, hour): &HourKey,
    sum: HourSum,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO usage_hours (tree, account_id, resource_type_code, resource_scope, unit_code, hour, own, subtree, \
             overage, overage_cost, events) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
             ON CONFLICT DO UPDATE SET own = amount_add(own, excluded.own), subtree = amount_add(subtree, excluded.subtree), \
             overage = amount_add(overage, excluded.overage), \
             overage_cost = amount_add(overage_cost, excluded.overage_cost), events = events + excluded.events",
        )?
        .execute(params![
            account.tree().0,
            rows::Id(account.0),
            resource.as_str(),
            rows::scope_text(scope.as_ref()),
            unit.as_str(),
            hour.micros(),
            rows::Exact(sum.own),
            rows::Exact(sum.subtree),
            rows::Exact(sum.overage),
            rows::Exact(sum.overage_cost),
            sum.events,
        ])?;
    Ok(())
}

pub(super) fn put_window(
    connection: &Connection,
    (account, key): WindowOf<'_>,
    total: &WindowTotal,
) -> rusqlite::Result<()> {
    let (rolling, start, end) = rows::window_columns(key.window);
    let scope = rows::scope_text(key.scope.as_ref());
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO usage_windows (tree, account_id, resource_type_code, resource_scope, rolling_seconds, \
             window_start, window_end, used, own, steps, over_since, overage) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            account.tree().0,
            rows::Id(account.0),
            key.resource.as_str(),
            scope,
            rolling,
            start,
            end,
            rows::Exact(total.used),
            rows::Exact(total.own),
            rows::steps_text(&total.steps),
            total.over_since.map(Time::micros),
            rows::Exact(total.overage),
        ])?;
    Ok(())
}

pub(super) fn drop_window(
    connection: &Connection,
    (account, key): WindowOf<'_>,
) -> rusqlite::Result<()> {
    let (rolling, start, end) = rows::window_columns(key.window);
    let scope = rows::scope_text(key.scope.as_ref());
    connection
        .prepare_cached(
            "DELETE FROM usage_windows WHERE tree = ?1 AND account_id = ?2 AND resource_type_code = ?3 \
             AND resource_scope = ?4 AND rolling_seconds = ?5 AND window_start = ?6 AND window_end = ?7",
        )?
        .execute(params![account.tree().0, rows::Id(account.0), key.resource.as_str(), scope, rolling, start, end])?;
    Ok(())
}

pub(super) fn put_head(connection: &Connection, head: &Head) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO account_trees (tree, version, stamp, last_at, next_seq, next_token, chain) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            head.tree.0,
            head.version,
            head.stamp,
            head.last_at.micros(),
            head.next_seq,
            head.next_token,
            head.chain,
        ])?;
    Ok(())
}
