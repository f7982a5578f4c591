//! A server of its own with something to read.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};

use crate::client::{Connection, Request};
use crate::home::Home;
use crate::process::Process;

/// The largest answer.
pub(crate) const ANSWER_MEGABYTES: u64 = 16;
/// The longest read.
const READ_SECONDS: u64 = 2;
/// Events of an account, in batches of 1,000.
const BATCHES: usize = 10;
const TEXT_BYTES: usize = 1 << 20;
/// Values of a document, nearly as many as one request can hold.
const MANY: usize = 160_000;

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) account: String,
    /// An account with large values.
    pub(crate) planted: String,
    server: Process,
    _home: Home,
}

fn mec(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mec"));
    command
        .args(arguments)
        .env_remove("MEC_STORE")
        .env_remove("MEC_LISTEN")
        .env_remove("MEC_CONFIG");
    command.env("MEC_ANSWER_MEGABYTES", ANSWER_MEGABYTES.to_string());
    command.env("MEC_READ_TIMEOUT_SECONDS", READ_SECONDS.to_string());
    command
}

impl World {
    pub(crate) fn make(home: Home) -> Self {
        let store = home.url();
        let made = mec(&["catalog", "apply", "--demo", "--store", &store])
            .output()
            .expect("it runs");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut server = Process::start(&mec(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--log",
            "error",
            "--store",
            &store,
        ]));
        let address = server.line(|line| line.split_once("http://")?.1.parse().ok());
        let Some(address) = address else {
            panic!("mec serve does not start: {}", server.kill())
        };
        let mut world = Self {
            address,
            account: String::new(),
            planted: String::new(),
            server,
            _home: home,
        };
        world.fill();
        world
    }

    fn fill(&mut self) {
        let account = |metadata: Value| {
            self.done(
                "/api/accounts",
                &json!({"display_name": "Acme", "metadata": metadata}),
            )[0]["account_id"]
                .as_str()
                .expect("an account has an id")
                .to_owned()
        };
        let planted = account(
            json!({"text": "ab".repeat(TEXT_BYTES / 2), "many": vec![json!({"a": 0}); MANY]}),
        );
        let account = account(Value::Null);
        let others: Vec<Value> = (0..900)
            .map(|at| json!({"display_name": format!("{at}"), "metadata": {"a1": at, "a2": "x"}}))
            .collect();
        self.done("/api/accounts", &json!(others));
        let row = json!({"account_id": account, "resource_type_code": "benchmark_runs", "limit_kind_code": "cumulative",
            "quantity_allowed": 1_000_000_000});
        self.done("/api/entitlements", &row);
        for batch in 0..BATCHES {
            let event = |at| {
                json!({"idempotency_key": format!("{batch}-{at}"), "account_id": account,
                "resource_type": "benchmark_runs", "quantity": 1, "details": {"of": "a batch", "at": at}})
            };
            let events: Vec<Value> = (0..1_000).map(event).collect();
            self.done("/api/rpc/meter_batch", &json!({"p_events": events}));
        }
        (self.account, self.planted) = (account, planted);
    }

    fn done(&self, path: &str, body: &Value) -> Value {
        let request = Request::post(path, body).with("Prefer: return=representation");
        let (status, body) = Connection::to(self.address)
            .and_then(|mut to| to.ask(&request))
            .expect("it answers");
        assert!(
            matches!(status, 200 | 201),
            "{path}: {status} {}",
            String::from_utf8_lossy(&body)
        );
        serde_json::from_slice(&body).expect("an answer is JSON")
    }

    /// The most memory that the server has had so far, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.pid))
            .expect("the server runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("its peak is told");
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .expect("a number")
            << 10
    }
}
