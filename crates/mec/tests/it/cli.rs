//! The command line as a shell meets it: what it prints, where, and its exit codes.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mec_engine::{Caller, Mec, NewAccount, Options, catalog_file};
use mec_kernel::{AccountId, Provision};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::home::Home;
use crate::server::{Server, ask_to_stop};

/// A directory of its own to run `mec` in, where nothing of the surroundings is set.
pub(crate) struct Shell {
    directory: TempDir,
    /// The database that is its store in the place of `mec.db`.
    database: Option<Home>,
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self::on(Home::sqlite())
    }

    /// One whose commands use this store.
    pub(crate) fn on(home: Home) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            database: home.is_postgres().then_some(home),
        }
    }

    /// One with a `mec.db` that holds the demo catalog and the account `acme` on plan starter.
    pub(crate) fn with_acme() -> (Self, AccountId) {
        Self::with_acme_on(Home::sqlite())
    }

    /// The same on this store.
    pub(crate) fn with_acme_on(home: Home) -> (Self, AccountId) {
        let shell = Self::on(home);
        let acme = shell.add_account("acme");
        (shell, acme)
    }

    /// The URL of the store that its commands use.
    pub(crate) fn store(&self) -> String {
        match &self.database {
            Some(database) => database.url(),
            None => format!("sqlite:{}", self.path("mec.db").display()),
        }
    }

    /// Gives the store the demo catalog and one more account on plan starter.
    pub(crate) fn add_account(&self, external_id: &str) -> AccountId {
        let url = self.store();
        let name = external_id.to_owned();
        block_on(async move {
            let mec = Mec::open(&url, Options::default()).await.unwrap();
            let caller = Caller::new("test", "api");
            let demo = catalog_file::parse(catalog_file::DEMO).unwrap();
            mec.change_catalog(&caller, move |current| demo.changes(current, false))
                .await
                .unwrap();
            let mut new = NewAccount::named(&name);
            new.0.external_id = Some(name.as_str().into());
            let account = mec.create_account(new, &caller).await.unwrap();
            assert_eq!(
                mec.provision(Provision::new(account.id, "starter"), &caller)
                    .await
                    .unwrap(),
                5
            );
            mec.close().await.unwrap();
            account.id
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mec"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        for name in [
            "MEC_DECISION_LOG",
            "MEC_DECISION_TRACE",
            "MEC_DECISIONS_KEPT_DAYS",
            "MEC_CONFIG",
            "MEC_JWT_SECRET",
            "MEC_JWT_AUDIENCE",
            "MEC_JWT_ROLE_CLAIM",
            "MEC_ANON_ROLE",
            "MEC_STORE",
            "MEC_SERVER",
            "MEC_LISTEN",
            "MEC_LOG",
            "MEC_LOG_FORMAT",
        ] {
            command.env_remove(name);
        }
        if let Some(database) = &self.database {
            command.env("MEC_STORE", database.url());
        }
        command
    }

    /// Runs `mec` with the words of `line`.
    pub(crate) fn run(&self, line: &str) -> Ran {
        Ran::of(self.command(&line.split_whitespace().collect::<Vec<_>>()))
    }

    /// Runs it with these variables set.
    fn run_with(&self, line: &str, variables: &[(&str, &str)]) -> Ran {
        let mut command = self.command(&line.split_whitespace().collect::<Vec<_>>());
        command.envs(variables.iter().copied());
        Ran::of(command)
    }

    /// Runs it and demands success.
    pub(crate) fn done(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(0), "mec {line}: {ran:?}");
        ran.stdout
    }
}

impl Ran {
    /// Runs a command to its end.
    pub(crate) fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Failed with `code`, saying `error: …` and `hint: …`.
    pub(crate) fn failed(&self, code: i32, error: &str, hint: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains(&format!("error: {error}")), "{self:?}");
        assert!(
            self.stderr
                .lines()
                .any(|line| line.starts_with("hint: ") && line.contains(hint)),
            "{self:?}"
        );
    }
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

