//! A `mec` process that can be killed, stopped and continued.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::request::address_in;

/// Runs the node that is its command and sends it each signal it is told the name of; told nothing
/// more, kills it.
const KEEPER: &str = "\"$@\" & node=$!; exec >/dev/null 2>&1; \
     while read -r signal; do kill -\"$signal\" \"$node\"; [ \"$signal\" = KILL ] && break; done; \
     kill -KILL \"$node\"; wait \"$node\"";

/// A node, running or not. Dropping it kills it.
pub(crate) struct Node {
    store: String,
    /// 0: it does not run.
    port: AtomicU16,
    has_ended: Mutex<Arc<AtomicBool>>,
    keeper: Mutex<Option<Child>>,
    said: Arc<Mutex<String>>,
}

impl Node {
    pub(crate) fn on(store: &str) -> Self {
        let port = AtomicU16::new(0);
        Self {
            store: store.to_owned(),
            port,
            has_ended: Mutex::default(),
            keeper: Mutex::default(),
            said: Arc::default(),
        }
    }

    /// Starts it; `false`: it has ended, because its store is away.
    pub(crate) fn start(&self) -> bool {
        let mut keeper = Command::new("sh");
        keeper.args([
            "-c",
            KEEPER,
            "sh",
            env!("CARGO_BIN_EXE_mec"),
            "serve",
            "--listen",
            "127.0.0.1:0",
        ]);
        keeper
            .args(["--store", &self.store, "--log", "warn"])
            .env_remove("MEC_STORE")
            .env_remove("MEC_LISTEN");
        keeper
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut keeper = keeper.spawn().expect("a shell runs");
        let stderr = BufReader::new(keeper.stderr.take().expect("it is piped"));
        let said = self.said.clone();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut said = said.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        let mut stdout = BufReader::new(keeper.stdout.take().expect("it is piped"))
            .lines()
            .map_while(Result::ok);
        let port = stdout
            .find_map(|line| address_in(&line))
            .map(|address| address.port());
        let has_ended: Arc<AtomicBool> = Arc::default();
        *self.has_ended.lock().unwrap() = has_ended.clone();
        thread::spawn(move || {
            stdout.for_each(drop);
            has_ended.store(true, Ordering::SeqCst);
        });
        *self.keeper.lock().unwrap() = Some(keeper);
        self.port.store(port.unwrap_or_default(), Ordering::SeqCst);
        if port.is_none() {
            self.kill();
        }
        port.is_some()
    }

    /// Where it answers, while it runs.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let port = self.port.load(Ordering::SeqCst);
        (port > 0).then(|| (Ipv4Addr::LOCALHOST, port).into())
    }

    /// Ends it as a power cut would, and waits for that.
    pub(crate) fn kill(&self) {
        self.port.store(0, Ordering::SeqCst);
        if let Some(mut keeper) = self.keeper.lock().unwrap().take() {
            drop(keeper.stdin.take());
            // It may have ended already, and a panic here would hide the test's own.
            drop(keeper.wait());
        }
    }

    /// Whether it has ended without having been killed.
    pub(crate) fn has_failed(&self) -> bool {
        self.address().is_some() && self.has_ended.lock().unwrap().load(Ordering::SeqCst)
    }

    /// `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let mut keeper = self.keeper.lock().unwrap();
        let told = keeper
            .as_mut()
            .and_then(|keeper| keeper.stdin.as_mut())
            .expect("it runs");
        told.write_all(format!("{name}\n").as_bytes())
            .expect("its keeper reads");
    }

    /// Everything it has written to its log.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
