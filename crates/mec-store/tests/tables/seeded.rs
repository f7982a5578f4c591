//! Queries drawn from a seed: the same seed draws the same queries.

use mec_query::{Column, Schema, Table, Tables, Type, Value};

const JSON_PATHS: &[&str] = &[
    "->tier->n",
    "->>name",
    "->name",
    "->tier->>n",
    "->tags->0",
    "->tags->>-1",
    "->on",
    "->tags",
    "->0",
    "->1->z",
    "",
];

/// A small generator of numbers (xorshift64*), so that a failure is found again by its seed.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % bound
    }

    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A name as a request writes it.
pub(crate) fn name(name: &str) -> String {
    if is_plain(name) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// A table with a query string.
pub(crate) fn path(draw: &mut Draw, schema: &Schema, rows: &Tables<'_>) -> String {
    let table = draw.pick(schema.tables());
    let mut parameters = Vec::new();
    let select = select(draw, schema, rows, table, "", &mut parameters, 2);
    parameters.push(format!("select={select}"));
    conditions(draw, rows, table, "", &mut parameters);
    page(draw, table, "", &mut parameters);
    let name = if is_plain(table.name) {
        table.name.to_owned()
    } else {
        percent(table.name)
    };
    format!("{name}?{}", parameters.join("&"))
}

/// The items of a `select`; embeds add their conditions, addressed by `prefix`, to the parameters.
pub(crate) fn select(
    draw: &mut Draw,
    schema: &Schema,
    rows: &Tables<'_>,
    table: &Table,
    prefix: &str,
    parameters: &mut Vec<String>,
    depth: usize,
) -> String {
    let mut items = Vec::new();
    if draw.one_in(2) {
        items.push("*".to_owned());
    } else {
        for _ in 0..=draw.below(3) {
            items.push(shown(draw, table));
        }
    }
    let ways = ways(schema, table);
    let embeds = if depth == 0 || ways.is_empty() {
        0
    } else {
        draw.below(3)
    };
    for at in 0..embeds {
        let (written, target, is_to_one) = draw.pick(&ways).clone();
        let target = schema.find_table(target).unwrap();
        let is_spread = is_to_one && draw.one_in(4);
        // What is spread has no alias and is addressed as it is written.
        let name = if is_spread {
            written.clone()
        } else {
            format!("e{at}")
        };
        let inner = if draw.one_in(3) { "!inner" } else { "" };
        let path = format!("{prefix}{name}.");
        let below = select(draw, schema, rows, target, &path, parameters, depth - 1);
        items.push(if is_spread {
            format!("...{written}{inner}({below})")
        } else {
            format!("{name}:{written}{inner}({below})")
        });
        if draw.one_in(2) {
            conditions(draw, rows, target, &path, parameters);
        }
        if draw.one_in(2) {
            page(draw, target, &path, parameters);
        }
        if draw.one_in(6) {
            parameters.push(format!(
                "{prefix}{name}={}is.null",
                if draw.one_in(2) { "not." } else { "" }
            ));
        }
        if is_to_one && draw.one_in(4) {
            let column = orderable(draw, target);
            parameters.push(format!("{prefix}order={name}({column}){}", direction(draw)));
        }
    }
    items.join(",")
}

/// A column of a `select`, some with a cast, some with what is inside its JSON.
fn shown(draw: &mut Draw, table: &Table) -> String {
    let column = draw.pick(&table.columns);
    let path = match column.ty {
        Type::Json if draw.one_in(2) => *draw.pick(JSON_PATHS),
        _ => "",
    };
    let cast = if draw.one_in(6) { "::text" } else { "" };
    format!("{}{path}{cast}", name(column.name))
}

/// How a table leads to others: as written in an embed, the target, and whether to one row.
fn ways(schema: &Schema, table: &Table) -> Vec<(String, &'static str, bool)> {
    let mut ways: Vec<(String, &'static str, bool)> = table
        .foreign_keys
        .iter()
        .map(|key| (name(key.name), key.target, true))
        .collect();
    for other in schema.tables() {
        for key in other
            .foreign_keys
            .iter()
            .filter(|key| key.target == table.name)
        {
            ways.push((
                format!("{}!{}", name(other.name), name(key.name)),
                other.name,
                false,
            ));
        }
    }
    match table.name {
        "accounts" if schema.find_table("account_plans").is_none() => {}
        "accounts" => ways.push(("plans!account_plans".to_owned(), "plans", false)),
        "plans" if schema.find_table("account_plans").is_some() => {
            ways.push(("accounts!account_plans".to_owned(), "accounts", false))
        }
        _ => {}
    }
    ways
}

fn page(draw: &mut Draw, table: &Table, prefix: &str, parameters: &mut Vec<String>) {
    if draw.one_in(2) {
        let terms: Vec<String> = (0..=draw.below(2))
            .map(|_| format!("{}{}", orderable(draw, table), direction(draw)))
            .collect();
        parameters.push(format!("{prefix}order={}", terms.join(",")));
    }
    if draw.one_in(2) {
        parameters.push(format!("{prefix}limit={}", draw.below(6)));
    }
    if draw.one_in(3) {
        parameters.push(format!("{prefix}offset={}", draw.below(4)));
    }
}

fn orderable(draw: &mut Draw, table: &Table) -> String {
    let column = draw.pick(&table.columns);
    match column.ty {
        Type::Json => format!("{}{}", name(column.name), draw.pick(JSON_PATHS)),
        Type::TextArray => name(table.columns[0].name),
        _ => name(column.name),
    }
}

fn direction(draw: &mut Draw) -> &'static str {
    const ALL: &[&str] = &[
        "",
        ".asc",
        ".desc",
        ".nullsfirst",
        ".nullslast",
        ".desc.nullslast",
        ".desc.nullsfirst",
        ".asc.nullsfirst",
    ];
    ALL[draw.below(ALL.len())]
}

pub(crate) fn conditions(
    draw: &mut Draw,
    rows: &Tables<'_>,
    table: &Table,
    prefix: &str,
    parameters: &mut Vec<String>,
) {
    for _ in 0..draw.below(3) {
        if draw.one_in(3) {
            let parts: Vec<String> = (0..=draw.below(3))
                .map(|_| logic(draw, rows, table, 2))
                .collect();
            let word = draw.pick(&["or", "and", "not.or", "not.and"]);
            parameters.push(format!("{prefix}{word}=({})", parts.join(",")));
        } else {
            let (field, test) = condition(draw, rows, table, percent);
            parameters.push(format!("{prefix}{field}={test}"));
        }
    }
}

fn logic(draw: &mut Draw, rows: &Tables<'_>, table: &Table, depth: usize) -> String {
    if depth > 0 && draw.one_in(3) {
        let parts: Vec<String> = (0..=draw.below(2))
            .map(|_| logic(draw, rows, table, depth - 1))
            .collect();
        return format!(
            "{}({})",
            draw.pick(&["or", "and", "not.or", "not.and"]),
            parts.join(",")
        );
    }
    let (field, test) = condition(draw, rows, table, quoted);
    format!("{field}.{test}")
}

/// A field and what is asked of it, a value alone as `written` writes it.
fn condition(
    draw: &mut Draw,
    rows: &Tables<'_>,
    table: &Table,
    written: fn(&str) -> String,
) -> (String, String) {
    let at = draw.below(table.columns.len());
    let column = &table.columns[at];
    let not = if draw.one_in(4) { "not." } else { "" };
    let (field, is_text) = match column.ty {
        Type::Json => {
            let path = draw.pick(JSON_PATHS);
            (format!("{}{path}", name(column.name)), path.contains("->>"))
        }
        _ => (name(column.name), column.ty.is_text()),
    };
    if draw.one_in(5) {
        let word = if column.ty == Type::Bool {
            *draw.pick(&["null", "true", "false", "unknown"])
        } else {
            "null"
        };
        return (field, format!("{not}is.{word}"));
    }
    if column.ty == Type::TextArray {
        return (field, format!("{not}is.null"));
    }
    let test = match draw.below(if is_text { 9 } else { 6 }) {
        0..=2 => {
            let operator = draw.pick(&["eq", "neq", "gt", "gte", "lt", "lte", "isdistinct"]);
            format!(
                "{operator}.{}",
                written(&literal(draw, rows, table, column, at, is_text))
            )
        }
        3 | 4 => {
            let items: Vec<String> = (0..=draw.below(4))
                .map(|_| quoted(&literal(draw, rows, table, column, at, is_text)))
                .collect();
            format!("in.({})", items.join(","))
        }
        5 => {
            let items: Vec<String> = (0..=draw.below(2))
                .map(|_| array_item(&literal(draw, rows, table, column, at, is_text)))
                .collect();
            let operator = draw.pick(&["eq", "gte", "gt", "lte"]);
            format!(
                "{operator}({}).{}",
                draw.pick(&["any", "all"]),
                format_args!("{{{}}}", items.join(","))
            )
        }
        6 | 7 => {
            let pattern = draw.pick(&[
                "*", "a*", "*B", "A%", "_", "%ä%", "a\\_b", "*i*", "Acme", "*100\\%*", "*σ", "*ς",
                "İ*", "k", "S", "__", "É", "",
            ]);
            format!("{}.{}", draw.pick(&["like", "ilike"]), written(pattern))
        }
        _ => {
            let pattern = draw.pick(&[
                "^a",
                "b$",
                "^$",
                "[äÄ]",
                "\\d",
                "a.b",
                "^(a|b)",
                "k",
                "s",
                "Σ",
                "\\ba\\b",
                "[^a]",
                "a{2,300}|b",
                "\\W",
                "(?m)^b",
                ".",
                "i",
                "\\x{1}",
                "[[:alpha:]]$",
                "(?i)Z",
                "é",
            ]);
            format!("{}.{}", draw.pick(&["match", "imatch"]), written(pattern))
        }
    };
    (field, format!("{not}{test}"))
}

/// A value of the column as a literal: mostly one that some row has.
fn literal(
    draw: &mut Draw,
    rows: &Tables<'_>,
    table: &Table,
    column: &Column,
    at: usize,
    is_text: bool,
) -> String {
    let known = rows.0.get(table.name).copied().unwrap_or_default();
    let held = if known.is_empty() {
        &Value::Null
    } else {
        &draw.pick(known)[at]
    };
    match column.ty {
        Type::Json if is_text => {
            (*draw.pick(&["Acme", "acme", "2", "10", "x", "17", ""])).to_owned()
        }
        Type::Json => {
            let known = [
                "2",
                "2.5",
                "\"2\"",
                "\"x\"",
                "true",
                "null",
                "100",
                "17",
                "[]",
                "{}",
                "1e400",
                "[1]",
                "{\"aa\":1,\"b\":2}",
                "\"B\"",
            ];
            (*draw.pick(&known)).to_owned()
        }
        Type::Numeric { .. } if draw.one_in(3) => (*draw.pick(&[
            "0.5",
            "0.5000005",
            "-0.0000001",
            "1e30",
            "-1e30",
            "1.5",
            "999999999999.999999",
            "80.505",
        ]))
        .to_owned(),
        Type::Int2 | Type::Int4 | Type::Int8 if draw.one_in(4) => draw.below(20).to_string(),
        Type::Timestamp if draw.one_in(4) => {
            (*draw.pick(&["now", "2026-11-24", "tomorrow"])).to_owned()
        }
        Type::Uuid if held.is_null() => "01980000-0000-7000-8000-000000000001".to_owned(),
        Type::Numeric { .. } | Type::Int2 | Type::Int4 | Type::Int8 if held.is_null() => {
            "1".to_owned()
        }
        Type::Timestamp if held.is_null() => "now".to_owned(),
        Type::Bool if held.is_null() => "true".to_owned(),
        _ => held.to_text().unwrap_or_else(|| "a".to_owned()),
    }
}

/// As a quoted value of a query string, which stands in a list as well as alone in a logic tree.
fn quoted(text: &str) -> String {
    percent(&format!(
        "\"{}\"",
        text.replace('\\', "\\\\").replace('"', "\\\"")
    ))
}

/// As an item of a list in braces.
fn array_item(text: &str) -> String {
    percent(&format!(
        "\"{}\"",
        text.replace('\\', "\\\\").replace('"', "\\\"")
    ))
}

pub(crate) fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte))
        } else {
            out.push_str(&format!("%{byte:02X}"))
        }
    }
    out
}
