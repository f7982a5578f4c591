//! What steps are about: accounts, codes, amounts, limits, rules.

use super::{Generator, QUANTITY_MAX};
use crate::command::{Action, Code, Grant, Id, Rule, SECOND, Time};
use crate::shop::ZONES;
use crate::state::Oracle;

impl Generator {
    pub(super) fn zone(&mut self) -> Option<Code> {
        if self.bills || self.chance.of(2) {
            None
        } else {
            Some(ZONES[self.chance.place(ZONES.len())])
        }
    }

    /// One of the things there are, or now and then one there is not.
    pub(super) fn pick(&mut self, ids: impl IntoIterator<Item = Id>) -> Id {
        let ids: Vec<Id> = ids.into_iter().collect();
        if ids.is_empty() || self.chance.of(100) {
            return Id::new(9_999, 0);
        }
        // Rather one of the newest.
        let place = self.chance.place(ids.len());
        let place = if self.chance.of(2) {
            place.max(ids.len().saturating_sub(4))
        } else {
            place
        };
        ids[place]
    }

    /// A lease, rather one that is live.
    pub(super) fn lease(&mut self, oracle: &Oracle) -> Id {
        let (any, now) = (self.chance.of(5), self.at);
        self.pick(
            oracle
                .leases
                .iter()
                .filter(|lease| any || lease.is_live(now))
                .map(|lease| lease.id),
        )
    }

    /// A reservation, rather one that is open.
    pub(super) fn hold(&mut self, oracle: &Oracle) -> Id {
        let any = self.chance.of(3);
        self.pick(
            oracle
                .holds
                .iter()
                .filter(|hold| any || hold.end.is_none())
                .map(|hold| hold.id),
        )
    }

    pub(super) fn account(&mut self, oracle: &Oracle) -> Id {
        let ids: Vec<Id> = oracle.accounts.keys().copied().collect();
        if self.chance.of(200) {
            Id::new(9_999, 0)
        } else {
            ids[self.chance.place(ids.len())]
        }
    }

    pub(super) fn pick_event(&mut self, oracle: &Oracle) -> Option<usize> {
        let len = oracle.events.len();
        if len == 0 {
            return None;
        }
        let place = self.chance.place(len);
        Some(if self.chance.of(2) {
            place.max(len.saturating_sub(5))
        } else {
            place
        })
    }

    pub(super) fn resource(&mut self) -> Code {
        match self.chance.below(50) {
            0 => "nothing",
            1..=22 => "runs",
            23..=33 => "hours",
            34..=38 => "seats",
            39..=44 => "servers",
            _ => "access",
        }
    }

    pub(super) fn scope(&mut self) -> Option<Code> {
        [
            None,
            None,
            None,
            None,
            None,
            Some(""),
            Some("eu"),
            Some("eu"),
            Some("us"),
            Some("us"),
        ][self.chance.place(10)]
    }

    pub(super) fn unit(&mut self, resource: Code) -> Option<Code> {
        if self.chance.of(60) {
            return [Some("parsec"), Some("minute")][self.chance.place(2)];
        }
        if resource == "hours" {
            [None, Some("hour"), Some("minute"), Some("second")][self.chance.place(4)]
        } else {
            None
        }
    }

    /// Millionths, never zero.
    pub(super) fn quantity(&mut self) -> i64 {
        let whole = 1 + self.chance.below(self.hunger).cast_signed();
        match self.chance.below(40) {
            0 => 1,
            1 if self.chance.of(5) => QUANTITY_MAX,
            2..=5 => whole * 500_000,
            6..=8 => 1 + self.chance.below(5_000_000).cast_signed(),
            _ => whole * 1_000_000,
        }
    }

    /// A limit; `None` is none.
    pub(super) fn limit(&mut self) -> Option<i64> {
        match self.chance.below(16) {
            0 => None,
            1 => Some(0),
            2 => Some(1),
            3 => Some(1_500_000),
            4..=11 if self.bills => Some(self.chance.below(4).cast_signed() * 1_000_000),
            _ => Some((1 + self.chance.below(40)).cast_signed() * 1_000_000),
        }
    }

    pub(super) fn ttl(&mut self) -> i64 {
        match self.chance.below(30) {
            0 => [0, -1, 86_401][self.chance.place(3)],
            1 => [1, 86_400][self.chance.place(2)],
            2..=20 => 1 + self.chance.below(3_600).cast_signed(),
            _ => 1 + self.chance.below(120).cast_signed(),
        }
    }

    pub(super) fn key(&mut self, oracle: &Oracle) -> String {
        match self.chance.below(60) {
            0 => String::new(),
            13 => format!("reservation:{}", self.hold(oracle).0),
            1 => "k".repeat(255 + self.chance.place(2)),
            2..=12 => format!("shared {}", self.chance.below(12)),
            _ => format!("key {}", self.serial),
        }
    }

