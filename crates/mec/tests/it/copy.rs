//! `mec copy`: an installation moves from a file to a database, and everything it answers stays as
//! it was.

use crate::shell::Shell;

#[test]
fn only_a_file_is_copied_and_only_to_a_database() {
    let (shell, _) = Shell::with_acme();
    for (line, code, error, hint) in [
        ("copy --from mec.db --to postgres://h/d", 78, "", "sqlite:"),
        (
            "copy --from postgres://h/d --to postgres://h/e",
            78,
            "",
            "sqlite:",
        ),
        (
            "copy --from sqlite:mec.db --to sqlite:other.db",
            78,
            "",
            "postgres://USER@HOST/DATABASE",
        ),
        (
            "copy --from sqlite:mec.db",
            78,
            "",
            "postgres://USER@HOST/DATABASE",
        ),
        (
            "copy --from sqlite:none.db --to postgres://h/d",
            66,
            "none.db does not exist",
            "sqlite:PATH",
        ),
    ] {
        shell.run(line).failed(code, error, hint);
    }
}

mod on_postgres {
    use std::cell::Cell;
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Stdio};
    use std::sync::Arc;

    use mec_kernel::Time;
    use mec_store::copy::{Copied, CopyOptions, CopyStage, copy};
    use mec_store::{Store, StoreError};
    use serde_json::{Value, json};

    use crate::home::cluster::{APP_ROLE, Cluster, name_of};
    use crate::server::Server;
    use crate::shell::{Ran, Shell};

    /// Long after everything that is recorded here.
    const LATER: Time = Time::from_micros(4_102_444_800_000_000);
    const MARKED: &str = "is filled by a copy that has not ended";

    /// A new database that is filled.
    struct Target {
        cluster: Arc<Cluster>,
        url: String,
    }

    impl Target {
        fn new() -> Self {
            let cluster = Cluster::shared();
            let url = cluster.database();
            Self { cluster, url }
        }

        fn sql(&self, sql: &str) -> Vec<String> {
            self.cluster.sql(name_of(&self.url), sql)
        }

        fn number(&self, sql: &str) -> u64 {
            self.sql(sql)[0].parse().unwrap()
        }

        fn opens(&self) -> Result<(), StoreError> {
            Store::open_read_only(&self.url).map(drop)
        }
    }

    fn file(shell: &Shell) -> PathBuf {
        shell.path("mec.db")
    }

    /// Runs `mec copy` of the shell's file.
    fn copied(shell: &Shell, to: &Target) -> Ran {
        shell.run(&format!(
            "-o json copy --from sqlite:mec.db --to {}",
            to.url
        ))
    }

    /// Starts one that is killed.
    fn started(shell: &Shell, to: &Target) -> Child {
        let mut command = shell.command(&["copy", "--from", "sqlite:mec.db", "--to", &to.url]);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Copies with batches of so many rows.
    fn copied_by(from: &Path, to: &str, rows: usize) -> Result<Copied, StoreError> {
        copy(from, to, &by(rows), &mut |_| Ok(()))
    }

    fn by(rows: usize) -> CopyOptions {
        CopyOptions {
            batch_rows_max: rows,
            ..CopyOptions::at(LATER, "a test")
        }
    }

    /// Runs a statement on a file that nobody serves.
    fn on_file(path: &Path, sql: &str) {
        rusqlite::Connection::open(path)
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    }

    #[test]
    fn a_copy_answers_what_the_file_answers() {
        let shell = Shell::new();
        assert!(Server::demo(shell.path("").as_path()).stop().success());
        let target = Target::new();
        let told = copied(&shell, &target).json();
        assert_eq!(told["is_whole"], true, "{told:#}");
        let rows: BTreeMap<&str, u64> = told["tables"]
            .as_array()
            .unwrap()
            .iter()
            .map(|table| {
                assert_eq!(
                    (&table["is_same"], &table["from"]),
                    (&json!(true), &table["to"]),
                    "{table}"
                );
                (
                    table["table"].as_str().unwrap(),
                    table["from"]["rows"].as_u64().unwrap(),
                )
            })
            .collect();
        for table in [
            "plans",
            "accounts",
            "account_links",
            "entitlements",
            "entitlements_audit",
            "control_decisions_log",
        ] {
            assert_eq!(
                target.number(&format!("SELECT count(*) FROM {table}")),
                rows[table],
                "{table}"
            );
        }
        assert!(
            rows["consumption_ledger"] > 1_000 && rows["usage_hours"] > 1_000,
            "{rows:?}"
        );
        assert_eq!(
            target.number("SELECT count(*) FROM pg_class WHERE relname = 'copy_progress'"),
            0
        );
        assert!(
            shell
                .done(&format!("verify --store {}", target.url))
                .starts_with("everything agrees")
        );
        shell.done(&format!(
            "migrate --store {} --app-role {APP_ROLE}",
            target.url
        ));
        let app_url = target.cluster.app_url(name_of(&target.url));
        let (file, database) = (Server::serve(&file(&shell)), Server::on(&app_url));
        for path in [
            "/api/accounts?order=account_id",
            "/api/plans?select=*,plan_entitlement_templates(*)",
            "/api/entitlements?order=entitlement_id",
            "/api/entitlements_audit?order=audit_id",
            "/api/control_rules?order=rule_id",
            "/api/consumption_ledger?order=event_id.desc&limit=500",
            "/api/consumption_event_details?order=event_id&limit=200",
            "/api/concurrency_leases?order=lease_id",
        ] {
            assert_eq!(database.get(path), file.get(path), "{path}");
            assert_eq!(file.get(path).0, 200, "{path}");
        }
        let accounts: Value = serde_json::from_str(
            &file
                .get("/api/accounts?select=account_id&order=account_id")
                .1,
        )
        .unwrap();
        for account in accounts.as_array().unwrap() {
            let asked = json!({ "p_account_id": account["account_id"], "p_resource_type": "benchmark_runs" });
            for function in ["get_usage", "check_entitlement"] {
                let path = format!("/api/rpc/{function}");
                assert_eq!(
                    database.post(&path, &asked),
                    file.post(&path, &asked),
                    "{function} {asked}"
                );
            }
        }
        // It goes on: the next event follows the last one of the file.
        let used = json!({ "p_external_id": "demo_alder", "p_resource_type": "benchmark_runs", "p_quantity": 1, "p_idempotency_key": "moved" });
        assert_eq!(database.post("/api/rpc/consume", &used).0, 200);
        assert!(database.stop().success());
        assert!(
            shell
                .done(&format!("verify --store {}", target.url))
                .starts_with("everything agrees")
        );
    }

    #[test]
    fn a_killed_copy_goes_on_where_it_stopped() {
        let shell = Shell::new();
        assert!(Server::demo(shell.path("").as_path()).stop().success());
        let target = Target::new();
        shell.done(&format!("migrate --store {}", target.url));
        let database = name_of(&target.url).to_owned();
        // A table that somebody holds stops the copy in its middle, for as long as it takes to kill
        // it there.
        let mut earlier = 0;
        for held in ["ledger_keys", "usage_windows"] {
            let hold = target
                .cluster
                .hold(&database, &format!("LOCK TABLE {held} IN SHARE MODE"));
            let mut killed = started(&shell, &target);
            let waits = format!(
                "SELECT count(*) FROM pg_locks WHERE relation = '{held}'::regclass AND NOT granted"
            );
            target.cluster.wait_for(&database, &waits, "1");
            killed.kill().unwrap();
            killed.wait().unwrap();
            drop(hold);
            target
                .cluster
                .wait_for("postgres", &connections(&database), "0");
            let marked = target.number("SELECT sum(rows_copied) FROM copy_progress");
            assert!(marked > earlier, "{held}: {marked} after {earlier}");
            earlier = marked;
            assert!(target.opens().unwrap_err().to_string().contains(MARKED));
            shell
                .run(&format!(
                    "serve --store {} --listen 127.0.0.1:0",
                    target.url
                ))
                .failed(69, "", "run the same `mec copy` again");
        }
        assert!(earlier > 40_000, "{earlier}");
        let told = copied(&shell, &target).json();
        assert_eq!(
            (&told["is_whole"], &told["rows_of_an_earlier_run"]),
            (&json!(true), &json!(earlier)),
            "{told:#}"
        );
        target.opens().unwrap();
    }

    fn connections(database: &str) -> String {
        format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'")
    }

    #[test]
    fn a_copy_that_ends_anywhere_is_finished_by_the_next() {
        let (shell, _) = Shell::with_acme();
        for number in 0..40 {
            shell.done(&format!(
                "meter acme benchmark_runs 1 --key run-{number} --details {{\"n\":{number}}}"
            ));
        }
        let target = Target::new();
        // Each run ends one batch later than the one before, wherever that is: copying, reading
        // back, verifying.
        let (mut runs, mut stages) = (0_u64, vec![]);
        let whole = loop {
            let (said, stage) = (Cell::new(0), Cell::new(None));
            let told = copy(&file(&shell), &target.url, &by(7), &mut |at| {
                said.set(said.get() + 1);
                stage.set(Some(at.stage));
                assert!(at.done <= at.total, "{at:?}");
                if said.get() > 2 {
                    Err(StoreError::Stopped("the test ends it".to_owned()))
                } else {
                    Ok(())
                }
            });
            runs += 1;
            match told {
                Err(StoreError::Stopped(why)) if why == "the test ends it" => {
                    assert!(target.opens().unwrap_err().to_string().contains(MARKED));
                    stages.push(stage.get().unwrap());
                    if stage.get() != Some(CopyStage::Copying) {
                        break copied_by(&file(&shell), &target.url, 7).unwrap();
                    }
                }
                told => panic!("{told:?}"),
            }
        };
        assert!(
            runs > 20 && stages.last() == Some(&CopyStage::Comparing),
            "{runs} runs, {stages:?}"
        );
        assert!(whole.is_whole(), "{whole:?}");
        let rows: u64 = whole.tables.iter().map(|table| table.from.count).sum();
        assert_eq!(whole.of_earlier, rows);
        target.opens().unwrap();
    }

    #[test]
    fn a_database_with_something_in_it_is_refused() {
        let (shell, _) = Shell::with_acme();
        let target = Target::new();
        shell.done(&format!("migrate --store {}", target.url));
        target.sql("INSERT INTO units VALUES ('piece', 'Piece', 'count', 1)");
        copied(&shell, &target).failed(69, "", "copy into a new, empty database");
        assert_eq!(target.sql("SELECT unit_code FROM units"), ["piece"]);
        target.opens().unwrap();
    }

    #[test]
    fn a_whole_copy_is_not_made_again() {
        let (shell, _) = Shell::with_acme();
        let target = Target::new();
        assert_eq!(copied(&shell, &target).code, Some(0));
        copied(&shell, &target).failed(69, "", "copy into a new, empty database");
        target.opens().unwrap();
    }

    #[test]
    fn a_file_that_was_used_meanwhile_does_not_go_on() {
        let (shell, _) = Shell::with_acme();
        let target = Target::new();
        let stopped = copy(&file(&shell), &target.url, &by(5), &mut |_| {
            Err(StoreError::Stopped("here".to_owned()))
        });
        assert_eq!(stopped.unwrap_err().to_string(), "here");
        shell.done("meter acme benchmark_runs 1 --key run-1");
        let told = copied(&shell, &target);
        told.failed(69, "", "copy into a new, empty database");
        assert!(told.stderr.contains("before it was used again"), "{told:?}");
    }

    #[test]
    fn a_file_in_use_is_refused() {
        let (shell, _) = Shell::with_acme();
        let target = Target::new();
        let server = Server::serve(&file(&shell));
        let told = copied(&shell, &target);
        told.failed(69, "", "stop it first");
        assert!(
            told.stderr.contains("is in use by another process")
                && told.stderr.contains(&server.address()),
            "{told:?}"
        );
        assert_eq!(
            target.number("SELECT count(*) FROM pg_class WHERE relname = 'accounts'"),
            0
        );
    }

    #[test]
    fn what_something_else_wrote_is_found() {
        let (shell, _) = Shell::with_acme();
        let other = "INSERT INTO account_links VALUES ('elsewhere', 'x', gen_random_uuid())";
        let changed = "UPDATE accounts SET display_name = 'Acme, Inc.'";
        for (statement, table) in [(other, "account_links"), (changed, "accounts")] {
            let target = Target::new();
            let has_written = Cell::new(false);
            let told = copy(&file(&shell), &target.url, &by(1_000), &mut |at| {
                if at.done == at.total && !has_written.replace(true) {
                    target.sql(statement);
                }
                Ok(())
            });
            let told = told.unwrap();
            let differ: Vec<&str> = told
                .tables
                .iter()
                .filter(|table| !table.is_same())
                .map(|table| table.name.as_str())
                .collect();
            assert_eq!(
                (told.is_whole(), told.is_same(), differ),
                (false, false, vec![table])
            );
            assert!(target.opens().unwrap_err().to_string().contains(MARKED));
            let again = copied(&shell, &target);
            assert_eq!(
                (again.code, &again.json()["is_whole"]),
                (Some(1), &json!(false))
            );
        }
    }

    #[test]
    fn a_file_that_does_not_verify_does_not_become_a_store() {
        let (shell, _) = Shell::with_acme();
        shell.done("meter acme benchmark_runs 1 --key run-1");
        on_file(&file(&shell), "UPDATE usage_hours SET own = '7'");
        let target = Target::new();
        let told = copied(&shell, &target);
        assert_eq!(told.code, Some(1), "{told:?}");
        let told = told.json();
        assert_eq!(
            (&told["is_whole"], &told["verify"]["is_clean"]),
            (&json!(false), &json!(false)),
            "{told:#}"
        );
        assert!(target.opens().unwrap_err().to_string().contains(MARKED));
    }

    #[test]
    fn values_at_their_ends_arrive() {
        let (shell, _) = Shell::with_acme();
        on_file(
            &file(&shell),
            "INSERT INTO webhook_endpoints VALUES \
               (zeroblob(16), 'https://a.example', 's', '[]', 0, -9223372036854775808), \
               (x'ffffffffffffffffffffffffffffffff', 'https://b.example', '', '[\"a \\\"b\\\"\",\"é\"]', 1, 9223372036854775807); \
             UPDATE plans SET metadata = '{\"b\" : 1.50, \"a\":[ ] }', price_amount = -1 WHERE plan_id = 'starter'; \
             INSERT INTO control_decisions_log SELECT x'00000000000000000000000000000001', tree, account_id, 'benchmark_runs', '', 'check', \
               9223372036854775807, 'allow', '', 'within', NULL, NULL, NULL, -9223372036854775808, 10000, NULL, NULL, 0 FROM accounts",
        );
        let target = Target::new();
        let told = copied_by(&file(&shell), &target.url, 1_000).unwrap();
        assert!(told.is_whole(), "{told:?}");
        let shown = |sql: &str| target.sql(sql).join("; ");
        assert_eq!(
            shown(
                "SELECT endpoint_id, event_types, is_active, created_at FROM webhook_endpoints ORDER BY url"
            ),
            "00000000-0000-0000-0000-000000000000|{}|f|-infinity; \
             ffffffff-ffff-ffff-ffff-ffffffffffff|{\"a \\\"b\\\"\",é}|t|infinity"
        );
        assert_eq!(
            shown("SELECT metadata, price_amount FROM plans WHERE plan_id = 'starter'"),
            "{\"a\": [], \"b\": 1.50}|-0.000001"
        );
        assert_eq!(
            shown(
                "SELECT requested_qty, quantity_allowed, quantity_used, tableoid::regclass FROM control_decisions_log WHERE reason = ''"
            ),
            "999999999999.999999|-999999999999.999999|0.010000|control_decisions_log_earlier"
        );
    }

    #[test]
    fn a_role_that_owns_nothing_does_not_copy() {
        let (shell, _) = Shell::with_acme();
        let target = Target::new();
        shell.done(&format!(
            "migrate --store {} --app-role {APP_ROLE}",
            target.url
        ));
        let app_url = target.cluster.app_url(name_of(&target.url));
        shell
            .run(&format!("copy --from sqlite:mec.db --to {app_url}"))
            .failed(
                69,
                &format!("the role {APP_ROLE} does not own the tables"),
                "copy as the role that ran `mec migrate`",
            );
    }
}
