//! How a store fails. Every message is for an operator and says what to do.

use tokio_postgres::error::SqlState;

/// A store that cannot be used or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It must not be opened; the text says what to do.
    #[error("{0}")]
    Unusable(String),
    /// A statement took longer than it may.
    #[error("the statement took longer than it may; narrow the filter or raise the limit")]
    TimedOut,
    /// The answer does not fit its budget.
    #[error("{0}")]
    Excess(#[from] mec_query::Excess),
    /// The database does not take a pattern as a regular expression; its own words.
    #[error("{0}")]
    Pattern(String),
    /// A statement would be larger than the database takes.
    #[error(
        "the request needs {size} {what}, more than the {max} that one statement may have; ask for fewer at a time"
    )]
    TooLarge {
        /// What there are too many of: values, bytes of SQL.
        what: &'static str,
        /// How many it would have.
        size: usize,
        /// The most it may have.
        max: usize,
    },
    /// A row does not hold what this program writes: the file was changed by something else.
    #[error("{table}: {problem}; the row was not written by this program (run `mec verify`)")]
    Damaged {
        /// Where.
        table: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// SQLite says no.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL says no.
    #[error("PostgreSQL: {}", said(.0))]
    Postgres(#[source] Box<tokio_postgres::Error>),
    /// There is no connection to the server.
    #[error(
        "{address} cannot be reached: {problem}; see that the server runs and that address, user and password are right"
    )]
    Unreachable {
        /// Where it should be.
        address: String,
        /// Why not.
        problem: String,
    },
    /// The connection was lost in the middle of a batch, of which nothing is durable.
    #[error("the connection to the database was lost in the middle of a batch")]
    Lost,
    /// The server took longer to answer than it allows itself.
    #[error("the database server does not answer")]
    Silent,
    /// The file system says no.
    #[error("{path}: {error}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The caller of a scan ended it.
    #[error("{0}")]
    Stopped(String),
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        match (error.code(), error.as_db_error()) {
            (Some(&SqlState::QUERY_CANCELED), _) => Self::TimedOut,
            (Some(&SqlState::INVALID_REGULAR_EXPRESSION), Some(said)) => {
                Self::Pattern(said.message().to_owned())
            }
            _ => Self::Postgres(Box::new(error)),
        }
    }
}

impl StoreError {
    /// Whether the same batch may well go through when it is run again at once: it stood in
    /// another's way, or lost its connection.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Lost => true,
            Self::Postgres(error) => match error.code() {
                Some(code) => {
                    matches!(code.code(), "55P03" | "57P01" | "57P02" | "25P03")
                        || matches!(&code.code()[..2], "40" | "08")
                }
                None => {
                    error.is_closed()
                        || std::error::Error::source(error)
                            .is_some_and(|cause| cause.is::<std::io::Error>())
                }
            },
            _ => false,
        }
    }
}

/// What the server said, with its code; or what happened to the connection.
fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => {
            let detail = said
                .detail()
                .map(|detail| format!(" ({detail})"))
                .unwrap_or_default();
            format!("{}{detail} [{}]", said.message(), said.code().code())
        }
        None => {
            let cause = std::error::Error::source(error)
                .map(|cause| format!(": {cause}"))
                .unwrap_or_default();
            format!("{error}{cause}")
        }
    }
}

/// How a commit failed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Nothing was changed; running the batch again is safe.
    #[error("nothing was recorded: {0}")]
    NotDone(StoreError),
    /// One of the statements is refused (unique, reference, check); nothing was changed.
    #[error("a row was refused, nothing was recorded: {0}")]
    Refused(StoreError),
    /// Whether it happened is not known until the store is read again.
    #[error("whether it was recorded is not known: {0}")]
    Unknown(StoreError),
}
