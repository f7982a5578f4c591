//! Spreading the tables over a Citus database: every table once, before what hangs on it.

mod on_postgres {
    use std::io::Write as _;

    use mec_kernel::*;
    use mec_store::postgres::{MigrateOptions, migrate};
    use mec_store::{Commit, Hold, OpenOptions, Store};

    use crate::home::cluster::{Cluster, name_of};
    use crate::home::wait;

    /// What the extension has that a migration asks for, each call written down with how many
    /// triggers there were.
    const STAND_INS: &str = "
        CREATE TABLE pg_dist_local_group (groupid integer);
        INSERT INTO pg_dist_local_group VALUES (0);
        CREATE TABLE pg_dist_partition (logicalrelid regclass);
        CREATE TABLE pg_dist_shard (logicalrelid regclass, shardminvalue text);
        CREATE TABLE calls (place serial, name text, key text, beside text, triggers bigint, unsafe text);
        CREATE FUNCTION note(spread regclass, key text, beside text) RETURNS void LANGUAGE sql AS $$
            INSERT INTO pg_dist_partition VALUES (spread);
            INSERT INTO calls (name, key, beside, triggers, unsafe)
                SELECT spread::text, key, beside, count(*), current_setting('citus.enable_unsafe_triggers')
                FROM pg_trigger WHERE NOT tgisinternal;
        $$;
        CREATE FUNCTION create_distributed_table(spread regclass, key text, colocate_with text) RETURNS void LANGUAGE sql
            AS 'SELECT note(spread, key, colocate_with)';
        CREATE FUNCTION create_reference_table(spread regclass) RETURNS void LANGUAGE sql
            AS $$ SELECT note(spread, '', 'every node') $$;";

    fn distributed() -> MigrateOptions {
        MigrateOptions {
            is_distributed: true,
            ..MigrateOptions::default()
        }
    }

    #[test]
    fn every_table_is_spread_once_and_before_its_triggers() {
        let cluster = Cluster::shared();
        let url = cluster.database();
        let name = name_of(&url);
        cluster.sql(name, STAND_INS);
        migrate(&url, &distributed()).unwrap();
        let with_tree = "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tree' \
                         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition";
        let spread = |sql: &str| {
            cluster.sql(
                name,
                &format!("SELECT name FROM calls WHERE {sql} ORDER BY name"),
            )
        };
        assert_eq!(
            spread("key = 'tree'"),
            cluster.sql(name, &format!("{with_tree} ORDER BY 1"))
        );
        assert_eq!(
            cluster.sql(
                name,
                "SELECT name, beside FROM calls ORDER BY place LIMIT 1"
            ),
            ["account_trees|none"]
        );
        assert_eq!(
            spread("key = 'tree' AND beside <> 'account_trees'"),
            ["account_trees"]
        );
        assert_eq!(
            spread("key NOT IN ('', 'tree')"),
            ["account_links", "webhook_deliveries", "webhook_inbox"]
        );
        assert_eq!(spread("triggers > 0 OR unsafe <> 'on'"), [""; 0]);
        let others = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') \
                      AND NOT relispartition AND relname NOT IN ('calls', 'pg_dist_local_group', 'pg_dist_partition', 'pg_dist_shard') \
                      AND oid NOT IN (SELECT logicalrelid FROM pg_dist_partition)";
        assert_eq!(cluster.sql(name, others), ["schema_migrations"]);
        // Again, nothing is left to spread; the triggers are there.
        migrate(&url, &distributed()).unwrap();
        assert_eq!(
            cluster.sql(name, "SELECT count(*) = count(DISTINCT name) FROM calls"),
            ["t"]
        );
        assert!(
            cluster
                .refused(name, "TRUNCATE consumption_ledger")
                .contains("append-only")
        );
    }

    #[test]
    fn an_installation_that_is_there_is_spread_later() {
        let cluster = Cluster::shared();
        let url = cluster.database();
        drop(Store::open(&url, &OpenOptions::default()).unwrap());
        cluster.sql(name_of(&url), STAND_INS);
        migrate(&url, &MigrateOptions::default()).unwrap();
        assert_eq!(
            cluster.sql(name_of(&url), "SELECT count(*) FROM calls"),
            ["0"]
        );
        migrate(&url, &distributed()).unwrap();
        assert_eq!(
            cluster.sql(name_of(&url), "SELECT count(*) > 20 FROM calls"),
            ["t"]
        );
    }

    #[test]
    fn a_database_that_cannot_be_spread_is_refused() {
        let cluster = Cluster::shared();
        let url = cluster.database();
        let refusal = |options: &MigrateOptions| migrate(&url, options).unwrap_err().to_string();
        let said = refusal(&distributed());
        assert!(
            said.contains("is not a distributed database")
                && said.contains("CREATE EXTENSION citus"),
            "{said}"
        );
        assert_eq!(
            cluster.sql(
                name_of(&url),
                "SELECT to_regclass('schema_migrations') IS NULL"
            ),
            ["t"]
        );
        cluster.sql(name_of(&url), STAND_INS);
        cluster.sql(name_of(&url), "UPDATE pg_dist_local_group SET groupid = 3");
        for options in [distributed(), MigrateOptions::default()] {
            let said = refusal(&options);
            assert!(
                said.contains("is a worker") && said.contains("migrate on its coordinator"),
                "{said}"
            );
        }
    }

    /// On a Citus database of the caller's own, which it may fill: the coordinator's address is in
    /// `MEC_TEST_CITUS_URL`.
    #[test]
    fn a_real_distributed_database_takes_the_schema_and_a_batch() {
        let Ok(url) = std::env::var("MEC_TEST_CITUS_URL") else {
            // Past the test harness, which keeps what a test prints to itself.
            let told = "MEC_TEST_CITUS_URL names no Citus coordinator: nothing was tried on a distributed database\n";
            std::io::stderr().write_all(told.as_bytes()).unwrap();
            return;
        };
        migrate(&url, &distributed()).unwrap();
        let again = migrate(&url, &distributed()).unwrap();
        assert_eq!(again.from, again.to);
        let (_store, mut writer) = Store::open(&url, &OpenOptions::default()).unwrap();
        let tree = (1..)
            .map(TreeId)
            .find(|tree| !wait(writer.heads(&[*tree], Hold::Waited)).unwrap()[0].1)
            .unwrap();
        let head = Head {
            version: 1,
            stamp: 11,
            ..Head::new(tree)
        };
        wait(writer.commit(&Commit {
            now: Some(head.last_at),
            heads: vec![head],
            ..Commit::default()
        }))
        .unwrap();
        assert_eq!(
            wait(writer.heads(&[tree], Hold::Waited)).unwrap(),
            [(head, true)]
        );
        wait(writer.abort());
    }
}
