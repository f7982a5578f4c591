//! `mec prune`: old decisions go, nothing else does.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::api::Api;
use crate::home::{Home, on_both};
use crate::server::Server;
use crate::shell::Shell;

on_both!(
    old_decisions_go_and_the_ledger_stays,
    a_running_server_prunes_its_own_log,
    a_log_that_is_off_stays_empty,
);

/// Decisions are written a moment after they were made: looks until there are as many as `wanted`.
fn wait_for_decisions(server: &Server, wanted: usize) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let (_, rows) = server.get("/api/control_decisions_log?select=decision");
        let rows: Vec<serde_json::Value> = serde_json::from_str(&rows).unwrap();
        if rows.len() >= wanted {
            return;
        }
        assert!(
            Instant::now() < end,
            "{} decisions, not {wanted}",
            rows.len()
        );
        std::thread::yield_now();
    }
}

fn old_decisions_go_and_the_ledger_stays(home: fn() -> Home) {
    let (shell, _) = Shell::with_acme_on(home());
    shell.done("meter acme benchmark_runs 1 --key one");
    for _ in 0..3 {
        shell.done("check acme benchmark_runs --quantity 1");
    }
    let ledger = shell.done("export");
    assert!(
        shell
            .done("prune")
            .starts_with("removed 0 decisions made before ")
    );
    assert!(
        shell
            .done("prune --older-than 0s --dry-run")
            .starts_with("would remove 3 decisions")
    );
    let pruned = shell.run("prune --older-than 0s -o json").json();
    assert_eq!(
        (&pruned["rows"], &pruned["applied"]),
        (&json!(3), &json!(true))
    );
    assert!(
        shell
            .done("prune --older-than 0s")
            .starts_with("removed 0 decisions")
    );
    assert_eq!(shell.done("export"), ledger);
    assert!(shell.done("verify").starts_with("everything agrees"));
    assert_eq!(shell.run("prune --older-than soon").code, Some(2));
}

fn a_running_server_prunes_its_own_log(home: fn() -> Home) {
    let (shell, _) = Shell::with_acme_on(home());
    let server = Server::on(&shell.store());
    for _ in 0..3 {
        shell.done("check acme benchmark_runs --quantity 1");
    }
    wait_for_decisions(&server, 3);
    assert!(shell.done("prune --older-than 1h").starts_with("removed 0"));
    assert!(
        shell
            .done("prune --older-than 0s")
            .starts_with("removed 3 decisions")
    );
    assert_eq!(server.get("/api/control_decisions_log").1, "[]");
}

#[test]
fn how_long_decisions_are_kept_is_a_setting() {
    let (shell, _) = Shell::with_acme();
    shell.done("check acme benchmark_runs --quantity 1");
    let mut command = shell.command(&["prune", "--dry-run", "-o", "json"]);
    command.env("MEC_DECISIONS_KEPT_DAYS", "1");
    let told: serde_json::Value =
        serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let before: mec_kernel::Time = told["before"].as_str().unwrap().parse().unwrap();
    let day = mec_engine::Clock::machine().now().since(before) / 1_000_000;
    assert!((86_400..86_700).contains(&day), "{day}");
    shell.write("mec.toml", "decisions_kept_days = 0\n");
    shell
        .run("prune")
        .failed(78, "decisions_kept_days is \"0\"", "whole number above 0");
    shell.write("mec.toml", "decision_log = \"some\"\n");
    shell
        .run("prune")
        .failed(78, "decision_log is \"some\"", "all or notable or off");
    shell.write("mec.toml", "decision_trace = \"some\"\n");
    shell
        .run("prune")
        .failed(78, "decision_trace is \"some\"", "all or notable or off");
}

fn a_log_that_is_off_stays_empty(home: fn() -> Home) {
    let (shell, _) = Shell::with_acme_on(home());
    shell.write("mec.toml", "decision_log = \"off\"\n");
    shell.done("check acme benchmark_runs --quantity 1");
    assert_eq!(
        shell.run("check acme benchmark_runs --quantity 1000").code,
        Some(1)
    );
    assert!(
        shell
            .done("prune --older-than 0s --dry-run")
            .starts_with("would remove 0")
    );
}

#[tokio::test]
async fn the_operators_door_refuses_what_it_does_not_understand() {
    let api = Api::start().await;
    let many: Vec<_> = (0..101)
        .map(|_| json!({"account_id": "019ad735-8400-7000-8000-000100000007"}))
        .collect();
    let cases = [
        ("/admin/prune?before=yesterday", json!(null)),
        ("/admin/prune?dry_run=perhaps", json!(null)),
        ("/admin/prune?after=2026-01-01T00:00:00Z", json!(null)),
        ("/admin/plan/migrate", json!({"plan_id": "starter"})),
        (
            "/admin/plan/migrate",
            json!({"plan_id": "starter", "accounts": [{"account_id": "acme"}]}),
        ),
        (
            "/admin/plan/migrate",
            json!({"plan_id": "starter", "accounts": many}),
        ),
    ];
    let headers = [("x-mec-admin", "1"), ("content-type", "application/json")];
    for (path, body) in cases {
        let answer = api
            .send(reqwest::Method::POST, path, &headers, body.to_string())
            .await;
        answer.expect_error(400, "MEC_BAD_ARGUMENT");
    }
    let asked = json!({"plan_id": "gold", "accounts": [{"account_id": api.account("acme").await.to_string()}]});
    let answer = api
        .send(
            reqwest::Method::POST,
            "/admin/plan/migrate",
            &headers,
            asked.to_string(),
        )
        .await
        .ok();
    assert_eq!(
        (
            &answer["results"][0]["outcome"],
            &answer["results"][0]["code"]
        ),
        (&json!("refused"), &json!("MEC_PLAN_NOT_FOUND"))
    );
}
