//! Design 1.3, steps 3 and 4: which rows apply at which level, which of them count as one limit,
//! and by which rule.

use std::collections::BTreeSet;
use std::mem::{Discriminant, discriminant};

use crate::amount::{Amount, amount};
use crate::command::{Code, Id, Question, Time, Window};
use crate::coverage::Rule;
use crate::history::{Counter, Except};
use crate::level::is_base;
use crate::row::{Account, Row, RuleRow, Source};
use crate::shop::{Kind, Resource};
use crate::state::Oracle;
use crate::window::{BEGINNING, Cut, FOREVER, cut, step};

/// Rows of one kind of window and one stretch: two kinds are two limits, also where they coincide.
#[derive(Clone, Debug)]
struct Group<'a> {
    kind: Discriminant<Window>,
    cut: Cut,
    rows: Vec<&'a Row>,
}

/// What counts as one limit.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) level: usize,
    pub(crate) rows: Vec<Id>,
    pub(crate) counter: Counter,
    pub(crate) shown: (Option<Time>, Option<Time>),
    /// `None`: unlimited.
    pub(crate) limit: Option<Amount>,
    pub(crate) is_override: bool,
    pub(crate) rule: Option<RuleRow>,
    pub(crate) used: Amount,
    pub(crate) reserved: Amount,
    /// What it is decided with: used and reserved, or what of the leases stands in the way of a
    /// renewal.
    pub(crate) taken: Amount,
    /// Since when its limit is too low although nothing was noted.
    pub(crate) fell: Option<Time>,
    /// The kind of its window.
    pub(crate) window: Code,
    /// Validity of a time_access pool.
    pub(crate) access: Option<(Time, Option<Time>)>,
}

/// A level's say, or all levels'.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Pools(Vec<Pool>),
    Denied(&'static str, String),
}

/// Which rows are asked for, and how.
#[derive(Clone, Copy)]
struct Asking {
    /// Those in force then.
    valid: Time,
    /// Their windows and conditions at this instant.
    at: Time,
    except: Except,
}

impl Oracle {
    /// The pools of every level, those of levels that deny left out.
    pub(crate) fn pools(
        &self,
        question: &Question,
        resource: &Resource,
        except: Except,
    ) -> Vec<Pool> {
        let mut pools = self.pools_of(
            question,
            resource,
            Asking {
                valid: self.now,
                at: self.now,
                except,
            },
        );
        for pool in &mut pools {
            pool.fell = self.fell_at(pool, question, resource);
        }
        pools
    }

    /// The pools there were at `at`, by rows that may be over since.
    pub(crate) fn pools_at(&self, question: &Question, resource: &Resource, at: Time) -> Vec<Pool> {
        self.pools_of(
            question,
            resource,
            Asking {
                valid: at,
                at,
                except: Except::Nothing,
            },
        )
    }

    /// The pools there are by rows that were in force at `valid`.
    pub(crate) fn pools_valid(
        &self,
        question: &Question,
        resource: &Resource,
        valid: Time,
    ) -> Vec<Pool> {
        self.pools_of(
            question,
            resource,
            Asking {
                valid,
                at: self.now,
                except: Except::Nothing,
            },
        )
    }

    fn pools_of(&self, question: &Question, resource: &Resource, asking: Asking) -> Vec<Pool> {
        let account = &self.accounts[&question.account];
        let levels: Vec<_> = account
            .path
            .iter()
            .map(|id| self.level(*id, question, asking.valid, asking.at))
            .collect();
        let (mut pools, mut alone) = (Vec::new(), Vec::new());
        for (level, (id, rows)) in account.path.iter().zip(&levels).enumerate() {
            if self.holds(Rule::LapsedLevelsDeny) && rows.has_lapsed() {
                continue;
            }
            let owner = &self.accounts[id];
            let mut lone: Vec<Group<'_>> = Vec::new();
            let scopes: BTreeSet<Option<Code>> =
                rows.in_force.iter().map(|row| row.scope).collect();
            for scope in scopes {
                let of_scope: Vec<&Row> = rows
                    .in_force
                    .iter()
                    .copied()
                    .filter(|row| row.scope == scope)
                    .collect();
                let (pooled, left) = self.pools_of_scope(owner, resource, &of_scope, asking.at);
                for group in pooled {
                    pools.push(self.pool(level, owner, resource, &group, asking));
                }
                for row in left {
                    self.group(&mut lone, row, owner, resource, asking.at);
                }
            }
            alone.extend(
                lone.iter()
                    .map(|group| self.pool(level, owner, resource, group, asking)),
            );
        }
        // An add-on that has nothing to add to never tightens what others limit.
        if pools.is_empty() {
            pools = alone;
        }
        pools.sort_by(|a, b| (a.level, &a.rows).cmp(&(b.level, &b.rows)));
        pools
    }

