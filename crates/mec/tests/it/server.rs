//! A running `mec`: started on a free port, killed on drop, and, on request, killed with SIGKILL
//! and started again on the same data.
//!
//! It relies on one promise of the program: as soon as it accepts connections, it prints a line on
//! stdout that holds `http://127.0.0.1:PORT`, or another address of the loopback network.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit};

use crate::home::{Home, on_both};

on_both!(
    a_new_store_is_healthy_and_has_no_plans,
    the_demo_has_its_plans_before_and_after_kill_9,
    a_server_asked_to_stop_ends_with_success,
);

/// Long enough to fill the demo's store with an unoptimised build on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(180);
/// A request that takes longer is a hang, not a slow answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
const ADDRESS_PREFIX: &str = "http://127.";

/// A `mec` process that accepts connections. Dropping it kills it.
pub(crate) struct Server {
    arguments: Vec<OsString>,
    process: Process,
}

struct Process {
    child: Child,
    port: u16,
    said: Arc<Mutex<String>>,
}

impl Server {
    /// `mec demo` on a data directory, which is filled on the first start and only opened later.
    pub(crate) fn demo(data: &Path) -> Server {
        Server::start(&["demo".as_ref(), "--data".as_ref(), data.as_os_str()])
    }

    /// `mec demo` on a store of a test's own.
    pub(crate) fn demo_on(home: &Home) -> Server {
        match home {
            Home::Sqlite(directory) => Server::demo(directory.path()),
            Home::Postgres(_, url) => {
                Server::start(&["demo".as_ref(), "--store".as_ref(), url.as_ref()])
            }
        }
    }

    /// `mec serve` on a SQLite file; a new file has no plans.
    pub(crate) fn serve(file: &Path) -> Server {
        let mut store = OsString::from("sqlite:");
        store.push(file);
        Server::start(&["serve".as_ref(), "--store".as_ref(), &store])
    }

    /// `mec serve` on any store.
    pub(crate) fn on(store: &str) -> Server {
        Server::start(&["serve".as_ref(), "--store".as_ref(), store.as_ref()])
    }

    /// The same with the settings of a file.
    pub(crate) fn configured(store: &str, file: &Path) -> Server {
        Server::start(&[
            "serve".as_ref(),
            "--store".as_ref(),
            store.as_ref(),
            "--config".as_ref(),
            file.as_os_str(),
        ])
    }

    /// `mec serve` on any store at another address of this machine, with further options.
    pub(crate) fn beside(store: &str, ip: IpAddr, options: &[&str]) -> Server {
        let listen = format!("{ip}:0");
        let arguments = ["serve", "--store", store, "--listen", &listen]
            .into_iter()
            .chain(options.iter().copied());
        let arguments: Vec<OsString> = arguments.map(OsString::from).collect();
        let process = Process::start(&arguments);
        Server { arguments, process }
    }

    fn start(arguments: &[&OsStr]) -> Server {
        let mut arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        arguments.extend(["--listen".into(), "127.0.0.1:0".into()]);
        let process = Process::start(&arguments);
        Server { arguments, process }
    }

    /// `127.0.0.1:PORT`; another one after every restart.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.process.port)
    }

    /// Ends the process as a power cut would, without a word to it, and starts it on the same data.
    pub(crate) fn kill_9_and_restart(&mut self) {
        self.process.kill_9();
        self.process = Process::start(&self.arguments);
    }

    /// Asks the process to stop, as `systemctl stop` or `docker stop` do, and waits for its end.
    pub(crate) fn stop(mut self) -> ExitStatus {
        ask_to_stop(&self.process.child);
        self.process.child.wait().unwrap()
    }

    /// Waits until the process ends by itself.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.process.child.wait().unwrap()
    }

    /// Lets the process write files of at most so many bytes.
    pub(crate) fn limit_files(&self, bytes: u64) {
        let pid = i32::try_from(self.process.child.id()).ok();
        let limit = Rlimit {
            current: Some(bytes),
            maximum: None,
        };
        rustix::process::prlimit(pid.and_then(Pid::from_raw), Resource::Fsize, limit).unwrap();
    }

    /// Everything the process has printed since its last start.
    pub(crate) fn said(&self) -> String {
        self.process.said.lock().unwrap().clone()
    }

    /// One GET on a connection of its own: status and body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        request(&self.address(), "GET", path, "").unwrap()
    }

    /// The same as an operator's program, on the port that the store's note names for them.
    pub(crate) fn get_as_operator(store: &Path, path: &str) -> (u16, String) {
        let note = std::fs::read_to_string(format!("{}.lock", store.display())).unwrap();
        let address = note.trim().rsplit("operators http://").next().unwrap();
        request_with(address, "GET", path, "X-Mec-Admin: 1\r\n", "").unwrap()
    }

    /// One POST of JSON on a connection of its own: status and the JSON of the body.
    pub(crate) fn post(&self, path: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
        let (status, body) = request(&self.address(), "POST", path, &body.to_string()).unwrap();
        (
            status,
            serde_json::from_str(&body).unwrap_or(serde_json::Value::Null),
        )
    }
}

