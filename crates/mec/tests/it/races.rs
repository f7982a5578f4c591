//! 64 clients at once over HTTP: exactly the limit, exactly one event per key, and nothing
//! acknowledged is lost when the program dies in between.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::home::{Home, on_both};
use crate::server::{Server, request};

on_both!(
    of_5000_attempts_at_a_limit_of_1000_exactly_1000_are_recorded,
    of_5000_attempts_at_1000_seats_exactly_1000_are_taken,
    the_same_key_from_20_clients_at_once_is_one_event,
    kill_9_in_the_middle_loses_nothing_acknowledged_and_grants_nothing_twice,
);

const CLIENTS: usize = 64;
const ATTEMPTS: usize = 5_000;
const LIMIT: usize = 1_000;

/// An account that may use `LIMIT` of a resource.
fn limited_account(server: &Server, resource: &str, kind: &str) -> String {
    let (status, account) = server.post("/api/accounts", &json!({"display_name": "Acme Corp"}));
    assert_eq!(status, 201, "{account}");
    let account = account["account_id"].as_str().unwrap().to_owned();
    let row = json!({
        "account_id": account, "resource_type_code": resource, "limit_kind_code": kind, "quantity_allowed": LIMIT,
    });
    let (status, answer) = server.post("/api/entitlements", &row);
    assert_eq!(status, 201, "{answer}");
    account
}

/// `CLIENTS` threads that together make `ATTEMPTS` requests; how many of them `is_let_through` says
/// of.
fn race(
    address: &str,
    path: &str,
    body: impl Fn(usize) -> Value + Sync,
    is_let_through: impl Fn(&Value) -> bool + Sync,
) -> usize {
    let next = AtomicUsize::new(0);
    let passed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let attempt = next.fetch_add(1, Ordering::Relaxed);
                    if attempt >= ATTEMPTS {
                        return;
                    }
                    let (status, answer) =
                        request(address, "POST", path, &body(attempt).to_string()).unwrap();
                    assert_eq!(status, 200, "{answer}");
                    let answer: Value = serde_json::from_str(&answer).unwrap();
                    passed.fetch_add(usize::from(is_let_through(&answer)), Ordering::Relaxed);
                }
            });
        }
    });
    passed.into_inner()
}

fn rows(server: &Server, path: &str) -> Vec<Value> {
    let (status, body) = server.get(path);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn of_5000_attempts_at_a_limit_of_1000_exactly_1000_are_recorded(home: fn() -> Home) {
    let home = home();
    let server = Server::demo_on(&home);
    let account = limited_account(&server, "benchmark_runs", "cumulative");
    let body = |attempt: usize| {
        json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_quantity": 1,
               "p_idempotency_key": format!("run-{attempt}")})
    };
    let passed = race(&server.address(), "/api/rpc/consume", body, |answer| {
        answer[0]["event_id"].is_string()
    });
    assert_eq!(passed, LIMIT);
    assert_eq!(
        rows(
            &server,
            &format!("/api/consumption_ledger?account_id=eq.{account}&select=event_id")
        )
        .len(),
        LIMIT
    );
    let question = json!({"p_account_id": account, "p_resource_type": "benchmark_runs"});
    let (_, standing) = server.post("/api/rpc/check_entitlement", &question);
    assert_eq!(standing[0]["quantity_used"], json!(LIMIT));
}

fn of_5000_attempts_at_1000_seats_exactly_1000_are_taken(home: fn() -> Home) {
    let home = home();
    let server = Server::demo_on(&home);
    let account = limited_account(&server, "concurrent_users", "concurrency");
    let body = |attempt: usize| json!({"p_account_id": account, "p_resource_type": "concurrent_users", "p_session_token": format!("session-{attempt}")});
    let passed = race(
        &server.address(),
        "/api/rpc/acquire_lease",
        body,
        |answer| answer[0]["success"] == json!(true),
    );
    assert_eq!(passed, LIMIT);
    assert_eq!(
        rows(
            &server,
            &format!("/api/concurrency_leases?account_id=eq.{account}&select=lease_id")
        )
        .len(),
        LIMIT
    );
}

