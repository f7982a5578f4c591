//! Writing use down: the one place where a ledger row, its chain and its effects are made. `meter`
//! and `consume` come here once they know that the event is to be recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::{LimitAction, LimitKind, Resource};
use crate::check::{Judged, Request, beyond};
use crate::code::Code;
use crate::command::{Halt, Making, Need, View};
use crate::entitlement::Attributes;
use crate::id::{AccountId, EventId, ReservationId};
use crate::ledger::{
    Chain, Content, Effect, Fingerprint, LedgerEvent, Overage, RecordedRuling, details_hash,
};
use crate::pool::{Pool, When, levels, row_window};
use crate::quantity::{Amount, Quantity};
use crate::refusal::Refusal;
use crate::time::Time;
use crate::tree::{Node, WindowKey, WindowTotal};
use crate::window::Window;
use crate::write::Write;

/// An event that is to be recorded; everything about it has been checked.
#[derive(Debug)]
pub(crate) struct Recording<'a> {
    pub(crate) key: Arc<str>,
    /// The reservation it settles.
    pub(crate) reservation: Option<ReservationId>,
    pub(crate) content: Content<'a>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) resource: &'a Arc<Resource>,
    pub(crate) unit: Code,
    pub(crate) amount: Amount,
    pub(crate) occurred_at: Time,
    /// What conditions look at.
    pub(crate) attributes: &'a Attributes,
    pub(crate) ruling: Option<RecordedRuling>,
    /// The event it corrects.
    pub(crate) original: Option<&'a LedgerEvent>,
}

/// The event under `key`: `None` where the key is free, a conflict where it stands for something
/// else.
pub(crate) fn replayed<'a>(
    view: &View<'a>,
    key: &Arc<str>,
    content: &Content<'_>,
    fingerprint: &Fingerprint,
) -> Result<Option<&'a Arc<LedgerEvent>>, Halt> {
    let Some(event) = view.facts.key(key)? else {
        return Ok(None);
    };
    if event.fingerprint == *fingerprint {
        return Ok(Some(event));
    }
    Err(Refusal::IdempotencyConflict {
        key: key.to_string(),
        argument: content.difference(event),
    }
    .into())
}

/// 1 to 255 characters.
pub(crate) fn check_key(key: &str) -> Result<(), Halt> {
    if (1..=255).contains(&key.chars().count()) {
        Ok(())
    } else {
        Err(Refusal::BadKey.into())
    }
}

