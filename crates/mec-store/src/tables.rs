//! The public tables as data: what the query language may name, show and write.
//!
//! Names and columns are the API's. How rows are kept is told elsewhere (`sqlite/stored.rs` knows
//! it from a column's type); columns that are kept and not named here are nobody's to see: `tree`,
//! hashes, secrets, stored sums. Constraints carry the names PostgreSQL would give them, because
//! errors and embed hints quote them.

mod controls;
mod doors;
mod entitlements;
mod foundation;
mod metering;
mod plans;

use mec_query::{Column, Table, Type, Verb};

/// `NUMERIC(18,6)`: kept in millionths.
const QUANTITY: Type = Type::Numeric {
    precision: 18,
    scale: 6,
};
/// `NUMERIC(5,2)`: kept in hundredths.
const PERCENT: Type = Type::Numeric {
    precision: 5,
    scale: 2,
};

/// Rows whose key is made here: they are addressed by filters, never put by their key.
const WRITABLE: &[Verb] = &[Verb::Get, Verb::Post, Verb::Patch, Verb::Delete];
/// Rows whose key the caller chooses.
const WRITABLE_BY_KEY: &[Verb] = &[Verb::Get, Verb::Post, Verb::Put, Verb::Patch, Verb::Delete];

/// Every public table, from the foundation upwards.
pub fn tables() -> Vec<Table> {
    [
        foundation::tables(),
        plans::tables(),
        metering::tables(),
        entitlements::tables(),
        controls::tables(),
        doors::tables(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `varchar(max)`.
const fn varchar(max: u32) -> Type {
    Type::Text { max: Some(max) }
}

/// A short name that other rows refer to: `varchar(64)`.
const CODE: Type = varchar(64);
/// A member of a closed list: `varchar(32)`.
const MEMBER: Type = varchar(32);
/// A part of a resource: `varchar(128)`.
const SCOPE: Type = varchar(128);

fn created_at() -> Column {
    Column::new("created_at", Type::Timestamp)
        .defaulted()
        .described("When the row was made.")
}

fn updated_at() -> Column {
    Column::new("updated_at", Type::Timestamp)
        .defaulted()
        .described("When the row was last changed.")
}