    pub(super) fn plan(&mut self) -> Code {
        match self.chance.below(40) {
            0 => "nothing",
            1 | 2 => "retired",
            3..=6 => "trial",
            7..=13 => "starter",
            14..=19 => "pro",
            20..=22 => "enterprise",
            23..=28 => "team",
            29..=35 => "more-runs",
            _ => "more-all",
        }
    }

    pub(super) fn reference(&mut self) -> Code {
        ["", "si_1", "si_2"][self.chance.place(3)]
    }

    pub(super) fn grant(&mut self, oracle: &Oracle) -> Grant {
        let resource = self.resource();
        let is_cumulative = matches!(resource, "runs" | "hours");
        let quantity = if resource == "access" {
            None
        } else {
            self.limit()
        };
        let window = Some(self.window()).filter(|_| is_cumulative && !self.chance.of(6));
        let scope = if self.chance.of(3) {
            self.scope()
        } else {
            None
        };
        // Often beside or after a row of the same kind.
        let alike: Vec<_> = oracle
            .rows
            .values()
            .filter(|row| row.resource == resource)
            .collect();
        let (account, scope, window) = if !alike.is_empty() && self.chance.of(2) {
            let row = alike[self.chance.place(alike.len())];
            let twin = Some(self.twin(row.window, oracle.present(row, self.at)));
            let window = if is_cumulative && (self.bills || self.chance.of(3)) {
                twin
            } else {
                window
            };
            let window = if is_cumulative && self.chance.of(4) {
                Some(row.window)
            } else {
                window
            };
            let scope = match self.chance.below(8) {
                0 => scope,
                1 | 2 if self.bills => {
                    if row.scope.is_none() {
                        Some("eu")
                    } else {
                        None
                    }
                }
                _ => row.scope,
            };
            (row.account, scope, window)
        } else {
            (self.account(oracle), scope, window)
        };
        Grant {
            account,
            resource,
            scope,
            quantity,
            window,
            is_override: self.chance.of(8),
            priority: i32::try_from(self.chance.below(3)).expect("small"),
            valid_from: self.valid_from(),
            valid_until: if self.chance.of(4) {
                Some(self.ahead() + self.chance.below(9).cast_signed() * 86_400 * SECOND)
            } else {
                None
            },
        }
    }

    /// From now on, most often; or from some time ahead, or from some time that late use comes
    /// from.
    fn valid_from(&mut self) -> Option<Time> {
        match self.chance.below(8) {
            0 => Some(self.ahead()),
            1 | 2 => Some(self.at - self.chance.below(60 * 86_400).cast_signed() * SECOND),
            _ => None,
        }
    }

    /// Overage without an end, for whoever has no rule of its own.
    pub(super) fn price(&mut self) -> Rule {
        Rule {
            resource: ["runs", "hours"][self.chance.place(2)],
            account: None,
            plan: None,
            window: None,
            action: Action::Overage,
            warn_at_percent: None,
            grace_quantity: None,
            grace_period_seconds: None,
            overage_limit: None,
            overage_unit_price: Some(self.chance.below(5_000_000).cast_signed()),
            priority: 2,
            is_active: true,
        }
    }

    /// A kind of window that rules name, rather one that is often there.
    fn window_named(&mut self) -> Code {
        [
            "rolling",
            "rolling",
            "rolling",
            "month",
            "month",
            "day",
            "billing_month",
            "lifetime",
            "hour",
            "period",
        ][self.chance.place(10)]
    }

    pub(super) fn rule(&mut self, oracle: &Oracle) -> Rule {
        let resource =
            ["runs", "runs", "hours", "seats", "servers", "access"][self.chance.place(6)];
        let some = |generator: &mut Self, of: u64| {
            (!generator.chance.of(4)).then(|| generator.chance.below(of).cast_signed())
        };
        let bills = self.bills && !self.chance.of(4);
        let action = [Action::Block, Action::Warn, Action::Grace, Action::Overage]
            [if bills { 3 } else { self.chance.place(4) }];
        let names_window = matches!(resource, "runs" | "hours") || self.chance.of(20);
        // What is billed reaches rolling windows only if they are named.
        let window = if names_window && bills && self.chance.of(4) {
            Some("rolling")
        } else if names_window && self.chance.of(3) {
            Some(self.window_named())
        } else {
            None
        };
        Rule {
            resource,
            account: if self.chance.of(2) {
                Some(self.account(oracle))
            } else {
                None
            },
            plan: if self.chance.of(4) {
                Some(["starter", "pro", "team"][self.chance.place(3)])
            } else {
                None
            },
            window,
            action,
            warn_at_percent: some(self, 10_001),
            grace_quantity: some(self, 20).map(|whole| whole * 1_000_000),
            grace_period_seconds: some(self, 3)
                .map(|place| [60, 3_600, 86_400][usize::try_from(place).expect("small")]),
            overage_limit: some(self, 30)
                .filter(|_| !bills)
                .map(|whole| whole * 1_000_000),
            overage_unit_price: some(self, 5_000_000),
            priority: i32::try_from(self.chance.below(2)).expect("small"),
            is_active: !self.chance.of(6),
        }
    }
}