/// The `HOST:PORT` that a process names in its first line.
pub(crate) fn address_of(process: &mut Child) -> String {
    let mut told = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut told)
        .unwrap();
    let address = told.trim().rsplit_once("http://");
    address.unwrap_or_else(|| panic!("{told}")).1.to_owned()
}

/// SIGTERM. By the shell's own `kill`: not every machine has the program.
pub(crate) fn ask_to_stop(process: &Child) {
    let pid = process.id().to_string();
    let asked = Command::new("sh")
        .args(["-c", "kill -TERM \"$1\"", "sh", &pid])
        .status()
        .unwrap();
    assert!(asked.success(), "kill -TERM {pid}: {asked}");
}

/// One request on a connection of its own: status and body, or why there is no whole answer.
pub(crate) fn request(
    address: &str,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<(u16, String)> {
    request_with(address, method, path, "", body)
}

/// The same with further header lines, each with its line end.
pub(crate) fn request_with(
    address: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
    // HTTP/1.0, so that the end of the body is the end of the stream.
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let parts = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
        let header = |name: &str| {
            head.lines()
                .find_map(|line| line.to_lowercase().strip_prefix(name).map(str::to_owned))
        };
        let length: Option<usize> =
            header("content-length: ").and_then(|length| length.parse().ok());
        let is_whole = length.is_none_or(|length| length == body.len());
        let status = head.split(' ').nth(1)?.parse().ok()?;
        is_whole.then(|| (status, body.to_owned()))
    });
    parts.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
}

impl Process {
    fn start(arguments: &[OsString]) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mec"))
            .args(arguments)
            .env_remove("MEC_STORE")
            .env_remove("MEC_LISTEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (found_port, port) = mpsc::channel();
        // Both streams are read to their end: a full pipe would stop the program.
        let stdout = child.stdout.take().unwrap();
        let heard = Arc::clone(&said);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                hear(&heard, &line);
                if let Some(port) = port_in(&line) {
                    // Later lines may name the port again, when nobody listens any more.
                    let _ = found_port.send(port);
                }
            }
        });
        let stderr = child.stderr.take().unwrap();
        let heard = Arc::clone(&said);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                hear(&heard, &line);
            }
        });
        let port = port.recv_timeout(STARTS_WITHIN);
        let mut process = Process {
            child,
            port: 0,
            said,
        };
        match port {
            Ok(port) => process.port = port,
            Err(why) => {
                process.kill_9();
                let what = match why {
                    RecvTimeoutError::Disconnected => "ended before it listened",
                    RecvTimeoutError::Timeout => "does not say where it listens",
                };
                let said = process.said.lock().unwrap().clone();
                panic!("mec {arguments:?} {what}; it said:\n{said}");
            }
        }
        process
    }

    /// SIGKILL, and the wait without which the data would still be in use.
    fn kill_9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, and a panic here would hide the test's own.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn hear(said: &Mutex<String>, line: &str) {
    let mut said = said.lock().unwrap();
    said.push_str(line);
    said.push('\n');
}

fn port_in(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once(ADDRESS_PREFIX)?.1.split_once(':')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit());
    rest[..digits.unwrap_or(rest.len())].parse().ok()
}

#[test]
fn the_port_is_read_from_the_line_that_names_it() {
    assert_eq!(port_in("listening on http://127.0.0.1:41234"), Some(41_234));
    assert_eq!(port_in("  curl http://127.0.0.1:8000/health"), Some(8000));
    assert_eq!(port_in("listening on http://127.9.8.7:41234"), Some(41_234));
    assert_eq!(port_in("listening on http://127.0.0.1:"), None);
    assert_eq!(port_in("listening on http://127.0.0.1:70000"), None);
    assert_eq!(port_in("opening the store"), None);
}

fn a_new_store_is_healthy_and_has_no_plans(home: fn() -> Home) {
    let home = home();
    let server = Server::on(&home.url());
    assert_eq!(
        server.get("/health"),
        (200, r#"{"status": "healthy"}"#.to_owned())
    );
    assert_eq!(server.get("/api/plans"), (200, "[]".to_owned()));
}

fn the_demo_has_its_plans_before_and_after_kill_9(home: fn() -> Home) {
    let home = home();
    let mut server = Server::demo_on(&home);
    let before = server.get("/api/plans?select=plan_id");
    assert_eq!(
        before,
        (200, r#"[{"plan_id":"trial-14d"},{"plan_id":"starter"},{"plan_id":"pro"},{"plan_id":"enterprise"}]"#.to_owned())
    );
    server.kill_9_and_restart();
    assert_eq!(server.get("/api/plans?select=plan_id"), before);
}

fn a_server_asked_to_stop_ends_with_success(home: fn() -> Home) {
    let home = home();
    let server = Server::on(&home.url());
    assert_eq!(server.get("/livez").0, 200);
    let said = server.said();
    let status = server.stop();
    assert!(status.success(), "{status}; it said:\n{said}");
}
