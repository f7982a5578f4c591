//! Where a test's store is: a file of its own, or a new database on a server of the tests' own. The
//! same test bodies run on both.

#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "every test binary uses a part of it"
)]

use std::sync::Arc;

#[path = "../cluster/mod.rs"]
pub(crate) mod cluster;

use cluster::{APP_ROLE, Cluster, name_of};

/// A place for one store.
pub(crate) enum Home {
    Sqlite(tempfile::TempDir),
    Postgres(Arc<Cluster>, String),
}

/// Makes a test of each body for each database.
macro_rules! on_both {
    ($($(#[$attribute:meta])* $test:ident),+ $(,)?) => {
        mod on_sqlite {
            $($(#[$attribute])* #[test] fn $test() { super::$test(crate::Home::sqlite) })+
        }
        mod on_postgres {
            $($(#[$attribute])* #[test] fn $test() { super::$test(crate::Home::postgres) })+
        }
    };
}
pub(crate) use on_both;

/// The same of bodies that wait.
macro_rules! on_both_async {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test] async fn $test() { super::$test(crate::Home::sqlite()).await })+
        }
        mod on_postgres {
            $(#[tokio::test] async fn $test() { super::$test(crate::Home::postgres()).await })+
        }
    };
}
pub(crate) use on_both_async;

/// Waits for a future as a lane's thread does.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

impl Home {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// It is opened by a role that may do what a node does, and nothing else.
    pub(crate) fn postgres() -> Self {
        let cluster = Cluster::shared();
        let migrated = cluster.made_once(|url| {
            let options = mec_store::postgres::MigrateOptions {
                app_role: Some(APP_ROLE.to_owned()),
                ..Default::default()
            };
            mec_store::postgres::migrate(url, &options).unwrap();
        });
        let url = cluster.app_url(name_of(&cluster.copy(&migrated)));
        Self::Postgres(cluster, url)
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(..))
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(dir) => format!("sqlite:{}", dir.path().join("mec.db").display()),
            Self::Postgres(_, url) => url.clone(),
        }
    }

    /// Changes rows behind the store's back, its triggers away.
    pub(crate) fn damage(&self, sql: &str) {
        match self {
            Self::Sqlite(dir) => {
                let outside = rusqlite::Connection::open(dir.path().join("mec.db")).unwrap();
                outside
                    .execute_batch(
                        "DROP TRIGGER IF EXISTS consumption_ledger_no_update; \
                         DROP TRIGGER IF EXISTS consumption_ledger_no_delete; \
                         DROP TRIGGER IF EXISTS entitlements_audit_no_update; \
                         DROP TRIGGER IF EXISTS entitlements_audit_no_delete",
                    )
                    .unwrap();
                let changed = outside.execute(sql, []).unwrap();
                assert!(changed > 0, "{sql} changes nothing");
            }
            Self::Postgres(cluster, url) => {
                let database = name_of(url);
                for table in ["consumption_ledger", "entitlements_audit"] {
                    cluster.sql(
                        database,
                        &format!("ALTER TABLE {table} DISABLE TRIGGER USER"),
                    );
                }
                let sql = of_postgres(sql);
                let told = cluster.sql_told(database, &sql);
                let changed = told
                    .last()
                    .and_then(|tag| tag.rsplit(' ').next()?.parse::<u64>().ok());
                assert!(
                    changed.is_some_and(|changed| changed > 0),
                    "{sql} changes nothing: {told:?}"
                );
            }
        }
    }

    /// Runs a statement behind the store's back.
    pub(crate) fn run(&self, sql: &str) {
        match self {
            Self::Sqlite(dir) => rusqlite::Connection::open(dir.path().join("mec.db"))
                .unwrap()
                .execute_batch(sql)
                .unwrap(),
            Self::Postgres(cluster, url) => drop(cluster.sql(name_of(url), sql)),
        }
    }

    /// The single column of a question, as text.
    pub(crate) fn query(&self, sql: &str) -> Vec<Option<String>> {
        match self {
            Self::Sqlite(dir) => {
                let outside = rusqlite::Connection::open(dir.path().join("mec.db")).unwrap();
                let mut statement = outside.prepare(sql).unwrap();
                let rows = statement.query_map([], |row| {
                    Ok(match row.get_ref(0)? {
                        rusqlite::types::ValueRef::Null => None,
                        rusqlite::types::ValueRef::Integer(number) => Some(number.to_string()),
                        held => Some(held.as_str()?.to_owned()),
                    })
                });
                rows.unwrap().collect::<Result<_, _>>().unwrap()
            }
            Self::Postgres(cluster, url) => cluster
                .sql(name_of(url), sql)
                .into_iter()
                .map(Some)
                .map(told)
                .collect(),
        }
    }

    /// An instant's column in microseconds.
    pub(crate) fn micros(&self, column: &str) -> String {
        if self.is_postgres() {
            format!("(extract(epoch FROM {column}) * 1000000)::bigint")
        } else {
            column.to_owned()
        }
    }

    /// A quantity's column in millionths.
    pub(crate) fn millionths(&self, column: &str) -> String {
        if self.is_postgres() {
            format!("({column} * 1000000)::bigint")
        } else {
            column.to_owned()
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // The server of a failed test might be what failed.
        if let Self::Postgres(cluster, url) = self
            && !std::thread::panicking()
        {
            cluster.remove(name_of(url));
        }
    }
}

fn told(line: Option<String>) -> Option<String> {
    line.filter(|line| line != cluster::NULL)
}

/// The same damage where quantities are decimal numbers, instants and ids have types of their own.
fn of_postgres(sql: &str) -> String {
    let id = "'00000000-0000-0000-0000-000000000000'::uuid";
    let hash = "chain = decode(repeat('00', 16), 'hex')";
    [
        ("quantity + 1000000", "quantity + 1"),
        ("CAST(own + 1000000 AS TEXT)", "own + 1000000"),
        ("= 'many'", "= 'NaN'"),
        ("= 'much'", "= 'NaN'"),
        ("chain = zeroblob(16)", hash),
        ("zeroblob(16)", id),
        ("details LIKE", "details::text LIKE"),
        ("new_row LIKE", "new_row::text LIKE"),
        ("11000000", "11"),
        ("10000000", "10"),
        ("valid_until = 0", "valid_until = to_timestamp(0)"),
        ("x'00'", "'\\x00'"),
        ("steps = 'none'", "steps = '{}'"),
        ("metadata = '{'", "source = 'override', status = 'expired', valid_until = '-infinity', window_type_code = 'sometimes'"),
    ]
    .iter()
    .fold(sql.to_owned(), |sql, (from, to)| sql.replace(from, to))
}