#[test]
fn help_lists_every_command_and_the_exit_codes() {
    let help = Shell::new().done("--help");
    let commands = [
        "serve", "demo", "migrate", "catalog", "import", "export", "check", "meter", "plan",
        "copy", "backup", "restore", "verify", "prune", "config", "doctor",
    ];
    for command in commands {
        assert!(
            help.lines()
                .any(|line| line.trim_start().starts_with(command)),
            "{command} is missing in {help}"
        );
    }
    for code in [
        "0  done",
        "1  the answer is no",
        "2  ",
        "65  ",
        "66  ",
        "69  ",
        "74  ",
        "78  ",
    ] {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(code)),
            "{code} is missing in {help}"
        );
    }
}

#[test]
fn the_reference_in_the_docs_names_every_command_flag_and_exit_code() {
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md"))
        .unwrap();
    let shell = Shell::new();
    let commands = [
        "",
        "serve",
        "demo",
        "migrate",
        "catalog apply",
        "catalog diff",
        "catalog export",
        "import",
        "export",
        "check",
        "meter",
        "plan list",
        "plan show",
        "plan migrate",
        "plan simulate",
        "copy",
        "backup",
        "restore",
        "verify",
        "prune",
        "config",
        "doctor",
    ];
    for command in commands {
        assert!(
            docs.contains(&format!("mec {command}")),
            "docs/cli.md does not show mec {command}"
        );
        let help = shell.done(&format!("{command} --help"));
        for flag in help
            .split(|c: char| c.is_whitespace() || "[],`".contains(c))
            .filter(|word| word.starts_with("--"))
        {
            assert!(
                docs.contains(flag),
                "docs/cli.md does not name {flag} of mec {command}"
            );
        }
    }
    for code in [0, 1, 2, 65, 66, 69, 74, 78] {
        assert!(
            docs.contains(&format!("| {code} |")),
            "docs/cli.md does not list exit code {code}"
        );
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let shell = Shell::new();
    for line in [
        "",
        "srve",
        "serve --stor x",
        "check",
        "check acme runs --quantity many",
        "catalog apply",
        "catalog apply f --demo",
    ] {
        assert_eq!(shell.run(line).code, Some(2), "mec {line}");
    }
}

#[test]
fn the_demo_catalog_is_applied_once() {
    let shell = Shell::new();
    let first = shell.done("catalog apply --demo");
    assert!(
        first.contains("+ plan starter") && first.ends_with("applied\n"),
        "{first}"
    );
    assert_eq!(
        shell.done("catalog apply --demo"),
        "the catalog is as the file says\n"
    );
    assert_eq!(
        shell.done("catalog apply --demo --prune"),
        "the catalog is as the file says\n"
    );
}

#[test]
fn a_dry_run_shows_the_difference_and_changes_nothing() {
    let shell = Shell::new();
    assert!(
        shell
            .done("catalog apply --demo --dry-run")
            .contains("+ plan starter")
    );
    let diff = shell.run("catalog diff --demo -o json");
    assert_eq!(diff.code, Some(1));
    assert_eq!(diff.json()["applied"], json!(false));
    assert!(diff.json()["changes"].as_array().unwrap().len() > 10);
}

/// Whatever the process gives to new files.
#[test]
fn a_store_and_what_is_written_of_it_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let shell = Shell::new();
    let commands = "umask 000; \"$1\" migrate --store sqlite:mec.db && \"$1\" export --store sqlite:mec.db --output out.ndjson";
    let mut run = Command::new("sh");
    run.args(["-c", commands, "sh", env!("CARGO_BIN_EXE_mec")])
        .current_dir(shell.path(""))
        .env_remove("MEC_STORE");
    let done = run.output().unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    for name in ["mec.db", "mec.db.lock", "out.ndjson"] {
        let mode = fs::metadata(shell.path(name)).unwrap().permissions().mode();
        assert_eq!(format!("{:o}", mode & 0o777), "600", "{name}");
    }
}

