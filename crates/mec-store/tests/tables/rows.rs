//! Rows drawn for every public table, kept in memory and inserted with plain SQL.

use std::collections::HashMap;

use mec_query::{Column, Decimal, Schema, Table, Tables, Type, Value, json_text};

use super::seeded::Draw;
use super::{Home, NOW};

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
    "İstanbul",
    "ΑΣ",
    "ας",
    "ſ",
    "\u{212a}",
    "e\u{301}",
    "\u{1}",
    "\u{2}x",
    "😀",
    " a ",
    "00",
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
    r#"{"name":"acme\u0001","tier":{"n":1e400},"tags":["X",null]}"#,
    r#"{"name":"İ","tier":{"n":-0.05},"tags":[[]],"on":[]}"#,
    r#"{"name":["a"],"tier":{"n":{"aa":1,"b":2}},"on":{}}"#,
    r#"{"name":{"b":1},"tier":{"n":{"b":2,"aa":1.0}},"on":"true"}"#,
    r#"{"name":"B","tier":{"n":12345678901234567890.123456789},"on":0}"#,
    r#"{"":{"":1},"ä b":2,"name":"b","tier":[{"n":1}]}"#,
    "-0.0",
    "\"\"",
    "[[1],{\"z\":\"Z\"},\"a\"]",
    "[[1],{\"z\":\"a\"},\"a\"]",
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

/// The ends of time, of the years that are written with four digits, and before and after 1970.
const MOMENTS: &[i64] = &[
    i64::MIN,
    i64::MAX,
    -62_135_596_800_000_000,
    253_402_300_799_999_999,
    -1,
    0,
    1,
];

/// The rows of every table by its name.
pub(crate) struct Rows {
    of_table: HashMap<&'static str, Vec<Vec<Value>>>,
    schema: Vec<std::sync::Arc<Table>>,
}

impl Rows {
    pub(crate) fn drawn(schema: &Schema, seed: u64) -> Self {
        let mut draw = Draw::new(seed ^ 0x5eed);
        let of_table = schema.tables().iter().map(|table| {
            let mut rows: Vec<Vec<Value>> = Vec::new();
            for at in 0..ROWS_PER_TABLE {
                let row: Vec<Value> = table
                    .columns
                    .iter()
                    .map(|column| value(&mut draw, table, column, at))
                    .collect();
                let key = |row: &[Value]| {
                    table
                        .key_positions()
                        .iter()
                        .map(|at| row[*at].clone())
                        .collect::<Vec<_>>()
                };
                if rows.iter().all(|other| key(other) != key(&row)) {
                    rows.push(row);
                }
            }
            (table.name, rows)
        });
        Self {
            of_table: of_table.collect(),
            schema: schema.tables().to_vec(),
        }
    }

    pub(crate) fn tables(&self) -> Tables<'_> {
        Tables(
            self.of_table
                .iter()
                .map(|(name, rows)| (*name, rows.as_slice()))
                .collect(),
        )
    }

    pub(crate) fn of(&self, table: &str) -> &[Vec<Value>] {
        &self.of_table[table]
    }

    /// Inserts them; columns that are not public get whatever their type and keys allow.
    pub(crate) fn insert(&self, home: &Home) {
        let mut hidden_number = 0;
        let mut script = String::new();
        for table in &self.schema {
            // What a new store already holds.
            if ["limit_kinds", "window_types", "limit_actions"].contains(&table.name) {
                script += &format!("DELETE FROM {};\n", table.name);
            }
            let hidden: Vec<(String, String)> = required(home, table.name)
                .into_iter()
                .filter(|(name, _): &(String, String)| table.position(name).is_none())
                .collect();
            let names: Vec<&str> = table
                .columns
                .iter()
                .map(|column| column.name)
                .chain(hidden.iter().map(|(name, _)| name.as_str()))
                .collect();
            for row in self.of(table.name) {
                let mut values: Vec<String> =
                    row.iter().map(|value| literal(home, value)).collect();
                for (name, ty) in &hidden {
                    hidden_number += 1;
                    values.push(match (name.as_str(), ty.as_str()) {
                        ("tree", _) => "1".to_owned(),
                        (_, "BLOB") => format!("x'{hidden_number:032x}'"),
                        (_, "bytea") => format!("'\\x{hidden_number:032x}'"),
                        _ => format!("'{hidden_number}'"),
                    });
                }
                script += &format!(
                    "INSERT INTO {} ({}) VALUES ({});\n",
                    table.name,
                    names.join(", "),
                    values.join(", ")
                );
            }
        }
        home.run(&format!("BEGIN;\n{script}COMMIT;"));
    }
}

