//! The tables of `fixture.json` as a catalogue, and their rows in memory and in a store.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use mec::api::context::AppState;
use mec::http::router;
use mec_engine::{Mec, Options};
use mec_query::{Catalogue, Column, ForeignKey, Table, Type, Value, Verb};
use mec_store::sqlite::PlainTable;
use serde::Deserialize;

const VERBS: &[Verb] = &[Verb::Get, Verb::Post, Verb::Patch, Verb::Put, Verb::Delete];

#[derive(Deserialize)]
struct TableText {
    name: String,
    columns: Vec<ColumnText>,
    key: Option<KeyText>,
    #[serde(default)]
    uniques: Vec<KeyText>,
    #[serde(default)]
    references: Vec<ReferenceText>,
    rows: Vec<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct ColumnText {
    name: String,
    #[serde(rename = "type")]
    ty: String,
    #[serde(default)]
    required: bool,
    /// There with null: a default that is made up anew each time, such as the next number.
    #[serde(default, deserialize_with = "present")]
    default: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct KeyText {
    name: String,
    columns: Vec<String>,
}

#[derive(Deserialize)]
struct ReferenceText {
    name: String,
    columns: Vec<String>,
    target: String,
    target_columns: Vec<String>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(Some)
}

/// The catalogue and its rows.
pub(super) struct Fixture {
    pub(super) catalogue: Catalogue,
    plain: Vec<PlainTable>,
    /// The rows by table, with the values of all columns.
    pub(super) rows: HashMap<&'static str, Vec<Vec<Value>>>,
}

/// A store of the fixture's rows. Dropping it removes it.
pub(super) struct Loaded {
    pub(super) router: Router,
    _directory: tempfile::TempDir,
}

impl Fixture {
    pub(super) fn read() -> Self {
        let text = std::fs::read_to_string(super::data("fixture.json")).expect("the fixture");
        let texts: Vec<TableText> = serde_json::from_str(&text).expect("tables");
        let plain: Vec<PlainTable> = texts.iter().map(plain_table).collect();
        let tables = plain.iter().map(|plain| plain.table.clone()).collect();
        let catalogue = Catalogue::new(tables, vec![]).expect("a sound catalogue");
        let rows: HashMap<&'static str, Vec<Vec<Value>>> =
            plain.iter().map(|plain| (plain.table.name, plain.rows.clone())).collect();
        Self { catalogue, plain, rows }
    }

    /// The rows in a new store, and the API over it.
    pub(super) async fn load(&self) -> Loaded {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite:{}", directory.path().join("mec.db").display());
        let options = Options { plain_tables: self.plain.clone(), ..Options::default() };
        let mec = Mec::open(&url, options).await.expect("a store");
        let state = AppState::of_catalogue(Arc::new(mec), self.catalogue.clone());
        Loaded { router: router::router(state), _directory: directory }
    }
}

/// A row with all its columns.
fn row(table: &Table, text: &serde_json::Map<String, serde_json::Value>) -> Vec<Value> {
    let value = |column: &Column| match text.get(column.name) {
        Some(value) => column.ty.read_json(value, 0).expect("a value of the column's type"),
        None => Value::Null,
    };
    table.columns.iter().map(value).collect()
}

fn plain_table(text: &TableText) -> PlainTable {
    let columns: Vec<Column> = text.columns.iter().map(column).collect();
    let mut table = Table::new(name(&text.name), columns).allowing(VERBS);
    if let Some(key) = &text.key {
        table = table.primary_key(name(&key.name), &names(&key.columns));
    }
    for unique in &text.uniques {
        table = table.unique(name(&unique.name), &names(&unique.columns));
    }
    table.foreign_keys = text.references.iter().map(reference).collect();
    let default = |text: &ColumnText| {
        let value = text.default.as_ref().filter(|value| !value.is_null())?;
        Some((name(&text.name), ty(&text.ty).read_json(value, 0).expect("a default")))
    };
    let rows = text.rows.iter().map(|text| row(&table, text)).collect();
    let defaults = text.columns.iter().filter_map(default).collect();
    PlainTable { table, defaults, rows }
}

fn column(text: &ColumnText) -> Column {
    let column = Column::new(name(&text.name), ty(&text.ty)).writable();
    match (text.required, &text.default) {
        (true, Some(_)) => column.defaulted(),
        (true, None) => column.required(),
        (false, default) => Column { has_default: default.is_some(), ..column },
    }
}

fn reference(text: &ReferenceText) -> ForeignKey {
    let (columns, target_columns) = (names(&text.columns), names(&text.target_columns));
    ForeignKey { name: name(&text.name), columns, target: name(&text.target), target_columns }
}

fn ty(text: &str) -> Type {
    match text {
        "text" => Type::TEXT,
        "uuid" => Type::Uuid,
        "int2" => Type::Int2,
        "int4" => Type::Int4,
        "int8" => Type::Int8,
        "bool" => Type::Bool,
        "timestamptz" => Type::Timestamp,
        "jsonb" => Type::Json,
        "text[]" => Type::TextArray,
        other => {
            let numbers: Vec<u32> = other.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
            match (other.split('(').next(), numbers.as_slice()) {
                (Some("text"), [max]) => Type::Text { max: Some(*max) },
                (Some("numeric"), [precision, scale]) => Type::Numeric {
                    precision: u8::try_from(*precision).expect("a precision"),
                    scale: u8::try_from(*scale).expect("a scale"),
                },
                _ => panic!("no type: {other}"),
            }
        }
    }
}

fn names(texts: &[String]) -> Vec<&'static str> {
    texts.iter().map(|text| name(text)).collect()
}

/// A catalogue's names live as long as the program, as those of a real one do.
fn name(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}
