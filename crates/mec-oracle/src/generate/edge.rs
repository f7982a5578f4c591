//! Windows, some of them beside others of the same stretch, and use that lies at their edges.

use super::Generator;
use crate::command::{Code, Id, SECOND, Time, Window};
use crate::row::Row;
use crate::state::Oracle;
use crate::window::{BEGINNING, Cut, FOREVER, cut, step};

const DAY: i64 = 86_400 * SECOND;

impl Generator {
    pub(super) fn window(&mut self) -> Window {
        match self.chance.below(14) {
            0 => Window::Hour,
            1 | 2 => Window::Day,
            3 => Window::Week,
            4 | 5 => Window::Month,
            6 => Window::Quarter,
            7 => Window::Year,
            8 => Window::BillingMonth(self.anchor(Window::Month)),
            9 => Window::BillingYear(self.anchor(Window::Year)),
            10 => {
                let past = self.at - self.chance.below(5 * 86_400).cast_signed() * SECOND;
                let start = if self.chance.of(4) {
                    self.ahead()
                } else {
                    past
                };
                Window::Period(
                    start,
                    start + (1 + self.chance.below(10 * 86_400).cast_signed()) * SECOND,
                )
            }
            11 if self.chance.of(12) => Window::Rolling(59),
            11 | 12 => Window::Rolling([60, 61, 3_600, 86_400, 90_000][self.chance.place(5)]),
            _ if self.chance.of(5) => Window::Lifetime(Some(self.ahead())),
            _ => Window::Lifetime(self.anchor(Window::Month)),
        }
    }

    /// Often none; else where a calendar's window begins, or anywhere.
    fn anchor(&mut self, calendar: Window) -> Option<Time> {
        match self.chance.below(6) {
            0 => match cut(calendar, chrono_tz::UTC, 0, self.at) {
                Cut::Span(start, _) => Some(start),
                Cut::Rolling(_) => None,
            },
            1..=3 => None,
            _ => Some(self.at - self.chance.below(60 * 86_400).cast_signed() * SECOND),
        }
    }

    /// A window of another kind that covers what this one does, or is as long; else this one.
    pub(super) fn twin(&self, of: Window, present: Cut) -> Window {
        match (of, present) {
            (Window::Month, Cut::Span(start, _)) => Window::BillingMonth(Some(start)),
            (Window::Year, Cut::Span(start, _)) => Window::BillingYear(Some(start)),
            (Window::BillingMonth(_), _) => Window::Month,
            (Window::BillingYear(_), _) => Window::Year,
            (Window::Day, _) => Window::Rolling(86_400),
            (Window::Rolling(86_400), _) => Window::Day,
            (Window::Rolling(3_600), _) => Window::Hour,
            (Window::Hour, _) => Window::Rolling(3_600),
            (Window::Period(start, _), _) => Window::Lifetime(Some(start)),
            (Window::Lifetime(Some(start)), _) => Window::Period(start, start + DAY),
            (same, _) => same,
        }
    }

    /// When what is metered happened: now, earlier, a little later; often where a window begins or
    /// ends.
    pub(super) fn happened(
        &mut self,
        oracle: &Oracle,
        account: Id,
        resource: Code,
    ) -> Option<Time> {
        if self.bills && self.chance.of(2) {
            return self.edge(oracle, account, resource);
        }
        match self.chance.below(12) {
            0..=4 => None,
            5 => Some(self.at + self.chance.below(400).cast_signed() * SECOND),
            6 => Some(self.at - self.chance.below(95 * 86_400).cast_signed() * SECOND),
            7 => Some(self.at - 90 * DAY + self.chance.below(3).cast_signed() - 1),
            8 => Some(self.at + 300 * SECOND + self.chance.below(3).cast_signed() - 1),
            9 => Some(self.border(oracle).min(self.at)),
            _ => Some(self.at - self.chance.below(3 * 86_400).cast_signed() * SECOND),
        }
    }

    /// An instant at an edge of the present window of a row that counts for the account.
    fn edge(&mut self, oracle: &Oracle, account: Id, resource: Code) -> Option<Time> {
        let path = &oracle.accounts.get(&account)?.path;
        let counts = |row: &&Row| {
            row.resource == resource && path.contains(&row.account) && !row.is_over(self.at)
        };
        let rows: Vec<&Row> = oracle.rows.values().filter(counts).collect();
        if rows.is_empty() {
            return None;
        }
        let row = rows[self.chance.place(rows.len())];
        let beside = self.chance.below(3).cast_signed() - 1;
        let some_time = self.chance.below(3 * 3_600).cast_signed() * SECOND;
        match oracle.present(row, self.at) {
            Cut::Span(start, end) => {
                let is_near = end != FOREVER && end - self.at < 300 * SECOND;
                if is_near && !self.chance.of(4) {
                    return Some(end + beside + self.chance.below(2).cast_signed() * SECOND);
                }
                let earlier = if self.chance.of(3) { some_time } else { 0 };
                (start != BEGINNING).then(|| start.saturating_add(beside).saturating_sub(earlier))
            }
            Cut::Rolling(seconds) => {
                let oldest = (self.at - seconds * SECOND).div_euclid(step(seconds)) * step(seconds);
                Some(if self.chance.of(2) {
                    oldest + beside
                } else {
                    self.at - seconds * SECOND + beside
                })
            }
        }
    }
}
