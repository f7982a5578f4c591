//! Design 1.3, step 5: each pool's decision by the table, the worst of them, and how it is told.

use num_bigint::BigInt;

use crate::amount::{Amount, amount, cut, decimal, one_decimal, percent, rounded};
use crate::answer::{Answer, Figures, Limit, Standing};
use crate::command::{Action, Code, Question, SECOND, Status, Time};
use crate::coverage::Rule;
use crate::history::Except;
use crate::pool::{Found, Pool};
use crate::row::RuleRow;
use crate::shop::{Kind, Resource};
use crate::state::Oracle;

/// From the mildest to the worst.
const DECISIONS: [Code; 6] = ["allow", "warn", "grace", "overage", "block", "deny"];

/// A decision with its reason in words and as a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ruling {
    pub(crate) decision: Code,
    pub(crate) reason: String,
    pub(crate) code: &'static str,
}

impl Ruling {
    pub(crate) fn new(decision: Code, code: &'static str, reason: impl Into<String>) -> Self {
        Self {
            decision,
            reason: reason.into(),
            code,
        }
    }

    pub(crate) fn allowed(&self) -> bool {
        self.decision != "block" && self.decision != "deny"
    }

    fn severity(&self) -> usize {
        DECISIONS
            .iter()
            .position(|of| *of == self.decision)
            .expect("one of the six")
    }
}

/// What a question comes to.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) ruling: Ruling,
    pub(crate) pools: Vec<(Pool, Ruling)>,
    pub(crate) binding: Option<usize>,
    /// What it was decided without.
    pub(crate) except: Except,
}

impl Verdict {
    pub(crate) fn binding(&self) -> Option<&Pool> {
        self.binding.map(|place| &self.pools[place].0)
    }
}

/// A question whose names were found.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) question: &'a Question,
    pub(crate) resource: &'static Resource,
    /// Base units of the canonical unit.
    pub(crate) factor: i64,
    pub(crate) unit: Code,
    pub(crate) amount: Amount,
}

impl Asked<'_> {
    /// Whether part of a seat is asked for.
    pub(crate) fn is_broken(&self) -> bool {
        self.resource.kind == Kind::Concurrency
            && &self.amount % (1_000_000 * self.factor) != Amount::ZERO
    }
}

