//! Where an installation's store is: a file in a directory of its own, or a database on a server of
//! the tests' own.

#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "every test binary uses a part of it"
)]

use std::sync::Arc;

#[path = "../../../mec-store/tests/cluster/mod.rs"]
pub(crate) mod cluster;

use cluster::Cluster;

/// A place for one store.
pub(crate) trait Place {
    fn url(&self) -> String;

    /// Whether several processes may have it open at once.
    fn is_shared(&self) -> bool;
}

impl Place for tempfile::TempDir {
    fn url(&self) -> String {
        format!("sqlite:{}", self.path().join("mec.db").display())
    }

    fn is_shared(&self) -> bool {
        false
    }
}

/// A new database.
pub(crate) struct Database {
    cluster: Arc<Cluster>,
    url: String,
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.cluster.remove(cluster::name_of(&self.url));
        }
    }
}

impl Database {
    pub(crate) fn new() -> Self {
        Self::on(Cluster::shared())
    }

    pub(crate) fn on(cluster: Arc<Cluster>) -> Self {
        let url = cluster.database();
        Self { cluster, url }
    }

    /// Runs statements outside of what is tested.
    pub(crate) fn sql(&self, sql: &str) -> Vec<String> {
        self.cluster.sql(cluster::name_of(&self.url), sql)
    }

    /// Ends all connections to it.
    pub(crate) fn end_connections(&self) {
        let name = cluster::name_of(&self.url);
        let end = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        self.cluster.sql("postgres", &end);
    }

    /// How many of its connections wait for a lock.
    pub(crate) fn waits_for_locks(&self) -> usize {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        self.sql(waiting)[0].parse().unwrap()
    }

    /// Locks a tree as another process would.
    pub(crate) fn hold_tree(&self, tree: u32) -> cluster::Held {
        self.cluster.hold(
            cluster::name_of(&self.url),
            &format!("SELECT 1 FROM account_trees WHERE tree = {tree} FOR UPDATE"),
        )
    }
}

impl Place for Database {
    fn url(&self) -> String {
        self.url.clone()
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// Makes a test of each body for each database.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test] async fn $test() { super::$test(tempfile::tempdir().unwrap()).await })+
        }
        mod on_postgres {
            $(#[tokio::test] async fn $test() { super::$test(crate::place::Database::new()).await })+
        }
    };
}
pub(crate) use on_both;
