//! The room that keeps: migrations, rows, and the hot verbs (`heads`, `look_up`, `commit`). The
//! only SQL of MEC.
//!
//! A [`Store`] is opened once; its [`Writer`] belongs to a lane, which locks trees, looks facts up,
//! and commits what the kernel ruled, all of it or nothing. Reads that decide nothing go through
//! the store's own read-only connections.
//!
//! Never in here: a rule, HTTP, a clock a decision depends on.

mod audit;
mod commit;
mod condition;
pub mod copy;
mod dialect;
mod error;
mod fault;
mod json;
mod limits;
mod moment;
mod options;
pub mod postgres;
mod read;
mod render;
mod rows;
mod scan;
pub mod sqlite;
mod store;
mod stored;
pub mod tables;
mod tally;
mod usage;
mod verify;
mod writer;

pub use commit::{Commit, DecisionRow, Operation};
pub use condition::ConditionRow;
pub use error::{CommitError, StoreError};
pub use fault::{Fault, Faults};
pub use limits::limits_json;
pub use moment::{Hold, Moment, Versions};
pub use options::OpenOptions;
pub use scan::{EventCursor, EventFilter};
pub use store::Store;
pub use usage::{UsageBucket, UsageQuery};
pub use verify::{Finding, Progress, Report};
pub use writer::Writer;
