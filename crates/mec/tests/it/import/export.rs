//! A ledger that was exported, and what of it was asked for.

use mec_engine::{Caller, Mec, Options};
use mec_kernel::{Check, Consume, Correct, Quantity};
use serde_json::Value;

use super::counts;
use crate::home::{Home, on_both};
use crate::server::Server;
use crate::shell::{Shell, block_on};

on_both!(
    an_exported_ledger_fills_a_new_store_with_the_same_events,
    an_export_shows_what_was_asked_for,
);

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
