//! A PostgreSQL server of a test's own: made from the server's programs in a new directory, reached by a socket in it,
//! and gone with the test. No server that is already there is ever touched.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, Weak};

/// Where Debian keeps the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The port is only a part of the socket's name.
const PORT: &str = "5432";
const USER: &str = "mec";
/// How a null is shown.
pub(crate) const NULL: &str = "(null)";

/// A running server.
#[derive(Debug)]
pub(crate) struct Cluster {
    server: Mutex<Option<Child>>,
    programs: PathBuf,
    databases: AtomicU32,
    /// The name of a database that others are copied from.
    made: Mutex<Option<String>>,
    dir: tempfile::TempDir,
}

impl Cluster {
    /// The server that the tests of this process share, started by the first.
    pub(crate) fn shared() -> std::sync::Arc<Self> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let cluster = std::sync::Arc::new(Self::start(&[]));
            *shared = std::sync::Arc::downgrade(&cluster);
            cluster
        })
    }

    /// A server of its own with these settings.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let programs = programs();
        // The socket's path must be short.
        let dir = tempfile::Builder::new().prefix("mec-pg").tempdir().unwrap();
        let data = dir.path().join("data");
        if is_root() {
            own(dir.path());
        }
        let mut make = as_nobody(&programs.join("initdb"));
        make.args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--username", USER]);
        // Another order of text than by its bytes shows where a statement relies on the database's own.
        make.args(["--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8"]).arg("-D").arg(&data);
        let made = make.current_dir("/").output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let cluster = Self { server: Mutex::default(), programs, databases: AtomicU32::new(0), made: Mutex::default(), dir };
        cluster.run(settings);
        cluster
    }

    /// Starts the server, which is not running.
    pub(crate) fn run(&self, settings: &[&str]) {
        let mut command = as_nobody(&self.programs.join("postgres"));
        command.arg("-D").arg(self.dir.path().join("data")).arg("-k").arg(self.dir.path()).args(["-p", PORT]);
        command.args(["-c", "listen_addresses=", "-c", "max_connections=200"]);
        // Nobody follows it and nobody needs it tomorrow, so it writes no more than it must.
        for setting in ["wal_level=minimal", "max_wal_senders=0", "full_page_writes=off", "checkpoint_timeout=1h"] {
            command.args(["-c", setting]);
        }
        for setting in settings {
            command.args(["-c", setting]);
        }
        let mut server = command.current_dir("/").stderr(Stdio::piped()).spawn().expect("postgres runs");
        let mut log = BufReader::new(server.stderr.take().expect("it is piped"));
        let mut told = String::new();
        while !told.contains("database system is ready to accept ") {
            let read = log.read_line(&mut told).expect("the server's log is read");
            assert!(read > 0, "the server has ended: {told}");
        }
        // It must not wait for a reader of its log.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
    }

    /// Makes the stopped server one that only follows another from its next start on.
    pub(crate) fn become_standby(&self) {
        std::fs::write(self.dir.path().join("data/standby.signal"), "").unwrap();
    }

    /// Stops the server as `signal` says: `INT` ends its connections, `QUIT` ends it at once.
    pub(crate) fn stop(&self, signal: &str) {
        if let Some(mut server) = self.server.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let told = signalled(&server, signal);
            assert!(told.is_ok_and(|status| status.success()));
            server.wait().expect("the server ends");
        }
    }

    /// The address of a new, empty database.
    pub(crate) fn database(&self) -> String {
        self.copy("template1")
    }

    /// The address of a new database that is as another is now; nobody may be connected to that one.
    pub(crate) fn copy(&self, of: &str) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {of}"));
        self.url(&name)
    }

    /// The database that `make` made of a new one, made once.
    pub(crate) fn made_once(&self, make: impl FnOnce(&str)) -> String {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.get_or_insert_with(|| {
            let url = self.database();
            make(&url);
            let others = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", name_of(&url));
            self.wait_for("postgres", &others, "0");
            name_of(&url).to_owned()
        })
        .clone()
    }

    /// Asks until the answer is `wanted`.
    pub(crate) fn wait_for(&self, database: &str, sql: &str, wanted: &str) {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let answer = self.sql(database, sql);
            if answer == [wanted] {
                return;
            }
            assert!(std::time::Instant::now() < end, "{sql}: still {answer:?}");
        }
    }

    pub(crate) fn url(&self, database: &str) -> String {
        let socket = self.dir.path().display().to_string().replace('/', "%2F");
        format!("postgres://{USER}@{socket}:{PORT}/{database}")
    }

    /// Runs statements outside of what is tested and answers what they show, a line a row.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> Vec<String> {
        self.psql(&["-q"], database, sql)
    }

    /// The same, and what the server says it did.
    pub(crate) fn sql_told(&self, database: &str, sql: &str) -> Vec<String> {
        self.psql(&[], database, sql)
    }

    /// What the server says to a statement it refuses.
    pub(crate) fn refused(&self, database: &str, sql: &str) -> String {
        let done = self.run_psql(&[], database, sql);
        assert!(!done.status.success(), "{sql} is not refused");
        String::from_utf8(done.stderr).unwrap()
    }

    fn psql(&self, how: &[&str], database: &str, sql: &str) -> Vec<String> {
        let done = self.run_psql(how, database, sql);
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    fn run_psql(&self, how: &[&str], database: &str, sql: &str) -> std::process::Output {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-A", "-t", "-P", &format!("null={NULL}"), "-v", "ON_ERROR_STOP=1", "-p", PORT, "-U", USER]);
        psql.args(how).args(["-d", database, "-h"]).arg(self.dir.path()).args(["-f", "-"]);
        let mut psql = psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("psql runs");
        psql.stdin.take().expect("it is piped").write_all(sql.as_bytes()).expect("psql reads");
        psql.wait_with_output().expect("psql ends")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let told = signalled(&server, "QUIT");
            if !told.is_ok_and(|status| status.success()) {
                drop(server.kill());
            }
            drop(server.wait());
        }
    }
}

/// The name of the database in an address.
pub(crate) fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

/// The directory of the server's programs, the newest version's where there are several.
fn programs() -> PathBuf {
    let mut places: Vec<PathBuf> = std::fs::read_dir(DEBIAN)
        .map(|versions| versions.filter_map(Result::ok).map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    places.sort_by_key(|place| {
        let version = place.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok());
        std::cmp::Reverse(version)
    });
    places.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let found = places.into_iter().find(|place| place.join("initdb").is_file() && place.join("postgres").is_file());
    found.expect(
        "a PostgreSQL server's programs (Debian: apt-get install postgresql); `cargo xtask test` skips these tests without",
    )
}

/// A program as a user that is not root, which a server refuses to be.
fn as_nobody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
    command
}

fn own(dir: &Path) {
    let owned = Command::new("chown").arg("nobody:nogroup").arg(dir).status();
    assert!(owned.is_ok_and(|status| status.success()), "the directory is given to the server's user");
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// By the shell's own `kill`: not every machine has the program.
fn signalled(server: &Child, signal: &str) -> std::io::Result<std::process::ExitStatus> {
    Command::new("sh").args(["-c", "kill \"-$1\" \"$2\"", "sh", signal, &server.id().to_string()]).status()
}
