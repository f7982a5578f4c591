//! `mec demo`: a store with the guide's catalog and an account in every interesting state, served
//! until it is told to stop.
//!
//! Decides nothing and writes no SQL: the demo is filled through the engine's operations and served
//! as any other store.

mod cast;
mod fill;
mod history;
mod run;
mod welcome;

pub use fill::{Contents, FillError, Filled, fill};
pub(crate) use run::{Demo, run};
