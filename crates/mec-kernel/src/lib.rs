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

mod absence;
mod account;
mod account_change;
mod acquire;
mod answer;
mod cancel;
mod catalog;
mod catalog_change;
mod catalog_check;
mod check;
mod code;
mod command;
mod consume;
mod counter;
mod counting;
mod decimal;
mod decision;
mod effects;
mod enforcement;
mod entitlement;
mod entitlement_write;
mod facts;
mod fall;
mod grant;
mod held_plan;
mod id;
mod json;
mod judge;
mod lease;
mod leased;
mod ledger;
mod level;
mod marks;
mod meter;
mod migrate_plan;
mod need;
mod node;
mod occupancy;
mod pool;
mod provision;
mod quantity;
mod record;
mod recording;
mod refusal;
mod release;
mod release_reservation;
mod renew;
mod request;
mod reservation;
mod reserve;
mod retry;
mod settle;
mod standing;
mod time;
mod time_to_live;
mod trace;
mod tree;
mod window;
mod write;

pub use account::{Account, AccountPlan, AccountStatus, LEVELS_MAX};
pub use account_change::{AccountPatch, CreateAccount, create_account, patch_account};
pub use acquire::{Acquire, acquire};
pub use cancel::{Cancel, cancel};
pub use catalog::{
    Catalog, LimitAction, LimitKind, Plan, Resource, Rule, Settings, Template, Unit,
};
pub use catalog_change::{
    CatalogChange, CatalogRuling, InUse, KeptRow, change_catalog, prune_catalog,
};
pub use check::{Check, check};
pub use code::Code;
pub use command::{Actor, Making, Ruling, View};
pub use consume::{Consume, Consumed, consume};
pub use counter::{Expiries, WindowKey, WindowTotal};
pub use decimal::{Decimal, NotADecimal};
pub use decision::{Decision, Reason};
pub use entitlement::{
    Attribute, Attributes, Comparison, Condition, ConditionTest, Entitlement, EntitlementStatus,
    Source,
};
pub use facts::{Fact, Facts};
pub use grant::{
    EntitlementPatch, Grant, check_rule, grant, patch_entitlement, put_rule, remove_rule,
};
pub use id::{
    AccountId, AuditId, ConditionId, DecisionId, EntitlementId, EventId, IdSource, LeaseId,
    NotAnId, ReservationId, RuleId, TemplateId, TreeId,
};
pub use lease::{Lease, Session};
pub use leased::Leased;
pub use ledger::{
    Chain, Content, Effect, Fingerprint, LedgerEvent, Overage, RecordedRuling, details_hash,
    key_hash, price_of,
};
pub use meter::{Correct, Meter, Recorded, correct, meter};
pub use migrate_plan::{MigratePlan, PlanMigration, migrate_plan};
pub use need::{Halt, Need};
pub use node::Node;
pub use occupancy::{Occupancy, Stay, occupancy};
pub use pool::with_windows_beside;
pub use provision::{Provision, provision};
pub use quantity::{Amount, Factor, Percent, QUANTITY_MAX, Quantity, QuantityError, SCALE, Total};
pub use refusal::Refusal;
pub use release::release;
pub use release_reservation::release_reservation;
pub use renew::{Renew, renew};
pub use request::scope_of;
pub use reservation::{Reservation, ReservationStatus};
pub use reserve::{Reserve, Reserved, reserve};
pub use settle::{Settle, Settled, settle};
pub use standing::{BareLevel, Figures, Limit, Standing, Trace, UnusedRow};
pub use time::{HOUR, NotATime, SECOND, Time};
pub use time_to_live::TTL_SECONDS_MAX;
pub use tree::{Head, NotLoaded, Tree};
pub use window::{
    ROLLING_SECONDS_MIN, ROLLING_STEPS, Window, WindowKind, WindowRule, Zone, oldest_step,
    step_micros, step_of, step_start, window_at,
};
pub use write::{Audit, HourSum, Write};
