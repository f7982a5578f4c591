//! What an event bills beyond limits, or takes back.

use std::sync::Arc;

use crate::absence::When;
use crate::catalog::LimitAction;
use crate::code::Code;
use crate::command::View;
use crate::counter::WindowKey;
use crate::counting::{counters, total};
use crate::id::AccountId;
use crate::judge::Judged;
use crate::ledger::Effect;
use crate::level::levels;
use crate::need::Halt;
use crate::node::Node;
use crate::pool::{Pool, beyond};
use crate::quantity::{Amount, Quantity};
use crate::recording::Recording;
use crate::request::Request;

/// Overage this event takes back, at the price it was billed at as far as the event it corrects was
/// billed in the same counter, the rest at the present price: first of all, per account as much as
/// it lowers use by, first from the counters in which the event it corrects was billed, then from
/// the others it lowers. A closed window's counter is looked up like any other, so what is taken
/// back never depends on what happens to be loaded.
pub(crate) fn taken_back(
    view: &View<'_>,
    path: &[&Arc<Node>],
    pools: &[Judged<'_>],
    recording: &Recording<'_>,
) -> Result<Vec<Effect>, Halt> {
    let resource = recording.resource;
    let accrued = recording
        .original
        .map(|event| event.effects.as_slice())
        .unwrap_or_default();
    let billed_it = |account: AccountId, key: &WindowKey| {
        accrued
            .iter()
            .any(|effect| effect.account == account && effect.key == *key)
    };
    let mut counters = counters(
        view,
        path,
        resource,
        recording.content.scope,
        recording.occurred_at,
    );
    for effect in accrued {
        if !counters
            .iter()
            .any(|(node, key)| node.account.id == effect.account && *key == effect.key)
            && let Some(node) = path.iter().find(|node| node.account.id == effect.account)
        {
            counters.push((node, effect.key.clone()));
        }
    }
    counters.sort_by(|(one, of_one), (other, of_other)| {
        let is_later = |node: &Node, key: &WindowKey| !billed_it(node.account.id, key);
        is_later(one, of_one)
            .cmp(&is_later(other, of_other))
            .then(billing_order(of_one).cmp(&billing_order(of_other)))
    });
    let mut effects = Vec::new();
    for (node, key) in counters {
        let account = node.account.id;
        let overage = total(node, &key)?
            .overage
            .min(billed(&effects, account).minus(recording.amount));
        let mut left = overage;
        // A return that is corrected upwards took overage back itself: only what it billed has a
        // price.
        for effect in accrued
            .iter()
            .filter(|effect| effect.account == account && effect.key == key && effect.overage.0 > 0)
        {
            let at_its_price = left.min(effect.overage);
            left = left.minus(at_its_price);
            push(
                &mut effects,
                Effect {
                    overage: at_its_price.negated(),
                    ..effect.clone()
                },
            );
        }
        let price = present_price(pools, account, &key);
        push(
            &mut effects,
            Effect {
                account,
                key,
                overage: left.negated(),
                price,
            },
        );
    }
    Ok(effects)
}

/// Adds what is taken back, if anything is; at one price it is one effect.
fn push(effects: &mut Vec<Effect>, effect: Effect) {
    if effect.overage.0 >= 0 {
        return;
    }
    match effects.last_mut() {
        Some(last)
            if (last.account, &last.key, last.price)
                == (effect.account, &effect.key, effect.price) =>
        {
            last.overage = last.overage.plus(effect.overage);
        }
        _ => effects.push(effect),
    }
}

/// What the account's rule for a counter charges now: that of the pool in it, else that of another
/// pool of the account.
fn present_price(pools: &[Judged<'_>], account: AccountId, key: &WindowKey) -> Option<Quantity> {
    let mut of_account: Vec<_> = pools
        .iter()
        .map(|judged| &judged.pool)
        .filter(|pool| pool.node.account.id == account)
        .collect();
    of_account.sort_by_key(|pool| (pool.key != *key, pool.key.scope != key.scope));
    of_account
        .first()
        .and_then(|pool| pool.rule.overage_price())
}

/// Overage this event accrues in pools that bill it, each in its window that holds the event's
/// instant. An account is billed once for a unit, however many of its pools the unit is beyond.
/// What happened at another instant than now is judged by the entitlements that were in force then.
pub(crate) fn accrued(
    view: &View<'_>,
    path: &[&Arc<Node>],
    pools: &[Judged<'_>],
    recording: &Recording<'_>,
) -> Result<Vec<Effect>, Halt> {
    let Recording {
        resource,
        amount,
        occurred_at,
        attributes,
        ..
    } = recording;
    if *occurred_at == view.now {
        return accrued_in(view, pools.iter().map(|judged| &judged.pool), recording);
    }
    let scope = recording.content.scope.map(Code::from);
    let request = Request {
        resource,
        scope: scope.as_ref(),
        amount: Some(*amount),
        attributes,
        extends: None,
    };
    let then = levels(view, &request, path, When::at(*occurred_at)).pools;
    accrued_in(view, then.iter(), recording)
}

/// Overage this event accrues in these pools, as far as they count its instant: what a rolling
/// window has forgotten is in none.
fn accrued_in<'a>(
    view: &View<'_>,
    pools: impl Iterator<Item = &'a Pool<'a>>,
    recording: &Recording<'_>,
) -> Result<Vec<Effect>, Halt> {
    let is_billed = |pool: &&Pool<'_>| {
        pool.rule.action == LimitAction::Overage
            && pool.key.window.counts(recording.occurred_at, view.now)
    };
    let mut shares = Vec::new();
    for pool in pools.filter(is_billed) {
        if let Some(limit) = pool.limit {
            // A hold is billed when it is settled, so it does not count here.
            let (used, _) = pool.usage(recording.resource.limit_kind, view.now)?;
            shares.push((&pool.key, beyond(used, recording.amount, limit), pool));
        }
    }
    // Of pools that share a counter the one that bills most comes first.
    shares.sort_by(|(one, most, _), (other, more, _)| {
        billing_order(one)
            .cmp(&billing_order(other))
            .then(more.cmp(most))
    });
    let mut effects = Vec::new();
    for (key, overage, pool) in shares {
        let account = pool.node.account.id;
        let overage = overage.minus(billed(&effects, account));
        if overage.0 > 0 {
            effects.push(Effect {
                account,
                key: key.clone(),
                overage,
                price: pool.rule.overage_price(),
            });
        }
    }
    Ok(effects)
}

/// What `effects` have billed `account` so far; below zero: what they took back.
fn billed(effects: &[Effect], account: AccountId) -> Amount {
    let of_account = effects.iter().filter(|effect| effect.account == account);
    of_account.fold(Amount::ZERO, |sum, effect| sum.plus(effect.overage))
}

/// In which order an account's counters bill a unit, and give it back: the shortest window first,
/// the part of a resource before the whole.
fn billing_order(key: &WindowKey) -> (i64, bool, &WindowKey) {
    (key.window.length_micros(), key.scope.is_none(), key)
}
