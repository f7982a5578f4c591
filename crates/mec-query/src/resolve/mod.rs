//! A syntax tree and a schema to a resolved request: names become places in the schema, texts
//! become values.
//!
//! After this room no identifier and no literal of the request is left. It renders nothing and
//! evaluates nothing.

mod filter;
mod node;
mod read;
mod relation;
mod scope;
mod write;

pub use filter::{Comparison, Expr, Filter};
pub use read::{Embed, OrderBy, OrderTerm, Output, Read, Source};
pub use relation::{Link, Relation};
pub use scope::Scope;
pub use write::{Cell, Delete, Insert, OnConflict, Update};
