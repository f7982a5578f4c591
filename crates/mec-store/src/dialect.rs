//! Where the two databases' SQL differs in what one renderer writes for both.

mod regex;

use std::fmt::Write as _;

use mec_query::{JsonKey, JsonStep, json_key};

use crate::stored::{Parameter, Stored};

/// Whose SQL is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// SQLite, with functions of this program's own for JSON and patterns.
    Sqlite,
    /// PostgreSQL, with its own operators; JSON is ordered by a function of the schema, because
    /// `jsonb`'s own order is that of the database's collation.
    Postgres {
        /// The collation that knows which letters are the same but for their case.
        letters: &'static str,
    },
}

/// `json_at(document, path)`: what a path (as [`path_text`] writes it) leads to, null where it
/// leads nowhere.
pub(crate) const JSON_AT: &str = "json_at";
/// `json_key(document)`: [`mec_query::json_key`]; null where it is null.
pub(crate) const JSON_KEY: &str = "json_key";
/// `text_like(text, pattern, ignore case)`: 1 or 0; null where the text is null.
pub(crate) const TEXT_LIKE: &str = "text_like";
/// `text_matches(text, regular expression, ignore case)`: 1 or 0; null where the text is null.
pub(crate) const TEXT_MATCHES: &str = "text_matches";

/// What a pattern is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatternKind {
    Like,
    Regex,
}

impl Dialect {
    /// The place of parameter `number`, of a kind PostgreSQL must be told.
    pub(crate) fn place(self, number: usize, stored: Stored) -> String {
        match self {
            Self::Sqlite => format!("?{number}"),
            Self::Postgres { .. } => format!("${number}::{}", type_name(stored)),
        }
    }

    /// Whether several values go into one parameter.
    pub(crate) fn has_arrays(self) -> bool {
        matches!(self, Self::Postgres { .. })
    }

    /// What is compared and ordered of a column's value: its own order where its type has the right
    /// one.
    pub(crate) fn ordered(self, expr: &str, stored: Stored, is_inside_json: bool) -> String {
        match (self, stored) {
            (Self::Sqlite, Stored::Json) => format!("{JSON_KEY}({expr})"),
            (Self::Postgres { .. }, Stored::Json) => format!("mec_json_key({expr}) COLLATE \"C\""),
            (Self::Postgres { .. }, Stored::Text) if is_inside_json => {
                format!("{expr} COLLATE \"C\"")
            }
            _ => expr.to_owned(),
        }
    }

    /// What is equal of two JSON values that are equal: `expr` of a row, and the place of one that
    /// is given.
    pub(crate) fn equal_json(
        self,
        expr: &str,
        given: &str,
        bind: impl FnOnce(Parameter, Stored) -> String,
    ) -> (String, String) {
        match self {
            Self::Sqlite => (
                self.ordered(expr, Stored::Json, false),
                bind(Parameter::Text(json_key(given)), Stored::Text),
            ),
            // Without making a key of every row.
            Self::Postgres { .. } => {
                let place = bind(Parameter::Json(given.to_owned()), Stored::Json);
                (expr.to_owned(), place)
            }
        }
    }

    /// What `path` leads to inside a JSON column; `bind` gives a parameter its place.
    pub(crate) fn json_at(
        self,
        column: &str,
        path: &[JsonStep],
        mut bind: impl FnMut(Parameter, Stored) -> String,
    ) -> String {
        if self == Self::Sqlite {
            return format!(
                "{JSON_AT}({column}, {})",
                bind(Parameter::Text(path_text(path)), Stored::Text)
            );
        }
        let is_text = path.last().is_some_and(|last| last.as_text);
        let mut expr = format!("({column}");
        for (at, step) in (1..).zip(path) {
            let arrow = if is_text && at == path.len() {
                "->>"
            } else {
                "->"
            };
            let to = match &step.to {
                JsonKey::Key(key) => bind(Parameter::Text(key.clone()), Stored::Text),
                // Further than an array can reach is nowhere.
                JsonKey::Index(index) => {
                    let index = (*index).clamp(i64::from(i32::MIN), i64::from(i32::MAX));
                    format!(
                        "{}::integer",
                        bind(Parameter::Integer(index), Stored::Integer)
                    )
                }
            };
            write!(expr, " {arrow} {to}").expect("a string takes any text");
        }
        expr.push(')');
        expr
    }

    /// The pattern as the database takes it.
    pub(crate) fn pattern_text(
        self,
        kind: PatternKind,
        pattern: &str,
        ignore_case: bool,
    ) -> String {
        match (self, kind) {
            (Self::Postgres { .. }, PatternKind::Regex) => regex::translated(pattern, ignore_case),
            _ => pattern.to_owned(),
        }
    }

    /// Whether `expr` matches the pattern at `place`.
    pub(crate) fn matches(
        self,
        kind: PatternKind,
        expr: &str,
        place: &str,
        ignore_case: bool,
    ) -> String {
        match self {
            Self::Sqlite => {
                let function = if kind == PatternKind::Like {
                    TEXT_LIKE
                } else {
                    TEXT_MATCHES
                };
                format!("{function}({expr}, {place}, {})", u8::from(ignore_case))
            }
            Self::Postgres { letters } => match (kind, ignore_case) {
                (PatternKind::Like, false) => format!("{expr} LIKE {place}"),
                (PatternKind::Like, true) => {
                    format!("{expr} ILIKE ({place} COLLATE \"{letters}\")")
                }
                // Which letters are the same but for their case is part of the expression itself.
                (PatternKind::Regex, _) => format!("{expr} ~ ({place} COLLATE \"C\")"),
            },
        }
    }

    /// Every row, where a page has no limit.
    pub(crate) fn no_limit(self) -> &'static str {
        match self {
            Self::Sqlite => "-1",
            Self::Postgres { .. } => "ALL",
        }
    }
}

/// The name PostgreSQL has for what is kept so.
pub(crate) fn type_name(stored: Stored) -> &'static str {
    match stored {
        Stored::Id => "uuid",
        Stored::Text => "text",
        Stored::Integer => "bigint",
        Stored::Units(_) => "numeric",
        Stored::Flag => "boolean",
        Stored::Micros => "timestamptz",
        Stored::Json => "jsonb",
        Stored::List => "text[]",
    }
}

/// A JSON path as the parameter [`JSON_AT`] takes: `[[as text, key or index], …]`.
pub(crate) fn path_text(path: &[JsonStep]) -> String {
    let steps = path.iter().map(|step| match &step.to {
        JsonKey::Key(key) => serde_json::json!([step.as_text, key]),
        JsonKey::Index(index) => serde_json::json!([step.as_text, index]),
    });
    serde_json::Value::Array(steps.collect()).to_string()
}