    /// The pools, or why nothing is entitled.
    pub(crate) fn found(&self, question: &Question, resource: &Resource, except: Except) -> Found {
        let account = &self.accounts[&question.account];
        let levels: Vec<_> = account
            .path
            .iter()
            .map(|id| self.level(*id, question, self.now, self.now))
            .collect();
        let suspended =
            || Found::Denied("entitlement_suspended", "Entitlement suspended".to_owned());
        let unmet = || Found::Denied("condition_not_met", "Condition not met".to_owned());
        if self.holds(Rule::LapsedLevelsDeny) {
            let lapsed = || levels.iter().filter(|level| level.has_lapsed());
            if lapsed().any(|level| level.suspended.iter().any(is_base)) {
                return suspended();
            }
            if lapsed().next().is_some() {
                return unmet();
            }
        } else {
            if levels
                .iter()
                .any(|level| level.in_force.is_empty() && !level.suspended.is_empty())
            {
                return suspended();
            }
            if levels
                .iter()
                .any(|level| level.in_force.is_empty() && !level.unmet.is_empty())
            {
                return unmet();
            }
        }
        let pools = self.pools(question, resource, except);
        if !pools.is_empty() {
            return Found::Pools(pools);
        }
        // Add-ons that would count alone and do not.
        if levels.iter().any(|level| !level.suspended.is_empty()) {
            return suspended();
        }
        if levels.iter().any(|level| !level.unmet.is_empty()) {
            return unmet();
        }
        if let Some(starts) = self.starts(question) {
            let date = crate::window::wall_clock(chrono_tz::UTC, starts).date();
            return Found::Denied(
                "entitlement_not_started",
                format!("Entitlement starts {date}"),
            );
        }
        if levels.iter().any(|level| level.expired) {
            return if resource.kind == Kind::TimeAccess {
                Found::Denied("access_expired", "Access expired".to_owned())
            } else {
                Found::Denied("entitlement_expired", "Entitlement expired".to_owned())
            };
        }
        if levels.iter().any(|level| level.other_scope) {
            return Found::Denied(
                "no_entitlement_for_scope",
                "No entitlement for this scope".to_owned(),
            );
        }
        Found::Denied("no_entitlement", "No entitlement".to_owned())
    }

    /// When the first row begins that would count for the question.
    pub(crate) fn starts(&self, question: &Question) -> Option<Time> {
        let path = self.accounts[&question.account].path.iter();
        path.filter_map(|id| self.level(*id, question, self.now, self.now).starts)
            .min()
    }

    /// Pools of one scope at one level, and add-ons that found none.
    fn pools_of_scope<'a>(
        &self,
        owner: &Account,
        resource: &Resource,
        rows: &[&'a Row],
        at: Time,
    ) -> (Vec<Group<'a>>, Vec<&'a Row>) {
        let mut pools: Vec<Group<'_>> = Vec::new();
        let best = rows
            .iter()
            .filter(|row| row.source == Source::Override)
            .max_by_key(|row| (row.priority, row.id));
        if let Some(row) = best {
            self.group(&mut pools, row, owner, resource, at);
            return (pools, vec![]);
        }
        for row in rows.iter().filter(|row| row.source != Source::Addon) {
            self.group(&mut pools, row, owner, resource, at);
        }
        let mut alone = Vec::new();
        for row in rows.iter().filter(|row| row.source == Source::Addon) {
            let (kind, cut) = self.stretch(row, owner, resource, at);
            let same = pools
                .iter()
                .position(|group| (group.kind, group.cut) == (kind, cut));
            // Of equally long ones the newest.
            let longest = || (0..pools.len()).max_by_key(|place| pools[*place].cut.length());
            match same.or_else(longest) {
                Some(place) => pools[place].rows.push(row),
                None => alone.push(*row),
            }
        }
        (pools, alone)
    }

