//! How a store is opened.

use std::time::Duration;

use crate::Faults;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Whether a store that does not exist is made, and an older schema migrated; otherwise both
    /// are refused.
    pub create: bool,
    /// The longest a read may take.
    pub read_timeout: Duration,
    /// Connections that read beside the writer.
    pub readers: usize,
    /// What to tell a second process that finds this store owned (the address this one listens on,
    /// if any).
    pub note: String,
    /// What a test lets go wrong; nothing by default.
    pub faults: Faults,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            create: true,
            read_timeout: Duration::from_secs(10),
            readers: 2,
            note: String::new(),
            faults: Faults::default(),
        }
    }
}
