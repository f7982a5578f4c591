//! What a judgement is told as: the figures of the limit that binds, after what an operation did,
//! and when a refused request would fit.

use crate::catalog::LimitKind;
use crate::command::View;
use crate::decision::{Decision, Reason};
use crate::judge::{Judged, Judgement, access_span, elapsed};
use crate::ledger::price_of;
use crate::pool::beyond;
use crate::quantity::{Amount, Factor, Percent, Quantity, Total};
use crate::request::Request;
use crate::retry::fits_at;
use crate::standing::{Figures, Limit, Standing, Trace};
use crate::time::{SECOND, Time};
use crate::trace::bare_levels;

/// What an operation did to the pools after it was decided.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effect {
    None,
    Used(Amount),
    Held(Amount),
}

impl<'a> Judgement<'a> {
    /// Every pool that refuses must let the request through: the last of them says when.
    fn retry_after_seconds(
        &self,
        request: &Request<'_>,
        canonical: Factor,
        now: Time,
    ) -> Option<i64> {
        if self.allowed {
            return None;
        }
        let at = match self.reason {
            Reason::EntitlementStarts(at) => at,
            _ => {
                let refusing = self.pools.iter().filter(|judged| !judged.allows_more);
                let instants: Option<Vec<Time>> = refusing
                    .map(|judged| fits_at(&judged.pool, request, canonical, now))
                    .collect();
                instants?.into_iter().max()?
            }
        };
        Some(
            at.since(now)
                .saturating_add(SECOND - 1)
                .div_euclid(SECOND)
                .max(1),
        )
    }

    /// The binding pool.
    pub(crate) fn bound(&self) -> Option<&Judged<'a>> {
        self.pools.get(self.binding?)
    }

    /// The answer, with the quantities after `effect`.
    pub(crate) fn standing(
        &self,
        view: &View<'_>,
        request: &Request<'_>,
        effect: Effect,
        explain: bool,
    ) -> Standing {
        let canonical = view.catalog.canonical(request.resource);
        let kind = request.resource.limit_kind;
        let bound = self.bound();
        Standing {
            decision: self.decision,
            allowed: self.allowed,
            reason: self.reason.clone(),
            entitlement: bound.and_then(|judged| judged.pool.entitlement()),
            rule: bound.and_then(|judged| judged.pool.rule_id()),
            account: bound
                .map(|judged| judged.pool.node.account.id)
                .or(self.denied_by.filter(|_| !self.decision.allowed())),
            limit_kind: kind,
            figures: bound.map(|judged| judged.figures(kind, canonical, effect, view.now)),
            overage: bound
                .filter(|_| self.decision == Decision::Overage)
                .map(|judged| judged.overage(request, canonical)),
            retry_after_seconds: self.retry_after_seconds(request, canonical, view.now),
            trace: if explain {
                self.trace(view, request, effect)
            } else {
                Trace::default()
            },
        }
    }

    fn trace(&self, view: &View<'_>, request: &Request<'_>, effect: Effect) -> Trace {
        let (kind, canonical) = (
            request.resource.limit_kind,
            view.catalog.canonical(request.resource),
        );
        let pooled: Vec<usize> = self
            .pools
            .iter()
            .chain(&self.beside)
            .map(|judged| judged.pool.level)
            .collect();
        let limits = |of: &[Judged<'_>]| {
            of.iter()
                .map(|judged| judged.limit(kind, canonical, effect, view.now))
                .collect()
        };
        Trace {
            limits: limits(&self.pools),
            beside: limits(&self.beside),
            levels: bare_levels(view, request, &self.path, &pooled),
        }
    }
}

impl Judged<'_> {
    /// How much of `amount`, added now to what is used and held, lies beyond the limit.
    fn beyond(&self, amount: Amount) -> Amount {
        self.pool.limit.map_or(Amount::ZERO, |limit| {
            beyond(self.used.plus(self.reserved), amount, limit)
        })
    }

    fn overage(&self, request: &Request<'_>, canonical: Factor) -> (Total, Option<Total>) {
        let beyond = match request.amount {
            Some(amount) => self.beyond(amount.or_zero()),
            None => self.pool.accrued(),
        };
        (
            beyond.rounded(canonical),
            self.pool
                .rule
                .overage_price()
                .map(|price| cost(beyond, price, canonical)),
        )
    }

    fn figures(&self, kind: LimitKind, canonical: Factor, effect: Effect, now: Time) -> Figures {
        if kind == LimitKind::TimeAccess {
            let (from, until) = access_span(&self.pool);
            let percent = until.map(|until| elapsed(from, until, now));
            let window = (Some(from), until);
            return Figures {
                allowed: None,
                used: None,
                reserved: None,
                remaining: None,
                percent,
                window_kind: None,
                window,
            };
        }
        let (used, reserved) = match effect {
            Effect::None => (self.used, self.reserved),
            Effect::Used(amount) => (self.used.plus(amount), self.reserved),
            Effect::Held(amount) => (self.used, self.reserved.plus(amount)),
        };
        let taken = used.plus(reserved);
        Figures {
            allowed: self.pool.limit.map(|limit| limit.rounded(canonical)),
            used: Some(used.rounded(canonical)),
            reserved: Some(reserved.rounded(canonical)),
            remaining: self
                .pool
                .limit
                .map(|limit| limit.minus(taken).or_zero().cut(canonical)),
            percent: self.pool.limit.map(|limit| Percent::of(taken, limit)),
            window_kind: Some(self.pool.window_kind).filter(|_| kind == LimitKind::Cumulative),
            window: self.pool.shown_window(now),
        }
    }

    fn limit(&self, kind: LimitKind, canonical: Factor, effect: Effect, now: Time) -> Limit {
        Limit {
            level: self.pool.level,
            account: self.pool.node.account.id,
            entitlements: self.pool.entitlements.iter().map(|row| row.id).collect(),
            scope: self.pool.key.scope.clone(),
            action: self.pool.rule.action,
            rule: self.pool.rule_id(),
            figures: self.figures(kind, canonical, effect, now),
            decision: self.decision,
            reason: self.reason.clone(),
        }
    }
}

/// `amount` at `price` per canonical unit, rounded half away from zero to a millionth.
pub(crate) fn cost(amount: Amount, price: Quantity, canonical: Factor) -> Total {
    price_of(
        Amount(amount.0.saturating_mul(i128::from(price.millionths()))),
        canonical,
    )
}
