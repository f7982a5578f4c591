//! How an installation is opened.

use std::thread;
use std::time::Duration;

use mec_kernel::CatalogChange;
use mec_store::Faults;

use crate::clock::Clock;
use crate::connections::connections_max;
use crate::decision_log::{Logged, Traced};
use crate::turns::ANSWER_BYTES_MAX;

/// Reads of tables at once, where there are processors enough.
const READERS_MAX: usize = 2;

/// How an installation is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Changes of the catalog made before anything else; none by default.
    pub catalog: Vec<CatalogChange>,
    /// Where `now` comes from.
    pub clock: Clock,
    /// Whether a store that does not exist is made, and an older schema migrated; otherwise both
    /// are refused.
    pub create: bool,
    /// What a second process is told that finds the store owned (the address this one listens on).
    pub note: String,
    /// How old the state may be that a check is answered from, where several processes write to the
    /// store; zero (the default): every check asks the store whether there is a newer one.
    pub staleness_max: Duration,
    /// Connections that record at once, where the store is a database (2). A file has one writer.
    pub lanes: usize,
    /// Published state kept in memory, in bytes (256 MB).
    pub cache_bytes_max: usize,
    /// The longest that deciding one batch may take (10 s): everybody else waits meanwhile. What
    /// takes longer is refused whole.
    pub batch_time_max: Duration,
    /// Which decisions are logged.
    pub logged: Logged,
    /// With which of them every limit considered is kept.
    pub traced: Traced,
    /// For how long logged decisions are kept (30 days).
    pub decisions_kept: Duration,
    /// How many logged decisions are kept (5,000,000), the newest ones.
    pub decisions_kept_rows: u64,
    /// The longest a read of tables may take.
    pub read_timeout: Duration,
    /// Reads of tables at once: two, but never as many as there are processors, so that one is left
    /// for checks and writes.
    pub readers: usize,
    /// The largest answer of a read, in bytes (64 MB).
    pub answer_bytes_max: u64,
    /// What a test lets go wrong in the store; nothing by default.
    pub faults: Faults,
}

impl Options {
    /// Connections that it makes at most where the store is a database, each when it is first
    /// needed.
    pub fn connections_max(&self) -> usize {
        connections_max(self.lanes)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            catalog: vec![],
            clock: Clock::machine(),
            create: true,
            note: String::new(),
            staleness_max: Duration::ZERO,
            lanes: 2,
            cache_bytes_max: 256 << 20,
            batch_time_max: Duration::from_secs(10),
            logged: Logged::All,
            traced: Traced::Notable,
            decisions_kept: Duration::from_secs(30 * 86_400),
            decisions_kept_rows: 5_000_000,
            read_timeout: Duration::from_secs(10),
            readers: thread::available_parallelism()
                .map_or(1, |processors| processors.get() - 1)
                .clamp(1, READERS_MAX),
            answer_bytes_max: ANSWER_BYTES_MAX,
            faults: Faults::default(),
        }
    }
}