/// The writes that record `recording` on `path`, whose pools in force are `pools`.
pub(crate) fn record(
    view: &View<'_>,
    making: &mut Making<'_>,
    path: &[&Arc<Node>],
    pools: &[Judged<'_>],
    recording: Recording<'_>,
) -> Result<(EventId, Vec<Write>), Halt> {
    let effects = if recording.amount.0 < 0 {
        taken_back(view, path, pools, &recording)?
    } else {
        accrued(view, path, pools, &recording)?
    };
    let canonical = view.catalog.canonical(recording.resource);
    let overage = Overage::of(&effects, view.catalog.factor(&recording.unit), canonical);
    let mut event = LedgerEvent {
        id: EventId(making.ids.draw()),
        tree_seq: view.tree.head.next_seq,
        key: recording.key,
        reservation: recording.reservation,
        fingerprint: recording.fingerprint,
        account: recording.content.account,
        resource: recording.resource.code.clone(),
        scope: recording.content.scope.map(Code::from),
        quantity: recording.content.quantity,
        unit: recording.unit,
        amount: recording.amount,
        occurred_at: recording.occurred_at,
        recorded_at: view.now,
        is_correction: recording.content.is_correction,
        corrects: recording.content.corrects,
        source: making.actor.source.clone(),
        recorded_by: making.actor.name.clone(),
        ruling: recording.ruling,
        overage,
        effects,
        details: recording.content.details.map(Arc::from),
        details_hash: recording.content.details.map(details_hash),
        chain: Chain::default(),
    };
    event.chain = event.link(&view.tree.head.chain);
    let id = event.id;
    let mut writes = Vec::with_capacity(1);
    let marks = marks(pools, recording.amount, recording.occurred_at, view.now);
    writes.push(Write::Event {
        event: Arc::new(event),
        path: path.iter().map(|node| node.account.id).collect(),
    });
    writes.extend(marks);
    Ok((id, writes))
}

/// Overage this event takes back, at the price it was billed at as far as the event it corrects was
/// billed in the same counter, the rest at the present price: first of all, per account as much as
/// it lowers use by, first from the counters in which the event it corrects was billed, then from
/// the others it lowers. A closed window's counter is looked up like any other, so what is taken
/// back never depends on what happens to be loaded.
fn taken_back(
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
        for effect in accrued
            .iter()
            .filter(|effect| effect.account == account && effect.key == key)
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
fn accrued(
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

/// Notes of pools that are above their limit once `amount` is added at `at`, or no longer: where
/// grace periods run from. Pools that share a counter share its note: the tightest of them keeps
/// it.
pub(crate) fn marks(pools: &[Judged<'_>], amount: Amount, at: Time, now: Time) -> Vec<Write> {
    let mut writes = Vec::new();
    let mut keepers: BTreeMap<(usize, &WindowKey), &Pool<'_>> = BTreeMap::new();
    for Judged { pool, .. } in pools {
        let keeper = keepers.entry((pool.level, &pool.key)).or_insert(pool);
        if pool.keeps_note_of(keeper) {
            *keeper = pool;
        }
    }
    for judged in pools {
        let pool = &judged.pool;
        if keepers
            .get(&(pool.level, &pool.key))
            .is_some_and(|keeper| keeper.keeps_note_of(pool))
        {
            continue;
        }
        let amount = if pool.key.window.counts(at, now) {
            amount
        } else {
            Amount::ZERO
        };
        let over_since = if pool.is_over(judged.used.plus(amount)) {
            judged.over_since.or(Some(now))
        } else {
            None
        };
        if over_since == pool.noted() {
            continue;
        }
        writes.push(Write::Mark {
            account: pool.node.account.id,
            key: pool.key.clone(),
            over_since,
        });
    }
    writes
}

/// Refuses an `amount` below zero that would take a total below zero: the account's own in any
/// window that is counted at its level or above, or a rolling one.
pub(crate) fn check_not_below_zero(
    view: &View<'_>,
    path: &[&Arc<Node>],
    resource: &Resource,
    scope: Option<&Code>,
    occurred_at: Time,
    amount: Amount,
) -> Result<(), Halt> {
    let Some(own) = path.first() else {
        return Ok(());
    };
    let below_zero = || Refusal::BelowZero {
        resource: resource.code.to_string(),
    };
    let mut windows = vec![Window::LIFETIME];
    for (node, key) in counters(view, path, resource, scope.map(Code::as_str), occurred_at) {
        if !matches!(key.window, Window::Rolling { .. }) {
            windows.push(key.window);
        } else if key.window.counts(occurred_at, view.now)
            && total(node, &key)?
                .used_at(key.window, view.now)
                .plus(amount)
                < Amount::ZERO
        {
            return Err(below_zero().into());
        }
    }
    windows.sort();
    windows.dedup();
    for window in windows {
        // What is counted for one scope counts for all of them too.
        for scope in [scope, None]
            .into_iter()
            .take(if scope.is_some() { 2 } else { 1 })
        {
            let key = WindowKey {
                resource: resource.code.clone(),
                scope: scope.cloned(),
                window,
            };
            if total(own, &key)?.own.plus(amount) < Amount::ZERO {
                return Err(below_zero().into());
            }
        }
    }
    Ok(())
}

/// The counters of rows that are not over, from the account up to its root, in which use at `at`
/// counts.
fn counters<'a>(
    view: &View<'_>,
    path: &[&'a Arc<Node>],
    resource: &Resource,
    scope: Option<&str>,
    at: Time,
) -> Vec<(&'a Arc<Node>, WindowKey)> {
    let mut found: Vec<(&Arc<Node>, WindowKey)> = Vec::new();
    for (level, node) in path.iter().copied().enumerate() {
        let zone = view.zone(path.get(level..).unwrap_or_default());
        let plan = node.current_plan(at);
        let rows = node
            .entitlements
            .iter()
            .filter(|row| row.resource == resource.code && row.is_standing(view.now));
        for row in rows.filter(|row| row.scope.is_none() || row.scope.as_deref() == scope) {
            let window = match resource.limit_kind {
                LimitKind::Cumulative => row_window(row, plan, &zone, at),
                _ => Window::LIFETIME,
            };
            let key = WindowKey {
                resource: resource.code.clone(),
                scope: row.scope.clone(),
                window,
            };
            if window.holds(at)
                && !found
                    .iter()
                    .any(|(other, of)| other.account.id == node.account.id && *of == key)
            {
                found.push((node, key));
            }
        }
    }
    found
}

fn total<'a>(node: &'a Arc<Node>, key: &WindowKey) -> Result<&'a WindowTotal, Halt> {
    node.windows
        .get(key)
        .ok_or_else(|| Halt::Need(Need::Window(node.account.id, key.clone())))
}
