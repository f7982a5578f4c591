//! The command itself: a store of its own or one that was named, what a visitor is told, and the
//! server's life.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mec_engine::Mec;
use tempfile::TempDir;

use super::fill::{Contents, FillError, fill};
use super::welcome::{self, Home};
use crate::config::{self, Config, Kept, masked};
use crate::server::serve::{self, Beside, Ports, Signals};
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output;

/// The store's name in its directory.
const FILE: &str = "mec.db";

/// What is asked of `mec demo`.
#[derive(Clone, Debug)]
pub(crate) struct Demo {
    /// The directory its data is kept in.
    pub(crate) data: Option<PathBuf>,
    /// The database its data is kept in.
    pub(crate) store: Option<String>,
    /// It may answer to other machines.
    pub(crate) is_open: bool,
    /// The ports beside the main one.
    pub(crate) ports: Beside,
}

/// `mec demo`: fills a store where it is empty, says what is there, and answers until it is told to
/// stop. A temporary directory is removed at the end.
///
/// # Errors
/// An address others reach without `--open`, or one that is taken; a directory or a store that
/// cannot be used.
pub(crate) async fn run(demo: Demo, config: &Config) -> Result<(), Failure> {
    let signals = Signals::catch()?;
    let address = config::address(&config.settings.listen)?;
    if !address.ip().is_loopback() && !demo.is_open {
        return Err(Failure::new(
            Exit::Config,
            format!(
                "{address} can be reached from other machines, and the demo asks nobody who they are; it does not start there"
            ),
        )
        .with_hint("add --open where that is meant, or listen on 127.0.0.1"));
    }
    let ports = Ports::open(address, demo.ports).await?;
    let address = ports
        .main
        .local_addr()
        .map_err(|error| Failure::io("the listening socket", &error))?;
    let place = Place::of(demo)?;
    let options = config.options(&ports.note()?, true);
    let mec = Arc::new(Mec::open(&place.url(), options).await?);
    let contents = fill(&mec).await?;
    place.check(contents)?;
    let welcome = welcome::text(&mec, address, &place.home()).await?;
    match output::line(welcome) {
        // It serves on, whoever reads along.
        Ok(()) | Err(Failure::ClosedPipe) => {}
        Err(failure) => return Err(failure),
    }
    serve::until_signal(mec, ports, config, signals).await?;
    place.leave()
}

/// Where the demo's data is.
enum Place {
    /// In a directory of its own, for as long as it runs.
    Temporary(TempDir),
    /// In a directory that was named.
    Kept(PathBuf),
    /// In a database that was named.
    Database(String),
}

impl Place {
    fn of(demo: Demo) -> Result<Self, Failure> {
        if let Some(url) = demo.store {
            return match Kept::of(&url) {
                Some(Kept::Database) => Ok(Self::Database(url)),
                _ => {
                    Err(Failure::new(Exit::Config, format!("--store is \"{}\", and the demo fills no such store", masked(&url)))
                        .with_hint("name a database with --store postgres://USER@HOST/DATABASE, or a directory with --data DIR"))
                }
            };
        }
        let Some(path) = demo.data else {
            let made = tempfile::Builder::new().prefix("mec-demo-").tempdir();
            return made
                .map(Self::Temporary)
                .map_err(|error| Failure::io("a temporary directory", &error));
        };
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path);
        made.map_err(|error| Failure::new(Exit::Io, format!("{}: {error}", path.display())))?;
        Ok(Self::Kept(path))
    }

    /// The demo may be open to everybody, so it does not serve a database of something else.
    fn check(&self, contents: Contents) -> Result<(), Failure> {
        match self {
            Self::Database(url) if contents == Contents::Other => Err(Failure::new(
                Exit::Config,
                format!("{} holds something other than the demo", masked(url)),
            )
            .with_hint("name an empty database, or serve this one with mec serve")),
            Self::Database(_) | Self::Temporary(_) | Self::Kept(_) => Ok(()),
        }
    }

    fn url(&self) -> String {
        let in_directory = |path: &Path| format!("sqlite:{}", path.join(FILE).display());
        match self {
            Self::Temporary(directory) => in_directory(directory.path()),
            Self::Kept(path) => in_directory(path),
            Self::Database(url) => url.clone(),
        }
    }

    fn home(&self) -> Home<'_> {
        match self {
            Self::Temporary(directory) => Home::Temporary(directory.path()),
            Self::Kept(path) => Home::Kept(path.display().to_string()),
            Self::Database(url) => Home::Kept(masked(url)),
        }
    }

    fn leave(self) -> Result<(), Failure> {
        match self {
            Self::Temporary(directory) => directory
                .close()
                .map_err(|error| Failure::io("the temporary directory", &error)),
            Self::Kept(_) | Self::Database(_) => Ok(()),
        }
    }
}

/// Nothing of it is the caller's: the demo's own steps are right or the store cannot be used.
impl From<FillError> for Failure {
    fn from(error: FillError) -> Self {
        Self::new(Exit::Unavailable, error)
    }
}
