//! What a command says on a terminal: its answer, how far it is, and how it fails.

pub(crate) mod failure;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod quantity;