fn the_same_key_from_20_clients_at_once_is_one_event(home: fn() -> Home) {
    let home = home();
    let server = Server::demo_on(&home);
    let account = limited_account(&server, "benchmark_runs", "cumulative");
    for function in ["meter_consumption", "consume"] {
        let body = json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_quantity": 1,
                          "p_idempotency_key": format!("one {function}")});
        let events = Mutex::new(BTreeSet::new());
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let (status, answer) = server.post(&format!("/api/rpc/{function}"), &body);
                    assert_eq!(status, 200, "{answer}");
                    let event = if function == "consume" {
                        &answer[0]["event_id"]
                    } else {
                        &answer
                    };
                    events
                        .lock()
                        .unwrap()
                        .insert(event.as_str().unwrap().to_owned());
                });
            }
        });
        assert_eq!(events.into_inner().unwrap().len(), 1);
    }
    assert_eq!(
        rows(
            &server,
            &format!("/api/consumption_ledger?account_id=eq.{account}&select=event_id")
        )
        .len(),
        2
    );
}

/// Every client repeats what it got no answer to, with the same key, as a real one does.
fn kill_9_in_the_middle_loses_nothing_acknowledged_and_grants_nothing_twice(home: fn() -> Home) {
    let home = home();
    let mut server = Server::demo_on(&home);
    let account = limited_account(&server, "benchmark_runs", "cumulative");
    let body = |attempt: usize| {
        json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_quantity": 1,
               "p_idempotency_key": format!("run-{attempt}")})
        .to_string()
    };
    // What each attempt was told: nothing, or its event (null: refused).
    let told: Vec<Mutex<Option<Value>>> = (0..2 * LIMIT).map(|_| Mutex::new(None)).collect();
    let cut_off = AtomicUsize::new(0);
    for kill_after in [150, 400, 900, usize::MAX] {
        let address = server.address();
        let (next, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    loop {
                        let attempt = next.fetch_add(1, Ordering::Relaxed);
                        let Some(slot) = told.get(attempt) else {
                            return;
                        };
                        if slot.lock().unwrap().is_some() {
                            continue;
                        }
                        // No answer: the program is dead, and whether it was recorded is not known
                        // here.
                        let Ok((status, answer)) =
                            request(&address, "POST", "/api/rpc/consume", &body(attempt))
                        else {
                            cut_off.fetch_add(1, Ordering::Relaxed);
                            return;
                        };
                        assert_eq!(status, 200, "{answer}");
                        let answer: Value = serde_json::from_str(&answer).unwrap();
                        *slot.lock().unwrap() = Some(answer[0]["event_id"].clone());
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            if kill_after != usize::MAX {
                while answered.load(Ordering::Relaxed) < kill_after {
                    thread::yield_now();
                }
                server.kill_9_and_restart();
            }
        });
    }
    // At each of the three kills some were in the middle.
    assert!(cut_off.into_inner() >= 3);
    let acknowledged: BTreeSet<String> = told
        .iter()
        .filter_map(|slot| slot.lock().unwrap().clone()?.as_str().map(str::to_owned))
        .collect();
    let ledger = rows(
        &server,
        &format!("/api/consumption_ledger?account_id=eq.{account}&select=event_id"),
    );
    let recorded: BTreeSet<String> = ledger
        .iter()
        .map(|row| row["event_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((acknowledged.len(), ledger.len()), (LIMIT, LIMIT));
    assert_eq!(acknowledged, recorded);
    drop(server);
    let verify = Command::new(env!("CARGO_BIN_EXE_mec"))
        .args(["verify", "--store", &home.url()])
        .env_remove("MEC_STORE")
        .output();
    let verified = verify.unwrap();
    assert!(verified.status.success(), "{verified:?}");
}
