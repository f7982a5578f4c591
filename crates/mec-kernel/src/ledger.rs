//! The ledger: immutable records of use. Every row carries a hash over the row before it and over
//! each of its own stored fields, so a changed or missing row shows; corrections are further rows.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::code::Code;
use crate::counter::WindowKey;
use crate::decision::Decision;
use crate::id::{AccountId, EntitlementId, EventId, ReservationId, TreeId};
use crate::json;
use crate::quantity::{Amount, Factor, Quantity, SCALE, Total, divide_half_away};
use crate::standing::Standing;
use crate::time::Time;
use crate::window::Window;

/// 16 bytes of SHA-256 over the previous link and this row.
pub type Chain = [u8; 16];
/// 16 bytes of SHA-256 over what a caller said, defaults filled in.
pub type Fingerprint = [u8; 16];

/// One immutable record of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEvent {
    /// Its id.
    pub id: EventId,
    /// 1, 2, 3 … without gaps within the tree: the cursor of every feed.
    pub tree_seq: i64,
    /// The caller's name for it, unique within the tree for ever. Of a settlement it is MEC's own
    /// name, in a space of its own: a caller's key that reads the same is another one.
    pub key: Arc<str>,
    /// The reservation it settled.
    pub reservation: Option<ReservationId>,
    /// What the caller said under that key.
    pub fingerprint: Fingerprint,
    /// Who used.
    pub account: AccountId,
    /// What was used.
    pub resource: Code,
    /// Which part of it.
    pub scope: Option<Code>,
    /// How much, in `unit`; below zero for what is given back or corrected.
    pub quantity: Quantity,
    /// The unit of `quantity`.
    pub unit: Code,
    /// The same in base units.
    pub amount: Amount,
    /// When it happened: the window it counts in.
    pub occurred_at: Time,
    /// When it was written down.
    pub recorded_at: Time,
    /// Whether it corrects another event.
    pub is_correction: bool,
    /// Which one.
    pub corrects: Option<EventId>,
    /// Which door it came through (`api`, `import`, `demo`).
    pub source: Code,
    /// Who recorded it.
    pub recorded_by: Code,
    /// What `consume` was told; `None` for use that was only recorded.
    pub ruling: Option<RecordedRuling>,
    /// What it changed that cannot be summed again.
    pub effects: Vec<Effect>,
    /// What of it the effects bill or take back, in `unit` and over all accounts; `None` where
    /// there are none.
    pub overage: Option<Overage>,
    /// Free JSON text about it; `None` also once it was erased.
    pub details: Option<Arc<str>>,
    /// Hash of the details: what of them enters the chain, so that they can be erased.
    pub details_hash: Option<Chain>,
    /// Hash over the previous row and this one.
    pub chain: Chain,
}

/// The decision a `consume` or a `reserve` was let through with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRuling {
    /// The decision.
    pub decision: Decision,
    /// Its reason in words.
    pub reason: Arc<str>,
    /// Its reason as a code.
    pub reason_code: Code,
    /// The entitlement that bound it.
    pub entitlement: Option<EntitlementId>,
}

impl RecordedRuling {
    pub(crate) fn of(standing: &Standing) -> Self {
        Self {
            decision: standing.decision,
            reason: standing.reason.to_string().into(),
            reason_code: Code::from(standing.reason.code()),
            entitlement: standing.entitlement,
        }
    }
}

/// Overage an event accrued (or took back) in a pool, at the price of that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Whose pool.
    pub account: AccountId,
    /// Which counter.
    pub key: WindowKey,
    /// How much, in base units.
    pub overage: Amount,
    /// Price of one canonical unit, in millionths; `None` where the rule names none.
    pub price: Option<Quantity>,
}

impl Effect {
    /// What it costs, exactly: base units times millionths of the price. 0 where the rule names no
    /// price.
    pub fn cost(&self) -> Amount {
        Amount(
            self.overage
                .0
                .saturating_mul(self.price.map_or(0, |price| price.millionths().into())),
        )
    }
}

/// What of an event lies beyond limits: its effects as readers see them. A unit beyond two
/// accounts' limits counts twice, as each of them is billed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overage {
    /// How much, in the event's unit.
    pub quantity: Quantity,
    /// What it costs at the price of its moment.
    pub cost: Quantity,
}

