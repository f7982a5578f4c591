//! The one place where a refusal of the kernel becomes what clients of PostgreSQL's tables expect:
//! 23503 for a reference that leads nowhere or is still used, 23505 for a name that is taken. Any
//! other refusal stays as it is.

use mec_kernel::Refusal;
use mec_query::{ForeignKey, QueryError, Table};

use crate::error::MecError;

/// The refusal of a write of `table` in PostgreSQL's words, where there are such.
pub(super) fn worded(table: &Table, error: MecError) -> MecError {
    let MecError::Refused(refusal) = error else {
        return error;
    };
    let missing = |column: &str, value: &str| reference_missing(table, column, value);
    let found = match &refusal {
        Refusal::ExternalIdTaken { external_id } => Some(external_id_taken(external_id)),
        Refusal::ParentNotFound { account } => missing("parent_account_id", account),
        Refusal::AccountNotFound { account } => missing("account_id", account),
        Refusal::EntitlementNotFound { entitlement } => missing("entitlement_id", entitlement),
        Refusal::ResourceNotFound { resource } => missing("resource_type_code", resource),
        Refusal::NotPresent { column, value } => missing(column, value),
        Refusal::InUse { what, by } => Some(in_use(table, what, by)),
        _ => None,
    };
    found.map_or(MecError::Refused(refusal), MecError::Query)
}

/// 23503 for a reference of one column, where the table has one.
pub(super) fn reference_missing(table: &Table, column: &str, value: &str) -> Option<QueryError> {
    let is_of = |key: &&ForeignKey| key.columns == [column];
    let key = table.foreign_keys.iter().find(is_of)?;
    let error = QueryError::reference_missing(table.name, key.name, column, value, key.target);
    Some(error.with_hint(missing_hint(key, column)))
}

/// Where to look for what a reference can be.
fn missing_hint(key: &ForeignKey, column: &str) -> String {
    let (target, of_target) = (key.target, key.target_columns.join(","));
    let more = match target {
        "account_types" | "plans" | "resource_types" | "units" => {
            format!("; POST /api/{target} creates another one")
        }
        _ => String::new(),
    };
    format!("Give {column} a value that GET /api/{target}?select={of_target} lists{more}")
}

/// 23505 for an external id that another account has.
pub(super) fn external_id_taken(external_id: &str) -> QueryError {
    taken(
        "accounts",
        "accounts_external_id_key",
        "external_id",
        external_id,
    )
}

fn taken(table: &str, constraint: &str, column: &str, value: &str) -> QueryError {
    QueryError::duplicate_key(constraint, column, value).with_hint(format!(
        "GET /api/{table}?{column}=eq.{} shows the row that has it: change that row with PATCH, or choose another {column}",
        in_url(value)
    ))
}

/// As a query string has it.
fn in_url(value: &str) -> String {
    let mut shown = String::new();
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                shown.push(char::from(byte))
            }
            _ => shown.push_str(&format!("%{byte:02X}")),
        }
    }
    shown
}

/// 23505 for a primary key that is taken.
pub(super) fn key_taken(table: &Table, value: &str) -> QueryError {
    match &table.primary_key {
        Some(key) => taken(table.name, key.name, &key.columns.join(","), value),
        None => QueryError::duplicate_key(table.name, "", value),
    }
}

fn in_use(table: &Table, what: &str, by: &str) -> QueryError {
    QueryError::sqlstate(
        "23503",
        format!(
            "update or delete on table \"{}\": {what} is in use",
            table.name
        ),
    )
    .with_details(format!("It is still referenced from {by}."))
    .with_hint(in_use_hint(what))
}

/// What to do instead of removing or altering what is in use.
fn in_use_hint(what: &str) -> String {
    if let Some(plan) = what.strip_prefix("plan ") {
        return format!(
            "PATCH /api/plans?plan_id=eq.{plan} with {{\"is_active\": false}}: those who have the plan keep it, and nobody else gets it"
        );
    }
    format!("Leave {what} as it is, and create a new one under another code for what comes")
}
