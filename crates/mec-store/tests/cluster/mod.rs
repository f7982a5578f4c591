//! A PostgreSQL server of a test's own: made from the server's programs in a new directory, reached
//! by a socket in it, and gone with the test's process, however that ends. No server that is
//! already there is ever touched.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Where Debian keeps the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The port is only a part of the socket's name.
const PORT: &str = "5432";
const USER: &str = "mec";
/// A role without any right of its own.
pub(crate) const APP_ROLE: &str = "mec_app";
/// How a null is shown.
pub(crate) const NULL: &str = "(null)";
/// Runs the server of $1, the rest being its command, until it is told the name of a signal to end
/// it with. Told nothing, its test was killed: then the directory goes too, which nobody else would
/// tidy.
const KEEPER: &str = "dir=$1; shift; \"$@\" & server=$!; exec 2>/dev/null; read -r signal || signal=; \
     kill -\"${signal:-QUIT}\" \"$server\"; wait \"$server\"; [ \"$signal\" ] || rm -rf \"$dir\"";

/// A running server.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// What runs it and ends it.
    keeper: Mutex<Option<Child>>,
    /// Everything it has said.
    log: Arc<Mutex<String>>,
    programs: PathBuf,
    databases: AtomicU32,
    /// The name of a database that others are copied from.
    made: Mutex<Option<String>>,
    dir: tempfile::TempDir,
}

