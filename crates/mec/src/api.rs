//! The API: what a product asks over HTTP, as functions and tables.
//!
//! `root` describes all of it, `rpc` has a file for every function, `verb` says what a function is,
//! `arguments` and `answers` are the two sides of a call. Nothing here decides, and nothing here
//! speaks SQL.

pub(crate) mod answers;
pub(crate) mod arguments;
pub mod context;
mod parameters;
pub(crate) mod root;
pub(crate) mod rpc;
pub(crate) mod tables;
mod verb;

pub use self::rpc::functions;
