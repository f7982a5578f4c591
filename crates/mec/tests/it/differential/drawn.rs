//! The rows and queries that the store's own tests draw, of whatever tables a catalog has.

pub(crate) use crate::home::Home;

/// 2026-11-24T02:12:09Z.
pub(crate) const NOW: i64 = 1_795_486_329_000_000;

#[path = "../../../../mec-store/tests/tables/rows.rs"]
pub(crate) mod rows;
#[path = "../../../../mec-store/tests/tables/seeded.rs"]
pub(crate) mod seeded;
