//! The role of a node may do what a node does and nothing else: the schema is another's.

mod on_postgres {
    use mec_store::postgres::{MigrateOptions, Migrated, migrate};
    use mec_store::{OpenOptions, Store};

    use crate::home::Home;
    use crate::home::cluster::{APP_ROLE, Cluster, name_of};

    fn for_app() -> MigrateOptions {
        MigrateOptions {
            app_role: Some(APP_ROLE.to_owned()),
            ..MigrateOptions::default()
        }
    }

    #[test]
    fn a_node_can_change_neither_the_schema_nor_what_is_only_added_to() {
        let home = Home::postgres();
        let Home::Postgres(cluster, url) = &home else {
            unreachable!()
        };
        for (statement, words) in [
            (
                "UPDATE consumption_ledger SET quantity = 2",
                "denied for table consumption_ledger",
            ),
            (
                "DELETE FROM consumption_ledger",
                "denied for table consumption_ledger",
            ),
            (
                "TRUNCATE consumption_ledger",
                "denied for table consumption_ledger",
            ),
            (
                "UPDATE ledger_keys SET key_hash = 1",
                "denied for table ledger_keys",
            ),
            ("DELETE FROM ledger_keys", "denied for table ledger_keys"),
            (
                "UPDATE entitlements_audit SET reason = ''",
                "denied for table entitlements_audit",
            ),
            (
                "DELETE FROM entitlements_audit",
                "denied for table entitlements_audit",
            ),
            (
                "UPDATE control_decisions_log SET reason = ''",
                "denied for table control_decisions_log",
            ),
            (
                "DELETE FROM control_decisions_log",
                "denied for table control_decisions_log",
            ),
            (
                "DELETE FROM control_decisions_log_rest",
                "denied for table control_decisions_log_rest",
            ),
            (
                "TRUNCATE control_decisions_log",
                "denied for table control_decisions_log",
            ),
            (
                "DELETE FROM schema_migrations",
                "denied for table schema_migrations",
            ),
            ("DELETE FROM accounts", "denied for table accounts"),
            (
                "ALTER TABLE consumption_ledger DISABLE TRIGGER USER",
                "must be owner of table consumption_ledger",
            ),
            (
                "DROP TABLE control_decisions_log",
                "must be owner of table control_decisions_log",
            ),
            (
                "DROP FUNCTION mec_refuse CASCADE",
                "must be owner of function mec_refuse",
            ),
            ("CREATE TABLE mine (a integer)", "denied for schema public"),
            (
                "CREATE INDEX mine ON accounts (email)",
                "must be owner of table accounts",
            ),
        ] {
            let told = cluster.refused_to(APP_ROLE, name_of(url), statement);
            assert!(told.contains(words), "{statement}: {told}");
        }
    }

    #[test]
    fn every_table_is_granted_and_its_parts_are_not() {
        let home = Home::postgres();
        let granted = "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
                       AND has_table_privilege('mec_app', c.oid, 'SELECT') = c.relispartition";
        assert_eq!(home.query(granted), []);
    }

    #[test]
    fn a_role_that_owns_nothing_is_enough_where_the_schema_is_there() {
        let cluster = Cluster::shared();
        let url = cluster.database();
        let app_url = cluster.app_url(name_of(&url));
        let refused = || {
            Store::open(&app_url, &OpenOptions::default())
                .unwrap_err()
                .to_string()
        };
        let said = refused();
        assert!(
            said.contains("has schema 0")
                && said.contains("the role mec_app may not change it; run `mec migrate`"),
            "{said}"
        );
        let Migrated { from, to } = migrate(&url, &for_app()).unwrap();
        assert!(from == 0 && to > 0);
        drop(Store::open(&app_url, &OpenOptions::default()).unwrap());
        cluster.sql(
            name_of(&url),
            &format!("DELETE FROM schema_migrations WHERE version = {to}"),
        );
        let said = refused();
        assert!(
            said.contains(&format!("has schema {}", to - 1)) && said.contains("may not change it"),
            "{said}"
        );
    }

    #[test]
    fn what_the_role_was_given_otherwise_is_taken_back() {
        let cluster = Cluster::shared();
        let url = cluster.database();
        migrate(&url, &for_app()).unwrap();
        cluster.sql(
            name_of(&url),
            "GRANT ALL ON consumption_ledger, time_zones TO mec_app",
        );
        let Migrated { from, to } = migrate(&url, &for_app()).unwrap();
        assert_eq!(from, to);
        for table in ["consumption_ledger", "time_zones"] {
            let told = cluster.refused_to(APP_ROLE, name_of(&url), &format!("DELETE FROM {table}"));
            assert!(
                told.contains(&format!("denied for table {table}")),
                "{told}"
            );
        }
    }

    #[test]
    fn a_role_that_no_grant_binds_is_refused() {
        let cluster = Cluster::shared();
        let url = cluster.database();
        for (role, words) in [
            ("mec", "is a superuser"),
            ("nobody_here", "has no role nobody_here; make it first"),
        ] {
            let options = MigrateOptions {
                app_role: Some(role.to_owned()),
                ..MigrateOptions::default()
            };
            let said = migrate(&url, &options).unwrap_err().to_string();
            assert!(said.contains(words), "{role}: {said}");
            assert_eq!(
                cluster.sql(
                    name_of(&url),
                    "SELECT to_regclass('schema_migrations') IS NULL"
                ),
                ["t"]
            );
        }
        cluster.sql(
            name_of(&url),
            "CREATE ROLE owner_of_it NOLOGIN; CREATE ROLE member LOGIN IN ROLE owner_of_it",
        );
        migrate(&url, &MigrateOptions::default()).unwrap();
        cluster.sql(
            name_of(&url),
            "ALTER TABLE consumption_ledger OWNER TO owner_of_it",
        );
        let options = MigrateOptions {
            app_role: Some("member".to_owned()),
            ..MigrateOptions::default()
        };
        let said = migrate(&url, &options).unwrap_err().to_string();
        assert!(
            said.contains("member may change rows of consumption_ledger"),
            "{said}"
        );
        let told = cluster.refused_to("member", name_of(&url), "SELECT * FROM accounts");
        assert!(
            told.contains("denied for table accounts"),
            "nothing of it was granted: {told}"
        );
    }

    #[test]
    fn a_temporary_table_of_the_callers_is_not_taken_for_the_log() {
        let home = Home::postgres();
        let Home::Postgres(cluster, url) = &home else {
            unreachable!()
        };
        let told = cluster.sql_of(
            APP_ROLE,
            name_of(url),
            "CREATE TEMPORARY TABLE control_decisions_log (decision_id uuid); \
             INSERT INTO control_decisions_log VALUES ('01980000-0000-7000-8000-000000000000'); \
             SELECT mec_prune_decisions('01990000-0000-7000-8000-000000000000', 10); \
             SELECT count(*) FROM control_decisions_log",
        );
        assert_eq!(told, ["0", "1"]);
    }
}
