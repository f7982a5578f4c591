//! Importing and exporting the ledger: each event once, every line accounted for, a file fit for
//! another store.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;

use mec_engine::{Caller, Mec, Options};
use mec_kernel::{Check, Consume, Correct, Quantity};
use serde_json::{Value, json};

use crate::cli::{Shell, block_on};
use crate::home::{Home, on_both};
use crate::server::Server;

on_both!(
    good_lines_are_recorded_once_and_bad_ones_are_told,
    an_import_through_a_running_server_does_the_same,
    a_file_imported_beside_the_server_and_through_it_is_the_same_events,
    csv_and_ndjson_say_the_same,
    what_is_given_back_comes_after_what_was_taken_however_many_batches_fly,
    an_exported_ledger_fills_a_new_store_with_the_same_events,
    an_export_shows_what_was_asked_for,
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

/// The counts of a report.
fn counts(report: &Value) -> [u64; 4] {
    ["lines", "recorded", "replayed", "rejected"].map(|name| report[name].as_u64().unwrap())
}

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
fn a_file_that_is_no_list_of_events_is_refused_as_a_whole() {
    let (shell, _) = Shell::with_acme();
    shell.write("empty.csv", "");
    shell.run("import empty.csv").failed(
        65,
        "empty.csv, line 1: the file is empty",
        "names the columns",
    );
    shell.write(
        "typo.csv",
        "idempotency_key,external_id,resource_type,quantity,ocurred_at\n",
    );
    shell.run("import typo.csv").failed(
        65,
        "typo.csv, line 1: there is no column \"ocurred_at\"",
        "occurred_at",
    );
    shell.write(
        "open.csv",
        &format!(
            "idempotency_key,external_id,resource_type,quantity\n\"{}",
            "a,b\n".repeat(500_000)
        ),
    );
    shell
        .run("import open.csv")
        .failed(65, "open.csv, line 2: more than", "quote");
    shell.write("events.txt", "");
    shell
        .run("import events.txt")
        .failed(65, "the name events.txt does not say", "--format");
    assert_eq!(shell.run("import absent.csv").code, Some(66));
    assert_eq!(
        shell.done("import --format ndjson -").split(" in ").next(),
        Some("0 lines: 0 recorded, 0 replayed, 0 rejected")
    );
}

#[test]
fn a_file_that_is_no_text_is_told_for_what_it_is() {
    let (shell, _) = Shell::with_acme();
    for (name, bytes, told) in [
        (
            "packed.csv",
            b"\x1f\x8b\x08\0rest".as_slice(),
            "packed.csv is compressed (gzip)",
        ),
        (
            "packed.ndjson",
            b"\x1f\x8b\x08\0rest",
            "packed.ndjson is compressed (gzip)",
        ),
        (
            "sheet.csv",
            b"PK\x03\x04rest",
            "sheet.csv is a ZIP archive or a spreadsheet",
        ),
        (
            "wide.csv",
            b"\xff\xfei\0d\0",
            "wide.csv is written in UTF-16",
        ),
        (
            "semicolons.csv",
            b"idempotency_key;external_id\n",
            "semicolons.csv, line 1: the columns are separated by ';'",
        ),
        (
            "events.csv.gz",
            b"",
            "events.csv.gz is no text file by its name",
        ),
    ] {
        std::fs::write(shell.path(name), bytes).unwrap();
        let ran = shell.run(&format!("import {name}"));
        assert_eq!(ran.code, Some(65), "{ran:?}");
        assert!(
            ran.stderr.starts_with(&format!("error: {told}\nhint: ")),
            "{ran:?}"
        );
    }
    std::fs::write(
        shell.path("pretty.ndjson"),
        "\u{feff}{\n\"idempotency_key\": \"k\"\n}\n[{}]\n",
    )
    .unwrap();
    let ran = shell.run("import pretty.ndjson");
    let told: Vec<&str> = ran.stderr.lines().collect();
    let wanted = [
        "line 1: the JSON does not end in this line; each line is one event (MEC_BAD_LINE)",
        "line 2: not a JSON object; each line is one event (MEC_BAD_LINE)",
        "line 3: not a JSON object; each line is one event (MEC_BAD_LINE)",
        "line 4: not a JSON object; each line is one event (MEC_BAD_LINE)",
    ];
    assert_eq!((ran.code, told.as_slice()), (Some(1), wanted.as_slice()));
}

#[test]
fn what_is_read_is_not_written_over() {
    let (shell, _) = Shell::with_acme();
    let line = "{\"idempotency_key\":\"k\",\"external_id\":\"acme\",\"resource_type\":\"nothing\",\"quantity\":1}\n";
    std::fs::write(shell.path("events.ndjson"), line).unwrap();
    let ran = shell.run("import events.ndjson --rejects ./events.ndjson");
    assert_eq!(ran.code, Some(65), "{ran:?}");
    assert_eq!(
        std::fs::read_to_string(shell.path("events.ndjson")).unwrap(),
        line
    );
    let ran = shell.run("export --output mec.db");
    assert_eq!(ran.code, Some(65), "{ran:?}");
    assert!(shell.done("verify").starts_with("everything agrees"));
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

/// A ledger with everything in it: units, scopes, details, a consumed and a corrected event.
fn fill(shell: &Shell) {
    shell.write(
        "events.csv",
        "idempotency_key,external_id,resource_type,quantity,unit_code,resource_scope,details\n\
         a,acme,gpu_hours,90,minute,,\n\
         b,acme,gpu_hours,0.000001,hour,eu,\"{\"\"n\"\":1.50}\"\n\
         c,beta,server_instances,3,,,\n\
         d,beta,server_instances,-1,,,\"\"\"text, with a comma\"\"\"\n",
    );
    shell.done("import events.csv");
    let url = shell.store();
    block_on(async move {
        let mec = Mec::open(&url, Options::default()).await.unwrap();
        let caller = Caller::new("test", "api");
        let account = mec.account_of("acme").await.unwrap();
        let question = Check::of(account, "benchmark_runs", Some(Quantity::whole(7)));
        let consumed = mec
            .consume(
                Consume {
                    check: question,
                    key: "run".into(),
                    details: None,
                },
                &caller,
            )
            .await
            .unwrap();
        let event = consumed.event.unwrap();
        let less = Correct {
            key: "less".into(),
            event,
            quantity: Some(Quantity::whole(5)),
            details: "{\"why\":\"x\"}".into(),
        };
        mec.correct(less, &caller).await.unwrap();
        mec.close().await.unwrap();
    });
}

/// What of an exported line is the same in every store.
fn contents(text: &str) -> Vec<Value> {
    let mut rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for row in &mut rows {
        let fields = row.as_object_mut().unwrap();
        for of_this_store in [
            "event_id",
            "account_id",
            "recorded_at",
            "corrects_event_id",
            "source",
            "recorded_by",
        ] {
            fields.remove(of_this_store);
        }
    }
    rows.sort_by_key(|row| row["idempotency_key"].as_str().unwrap().to_owned());
    rows
}

fn an_exported_ledger_fills_a_new_store_with_the_same_events(home: fn() -> Home) {
    let (shell, _) = Shell::with_acme_on(home());
    shell.add_account("beta");
    fill(&shell);
    let exported = shell.done("export");
    assert_eq!(exported.lines().count(), 6);
    for format in ["ndjson", "csv"] {
        shell.done(&format!("export --output ledger.{format}"));
        // In the store it comes from, nothing is new.
        let again = shell.run(&format!("import ledger.{format} -o json"));
        assert_eq!(counts(&again.json()), [6, 0, 6, 0], "{again:?}");

        for through_server in [false, true] {
            let (other, _) = Shell::with_acme_on(home());
            other.add_account("beta");
            let server = through_server.then(|| Server::on(&other.store()));
            let file = shell.path(&format!("ledger.{format}"));
            for expected in [[6, 6, 0, 0], [6, 0, 6, 0]] {
                let ran = other.run(&format!("import {} -o json", file.display()));
                assert_eq!(counts(&ran.json()), expected, "{format} {ran:?}");
            }
            drop(server);
            assert_eq!(
                contents(&other.done("export")),
                contents(&exported),
                "{format}"
            );
            assert!(
                other
                    .done("verify")
                    .starts_with("everything agrees: 6 events")
            );
        }
    }
}

fn an_export_shows_what_was_asked_for(home: fn() -> Home) {
    let (shell, acme) = Shell::with_acme_on(home());
    shell.add_account("beta");
    let event = |key: &str, account: &str, at: &str| {
        format!(
            "{{\"idempotency_key\":\"{key}\",\"external_id\":\"{account}\",\"resource_type\":\"benchmark_runs\",\"quantity\":1,\"occurred_at\":\"{at}\"}}\n"
        )
    };
    let now = Options::default().clock.now();
    let day = |days: i64| now.plus_seconds(-86_400 * days).to_string();
    let lines = [
        event("a", "acme", &day(3)),
        event("b", "acme", &day(2)),
        event("c", "beta", &day(2)),
        event("d", "beta", &day(1)),
    ];
    shell.write("events.ndjson", &lines.concat());
    shell.done("import events.ndjson");
    let keys = |arguments: &str| -> String {
        let text = shell.done(&format!("export {arguments}"));
        let keys = text.lines().map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["idempotency_key"]
                .as_str()
                .unwrap()
                .to_owned()
        });
        let mut keys: Vec<String> = keys.collect();
        keys.sort();
        keys.concat()
    };
    let cases = [
        (String::new(), "abcd"),
        ("--account acme".to_owned(), "ab"),
        (format!("--account {acme}"), "ab"),
        (format!("--from {}", day(2)), "bcd"),
        (format!("--to {}", day(2)), "a"),
        (
            format!("--from {} --to {} --account beta", day(2), day(1)),
            "c",
        ),
        ("--from 2999-01-01".to_owned(), ""),
    ];
    for (arguments, expected) in cases {
        assert_eq!(keys(&arguments), expected, "export {arguments}");
    }
    shell.run("export --account nobody").failed(
        65,
        "there is no account \"nobody\"",
        "external_id",
    );
}

