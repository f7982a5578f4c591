//! Who asks.

use std::time::Duration;

use mec_kernel::{Actor, Code};

use crate::error::MecError;

/// Who asks, through which door; it goes into the ledger, the audit and the decision log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who, and which door.
    pub actor: Actor,
    /// The request it belongs to.
    pub request_id: Option<Code>,
    /// How old an answer may be that changes nothing, where several processes write to the store;
    /// `None`: as the installation's options say.
    pub staleness_max: Option<Duration>,
    /// What is done for them at all.
    pub access: Access,
}

/// What is done for a caller, whatever is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    #[default]
    Everything,
    /// What changes nothing.
    Reading,
}

impl Caller {
    /// Somebody by name (`signup`) through a door (`api`, `import`, `demo`), who may do everything.
    pub fn new(name: &str, source: &str) -> Self {
        let actor = Actor {
            name: name.into(),
            source: source.into(),
            reason: None,
        };
        Self {
            actor,
            request_id: None,
            staleness_max: None,
            access: Access::Everything,
        }
    }

    /// The same, with the id of the request.
    #[must_use]
    pub fn with_request_id(self, id: &str) -> Self {
        Self {
            request_id: Some(id.into()),
            ..self
        }
    }

    /// The same, content with answers that were right so long ago.
    #[must_use]
    pub fn with_staleness(self, most: Duration) -> Self {
        Self {
            staleness_max: Some(most),
            ..self
        }
    }

    /// The same, who may only read.
    #[must_use]
    pub fn only_reading(self) -> Self {
        Self {
            access: Access::Reading,
            ..self
        }
    }

    /// Every way to a write asks this before anything else.
    pub(crate) fn check_write(&self) -> Result<(), MecError> {
        if self.access == Access::Everything {
            Ok(())
        } else {
            Err(MecError::ReadOnly)
        }
    }
}
