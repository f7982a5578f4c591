//! How many connections an installation makes to a shared store.

use mec_store::OpenOptions;

/// Lanes that wait for trees somebody else has: so many trees can be waited for at once.
pub(crate) const WAITING: usize = 4;

/// Lanes on a shared store that do not record: one writes tables, one looks, one keeps the log.
const OTHERS: usize = WAITING + 3;
/// Connections of a lane: the one it writes with, and one that it reads tables with when it comes
/// to that.
const CONNECTIONS_OF_A_LANE: usize = 2;

/// Connections for short questions.
const ASKERS: usize = 1;

/// Connections to a shared store that an installation with so many recording lanes makes at most:
/// its lanes', those that read for callers, and the one that is asked for versions.
pub(crate) fn connections_max(recording: usize) -> usize {
    (recording.max(1).saturating_add(OTHERS)).saturating_mul(CONNECTIONS_OF_A_LANE)
        + OpenOptions::default().readers
        + ASKERS
        + 1
}
