//! Checking and metering, and verifying what was recorded.

use serde_json::json;

use crate::shell::Shell;

#[test]
fn check_answers_in_its_exit_code() {
    let (shell, acme) = Shell::with_acme();
    let cases = [
        ("acme benchmark_runs --quantity 1", 0, "allow"),
        ("acme benchmark_runs --quantity 100", 0, "allow"),
        ("acme benchmark_runs --quantity 101", 1, "block"),
        ("acme benchmark_runs", 0, "allow"),
        ("acme platform_access", 1, "deny"),
        ("acme gpu_hours --quantity 90 --unit minute", 0, "allow"),
    ];
    for (question, code, decision) in cases {
        for who in [
            question.to_owned(),
            question.replacen("acme", &acme.to_string(), 1),
        ] {
            let ran = shell.run(&format!("check {who} -o json"));
            assert_eq!(
                (ran.code, &ran.json()["decision"]),
                (Some(code), &json!(decision)),
                "check {who}"
            );
        }
    }
    let shown =
        shell.done("check acme benchmark_runs --quantity 1 --explain --attribute region=eu");
    assert!(
        shown
            .lines()
            .any(|line| line == "decision            allow"),
        "{shown}"
    );
    assert!(
        shown.contains("LEVEL") && shown.contains("Within entitlement"),
        "{shown}"
    );
}

#[test]
fn what_check_does_not_know_is_bad_input_with_a_hint() {
    let (shell, _) = Shell::with_acme();
    shell.run("check nobody benchmark_runs").failed(
        65,
        "There is no account \"nobody\" (MEC_ACCOUNT_NOT_FOUND)",
        "",
    );
    shell.run("check acme benchmark_rnus").failed(
        65,
        "There is no resource type",
        "benchmark_runs",
    );
    shell
        .run("check acme benchmark_runs --unit hour --quantity 1")
        .failed(65, "", "count");
    Shell::new().run("check acme benchmark_runs").failed(
        69,
        "mec.db does not exist",
        "mec migrate",
    );
}

#[test]
fn meter_records_a_key_once() {
    let (shell, _) = Shell::with_acme();
    let first = shell
        .run("meter acme benchmark_runs 2.5 --key run-1 -o json")
        .json();
    assert_eq!(first["status"], json!("recorded"));
    let again = shell
        .run("meter acme benchmark_runs 2.5 --key run-1 -o json")
        .json();
    assert_eq!(
        again,
        json!({ "event_id": first["event_id"], "status": "replayed" })
    );
    shell.run("meter acme benchmark_runs 3 --key run-1").failed(
        65,
        "The key \"run-1\" stands for something else",
        "new key",
    );
    let standing = shell.run("check acme benchmark_runs -o json").json();
    assert_eq!(standing["quantity_used"].to_string(), "2.5");
}

#[test]
fn everything_agrees_and_a_changed_row_is_a_finding() {
    let (shell, _) = Shell::with_acme();
    shell.done("meter acme benchmark_runs 2 --key run-1");
    assert!(
        shell
            .done("verify")
            .starts_with("everything agrees: 1 events")
    );
    assert_eq!(shell.run("verify -o json").json()["is_clean"], json!(true));

    let outside = rusqlite::Connection::open(shell.path("mec.db")).unwrap();
    let change = "DROP TRIGGER consumption_ledger_no_update; UPDATE consumption_ledger SET idempotency_key = 'run-2'";
    outside.execute_batch(change).unwrap();
    drop(outside);
    let ran = shell.run("verify");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stdout.starts_with("TABLE") && ran.stdout.contains("not everything agrees"),
        "{ran:?}"
    );
    assert_eq!(shell.run("verify -o json").json()["is_clean"], json!(false));
    Shell::new()
        .run("verify")
        .failed(66, "mec.db does not exist", "--store");
}
