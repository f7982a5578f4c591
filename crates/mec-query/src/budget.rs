//! What one answer can take: rows and bytes while it is fetched, bytes while it is written, and the
//! time for both.
//!
//! The clock and the caller are somebody else's: a budget only asks whether to go on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::QueryError;

/// What an answer has too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Rows, those of embeds included; the most there can be.
    #[error("the answer has more than {0} rows, embedded rows included")]
    Rows(u64),
    /// Bytes; the most there can be.
    #[error("the answer has more than {0} bytes")]
    Bytes(u64),
    /// Work for one pattern on one text.
    #[error("a text is too long for a pattern of this size")]
    Pattern,
    /// Time.
    #[error("the read took longer than it may")]
    Time,
    /// Patience: the caller has left.
    #[error("the caller has left")]
    Left,
}

impl From<Excess> for QueryError {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::Rows(_) | Excess::Bytes(_) => Self::new(400, "MEC_ANSWER_TOO_LARGE", capitalized(excess)).with_hint(
                "Read page by page with limit and offset, select fewer columns, and give embeds a limit, for example \
                 &entitlements.limit=10",
            ),
            Excess::Pattern => Self::new(400, "MEC_PATTERN_TOO_LARGE", capitalized(excess))
                .with_hint("Shorten the pattern, or add a filter that leaves out the rows with long texts"),
            Excess::Time | Excess::Left => Self::new(504, "MEC_TIMED_OUT", capitalized(excess))
                .with_hint("Ask for less: narrow the filter, shorten the range, or read in pages with limit and offset"),
        }
    }
}

fn capitalized(excess: Excess) -> String {
    let text = excess.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Whether something must end, and why.
type Stop = dyn Fn() -> Option<Excess> + Send + Sync;

/// The budget of one answer; a clone is the same budget.
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

struct Inner {
    rows_max: u64,
    bytes_max: u64,
    rows: AtomicU64,
    bytes: AtomicU64,
    stop: Box<Stop>,
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("rows_max", &self.0.rows_max)
            .field("bytes_max", &self.0.bytes_max)
            .finish_non_exhaustive()
    }
}

impl Budget {
    /// So many rows and bytes, for as long as `stop` has no reason against it.
    pub fn new(
        rows_max: u64,
        bytes_max: u64,
        stop: impl Fn() -> Option<Excess> + Send + Sync + 'static,
    ) -> Self {
        let (rows, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner {
            rows_max,
            bytes_max,
            rows,
            bytes,
            stop: Box::new(stop),
        }))
    }

    /// No bounds: for what this program asks itself.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX, u64::MAX, || None)
    }

    /// Takes one more fetched row that needs so many bytes of memory.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn take_row(&self, bytes: usize) -> Result<(), Excess> {
        if self.0.rows.fetch_add(1, Ordering::Relaxed) >= self.0.rows_max {
            return Err(Excess::Rows(self.0.rows_max));
        }
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let taken = self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.check_bytes(taken.saturating_add(bytes))
    }

    /// Whether an answer of so many bytes fits.
    ///
    /// # Errors
    /// It does not.
    pub fn check_bytes(&self, bytes: u64) -> Result<(), Excess> {
        if bytes > self.0.bytes_max {
            Err(Excess::Bytes(self.0.bytes_max))
        } else {
            Ok(())
        }
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), Excess> {
        (self.0.stop)().map_or(Ok(()), Err)
    }
}
