//! What a database says of itself, to whoever wants to know whether a node can serve from it.
//! Changes nothing.

use mec_kernel::Time;

use super::cells::Found;
use super::cells::one;
use super::migrate;
use super::session::Session;
use super::{connect, copy, roles};
use crate::StoreError;
use crate::rows::Cells as _;

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The server's version, in its own words.
    pub server_version: String,
    /// Its schema; 0: there is none.
    pub schema_version: i32,
    /// The schema this program writes.
    pub schema_version_newest: i32,
    /// The setting `synchronous_commit`; nodes have it on in their commits whatever it is.
    pub synchronous_commit: String,
    /// The setting `synchronous_standby_names`: whom commits wait for; empty: nobody.
    pub synchronous_standby_names: String,
    /// Who asked.
    pub role: String,
    /// What nodes do and that role may not, as `INSERT on consumption_ledger`.
    pub rights_missing: Vec<String>,
    /// Whether that role may change rows of the ledger, which no node needs.
    pub may_change_ledger: bool,
    /// The connections that role may have in all, everybody else's among them.
    pub connections_max: i64,
    /// The connections that are open, this one among them.
    pub connections: i64,
    /// The server's clock at the end of the look.
    pub now: Time,
}

/// Looks at the database at `url` without changing it.
///
/// # Errors
/// It cannot be reached, or no node would write to it.
pub fn inspect(url: &str) -> Result<Inspection, StoreError> {
    let (_, found) = connect(url, |session, shown| async move {
        migrate::check_server(&session, &shown).await?;
        migrate::check_version(&session, &shown, true).await?;
        copy::check_whole(&session, &shown).await?;
        look(&session).await
    })?;
    Ok(found)
}

async fn look(session: &Session) -> Result<Inspection, StoreError> {
    let (schema_version, rights_missing) = (
        migrate::version(session).await?,
        roles::missing(session).await?,
    );
    // A limit of -1 is none.
    let sql = "SELECT current_setting('server_version'), current_setting('synchronous_commit'), \
               current_setting('synchronous_standby_names'), current_user::text, \
               coalesce(has_table_privilege(to_regclass('consumption_ledger'), 'UPDATE, DELETE, TRUNCATE'), false), \
               least((SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user), \
                     (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()), \
                     current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer \
                     - coalesce(current_setting('reserved_connections', true), '0')::integer)::bigint, \
               (SELECT coalesce(sum(numbackends), 0)::bigint FROM pg_stat_database WHERE datid <> 0), clock_timestamp()";
    let row = one(session.query_once(sql, &[]).await?)?;
    Ok(Inspection {
        server_version: row.try_get(0)?,
        schema_version,
        schema_version_newest: migrate::newest(),
        synchronous_commit: row.try_get(1)?,
        synchronous_standby_names: row.try_get(2)?,
        role: row.try_get(3)?,
        rights_missing,
        may_change_ledger: row.try_get(4)?,
        connections_max: row.try_get(5)?,
        connections: row.try_get(6)?,
        now: Found {
            row: &row,
            table: "clock_timestamp",
        }
        .time(7)?,
    })
}
