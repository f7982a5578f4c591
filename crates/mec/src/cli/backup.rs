//! `mec backup` and `mec restore`: a whole SQLite store as one file, and back. A PostgreSQL
//! database has its own tools.

use std::path::{Path, PathBuf};

use mec_engine::Clock;
use mec_store::Store;
use mec_store::sqlite::Backup;
use serde_json::json;

use super::StoreArgs;
use super::verify::{report_json, report_table};
use crate::config::{Config, Kept, masked};
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{self, Print};

/// What is backed up, and where to.
#[derive(Debug, clap::Args)]
pub(super) struct BackupArgs {
    /// The file to write; nothing is overwritten
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

/// What is restored, and where to.
#[derive(Debug, clap::Args)]
pub(super) struct RestoreArgs {
    /// The backup to read; it is not changed
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

impl BackupArgs {
    pub(super) fn store(&self) -> StoreArgs {
        self.store.clone()
    }

    pub(super) fn run(&self, config: &Config, print: Print) -> Result<(), Failure> {
        let store = file_of(
            config,
            "pg_dump --format=custom --file=FILE, or pg_basebackup -D DIR --checkpoint=fast",
        )?;
        is_there(
            store,
            "name the store with --store sqlite:PATH or MEC_STORE",
        )?;
        let bytes = Backup::take(store, &self.file)?.keep()?;
        let file = self.file.display();
        match print {
            Print::Json => output::json(&json!({ "file": file.to_string(), "bytes": bytes })),
            Print::Table => output::line(format_args!(
                "{file} holds {} as it is now: {bytes} bytes",
                store.display()
            )),
        }
    }
}

impl RestoreArgs {
    pub(super) fn store(&self) -> StoreArgs {
        self.store.clone()
    }

    pub(super) fn run(&self, config: &Config, print: Print) -> Result<(), Failure> {
        let store = file_of(
            config,
            "pg_restore --dbname=DATABASE FILE, or start a server on what pg_basebackup made",
        )?;
        is_there(&self.file, "name a file that `mec backup` made")?;
        let backup = Backup::take(&self.file, store)?;
        let (copy, catalog) =
            Store::open_read_only(&format!("sqlite:{}", backup.partial().display()))?;
        let report = copy.verify(&catalog, Clock::machine().now(), &mut |_| {})?;
        drop(copy);
        match print {
            Print::Json => output::json(&report_json(&report))?,
            Print::Table => report_table(&report)?,
        }
        if !report.is_clean() {
            return Err(Failure::new(
                Exit::No,
                format!(
                    "{} was not restored: not everything in it agrees",
                    self.file.display()
                ),
            )
            .with_hint("restore an older backup"));
        }
        backup.keep()?;
        match print {
            Print::Json => Ok(()),
            Print::Table => output::line(format_args!(
                "{} is restored; `mec serve` serves it",
                store.display()
            )),
        }
    }
}

/// The file a store is kept in.
fn file_of<'a>(config: &'a Config, instead: &str) -> Result<&'a Path, Failure> {
    match config.kept()? {
        Kept::File(path) => Ok(path),
        Kept::Database => {
            let message = format!(
                "{} is a PostgreSQL database, which its own programs back up and restore",
                masked(&config.settings.store)
            );
            Err(Failure::new(Exit::BadInput, message)
                .with_hint(format!("use {instead}; docs/backup.md has the commands")))
        }
    }
}

fn is_there(path: &Path, hint: &str) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    Err(Failure::new(Exit::NoInput, format!("{} does not exist", path.display())).with_hint(hint))
}
