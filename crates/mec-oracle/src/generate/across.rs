//! Questions and recordings of many things at once.

use super::Generator;
use crate::command::{Command, Meter, SECOND, UsageQuestion, Window};
use crate::state::Oracle;

impl Generator {
    /// Use over time, rather of what was used, in buckets that fit the stretch.
    pub(super) fn usage(&mut self, oracle: &Oracle) -> UsageQuestion {
        let (mut account, mut resource, mut scope) =
            (self.account(oracle), self.resource(), self.scope());
        let mut middle = self.at;
        if let Some(event) = self.pick_event(oracle).filter(|_| !self.chance.of(6)) {
            let event = &oracle.events[event];
            account = event.path[self.chance.place(event.path.len())];
            (resource, middle) = (event.content.resource, event.occurred_at);
            scope = if self.chance.of(2) {
                event.content.scope
            } else {
                scope
            };
        }
        if !oracle.leases.is_empty() && self.chance.of(4) {
            let lease = &oracle.leases[self.chance.place(oracle.leases.len())];
            account = lease.path[self.chance.place(lease.path.len())];
            (resource, middle) = (lease.resource, lease.acquired_at);
            scope = if self.chance.of(2) {
                lease.scope
            } else {
                scope
            };
        }
        let group_by = [
            None,
            Some(Window::Hour),
            Some(Window::Day),
            Some(Window::Week),
            Some(Window::Month),
        ][self.chance.place(5)];
        let days = if group_by == Some(Window::Hour) {
            4
        } else {
            70
        };
        let some_time =
            |generator: &mut Self| generator.chance.below(days * 86_400_000_000).cast_signed();
        let (from, to) = match self.chance.below(8) {
            0 | 1 => (None, None),
            2 => (Some(middle), None),
            3 => (None, Some(middle)),
            4 => (Some(middle), Some(middle + 1)),
            5 if self.chance.of(6) => (
                Some(middle - 400 * 86_400 * SECOND),
                Some(middle + 400 * 86_400 * SECOND),
            ),
            _ => (
                Some(middle - some_time(self)),
                Some(middle + some_time(self)),
            ),
        };
        UsageQuestion {
            account,
            resource,
            scope,
            from,
            to,
            group_by,
            own_only: self.chance.of(3),
        }
    }

    pub(super) fn check_all(&mut self, oracle: &Oracle) -> Command {
        let named = (0..self.chance.below(4)).map(|_| self.resource()).collect();
        let resources = if self.chance.of(2) { None } else { Some(named) };
        Command::CheckAll {
            account: self.account(oracle),
            resources,
            attributes: self.attributes(),
        }
    }

    /// Events of any tree, some of them the same again.
    pub(super) fn batch(&mut self, oracle: &Oracle) -> Vec<Meter> {
        let mut meters: Vec<Meter> = Vec::new();
        for place in 0..1 + self.chance.below(8) {
            let mut meter = self.meter(oracle);
            if self.asks_installation {
                meter.occurred_at = meter.occurred_at.or(Some(self.at));
            }
            if meter.key.starts_with("key ") {
                meter.key = format!("key {} {place}", self.serial);
            }
            if !meters.is_empty() && self.chance.of(5) {
                let again = meters[self.chance.place(meters.len())].clone();
                meter = if self.chance.of(2) {
                    again
                } else {
                    Meter {
                        key: again.key,
                        ..meter
                    }
                };
            }
            meters.push(meter);
        }
        meters
    }
}
