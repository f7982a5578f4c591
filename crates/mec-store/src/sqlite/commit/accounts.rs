//! Accounts and their plans.

use mec_kernel::{Account, AccountPlan, Time};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::sqlite::rows::{self, sql};

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

pub(super) fn put_account(connection: &Connection, account: &Account) -> rusqlite::Result<()> {
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

pub(super) fn put_account_plan(
    connection: &Connection,
    plan: &AccountPlan,
) -> rusqlite::Result<()> {
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
