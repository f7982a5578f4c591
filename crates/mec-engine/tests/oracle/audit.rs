//! Every change of an entitlement, read from the table where an auditor reads it.

use std::collections::BTreeMap;

use mec_engine::Mec;
use mec_kernel::{AccountId, EntitlementId, Time};
use mec_oracle::{Audit, Id, Oracle, RowInWords, amount};
use mec_query::{Budget, Media, Page, Query, Read, Schema, Scope, Target};
use serde_json::{Value, json};

use crate::translate::Names;

/// What the audit does not tell as the oracle does.
pub(crate) async fn wrong(mec: &Mec, names: &Names, oracle: &Oracle) -> Option<String> {
    let mut found: BTreeMap<(i64, Id), Vec<Value>> = BTreeMap::new();
    for row in rows(mec).await {
        let at = micros(&row["changed_at"]).expect("every change has its time");
        let entitlement: EntitlementId = row["entitlement_id"]
            .as_str()
            .expect("an id")
            .parse()
            .expect("an id");
        found
            .entry((at, names.entitlements.id(entitlement)))
            .or_default()
            .push(row);
    }
    for expected in oracle.audits() {
        let rows = found.get_mut(&(expected.changed_at, expected.entitlement));
        let place = rows
            .as_ref()
            .and_then(|rows| rows.iter().position(|row| is_told(row, expected, names)));
        match (rows, place) {
            (Some(rows), Some(place)) => drop(rows.remove(place)),
            (rows, _) => return Some(format!("{expected:?} is not in {rows:?}")),
        }
    }
    // What is left is of rows that were written as they were.
    let is_change =
        |row: &&Value| row["action"] != "update" || told(&row["old_row"]) != told(&row["new_row"]);
    found
        .values()
        .flatten()
        .find(is_change)
        .map(|row| format!("nobody did {row}"))
}

async fn rows(mec: &Mec) -> Vec<Value> {
    let schema = Schema::new(mec_store::tables::tables(), vec![]).expect("sound tables");
    let query = Query::parse("order=audit_id", Target::Rows).expect("a query");
    let table = schema.table("entitlements_audit").expect("a table");
    let scope = Scope::relate(&schema, table, &query).expect("a table without others");
    let now = mec.now().micros();
    let read: Read = scope
        .read(Page::of_request(&query, None).expect("a page"), now)
        .expect("a readable table");
    let (read, fetched) = mec.fetch(read).await.expect("a readable store");
    let text = Media::Json
        .write(&read.show(&fetched, now), &Budget::unlimited())
        .expect("JSON")
        .concat();
    serde_json::from_str(&text).expect("JSON")
}

fn is_told(row: &Value, expected: &Audit, names: &Names) -> bool {
    let account: AccountId = row["account_id"]
        .as_str()
        .expect("an id")
        .parse()
        .expect("an id");
    names.accounts.id(account) == expected.account
        && row["action"] == expected.action
        && row["changed_by"] == "oracle"
        && row["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty())
        && told(&row["old_row"]) == expected.old.as_ref().map_or(Value::Null, in_words)
        && told(&row["new_row"]) == in_words(&expected.new)
}

fn in_words(of: &RowInWords) -> Value {
    let quantity = of
        .quantity
        .map(|quantity| amount::decimal(&quantity.into(), 6));
    let (plan, reference, version) = of.plan.map_or((None, None, None), |(plan, of, version)| {
        (
            Some(plan),
            Some(of).filter(|of| !of.is_empty()),
            Some(version),
        )
    });
    json!({
        "resource_type_code": of.resource,
        "resource_scope": of.scope,
        "quantity_allowed": quantity.map(|text| serde_json::from_str::<Value>(&text).expect("a number")),
        "status": of.status,
        "source": of.source,
        "plan_id": plan,
        "source_ref": reference,
        "plan_version": version,
        "priority": of.priority,
        "valid_from": of.valid_from,
        "valid_until": of.valid_until,
    })
}

/// The columns that are compared, with instants as numbers; null where there was no row.
fn told(row: &Value) -> Value {
    if row.is_null() {
        return Value::Null;
    }
    let mut told = in_words(&NOTHING);
    for (column, value) in told.as_object_mut().expect("an object") {
        let of_row = row
            .get(column)
            .unwrap_or_else(|| panic!("no {column} in {row}"));
        *value = if column.starts_with("valid_") {
            json!(micros(of_row))
        } else {
            of_row.clone()
        };
    }
    told
}

/// Has every column.
const NOTHING: RowInWords = RowInWords {
    resource: "",
    scope: None,
    quantity: None,
    status: "",
    source: "",
    plan: None,
    priority: 0,
    valid_from: 0,
    valid_until: None,
    conditions: 0,
};

fn micros(value: &Value) -> Option<i64> {
    value
        .as_str()
        .map(|text| text.parse::<Time>().expect("an instant").micros())
}