#[test]
fn an_exported_catalog_differs_in_nothing() {
    let (shell, _) = Shell::with_acme();
    shell.done("catalog export --output catalog.toml");
    assert_eq!(
        fs::read_to_string(shell.path("catalog.toml")).unwrap(),
        shell.done("catalog export")
    );
    assert_eq!(
        shell.done("catalog diff catalog.toml --prune"),
        "the catalog is as the file says\n"
    );
}

#[test]
fn pruning_removes_what_the_file_does_not_name_and_nothing_that_is_used() {
    let (shell, _) = Shell::with_acme();
    shell.done("catalog export --output all.toml");
    let all = fs::read_to_string(shell.path("all.toml")).unwrap();
    shell.write(
        "more.toml",
        &format!("{all}\n[units.pallet]\nname = \"Pallet\"\ndimension = \"pallet\"\nfactor = 1\n"),
    );
    assert_eq!(
        shell.done("catalog apply more.toml"),
        "+ unit pallet: name = \"Pallet\", dimension = \"pallet\", factor = 1\napplied\n"
    );
    let stays = "everything in the file is in the catalog as the file says\n\
                 not in the file, and still in force (--prune removes it):\n= unit pallet\n";
    assert_eq!(shell.done("catalog apply all.toml"), stays);
    assert_eq!(
        shell.done("catalog apply all.toml --prune"),
        "- unit pallet\napplied\n"
    );
    // What is used stays, each with what uses it; the rest goes, as it was shown before.
    shell.write("nothing.toml", "");
    let shown = shell.run("catalog diff nothing.toml --prune");
    assert_eq!(shown.code, Some(1), "{shown:?}");
    let pruned = shell.done("catalog apply nothing.toml --prune");
    assert_eq!(pruned, format!("{}applied\n", shown.stdout));
    assert!(
        pruned.contains("- plan enterprise\n") && pruned.contains("- account type team\n"),
        "{pruned}"
    );
    let kept = "not in the file, and kept because something refers to it:\n\
                = plan starter: plan starter is in use by accounts that have or had it";
    assert!(pruned.contains(kept), "{pruned}");
    assert!(
        pruned.contains("= unit hour: ") && pruned.contains("= account type organization: "),
        "{pruned}"
    );
    let left = shell.done("catalog export");
    assert!(
        left.contains("[plans.starter]") && !left.contains("[plans.enterprise]"),
        "{left}"
    );
    let again = shell.done("catalog apply nothing.toml --prune");
    assert!(
        again.starts_with("everything in the file is in the catalog as the file says\n"),
        "{again}"
    );
    let stays = shell
        .run("catalog diff nothing.toml --prune -o json")
        .json()["stays"]
        .clone();
    assert!(
        stays
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["reason"].is_string()),
        "{stays}"
    );
    assert!(
        shell
            .done("catalog apply all.toml")
            .contains("+ plan enterprise")
    );
}

#[test]
fn a_rule_that_is_not_in_the_file_shows_in_the_difference() {
    let (shell, _) = Shell::with_acme();
    shell.done("catalog export --output all.toml");
    let all = fs::read_to_string(shell.path("all.toml")).unwrap();
    let rule = "[[rules]]\nresource = 'gpu_hours'\naction = 'warn'\npriority = 7\n";
    shell.write("more.toml", &format!("{all}\n{rule}"));
    shell.done("catalog apply more.toml");
    let shown = shell.run("catalog diff all.toml");
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(
        shown.stdout.contains("still in force") && shown.stdout.contains("= rule gpu_hours"),
        "{shown:?}"
    );
    let stays = shell.run("catalog diff all.toml -o json").json();
    assert_eq!(
        (
            stays["changes"].as_array().unwrap().len(),
            stays["stays"].as_array().unwrap().len()
        ),
        (0, 1),
        "{stays}"
    );
    assert!(
        shell
            .done("catalog apply all.toml --prune")
            .contains("- rule gpu_hours")
    );
    assert_eq!(
        shell.done("catalog diff all.toml"),
        "the catalog is as the file says\n"
    );
}

