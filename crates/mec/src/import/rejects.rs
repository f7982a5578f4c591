//! The lines that were not imported: to a file, all of them; else the first few to stderr.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::parcel::Rejected;
use crate::terminal::failure::{Exit, Failure, printable};
use crate::terminal::output::private_file;

/// Lines told on stderr; nobody reads more there.
const TOLD_MAX: u64 = 20;

/// Where rejected lines go.
pub(super) enum Rejects {
    /// One JSON object a line: `line`, `code`, `reason`, `text`.
    File(PathBuf, BufWriter<File>),
    /// The first few, for people; how many there were.
    Stderr(u64),
}

impl Rejects {
    /// Makes the file at `path`, if one is named; `source` is what is imported.
    ///
    /// # Errors
    /// It cannot be made, or is the very file that is imported, which would be lost.
    pub(super) fn open(path: Option<&Path>, source: &Path) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self::Stderr(0));
        };
        if is_same_file(path, source) {
            return Err(Failure::new(
                Exit::BadInput,
                format!("{} is the file that is imported", path.display()),
            )
            .with_hint("name another file for --rejects"));
        }
        Ok(Self::File(
            path.to_owned(),
            BufWriter::new(private_file(path)?),
        ))
    }

    /// Tells of a line.
    pub(super) fn add(&mut self, rejected: &Rejected) -> Result<(), Failure> {
        match self {
            Self::File(path, file) => {
                let told = json!({
                    "line": rejected.line,
                    "code": rejected.code,
                    "reason": rejected.reason,
                    "text": rejected.raw.text(),
                });
                writeln!(file, "{told}").map_err(|error| Failure::io(path.display(), &error))
            }
            Self::Stderr(told) => {
                if *told < TOLD_MAX {
                    eprintln!(
                        "line {}: {} ({})",
                        rejected.line,
                        printable(&rejected.reason),
                        rejected.code
                    );
                }
                *told += 1;
                Ok(())
            }
        }
    }

    /// Writes out what is left.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::File(path, mut file) => file
                .flush()
                .map_err(|error| Failure::io(path.display(), &error)),
            Self::Stderr(told) => {
                if told > TOLD_MAX {
                    eprintln!(
                        "… and {} more; --rejects FILE writes all of them to a file",
                        told - TOLD_MAX
                    );
                }
                Ok(())
            }
        }
    }
}

/// Whether both are one file that is there.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let canonical = |path: &Path| path.canonicalize().ok();
    canonical(one).is_some_and(|one| canonical(other) == Some(one))
}
