//! The room where decisions are made: values in, values out.
//!
//! A command is decided on a [`View`] (a tree, looked-up facts, the catalog, an instant) and ends
//! in a [`Ruling`]: an answer and the writes that make it true. [`Tree::apply`] shows the state
//! after a write. The same function decides in every setting: a server's lane, a replay, a test.
//!
//! Never in here: a clock, randomness, IO, async, floats, serde, `HashMap`, unchecked arithmetic,
//! panics.
//!
//! ```
//! use mec_kernel::*;
//!
//! # fn catalog() -> Catalog {
//! #     let mut catalog = Catalog::default();
//! #     let count = Unit { code: "count".into(), name: "Count".into(), dimension: "count".into(), factor: Factor::ONE };
//! #     catalog.units.insert("count".into(), count);
//! #     let runs = Resource {
//! #         code: "runs".into(), name: "Runs".into(), limit_kind: LimitKind::Cumulative, unit: "count".into(),
//! #         allowed_units: vec![], description: None,
//! #     };
//! #     catalog.resources.insert("runs".into(), std::sync::Arc::new(runs));
//! #     catalog.account_types.insert("organization".into(), None);
//! #     catalog
//! # }
//! let (catalog, facts, now) = (catalog(), Facts::default(), "2026-01-30T12:00:00Z".parse().unwrap());
//! let mut tree = Tree::new(Head::new(TreeId(7)));
//! let mut ids = IdSource::new(TreeId(7), now, 0);
//!
//! let view = View { tree: &tree, facts: &facts, catalog: &catalog, now };
//! let acme = CreateAccount {
//!     parent: None, account_type: "organization".into(), external_id: None, display_name: "Acme Corp".into(),
//!     email: None, time_zone: None, metadata: None, status: AccountStatus::Active,
//! };
//! let ruling = create_account(&view, &mut ids, &acme).unwrap();
//! for write in &ruling.writes {
//!     tree.apply(write, now);
//! }
//!
//! let view = View { tree: &tree, facts: &facts, catalog: &catalog, now };
//! let question = Check {
//!     account: ruling.answer.id, resource: "runs".into(), scope: None, quantity: Some(Quantity::whole(1)), unit: None,
//!     attributes: Default::default(), explain: false,
//! };
//! assert_eq!(check(&view, &question).unwrap().decision, Decision::Deny); // nothing was granted yet
//! ```
#![deny(
    clippy::float_arithmetic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_types,
    clippy::disallowed_methods
)]

mod account;
mod catalog;
mod catalog_change;
mod catalog_check;
mod check;
mod code;
mod command;
mod consume;
mod decimal;
mod entitlement;
mod fall;
mod grant;
mod id;
mod json;
mod lease;
mod ledger;
mod meter;
mod occupancy;
mod plan;
mod pool;
mod quantity;
mod record;
mod refusal;
mod reservation;
mod reserve;
mod retry;
mod time;
mod trace;
mod tree;
mod window;
mod write;

pub use account::{AccountPatch, CreateAccount, create_account, patch_account};
pub use catalog::{
    Catalog, LimitAction, LimitKind, Plan, Resource, Rule, Settings, Template, Unit,
};
pub use catalog_change::{
    CatalogChange, CatalogRuling, InUse, KeptRow, change_catalog, prune_catalog,
};
pub use check::{Check, Decision, Figures, Limit, Reason, Standing, check, scope_of};
pub use code::Code;
pub use command::{Actor, Fact, Facts, Halt, Making, Need, Ruling, Session, View};
pub use consume::{Consume, Consumed, consume};
pub use decimal::{Decimal, NotADecimal};
pub use entitlement::{
    Attribute, Attributes, Comparison, Condition, ConditionTest, Entitlement, EntitlementStatus,
    Source,
};
pub use grant::{
    EntitlementPatch, Grant, check_rule, grant, patch_entitlement, put_rule, remove_rule,
};
pub use id::{
    AccountId, AuditId, ConditionId, DecisionId, EntitlementId, EventId, IdSource, LeaseId,
    NotAnId, ReservationId, RuleId, TemplateId, TreeId,
};
pub use lease::{Acquire, Lease, Leased, Renew, TTL_SECONDS_MAX, acquire, release, renew};
pub use ledger::{
    Chain, Content, Effect, Fingerprint, LedgerEvent, Overage, RecordedRuling, details_hash,
    key_hash, price_of,
};
pub use meter::{Correct, Meter, Recorded, correct, meter};
pub use occupancy::{Occupancy, Stay, occupancy};
pub use plan::{Cancel, Provision, cancel, provision};
pub use pool::with_windows_beside;
pub use quantity::{Amount, Factor, Percent, QUANTITY_MAX, Quantity, QuantityError, SCALE, Total};
pub use refusal::Refusal;
pub use reservation::{Reservation, ReservationStatus};
pub use reserve::{Reserve, Reserved, Settle, Settled, release_reservation, reserve, settle};
pub use time::{HOUR, NotATime, SECOND, Time};
pub use trace::{BareLevel, Trace, UnusedRow};
pub use tree::{
    Account, AccountPlan, AccountStatus, Expiries, Head, LEVELS_MAX, Node, Tree, WindowKey,
    WindowTotal,
};
pub use window::{
    ROLLING_SECONDS_MIN, ROLLING_STEPS, Window, WindowKind, WindowRule, Zone, oldest_step,
    step_micros, step_of, step_start, window_at,
};
pub use write::{Audit, HourSum, Write};
