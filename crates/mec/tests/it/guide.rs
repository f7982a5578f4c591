//! The guide runs as written: its commands, read out of its text, are given to `sh`, and the
//! answers are compared with those it shows.
//!
//! What a reader does by hand is done here too: the ids of earlier answers are put in, the port is
//! the one in use, and the scenarios' `POST /path` lines are sent as requests.

pub(crate) mod pattern;
pub(crate) mod script;
pub(crate) mod shell;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::pattern::Sequence;
use self::script::{Action, Step};
use self::shell::{Shell, documents};
use crate::home::{Home, on_both};
use crate::server::Server;

on_both!(
    our_guide_runs_as_written,
    our_guide_runs_as_written_with_kill_9_between_every_two_steps,
    the_original_guide_runs_as_written,
    the_original_guide_runs_as_written_with_kill_9_between_every_two_steps,
);

const OUR_GUIDE: &str = "../../docs/guide.md";
/// The guide this product started from lies beside a checkout in CI, but is no part of it.
const ORIGINAL_GUIDE: &str = "../../../shared/guide.md";

/// What an answer must be where a guide shows none.
const UNSHOWN: [(&str, &str); 6] = [
    (
        "POST /api/accounts",
        r#"{"account_id": "00000000-...", "status": "active"}"#,
    ),
    ("POST /api/rpc/provision_plan", "5"),
    (
        "POST /api/rpc/check_entitlement",
        r#"[{"decision": "allow", "allowed": true, "quantity_allowed": ..., "quantity_used": ...}]"#,
    ),
    (
        "POST /api/rpc/consume",
        r#"[{"decision": "allow", "allowed": true, "event_id": "00000000-..."}]"#,
    ),
    ("POST /api/rpc/meter_consumption", r#""00000000-...""#),
    ("PATCH /api/entitlements", NO_BODY),
];
const NO_BODY: &str = "";

/// What must hold when the last scenario, the upgrade, is through: the new limit, and the use so
/// far.
struct Upgraded {
    benchmark_runs_used: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Between {
    Nothing,
    Kill9,
}

fn our_guide_runs_as_written(home: fn() -> Home) {
    our_guide(home, Between::Nothing);
}

fn our_guide_runs_as_written_with_kill_9_between_every_two_steps(home: fn() -> Home) {
    our_guide(home, Between::Kill9);
}

fn the_original_guide_runs_as_written(home: fn() -> Home) {
    the_original_guide(home, Between::Nothing);
}

fn the_original_guide_runs_as_written_with_kill_9_between_every_two_steps(home: fn() -> Home) {
    the_original_guide(home, Between::Kill9);
}

fn our_guide(home: fn() -> Home, between: Between) {
    // One run in Scenario B's two requests and one in its single step.
    let upgraded = Upgraded {
        benchmark_runs_used: 2,
    };
    walk(&here(OUR_GUIDE), home(), between, &upgraded);
}

fn the_original_guide(home: fn() -> Home, between: Between) {
    let path = here(ORIGINAL_GUIDE);
    if !path.exists() {
        // Past the test harness, which swallows what a passing test prints.
        let said = writeln!(
            io::stderr(),
            "skipped: {} is not there, so only docs/guide.md is run",
            path.display()
        );
        return said.unwrap();
    }
    let upgraded = Upgraded {
        benchmark_runs_used: 1,
    };
    walk(&path, home(), between, &upgraded);
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs every command of a guide and reports every answer that differs.
fn walk(guide: &Path, home: Home, between: Between, upgraded: &Upgraded) {
    let guide = fs::canonicalize(guide).unwrap_or_else(|why| panic!("{}: {why}", guide.display()));
    let text = fs::read_to_string(&guide).unwrap();
    let steps = script::read(&text).unwrap_or_else(|why| panic!("{}: {why}", guide.display()));
    must_be_complete(&steps);

    let directory = tempfile::tempdir().unwrap();
    let mut reader = Reader {
        server: Server::demo_on(&home),
        account: None,
        lease: None,
        shell: Shell::new(directory.path()),
    };
    let mut failures = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        if index > 0 && between == Between::Kill9 {
            reader.server.kill_9_and_restart();
        }
        let Err(why) = reader.follow(step) else {
            continue;
        };
        let place = format!("{}:{}", guide.display(), step.line);
        failures.push(format!("{place}, {}\n{why}", step.section));
    }
    if let Err(why) = reader.finds(upgraded) {
        failures.push(format!("{}, after its end\n{why}", guide.display()));
    }
    assert!(
        failures.is_empty(),
        "{} of {} commands answered otherwise:\n\n{}\n\nthe server said:\n{}",
        failures.len(),
        steps.len(),
        failures.join("\n\n"),
        reader.server.said()
    );
}

/// A guide that is read as empty would pass every comparison.
fn must_be_complete(steps: &[Step]) {
    let sections: BTreeSet<&str> = steps.iter().map(|step| step.section.as_str()).collect();
    let steps_1_to_8 = (1..=8).map(|number| format!("Step {number}:"));
    let parts = ["9a.", "9b.", "9c.", "10a.", "10b.", "10c."].map(String::from);
    let scenarios = ["A", "B", "C", "D"].map(|letter| format!("Scenario {letter}:"));
    for start in steps_1_to_8.chain(parts).chain(scenarios) {
        assert!(
            sections.iter().any(|section| section.starts_with(&start)),
            "no command in the section {start:?}, only in {sections:?}"
        );
    }
    let shown = steps.iter().filter(|step| step.shown.is_some()).count();
    assert!(steps.len() >= 24, "only {} commands", steps.len());
    assert!(shown >= 14, "only {shown} answers");
}

/// Who follows the guide: knows the ids seen so far and where the server is.
struct Reader {
    server: Server,
    account: Option<String>,
    lease: Option<String>,
    shell: Shell,
}

impl Reader {
    fn follow(&mut self, step: &Step) -> Result<(), String> {
        let command = self.shell_command(&step.action)?;
        let (shown, pattern) = match &step.shown {
            Some(shown) => (shown.text.as_str(), shown.pattern.clone()),
            None => unshown(&command)?,
        };
        let printed = self.shell.run(&command)?;
        let verdict = documents(&printed).and_then(|answer| {
            self.learn(&command, &answer);
            pattern.check(&answer).map_err(|why| why.to_string())
        });
        verdict.map_err(|why| {
            format!("command:\n{command}\nexpected:\n{shown}\ngot:\n{printed}\n{why}")
        })
    }

    fn finds(&mut self, upgraded: &Upgraded) -> Result<(), String> {
        let used = upgraded.benchmark_runs_used;
        let text = format!(
            r#"[{{"decision": "allow", "quantity_allowed": 500, "quantity_used": {used}}}]"#
        );
        let pattern = Sequence::parse(&text)?;
        self.follow(&Step {
            section: String::new(),
            line: 0,
            action: Action::Request {
                method: "POST".to_owned(),
                path: "/api/rpc/check_entitlement".to_owned(),
                body: r#"{"p_account_id": "...", "p_resource_type": "benchmark_runs"}"#.to_owned(),
            },
            shown: Some(script::Shown { text, pattern }),
        })
    }

    /// The action with this run's ids and port.
    fn shell_command(&self, action: &Action) -> Result<String, String> {
        let command = match action {
            Action::Shell(command) => {
                let command = put_in(command, "LEASE_ID_FROM_9a", self.lease.as_deref())?;
                put_in(&command, "ACCOUNT_ID", self.account.as_deref())?
            }
            Action::Define(text) | Action::Keep { command: text, .. } => {
                return Err(format!("a guide says everything where it is used:\n{text}"));
            }
            Action::Request { method, path, body } => {
                let account = self.account.as_deref();
                let path = put_in(
                    path,
                    "eq.xxx",
                    account.map(|id| format!("eq.{id}")).as_deref(),
                )?;
                let body = self.fill_in(body)?.replace('\'', r"'\''");
                format!(
                    "curl -sS --fail-with-body -X {method} 'http://localhost:8000{path}' \
                     -H 'Content-Type: application/json' -d '{body}'"
                )
            }
        };
        Ok(command.replace("localhost:8000", &self.server.address()))
    }

    /// Puts the account's id where a scenario's body has `"..."` for it.
    fn fill_in(&self, body: &str) -> Result<String, String> {
        let why = |why: serde_json::Error| format!("the body {body} is not JSON: {why}");
        let mut arguments: Value = serde_json::from_str(body).map_err(why)?;
        let fields = arguments.as_object_mut();
        for (key, value) in fields.ok_or(format!("the body {body} is no object"))? {
            if value == "..." {
                if key != "p_account_id" {
                    return Err(format!("nothing is known to put into {key}"));
                }
                let account = self.account.clone();
                *value = account.ok_or("no account was created yet")?.into();
            }
        }
        Ok(arguments.to_string())
    }

    /// Notes the ids that the guide asks its reader to note.
    fn learn(&mut self, command: &str, answer: &[Value]) {
        let [answer] = answer else { return };
        let id = |value: &Value| value.as_str().map(str::to_owned);
        if command.contains("/api/accounts") {
            self.account = id(&answer["account_id"]).or(self.account.take());
        }
        if command.contains("/api/rpc/acquire_lease") {
            self.lease = id(&answer[0]["lease_id"]).or(self.lease.take());
        }
    }
}

/// Replaces a placeholder; one whose value is not known is an error.
fn put_in(text: &str, placeholder: &str, value: Option<&str>) -> Result<String, String> {
    if !text.contains(placeholder) {
        return Ok(text.to_owned());
    }
    let value = value.ok_or(format!("no earlier answer gave the id for {placeholder}"))?;
    Ok(text.replace(placeholder, value))
}

fn unshown(command: &str) -> Result<(&'static str, Sequence), String> {
    for (request, text) in UNSHOWN {
        let (method, path) = request.split_once(' ').unwrap();
        if command.contains(&format!("-X {method} ")) && command.contains(path) {
            let pattern = match text {
                NO_BODY => Sequence::default(),
                json => Sequence::parse(json)?,
            };
            return Ok((text, pattern));
        }
    }
    Err(format!("the guide shows no answer to\n{command}"))
}

#[test]
fn a_command_without_a_shown_answer_is_judged_by_its_endpoint() {
    let command = "curl -s -X POST http://localhost:8000/api/rpc/meter_consumption -d '{}'";
    let (_, pattern) = unshown(command).unwrap();
    let event = r#""0193a5c2-7b1e-7c3d-8e4f-0123456789ab""#;
    assert_eq!(pattern.check(&documents(event).unwrap()), Ok(()));
    let error = r#"{"code": "MEC_ACCOUNT_NOT_FOUND", "message": "no such account"}"#;
    for answer in [error, "", "null", "5"] {
        let answer = documents(answer).unwrap();
        assert!(pattern.check(&answer).is_err(), "{answer:?}");
    }
    assert!(unshown("curl -s http://localhost:8000/api/plans").is_err());
    for (_, text) in UNSHOWN {
        assert!(text == NO_BODY || Sequence::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn an_id_that_no_answer_gave_is_an_error() {
    assert_eq!(put_in("a b", "ID", None), Ok("a b".to_owned()));
    assert_eq!(put_in("a ID", "ID", Some("7")), Ok("a 7".to_owned()));
    assert!(put_in("a ID", "ID", None).is_err());
}

#[test]
fn a_guide_that_lacks_a_section_is_incomplete() {
    let text = fs::read_to_string(here(OUR_GUIDE)).unwrap();
    let mut steps = script::read(&text).unwrap();
    must_be_complete(&steps);
    steps.retain(|step| !step.section.starts_with("Scenario C"));
    let refused = std::panic::catch_unwind(|| must_be_complete(&steps));
    assert!(refused.is_err());
}
