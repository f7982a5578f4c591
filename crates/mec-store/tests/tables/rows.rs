//! Rows drawn for every public table, kept in memory and inserted with plain SQL.

use std::collections::HashMap;

use mec_query::{Catalogue, Column, Decimal, Table, Tables, Type, Value};
use rusqlite::types::Value as Sql;

use super::seeded::Draw;
use crate::NOW;

const ROWS_PER_TABLE: usize = 24;

const TEXTS: &[&str] = &[
    "",
    "a",
    "A",
    "ab",
    "aB",
    "b",
    "ä",
    "Ä",
    "ß",
    "zürich",
    "100%",
    "a_b",
    "a%b",
    "x\\y",
    "Zeta, Inc.",
    "(p)",
    "\"q\"",
    "it's",
    "null",
    "NULL",
    "z\u{10ffff}",
    "é",
    "a.b",
    "{a}",
    "line\nbreak",
];
const DOCUMENTS: &[&str] = &[
    "{}",
    "null",
    "[]",
    "[1,2,3]",
    "\"text\"",
    "17",
    r#"{"tier":{"n":2},"tags":["x","y"],"name":"Acme","on":null}"#,
    r#"{"tier":{"n":10},"tags":[],"name":"acme","on":true}"#,
    r#"{"tier":{"n":2.50},"name":"Äcme","on":false}"#,
    r#"{"tier":3,"tags":["y"],"name":null}"#,
    r#"{"name":17,"tier":{"n":"2"}}"#,
    r#"{"name":"it's 100%","tier":{"n":1e2}}"#,
];
const NUMBERS: &[i128] = &[
    0,
    1,
    -1,
    500_000,
    500_001,
    1_000_000,
    1_500_000,
    2_000_000,
    100_000_000,
    -100_000_000,
    999_999_999_999_999_999,
    -999_999_999_999_999_999,
];

/// The rows of every table by its name.
pub(crate) struct Rows {
    of_table: HashMap<&'static str, Vec<Vec<Value>>>,
    catalogue: Vec<std::sync::Arc<Table>>,
}

impl Rows {
    pub(crate) fn drawn(catalogue: &Catalogue, seed: u64) -> Self {
        let mut draw = Draw::new(seed ^ 0x5eed);
        let of_table = catalogue.tables().iter().map(|table| {
            let mut rows: Vec<Vec<Value>> = Vec::new();
            for at in 0..ROWS_PER_TABLE {
                let row: Vec<Value> = table.columns.iter().map(|column| value(&mut draw, table, column, at)).collect();
                let key = |row: &[Value]| table.key_positions().iter().map(|at| row[*at].clone()).collect::<Vec<_>>();
                if rows.iter().all(|other| key(other) != key(&row)) {
                    rows.push(row);
                }
            }
            (table.name, rows)
        });
        Self { of_table: of_table.collect(), catalogue: catalogue.tables().to_vec() }
    }

    pub(crate) fn tables(&self) -> Tables<'_> {
        Tables(self.of_table.iter().map(|(name, rows)| (*name, rows.as_slice())).collect())
    }

    pub(crate) fn of(&self, table: &str) -> &[Vec<Value>] {
        &self.of_table[table]
    }

    /// Inserts them; columns that are not public get whatever their type and keys allow.
    pub(crate) fn insert(&self, connection: &rusqlite::Connection) {
        let mut hidden_number = 0;
        for table in &self.catalogue {
            // What a new file already holds.
            if ["limit_kinds", "window_types", "limit_actions"].contains(&table.name) {
                connection.execute(&format!("DELETE FROM {}", table.name), []).unwrap();
            }
            let hidden: Vec<(String, String)> = connection
                .prepare("SELECT name, type FROM pragma_table_info(?1) WHERE \"notnull\" = 1")
                .unwrap()
                .query_map([table.name], |row| Ok((row.get(0)?, row.get(1)?)))
                .unwrap()
                .map(Result::unwrap)
                .filter(|(name, _): &(String, String)| table.position(name).is_none())
                .collect();
            let names: Vec<&str> =
                table.columns.iter().map(|column| column.name).chain(hidden.iter().map(|(name, _)| name.as_str())).collect();
            let places: Vec<String> = (1..=names.len()).map(|at| format!("?{at}")).collect();
            let sql = format!("INSERT INTO {} ({}) VALUES ({})", table.name, names.join(", "), places.join(", "));
            for row in self.of(table.name) {
                let mut values: Vec<Sql> = row.iter().map(sql_value).collect();
                for (name, ty) in &hidden {
                    hidden_number += 1;
                    values.push(match (name.as_str(), ty.as_str()) {
                        ("tree", _) => Sql::Integer(1),
                        (_, "INTEGER") => Sql::Integer(hidden_number),
                        (_, "TEXT") => Sql::Text(hidden_number.to_string()),
                        _ => Sql::Blob(i128::from(hidden_number).to_be_bytes().to_vec()),
                    });
                }
                connection.execute(&sql, rusqlite::params_from_iter(values)).unwrap_or_else(|error| panic!("{sql}: {error}"));
            }
        }
    }
}

