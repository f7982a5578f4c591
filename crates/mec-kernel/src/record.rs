//! Writing use down: the one place where a ledger row, its chain and its effects are made. `meter` and `consume`
//! come here once they know that the event is to be recorded.

use std::sync::Arc;

use crate::catalogue::{LimitAction, LimitKind, Resource};
use crate::check::Judged;
use crate::code::Code;
use crate::command::{Halt, Making, Need, View};
use crate::id::EventId;
use crate::ledger::{Chain, Content, Effect, Fingerprint, LedgerEvent, RecordedRuling, details_hash};
use crate::quantity::Amount;
use crate::refusal::Refusal;
use crate::time::Time;
use crate::tree::{Node, WindowKey};
use crate::window::{Window, WindowKind, window_at};
use crate::write::Write;

/// An event that is to be recorded; everything about it has been checked.
#[derive(Debug)]
pub(crate) struct Recording<'a> {
    pub(crate) key: Arc<str>,
    pub(crate) content: Content<'a>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) resource: &'a Arc<Resource>,
    pub(crate) unit: Code,
    pub(crate) amount: Amount,
    pub(crate) occurred_at: Time,
    pub(crate) ruling: Option<RecordedRuling>,
}

/// The event under `key`: `None` where the key is free, a conflict where it stands for something else.
pub(crate) fn replayed<'a>(
    view: &View<'a>,
    key: &Arc<str>,
    content: &Content<'_>,
    fingerprint: &Fingerprint,
) -> Result<Option<&'a Arc<LedgerEvent>>, Halt> {
    let Some(event) = view.facts.key(key)? else { return Ok(None) };
    if event.fingerprint == *fingerprint {
        return Ok(Some(event));
    }
    Err(Refusal::IdempotencyConflict { key: key.to_string(), argument: content.difference(event) }.into())
}

/// 1 to 255 characters.
pub(crate) fn check_key(key: &str) -> Result<(), Halt> {
    if (1..=255).contains(&key.chars().count()) { Ok(()) } else { Err(Refusal::BadKey.into()) }
}

/// The writes that record `recording` on `path`, whose pools in force are `pools`.
pub(crate) fn record(
    view: &View<'_>,
    making: &mut Making<'_>,
    path: &[&Arc<Node>],
    pools: &[Judged<'_>],
    recording: Recording<'_>,
) -> (EventId, Vec<Write>) {
    let effects = effects(path, pools, &recording);
    let mut event = LedgerEvent {
        id: EventId(making.ids.draw()),
        tree_seq: view.tree.head.next_seq,
        key: recording.key,
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
        effects,
        details: recording.content.details.map(Arc::from),
        details_hash: recording.content.details.map(details_hash),
        chain: Chain::default(),
    };
    event.chain = event.link(&view.tree.head.chain);
    let id = event.id;
    let mut writes = Vec::with_capacity(1);
    let marks = marks(pools, recording.amount, recording.occurred_at, view.now);
    writes.push(Write::Event { event: Arc::new(event), path: path.iter().map(|node| node.account.id).collect() });
    writes.extend(marks);
    (id, writes)
}

/// Overage this event accrues in pools that bill it, or takes back.
fn effects(path: &[&Arc<Node>], pools: &[Judged<'_>], recording: &Recording<'_>) -> Vec<Effect> {
    let mut effects = Vec::new();
    if recording.amount.0 < 0 {
        for node in path {
            for (key, total) in &node.windows {
                let moved = key.resource == recording.resource.code
                    && (key.scope.is_none() || key.scope.as_deref() == recording.content.scope)
                    && key.window.holds(recording.occurred_at);
                if moved && total.overage.0 > 0 {
                    let overage = total.overage.min(recording.amount.negated()).negated();
                    effects.push(Effect { account: node.account.id, key: key.clone(), overage, price: None });
                }
            }
        }
        return effects;
    }
    for judged in pools {
        let pool = &judged.pool;
        if pool.rule.action == LimitAction::Overage && pool.key.window.holds(recording.occurred_at) {
            let overage = judged.beyond(recording.amount);
            if overage.0 > 0 {
                let price = pool.rule.overage_price();
                effects.push(Effect { account: pool.node.account.id, key: pool.key.clone(), overage, price });
            }
        }
    }
    effects
}

/// Notes of pools that `amount`, added at `at`, takes above their limit or back: where grace periods run from.
pub(crate) fn marks(pools: &[Judged<'_>], amount: Amount, at: Time, now: Time) -> Vec<Write> {
    let mut writes = Vec::new();
    for judged in pools {
        let pool = &judged.pool;
        let Some(limit) = pool.limit.filter(|_| pool.key.window.holds(at)) else { continue };
        let is_over = judged.used.plus(amount) > limit;
        let over_since = match (is_over, pool.over_since()) {
            (true, None) => Some(now),
            (false, Some(_)) => None,
            _ => continue,
        };
        writes.push(Write::Mark { account: pool.node.account.id, key: pool.key.clone(), over_since });
    }
    writes
}

/// Refuses an `amount` below zero that would take the account's own total below zero, in every window it counts in.
pub(crate) fn check_not_below_zero(
    view: &View<'_>,
    path: &[&Arc<Node>],
    resource: &Resource,
    scope: Option<&Code>,
    occurred_at: Time,
    amount: Amount,
) -> Result<(), Halt> {
    let Some(node) = path.first() else { return Ok(()) };
    let zone = view.zone(path);
    let mut windows = vec![Window::LIFETIME];
    if resource.limit_kind == LimitKind::Cumulative {
        let plan = node.current_plan(view.now);
        let rows = node.entitlements.iter().filter(|row| row.resource == resource.code && row.is_standing(view.now));
        for row in rows.filter(|row| row.window.kind != WindowKind::Rolling) {
            let anchor = plan.map_or(row.valid_from, |plan| plan.anchor);
            windows.push(window_at(row.window, &zone, anchor, occurred_at));
        }
    }
    for window in windows.into_iter().filter(|window| window.holds(occurred_at)) {
        let key = WindowKey { resource: resource.code.clone(), scope: scope.cloned(), window };
        let total = node.windows.get(&key).ok_or_else(|| Halt::Need(Need::Window(node.account.id, key.clone())))?;
        if total.own.plus(amount).0 < 0 {
            return Err(Refusal::BelowZero { resource: resource.code.to_string() }.into());
        }
    }
    Ok(())
}
