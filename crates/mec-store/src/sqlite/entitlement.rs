//! Entitlements with their conditions: read, written, and shown in their audit as the table shows
//! them.

use std::collections::BTreeMap;

use mec_kernel::{
    AccountId, Audit, Code, Condition, ConditionId, Entitlement, EntitlementId, Quantity, Time,
};
use mec_query::json_text;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::Value;

use super::rows::{self, sql};
use crate::audit::{self, Beside};
use crate::condition::ConditionRow;

const CONDITION: &str = "condition_id, condition_type, attribute, operator, value";

sql!(
    OF_ACCOUNT = "SELECT ",
    rows::ENTITLEMENT,
    " FROM entitlements WHERE account_id = ?1 ORDER BY entitlement_id"
);
sql!(
    CONDITIONS_OF_ACCOUNT = "SELECT ",
    CONDITION,
    ", entitlement_id FROM entitlement_conditions WHERE entitlement_id IN \
     (SELECT entitlement_id FROM entitlements WHERE account_id = ?1) ORDER BY condition_id",
);
sql!(
    CONDITIONS = "SELECT ",
    CONDITION,
    " FROM entitlement_conditions WHERE entitlement_id = ?1 ORDER BY condition_id"
);
sql!(
    SHOWN = "SELECT ",
    rows::ENTITLEMENT,
    ", limit_kind_code, metadata FROM entitlements WHERE entitlement_id = ?1"
);
sql!(
    PUT = "INSERT INTO entitlements (",
    rows::ENTITLEMENT,
    ", tree, limit_kind_code, metadata) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
     ?19, ?20, ?21, (SELECT limit_kind_code FROM resource_types WHERE resource_type_code = ?3), ?22) \
     ON CONFLICT (entitlement_id) DO UPDATE SET quantity_allowed = excluded.quantity_allowed, \
     window_type_code = excluded.window_type_code, window_anchor = excluded.window_anchor, \
     window_seconds = excluded.window_seconds, period_start = excluded.period_start, period_end = excluded.period_end, \
     status = excluded.status, source_ref = excluded.source_ref, priority = excluded.priority, plan_version = excluded.plan_version, \
     valid_from = excluded.valid_from, valid_until = excluded.valid_until, updated_at = excluded.updated_at, \
     metadata = CASE WHEN ?23 THEN excluded.metadata ELSE metadata END",
);

/// The entitlements of an account, oldest first, with their conditions.
pub(super) fn of_account(
    connection: &Connection,
    account: AccountId,
) -> rusqlite::Result<Vec<Entitlement>> {
    let mut entitlements: Vec<Entitlement> = connection
        .prepare_cached(&OF_ACCOUNT)?
        .query_map(params![rows::Id(account.0)], rows::entitlement)?
        .collect::<rusqlite::Result<_>>()?;
    let mut conditions: BTreeMap<EntitlementId, Vec<Condition>> = BTreeMap::new();
    let mut statement = connection.prepare_cached(&CONDITIONS_OF_ACCOUNT)?;
    let mut found = statement.query(params![rows::Id(account.0)])?;
    while let Some(row) = found.next()? {
        conditions
            .entry(EntitlementId(rows::id(row, 5)?))
            .or_default()
            .push(condition(row)?);
    }
    for row in &mut entitlements {
        row.conditions = conditions.remove(&row.id).unwrap_or_default();
    }
    Ok(entitlements)
}

fn condition(row: &Row<'_>) -> rusqlite::Result<Condition> {
    let text = rows::text(row, 4)?;
    let columns = ConditionRow {
        condition_type: row.get(1)?,
        attribute: row.get(2)?,
        operator: row.get(3)?,
        value: serde_json::from_str(text).map_err(|_| rows::damaged(4, "not JSON"))?,
    };
    let test = columns
        .test()
        .map_err(|refusal| rows::damaged(1, &format!("no condition: {refusal:?}")))?;
    Ok(Condition {
        id: ConditionId(rows::id(row, 0)?),
        test,
    })
}