impl Oracle {
    /// Step 1: what is asked, or every mistake in it.
    pub(crate) fn asked<'a>(&self, question: &'a Question) -> Result<Asked<'a>, Vec<Code>> {
        self.asked_with(question, None)
    }

    /// Step 1 where something that has the `known` unit is said again, or corrected.
    pub(crate) fn asked_with<'a>(
        &self,
        question: &'a Question,
        known: Option<Code>,
    ) -> Result<Asked<'a>, Vec<Code>> {
        let mut wrong = Vec::new();
        if !self.accounts.contains_key(&question.account) {
            wrong.push("MEC_ACCOUNT_NOT_FOUND");
        }
        let Some(resource) = self.shop.resource(question.resource) else {
            wrong.push("MEC_RESOURCE_NOT_FOUND");
            return Err(wrong);
        };
        let unit = question.unit.unwrap_or(resource.unit);
        let unit_factor = self.shop.factor(unit);
        if unit_factor.is_none() {
            wrong.push("MEC_UNIT_NOT_FOUND");
        } else if unit != resource.unit && !resource.allowed_units.contains(&unit) {
            let is_known = known == Some(unit) && self.holds(Rule::KeysComeFirst);
            self.count(Rule::KeysComeFirst, is_known);
            if !is_known {
                wrong.push("MEC_UNIT_NOT_ALLOWED");
            }
        }
        let Some(unit_factor) = unit_factor.filter(|_| wrong.is_empty()) else {
            return Err(wrong);
        };
        let amount = amount(question.quantity.unwrap_or(0), unit_factor);
        let factor = self.shop.factor(resource.unit).expect("a unit of the shop");
        Ok(Asked {
            question,
            resource,
            factor,
            unit,
            amount,
        })
    }

    pub(crate) fn check(&self, question: &Question) -> Answer {
        let asked = match self.asked(question) {
            Ok(asked) => asked,
            Err(wrong) => return Answer::refused(&wrong),
        };
        let mut wrong = self.wrong_seats(&asked);
        if asked.amount < Amount::ZERO && asked.resource.kind != Kind::Inventory {
            wrong.push("MEC_QUANTITY_NOT_POSITIVE");
        }
        if !wrong.is_empty() {
            return Answer::refused(&wrong);
        }
        let verdict = self.decide(&asked, Except::Nothing);
        Answer::Standing(self.standing(&asked, &verdict, &Amount::ZERO, &Amount::ZERO))
    }

    /// Nobody takes part of a seat.
    pub(crate) fn wrong_seats(&self, asked: &Asked<'_>) -> Vec<Code> {
        let is_wrong = asked.is_broken() && self.holds(Rule::SeatsAreWhole);
        self.count(Rule::SeatsAreWhole, is_wrong);
        if is_wrong {
            vec!["MEC_BAD_QUANTITY"]
        } else {
            vec![]
        }
    }

    /// Steps 2 to 5.
    pub(crate) fn decide(&self, asked: &Asked<'_>, except: Except) -> Verdict {
        self.count_rulings(asked, except);
        self.decided(asked, except)
    }

    pub(crate) fn decided(&self, asked: &Asked<'_>, except: Except) -> Verdict {
        let is_return = asked.amount < Amount::ZERO;
        let denied = |code, reason: String| Verdict {
            ruling: Ruling::new("deny", code, reason),
            pools: vec![],
            binding: None,
            except,
        };
        let path = &self.accounts[&asked.question.account].path;
        if !is_return {
            match path
                .iter()
                .map(|id| self.accounts[id].status)
                .find(|status| *status != Status::Active)
            {
                Some(Status::Suspended) => {
                    return denied("account_suspended", "Account suspended".to_owned());
                }
                Some(_) => return denied("account_closed", "Account closed".to_owned()),
                None => {}
            }
        }
        let pools = match self.found(asked.question, asked.resource, except) {
            Found::Denied(code, reason) if !is_return => return denied(code, reason),
            Found::Denied(..) => vec![],
            Found::Pools(pools) => pools,
        };
        let judge = |pool: Pool| {
            // What is given back asks nothing of a limit: then each pool tells where it stands.
            let ruling = self.judge(&pool, &asked.amount.clone().max(BigInt::ZERO), asked.factor);
            (pool, ruling)
        };
        let pools: Vec<_> = pools.into_iter().map(judge).collect();
        self.count_coinciding(asked, &pools);
        let rest = |pool: &Pool| {
            pool.limit
                .as_ref()
                .map(|limit| (limit - &pool.used - &pool.reserved).max(BigInt::ZERO))
        };
        // Of equals the first: pools are ordered by level and entitlement.
        let order = |place: &usize| {
            let (pool, ruling) = &pools[*place];
            let left = rest(pool);
            (
                std::cmp::Reverse(ruling.severity()),
                left.is_none(),
                left,
                *place,
            )
        };
        let binding = (0..pools.len()).min_by_key(order);
        let ruling = match binding {
            _ if is_return => Ruling::new("allow", "released", "Released"),
            Some(place) => pools[place].1.clone(),
            None => Ruling::new("allow", "released", "Released"),
        };
        Verdict {
            ruling,
            pools,
            binding,
            except,
        }
    }

    /// The table of step 5.
    pub(crate) fn judge(&self, pool: &Pool, q: &Amount, factor: i64) -> Ruling {
        let rule = pool.rule.as_ref().map(|row| &row.rule);
        let warn_at = BigInt::from(rule.and_then(|rule| rule.warn_at_percent).unwrap_or(8_000));
        if let Some((from, until)) = pool.access {
            let Some(until) = until else {
                return Ruling::new("allow", "access_valid", "Access valid");
            };
            let elapsed = elapsed(from, Some(until), self.now).expect("it ends");
            let date = crate::window::wall_clock(chrono_tz::UTC, until).date();
            let decision = if elapsed >= warn_at { "warn" } else { "allow" };
            return Ruling::new(
                decision,
                "access_valid",
                format!("Access valid until {date}"),
            );
        }
        let Some(a) = &pool.limit else {
            return Ruling::new("allow", "unlimited", "Unlimited");
        };
        let u = &pool.taken;
        let after = u + q;
        if *a > Amount::ZERO && after <= *a {
            let used = percent(u, a);
            if used >= warn_at {
                return Ruling::new(
                    "warn",
                    "near_limit",
                    format!("Usage at {}% of limit", one_decimal(&used)),
                );
            }
            return Ruling::new("allow", "within", "Within entitlement");
        }
        let over = &after - a;
        let over_text = decimal(&rounded(&over, factor), 6);
        let within = |limit: Option<i64>| limit.is_none_or(|limit| over <= amount(limit, factor));
        let is_zero_override = pool.is_zero_override();
        match RuleRow::action(pool.rule.as_ref()) {
            Action::Block => Ruling::new("block", "limit_reached", "Limit reached"),
            _ if is_zero_override => Ruling::new("block", "limit_reached", "Limit reached"),
            Action::Warn => Ruling::new(
                "warn",
                "over_limit",
                format!("Over limit: usage at {}%", one_decimal(&percent(&after, a))),
            ),
            Action::Grace => {
                let rule = rule.expect("grace comes from a rule");
                // A grace period that has not begun is not over.
                let noted = self.over_since.get(&pool.counter).copied();
                let since = noted.filter(|_| pool.used > *a).or(pool.fell);
                let is_in_time = rule.grace_period_seconds.is_none_or(|seconds| {
                    since.is_none_or(|since| self.now < since + seconds * SECOND)
                });
                self.count(
                    Rule::LimitsFallByThemselves,
                    pool.fell.is_some() && !is_in_time,
                );
                let grace = if rule.grace_quantity.is_none() && rule.grace_period_seconds.is_none()
                {
                    Some(0)
                } else {
                    rule.grace_quantity
                };
                if !is_in_time || !within(grace) {
                    return Ruling::new("block", "grace_exhausted", "Grace exhausted");
                }
                let of = rule
                    .grace_quantity
                    .map(|of| format!(" of {}", decimal(&BigInt::from(of), 6)))
                    .unwrap_or_default();
                Ruling::new(
                    "grace",
                    "in_grace",
                    format!("In grace: {over_text}{of} used"),
                )
            }
            Action::Overage => {
                if within(rule.and_then(|rule| rule.overage_limit)) {
                    Ruling::new(
                        "overage",
                        "overage",
                        format!("Over limit by {over_text}, will be billed"),
                    )
                } else {
                    Ruling::new("block", "overage_exhausted", "Overage limit reached")
                }
            }
        }
    }

    /// The answer to a question, after `used` and `reserved` more.
    pub(crate) fn standing(
        &self,
        asked: &Asked<'_>,
        verdict: &Verdict,
        used: &Amount,
        reserved: &Amount,
    ) -> Standing {
        let factor = asked.factor;
        let ruling = &verdict.ruling;
        let allowed = if asked.amount == Amount::ZERO && ruling.decision != "deny" {
            let smallest = self.smallest(asked);
            verdict
                .pools
                .iter()
                .all(|(pool, _)| self.judge(pool, &smallest, factor).allowed())
        } else {
            ruling.allowed()
        };
        let retry_after_seconds = if allowed {
            None
        } else {
            self.retry_after(asked, verdict)
        };
        let binding = verdict.binding();
        let overage = binding
            .filter(|_| ruling.decision == "overage")
            .map(|pool| {
                let is_asked = asked.amount != Amount::ZERO || !self.holds(Rule::AccruedIsTold);
                let part = if is_asked {
                    beyond(pool, &asked.amount)
                } else {
                    self.overage(&pool.counter)
                };
                self.count(Rule::AccruedIsTold, !is_asked && part != Amount::ZERO);
                let price = pool
                    .rule
                    .as_ref()
                    .and_then(|row| row.rule.overage_unit_price);
                let cost =
                    price.map(|price| decimal(&rounded(&(&part * price), factor * 1_000_000), 6));
                (decimal(&rounded(&part, factor), 6), cost)
            });
        let limit = |(pool, ruling): &(Pool, Ruling)| {
            let figures = figures(pool, factor, used, reserved, self.now);
            Limit {
                level: pool.level,
                account: pool.counter.account,
                entitlements: pool.rows.clone(),
                scope: pool.counter.scope.map(str::to_owned),
                action: format!("{:?}", RuleRow::action(pool.rule.as_ref())).to_lowercase(),
                rule: pool.rule.as_ref().map(|row| row.id),
                used: figures.used,
                reserved: figures.reserved,
                allowed: figures.allowed,
                window: figures.window,
                window_type: if asked.resource.kind == Kind::Cumulative
                    && self.holds(Rule::BlocksSayTheirEnd)
                {
                    pool.window
                } else {
                    ""
                },
                decision: ruling.decision,
                reason: ruling.reason.clone(),
            }
        };
        let mut limits: Vec<Limit> = verdict.pools.iter().map(limit).collect();
        limits.sort();
        Standing {
            decision: ruling.decision,
            allowed,
            reason: ruling.reason.clone(),
            reason_code: ruling.code.to_owned(),
            entitlement: binding.map(|pool| pool.rows[0]),
            rule: binding
                .and_then(|pool| pool.rule.as_ref())
                .map(|row| row.id),
            account: binding.map(|pool| pool.counter.account),
            figures: binding.map(|pool| figures(pool, factor, used, reserved, self.now)),
            overage,
            retry_after_seconds,
            limits,
        }
    }
}

