//! What only a server can do: be shared, be restarted, lose a connection, warn.

pub(crate) mod on_postgres {
    use std::time::Duration;

    use mec_kernel::*;
    use mec_store::{Commit, CommitError, OpenOptions, Store, StoreError, Writer};

    use crate::home::cluster::{Cluster, name_of};
    use crate::home::{Home, wait};

    const TREE: TreeId = TreeId(7);
    /// What a server needs that has, or is, a standby.
    pub(crate) const FOLLOWED: &[&str] = &["wal_level=replica", "max_wal_senders=4"];

    fn at(seconds: i64) -> Time {
        Time::from_micros(1_770_000_000_000_000).plus_seconds(seconds)
    }

    pub(crate) fn open(url: &str) -> (Store, Writer) {
        Store::open(url, &OpenOptions::default()).unwrap()
    }

    /// A batch that changes nothing but the tree's head.
    fn head(version: i64) -> Commit {
        let head = Head {
            version,
            stamp: version * 11,
            last_at: at(version),
            ..Head::new(TREE)
        };
        Commit {
            now: Some(at(version)),
            heads: vec![head],
            writes: vec![write(version)],
            ..Commit::default()
        }
    }

    fn write(version: i64) -> Write {
        let id = AccountId(IdSource::new(TREE, at(version), 0).draw());
        Write::Account(Account {
            id,
            parent: None,
            root: id,
            account_type: "organization".into(),
            external_id: None,
            display_name: "Acme Corp".into(),
            email: None,
            status: AccountStatus::Active,
            time_zone: None,
            metadata: None,
            created_at: at(version),
            updated_at: at(version),
        })
    }

    fn version(writer: &mut Writer) -> i64 {
        let heads = wait(writer.heads(&[TREE], mec_store::Hold::Waited)).unwrap();
        wait(writer.abort());
        heads[0].0.version
    }

    #[test]
    fn append_only_tables_refuse_with_the_guides_words() {
        let cluster = Cluster::shared();
        let url = cluster.database();
        drop(open(&url));
        let row = "INSERT INTO consumption_ledger (event_id, tree, tree_seq, idempotency_key, account_id, resource_type_code, \
                   quantity, unit_code, occurred_at, recorded_at, is_correction, source, recorded_by, fingerprint, chain) \
                   VALUES (gen_random_uuid(), 7, 1, 'k', gen_random_uuid(), 'runs', 1, 'count', now(), now(), false, 'api', 'x', \
                   '', '')";
        cluster.sql(name_of(&url), row);
        for (statement, words) in [
            (
                "UPDATE consumption_ledger SET quantity = 2",
                "Consumption ledger is append-only. Cannot update.",
            ),
            (
                "DELETE FROM consumption_ledger",
                "Consumption ledger is append-only. Cannot delete.",
            ),
            (
                "TRUNCATE consumption_ledger",
                "Consumption ledger is append-only. Cannot delete.",
            ),
        ] {
            let told = cluster.refused(name_of(&url), statement);
            assert!(told.contains(words), "{statement}: {told}");
        }
    }

    #[test]
    fn a_tree_is_one_writers_at_a_time_and_a_new_one_is_made_once() {
        let home = Home::postgres();
        let url = home.url();
        let ((_store, mut first), (_other, mut second)) = (open(&url), open(&url));
        // Both see a tree that is not there; the second to make it has done nothing.
        assert!(!wait(first.heads(&[TREE], mec_store::Hold::Waited)).unwrap()[0].1);
        assert!(!wait(second.heads(&[TREE], mec_store::Hold::Waited)).unwrap()[0].1);
        wait(first.commit(&head(1))).unwrap();
        assert!(matches!(
            wait(second.commit(&head(1))),
            Err(CommitError::NotDone(_))
        ));
        // The second waits for the first's commit and continues from it.
        assert!(wait(first.heads(&[TREE], mec_store::Hold::Waited)).unwrap()[0].1);
        let waiting = std::thread::spawn(move || {
            let heads = wait(second.heads(&[TREE], mec_store::Hold::Waited)).unwrap();
            wait(second.commit(&head(3))).unwrap();
            heads[0].0
        });
        wait(first.commit(&head(2))).unwrap();
        let continued = waiting.join().unwrap();
        assert_eq!(
            (continued.version, continued.stamp, continued.last_at),
            (2, 22, at(2))
        );
        assert_eq!(version(&mut first), 3);
    }