#[test]
fn a_wrong_catalog_file_is_told_with_its_line() {
    let shell = Shell::new();
    shell.done("migrate");
    shell.write("bad.toml", "[units.hour]\nnmae = 'Hour'\n");
    shell
        .run("catalog apply bad.toml")
        .failed(65, "line 2, units.hour.nmae: unknown key", "name");
    let missing = shell.run("catalog apply absent.toml");
    assert_eq!(missing.code, Some(66), "{missing:?}");
}

#[test]
fn check_answers_in_its_exit_code() {
    let (shell, acme) = Shell::with_acme();
    let cases = [
        ("acme benchmark_runs --quantity 1", 0, "allow"),
        ("acme benchmark_runs --quantity 100", 0, "allow"),
        ("acme benchmark_runs --quantity 101", 1, "block"),
        ("acme benchmark_runs", 0, "allow"),
        ("acme platform_access", 1, "deny"),
        ("acme gpu_hours --quantity 90 --unit minute", 0, "allow"),
    ];
    for (question, code, decision) in cases {
        for who in [
            question.to_owned(),
            question.replacen("acme", &acme.to_string(), 1),
        ] {
            let ran = shell.run(&format!("check {who} -o json"));
            assert_eq!(
                (ran.code, &ran.json()["decision"]),
                (Some(code), &json!(decision)),
                "check {who}"
            );
        }
    }
    let shown =
        shell.done("check acme benchmark_runs --quantity 1 --explain --attribute region=eu");
    assert!(
        shown
            .lines()
            .any(|line| line == "decision            allow"),
        "{shown}"
    );
    assert!(
        shown.contains("LEVEL") && shown.contains("Within entitlement"),
        "{shown}"
    );
}

#[test]
fn what_check_does_not_know_is_bad_input_with_a_hint() {
    let (shell, _) = Shell::with_acme();
    shell.run("check nobody benchmark_runs").failed(
        65,
        "There is no account \"nobody\" (MEC_ACCOUNT_NOT_FOUND)",
        "",
    );
    shell.run("check acme benchmark_rnus").failed(
        65,
        "There is no resource type",
        "benchmark_runs",
    );
    shell
        .run("check acme benchmark_runs --unit hour --quantity 1")
        .failed(65, "", "count");
    Shell::new().run("check acme benchmark_runs").failed(
        69,
        "mec.db does not exist",
        "mec migrate",
    );
}

#[test]
fn meter_records_a_key_once() {
    let (shell, _) = Shell::with_acme();
    let first = shell
        .run("meter acme benchmark_runs 2.5 --key run-1 -o json")
        .json();
    assert_eq!(first["status"], json!("recorded"));
    let again = shell
        .run("meter acme benchmark_runs 2.5 --key run-1 -o json")
        .json();
    assert_eq!(
        again,
        json!({ "event_id": first["event_id"], "status": "replayed" })
    );
    shell.run("meter acme benchmark_runs 3 --key run-1").failed(
        65,
        "The key \"run-1\" stands for something else",
        "new key",
    );
    let standing = shell.run("check acme benchmark_runs -o json").json();
    assert_eq!(standing["quantity_used"].to_string(), "2.5");
}

#[test]
fn everything_agrees_and_a_changed_row_is_a_finding() {
    let (shell, _) = Shell::with_acme();
    shell.done("meter acme benchmark_runs 2 --key run-1");
    assert!(
        shell
            .done("verify")
            .starts_with("everything agrees: 1 events")
    );
    assert_eq!(shell.run("verify -o json").json()["is_clean"], json!(true));

    let outside = rusqlite::Connection::open(shell.path("mec.db")).unwrap();
    let change = "DROP TRIGGER consumption_ledger_no_update; UPDATE consumption_ledger SET idempotency_key = 'run-2'";
    outside.execute_batch(change).unwrap();
    drop(outside);
    let ran = shell.run("verify");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stdout.starts_with("TABLE") && ran.stdout.contains("not everything agrees"),
        "{ran:?}"
    );
    assert_eq!(shell.run("verify -o json").json()["is_clean"], json!(false));
    Shell::new()
        .run("verify")
        .failed(66, "mec.db does not exist", "--store");
}

