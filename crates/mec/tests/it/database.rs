//! The command line on a PostgreSQL database: nobody owns it, and its password is nobody's to see.

mod on_postgres {
    use std::time::{Duration, Instant};

    use serde_json::{Value, json};

    use crate::Home;
    use crate::home::cluster::{APP_ROLE, Cluster, name_of};
    use crate::server::{Server, request};
    use crate::shell::{Ran, Shell};

    const PASSWORD: &str = "s3cr3t";

    /// The same address with a password, which this server does not ask for.
    fn with_password(url: &str) -> String {
        url.replacen('@', &format!(":{PASSWORD}@"), 1)
    }

    fn ran_on(shell: &Shell, store: &str, line: &str) -> Ran {
        let mut command = shell.command(&line.split_whitespace().collect::<Vec<_>>());
        command.env("MEC_STORE", store);
        Ran::of(command)
    }

    #[test]
    fn every_command_works_beside_two_servers() {
        let (shell, acme) = Shell::with_acme_on(Home::postgres());
        let servers = [Server::on(&shell.store()), Server::on(&shell.store())];
        shell.done("meter acme benchmark_runs 5 --key by-hand");
        shell.write(
            "events.csv",
            "idempotency_key,external_id,resource_type,quantity\na,acme,benchmark_runs,2\n",
        );
        assert_eq!(
            shell.run("import events.csv -o json").json()["recorded"],
            json!(1)
        );
        assert_eq!(
            shell
                .run("check acme benchmark_runs --quantity 1 -o json")
                .json()["quantity_used"],
            json!(7)
        );
        let asked = json!({ "p_account_id": acme.to_string(), "p_resource_type": "benchmark_runs", "p_requested_qty": 1 });
        for server in &servers {
            let (status, answer) = server.post("/api/rpc/check_entitlement", &asked);
            assert_eq!((status, &answer[0]["quantity_used"]), (200, &json!(7)));
        }
        // What a command changes in the catalog, the servers go by.
        let catalog = shell.done("catalog export");
        shell.write(
            "catalog.toml",
            &catalog.replacen("quantity = \"100\"", "quantity = \"200\"", 1),
        );
        shell.done("catalog apply catalog.toml --yes");
        assert!(
            shell
                .done("plan migrate starter")
                .contains("1 account moved to version 2")
        );
        for server in &servers {
            let (_, answer) = server.post("/api/rpc/check_entitlement", &asked);
            assert_eq!(answer[0]["quantity_allowed"], json!(200));
        }
        let shown = shell.done("plan show starter");
        assert!(shown.contains("1 on version 2, the newest"), "{shown}");
        assert_eq!(shell.done("export").lines().count(), 2);
        shell.done("prune --older-than 0s");
        assert!(
            shell
                .done("verify")
                .starts_with("everything agrees: 2 events")
        );
        let doctor = shell.run("doctor --listen 127.0.0.1:0 -o json");
        assert_eq!(
            doctor.column("what"),
            [
                "configuration",
                "store",
                "schema",
                "commits",
                "role",
                "clock",
                "connections",
                "SQLite",
                "listen"
            ]
        );
        let verdicts = doctor.column("verdict");
        assert!(verdicts.iter().all(|verdict| verdict == "ok"), "{doctor:?}");
        for server in servers {
            assert!(server.stop().success());
        }
    }

