//! Events with their keys and details.

use mec_kernel::{LedgerEvent, key_hash};
use rusqlite::{Connection, params};

use crate::sqlite::rows;

pub(super) fn put_event(connection: &Connection, event: &LedgerEvent) -> rusqlite::Result<()> {
    let tree = event.id.tree();
    let ruling = event.ruling.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO consumption_ledger (event_id, tree, tree_seq, idempotency_key, account_id, resource_type_code, \
             resource_scope, quantity, unit_code, occurred_at, recorded_at, is_correction, corrects_event_id, source, recorded_by, \
             decision, reason, reason_code, entitlement_id, effects, details_hash, fingerprint, chain, reservation_id, \
             overage_quantity, overage_cost) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, \
             ?24, ?25, ?26)",
        )?
        .execute(params![
            rows::Id(event.id.0),
            tree.0,
            event.tree_seq,
            &*event.key,
            rows::Id(event.account.0),
            event.resource.as_str(),
            event.scope.as_deref(),
            event.quantity.millionths(),
            event.unit.as_str(),
            event.occurred_at.micros(),
            event.recorded_at.micros(),
            event.is_correction,
            event.corrects.map(|id| rows::Id(id.0)),
            event.source.as_str(),
            event.recorded_by.as_str(),
            ruling.map(|ruling| ruling.decision.code()),
            ruling.map(|ruling| &*ruling.reason),
            ruling.map(|ruling| ruling.reason_code.as_str()),
            ruling.and_then(|ruling| ruling.entitlement).map(|id| rows::Id(id.0)),
            rows::effects_text(&event.effects),
            event.details_hash,
            event.fingerprint,
            event.chain,
            event.reservation.map(|id| rows::Id(id.0)),
            event.overage.map(|overage| overage.quantity.millionths()),
            event.overage.map(|overage| overage.cost.millionths()),
        ])?;
    // A settlement is found by its reservation: no caller's key leads to it.
    if event.reservation.is_none() {
        connection
            .prepare_cached(
                "INSERT INTO ledger_keys (key_hash, tree, event_id) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![
                key_hash(tree, &event.key),
                tree.0,
                rows::Id(event.id.0)
            ])?;
    }
    if let Some(details) = event.details.as_deref() {
        connection
            .prepare_cached("INSERT INTO consumption_event_details (event_id, tree, details) VALUES (?1, ?2, ?3)")?
            .execute(params![rows::Id(event.id.0), tree.0, details])?;
    }
    Ok(())
}
