//! What comes of taking or keeping a slot.

use std::sync::Arc;

use crate::answer::Effect;
use crate::command::{Ruling, View};
use crate::decision::{Decision, Reason};
use crate::judge::Judgement;
use crate::lease::Lease;
use crate::marks::marks;
use crate::node::Node;
use crate::quantity::Amount;
use crate::request::Request;
use crate::standing::Standing;
use crate::write::Write;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// The lease; `None`: no slot.
    pub lease: Option<Arc<Lease>>,
    /// The lease that was not extended, which counts until it expires.
    pub kept: Option<Arc<Lease>>,
    /// The decision.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// When full: seconds until the next slot frees itself.
    pub retry_after_seconds: Option<i64>,
    /// What it was decided on, with every pool considered and the quantities after the effect;
    /// `None`: the lease was over, nothing was decided.
    pub standing: Option<Standing>,
}

pub(crate) fn taken(
    view: &View<'_>,
    request: &Request<'_>,
    judgement: &Judgement<'_>,
    path: &[&Arc<Node>],
    old: Option<Arc<Lease>>,
    new: Lease,
) -> Ruling<Leased> {
    let new = Arc::new(new);
    let added = new
        .amount
        .minus(old.as_ref().map_or(Amount::ZERO, |old| old.amount));
    let mut writes = vec![Write::lease(path, old, new.clone())];
    writes.extend(marks(&judgement.pools, added, view.now, view.now));
    let standing = judgement.standing(view, request, Effect::Used(added), true);
    let (decision, reason) = (judgement.decision, judgement.reason.clone());
    let answer = Leased {
        lease: Some(new),
        kept: None,
        decision,
        reason,
        retry_after_seconds: None,
        standing: Some(standing),
    };
    Ruling { answer, writes }
}

pub(crate) fn no_slot(view: &View<'_>, request: &Request<'_>, judgement: &Judgement<'_>) -> Leased {
    let standing = judgement.standing(view, request, Effect::None, true);
    Leased {
        lease: None,
        kept: None,
        decision: judgement.decision,
        reason: judgement.reason.clone(),
        retry_after_seconds: standing.retry_after_seconds,
        standing: Some(standing),
    }
}