    #[test]
    fn an_answer_is_as_old_as_the_call_allows() {
        let (shell, _) = Shell::with_acme_on(Home::postgres());
        let [recording, checking] = [Server::on(&shell.store()), Server::on(&shell.store())];
        let seen = |function: &str, staleness: Value| {
            let asked = json!({
                "p_external_id": "acme", "p_resource_type": "benchmark_runs", "p_resource_types": ["benchmark_runs"],
                "p_max_staleness_ms": staleness,
            });
            let taken = if function == "check_entitlements" {
                "p_resource_types"
            } else {
                "p_resource_type"
            };
            let is_taken =
                |(name, _): &(String, Value)| !name.starts_with("p_resource") || name == taken;
            let asked = asked
                .as_object()
                .unwrap()
                .clone()
                .into_iter()
                .filter(is_taken)
                .collect();
            let (status, answer) =
                checking.post(&format!("/api/rpc/{function}"), &Value::Object(asked));
            (
                status,
                if status == 200 {
                    answer[0].clone()
                } else {
                    answer
                },
            )
        };
        let used = |function, staleness| {
            let (status, row) = seen(function, staleness);
            assert_eq!(status, 200, "{row}");
            let column = if function == "get_usage" {
                "quantity"
            } else {
                "quantity_used"
            };
            row[column].as_i64().unwrap_or_else(|| panic!("{row}"))
        };
        for (number, function) in
            (0..).zip(["check_entitlement", "check_entitlements", "get_usage"])
        {
            assert_eq!(used(function, json!(0)), number);
            let event = json!({
                "p_external_id": "acme", "p_resource_type": "benchmark_runs", "p_quantity": 1,
                "p_idempotency_key": format!("one-of-{function}"),
            });
            assert_eq!(recording.post("/api/rpc/meter_consumption", &event).0, 200);
            assert!(
                (number..=number + 1).contains(&used(function, json!(60_000))),
                "{function}"
            );
            assert_eq!(used(function, Value::Null), number + 1, "{function}");
            for wrong in [-1, 60_001] {
                let (status, answer) = seen(function, json!(wrong));
                assert_eq!(
                    (status, &answer["code"]),
                    (400, &json!("MEC_BAD_ARGUMENT")),
                    "{answer}"
                );
                assert!(answer["hint"].is_string());
            }
        }
    }

