//! No request makes a database see a name that is not in the schema, nor any other text of its own.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use mec_query::{Delete, Page, Query, Read, Schema, Scope, Target};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::{Statement, count, embed, keys, rows};
use crate::dialect::Dialect;

const DIALECTS: [Dialect; 2] = [
    Dialect::Sqlite,
    Dialect::Postgres {
        letters: "und-x-icu",
    },
];
/// Every word of SQL a statement may have beside names, in lower case.
const WORDS: &[&str] = &[
    "all",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "by",
    "c",
    "collate",
    "count",
    "desc",
    "distinct",
    "escape",
    "exists",
    "false",
    "first",
    "from",
    "ilike",
    "in",
    "is",
    "join",
    "last",
    "lateral",
    "like",
    "limit",
    "not",
    "null",
    "nulls",
    "numbered",
    "offset",
    "on",
    "or",
    "order",
    "ordinality",
    "over",
    "partition",
    "place",
    "row_number",
    "select",
    "true",
    "unnest",
    "where",
    "with",
    // Functions and types.
    "bigint",
    "boolean",
    "bytea",
    "integer",
    "json",
    "json_at",
    "json_key",
    "jsonb",
    "mec_json_key",
    "numeric",
    "text",
    "text_like",
    "text_matches",
    "timestamptz",
    "uuid",
    "bool",
    "int8",
    "smallint",
    "character",
    "varying",
    "timestamp",
    "time",
    "zone",
];

static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| Schema::new(crate::tables::tables(), vec![]).unwrap());
static NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let tables = SCHEMA.tables().iter();
    let names = tables.flat_map(|table| {
        table
            .columns
            .iter()
            .map(|column| column.name)
            .chain([table.name])
    });
    names.chain(["C", "und-x-icu"]).collect()
});

/// What in a statement is neither a known word, a known name in quotes, a parameter, nor a name of
/// its own.
fn foreign(sql: &str) -> Option<String> {
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let end = rest[1..].find('"')? + 1;
            let name = &rest[1..end];
            if !NAMES.contains(name) {
                return Some(format!("\"{name}\""));
            }
            rest = &rest[end + 1..];
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            let word = &rest[..end];
            let numbered = word.strip_prefix(['t', 'c', 'k', 'l', 'v']).unwrap_or(word);
            let is_numbered = numbered.bytes().all(|byte| byte.is_ascii_digit());
            if !is_numbered && !WORDS.contains(&word.to_lowercase().as_str()) {
                return Some(word.to_owned());
            }
            rest = &rest[end..];
        } else if first == '\'' || !first.is_ascii() || matches!(first, ';' | '\\' | '\0') {
            return Some(rest.chars().take(20).collect());
        } else {
            rest = &rest[1..];
        }
    }
    None
}

/// Every statement a request comes to.
fn statements(table: &str, query: &str) -> Vec<Statement> {
    let Ok(query) = Query::parse(query, Target::Rows) else {
        return vec![];
    };
    let Ok(page) = Page::of_request(&query, None) else {
        return vec![];
    };
    let Ok(table) = SCHEMA.table(table) else {
        return vec![];
    };
    let Ok(scope) = Scope::relate(&SCHEMA, table, &query) else {
        return vec![];
    };
    let mut found = vec![];
    for dialect in DIALECTS {
        if let Ok(read) = scope.read(page, 0) {
            found.push(rows(dialect, &read));
            found.push(count(dialect, &read.table, &read.filter));
            of_embeds(dialect, &read, &mut found);
        }
        if let Ok(delete) = Delete::resolve(&scope, 0) {
            found.push(keys(
                dialect,
                table,
                &table.key_positions(),
                &delete.filter,
                1,
            ));
        }
    }
    found
}

fn of_embeds(dialect: Dialect, read: &Read, found: &mut Vec<Statement>) {
    for one in &read.embeds {
        let parent = vec![mec_query::Value::Uuid(1); one.key.len()];
        found.push(embed(dialect, one, &[&parent]));
        of_embeds(dialect, &one.read, found);
    }
}

