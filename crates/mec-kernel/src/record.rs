//! Writing use down: the one place where a ledger row, its chain and its effects are made. `meter`
//! and `consume` come here once they know that the event is to be recorded.

use std::sync::Arc;

use crate::code::Code;
use crate::command::{Making, View};
use crate::effects::{accrued, taken_back};
use crate::id::EventId;
use crate::judge::Judged;
use crate::ledger::{Chain, Content, Fingerprint, LedgerEvent, Overage, details_hash};
use crate::marks::marks;
use crate::need::Halt;
use crate::node::Node;
use crate::recording::Recording;
use crate::refusal::Refusal;
use crate::write::Write;

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