    /// A check may still know whom a name meant a moment ago; what is recorded goes to whom it
    /// means now.
    #[test]
    fn what_is_recorded_goes_by_the_names_of_this_moment_however_old_a_check_may_be() {
        let (shell, _) = Shell::with_acme_on(Home::postgres());
        shell.write("content.toml", "max_staleness_ms = 60000\n");
        let recording = Server::on(&shell.store());
        let content = Server::configured(&shell.store(), &shell.path("content.toml"));
        let asked = |staleness| {
            json!({
                "p_external_id": "acme", "p_resource_type": "benchmark_runs", "p_requested_qty": 1,
                "p_max_staleness_ms": staleness,
            })
        };
        let decision = |asked: &Value| {
            content.post("/api/rpc/check_entitlement", asked).1[0]["decision"].clone()
        };
        assert_eq!(decision(&asked(Value::Null)), json!("allow"));
        let path = "/api/accounts?external_id=eq.acme";
        assert_eq!(
            request(
                &recording.address(),
                "PATCH",
                path,
                r#"{"external_id":"acme-before"}"#
            )
            .unwrap()
            .0,
            204
        );
        assert_eq!(
            recording
                .post(
                    "/api/accounts",
                    &json!({"external_id": "acme", "display_name": "Another"})
                )
                .0,
            201
        );
        let event = json!({
            "p_external_id": "acme", "p_resource_type": "benchmark_runs", "p_quantity": 1, "p_idempotency_key": "one",
        });
        assert_eq!(content.post("/api/rpc/meter_consumption", &event).0, 200);
        let (_, rows) = recording.get("/api/consumption_ledger?select=accounts(display_name)");
        assert_eq!(rows, r#"[{"accounts":{"display_name":"Another"}}]"#);
        assert_eq!(decision(&asked(json!(0))), json!("deny"));
    }

    #[test]
    fn no_command_shows_the_password() {
        let (shell, _) = Shell::with_acme_on(Home::postgres());
        let store = with_password(&shell.store());
        let nowhere = format!("{}_is_not_there", &store);
        let in_the_query = format!("{}?password={PASSWORD}", shell.store());
        let behind_nobody = format!("postgres://mec:{PASSWORD}@127.0.0.1:1/mec");
        let misspelt = format!("postgers://mec:{PASSWORD}@host/mec");
        let lines = [
            "config",
            "doctor --listen 127.0.0.1:0 --log debug",
            "migrate --log debug",
            "verify --log debug",
            "export --log debug",
            "check acme benchmark_runs --log trace",
            "plan list -o json",
            "catalog diff --demo",
            "copy --from sqlite:mec.db -o json",
            "serve --listen 127.0.0.1:65536",
        ];
        for store in [&store, &nowhere, &in_the_query, &behind_nobody, &misspelt] {
            for line in lines {
                let ran = ran_on(&shell, store, line);
                assert!(
                    !ran.stdout.contains(PASSWORD) && !ran.stderr.contains(PASSWORD),
                    "mec {line} on {store}: {ran:?}"
                );
            }
        }
        assert_eq!(
            ran_on(&shell, &store, "check acme benchmark_runs --quantity 1").code,
            Some(0)
        );
        assert_eq!(
            ran_on(
                &shell,
                &in_the_query,
                "check acme benchmark_runs --quantity 1"
            )
            .code,
            Some(0)
        );
        ran_on(&shell, &nowhere, "verify").failed(69, "", "see that the server runs");
        ran_on(&shell, &behind_nobody, "verify").failed(
            69,
            "postgres://127.0.0.1/mec cannot be reached",
            "user and password",
        );
        ran_on(&shell, &misspelt, "verify").failed(
            78,
            "\"postgers://mec:***@host/mec\"",
            "postgres://USER@HOST/DATABASE",
        );
    }

    #[test]
    fn an_empty_database_is_told_until_it_is_made() {
        let cluster = Cluster::shared();
        let store = cluster.database();
        let shell = Shell::new();
        for line in ["verify", "export", "check acme benchmark_runs", "prune"] {
            let ran = ran_on(&shell, &store, line);
            ran.failed(69, "", "run `mec migrate` first");
        }
        let doctor = ran_on(&shell, &store, "doctor --listen 127.0.0.1:0");
        assert!(
            doctor.code == Some(0) && doctor.stdout.contains("there is none yet"),
            "{doctor:?}"
        );
        let made = ran_on(&shell, &store, "migrate");
        assert!(
            made.code == Some(0) && made.stdout.contains("migrated from schema 0 to "),
            "{made:?}"
        );
        let again = ran_on(&shell, &store, "migrate");
        assert!(
            again.code == Some(0) && again.stdout.contains(" already"),
            "{again:?}"
        );
        assert!(
            ran_on(&shell, &store, "verify")
                .stdout
                .starts_with("everything agrees: 0 events")
        );
        assert_eq!(
            cluster.sql(name_of(&store), "SELECT count(*) FROM accounts"),
            ["0"]
        );
    }

    #[test]
    fn a_server_that_may_lose_what_it_said_is_told_by_the_doctor_as_by_serving() {
        let cluster = Cluster::start(&["fsync=off"]);
        let store = cluster.database();
        let shell = Shell::new();
        ran_on(&shell, &store, "serve --listen 127.0.0.1:0").failed(69, "", "set fsync = on");
        let doctor = ran_on(&shell, &store, "doctor --listen 127.0.0.1:0");
        assert!(
            doctor.code == Some(1) && doctor.stdout.contains("fsync is off"),
            "{doctor:?}"
        );
    }

    #[test]
    fn what_a_role_may_is_told_by_the_doctor() {
        let home = Home::postgres();
        let Home::Postgres(cluster, url) = &home else {
            unreachable!("it is one")
        };
        let (shell, database) = (Shell::new(), name_of(url));
        let doctor = |store: &str| ran_on(&shell, store, "doctor --listen 127.0.0.1:0");
        let told = doctor(url);
        assert!(
            told.code == Some(0) && told.stdout.contains("may not change what is recorded"),
            "{told:?}"
        );
        let told = doctor(&cluster.url(database));
        assert!(
            told.code == Some(0) && told.stdout.contains("may also change rows of the ledger"),
            "{told:?}"
        );
        cluster.sql(
            database,
            &format!("REVOKE INSERT ON units, accounts FROM {APP_ROLE}"),
        );
        let told = doctor(url);
        assert!(
            told.code == Some(1) && told.stdout.contains("lacks what a node does: INSERT on "),
            "{told:?}"
        );
        assert!(
            told.stdout
                .contains(&format!("mec migrate --app-role {APP_ROLE}")),
            "{told:?}"
        );
        cluster.sql(
            database,
            &format!("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {APP_ROLE}"),
        );
        let told = doctor(url);
        assert!(
            told.code == Some(1) && told.stdout.contains("mec migrate --app-role"),
            "{told:?}"
        );
    }

    /// A lock that somebody else has on the tree keeps the batch waiting when the stop comes.
    #[test]
    fn a_server_whose_batch_waits_for_a_lock_stops_within_its_grace() {
        let (shell, acme) = Shell::with_acme_on(Home::postgres());
        let (server, cluster, store) =
            (Server::on(&shell.store()), Cluster::shared(), shell.store());
        let database = name_of(&store);
        let held = cluster.hold(database, "SELECT 1 FROM account_trees FOR UPDATE");
        let event = json!({
            "p_account_id": acme.to_string(), "p_resource_type": "benchmark_runs", "p_quantity": 1,
            "p_idempotency_key": "held",
        });
        let address = server.address();
        let path = "/api/rpc/meter_consumption";
        let recording =
            std::thread::spawn(move || request(&address, "POST", path, &event.to_string()));
        let waiting = "SELECT count(*) > 0 FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        cluster.wait_for(database, waiting, "t");
        let asked = Instant::now();
        server.stop();
        // 15 seconds for requests and 10 for batches, and less than the 30 after which supervisors
        // kill.
        assert!(
            asked.elapsed() < Duration::from_secs(28),
            "{:?}",
            asked.elapsed()
        );
        // Nobody was told that it is recorded.
        assert!(
            recording
                .join()
                .unwrap()
                .map_or(true, |(status, _)| status != 200)
        );
        drop(held);
        assert!(
            shell
                .done("verify")
                .starts_with("everything agrees: 0 events")
        );
    }

    #[test]
    fn the_demo_serves_no_database_of_others() {
        let (shell, _) = Shell::with_acme_on(Home::postgres());
        let before = shell.done("export");
        let refused = shell.run(&format!(
            "demo --listen 127.0.0.1:0 --store {}",
            shell.store()
        ));
        refused.failed(78, "postgres://", "mec serve");
        assert!(
            refused
                .stderr
                .contains("holds something other than the demo"),
            "{refused:?}"
        );
        assert_eq!(shell.done("export"), before);
        assert_eq!(
            Server::on(&shell.store())
                .get("/api/accounts?select=external_id")
                .1,
            r#"[{"external_id":"acme"}]"#
        );
    }

    #[test]
    fn the_demo_fills_a_database_once() {
        let home = Home::postgres();
        let events = |server: &Server| {
            let (status, rows) = server.get("/api/consumption_ledger?select=event_id");
            assert_eq!(status, 200, "{rows}");
            rows
        };
        let server = Server::demo_on(&home);
        let filled = events(&server);
        assert!(
            server.said().contains("its data stays in postgres://"),
            "{}",
            server.said()
        );
        assert!(server.stop().success());
        let server = Server::demo_on(&home);
        assert_eq!(events(&server), filled);
        let shell = Shell::on(home);
        shell.run("demo --store sqlite:mec.db").failed(
            78,
            "--store is \"sqlite:mec.db\"",
            "--data DIR",
        );
        assert_eq!(
            shell
                .run(&format!("demo --data . --store {}", shell.store()))
                .code,
            Some(2)
        );
    }
}
