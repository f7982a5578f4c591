//! What a server does beside its main port: the ports of a PostgREST, and its log.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::home::{Home, on_both};
use crate::server::{Server, request, request_with};

on_both!(
    clients_of_a_postgrest_find_it_at_its_ports,
    one_line_tells_of_each_request_and_every_line_of_it_has_its_id,
);

/// Fixed ports, so on an address of the loopback network where nobody else has them.
fn free_address() -> Option<IpAddr> {
    let id = std::process::id();
    let [_, _, high, low] = id.to_be_bytes();
    let free = |ip: &IpAddr| {
        [3000, 8005]
            .into_iter()
            .all(|port| TcpListener::bind((*ip, port)).is_ok())
    };
    (2..250)
        .map(|net| IpAddr::V4(Ipv4Addr::new(127, net, high, low)))
        .find(free)
}

/// Both stores' tests look for free ports in the same places; one at a time has them.
static PORTS: Mutex<()> = Mutex::new(());

fn clients_of_a_postgrest_find_it_at_its_ports(home: fn() -> Home) {
    let _ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(ip) = free_address() else {
        println!(
            "not done: no address of this machine's loopback network has the ports 3000 and 8005 free"
        );
        return;
    };
    let home = home();
    let server = Server::beside(&home.url(), ip, &["--compat-ports"]);
    let ask = |port: u16, method: &str, path: &str, body: &Value| {
        let (status, answer) =
            request(&format!("{ip}:{port}"), method, path, &body.to_string()).expect("an answer");
        (
            status,
            serde_json::from_str::<Value>(&answer).unwrap_or(Value::String(answer)),
        )
    };
    let type_of = json!({"account_type_code": "organization"});
    assert_eq!(ask(3000, "POST", "/account_types", &type_of).0, 201);
    let made = ask(
        3000,
        "POST",
        "/accounts",
        &json!({"display_name": "Acme", "external_id": "acme"}),
    );
    assert_eq!(made.0, 201, "{made:?}");
    let read = ask(3000, "GET", "/accounts?select=external_id", &Value::Null);
    assert_eq!(read, (200, json!([{"external_id": "acme"}])));
    let denied = json!({"p_external_id": "acme", "p_resource_type": "nothing"});
    let called = ask(3000, "POST", "/rpc/check_entitlement", &denied);
    assert_eq!(
        (called.0, &called.1["code"]),
        (404, &json!("MEC_RESOURCE_NOT_FOUND"))
    );
    // What is an operator's is nobody's here.
    assert_eq!(ask(3000, "GET", "/admin/catalog", &Value::Null).0, 404);
    assert_eq!(
        ask(8005, "GET", "/health", &Value::Null),
        (200, json!({"status": "healthy"}))
    );
    let webhook = ask(8005, "POST", "/webhooks/stripe", &json!({}));
    assert_eq!(
        (webhook.0, &webhook.1["code"]),
        (404, &json!("MEC_NOT_BUILT"))
    );
    assert!(server.stop().success());
    // A server without the option leaves the ports alone.
    let server = Server::beside(&home.url(), ip, &[]);
    assert!(
        [3000, 8005]
            .into_iter()
            .all(|port| TcpListener::bind((ip, port)).is_ok())
    );
    assert!(server.stop().success());
}

/// The lines of the log since the server began to serve, once `answered` of them tell of a request.
fn log_lines(server: &Server, answered: usize) -> Vec<Value> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let lines = server.said();
        let lines = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines: Vec<Value> = lines
            .skip_while(|line| line["message"] != "serving")
            .skip(1)
            .collect();
        if lines
            .iter()
            .filter(|line| line["message"] == "answered")
            .count()
            >= answered
        {
            return lines;
        }
        assert!(Instant::now() < end, "the log has {lines:?}");
        std::thread::yield_now();
    }
}

