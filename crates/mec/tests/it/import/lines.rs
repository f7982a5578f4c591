//! Lines of a file: each is recorded once or told.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::counts;
use crate::home::{Home, on_both};
use crate::server::Server;
use crate::shell::Shell;

on_both!(
    good_lines_are_recorded_once_and_bad_ones_are_told,
    an_import_through_a_running_server_does_the_same,
    a_file_imported_beside_the_server_and_through_it_is_the_same_events,
    csv_and_ndjson_say_the_same,
    what_is_given_back_comes_after_what_was_taken_however_many_batches_fly,
);

/// A file with three good lines and one of every kind of bad one; the reasons in the order of their
/// lines.
const MIXED: &str = r#"{"idempotency_key":"a","external_id":"acme","resource_type":"benchmark_runs","quantity":1}
{"idempotency_key":"b","external_id":"acme","resource_type":"benchmark_runs","quantity":"0.000001","details":{"run":1.50}}
not json

{"idempotency_key":"c","external_id":"acme","resource_type":"benchmark_runs","quantity":-1}
{"idempotency_key":"d","external_id":"acme","resource_type":"benchmark_rnus","quantity":1}
{"idempotency_key":"e","external_id":"nobody","resource_type":"benchmark_runs","quantity":1}
{"idempotency_key":"f","external_id":"acme","resource_type":"benchmark_runs","quantity":1e-9}
{"idempotency_key":"g","external_id":"acme","resource_type":"benchmark_runs","quantity":1,"unit":"count"}
{"idempotency_key":"a","external_id":"acme","resource_type":"benchmark_runs","quantity":2}
{"idempotency_key":"h","external_id":"acme","resource_type":"gpu_hours","quantity":90,"unit_code":"minute"}
{"idempotency_key":"i","external_id":"acme","resource_type":"gpu_hours","quantity":1,"occurred_at":"2999-01-01T00:00:00Z"}
"#;

const REJECTED: [(u64, &str, &str); 8] = [
    (3, "MEC_BAD_LINE", "not a JSON object"),
    (
        5,
        "MEC_QUANTITY_NOT_POSITIVE",
        "\"quantity\" must be above 0",
    ),
    (
        6,
        "MEC_RESOURCE_NOT_FOUND",
        "There is no resource type \"benchmark_rnus\"",
    ),
    (7, "MEC_ACCOUNT_NOT_FOUND", "There is no account \"nobody\""),
    (8, "MEC_BAD_LINE", "quantity \"1e-9\": rounds to 0"),
    (9, "MEC_BAD_LINE", "unknown field `unit`"),
    (
        10,
        "MEC_IDEMPOTENCY_CONFLICT",
        "The key \"a\" stands for something else: \"quantity\" differs",
    ),
    (
        12,
        "MEC_OCCURRED_IN_FUTURE",
        "\"occurred_at\" is more than 300 seconds ahead",
    ),
];

fn rejects(shell: &Shell) -> Vec<Value> {
    let text = fs::read_to_string(shell.path("rejects.ndjson")).unwrap();
    let mut rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    rows.sort_by_key(|row| row["line"].as_u64());
    rows
}

/// Imports the mixed file twice and looks at every line's outcome.
fn the_mixed_file_is_imported(shell: &Shell) {
    shell.write("mixed.ndjson", MIXED);
    for expected in [[11, 3, 0, 8], [11, 0, 3, 8]] {
        let ran = shell.run("import mixed.ndjson --rejects rejects.ndjson -o json");
        assert_eq!(
            (ran.code, counts(&ran.json())),
            (Some(1), expected),
            "{ran:?}"
        );
        let rows = rejects(shell);
        assert_eq!(rows.len(), REJECTED.len(), "{rows:?}");
        for (row, (line, code, reason)) in rows.iter().zip(REJECTED) {
            assert_eq!(
                (&row["line"], &row["code"]),
                (&json!(line), &json!(code)),
                "{row}"
            );
            assert!(row["reason"].as_str().unwrap().starts_with(reason), "{row}");
            let text = MIXED
                .lines()
                .nth(usize::try_from(line).unwrap() - 1)
                .unwrap();
            assert_eq!(row["text"], json!(text));
        }
    }
    let used = |resource: &str| {
        shell.run(&format!("check acme {resource} -o json")).json()["quantity_used"].to_string()
    };
    assert_eq!(
        (used("benchmark_runs"), used("gpu_hours")),
        ("1.000001".to_owned(), "1.5".to_owned())
    );
}

fn good_lines_are_recorded_once_and_bad_ones_are_told(home: fn() -> Home) {
    let (shell, _) = Shell::with_acme_on(home());
    the_mixed_file_is_imported(&shell);
    assert!(
        shell
            .done("verify")
            .starts_with("everything agrees: 3 events")
    );
}

