//! How a command fails: an exit code, one sentence, and what to do about it.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use mec_engine::OpenError;
use mec_store::StoreError;

use crate::problem::errors::ApiError;

/// What a command's exit code says. Codes above 63 are those of `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The answer is no: refused, findings, rejected lines, a failed check of the doctor.
    No = 1,
    /// What was given is wrong: a catalog file, an unknown account or resource, a quantity.
    BadInput = 65,
    /// A file that was named is not there.
    NoInput = 66,
    /// The store or the server cannot be used now.
    Unavailable = 69,
    /// Reading or writing failed; for `mec serve` also: the store failed under it.
    Io = 74,
    /// The configuration is wrong.
    Config = 78,
}

/// The table of exit codes, for `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
   0  done; for check: allowed
   1  the answer is no: check refused, verify found something, import rejected lines, plan migrate refused an account,
      copy found something different, doctor failed
   2  the command line is wrong
  65  what was given is wrong: a file's content, an unknown account, resource or unit, a quantity
  66  a file that was named is not there
  69  the store or the server cannot be used now
  74  reading or writing failed; for serve: the store failed
  78  the configuration is wrong";

/// Why a command ends without having done its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Told on stderr.
    Told {
        /// The exit code.
        exit: Exit,
        /// One sentence.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The work is done and its output told the rest; only the exit code is left to say.
    Quiet(Exit),
    /// Whoever read our output has read enough.
    ClosedPipe,
}

impl Failure {
    /// A sentence without a hint.
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        Self::Told {
            exit,
            message: message.to_string(),
            hint: None,
        }
    }

    /// The same with what to do.
    #[must_use]
    pub(crate) fn with_hint(self, text: impl Into<String>) -> Self {
        match self {
            Self::Told { exit, message, .. } => Self::Told {
                exit,
                message,
                hint: Some(text.into()),
            },
            other => other,
        }
    }

    /// Reading or writing `what` failed.
    pub(crate) fn io(what: impl Display, error: &io::Error) -> Self {
        let exit = if error.kind() == io::ErrorKind::NotFound {
            Exit::NoInput
        } else {
            Exit::Io
        };
        Self::new(exit, format!("{what}: {error}")).with_advice(advice(error.kind()))
    }

    /// The file at `path` cannot be made.
    pub(crate) fn cannot_write(path: &Path, error: &io::Error) -> Self {
        let failure = Self::new(Exit::Io, format!("{}: {error}", path.display()));
        match error.kind() {
            io::ErrorKind::NotFound => {
                failure.with_hint("make its directory first, or name another place")
            }
            kind => failure.with_advice(advice(kind)),
        }
    }

    /// The same with what to do, where that is known.
    fn with_advice(self, advice: Option<&str>) -> Self {
        match advice {
            Some(advice) => self.with_hint(advice),
            None => self,
        }
    }

    /// Tells the failure on stderr and answers the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        match self {
            Self::Told {
                exit,
                message,
                hint,
            } => {
                eprintln!("error: {}", printable(message));
                if let Some(hint) = hint {
                    eprintln!("hint: {}", printable(hint));
                }
                ExitCode::from(*exit as u8)
            }
            Self::Quiet(exit) => ExitCode::from(*exit as u8),
            Self::ClosedPipe => ExitCode::SUCCESS,
        }
    }
}

/// What to do about an error of the file system.
pub(crate) fn advice(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::NotFound => {
            "check the path; a relative one begins at the directory mec was started in"
        }
        io::ErrorKind::PermissionDenied => {
            "give the user that runs mec the right to read and write it, and its directory"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on the disk and run it again; what was recorded stays"
        }
        io::ErrorKind::IsADirectory => "name a file instead of a directory",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "name a directory; what is there is a file"
        }
        io::ErrorKind::ReadOnlyFilesystem => "name a place that can be written",
        _ => return None,
    })
}

/// What SQLite says, in its own words, and what to do about it.
const SQLITE_ADVICE: [(&str, &str); 5] = [
    (
        "is not a database",
        "name a store that mec made with --store sqlite:PATH; `mec migrate` makes a new one",
    ),
    (
        "is full",
        "make room on the disk and run it again; what was recorded stays",
    ),
    (
        "disk I/O error",
        "check that the path is a file and look at the disk; `mec doctor` tries to write there",
    ),
    (
        "readonly",
        "give the user that runs mec the right to write the store and its directory",
    ),
    (
        "unable to open",
        "check the path and that the user that runs mec may read and write there",
    ),
];

/// A text from a file or a server without what would steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|char| {
            if char.is_control() && char != '\n' {
                char::REPLACEMENT_CHARACTER
            } else {
                char
            }
        })
        .collect()
}

/// Of writing to stdout.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ClosedPipe
        } else {
            Self::io("the output", &error)
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let told = error.to_string();
        match error {
            // Its text is "what is wrong; what to do".
            StoreError::Unusable(_) | StoreError::Unreachable { .. } => {
                match told.rsplit_once("; ") {
                    Some((message, hint)) => Self::new(Exit::Unavailable, message).with_hint(hint),
                    None => Self::new(Exit::Unavailable, told),
                }
            }
            StoreError::File { ref error, .. } if error.kind() == io::ErrorKind::NotFound => {
                Self::new(Exit::Io, &told).with_hint(
                    "make its directory first, or name another place with --store sqlite:PATH",
                )
            }
            StoreError::File { ref error, .. } => {
                Self::new(Exit::Io, &told).with_advice(advice(error.kind()))
            }
            StoreError::Sqlite(_) => {
                let known = SQLITE_ADVICE.iter().find(|(words, _)| told.contains(words));
                Self::new(Exit::Io, &told).with_advice(known.map(|(_, advice)| *advice))
            }
            error => Self::new(Exit::Unavailable, error),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => error.into(),
            error => Self::new(Exit::Unavailable, error),
        }
    }
}

/// A refusal as the API words it.
impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        // The command signs its own tokens, where it knows the server's secret.
        if error.code.starts_with("PGRST30") {
            return Self::new(Exit::Config, format!("{} ({})", error.message, error.code)).with_hint(
                "give the command the server's settings: jwt_secret (MEC_JWT_SECRET), jwt_audience and jwt_role_claim, or none \
                 where the server has none",
            );
        }
        let exit = if error.status.is_server_error() {
            Exit::Unavailable
        } else {
            Exit::BadInput
        };
        let failure = Self::new(exit, format!("{} ({})", error.message, error.code));
        match error.hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}
