//! How a column of the table catalog lies in SQLite's rows.

use mec_query::{Decimal, Value};
use rusqlite::types::{Value as Sql, ValueRef};

use crate::stored::Parameter;
pub(super) use crate::stored::Stored;

impl Stored {
    /// What a row holds; `None` where it holds what this program does not write.
    pub(super) fn value(self, held: ValueRef<'_>) -> Option<Value> {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        Some(match (self, held) {
            (_, ValueRef::Null) => Value::Null,
            (Self::Id, ValueRef::Blob(bytes)) => {
                Value::Uuid(u128::from_be_bytes(bytes.try_into().ok()?))
            }
            (Self::Text, ValueRef::Text(bytes)) => Value::Text(text(bytes)?),
            (Self::Json, ValueRef::Text(bytes)) => Value::Json(text(bytes)?),
            (Self::List, ValueRef::Text(bytes)) => {
                Value::TextArray(serde_json::from_slice(bytes).ok()?)
            }
            (Self::Integer, ValueRef::Integer(number)) => Value::Int(number),
            (Self::Units(scale), ValueRef::Integer(units)) => {
                Value::Numeric(Decimal::new(i128::from(units), scale))
            }
            (Self::Flag, ValueRef::Integer(flag @ 0..=1)) => Value::Bool(flag == 1),
            (Self::Micros, ValueRef::Integer(micros)) => Value::Timestamp(micros),
            _ => return None,
        })
    }
}

/// A parameter as SQLite keeps such values.
pub(super) fn bound(parameter: &Parameter) -> Sql {
    match parameter {
        Parameter::Id(bits) => Sql::Blob(bits.to_be_bytes().to_vec()),
        Parameter::Text(text) | Parameter::Json(text) => Sql::Text(text.clone()),
        Parameter::Integer(number) | Parameter::Units(number, _) | Parameter::Micros(number) => {
            Sql::Integer(*number)
        }
        Parameter::Flag(flag) => Sql::Integer(i64::from(*flag)),
        Parameter::Many(_, items) => Sql::Text(list_text(items)),
    }
}

/// A list of texts as JSON: statements in this dialect have a parameter of its own for every other
/// value.
fn list_text(items: &[Option<Parameter>]) -> String {
    let text = |item: &Option<Parameter>| match item {
        Some(Parameter::Text(text)) => serde_json::Value::String(text.clone()),
        _ => serde_json::Value::Null,
    };
    serde_json::Value::Array(items.iter().map(text).collect()).to_string()
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// Columns that are kept and not shown.
    const HIDDEN: &[&str] = &[
        "accounts.tree",
        "api_keys.key_hash",
        "account_plans.tree",
        "concurrency_leases.amount",
        "concurrency_leases.tree",
        "consumption_event_details.tree",
        "consumption_ledger.chain",
        "consumption_ledger.details_hash",
        "consumption_ledger.effects",
        "consumption_ledger.fingerprint",
        "consumption_ledger.tree",
        "control_decisions_log.tree",
        "control_rules.tree",
        "entitlement_conditions.tree",
        "entitlements.tree",
        "entitlements_audit.tree",
        "reservations.amount",
        "reservations.tree",
        "webhook_deliveries.claimed_until",
        "webhook_endpoints.secret",
    ];

    /// The type that the schema declares such a column with.
    fn declared_type(stored: Stored) -> &'static str {
        match stored {
            Stored::Id => "BLOB",
            Stored::Text | Stored::Json | Stored::List => "TEXT",
            Stored::Integer | Stored::Units(_) | Stored::Flag | Stored::Micros => "INTEGER",
        }
    }

    #[test]
    fn the_table_catalog_is_the_schema_but_for_what_is_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mec.db");
        drop(crate::sqlite::Sqlite::open(&path, &crate::OpenOptions::default()).unwrap());
        let connection = Connection::open(&path).unwrap();
        let mut hidden = vec![];
        for table in crate::tables::tables() {
            let mut shown = 0;
            let mut statement = connection
                .prepare("SELECT name, type, \"notnull\" FROM pragma_table_info(?1)")
                .unwrap();
            let mut rows = statement.query([table.name]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let (name, declared, is_required): (String, String, bool) = (
                    row.get(0).unwrap(),
                    row.get(1).unwrap(),
                    row.get(2).unwrap(),
                );
                let Some(column) = table.position(&name).map(|at| &table.columns[at]) else {
                    hidden.push(format!("{}.{name}", table.name));
                    continue;
                };
                shown += 1;
                assert_eq!(
                    declared,
                    declared_type(Stored::of(column.ty)),
                    "{}.{name}",
                    table.name
                );
                assert_eq!(is_required, !column.nullable, "{}.{name}", table.name);
            }
            assert_eq!(
                shown,
                table.columns.len(),
                "every column of {} is kept",
                table.name
            );
        }
        let mut wanted = HIDDEN.to_vec();
        wanted.sort_unstable();
        hidden.sort_unstable();
        assert_eq!(hidden, wanted);
    }
}
