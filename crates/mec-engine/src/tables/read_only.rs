//! Writes that a table does not take, refused with the way that leads to the goal.

use mec_query::{QueryError, Table, Verb};

/// Refuses a verb that `table` does not allow.
///
/// # Errors
/// P0001 in the ledger's own words, 42501 for any other table, both with what to do instead.
pub fn check_verb(table: &Table, verb: Verb) -> Result<(), QueryError> {
    if table.allows(verb) {
        return Ok(());
    }
    let refusal = match (table.name, verb) {
        ("consumption_ledger", Verb::Post) => append_only("It is written by functions."),
        ("consumption_ledger", Verb::Delete) => append_only("Cannot delete."),
        ("consumption_ledger", _) => append_only("Cannot update."),
        _ => QueryError::table_not_writable(table.name),
    };
    Err(refusal.with_hint_if(instead(table, verb)))
}

fn append_only(rest: &str) -> QueryError {
    QueryError::sqlstate(
        "P0001",
        format!("Consumption ledger is append-only. {rest}"),
    )
}

fn instead(table: &Table, verb: Verb) -> Option<String> {
    let hint = match (table.name, verb) {
        ("consumption_ledger" | "consumption_event_details", Verb::Post) => {
            "Record use with POST /api/rpc/meter_consumption, or check and record in one step with POST /api/rpc/consume"
        }
        ("consumption_ledger" | "consumption_event_details", _) => {
            "Correct an event with POST /api/rpc/correct_consumption; the correction is an event of its own"
        }
        ("concurrency_leases", _) => {
            "Use POST /api/rpc/acquire_lease, /api/rpc/renew_lease and /api/rpc/release_lease"
        }
        ("reservations", _) => {
            "Use POST /api/rpc/reserve, /api/rpc/settle_reservation and /api/rpc/release_reservation"
        }
        ("account_plans", _) => "Use POST /api/rpc/provision_plan and /api/rpc/cancel_plan",
        ("account_links", _) => "Set external_id of the account in /api/accounts",
        ("entitlements_audit", _) => "It is written with every change of an entitlement",
        ("control_decisions_log", _) => "It is written with every decision",
        ("limit_kinds" | "window_types" | "limit_actions", _) => "It is a closed list",
        (_, Verb::Put) if table.allows(Verb::Post) => {
            "Its key is made here: make rows with POST and change them with PATCH and a filter"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
