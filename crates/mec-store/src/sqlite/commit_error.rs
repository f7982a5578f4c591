//! What a failure of SQLite says about a batch.

use rusqlite::ErrorCode;

use crate::{CommitError, StoreError};

/// Why COMMIT failed.
pub(super) fn not_committed(error: rusqlite::Error) -> CommitError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy) => CommitError::NotDone(error.into()),
        _ => CommitError::Unknown(error.into()),
    }
}

pub(super) fn lost() -> CommitError {
    CommitError::Unknown(StoreError::Stopped("a test lost the answer".to_owned()))
}

/// Why a statement failed. After an IO error only whoever opens the file again can tell what is in
/// it.
pub(super) fn failed(error: rusqlite::Error) -> CommitError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => CommitError::Refused(error.into()),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt) => {
            CommitError::Unknown(error.into())
        }
        _ => CommitError::NotDone(error.into()),
    }
}