impl Overage {
    /// Of effects of an event in a unit of `unit` base units, of a resource whose price is per
    /// `canonical`.
    pub fn of(effects: &[Effect], unit: Factor, canonical: Factor) -> Option<Self> {
        let sum = |each: fn(&Effect) -> Amount| {
            effects
                .iter()
                .fold(Amount::ZERO, |sum, effect| sum.plus(each(effect)))
        };
        let bounded = |total: Total| {
            let most = i128::from(crate::quantity::QUANTITY_MAX);
            i64::try_from(total.0.clamp(most.saturating_neg(), most))
                .ok()
                .and_then(Quantity::from_millionths)
        };
        let quantity = bounded(sum(|effect| effect.overage).rounded(unit))?;
        let cost = bounded(price_of(sum(Effect::cost), canonical))?;
        (!effects.is_empty()).then_some(Self { quantity, cost })
    }
}

/// An exact [cost](Effect::cost), or a sum of them, as money per `canonical` unit, rounded half
/// away from zero to a millionth.
pub fn price_of(exact: Amount, canonical: Factor) -> Total {
    Total(divide_half_away(
        exact.0,
        i128::from(canonical.get()).saturating_mul(i128::from(SCALE)),
    ))
}

/// What a key stands for once it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// Who used.
    pub account: AccountId,
    /// What was used.
    pub resource: &'a str,
    /// Which part of it.
    pub scope: Option<&'a str>,
    /// How much.
    pub quantity: Quantity,
    /// In which unit (the canonical one where the caller named none).
    pub unit: &'a str,
    /// When, where the caller said so: an omitted instant stays omitted.
    pub occurred_at: Option<Time>,
    /// Whether it corrects another event.
    pub is_correction: bool,
    /// Which one.
    pub corrects: Option<EventId>,
    /// Free JSON text about it.
    pub details: Option<&'a str>,
}

impl Content<'_> {
    /// Same content, same fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = Fields::new();
        hash.bytes(&self.account.0.to_be_bytes());
        hash.text(self.resource);
        hash.optional(self.scope.map(str::as_bytes));
        hash.bytes(&self.quantity.millionths().to_be_bytes());
        hash.text(self.unit);
        hash.optional(
            self.occurred_at
                .map(|at| at.micros().to_be_bytes())
                .as_ref()
                .map(<[u8; 8]>::as_slice),
        );
        hash.bytes(&[u8::from(self.is_correction)]);
        hash.optional(
            self.corrects
                .map(|id| id.0.to_be_bytes())
                .as_ref()
                .map(<[u8; 16]>::as_slice),
        );
        hash.optional(self.details.map(details_hash).as_ref().map(Chain::as_slice));
        hash.finish()
    }

    /// The first thing in which `event` differs from this, by its argument's name.
    pub fn difference(&self, event: &LedgerEvent) -> &'static str {
        if self.account != event.account {
            "account_id"
        } else if self.resource != &*event.resource {
            "resource_type"
        } else if self.scope != event.scope.as_deref() {
            "resource_scope"
        } else if self.quantity != event.quantity {
            "quantity"
        } else if self.unit != &*event.unit {
            "unit_code"
        } else if (self.is_correction, self.corrects) != (event.is_correction, event.corrects) {
            "corrects_event_id"
        } else if self.occurred_at.is_some_and(|at| at != event.occurred_at) {
            "occurred_at"
        } else if self.details.map(details_hash) != event.details_hash {
            "details"
        } else {
            // Nothing a row shows differs: the instant was given once and omitted once.
            "occurred_at"
        }
    }
}