impl Pool {
    /// Whether an override grants nothing: then no rule goes further.
    pub(crate) fn is_zero_override(&self) -> bool {
        self.is_override && self.limit == Some(Amount::ZERO)
    }
}

/// What of a request is beyond a pool's limit.
pub(crate) fn beyond(pool: &Pool, q: &Amount) -> Amount {
    let Some(a) = &pool.limit else {
        return Amount::ZERO;
    };
    let u = &pool.used + &pool.reserved;
    (&u + q - u.max(a.clone())).max(Amount::ZERO)
}

/// How much of a time_access entitlement is over, in hundredths of a percent.
fn elapsed(from: Time, until: Option<Time>, now: Time) -> Option<BigInt> {
    until.map(|until| percent(&BigInt::from(now - from), &BigInt::from(until - from)))
}

fn figures(pool: &Pool, factor: i64, used: &Amount, reserved: &Amount, now: Time) -> Figures {
    if let Some((from, until)) = pool.access {
        let percent = elapsed(from, until, now).map(|percent| decimal(&percent, 2));
        return Figures {
            allowed: None,
            used: None,
            reserved: None,
            remaining: None,
            percent,
            window: (Some(from), until),
        };
    }
    let (used, reserved) = (&pool.used + used, &pool.reserved + reserved);
    let held = &used + &reserved;
    let shown = |of: &Amount| Some(decimal(&rounded(of, factor), 6));
    let limit = pool.limit.as_ref();
    Figures {
        allowed: limit.and_then(shown),
        remaining: limit.map(|a| decimal(&cut(&(a - &held).max(BigInt::ZERO), factor), 6)),
        percent: limit.map(|a| decimal(&percent(&held, a), 2)),
        used: shown(&used),
        reserved: shown(&reserved),
        window: pool.shown,
    }
}
