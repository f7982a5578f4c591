//! A directory in which a test runs `mec` commands, and what they leave.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use mec_engine::{Caller, Mec, NewAccount, Options, catalog_file};
use mec_kernel::{AccountId, Provision};
use serde_json::Value;
use tempfile::TempDir;

use crate::home::Home;

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
    pub(crate) fn run_with(&self, line: &str, variables: &[(&str, &str)]) -> Ran {
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

    /// That key of each of its rows.
    pub(crate) fn column(&self, key: &str) -> Vec<Value> {
        let rows = self.json();
        let rows = rows.as_array().unwrap_or_else(|| panic!("{self:?}"));
        rows.iter().map(|row| row[key].clone()).collect()
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