#[test]
fn commands_go_through_the_server_that_owns_the_store() {
    let (shell, _) = Shell::with_acme();
    let server = Server::serve(&shell.path("mec.db"));
    assert!(
        shell
            .done("meter acme benchmark_runs 2 --key run-1")
            .starts_with("recorded ")
    );
    assert!(
        shell
            .done("meter acme benchmark_runs 2 --key run-1")
            .starts_with("replayed ")
    );
    assert_eq!(
        shell.run("check acme benchmark_runs --quantity 99").code,
        Some(1)
    );
    assert_eq!(
        shell.done("catalog apply --demo"),
        "the catalog is as the file says\n"
    );
    assert_eq!(
        shell.done("catalog export"),
        Server::get_as_operator(&shell.path("mec.db"), "/admin/catalog").1
    );
    // These read the file beside it.
    assert!(
        shell
            .done("verify")
            .starts_with("everything agrees: 1 events")
    );
    assert_eq!(shell.done("export").lines().count(), 1);
    let elsewhere = Shell::new();
    elsewhere.done(&format!(
        "check acme benchmark_runs --server http://{}",
        server.address()
    ));
}

#[test]
fn a_second_process_is_told_whose_the_store_is() {
    let (shell, _) = Shell::with_acme();
    let server = Server::serve(&shell.path("mec.db"));
    let address = format!("http://{}", server.address());
    for line in ["serve --listen 127.0.0.1:0", "migrate"] {
        let ran = shell.run(line);
        ran.failed(69, "mec.db is in use by another process", "stop it");
        assert!(ran.stderr.contains(&address), "{ran:?}");
    }
}

