//! The API: what a product asks over HTTP, as functions and tables.
//!
//! `root` describes all of it, `functions` says as data what can be called, `rpc` calls it, `arguments` and `answers` are the two sides of a call,
//! `refusal` turns what went wrong into a status, a code and a hint. Nothing here decides, and nothing here speaks SQL.

pub(crate) mod answers;
pub(crate) mod arguments;
pub mod context;
pub mod functions;
pub(crate) mod refusal;
pub(crate) mod root;
pub(crate) mod rpc;
mod sparing;
pub(crate) mod tables;
