//! Requests drawn from a seed: reads of any schema's tables with whatever headers choose an
//! answer's form, and writes of the catalog's tables.

use std::fmt;

use mec_query::{Column, Schema, Table, Tables, Type, Value, Verb};
use serde_json::{Map, json};

use super::drawn::seeded::{self, Draw, percent};

/// One request, without what belongs to a connection.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn get(target: String) -> Self {
        Self {
            method: "GET",
            target,
            headers: vec![],
            body: String::new(),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)?;
        self.headers
            .iter()
            .try_for_each(|(name, value)| write!(f, "\n> {name}: {value}"))?;
        if self.body.is_empty() {
            Ok(())
        } else {
            write!(f, "\n>> {}", self.body)
        }
    }
}

const MEDIA: &[&str] = &[
    "application/json",
    "text/csv",
    "text/csv",
    "application/vnd.pgrst.object+json",
    "application/vnd.pgrst.array+json;nulls=stripped",
    "application/vnd.pgrst.object+json;nulls=stripped",
    "*/*",
    "text/x",
];
const COUNTS: &[&str] = &[
    "count=exact",
    "count=exact",
    "count=planned",
    "count=estimated",
    "count=exact, handling=strict",
    "x",
];
const RANGES: &[&str] = &["0-0", "0-3", "1-", "2-5", "9-0", "30-40", "x"];
const BENT: &[&str] = &[
    "%", "(", ")", ".", ",", "&", "=", "%22", "%00", "->", "not.", "*", "!",
];
const RETURNS: &[&str] = &[
    "return=representation",
    "return=representation",
    "return=minimal",
    "return=headers-only",
];
const TEXTS: &[&str] = &[
    "",
    "a",
    "Ä",
    "it's",
    "\"q\"",
    "a,b",
    "NULL",
    "x\\y",
    "line\nbreak",
    "😀",
    "İ",
    " ",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2.50",
    "1e3",
    "99999999999999999999",
    "9223372036854775807",
    "\"7\"",
    "0.0000001",
];
const DOCUMENTS: &[&str] = &[
    "{}",
    "[]",
    "null",
    "{\"a\":{\"b\":[1.50,\"x\"]}}",
    "\"text\"",
    "1e400",
    "{\"bb\":1,\"a\":\"Ä\"}",
    "17",
];
const TIMES: &[&str] = &[
    "2026-11-24",
    "2026-11-24T10:00:00.123456Z",
    "2026-11-24 12:00:00+02",
    "infinity",
    "now",
    "0001-01-01",
];

/// A read of one of the tables.
pub(crate) fn read(draw: &mut Draw, schema: &Schema, rows: &Tables<'_>) -> Request {
    let mut target = format!("/api/{}", seeded::path(draw, schema, rows))
        .replace('>', "%3E")
        .replace('"', "%22");
    if draw.one_in(10) {
        let place = "/api/".len() + draw.below(target.len() - "/api/".len());
        if target.is_char_boundary(place) {
            let bent: &&str = draw.pick(BENT);
            target.insert_str(place, bent);
        }
    }
    let method = if draw.one_in(12) { "HEAD" } else { "GET" };
    let mut headers = Vec::new();
    for (times, name, values) in [
        (3, "accept", MEDIA),
        (3, "prefer", COUNTS),
        (8, "range", RANGES),
    ] {
        if draw.one_in(times) {
            headers.push((name, (*draw.pick(values)).to_owned()));
        }
    }
    Request {
        method,
        target: encoded(&target),
        headers,
        body: String::new(),
    }
}

/// A write of one of the tables.
pub(crate) fn write(draw: &mut Draw, schema: &Schema, rows: &Tables<'_>) -> Request {
    let tables: Vec<_> = schema
        .tables()
        .iter()
        .filter(|table| table.allows(Verb::Post))
        .collect();
    let table = *draw.pick(&tables);
    let mut parameters = Vec::new();
    let mut headers = Vec::new();
    let method = *draw.pick(&["POST", "POST", "POST", "PATCH", "PATCH", "PUT", "DELETE"]);
    let mut preferences = Vec::new();
    for (times, values) in [
        (2, RETURNS),
        (3, COUNTS),
        (8, &["missing=default"]),
        (8, &["handling=strict, max-affected=1"]),
    ] {
        if draw.one_in(times) {
            preferences.push(*draw.pick(values));
        }
    }
    if draw.one_in(4) {
        headers.push(("accept", (*draw.pick(MEDIA)).to_owned()));
    }
    let mut body = String::new();
    match method {
        "POST" => {
            body = new_rows(draw, rows, table);
            if draw.one_in(3) {
                preferences.push(*draw.pick(&[
                    "resolution=merge-duplicates",
                    "resolution=ignore-duplicates",
                ]));
                if draw.one_in(3) {
                    let keys: Vec<_> = table.uniques.iter().chain(&table.primary_key).collect();
                    let columns = if keys.is_empty() {
                        &["id"][..]
                    } else {
                        &draw.pick(&keys).columns
                    };
                    parameters.push(format!(
                        "on_conflict={}",
                        columns
                            .iter()
                            .map(|name| seeded::name(name))
                            .collect::<Vec<_>>()
                            .join(",")
                    ));
                }
            }
        }
        "PUT" => {
            let mut row = new_row(draw, rows, table, &insertable(table));
            for column in table.key_positions() {
                let column = &table.columns[column];
                let (condition, value) = of_key(draw, rows, table, column);
                parameters.push(condition);
                row.insert(column.name.to_owned(), value);
            }
            body = serde_json::Value::Object(row).to_string();
        }
        _ => {
            let is_named = draw.one_in(2);
            for column in table.key_positions().into_iter().filter(|_| is_named) {
                let column = &table.columns[column];
                parameters.push(of_key(draw, rows, table, column).0);
            }
            if !is_named {
                seeded::conditions(draw, rows, table, "", &mut parameters);
            }
            if method == "PATCH" {
                let columns = some_columns(draw, table, |column| column.updatable);
                body = serde_json::Value::Object(new_row(draw, rows, table, &columns)).to_string();
            }
        }
    }
    if draw.one_in(3) {
        let embeds = seeded::select(draw, schema, rows, table, "", &mut parameters, 1);
        parameters.push(format!("select={embeds}"));
    }
    if !preferences.is_empty() {
        headers.push(("prefer", preferences.join(", ")));
    }
    headers.push(("content-type", "application/json".to_owned()));
    let target = format!("/api/{}?{}", percent(table.name), parameters.join("&"));
    Request {
        method,
        target: encoded(&target),
        headers,
        body,
    }
}

