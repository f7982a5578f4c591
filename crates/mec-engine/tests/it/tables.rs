//! Writes of the table API: each family made, changed and removed; all or nothing; seen by the next
//! decision.

mod accounts;
mod catalog;
mod entitlements;
mod on_postgres;
mod read_only;
