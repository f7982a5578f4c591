//! A server that is refused when it is opened, and one that is brought to the schema.

mod on_postgres {
    use mec_store::{OpenOptions, Store, StoreError};

    use crate::home::cluster::{Cluster, name_of};
    use crate::postgres::on_postgres::{FOLLOWED, open};

    fn refusal(url: &str, options: &OpenOptions) -> String {
        Store::open(url, options).unwrap_err().to_string()
    }

    #[test]
    fn a_server_that_could_lose_what_it_said_is_refused() {
        let cluster = Cluster::start(&["fsync=off"]);
        let said = refusal(&cluster.url("postgres"), &OpenOptions::default());
        assert!(
            said.contains("fsync is off") && said.contains("set fsync = on"),
            "{said}"
        );
        let cluster = Cluster::start(&["data_sync_retry=on"]);
        let said = refusal(&cluster.url("postgres"), &OpenOptions::default());
        assert!(
            said.contains("data_sync_retry is on") && said.contains("set data_sync_retry = off"),
            "{said}"
        );
    }

    #[test]
    fn a_standby_is_refused() {
        let cluster = Cluster::start(FOLLOWED);
        cluster.stop("INT");
        cluster.become_standby();
        cluster.run(FOLLOWED);
        let said = refusal(&cluster.url("postgres"), &OpenOptions::default());
        assert!(
            said.contains("is a standby") && said.contains("name the primary"),
            "{said}"
        );
    }

    #[test]
    fn a_server_that_is_not_there_is_told_with_its_address() {
        let said = refusal(
            "postgres://mec:secret@127.0.0.1:1/usage",
            &OpenOptions::default(),
        );
        assert!(
            said.starts_with("postgres://127.0.0.1/usage cannot be reached")
                && !said.contains("secret"),
            "{said}"
        );
    }

    #[test]
    fn a_server_that_says_nothing_is_not_waited_for() {
        // What nobody accepts is connected to all the same.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!(
            "postgres://mec@{}/mec?connect_timeout=1",
            listener.local_addr().unwrap()
        );
        assert!(matches!(
            Store::open(&url, &OpenOptions::default()),
            Err(StoreError::Silent)
        ));
    }

    #[test]
    fn a_newer_schema_is_refused_and_an_older_one_where_it_may_not_be_migrated() {
        let cluster = Cluster::shared();
        let url = cluster.database();
        let careful = OpenOptions {
            create: false,
            ..OpenOptions::default()
        };
        let said = refusal(&url, &careful);
        assert!(
            said.contains("has schema 0") && said.contains("mec migrate"),
            "{said}"
        );
        drop(open(&url));
        drop(Store::open(&url, &careful).unwrap());
        cluster.sql(
            name_of(&url),
            "INSERT INTO schema_migrations (version, oldest_beside) VALUES (99, 98)",
        );
        for options in [careful, OpenOptions::default()] {
            let said = refusal(&url, &options);
            assert!(
                said.contains("has schema 99") && said.contains("newer mec"),
                "{said}"
            );
        }
        // One that says this program may run beside it is not in the way.
        cluster.sql(
            name_of(&url),
            "UPDATE schema_migrations SET oldest_beside = 1",
        );
        drop(open(&url));
    }

    #[test]
    fn two_programs_that_start_at_once_migrate_once() {
        let cluster = Cluster::shared();
        let url = cluster.database();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| drop(open(&url)));
            }
        });
        assert_eq!(
            cluster.sql(
                name_of(&url),
                "SELECT count(*) = max(version) FROM schema_migrations"
            ),
            ["t"]
        );
    }
}
