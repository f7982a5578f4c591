//! The room that does: a lane with group commit over a store, and the catalogue file.
//!
//! Never in here: SQL, HTTP.

pub mod catalog_file;
mod lane;
mod mec;

pub use mec::{Clock, MachineClock, Mec, MecError, Now, OpenError};