impl Cluster {
    /// The server that the tests of this process share, started by the first and ended with the
    /// process.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Cluster>> = OnceLock::new();
        SHARED.get_or_init(|| Arc::new(Self::start(&[]))).clone()
    }

    /// A server of its own with these settings.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let cluster = Self::empty();
        let mut make = as_nobody(&cluster.programs.join("initdb"));
        make.args([
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
            "--username",
            USER,
        ]);
        // Another order of text than by its bytes shows where a statement relies on the database's
        // own.
        make.args([
            "--locale-provider=icu",
            "--icu-locale=en-US",
            "--locale=C.UTF-8",
        ])
        .arg("-D")
        .arg(cluster.data());
        done(&mut make);
        cluster.run(settings);
        cluster.sql("postgres", &format!("CREATE ROLE {APP_ROLE} LOGIN"));
        cluster
    }

    /// A server that follows this one, which has settings that let it be followed, under a name.
    pub(crate) fn followed_by(&self, name: &str, settings: &[&str]) -> Self {
        let follower = Self::empty();
        let mut copy = as_nobody(&self.programs.join("pg_basebackup"));
        copy.arg("-h").arg(self.dir.path()).args([
            "-p",
            PORT,
            "-U",
            USER,
            "--checkpoint=fast",
            "--no-sync",
        ]);
        done(copy.arg("-D").arg(follower.data()));
        follower.become_standby();
        let from = format!(
            "primary_conninfo=host={} port={PORT} user={USER} application_name={name}",
            self.dir.path().display()
        );
        follower.run(&[settings, &[&from]].concat());
        follower
    }

    /// A directory without a server.
    fn empty() -> Self {
        // The socket's path must be short.
        let dir = tempfile::Builder::new().prefix("mec-pg").tempdir().unwrap();
        if is_root() {
            own(dir.path());
        }
        let (keeper, log, made) = (Mutex::default(), Arc::default(), Mutex::default());
        Self {
            keeper,
            log,
            programs: programs(),
            databases: AtomicU32::new(0),
            made,
            dir,
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Starts the server, which is not running.
    pub(crate) fn run(&self, settings: &[&str]) {
        let mut command = as_nobody(Path::new("sh"));
        command
            .args(["-c", KEEPER, "sh"])
            .arg(self.dir.path())
            .arg(self.programs.join("postgres"));
        command
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.dir.path())
            .args(["-p", PORT]);
        command.args([
            "-c",
            "listen_addresses=",
            "-c",
            "max_connections=200",
            "-c",
            "log_line_prefix=%a: ",
        ]);
        // Nobody follows it and nobody needs it tomorrow, so it writes no more than it must.
        for setting in [
            "wal_level=minimal",
            "max_wal_senders=0",
            "full_page_writes=off",
            "checkpoint_timeout=1h",
        ] {
            command.args(["-c", setting]);
        }
        // A new database is written into the log whole: without a bound, the log of a run takes a
        // gigabyte.
        command.args(["-c", "min_wal_size=32MB", "-c", "max_wal_size=128MB"]);
        for setting in settings {
            command.args(["-c", setting]);
        }
        command
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut keeper = command.spawn().expect("a shell runs");
        let mut said = BufReader::new(keeper.stderr.take().expect("it is piped"));
        let mut told = String::new();
        while !told.contains("database system is ready to accept ") {
            let read = said.read_line(&mut told).expect("the server's log is read");
            assert!(read > 0, "the server has ended: {told}");
        }
        // It must not wait for a reader of its log.
        let log = self.log.clone();
        std::thread::spawn(move || {
            let mut line = vec![];
            while said.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                log.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
    }

    /// Changes settings of the running server, which keeps them.
    pub(crate) fn set(&self, settings: &[(&str, &str)]) {
        for (name, value) in settings {
            self.sql("postgres", &format!("ALTER SYSTEM SET {name} = '{value}'"));
        }
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    /// What the server has said between two of its log's lines that hold these words.
    pub(crate) fn logged(&self, from: &str, to: &str) -> String {
        wait_until(&format!("the log tells of {to}"), || {
            let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            let start = log.find(from)?;
            let end = log[start..].find(to)?;
            Some(log[start..start + end].to_owned())
        })
    }

    /// Makes the stopped server one that only follows another from its next start on.
    pub(crate) fn become_standby(&self) {
        std::fs::write(self.data().join("standby.signal"), "").unwrap();
    }

    /// Stops the server as `signal` says: `INT` ends its connections, `QUIT` ends it at once.
    pub(crate) fn stop(&self, signal: &str) {
        if let Some(keeper) = self
            .keeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            end(keeper, signal).expect("the server ends");
        }
    }

    /// The address of a new, empty database.
    pub(crate) fn database(&self) -> String {
        self.copy("template1")
    }

    /// The address of a new database that is as another is now; nobody may be connected to that
    /// one.
    pub(crate) fn copy(&self, of: &str) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {of}"));
        self.url(&name)
    }

    /// Removes a database that no test needs any more, whoever still has it open. A run makes
    /// hundreds of them, and each takes about ten megabytes.
    pub(crate) fn remove(&self, database: &str) {
        self.sql(
            "postgres",
            &format!("DROP DATABASE {database} WITH (FORCE)"),
        );
    }

    /// The database that `make` made of a new one, made once.
    pub(crate) fn made_once(&self, make: impl FnOnce(&str)) -> String {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.get_or_insert_with(|| {
            let url = self.database();
            make(&url);
            let others = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'",
                name_of(&url)
            );
            self.wait_for("postgres", &others, "0");
            name_of(&url).to_owned()
        })
        .clone()
    }

    /// Asks until the answer is `wanted`.
    pub(crate) fn wait_for(&self, database: &str, sql: &str, wanted: &str) {
        wait_until(&format!("{sql}: {wanted}"), || {
            (self.sql(database, sql) == [wanted]).then_some(())
        });
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join(format!(".s.PGSQL.{PORT}"))
    }

    /// A database's address for the role that owns it.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_of(USER, database)
    }

    /// The same for the role of a serving node.
    pub(crate) fn app_url(&self, database: &str) -> String {
        self.url_of(APP_ROLE, database)
    }

    fn url_of(&self, role: &str, database: &str) -> String {
        let socket = self.dir.path().display().to_string().replace('/', "%2F");
        format!("postgres://{role}@{socket}:{PORT}/{database}")
    }

    /// Runs statements outside of what is tested and answers what they show, a line a row.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> Vec<String> {
        self.psql(USER, &["-q"], database, sql)
    }

    /// The same as this role.
    pub(crate) fn sql_of(&self, role: &str, database: &str, sql: &str) -> Vec<String> {
        self.psql(role, &["-q"], database, sql)
    }

    /// The same as the owner, and what the server says it did.
    pub(crate) fn sql_told(&self, database: &str, sql: &str) -> Vec<String> {
        self.psql(USER, &[], database, sql)
    }

    /// What the server says to a statement it refuses.
    pub(crate) fn refused(&self, database: &str, sql: &str) -> String {
        self.refused_to(USER, database, sql)
    }

    /// What the server says to a statement it refuses this role.
    pub(crate) fn refused_to(&self, role: &str, database: &str, sql: &str) -> String {
        let done = self.run_psql(role, &[], database, sql);
        assert!(!done.status.success(), "{sql} is not refused");
        String::from_utf8(done.stderr).unwrap()
    }

    /// Runs a statement in a transaction that stays open.
    pub(crate) fn hold(&self, database: &str, sql: &str) -> Held {
        let mut psql = self.start_psql(USER, &["-q"], database);
        let told = psql.stdin.as_mut().expect("it is piped");
        told.write_all(format!("BEGIN; {sql};\n\\echo held\n").as_bytes())
            .expect("psql reads");
        let mut said = BufReader::new(psql.stdout.take().expect("it is piped")).lines();
        assert!(
            said.any(|line| line.is_ok_and(|line| line == "held")),
            "{sql}: psql has ended"
        );
        Held(psql)
    }

    fn psql(&self, role: &str, how: &[&str], database: &str, sql: &str) -> Vec<String> {
        let done = self.run_psql(role, how, database, sql);
        assert!(
            done.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn run_psql(
        &self,
        role: &str,
        how: &[&str],
        database: &str,
        sql: &str,
    ) -> std::process::Output {
        let mut psql = self.start_psql(role, how, database);
        psql.stdin
            .take()
            .expect("it is piped")
            .write_all(sql.as_bytes())
            .expect("psql reads");
        psql.wait_with_output().expect("psql ends")
    }

    fn start_psql(&self, role: &str, how: &[&str], database: &str) -> Child {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "-X",
            "-A",
            "-t",
            "-P",
            &format!("null={NULL}"),
            "-v",
            "ON_ERROR_STOP=1",
            "-p",
            PORT,
            "-U",
            role,
        ]);
        psql.args(how)
            .args(["-d", database, "-h"])
            .arg(self.dir.path())
            .args(["-f", "-"]);
        psql.stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql runs")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(keeper) = self
            .keeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            drop(end(keeper, "QUIT"));
        }
    }
}