    /// Puts a row among those of its window and scope.
    fn group<'a>(
        &self,
        groups: &mut Vec<Group<'a>>,
        row: &'a Row,
        owner: &Account,
        resource: &Resource,
        at: Time,
    ) {
        let (kind, cut) = self.stretch(row, owner, resource, at);
        let is_it = |group: &&mut Group<'_>| {
            (group.kind, group.cut, group.rows[0].scope) == (kind, cut, row.scope)
        };
        match groups.iter_mut().find(is_it) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group {
                kind,
                cut,
                rows: vec![row],
            }),
        }
    }

    /// Kind and stretch of a row's window at `at`; only what is cumulative has more than one.
    pub(crate) fn stretch(
        &self,
        row: &Row,
        owner: &Account,
        resource: &Resource,
        at: Time,
    ) -> (Discriminant<Window>, Cut) {
        let window = if resource.kind == Kind::Cumulative {
            row.window
        } else {
            Window::Lifetime(None)
        };
        (discriminant(&window), self.cut_of(row, owner, resource, at))
    }

    fn pool(
        &self,
        level: usize,
        owner: &Account,
        resource: &Resource,
        group: &Group<'_>,
        asking: Asking,
    ) -> Pool {
        let Asking { at, except, .. } = asking;
        let (cut, mut rows, now) = (group.cut, group.rows.clone(), self.now);
        // What an add-on was added to speaks for the pool.
        rows.sort_by_key(|row| (row.source == Source::Addon, row.id));
        let counter = Counter {
            account: owner.id,
            resource: resource.code,
            scope: rows[0].scope,
            cut,
        };
        let factor = self.shop.factor(resource.unit).expect("a unit of the shop");
        let is_unlimited = rows.iter().any(|row| row.quantity.is_none());
        let sum = rows
            .iter()
            .filter_map(|row| row.quantity)
            .fold(Amount::ZERO, |sum, each| sum + amount(each, factor));
        let is_access = resource.kind == Kind::TimeAccess;
        let last = rows
            .iter()
            .max_by_key(|row| row.valid_until.unwrap_or(FOREVER))
            .expect("a pool has a row");
        let used = match resource.kind {
            Kind::Concurrency => self.leased(&counter, now),
            _ => self.used(&counter, now),
        };
        let reserved = self.held_except(&counter, now, except);
        let taken = match except {
            Except::Lease(id) => self.in_the_way(&counter, now, id),
            _ => &used + &reserved,
        };
        Pool {
            level,
            rows: rows.iter().map(|row| row.id).collect(),
            shown: shown(cut, rows[0].window, now),
            limit: if is_unlimited || is_access {
                None
            } else {
                Some(sum)
            },
            is_override: rows[0].source == Source::Override,
            rule: self
                .rule(owner.id, resource.code, kind_of(rows[0], resource), at)
                .cloned(),
            used,
            reserved,
            taken,
            fell: None,
            window: kind_of(rows[0], resource),
            access: is_access.then_some((last.valid_from, last.valid_until)),
            counter,
        }
    }

    /// The window of a row that holds `at`.
    pub(crate) fn cut_of(&self, row: &Row, owner: &Account, resource: &Resource, at: Time) -> Cut {
        if resource.kind != Kind::Cumulative {
            return Cut::ALWAYS;
        }
        let anchor = self
            .current_plan(owner.id, at)
            .map_or(row.valid_from, |holding| holding.anchor);
        cut(row.window, self.zone(owner.id), anchor, at)
    }

    /// The window of a row that holds `at`, as generators ask.
    pub(crate) fn present(&self, row: &Row, at: Time) -> Cut {
        let resource = self
            .shop
            .resource(row.resource)
            .expect("a row names a resource");
        self.cut_of(row, &self.accounts[&row.account], resource, at)
    }

    /// The counter of a pool's window that holds `at`.
    pub(crate) fn counter_at(&self, pool: &Pool, at: Time) -> Counter {
        Counter {
            cut: self.present(&self.rows[&pool.rows[0]], at),
            ..pool.counter.clone()
        }
    }

    /// The most specific rule for pools of this account and this kind of window, by the plan it had
    /// at `at`.
    fn rule(&self, account: Id, resource: Code, window: Code, at: Time) -> Option<&RuleRow> {
        let plan = self.current_plan(account, at).map(|holding| holding.plan);
        let names_rolling = self.holds(Rule::RollingLimitsBlock);
        let fits = |row: &&RuleRow| {
            row.rule.is_active
                && row.rule.resource == resource
                && row.rule.account.is_none_or(|of| of == account)
                && row.rule.plan.is_none_or(|of| Some(of) == plan)
                && row
                    .rule
                    .window
                    .map_or(!names_rolling || window != "rolling", |of| {
                        of == window || !self.holds(Rule::RulesOfOneWindow)
                    })
        };
        let specific = |row: &&RuleRow| {
            let of = &row.rule;
            (
                of.account.is_some(),
                of.plan.is_some(),
                of.window.is_some(),
                of.priority,
                row.id,
            )
        };
        self.rules.iter().filter(fits).max_by_key(specific)
    }
}

/// The kind of a row's window, as rules name it.
fn kind_of(row: &Row, resource: &Resource) -> Code {
    if resource.kind == Kind::Cumulative {
        row.window.kind()
    } else {
        "lifetime"
    }
}

/// Start and end of a window as answers show them.
fn shown(cut: Cut, window: Window, now: Time) -> (Option<Time>, Option<Time>) {
    match (cut, window) {
        (_, Window::Period(start, end)) => (Some(start), Some(end)),
        (Cut::Span(start, end), _) => (
            (start != BEGINNING).then_some(start),
            (end != FOREVER).then_some(end),
        ),
        (Cut::Rolling(seconds), _) => {
            // From the oldest step that counts to the end of the present one.
            let (step, oldest) = (step(seconds), now - seconds * crate::command::SECOND);
            (
                Some(oldest.div_euclid(step) * step),
                Some((now.div_euclid(step) + 1) * step),
            )
        }
    }
}