fn sql_value(value: &Value) -> Sql {
    match value {
        Value::Null => Sql::Null,
        Value::Bool(flag) => Sql::Integer(i64::from(*flag)),
        Value::Int(number) | Value::Timestamp(number) => Sql::Integer(*number),
        Value::Numeric(number) => Sql::Integer(number.units.try_into().unwrap()),
        Value::Text(text) | Value::Json(text) => Sql::Text(text.clone()),
        Value::Uuid(bits) => Sql::Blob(bits.to_be_bytes().to_vec()),
        Value::TextArray(items) => Sql::Text(serde_json::json!(items).to_string()),
    }
}

fn value(draw: &mut Draw, table: &Table, column: &Column, at: usize) -> Value {
    if column.nullable && draw.one_in(4) {
        return Value::Null;
    }
    // Keys and what refers to them come from one small pool per type, so that rows find each other, and some do not.
    let is_only_key = table.key_positions() == [table.position(column.name).unwrap()];
    let key_number = if is_only_key { at } else { draw.below(ROWS_PER_TABLE + 4) };
    let refers = table.foreign_keys.iter().any(|key| key.columns == [column.name]);
    if let Some(check) = table.checks.iter().find(|check| check.column == column.name) {
        return Value::text(*draw.pick(&check.one_of));
    }
    match column.ty {
        Type::Text { .. } if is_only_key || refers => Value::text(format!("{}{key_number}", draw_case(key_number))),
        Type::Text { .. } if column.name == "idempotency_key" => Value::text(format!("key {at}")),
        Type::Text { .. } => Value::text(*draw.pick(TEXTS)),
        Type::Uuid => Value::Uuid(0x0198_0000_0000_7000_8000_0000_0000_0000 + key_number as u128),
        Type::Int2 | Type::Int4 | Type::Int8 if column.name == "tree_seq" || column.name == "factor" => Value::Int(at as i64 + 1),
        Type::Int2 | Type::Int4 | Type::Int8 => Value::Int(draw.below(9) as i64 - 2),
        Type::Numeric { scale: 2, .. } => Value::Numeric(Decimal::new(*draw.pick(&[0, 8_000, 8_050, 10_000]), 2)),
        Type::Numeric { scale, .. } => Value::Numeric(Decimal::new(*draw.pick(NUMBERS), scale)),
        Type::Bool => Value::Bool(draw.one_in(2)),
        Type::Timestamp => Value::Timestamp(NOW + (draw.below(5) as i64 - 2) * 86_400_000_000 + draw.below(2) as i64),
        Type::Json => Value::Json((*draw.pick(DOCUMENTS)).to_owned()),
        Type::TextArray => Value::TextArray((0..draw.below(3)).map(|_| (*draw.pick(TEXTS)).to_owned()).collect()),
    }
}

/// Codes of both cases, because text is ordered by its bytes.
fn draw_case(number: usize) -> &'static str {
    if number.is_multiple_of(3) { "Code" } else { "code" }
}
