//! What a verb that records is to the engine.

use mec_kernel::{Halt, IdSource, Making, Need, Ruling, Time, TreeId, View};
use mec_store::DecisionRow;

use crate::error::MecError;

/// A verb and what it carries: the tree it is about, what it will need, how the kernel decides it.
pub(crate) trait Command: Send + 'static {
    /// What its caller is told.
    type Answer: Send + 'static;

    /// The tree it is about.
    ///
    /// # Errors
    /// There can be none.
    fn tree(&self) -> Result<TreeId, MecError>;

    /// What it will certainly ask for.
    fn foreseen(&self) -> Foreseen;

    /// The call of the kernel; it may come several times.
    ///
    /// # Errors
    /// A fact is missing, or the kernel refuses it.
    fn decide(
        &mut self,
        view: &View<'_>,
        making: &mut Making<'_>,
    ) -> Result<Ruling<Self::Answer>, Halt>;

    /// What the decision log keeps of the answer.
    fn log(&self, _: &Self::Answer, _: &mut IdSource, _: Time) -> Option<DecisionRow> {
        None
    }
}

/// What is known of a command before it is decided.
pub(crate) struct Foreseen {
    /// What it will certainly ask for; looked up for the whole batch at once.
    pub(crate) needs: Vec<Need>,
    /// What of it has no fixed size, in bytes.
    pub(crate) bytes: usize,
}

impl From<Vec<Need>> for Foreseen {
    fn from(needs: Vec<Need>) -> Self {
        Self { needs, bytes: 0 }
    }
}

impl Foreseen {
    /// Of a command that records something with details.
    pub(crate) fn with_details(needs: Vec<Need>, details: Option<&str>) -> Self {
        Self {
            needs,
            bytes: details.map_or(0, str::len),
        }
    }
}
