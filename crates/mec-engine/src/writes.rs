//! Whether writes go through, for those who ask how the server is: from the first that fails until
//! one succeeds, they do not.

use std::sync::atomic::{AtomicBool, Ordering};

use mec_store::CommitError;

/// What the last write showed.
#[derive(Debug, Default)]
pub(crate) struct Writes(AtomicBool);

impl Writes {
    /// What has become of one. A refused row says nothing of the store, nor does what passes when
    /// it is run again.
    pub(crate) fn tell(&self, outcome: &Result<(), CommitError>) {
        match outcome {
            Ok(()) => self.0.store(false, Ordering::Relaxed),
            Err(CommitError::NotDone(error)) if error.is_passing() => {}
            Err(CommitError::Refused(_)) => {}
            Err(CommitError::NotDone(_) | CommitError::Unknown(_)) => {
                self.0.store(true, Ordering::Relaxed)
            }
        }
    }

    /// Whether the last one failed.
    pub(crate) fn fail(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