fn one_line_tells_of_each_request_and_every_line_of_it_has_its_id(home: fn() -> Home) {
    let home = home();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mec.toml");
    std::fs::write(&file, "log = \"info\"\nlog_format = \"json\"\n").unwrap();
    let server = Server::configured(&home.url(), &file);
    let asked = json!({"p_external_id": "a secret name", "p_resource_type": "runs"}).to_string();
    let requests = [
        (
            "first",
            "GET",
            "/api/plans?select=plan_id&plan_id=eq.secret",
            "",
            200,
            "/api/plans?select&plan_id",
        ),
        (
            "second",
            "POST",
            "/api/rpc/check_entitlement",
            asked.as_str(),
            404,
            "/api/rpc/check_entitlement",
        ),
        (
            "third",
            "GET",
            "/nothing/of/that/name",
            "",
            404,
            "/nothing/of/that/name",
        ),
        (
            "fourth",
            "POST",
            "/api/accounts",
            "{not JSON",
            400,
            "/api/accounts",
        ),
        ("fifth", "GET", "/readyz", "", 200, "/readyz"),
    ];
    for (id, method, path, body, status, _) in requests {
        let header = format!("X-Request-Id: {id}\r\n");
        assert_eq!(
            request_with(&server.address(), method, path, &header, body)
                .unwrap()
                .0,
            status,
            "{id}"
        );
    }
    let lines = log_lines(&server, requests.len());
    for (id, method, _, _, status, shown) in requests {
        let of_request: Vec<&Value> = lines
            .iter()
            .filter(|line| line["span"]["id"] == id)
            .collect();
        let told: Vec<&&Value> = of_request
            .iter()
            .filter(|line| line["message"] == "answered")
            .collect();
        assert_eq!(told.len(), 1, "{id}: {of_request:?}");
        let line = told[0];
        assert_eq!(
            (
                &line["level"],
                &line["method"],
                &line["path"],
                &line["status"]
            ),
            (
                &json!("INFO"),
                &json!(method),
                &json!(shown),
                &json!(status)
            ),
            "{id}"
        );
        assert!(
            line["micros"].as_u64().is_some_and(|micros| micros > 0),
            "{line}"
        );
    }
    // Nothing else happened, so no line is of no request.
    let nameless: Vec<&Value> = lines
        .iter()
        .filter(|line| !line["span"]["id"].is_string())
        .collect();
    assert_eq!(nameless, Vec::<&Value>::new());
    assert!(!server.said().contains("secret"), "{}", server.said());
}

/// A service manager can limit the size of files, and the system then ends whoever writes beyond.
#[test]
fn a_server_whose_file_may_not_grow_says_why_it_ends_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::demo(directory.path());
    let meter = |server: &Server, number: u32| {
        let event = json!({
            "p_idempotency_key": format!("grow-{number}"), "p_external_id": "demo_birch",
            "p_resource_type": "benchmark_runs", "p_quantity": 1,
            "p_details": { "text": "x".repeat(8_000) },
        });
        server.post("/api/rpc/meter_consumption", &event)
    };
    assert_eq!(meter(&server, 0).0, 200);
    let size = |name: &str| {
        let file = std::fs::metadata(directory.path().join(name));
        file.unwrap().len()
    };
    server.limit_files(size("mec.db").max(size("mec.db-wal")) + (64 << 10));
    let full = (1..2_000).find_map(|number| {
        let (status, body) = meter(&server, number);
        (status != 200).then_some((number, status, body))
    });
    let (number, status, body) = full.expect("the file comes to its limit");
    assert_eq!(status, 503, "{body}");
    assert_eq!(server.ended().code(), Some(74));
    let again = Server::demo(directory.path());
    for number in 0..=number {
        assert_eq!(meter(&again, number).0, 200);
    }
    let kept = again.get("/api/consumption_ledger?idempotency_key=like.grow-*&select=event_id");
    let kept: Value = serde_json::from_str(&kept.1).unwrap();
    let events = usize::try_from(number).unwrap() + 1;
    assert_eq!(kept.as_array().map(Vec::len), Some(events));
}
