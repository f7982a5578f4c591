//! When the next step happens: soon, later, or exactly where something begins or ends, and a
//! microsecond beside it.

use super::{BATCH_APART, Generator};
use crate::command::{SECOND, Time};
use crate::state::Oracle;
use crate::window::{Cut, FOREVER};

/// Turns of the clock in the zones of the shop: 2026 and 2027.
const TURNS: &[i64] = &[
    1_772_953_200,
    1_774_746_000,
    1_775_314_800,
    1_791_041_400,
    1_792_890_000,
    1_793_512_800,
    1_804_402_800,
    1_806_195_600,
    1_806_764_400,
    1_822_491_000,
    1_824_944_400,
    1_824_962_400,
];

impl Generator {
    pub(super) fn moment(&mut self, oracle: &Oracle) -> Time {
        let restless = if self.bills { 3 } else { 0 };
        let later = match self.chance.below(40 + self.haste + restless) {
            0..=24 => 1 + self.chance.below(2_000_000).cast_signed(),
            25..=35 => 1 + self.chance.below(300 * 1_000_000).cast_signed(),
            36 | 37 => 1 + self.chance.below(7_200 * 1_000_000).cast_signed(),
            38 if self.chance.of(3) => 1 + self.chance.below(4 * 86_400 * 1_000_000).cast_signed(),
            39 if self.chance.of(20) => {
                1 + self.chance.below(60 * 86_400 * 1_000_000).cast_signed()
            }
            _ => {
                let beside = [0, 0, -1, 1][self.chance.place(4)];
                let early = if self.bills && !self.chance.of(4) {
                    self.chance.below(300).cast_signed() * SECOND
                } else {
                    0
                };
                let at = self.border(oracle) + beside - early;
                return if at > self.at && at < self.at + 400 * 86_400 * SECOND {
                    at
                } else {
                    self.at + 1
                };
            }
        };
        self.at + later
    }

    /// An instant at which something begins or ends, if possible ahead.
    pub(super) fn border(&mut self, oracle: &Oracle) -> Time {
        let mut borders: Vec<Time> = Vec::new();
        borders.extend(
            oracle
                .leases
                .iter()
                .filter(|lease| lease.released_at.is_none())
                .map(|lease| lease.expires_at),
        );
        borders.extend(
            oracle
                .holds
                .iter()
                .filter(|hold| hold.end.is_none())
                .map(|hold| hold.expires_at),
        );
        for row in oracle.rows.values() {
            borders.push(row.valid_from);
            borders.extend(row.valid_until);
        }
        borders.extend(
            oracle
                .holdings
                .iter()
                .flat_map(|holding| [Some(holding.start), holding.end])
                .flatten(),
        );
        let ended = oracle
            .rows
            .values()
            .filter_map(|row| row.valid_until)
            .filter(|end| *end <= self.at);
        for since in oracle.over_since.values().copied().chain(ended) {
            let periods = oracle
                .rules
                .iter()
                .filter_map(|row| row.rule.grace_period_seconds);
            // An installation notes what a batch brings about some microseconds later.
            let later = if self.asks_installation {
                5 * BATCH_APART
            } else {
                0
            };
            borders.extend(periods.map(|seconds| since + seconds * SECOND + later));
        }
        borders.retain(|border| *border > self.at);
        let turns = TURNS
            .iter()
            .map(|turn| turn * SECOND)
            .filter(|turn| *turn > self.at);
        match self.chance.below(10) {
            0..=3 => {
                let places = oracle.rows.len();
                if places > 0
                    && let Some(row) = oracle.rows.values().nth(self.chance.place(places))
                    && let Cut::Span(_, end) = oracle.present(row, self.at)
                    && end != FOREVER
                {
                    return end;
                }
                self.at + 1
            }
            4 if self.chance.of(4) => turns.min().unwrap_or(self.at + 1),
            5..=7 => borders.into_iter().min().unwrap_or(self.at + 1),
            _ if borders.is_empty() => self.at + 1,
            _ => borders[self.chance.place(borders.len())],
        }
    }

    /// An instant ahead, at any distance.
    pub(super) fn ahead(&mut self) -> Time {
        let seconds = match self.chance.below(5) {
            0 => self.chance.below(60),
            1 | 2 => self.chance.below(7_200),
            3 => self.chance.below(3 * 86_400),
            _ => self.chance.below(45 * 86_400),
        };
        self.at + seconds.cast_signed() * SECOND + self.chance.below(3).cast_signed()
    }
}
