//! A server: which path is answered by what, the pages only an operator may use, its life.
//!
//! Nothing here decides, and nothing here speaks SQL.

pub(crate) mod admin;
mod health;
pub mod router;
pub(crate) mod serve;