    #[test]
    fn versions_and_the_clock_are_read_in_one_go() {
        let home = Home::postgres();
        let (store, mut writer) = open(&home.url());
        let none = wait(store.versions(&[TREE])).unwrap();
        assert_eq!((none.trees, none.moment.catalog_version), (vec![], Some(0)));
        let put = CatalogChange::PutAccountType {
            code: "team".into(),
            description: None,
        };
        let commit = Commit {
            now: Some(at(0)),
            catalog: vec![put],
            catalog_version: Some(1),
            ..Commit::default()
        };
        wait(writer.commit(&commit)).unwrap();
        wait(writer.commit(&head(4))).unwrap();
        let seen = wait(store.versions(&[TREE, TreeId(8)])).unwrap();
        assert_eq!(
            (seen.trees, seen.moment.catalog_version),
            (vec![(TREE, 4, 44)], Some(1))
        );
        assert!(seen.moment.now > none.moment.now);
        // A batch reads both after its locks.
        assert_eq!(writer.moment(), mec_store::Moment::default());
        wait(writer.heads(&[TREE], mec_store::Hold::Waited)).unwrap();
        let moment = writer.moment();
        assert!(
            moment.now > seen.moment.now && moment.catalog_version == Some(1),
            "{moment:?}"
        );
        wait(writer.abort());
        // A connection that was ended is no reason not to answer.
        home.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
        assert_eq!(
            wait(store.versions(&[TREE])).unwrap().trees,
            [(TREE, 4, 44)]
        );
    }

    #[test]
    fn of_two_changes_of_one_catalog_the_second_is_not_done() {
        let home = Home::postgres();
        let url = home.url();
        let ((_store, mut first), (_other, mut second)) = (open(&url), open(&url));
        let put = |name: &str| {
            let put = CatalogChange::PutAccountType {
                code: name.into(),
                description: None,
            };
            Commit {
                now: Some(at(0)),
                catalog: vec![put],
                catalog_version: Some(1),
                ..Commit::default()
            }
        };
        wait(first.commit(&put("team"))).unwrap();
        assert!(matches!(
            wait(second.commit(&put("user"))),
            Err(CommitError::NotDone(_))
        ));
        let catalog = wait(second.catalog()).unwrap();
        assert_eq!((catalog.version, catalog.account_types.len()), (1, 1));
        assert!(catalog.zones.len() > 100);
    }

    #[test]
    fn a_row_the_database_refuses_leaves_nothing_behind() {
        let home = Home::postgres();
        let url = home.url();
        let (_store, mut writer) = open(&url);
        wait(writer.commit(&head(1))).unwrap();
        let mut twice = head(2);
        let named = |write: Write| match write {
            Write::Account(account) => Write::Account(Account {
                external_id: Some("cus_1".into()),
                ..account
            }),
            other => other,
        };
        twice.writes = vec![named(write(2)), named(write(3))];
        assert!(matches!(
            wait(writer.commit(&twice)),
            Err(CommitError::Refused(_))
        ));
        // Of a name that another batch took first, the batch is decided anew.
        let other = TreeId(8);
        let taken = |tree: TreeId, at| {
            let id = AccountId(IdSource::new(tree, at, 0).draw());
            let write = match named(write(2)) {
                Write::Account(account) => Write::Account(Account {
                    id,
                    root: id,
                    ..account
                }),
                write => write,
            };
            Commit {
                now: Some(at),
                heads: vec![Head {
                    version: 1,
                    ..Head::new(tree)
                }],
                writes: vec![write],
                ..Commit::default()
            }
        };
        wait(writer.commit(&taken(other, at(2)))).unwrap();
        assert!(matches!(
            wait(writer.commit(&taken(TreeId(9), at(2)))),
            Err(CommitError::NotDone(_))
        ));
        let mut long = head(2);
        long.writes = vec![match write(2) {
            Write::Account(account) => Write::Account(Account {
                display_name: "x".repeat(300).as_str().into(),
                ..account
            }),
            other => other,
        }];
        assert!(matches!(
            wait(writer.commit(&long)),
            Err(CommitError::Refused(_))
        ));
        assert_eq!(version(&mut writer), 1);
        wait(writer.commit(&head(2))).unwrap();
    }

