//! Why there is no answer. Every variant says whether anything was recorded.

use mec_kernel::Refusal;
use mec_query::{Excess, QueryError};
use mec_store::{CommitError, StoreError};

/// Why a command or a question has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MecError {
    /// The caller's mistake; nothing was recorded.
    #[error("{}", .0.code())]
    Refused(Refusal),
    /// A mistake in a request of the table API; nothing was recorded.
    #[error("{}", .0.message)]
    Query(QueryError),
    /// One request writes at most so many rows; nothing was recorded.
    #[error("One request writes at most {max} rows")]
    TooManyRows {
        /// So many.
        max: usize,
    },
    /// The rows of one request lie on several shards; nothing was recorded.
    #[error(
        "The rows of the request are on several shards of the database; one request writes on one"
    )]
    AcrossShards,
    /// An insert that changes rows which are there names one of them twice; nothing was recorded.
    #[error("ON CONFLICT DO UPDATE command cannot affect row a second time")]
    RowTwice,
    /// The caller may only read; nothing was recorded.
    #[error("the caller may only read")]
    ReadOnly,
    /// Too much is waiting; nothing was recorded, sending it again in a moment is safe.
    #[error("too many commands are waiting, send it again in a moment")]
    Busy,
    /// Too many read tables at the moment; nothing was recorded.
    #[error("too many read at the moment, ask again in a moment")]
    ReadsBusy,
    /// The read took longer than it may.
    #[error("the read took longer than it may; narrow the filter")]
    TimedOut,
    /// Nothing was recorded; sending it again is safe.
    #[error("nothing was recorded, send it again: {0}")]
    NotDone(String),
    /// Deciding took longer than a batch may. Nothing was recorded; of fewer rows at a time more is
    /// possible.
    #[error("deciding it took longer than a batch may; nothing was recorded")]
    Overran,
    /// It may or may not have been recorded; sending it again with the same key is safe.
    #[error("whether it was recorded is not known, send it again with the same key: {0}")]
    OutcomeUnknown(String),
    /// A fault of this program: the decision panicked, or the store refused a row of it. Nothing
    /// was recorded, and sending it again does not help.
    #[error("nothing was recorded, and sending it again does not help: {0}")]
    Rejected(String),
    /// The engine has stopped; nothing was recorded.
    #[error("the engine has stopped")]
    Stopped,
}

impl MecError {
    /// The lane died with the command in hand.
    pub(crate) fn lane_died() -> Self {
        Self::OutcomeUnknown("the lane's thread has died".to_owned())
    }

    pub(crate) fn of_commit(error: &CommitError) -> Self {
        match error {
            CommitError::Unknown(cause) => Self::OutcomeUnknown(cause.to_string()),
            CommitError::NotDone(cause) => Self::NotDone(cause.to_string()),
            CommitError::Refused(cause) => Self::Rejected(cause.to_string()),
        }
    }
}

impl MecError {
    /// The same of reading the rows of a write that is done. Whoever asked for them does not know
    /// that it is, and what the read says of itself (nothing was recorded) is not true of the
    /// write.
    #[must_use]
    pub fn after_a_write(self) -> Self {
        let cause = match self {
            Self::NotDone(cause) | Self::OutcomeUnknown(cause) | Self::Rejected(cause) => cause,
            Self::Busy => "too many commands were waiting".to_owned(),
            other => other.to_string(),
        };
        Self::OutcomeUnknown(format!(
            "the write is done, and its rows could not be read: {cause}"
        ))
    }
}

impl From<Refusal> for MecError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<QueryError> for MecError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<Excess> for MecError {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::Time | Excess::Left => Self::TimedOut,
            excess => Self::Query(excess.into()),
        }
    }
}

/// Of a read: nothing can have been recorded.
impl From<StoreError> for MecError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TimedOut | StoreError::Excess(Excess::Time | Excess::Left) => {
                Self::TimedOut
            }
            StoreError::Excess(excess) => excess.into(),
            error @ StoreError::TooLarge { .. } => {
                Self::Query(QueryError::too_complex(error.to_string()))
            }
            StoreError::Pattern(said) => Self::Query(QueryError::sqlstate("2201B", said)),
            error => Self::NotDone(error.to_string()),
        }
    }
}

/// Why an installation does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The catalog could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The catalog refuses a change.
    #[error("the catalog refuses a change: {0:?}")]
    Refused(Refusal),
    /// The system has no randomness.
    #[error("the system has no randomness: {0}")]
    Randomness(String),
    /// A thread could not be started.
    #[error("the lane could not be started: {0}")]
    Thread(std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_cannot_be_read_after_a_write_do_not_say_that_nothing_was_recorded() {
        let cause = || "the disk is away".to_owned();
        let errors = [
            MecError::NotDone(cause()),
            MecError::OutcomeUnknown(cause()),
            MecError::Rejected(cause()),
            MecError::Busy,
            MecError::TimedOut,
            MecError::Stopped,
        ];
        for error in errors {
            let was = format!("{error:?}");
            let MecError::OutcomeUnknown(said) = error.after_a_write() else {
                panic!("{was} is told as known")
            };
            assert!(said.starts_with("the write is done"), "{said}");
            assert!(
                !said.contains("nothing was recorded") && !said.contains("send it again"),
                "{said}"
            );
            assert_eq!(said.contains("disk"), was.contains("disk"), "{said}");
        }
    }
}