fn an_import_through_a_running_server_does_the_same(home: fn() -> Home) {
    let (shell, _) = Shell::with_acme_on(home());
    let _server = Server::on(&shell.store());
    the_mixed_file_is_imported(&shell);
    assert!(
        shell
            .done("verify")
            .starts_with("everything agrees: 3 events")
    );
}

fn a_file_imported_beside_the_server_and_through_it_is_the_same_events(home: fn() -> Home) {
    let (shell, acme) = Shell::with_acme_on(home());
    let line = |key: &str| {
        json!({
            "idempotency_key": key, "account_id": acme.to_string(), "resource_type": "gpu_hours", "resource_scope": "eu",
            "quantity": 0.25, "unit_code": "hour", "details": {"b": [1.50, "x"], "a": null},
        })
    };
    shell.write("events.jsonl", &format!("{}\n{}\n", line("a"), line("b")));
    assert_eq!(
        counts(&shell.run("import events.jsonl -o json").json()),
        [2, 2, 0, 0]
    );
    let _server = Server::on(&shell.store());
    assert_eq!(
        counts(&shell.run("import events.jsonl -o json").json()),
        [2, 0, 2, 0]
    );
}

fn csv_and_ndjson_say_the_same(home: fn() -> Home) {
    let (shell, acme) = Shell::with_acme_on(home());
    // A byte order mark, CR LF, quotes with a line break in them, columns in another order, empty
    // fields.
    let csv = format!(
        "\u{feff}quantity,account_id,external_id,idempotency_key,resource_type,details,unit_code,occurred_at\r\n\
         1.5,{acme},,a,gpu_hours,\"{{\"\"note\"\":\n \"\"x, y\"\"}}\",,\r\n\
         30,,acme,b,gpu_hours,,minute,\r\n\
         30,,acme,c,gpu_hours\r\n\
         x,,acme,d,gpu_hours,,,\r\n\
         1,,acme,e,gpu_hours,{{,,\r\n"
    );
    shell.write("events.csv", &csv);
    let ran = shell.run("import events.csv --rejects rejects.ndjson -o json");
    assert_eq!(
        (ran.code, counts(&ran.json())),
        (Some(1), [5, 2, 0, 3]),
        "{ran:?}"
    );
    let told: Vec<(u64, String)> = rejects(&shell)
        .iter()
        .map(|row| {
            (
                row["line"].as_u64().unwrap(),
                row["reason"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert_eq!(told[0], (5, "5 fields instead of 8".to_owned()));
    assert_eq!(
        told[1],
        (6, "quantity \"x\": not a decimal number".to_owned())
    );
    assert!(
        told[2].0 == 7 && told[2].1.starts_with("details: not JSON"),
        "{told:?}"
    );

    let ndjson = format!(
        "{{\"idempotency_key\":\"a\",\"account_id\":\"{acme}\",\"resource_type\":\"gpu_hours\",\"quantity\":1.5,\"details\":{{\"note\": \"x, y\"}}}}\n\
         {{\"idempotency_key\":\"b\",\"external_id\":\"acme\",\"resource_type\":\"gpu_hours\",\"quantity\":30,\"unit_code\":\"minute\"}}\n"
    );
    shell.write("events.ndjson", &ndjson);
    assert_eq!(
        counts(&shell.run("import events.ndjson -o json").json()),
        [2, 0, 2, 0]
    );
}

#[test]
fn events_come_from_a_pipe_too() {
    let (shell, _) = Shell::with_acme();
    let mut command = shell.command(&["import", "--format", "ndjson", "-", "-o", "json"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(MIXED.lines().next().unwrap().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        counts(&serde_json::from_slice(&output.stdout).unwrap()),
        [1, 1, 0, 0]
    );
}

#[test]
fn only_the_first_rejected_lines_are_told_on_a_terminal() {
    let (shell, _) = Shell::with_acme();
    shell.write("bad.ndjson", &"{}\n".repeat(25));
    let ran = shell.run("import bad.ndjson");
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.stderr
            .lines()
            .filter(|line| line.starts_with("line "))
            .count(),
        20,
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr
            .contains("line 1: account_id is missing, and external_id too (MEC_BAD_LINE)"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr
            .ends_with("… and 5 more; --rejects FILE writes all of them to a file\n"),
        "{}",
        ran.stderr
    );
}

fn what_is_given_back_comes_after_what_was_taken_however_many_batches_fly(home: fn() -> Home) {
    let (shell, _) = Shell::with_acme_on(home());
    let mut lines = String::new();
    for number in 0..9_000 {
        let quantity = if number % 3_000 == 2_999 { -2_999 } else { 1 };
        lines.push_str(&format!("e{number},acme,server_instances,{quantity}\n"));
    }
    shell.write(
        "events.csv",
        &format!("idempotency_key,external_id,resource_type,quantity\n{lines}"),
    );
    assert_eq!(
        counts(&shell.run("import events.csv -o json").json()),
        [9_000, 9_000, 0, 0]
    );
    assert_eq!(
        shell.run("check acme server_instances -o json").json()["quantity_used"],
        json!(0)
    );
}
