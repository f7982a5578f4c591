//! The command itself: a directory, a store in it, what a visitor is told, and the server's life.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mec_engine::Mec;
use tempfile::TempDir;

use super::fill::{FillError, fill};
use super::welcome::{self, Home};
use crate::cli::failure::{Exit, Failure};
use crate::cli::{DemoArgs, output};
use crate::config::{self, Config};
use crate::serve::{self, Signals};

/// The store's name in its directory.
const FILE: &str = "mec.db";

/// `mec demo`: fills a directory where it is empty, says what is there, and answers until it is told to stop. A
/// temporary directory is removed at the end.
///
/// # Errors
/// An address others reach without `--open`, or one that is taken; a directory or a store that cannot be used.
pub(crate) async fn run(args: DemoArgs, config: &Config) -> Result<(), Failure> {
    let signals = Signals::catch()?;
    let address = config::address(&config.listen)?;
    if !address.ip().is_loopback() && !args.open {
        return Err(Failure::new(
            Exit::Config,
            format!(
                "{address} can be reached from other machines, and the demo asks nobody who they are; it does not start there"
            ),
        )
        .with_hint("add --open where that is meant, or listen on 127.0.0.1"));
    }
    let listener = serve::bind(address).await?;
    let address = listener.local_addr().map_err(|error| Failure::io("the listening socket", &error))?;
    let directory = Directory::of(args.data)?;
    let options = config.options(&serve::url(&listener)?, true);
    let mec = Arc::new(Mec::open(&format!("sqlite:{}", directory.path().join(FILE).display()), options).await?);
    fill(&mec).await?;
    let welcome = welcome::text(&mec, address, &directory.home()).await?;
    match output::line(welcome) {
        // It serves on, whoever reads along.
        Ok(()) | Err(Failure::ClosedPipe) => {}
        Err(failure) => return Err(failure),
    }
    serve::until_signal(mec, listener, config.hosts.clone(), signals).await?;
    directory.leave()
}

/// Where the demo's data is.
enum Directory {
    /// Its own, for as long as it runs.
    Temporary(TempDir),
    /// One that was named.
    Kept(PathBuf),
}

impl Directory {
    fn of(data: Option<PathBuf>) -> Result<Self, Failure> {
        let Some(path) = data else {
            let made = tempfile::Builder::new().prefix("mec-demo-").tempdir();
            return made.map(Self::Temporary).map_err(|error| Failure::io("a temporary directory", &error));
        };
        fs::create_dir_all(&path).map_err(|error| Failure::new(Exit::Io, format!("{}: {error}", path.display())))?;
        Ok(Self::Kept(path))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(directory) => directory.path(),
            Self::Kept(path) => path,
        }
    }

    fn home(&self) -> Home<'_> {
        match self {
            Self::Temporary(directory) => Home::Temporary(directory.path()),
            Self::Kept(path) => Home::Kept(path),
        }
    }

    fn leave(self) -> Result<(), Failure> {
        match self {
            Self::Temporary(directory) => directory.close().map_err(|error| Failure::io("the temporary directory", &error)),
            Self::Kept(_) => Ok(()),
        }
    }
}

/// Nothing of it is the caller's: the demo's own steps are right or the store cannot be used.
impl From<FillError> for Failure {
    fn from(error: FillError) -> Self {
        Self::new(Exit::Unavailable, error)
    }
}