fn conditions(
    connection: &Connection,
    entitlement: EntitlementId,
) -> rusqlite::Result<Vec<Condition>> {
    connection
        .prepare_cached(&CONDITIONS)?
        .query_map(params![rows::Id(entitlement.0)], condition)?
        .collect()
}

/// Makes or changes an entitlement and writes its audit row.
pub(super) fn put(
    connection: &Connection,
    row: &Entitlement,
    metadata: Option<&Code>,
    audit: &Audit,
    now: Time,
) -> rusqlite::Result<()> {
    let old = shown(connection, row.id)?;
    let period = row.window.period;
    connection.prepare_cached(&PUT)?.execute(params![
        rows::Id(row.id.0),
        rows::Id(row.account.0),
        row.resource.as_str(),
        row.scope.as_deref(),
        row.quantity.map(Quantity::millionths),
        row.window.kind.code(),
        row.window.anchor.map(Time::micros),
        row.window.seconds,
        period.map(|(start, _)| start.micros()),
        period.map(|(_, end)| end.micros()),
        row.status.code(),
        row.source.code(),
        row.source_ref.as_deref(),
        row.plan.as_deref(),
        row.plan_version,
        row.priority,
        row.valid_from.micros(),
        row.valid_until.map(Time::micros),
        row.created_at.micros(),
        row.updated_at.micros(),
        row.id.tree().0,
        metadata.map(Code::as_str).filter(|text| *text != "null"),
        metadata.is_some(),
    ])?;
    put_conditions(connection, row)?;
    let new = shown(connection, row.id)?;
    connection
        .prepare_cached(
            "INSERT INTO entitlements_audit (audit_id, tree, entitlement_id, account_id, action, old_row, new_row, changed_by, \
             reason, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            rows::Id(audit.id.0),
            row.id.tree().0,
            rows::Id(row.id.0),
            rows::Id(row.account.0),
            audit.action,
            old.as_ref().map(json_text),
            new.as_ref().map(json_text),
            audit.by.as_str(),
            audit.reason,
            now.micros(),
        ])?;
    Ok(())
}

/// Replaces the row's conditions where they are not what is stored.
fn put_conditions(connection: &Connection, row: &Entitlement) -> rusqlite::Result<()> {
    let mut wanted: Vec<&Condition> = row.conditions.iter().collect();
    wanted.sort_by_key(|condition| condition.id);
    let stored = conditions(connection, row.id)?;
    if wanted.iter().copied().eq(&stored) {
        return Ok(());
    }
    connection
        .prepare_cached("DELETE FROM entitlement_conditions WHERE entitlement_id = ?1")?
        .execute(params![rows::Id(row.id.0)])?;
    for condition in wanted {
        let columns = ConditionRow::of(&condition.test);
        connection
            .prepare_cached(
                "INSERT INTO entitlement_conditions (condition_id, tree, entitlement_id, condition_type, attribute, operator, \
                 value) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                rows::Id(condition.id.0),
                row.id.tree().0,
                rows::Id(row.id.0),
                columns.condition_type,
                columns.attribute,
                columns.operator,
                json_text(&columns.value),
            ])?;
    }
    Ok(())
}

/// The row as the table shows it, and as its audit keeps it; with its conditions, where it has any,
/// as the table embeds them. `None` where there is no such row.
pub(super) fn shown(connection: &Connection, id: EntitlementId) -> rusqlite::Result<Option<Value>> {
    let read = |row: &Row<'_>| {
        let metadata: Option<Value> = match rows::optional_text(row, 21)? {
            Some(text) => {
                Some(serde_json::from_str(text).map_err(|_| rows::damaged(21, "not JSON"))?)
            }
            None => None,
        };
        let has_window = rows::optional_text(row, 5)?.is_some();
        Ok((
            rows::entitlement(row)?,
            Beside {
                has_window,
                limit_kind: row.get(20)?,
                metadata,
            },
        ))
    };
    let found = connection
        .prepare_cached(&SHOWN)?
        .query_row(params![rows::Id(id.0)], read)
        .optional()?;
    let Some((row, beside)) = found else {
        return Ok(None);
    };
    let conditions = conditions(connection, id)?;
    Ok(Some(audit::shown(&row, &beside, &conditions)))
}
