//! Log lines that many requests would repeat, such as while the store is away: one a second, with
//! how many were left out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const BETWEEN: Duration = Duration::from_secs(1);

/// Whose turn it is to write the line.
#[derive(Debug)]
pub(super) struct Sparing(Mutex<State>);

#[derive(Debug)]
struct State {
    told_at: Option<Instant>,
    left_out: u64,
}

impl Sparing {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(State {
            told_at: None,
            left_out: 0,
        }))
    }

    /// How many lines were left out since the last one, where one may be written at `now`.
    pub(super) fn turn(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state
            .told_at
            .is_some_and(|at| now.saturating_duration_since(at) < BETWEEN)
        {
            state.left_out += 1;
            return None;
        }
        state.told_at = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_second_is_written_and_says_how_many_were_not() {
        let (sparing, start) = (Sparing::new(), Instant::now());
        let at = |millis| sparing.turn(start + Duration::from_millis(millis));
        assert_eq!(
            [at(0), at(1), at(999), at(1_000), at(1_500), at(9_000)],
            [Some(0), None, None, Some(2), None, Some(1)]
        );
    }
}