impl LedgerEvent {
    /// The link of this row after `previous`: SHA-256 over the previous link and every field, each
    /// with its length.
    pub fn link(&self, previous: &Chain) -> Chain {
        let mut hash = Fields::new();
        hash.bytes(previous);
        hash.bytes(&self.id.0.to_be_bytes());
        hash.bytes(&self.tree_seq.to_be_bytes());
        hash.text(&self.key);
        hash.optional(
            self.reservation
                .map(|id| id.0.to_be_bytes())
                .as_ref()
                .map(<[u8; 16]>::as_slice),
        );
        hash.bytes(&self.fingerprint);
        hash.bytes(&self.account.0.to_be_bytes());
        hash.text(&self.resource);
        hash.optional(self.scope.as_deref().map(str::as_bytes));
        hash.bytes(&self.quantity.millionths().to_be_bytes());
        hash.text(&self.unit);
        hash.bytes(&self.occurred_at.micros().to_be_bytes());
        hash.bytes(&self.recorded_at.micros().to_be_bytes());
        hash.bytes(&[u8::from(self.is_correction)]);
        hash.optional(
            self.corrects
                .map(|id| id.0.to_be_bytes())
                .as_ref()
                .map(<[u8; 16]>::as_slice),
        );
        hash.text(&self.source);
        hash.text(&self.recorded_by);
        hash.bytes(&[u8::from(self.ruling.is_some())]);
        if let Some(ruling) = &self.ruling {
            hash.text(ruling.decision.code());
            hash.text(&ruling.reason);
            hash.text(&ruling.reason_code);
            hash.optional(
                ruling
                    .entitlement
                    .map(|id| id.0.to_be_bytes())
                    .as_ref()
                    .map(<[u8; 16]>::as_slice),
            );
        }
        hash.count(self.effects.len());
        for effect in &self.effects {
            hash.effect(effect);
        }
        hash.bytes(&[u8::from(self.overage.is_some())]);
        if let Some(overage) = self.overage {
            hash.bytes(&overage.quantity.millionths().to_be_bytes());
            hash.bytes(&overage.cost.millionths().to_be_bytes());
        }
        hash.optional(self.details_hash.as_ref().map(Chain::as_slice));
        hash.finish()
    }
}

/// 64 bits of SHA-256 over a tree and an idempotency key: where to look for the event. Equal hashes
/// are legal; the event's own key decides.
pub fn key_hash(tree: TreeId, key: &str) -> i64 {
    let mut hash = Fields::new();
    hash.bytes(&tree.0.to_be_bytes());
    hash.text(key);
    let mut short = [0; 8];
    for (to, from) in short.iter_mut().zip(hash.finish()) {
        *to = from;
    }
    i64::from_be_bytes(short)
}

/// 16 bytes of SHA-256 over what an event's details say: the same JSON value has the same hash,
/// however it is written.
pub fn details_hash(details: &str) -> Chain {
    let mut hash = Fields::new();
    let value = json::canonical(details);
    hash.bytes(&[u8::from(value.is_some())]);
    hash.text(value.as_deref().unwrap_or(details));
    hash.finish()
}

/// A hash over fields, each with its length, so that no two lists of fields read the same.
struct Fields(Sha256);

impl Fields {
    fn new() -> Self {
        Self(Sha256::new())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0
            .update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.0.update(bytes);
    }

    /// How many fields follow.
    fn count(&mut self, count: usize) {
        self.bytes(&u64::try_from(count).unwrap_or(u64::MAX).to_be_bytes());
    }

    fn effect(&mut self, effect: &Effect) {
        let WindowKey {
            resource,
            scope,
            window,
        } = &effect.key;
        self.bytes(&effect.account.0.to_be_bytes());
        self.text(resource);
        self.optional(scope.as_deref().map(str::as_bytes));
        match window {
            Window::Fixed { start, end } => {
                self.text("fixed");
                self.bytes(&start.micros().to_be_bytes());
                self.bytes(&end.micros().to_be_bytes());
            }
            Window::Rolling { seconds } => {
                self.text("rolling");
                self.bytes(&seconds.to_be_bytes());
            }
        }
        self.bytes(&effect.overage.0.to_be_bytes());
        self.optional(
            effect
                .price
                .map(|price| price.millionths().to_be_bytes())
                .as_ref()
                .map(<[u8; 8]>::as_slice),
        );
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn optional(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bytes(bytes),
            None => self.0.update(u32::MAX.to_be_bytes()),
        }
    }

    fn finish(self) -> [u8; 16] {
        let mut short = [0; 16];
        for (to, from) in short.iter_mut().zip(self.0.finalize()) {
            *to = from;
        }
        short
    }
}