/// The columns of a table that must have a value, with their types.
fn required(home: &Home, table: &str) -> Vec<(String, String)> {
    let sql = if home.is_postgres() {
        format!(
            "SELECT column_name || ' ' || data_type FROM information_schema.columns WHERE table_schema = 'public' \
             AND table_name = '{table}' AND is_nullable = 'NO'"
        )
    } else {
        format!(
            "SELECT name || ' ' || type FROM pragma_table_info('{table}') WHERE \"notnull\" = 1"
        )
    };
    let columns = home.query(&sql).into_iter().flatten();
    columns
        .map(|column| {
            column
                .split_once(' ')
                .map(|(name, ty)| (name.to_owned(), ty.to_owned()))
                .unwrap()
        })
        .collect()
}

fn literal(home: &Home, value: &Value) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    if home.is_postgres() {
        return match value {
            Value::Null => "NULL".to_owned(),
            Value::Timestamp(i64::MAX) => "'infinity'".to_owned(),
            Value::Timestamp(i64::MIN) => "'-infinity'".to_owned(),
            Value::Timestamp(micros) => {
                format!("'epoch'::timestamptz + interval '{micros} microseconds'")
            }
            value => quoted(&value.to_text().unwrap()),
        };
    }
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(flag) => i64::from(*flag).to_string(),
        Value::Int(number) | Value::Timestamp(number) => number.to_string(),
        Value::Numeric(number) => number.units.to_string(),
        Value::Text(text) | Value::Json(text) => quoted(text),
        Value::Uuid(bits) => format!("x'{bits:032x}'"),
        Value::TextArray(items) => quoted(&serde_json::json!(items).to_string()),
    }
}

fn value(draw: &mut Draw, table: &Table, column: &Column, at: usize) -> Value {
    if column.nullable && draw.one_in(4) {
        return Value::Null;
    }
    // Keys and what refers to them come from one small pool per type, so that rows find each other,
    // and some do not.
    let is_only_key = table.key_positions() == [table.position(column.name).unwrap()];
    let key_number = if is_only_key {
        at
    } else {
        draw.below(ROWS_PER_TABLE + 4)
    };
    let refers = table
        .foreign_keys
        .iter()
        .any(|key| key.columns == [column.name]);
    if let Some(check) = table
        .checks
        .iter()
        .find(|check| check.column == column.name)
    {
        return Value::text(*draw.pick(&check.one_of));
    }
    match column.ty {
        Type::Text { .. } if is_only_key || refers => {
            Value::text(format!("{}{key_number}", draw_case(key_number)))
        }
        Type::Text { .. } if column.name == "idempotency_key" => Value::text(format!("key {at}")),
        Type::Text { max } => {
            let max = max
                .and_then(|max| usize::try_from(max).ok())
                .unwrap_or(usize::MAX);
            Value::text(draw.pick(TEXTS).chars().take(max).collect::<String>())
        }
        Type::Uuid => Value::Uuid(0x0198_0000_0000_7000_8000_0000_0000_0000 + key_number as u128),
        Type::Int2 | Type::Int4 | Type::Int8
            if column.name == "tree_seq" || column.name == "factor" =>
        {
            Value::Int(at as i64 + 1)
        }
        Type::Int8 if draw.one_in(8) => {
            Value::Int(*draw.pick(&[i64::MIN, i64::MAX, 1 << 53, (1 << 53) + 1]))
        }
        Type::Int2 | Type::Int4 | Type::Int8 => Value::Int(draw.below(9) as i64 - 2),
        Type::Numeric { scale: 2, .. } => {
            Value::Numeric(Decimal::new(*draw.pick(&[0, 8_000, 8_050, 10_000]), 2))
        }
        Type::Numeric { scale, .. } => Value::Numeric(Decimal::new(*draw.pick(NUMBERS), scale)),
        Type::Bool => Value::Bool(draw.one_in(2)),
        Type::Timestamp if draw.one_in(8) => Value::Timestamp(*draw.pick(MOMENTS)),
        Type::Timestamp => Value::Timestamp(
            NOW + (draw.below(5) as i64 - 2) * 86_400_000_000 + draw.below(2) as i64,
        ),
        Type::Json => Value::Json(json_text(
            &serde_json::from_str(draw.pick::<&str>(DOCUMENTS)).expect("JSON"),
        )),
        Type::TextArray => Value::TextArray(
            (0..draw.below(3))
                .map(|_| (*draw.pick(TEXTS)).to_owned())
                .collect(),
        ),
    }
}

/// Codes of both cases, because text is ordered by its bytes.
fn draw_case(number: usize) -> &'static str {
    if number.is_multiple_of(3) {
        "Code"
    } else {
        "code"
    }
}