/// Answers one request after the other as said; `None` hangs up without an answer.
fn answers(listener: &TcpListener, script: &[Option<(&str, &str)>]) -> Vec<Value> {
    let mut asked = vec![];
    for answer in script {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        asked.push(serde_json::from_slice::<Value>(&body).unwrap()["p_events"].clone());
        if let Some((status, body)) = answer {
            write!(
                &stream,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    }
    asked
}

#[test]
fn what_may_not_have_been_recorded_is_sent_again_under_its_key() {
    let shell = Shell::new();
    shell
        .write("events.csv", "idempotency_key,external_id,resource_type,quantity\na,acme,runs,1\nb,acme,runs,1\nc,acme,runs,1\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let busy = r#"{"code":"MEC_BUSY","message":"Too much is waiting","details":null,"hint":null}"#;
    let partly = r#"[{"index":0,"status":"recorded","event_id":null,"error":null},
        {"index":1,"status":"unknown","event_id":null,"error":{"code":"MEC_OUTCOME_UNKNOWN","message":"who knows"}},
        {"index":2,"status":"rejected","event_id":null,"error":{"code":"MEC_RESOURCE_NOT_FOUND","message":"There is none"}}]"#;
    let rest = r#"[{"index":0,"status":"replayed","event_id":null,"error":null}]"#;
    let script = [
        None,
        Some(("503 Busy", busy)),
        Some(("200 OK", partly)),
        Some(("200 OK", rest)),
    ];
    let server = std::thread::spawn(move || answers(&listener, &script));
    let ran = shell.run(&format!(
        "import events.csv --server http://{address} -o json"
    ));
    assert_eq!(
        (ran.code, counts(&ran.json())),
        (Some(1), [3, 1, 1, 1]),
        "{ran:?}"
    );
    let keys = |events: &Value| -> String {
        events
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["idempotency_key"].as_str().unwrap())
            .collect()
    };
    let asked: Vec<String> = server.join().unwrap().iter().map(keys).collect();
    assert_eq!(asked, ["abc", "abc", "abc", "b"]);
}

#[test]
fn a_server_that_does_not_know_the_request_ends_the_import_at_once() {
    let shell = Shell::new();
    shell.write(
        "events.csv",
        "idempotency_key,external_id,resource_type,quantity\na,acme,runs,1\n",
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server =
        std::thread::spawn(move || answers(&listener, &[Some(("404 Not Found", "nothing here"))]));
    shell
        .run(&format!("import events.csv --server http://{address}"))
        .failed(65, "the server answered 404", "is a mec server");
    server.join().unwrap();
}
