//! One batch, one transaction: rows, keys and sums together. The one place that adds sums.

use std::collections::BTreeMap;

use mec_kernel::{
    Account, AccountId, AccountPlan, Head, HourSum, Lease, LedgerEvent, Quantity, Reservation,
    Rule, Time, TreeId, WindowKey, WindowTotal, Write, key_hash,
};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, TransactionBehavior, params};

use super::rows::{self, sql};
use super::{Writer, decisions, entitlement};
use crate::verify::HourKey;
use crate::{Commit, CommitError, Fault, StoreError};

sql!(
    PUT_ACCOUNT = "INSERT INTO accounts (",
    rows::ACCOUNT,
    ", tree) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
     ON CONFLICT (account_id) DO UPDATE SET account_type_code = excluded.account_type_code, \
     external_id = excluded.external_id, display_name = excluded.display_name, email = excluded.email, \
     status = excluded.status, time_zone = excluded.time_zone, metadata = excluded.metadata, updated_at = excluded.updated_at",
);
sql!(
    PUT_ACCOUNT_PLAN = "INSERT INTO account_plans (",
    rows::ACCOUNT_PLAN,
    ", tree) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
     ON CONFLICT (account_id, plan_id, ref, starts_at) DO UPDATE SET version = excluded.version, \
     quantity = excluded.quantity, anchor = excluded.anchor, ends_at = excluded.ends_at, \
     own_ends_at = excluded.own_ends_at",
);
sql!(
    PUT_RULE = "INSERT INTO control_rules (",
    rows::RULE,
    ", tree) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) \
     ON CONFLICT (rule_id) DO UPDATE SET resource_type_code = excluded.resource_type_code, \
     limit_kind_code = excluded.limit_kind_code, plan_id = excluded.plan_id, window_type_code = excluded.window_type_code, \
     limit_action_code = excluded.limit_action_code, \
     warn_at_percent = excluded.warn_at_percent, grace_quantity = excluded.grace_quantity, \
     grace_period_seconds = excluded.grace_period_seconds, overage_limit = excluded.overage_limit, \
     overage_unit_price = excluded.overage_unit_price, currency = excluded.currency, priority = excluded.priority, \
     is_active = excluded.is_active, updated_at = excluded.updated_at",
);
sql!(
    PUT_LEASE = "INSERT INTO concurrency_leases (",
    rows::LEASE,
    ", tree) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
     ON CONFLICT (lease_id) DO UPDATE SET quantity = excluded.quantity, amount = excluded.amount, \
     expires_at = excluded.expires_at, released_at = excluded.released_at",
);
sql!(
    PUT_RESERVATION = "INSERT INTO reservations (",
    rows::RESERVATION,
    ", tree) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
     ON CONFLICT (reservation_id) DO UPDATE SET status = excluded.status, event_id = excluded.event_id",
);

impl Writer {
    /// A failed statement changes nothing. A failed COMMIT leaves open what is on disk, unless
    /// SQLite says the disk is full or the file is busy, which it says before it writes.
    pub(crate) fn commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        let fault = self.faults.get();
        self.heed(fault).map_err(failed)?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        write_all(&transaction, commit)?;
        if fault == Some(Fault::CommitLost) {
            transaction.rollback().map_err(failed)?;
            return Err(lost());
        }
        transaction.commit().map_err(not_committed)?;
        if fault == Some(Fault::AnswerLost) {
            Err(lost())
        } else {
            Ok(())
        }
    }

    /// Writes to new pages and to the disk, and leaves nothing behind.
    pub(crate) fn probe(&mut self) -> Result<(), CommitError> {
        self.heed(self.faults.get()).map_err(failed)?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let sql = "CREATE TABLE probe (filler); INSERT INTO probe VALUES (zeroblob(65536)); DROP TABLE probe";
        transaction.execute_batch(sql).map_err(failed)?;
        transaction.commit().map_err(not_committed)
    }

    fn heed(&mut self, fault: Option<Fault>) -> rusqlite::Result<()> {
        let is_full = fault == Some(Fault::DiskFull);
        if is_full || self.is_full {
            self.fill_disk(is_full)
        } else {
            Ok(())
        }
    }

    /// A file that may have no more pages than it has is what a full disk is to SQLite.
    fn fill_disk(&mut self, is_full: bool) -> rusqlite::Result<()> {
        let pages_max = if is_full { 1 } else { i64::from(u32::MAX - 1) };
        self.connection
            .pragma_update_and_check(None, "max_page_count", pages_max, |_| Ok(()))?;
        self.is_full = is_full;
        Ok(())
    }
}