fn new_rows(draw: &mut Draw, rows: &Tables<'_>, table: &Table) -> String {
    let columns = some_columns(draw, table, |column| column.insertable);
    let count = draw.below(4);
    if count == 0 {
        return serde_json::Value::Object(new_row(draw, rows, table, &columns)).to_string();
    }
    let all: Vec<_> = (0..count)
        .map(|_| serde_json::Value::Object(new_row(draw, rows, table, &columns)))
        .collect();
    serde_json::Value::Array(all).to_string()
}

fn insertable(table: &Table) -> Vec<usize> {
    (0..table.columns.len())
        .filter(|at| table.columns[*at].insertable)
        .collect()
}

/// All that must be given, and some more.
fn some_columns(draw: &mut Draw, table: &Table, may: fn(&Column) -> bool) -> Vec<usize> {
    let is_wanted = |draw: &mut Draw, column: &Column| match (
        may(column),
        column.nullable || column.has_default,
    ) {
        (false, _) => draw.one_in(60),
        (true, true) => draw.one_in(2),
        (true, false) => !draw.one_in(20),
    };
    (0..table.columns.len())
        .filter(|at| is_wanted(draw, &table.columns[*at]))
        .collect()
}

fn new_row(
    draw: &mut Draw,
    rows: &Tables<'_>,
    table: &Table,
    columns: &[usize],
) -> Map<String, serde_json::Value> {
    columns
        .iter()
        .map(|at| {
            (
                table.columns[*at].name.to_owned(),
                value(draw, rows, table, *at),
            )
        })
        .collect()
}

fn value(draw: &mut Draw, rows: &Tables<'_>, table: &Table, at: usize) -> serde_json::Value {
    let column = &table.columns[at];
    if draw.one_in(if column.nullable { 8 } else { 30 }) {
        return serde_json::Value::Null;
    }
    let is_key = table.key_positions().contains(&at);
    if !is_key
        && !draw.one_in(4)
        && let Some(value) = known(draw, rows, table, column)
    {
        return value;
    }
    let parsed = |text: &&str| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    match column.ty {
        Type::Text { .. } if is_key && !draw.one_in(4) => json!(format!(
            "{}{}",
            draw.pick(&["code", "Code"]),
            draw.below(12)
        )),
        Type::Text { .. } => json!(*draw.pick(TEXTS)),
        Type::Uuid => json!(format!("00000000-0000-4000-8000-{:012x}", draw.below(30))),
        Type::Int2 | Type::Int4 | Type::Int8 if is_key || draw.one_in(2) => json!(draw.below(60)),
        Type::Int2 | Type::Int4 | Type::Int8 | Type::Numeric { .. } => parsed(draw.pick(NUMBERS)),
        Type::Bool => parsed(draw.pick(&["true", "false", "\"yes\"", "\"f\"", "1"])),
        Type::Timestamp => json!(*draw.pick(TIMES)),
        Type::Json => parsed(draw.pick(DOCUMENTS)),
        Type::TextArray => json!([*draw.pick(TEXTS), *draw.pick(TEXTS)]),
    }
}

/// A value that some row of the column, or of what it refers to, has.
fn known(
    draw: &mut Draw,
    rows: &Tables<'_>,
    table: &Table,
    column: &Column,
) -> Option<serde_json::Value> {
    let at = table.position(column.name)?;
    let row = rows
        .0
        .get(table.name)
        .filter(|rows| !rows.is_empty())
        .map(|rows| draw.pick(rows))?;
    serde_json::from_str(&row.get(at).unwrap_or(&Value::Null).to_json()).ok()
}

/// A condition on a column of the key, and the value that it names.
fn of_key(
    draw: &mut Draw,
    rows: &Tables<'_>,
    table: &Table,
    column: &Column,
) -> (String, serde_json::Value) {
    let value = known(draw, rows, table, column).unwrap_or_else(|| json!(draw.below(40)));
    let (name, text) = (seeded::name(column.name), percent(&text_of(&value)));
    (format!("{name}=eq.{text}"), value)
}

fn text_of(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// As a URL takes it.
fn encoded(target: &str) -> String {
    let mut uri = String::new();
    for byte in target.bytes() {
        match byte {
            b'"'
            | b' '
            | b'<'
            | b'>'
            | b'{'
            | b'}'
            | b'\\'
            | b'^'
            | b'`'
            | b'|'
            | b'#'
            | b'['
            | b']'
            | 0..0x20
            | 0x7f.. => {
                uri.push_str(&format!("%{byte:02X}"));
            }
            byte => uri.push(char::from(byte)),
        }
    }
    uri
}