/// Tells a server's keeper to end it, and waits until it has.
fn end(mut keeper: Child, signal: &str) -> std::io::Result<()> {
    if let Some(mut told) = keeper.stdin.take() {
        told.write_all(format!("{signal}\n").as_bytes())?;
    }
    keeper.wait().map(drop)
}

/// Looks until there is an answer, for no longer than anything here may take.
fn wait_until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        if let Some(answer) = look() {
            return answer;
        }
        assert!(std::time::Instant::now() < end, "not within 30 s: {what}");
        std::thread::yield_now();
    }
}

/// A transaction outside of what is tested, open until this is dropped.
pub(crate) struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

/// The name of the database in an address.
pub(crate) fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

/// The directory of the server's programs, the newest version's where there are several.
pub(crate) fn programs() -> PathBuf {
    let mut places: Vec<PathBuf> = std::fs::read_dir(DEBIAN)
        .map(|versions| {
            versions
                .filter_map(Result::ok)
                .map(|version| version.path().join("bin"))
                .collect()
        })
        .unwrap_or_default();
    places.sort_by_key(|place| {
        let version = place
            .parent()
            .and_then(Path::file_name)
            .and_then(|name| name.to_str()?.parse::<u32>().ok());
        std::cmp::Reverse(version)
    });
    places.extend(
        std::env::var_os("PATH")
            .iter()
            .flat_map(std::env::split_paths),
    );
    let found = places
        .into_iter()
        .find(|place| place.join("initdb").is_file() && place.join("postgres").is_file());
    found.expect(
        "a PostgreSQL server's programs (Debian: apt-get install postgresql); `cargo xtask test` skips these tests without",
    )
}

/// A program as a user that is not root, which a server refuses to be.
pub(crate) fn as_nobody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
        .arg(program);
    command
}

/// Runs a program to its end.
fn done(program: &mut Command) {
    let done = program.current_dir("/").output();
    let done = done.unwrap_or_else(|error| panic!("{program:?}: {error}"));
    assert!(
        done.status.success(),
        "{program:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

pub(crate) fn own(dir: &Path) {
    let owned = Command::new("chown")
        .arg("nobody:nogroup")
        .arg(dir)
        .status();
    assert!(
        owned.is_ok_and(|status| status.success()),
        "the directory is given to the server's user"
    );
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}
