//! How a file of events is written down, which its name says.

use std::path::Path;

use clap::ValueEnum;

use crate::terminal::failure::{Exit, Failure};

/// How the events are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated, the first line names the columns
    Csv,
    /// One JSON object a line
    Ndjson,
}

impl Format {
    /// The one a file's name speaks of.
    ///
    /// # Errors
    /// It speaks of none.
    pub(crate) fn of_path(path: &Path) -> Result<Self, Failure> {
        let extension = path
            .extension()
            .and_then(|extension| extension.to_str())
            .map(str::to_lowercase);
        match extension.as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("ndjson" | "jsonl" | "json") => Ok(Self::Ndjson),
            _ if is_standard(path) => Err(Failure::new(
                Exit::BadInput,
                "stdin has no name that says what is in it",
            )
            .with_hint("add --format csv or --format ndjson")),
            Some("gz" | "zst" | "xz" | "bz2" | "zip" | "xlsx") => Err(Failure::new(
                Exit::BadInput,
                format!("{} is no text file by its name", path.display()),
            )
            .with_hint("unpack it first, as in: gunzip -c FILE | mec import - --format csv")),
            _ => Err(Failure::new(
                Exit::BadInput,
                format!("the name {} does not say what is in it", path.display()),
            )
            .with_hint("add --format csv or --format ndjson")),
        }
    }
}

/// Whether a path stands for stdin or stdout.
pub(crate) fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}
