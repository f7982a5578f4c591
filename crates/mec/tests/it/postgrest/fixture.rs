//! The tables of `fixture.json` as a catalogue, and their rows in memory and in a store.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use mec::api::context::AppState;
use mec::http::router;
use mec_engine::{Clock, Mec, Now, Options};
use mec_kernel::Time;
use mec_query::{Catalogue, Column, ForeignKey, Table, Type, Value, Verb};
use mec_store::plain::PlainTable;
use serde::Deserialize;

use crate::home::cluster::{Cluster, name_of};

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
pub(crate) struct Fixture {
    pub(crate) catalogue: Catalogue,
    plain: Vec<PlainTable>,
    /// The rows by table, with the values of all columns.
    pub(crate) rows: HashMap<&'static str, Vec<Vec<Value>>>,
}

/// Which database keeps the fixture's rows.
pub(crate) enum Database {
    /// SQLite, in a file of its own.
    Sqlite,
    /// PostgreSQL, in a new one of this server.
    Postgres(Arc<Cluster>),
}

/// A store of the fixture's rows. Dropping it removes it.
pub(crate) struct Loaded {
    pub(crate) router: Router,
    place: Place,
}

enum Place {
    Directory(#[allow(dead_code, reason = "held until it is dropped")] tempfile::TempDir),
    Database(Arc<Cluster>, String),
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Database(cluster, name) = self {
            cluster.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

/// A clock that stands still.
fn still() -> Clock {
    Clock::ruling(Arc::new(Still("2026-11-24T11:59:59.5Z".parse().expect("an instant"))))
}

#[derive(Debug)]
struct Still(Time);

impl Now for Still {
    fn now(&self) -> Time {
        self.0
    }
}

impl Fixture {
    pub(crate) fn read() -> Self {
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
    pub(crate) async fn load(&self, database: &Database) -> Loaded {
        let (url, place) = match database {
            Database::Sqlite => {
                let directory = tempfile::tempdir().expect("a directory");
                (format!("sqlite:{}", directory.path().join("mec.db").display()), Place::Directory(directory))
            }
            Database::Postgres(cluster) => {
                let url = cluster.database();
                let name = name_of(&url).to_owned();
                (url, Place::Database(cluster.clone(), name))
            }
        };
        let options = Options { plain_tables: self.plain.clone(), clock: still(), ..Options::default() };
        let mec = Mec::open(&url, options).await.expect("a store");
        if let Place::Database(cluster, name) = &place {
            let aside = |plain: &PlainTable| {
                let name = quoted(plain.table.name);
                format!("CREATE TABLE unwritten.{name} AS TABLE public.{name};")
            };
            let aside: String = self.plain.iter().map(aside).collect();
            cluster.sql(name, &format!("CREATE SCHEMA unwritten; {aside}"));
        }
        let state = AppState::of_catalogue(Arc::new(mec), self.catalogue.clone());
        Loaded { router: router::router(state), place }
    }

    /// The store with its rows as they were before this table was written to.
    pub(crate) async fn restored(&self, written: Loaded, database: &Database, table: &str) -> Loaded {
        match &written.place {
            Place::Database(cluster, name) => {
                let table = quoted(table);
                let sql = format!("BEGIN; TRUNCATE {table}; INSERT INTO {table} TABLE unwritten.{table}; COMMIT");
                cluster.sql(name, &sql);
                written
            }
            Place::Directory(_) => self.load(database).await,
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
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