#[test]
fn commands_without_a_server_wait_for_each_other() {
    let (shell, _) = Shell::with_acme();
    let children: Vec<_> = (0..6)
        .map(|number| {
            let key = format!("run-{number}");
            shell
                .command(&["meter", "acme", "benchmark_runs", "1", "--key", &key])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(
        shell.run("check acme benchmark_runs -o json").json()["quantity_used"],
        json!(6)
    );
}

#[test]
fn a_server_that_is_gone_is_told_at_once() {
    let (shell, _) = Shell::with_acme();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    shell
        .run(&format!(
            "check acme benchmark_runs --server http://{address}"
        ))
        .failed(69, "the server does not answer", "mec doctor");
    shell
        .run("check acme benchmark_runs --server https://mec.example")
        .failed(78, "\"https://mec.example\" is not a server", "http://");
}

#[test]
fn addresses_that_others_reach_are_refused() {
    let shell = Shell::new();
    for address in ["0.0.0.0:0", "[::]:0"] {
        shell.run(&format!("serve --listen {address}")).failed(
            78,
            &format!("{address} can be reached"),
            "127.0.0.1",
        );
    }
    assert!(!shell.path("mec.db").exists());
    shell
        .run("serve --listen nonsense")
        .failed(78, "\"nonsense\" is not an address", "HOST:PORT");
}

#[test]
fn a_second_signal_ends_a_server_that_still_answers() {
    let shell = Shell::new();
    let mut child = shell
        .command(&["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut told)
        .unwrap();
    let address = told.trim().rsplit_once("http://").unwrap().1.to_owned();
    // A request whose body never comes to its end is in flight until its time is over.
    let mut slow = TcpStream::connect(&address).unwrap();
    slow.write_all(b"POST /api/rpc/consume HTTP/1.1\r\nHost: mec\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n").unwrap();
    let mut asked_for = [0; 12];
    slow.read_exact(&mut asked_for).unwrap();
    assert_eq!(&asked_for, b"HTTP/1.1 100");
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    for heard in ["stopping: requests in flight are answered", "ended at once"] {
        ask_to_stop(&child);
        assert!(log.any(|line| line.unwrap().contains(heard)), "{heard}");
    }
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
}

#[test]
fn a_taken_port_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let shell = Shell::new();
    shell.run(&format!("serve --listen {address}")).failed(
        69,
        &format!("cannot listen on {address}"),
        "--listen",
    );
    let doctor = shell.run(&format!("doctor --listen {address} -o json"));
    assert_eq!(doctor.code, Some(1));
    let lines = doctor.json();
    let listen = lines
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["what"] == "listen")
        .unwrap();
    assert_eq!(listen["verdict"], json!("fail"));
}

#[test]
fn settings_come_from_flag_environment_file_and_default_in_this_order() {
    let shell = Shell::new();
    shell.write(
        "mec.toml",
        "store = \"sqlite:of-file.db\"\nlisten = \"127.0.0.1:1\"\nlog = \"warn\"\n",
    );
    let mut command = shell.command(&["config", "-o", "json", "--store", "sqlite:of-flag.db"]);
    command
        .env("MEC_STORE", "sqlite:of-environment.db")
        .env("MEC_LISTEN", "127.0.0.1:2");
    let settings = Ran::of(command).json();
    let cases = [
        ("store", "sqlite:of-flag.db", "--store"),
        ("listen", "127.0.0.1:2", "MEC_LISTEN"),
        ("log", "warn", "mec.toml"),
        ("log_format", "text", "default"),
    ];
    for (name, value, from) in cases {
        let expected = json!({ "name": name, "value": value, "from": from });
        assert!(
            settings.as_array().unwrap().contains(&expected),
            "{expected} is not in {settings}"
        );
    }
}

#[test]
fn a_password_is_not_shown() {
    let shown = Shell::new().done("config --store postgres://mec:s3cret@db/mec");
    assert!(
        shown.contains("postgres://mec:***@db/mec") && !shown.contains("s3cret"),
        "{shown}"
    );
}

#[test]
fn the_printed_example_is_a_configuration_that_changes_nothing() {
    let shell = Shell::new();
    let values = |settings: Value| -> Vec<Value> {
        settings
            .as_array()
            .unwrap()
            .iter()
            .map(|setting| setting["value"].clone())
            .collect()
    };
    let defaults = values(shell.run("config -o json").json());
    shell.write("mec.toml", &shell.done("config --example"));
    assert_eq!(values(shell.run("config -o json").json()), defaults);
}

#[test]
fn a_wrong_configuration_is_told_with_its_line() {
    let shell = Shell::new();
    shell.write(
        "typo.toml",
        "store = \"sqlite:a.db\"\nlsten = \"127.0.0.1:1\"\n",
    );
    shell.run("config --config typo.toml").failed(
        78,
        "typo.toml, line 2: there is no setting lsten",
        "--example",
    );
    shell.write("value.toml", "log_format = \"xml\"\n");
    shell.run("config --config value.toml").failed(
        78,
        "log_format is \"xml\" (value.toml)",
        "text or json",
    );
    assert_eq!(shell.run("config --config absent.toml").code, Some(66));
}

#[test]
fn migrate_makes_a_store_once() {
    let shell = Shell::new();
    assert_eq!(
        shell.done("migrate --store sqlite:new.db"),
        "sqlite:new.db migrated from schema 0 to 1\n"
    );
    assert_eq!(
        shell.done("migrate --store sqlite:new.db"),
        "sqlite:new.db has schema 1 already\n"
    );
    shell.write(
        "other.db",
        "not a database, but long enough to be looked at as one",
    );
    assert_eq!(shell.run("migrate --store sqlite:other.db").code, Some(74));
    shell
        .run("migrate --store mysql:x")
        .failed(78, "\"mysql:x\" is not a store", "sqlite:PATH");
    for flags in ["--distributed", "--app-role mec_app"] {
        shell
            .run(&format!("migrate --store sqlite:new.db {flags}"))
            .failed(78, "--app-role and --distributed are for", "postgres://");
    }
}

#[test]
fn the_doctor_finds_a_healthy_installation_healthy() {
    let (shell, _) = Shell::with_acme();
    let doctor = shell.run("doctor --listen 127.0.0.1:0 -o json");
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    let lines = doctor.json();
    let whats: Vec<&str> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        whats,
        [
            "configuration",
            "store",
            "schema",
            "disk space",
            "fsync",
            "clock",
            "SQLite",
            "listen"
        ]
    );
    let server = Server::serve(&shell.path("mec.db"));
    let shown = shell.done(&format!("doctor --listen {}", server.address()));
    assert!(
        shown.contains("is in use by the mec that serves this store"),
        "{shown}"
    );
}

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

#[test]
fn a_schema_that_is_not_this_programs_is_refused_with_what_to_do() {
    let shell = Shell::new();
    shell.done("migrate");
    let file = shell.path("mec.db");
    let fresh = fs::read(&file).unwrap();
    let cases = [
        (
            99,
            69,
            "has schema 99, this program knows up to 1",
            "newer mec",
        ),
        (0, 69, "has schema 0, this program reads 1", "mec migrate"),
    ];
    for (version, code, error, hint) in cases {
        // The schema's version stands in the header of the file.
        let mut bytes = fresh.clone();
        bytes[60..64].copy_from_slice(&u32::to_be_bytes(version));
        fs::write(&file, bytes).unwrap();
        for line in ["verify", "export"] {
            shell
                .run(line)
                .failed(code, &format!("{} {error}", file.display()), hint);
        }
    }
    shell.write("notes.db", &"These are notes and no database. ".repeat(100));
    assert_eq!(shell.run("verify --store sqlite:notes.db").code, Some(74));
}

#[test]
fn no_token_goes_to_an_address_from_the_working_directory() {
    let secret = [("MEC_JWT_SECRET", "a-secret-of-whoever-runs-the-command")];
    let shell = Shell::new();
    let planted = TcpListener::bind("127.0.0.1:0").unwrap();
    planted.set_nonblocking(true).unwrap();
    fs::write(
        shell.path("mec.toml"),
        format!("server = \"http://{}\"\n", planted.local_addr().unwrap()),
    )
    .unwrap();
    let ran = shell.run_with("check acme benchmark_runs", &secret);
    ran.failed(78, "no token is sent", "--server");
    // Nobody called at all, so not a byte of the token went out.
    assert_eq!(
        planted.accept().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    let ran = shell.run_with(
        "check acme benchmark_runs --server http://192.0.2.1:8000",
        &secret,
    );
    ran.failed(
        78,
        "http://192.0.2.1:8000 is another machine",
        "on the server's machine",
    );
}

#[test]
fn every_page_is_let_in_only_where_callers_are_asked() {
    let shell = Shell::new();
    fs::write(shell.path("mec.toml"), "cors_origins = \"*\"\n").unwrap();
    shell
        .run("config")
        .failed(78, "cors_origins (", "jwt_secret");
}

#[test]
fn more_connections_than_the_soft_limit_of_open_files_leave_health_reachable() {
    const FILES: usize = 256;
    let shell = Shell::new();
    let mut command = Command::new("sh");
    command.args([
        "-c",
        &format!("ulimit -Sn 64; ulimit -Hn {FILES}; exec \"$0\" serve --listen 127.0.0.1:0"),
        env!("CARGO_BIN_EXE_mec"),
    ]);
    let mut server = command
        .current_dir(shell.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.trim().rsplit("http://").next().unwrap().to_owned();
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let silent: Vec<TcpStream> = (0..2 * FILES)
        .map_while(|_| TcpStream::connect(&address).ok())
        .collect();
    let health = crate::server::request(&address, "GET", "/health", "");
    let open = fs::read_dir(format!("/proc/{}/fd", server.id()))
        .unwrap()
        .count();
    ask_to_stop(&server);
    server.wait().unwrap();
    assert_eq!(
        files.split_whitespace().nth(3),
        Some(FILES.to_string().as_str()),
        "{files}"
    );
    assert_eq!(silent.len(), 2 * FILES);
    assert_eq!(health.unwrap().0, 200);
    assert!(open < FILES, "{open} files are open");
}