/// Why COMMIT failed.
fn not_committed(error: rusqlite::Error) -> CommitError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy) => CommitError::NotDone(error.into()),
        _ => CommitError::Unknown(error.into()),
    }
}

fn lost() -> CommitError {
    CommitError::Unknown(StoreError::Stopped("a test lost the answer".to_owned()))
}

/// Why a statement failed. After an IO error only whoever opens the file again can tell what is in
/// it.
pub(super) fn failed(error: rusqlite::Error) -> CommitError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => CommitError::Refused(error.into()),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt) => {
            CommitError::Unknown(error.into())
        }
        _ => CommitError::NotDone(error.into()),
    }
}

fn write_all(connection: &Connection, commit: &Commit) -> Result<(), CommitError> {
    let (now, at) = (commit.now(), commit.present());
    let mut hours: BTreeMap<HourKey, HourSum> = BTreeMap::new();
    for write in &commit.writes {
        write_one(connection, write, &mut hours, &at).map_err(failed)?;
    }
    for (key, sum) in &hours {
        add_hour(connection, key, *sum).map_err(failed)?;
    }
    for (account, key, total) in &commit.windows {
        put_window(connection, *account, key, total, at(account.tree())).map_err(failed)?;
    }
    for head in &commit.heads {
        put_head(connection, head).map_err(failed)?;
    }
    super::catalog::write(connection, &commit.catalog, commit.catalog_version, now).map_err(
        |error| match error {
            StoreError::Sqlite(error) => failed(error),
            error => CommitError::NotDone(error),
        },
    )?;
    for row in &commit.decisions {
        decisions::log(connection, row).map_err(failed)?;
    }
    Ok(())
}

fn write_one(
    connection: &Connection,
    write: &Write,
    hours: &mut BTreeMap<HourKey, HourSum>,
    at: &dyn Fn(TreeId) -> Time,
) -> rusqlite::Result<()> {
    match write {
        Write::Account(account) => put_account(connection, account),
        Write::Entitlement {
            row,
            metadata,
            audit,
        } => entitlement::put(
            connection,
            row,
            metadata.as_ref(),
            audit,
            at(row.account.tree()),
        ),
        Write::AccountPlan(plan) => put_account_plan(connection, plan),
        Write::Rule(rule) => put_rule(connection, rule),
        Write::RemoveRule { rule, .. } => {
            connection
                .prepare_cached("DELETE FROM control_rules WHERE rule_id = ?1")?
                .execute(params![rows::Id(rule.0)])?;
            Ok(())
        }
        Write::Event { event, path } => {
            for (account, sum) in HourSum::of(event, path) {
                let key = (
                    account,
                    event.resource.clone(),
                    event.scope.clone(),
                    event.unit.clone(),
                    event.occurred_at.hour(),
                );
                let entry = hours.entry(key).or_default();
                *entry = entry.plus(sum);
            }
            put_event(connection, event)
        }
        Write::Lease { new, .. } => put_lease(connection, new),
        Write::Reservation { new, .. } => put_reservation(connection, new),
        // Counters are written once, as they are after the batch.
        Write::Mark { .. } | Write::Window { .. } => Ok(()),
    }
}

fn put_account(connection: &Connection, account: &Account) -> rusqlite::Result<()> {
    let before: Option<Option<String>> = connection
        .prepare_cached("SELECT external_id FROM accounts WHERE account_id = ?1")?
        .query_row(params![rows::Id(account.id.0)], |row| row.get(0))
        .optional()?;
    connection.prepare_cached(&PUT_ACCOUNT)?.execute(params![
        rows::Id(account.id.0),
        account.parent.map(|id| rows::Id(id.0)),
        rows::Id(account.root.0),
        account.account_type.as_str(),
        account.external_id.as_deref(),
        account.display_name.as_str(),
        account.email.as_deref(),
        account.status.code(),
        account.time_zone.as_deref(),
        account.metadata.as_deref(),
        account.created_at.micros(),
        account.updated_at.micros(),
        account.id.tree().0,
    ])?;
    let before = before.flatten();
    if before.as_deref() != account.external_id.as_deref() {
        if let Some(before) = before {
            connection
                .prepare_cached("DELETE FROM account_links WHERE source = '' AND external_id = ?1")?
                .execute(params![before])?;
        }
        if let Some(external_id) = &account.external_id {
            connection
                .prepare_cached("INSERT INTO account_links (source, external_id, account_id) VALUES ('', ?1, ?2)")?
                .execute(params![external_id.as_str(), rows::Id(account.id.0)])?;
        }
    }
    Ok(())
}

