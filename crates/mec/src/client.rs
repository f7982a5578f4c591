//! How commands reach a store: through the server that has it, or in this process.

pub(crate) mod store;
pub(crate) mod target;
