//! What commands write, and to whom.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::shell::{Ran, Shell};

#[test]
fn a_reader_that_has_seen_enough_ends_a_command_quietly() {
    let (shell, _) = Shell::with_acme();
    // Enough of it that it does not fit into a pipe.
    let events: String = (0..5_000)
        .map(|number| format!("{{\"idempotency_key\":\"e{number}\",\"external_id\":\"acme\",\"resource_type\":\"benchmark_runs\",\"quantity\":1}}\n"))
        .collect();
    shell.write("events.ndjson", &events);
    shell.done("import events.ndjson");
    for line in ["export", "export --format csv"] {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut child = shell
            .command(&words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        assert!(first.contains("idempotency_key"), "{first}");
        drop(stdout);
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        assert_eq!(
            (child.wait().unwrap().code(), stderr.as_str()),
            (Some(0), ""),
            "mec {line}"
        );
    }
}

#[test]
fn answers_carry_no_colours_and_logs_can_be_json() {
    let (shell, _) = Shell::with_acme();
    let mut command = shell.command(&["doctor", "--listen", "127.0.0.1:0"]);
    command.env("NO_COLOR", "1");
    assert!(!Ran::of(command).stdout.contains('\u{1b}'));
    shell
        .run("check acme benchmark_runs --log nonsense=nonsense")
        .failed(78, "log is \"nonsense=nonsense\"", "debug");
    let ran = shell.run("migrate --store sqlite:new.db --log info --log-format json");
    let logged: Value = serde_json::from_str(ran.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(logged["message"], json!("schema migrated"));
}