fn put_account_plan(connection: &Connection, plan: &AccountPlan) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&PUT_ACCOUNT_PLAN)?
        .execute(params![
            rows::Id(plan.account.0),
            plan.plan.as_str(),
            plan.reference.as_str(),
            plan.version,
            plan.quantity.millionths(),
            plan.anchor.micros(),
            plan.starts_at.micros(),
            plan.ends_at.map(Time::micros),
            plan.own_end.map(Time::micros),
            plan.is_addon,
            plan.is_trial,
            plan.account.tree().0,
        ])?;
    Ok(())
}

pub(super) fn put_rule(connection: &Connection, rule: &Rule) -> rusqlite::Result<()> {
    connection.prepare_cached(&PUT_RULE)?.execute(params![
        rows::Id(rule.id.0),
        rule.resource.as_str(),
        rule.limit_kind.code(),
        rule.account.map(|id| rows::Id(id.0)),
        rule.plan.as_deref(),
        rule.window.map(|kind| kind.code()),
        rule.action.code(),
        rule.warn_at.map(|percent| percent.0),
        rule.grace_quantity.map(Quantity::millionths),
        rule.grace_seconds,
        rule.overage_limit.map(Quantity::millionths),
        rule.overage_price.map(Quantity::millionths),
        rule.currency.as_deref(),
        rule.priority,
        rule.is_active,
        rule.created_at.micros(),
        rule.updated_at.micros(),
        rule.account
            .map_or(TreeId::CATALOG.0, |account| account.tree().0),
    ])?;
    Ok(())
}

fn put_event(connection: &Connection, event: &LedgerEvent) -> rusqlite::Result<()> {
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

fn put_lease(connection: &Connection, lease: &Lease) -> rusqlite::Result<()> {
    connection.prepare_cached(&PUT_LEASE)?.execute(params![
        rows::Id(lease.id.0),
        rows::Id(lease.account.0),
        lease.resource.as_str(),
        lease.scope.as_deref(),
        lease.token.as_deref(),
        lease.quantity.millionths(),
        rows::Exact(lease.amount),
        lease.fencing_token,
        lease.acquired_at.micros(),
        lease.expires_at.micros(),
        lease.released_at.map(Time::micros),
        lease.id.tree().0,
    ])?;
    Ok(())
}

fn put_reservation(connection: &Connection, held: &Reservation) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&PUT_RESERVATION)?
        .execute(params![
            rows::Id(held.id.0),
            held.key.as_str(),
            rows::Id(held.account.0),
            held.resource.as_str(),
            held.scope.as_deref(),
            held.quantity.millionths(),
            held.unit.as_str(),
            rows::Exact(held.amount),
            held.status.code(),
            held.reserved_at.micros(),
            held.expires_at.micros(),
            held.event.map(|id| rows::Id(id.0)),
            held.ruling.decision.code(),
            &*held.ruling.reason,
            held.ruling.reason_code.as_str(),
            held.ruling.entitlement.map(|id| rows::Id(id.0)),
            held.id.tree().0,
        ])?;
    Ok(())
}

fn add_hour(
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

/// An open window's total; a closed one is dropped and counted anew should anybody ask.
fn put_window(
    connection: &Connection,
    account: AccountId,
    key: &WindowKey,
    total: &WindowTotal,
    now: Time,
) -> rusqlite::Result<()> {
    let (rolling, start, end) = rows::window_columns(key.window);
    let scope = rows::scope_text(key.scope.as_ref());
    if key.window.is_over(now) {
        connection
            .prepare_cached(
                "DELETE FROM usage_windows WHERE tree = ?1 AND account_id = ?2 AND resource_type_code = ?3 \
                 AND resource_scope = ?4 AND rolling_seconds = ?5 AND window_start = ?6 AND window_end = ?7",
            )?
            .execute(params![account.tree().0, rows::Id(account.0), key.resource.as_str(), scope, rolling, start, end])?;
        return Ok(());
    }
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

fn put_head(connection: &Connection, head: &Head) -> rusqlite::Result<()> {
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
