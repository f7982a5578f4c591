//! What a test lets go wrong in a commit. A program that serves sets none, and no configuration
//! can.

use std::sync::{Arc, Mutex, PoisonError};

/// How commits fail while it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file cannot grow: SQLite says itself that the disk is full.
    DiskFull,
    /// The connection is gone before COMMIT did anything, and nobody knows.
    CommitLost,
    /// COMMIT made it durable, and nobody knows.
    AnswerLost,
}

/// A switch that a test keeps and a store looks at before every commit.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Option<Fault>>>);

impl Faults {
    /// Commits fail like this from now on; `None`: they do not.
    pub fn set(&self, fault: Option<Fault>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// How commits fail now.
    pub(crate) fn get(&self) -> Option<Fault> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
