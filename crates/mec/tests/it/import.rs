//! Importing and exporting the ledger: each event once, every line accounted for, a file fit for
//! another store.

mod export;
mod files;
mod lines;
mod resend;

use serde_json::Value;

/// The counts of a report.
fn counts(report: &Value) -> [u64; 4] {
    ["lines", "recorded", "replayed", "rejected"].map(|name| report[name].as_u64().unwrap())
}