/// Pieces of the grammar, of the schema and of SQL.
fn requests() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "select=",
        "order=",
        "and=",
        "or=",
        "not.",
        "limit=",
        "&",
        "=",
        "(",
        ")",
        ",",
        ".",
        ":",
        "::",
        "->",
        "->>",
        "!inner",
        "...",
        "*",
        "\"",
        "eq.",
        "gt.",
        "in.(",
        "is.null",
        "like.",
        "match.",
        "eq(any).{",
        "isdistinct.",
        "accounts",
        "entitlements",
        "plans",
        "account_id",
        "display_name",
        "metadata",
        "created_at",
        "quantity_allowed",
        "text",
        "desc",
        "nullsfirst",
        "1",
        "2026-11-24",
        "DROP TABLE accounts",
        "%3B",
        "--",
        "/*",
        "'",
        "%22",
        "\"x\"\"y\"",
        "sqlite_schema",
        "pg_catalog",
        "account_trees",
        "tree",
        "é",
        "%00",
    ]);
    let piece = prop_oneof![6 => words.prop_map(str::to_owned), 1 => ".{0,3}"];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Well-formed requests with hostile names and values in every place that takes one.
fn hostile() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        Just("x'; DROP TABLE accounts; --".to_owned()),
        Just("\" OR 1=1 --".to_owned()),
        Just("account_trees".to_owned()),
        ".{0,12}",
    ];
    (prop::collection::vec(text, 6)).prop_map(|texts| {
        let encoded = |text: &str| {
            text.bytes()
                .map(|byte| format!("%{byte:02X}"))
                .collect::<String>()
        };
        let quoted = |text: &String| {
            encoded(&format!(
                "\"{}\"",
                text.replace('\\', "\\\\").replace('"', "\\\"")
            ))
        };
        let [one, two, three, four, five, six] = texts.as_slice() else {
            return String::new();
        };
        let (plain, pattern) = (encoded(three), encoded(&four.replace('\\', "")));
        let [one, two, three, five, six] = [one, two, three, five, six].map(quoted);
        format!(
            "select=display_name,{one}:email,m:metadata->{two},entitlements(resource_scope,plan_id)\
             &display_name=eq.{plain}&email=ilike.{pattern}&metadata->{five}->>k=in.({six})\
             &entitlements.resource_scope=neq.{one}&or=(display_name.eq.{two},time_zone.match.x)\
             &order=metadata->>{three}.desc,display_name&entitlements.limit=2&limit=5"
        )
    })
}

fn check(table: &str, query: &str) -> usize {
    let statements = statements(table, query);
    for statement in &statements {
        assert_eq!(
            foreign(&statement.sql),
            None,
            "{table}?{query}\n{}",
            statement.sql
        );
    }
    statements.len()
}

#[test]
fn a_foreign_name_or_text_would_be_found() {
    for (sql, found) in [
        (
            "SELECT t1.\"email\" FROM \"accounts\" AS t1 WHERE t1.\"email\" = ?1",
            None,
        ),
        (
            "SELECT t1.\"secret\" FROM \"accounts\" AS t1",
            Some("\"secret\""),
        ),
        ("SELECT 1; DROP TABLE x", Some("; DROP TABLE x")),
        ("SELECT sqlite_version()", Some("sqlite_version")),
        ("SELECT 'x'", Some("'x'")),
    ] {
        assert_eq!(foreign(sql), found.map(str::to_owned), "{sql}");
    }
}

#[test]
fn no_seed_of_the_fuzz_target_brings_a_foreign_name() {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/grammar");
    let mut made = 0;
    for seed in std::fs::read_dir(seeds).unwrap() {
        let text = std::fs::read_to_string(seed.unwrap().path()).unwrap();
        let query = text.lines().next().unwrap_or_default();
        made += SCHEMA
            .tables()
            .iter()
            .map(|table| check(table.name, query))
            .sum::<usize>();
    }
    assert!(made > 50, "{made}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_request_brings_a_foreign_name(query in requests()) {
        for table in ["accounts", "entitlements", "consumption_ledger"] {
            check(table, &query);
        }
    }

    #[test]
    fn no_hostile_text_is_part_of_a_statement(query in hostile()) {
        check("accounts", &query);
    }
}

#[test]
fn hostile_requests_do_come_to_statements() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut made = 0;
    for _ in 0..200 {
        let query = hostile().new_tree(&mut runner).unwrap().current();
        made += usize::from(!statements("accounts", &query).is_empty());
    }
    assert!(made > 100, "{made} of 200");
}

#[test]
fn every_table_is_reached_by_its_own_name_alone() {
    for table in SCHEMA.tables() {
        assert!(check(table.name, "select=*") >= 4, "{}", table.name);
        assert_eq!(statements(&format!("{}\" x", table.name), "").len(), 0);
        assert!(Arc::ptr_eq(SCHEMA.table(table.name).unwrap(), table));
    }
}