    #[test]
    fn a_connection_lost_before_commit_is_not_done_and_the_next_batch_has_a_new_one() {
        let home = Home::postgres();
        let Home::Postgres(cluster, url) = &home else {
            unreachable!()
        };
        let (store, mut writer) = open(url);
        wait(writer.commit(&head(1))).unwrap();
        wait(writer.heads(&[TREE], mec_store::Hold::Waited)).unwrap();
        store.ping().unwrap();
        let cut = "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        cluster.sql(name_of(url), cut);
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        cluster.wait_for(name_of(url), others, "0");
        match wait(writer.commit(&head(2))) {
            Err(CommitError::NotDone(_)) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(version(&mut writer), 1);
        wait(writer.commit(&head(2))).unwrap();
        store.ping().unwrap();
        assert_eq!(version(&mut writer), 2);
    }

    #[test]
    fn a_restarted_server_is_found_again() {
        let cluster = Cluster::start(&[]);
        let url = cluster.database();
        let (store, mut writer) = open(&url);
        wait(writer.commit(&head(1))).unwrap();
        cluster.stop("INT");
        assert!(matches!(store.ping(), Err(StoreError::Unreachable { .. })));
        assert!(wait(writer.heads(&[TREE], mec_store::Hold::Waited)).is_err());
        cluster.run(&[]);
        store.ping().unwrap();
        assert_eq!(version(&mut writer), 1);
        wait(writer.commit(&head(2))).unwrap();
    }

    /// The server takes its new setting in when it comes to it.
    fn until_commits_wait(cluster: &Cluster) {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'CREATE TABLE probe%'";
        let cancel =
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        std::thread::scope(|scope| {
            for probe in 0.. {
                let making = scope.spawn(move || {
                    cluster.sql("postgres", &format!("CREATE TABLE probe_{probe} ()"))
                });
                while !making.is_finished() {
                    if cluster.sql("postgres", waiting) == ["1"] {
                        cluster.sql("postgres", cancel);
                        making.join().unwrap();
                        return;
                    }
                }
            }
        });
    }

    #[test]
    fn a_warning_at_commit_is_no_answer_until_the_look_after_it_is_durable() {
        let cluster = Cluster::start(FOLLOWED);
        let url = cluster.database();
        let (_store, mut writer) = open(&url);
        wait(writer.commit(&head(1))).unwrap();
        // No such standby will ever answer: COMMIT waits until it is told not to, and then only
        // warns.
        cluster.sql(
            "postgres",
            "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
        );
        cluster.sql("postgres", "SELECT pg_reload_conf()");
        until_commits_wait(&cluster);
        let committing = std::thread::spawn(move || (wait(writer.commit(&head(2))), writer));
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'COMMIT%'";
        let cancel =
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        for _ in 0..2 {
            cluster.wait_for("postgres", waits, "1");
            assert!(!committing.is_finished());
            cluster.sql("postgres", cancel);
        }
        cluster.wait_for("postgres", waits, "1");
        cluster.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
        cluster.sql("postgres", "SELECT pg_reload_conf()");
        let (outcome, mut writer) = committing.join().unwrap();
        outcome.unwrap();
        assert_eq!(version(&mut writer), 2);
    }

    #[test]
    fn what_became_of_an_unanswered_commit_is_told_by_the_stamps() {
        let home = Home::postgres();
        let faults = mec_store::Faults::default();
        let options = OpenOptions {
            faults: faults.clone(),
            ..OpenOptions::default()
        };
        let (_store, mut writer) = Store::open(&home.url(), &options).unwrap();
        wait(writer.commit(&head(1))).unwrap();
        faults.set(Some(mec_store::Fault::AnswerLost));
        wait(writer.commit(&head(2))).unwrap();
        faults.set(Some(mec_store::Fault::CommitLost));
        assert!(matches!(
            wait(writer.commit(&head(3))),
            Err(CommitError::NotDone(_))
        ));
        faults.set(None);
        assert_eq!(version(&mut writer), 2);
        wait(writer.commit(&head(3))).unwrap();
    }

    #[test]
    fn a_read_takes_no_longer_than_it_may() {
        let home = Home::postgres();
        let options = OpenOptions {
            read_timeout: Duration::from_millis(100),
            ..OpenOptions::default()
        };
        let (store, _writer) = Store::open(&home.url(), &options).unwrap();
        home.run("INSERT INTO units SELECT 'unit' || i, repeat('x', 100), 'time', 1 FROM generate_series(1, 400000) AS n(i)");
        let table = mec_store::tables::tables()
            .into_iter()
            .find(|table| table.name == "units")
            .unwrap();
        let filter = mec_query::Filter::Matches {
            left: mec_query::Expr::column(&table, 1),
            pattern: mec_query::Pattern::regex("(x|y)*z", true).unwrap(),
        };
        let counted = store.count(&table, &filter, &mec_query::Budget::unlimited());
        assert!(matches!(counted, Err(StoreError::TimedOut)), "{counted:?}");
        // The connection is as good as before.
        assert_eq!(
            store
                .keys(&table, &mec_query::Filter::always(), 0)
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn a_pattern_that_only_the_server_refuses_is_told_in_its_words() {
        let home = Home::postgres();
        let (store, _writer) = open(&home.url());
        home.run("INSERT INTO units VALUES ('count', 'count', 'count', 1)");
        let table = mec_store::tables::tables()
            .into_iter()
            .find(|table| table.name == "units")
            .unwrap();
        let filter = mec_query::Filter::Matches {
            left: mec_query::Expr::column(&table, 1),
            pattern: mec_query::Pattern::regex("((a?){60}){60}", false).unwrap(),
        };
        let Err(StoreError::Pattern(said)) =
            store.count(&table, &filter, &mec_query::Budget::unlimited())
        else {
            panic!("it is not refused")
        };
        assert_eq!(
            said,
            "invalid regular expression: regular expression is too complex"
        );
    }

    #[test]
    fn a_store_is_read_beside_its_writers() {
        let home = Home::postgres();
        let empty = Cluster::shared().database();
        assert!(
            Store::open_read_only(&empty)
                .unwrap_err()
                .to_string()
                .contains("run `mec migrate` first")
        );
        let (_store, mut writer) = open(&home.url());
        wait(writer.commit(&head(1))).unwrap();
        let (beside, catalog) = Store::open_read_only(&home.url()).unwrap();
        assert_eq!(catalog.version, 0);
        let table = mec_store::tables::tables()
            .into_iter()
            .find(|table| table.name == "accounts")
            .unwrap();
        assert_eq!(
            beside
                .count(
                    &table,
                    &mec_query::Filter::always(),
                    &mec_query::Budget::unlimited()
                )
                .unwrap(),
            1
        );
    }

    #[test]
    fn the_table_catalog_is_the_schema() {
        let home = Home::postgres();
        drop(open(&home.url()));
        for table in mec_store::tables::tables() {
            let sql = format!(
                "SELECT column_name || ' ' || replace(data_type, 'ARRAY', 'text[]') || coalesce('(' || character_maximum_length \
                 || ')', '') || CASE WHEN data_type = 'numeric' THEN coalesce('(' || numeric_precision || ',' || numeric_scale \
                 || ')', '') ELSE '' END || ' ' || is_nullable FROM information_schema.columns WHERE table_name = '{}'",
                table.name
            );
            let kept: Vec<String> = home.query(&sql).into_iter().flatten().collect();
            for column in &table.columns {
                let length = match column.ty {
                    mec_query::Type::Text { max: Some(max) } => format!("({max})"),
                    mec_query::Type::Numeric { precision, scale } => {
                        format!("({precision},{scale})")
                    }
                    _ => String::new(),
                };
                let ty = column.ty.sql_name();
                let wanted = format!(
                    "{} {ty}{length} {}",
                    column.name,
                    if column.nullable { "YES" } else { "NO" }
                );
                assert!(
                    kept.contains(&wanted),
                    "{}: {wanted} in {kept:?}",
                    table.name
                );
            }
        }
        let collated = "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public' \
                        AND data_type IN ('character varying', 'text') AND collation_name IS DISTINCT FROM 'C'";
        assert_eq!(
            home.query(collated),
            [],
            "every text is ordered by its bytes"
        );
    }
}
