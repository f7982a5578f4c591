//! A [`Read`] evaluated over rows in memory: how a function's rows are filtered, and what every store must agree with.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use crate::parse::Truth;
use crate::resolve::{Comparison, Expr, Filter, Link, OrderBy, OrderTerm, Read, Relation};
use crate::rows::{Fetched, FetchedEmbed};
use crate::value::{compare_json, follow_path};
use crate::{Pattern, Table, Value};

/// The rows of tables by the tables' names, each row with the values of all its columns in order.
#[derive(Debug, Clone, Default)]
pub struct Tables<'a>(pub HashMap<&'a str, &'a [Vec<Value>]>);

impl<'a> Tables<'a> {
    fn rows(&self, table: &Table) -> &'a [Vec<Value>] {
        self.0.get(table.name).copied().unwrap_or_default()
    }
}

impl Read {
    /// Evaluates the read over rows of its own table alone, as a function returns them. Also answers how many rows
    /// pass the filter, whatever the page.
    pub fn of_rows(&self, rows: &[Vec<Value>]) -> (Fetched, u64) {
        self.of_tables(&Tables(HashMap::from([(self.table.name, rows)])))
    }

    /// Evaluates the read over whole tables. Also answers how many rows pass the filter, whatever the page.
    pub fn of_tables(&self, tables: &Tables<'_>) -> (Fetched, u64) {
        let mut rows: Vec<&Vec<Value>> =
            tables.rows(&self.table).iter().filter(|row| holds(&self.filter, row, tables) == Some(true)).collect();
        let total = rows.len() as u64;
        rows.sort_by(|left, right| compare_rows(&self.order, left, right, tables));
        (self.with_embeds(&self.on_page(rows), tables), total)
    }

    fn on_page<T>(&self, rows: Vec<T>) -> Vec<T> {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        rows.into_iter().skip(count(self.page.offset)).take(self.page.limit.map_or(usize::MAX, count)).collect()
    }

    fn with_embeds(&self, rows: &[&Vec<Value>], tables: &Tables<'_>) -> Fetched {
        let embeds = self.embeds.iter().map(|embed| {
            let mut seen = HashSet::new();
            let mut keys: Vec<Vec<Value>> = Vec::new();
            let mut found: Vec<&Vec<Value>> = Vec::new();
            for row in rows {
                let key: Vec<Value> = embed.relation.origin_columns().iter().map(|column| at(row, *column).clone()).collect();
                if !seen.insert(key.clone()) {
                    continue;
                }
                let mut related = related(&embed.relation, row, tables);
                related.retain(|row| holds(&embed.read.filter, row, tables) == Some(true));
                related.sort_by(|left, right| compare_rows(&embed.read.order, left, right, tables));
                for row in embed.read.on_page(related) {
                    keys.push(key.clone());
                    found.push(row);
                }
            }
            FetchedEmbed { keys, fetched: embed.read.with_embeds(&found, tables) }
        });
        let embeds = embeds.collect();
        let rows = rows.iter().map(|row| self.fetch.iter().map(|column| at(row, *column).clone()).collect()).collect();
        Fetched { rows, embeds }
    }
}

/// A row's value; a row that ends early has nulls there.
fn at(row: &[Value], column: usize) -> &Value {
    row.get(column).unwrap_or(&Value::Null)
}

/// The rows that belong to `row`.
fn related<'a>(relation: &Relation, row: &[Value], tables: &Tables<'a>) -> Vec<&'a Vec<Value>> {
    let targets = tables.rows(&relation.target).iter();
    match &relation.link {
        Link::Direct(pairs) => targets.filter(|target| linked(pairs, row, target)).collect(),
        Link::Junction { table, origin, target: to } => {
            let joins: Vec<_> = tables.rows(table).iter().filter(|join| linked(origin, row, join)).collect();
            targets.filter(|target| joins.iter().any(|join| linked(to, join, target))).collect()
        }
    }
}

fn linked(pairs: &[(usize, usize)], left: &[Value], right: &[Value]) -> bool {
    pairs.iter().all(|(one, other)| !at(left, *one).is_null() && at(left, *one) == at(right, *other))
}

/// Whether a filter holds for a row; `None` is SQL's unknown.
fn holds(filter: &Filter, row: &[Value], tables: &Tables<'_>) -> Option<bool> {
    match filter {
        Filter::All(parts) => join(parts, row, tables, false),
        Filter::Any(parts) => join(parts, row, tables, true),
        Filter::Not(inner) => holds(inner, row, tables).map(|holds| !holds),
        Filter::Compare { left, comparison, right } => {
            let order = compare(&evaluated(left, row), right)?;
            Some(match comparison {
                Comparison::Eq => order.is_eq(),
                Comparison::NotEq => order.is_ne(),
                Comparison::Gt => order.is_gt(),
                Comparison::Gte => order.is_ge(),
                Comparison::Lt => order.is_lt(),
                Comparison::Lte => order.is_le(),
            })
        }
        Filter::In { values, .. } if values.is_empty() => Some(false),
        Filter::In { left, values } => {
            let left = evaluated(left, row);
            if left.is_null() { None } else { Some(values.iter().any(|value| compare(&left, value) == Some(Ordering::Equal))) }
        }
        Filter::Distinct { left, right } => Some(compare(&evaluated(left, row), right) != Some(Ordering::Equal)),
        Filter::Is { left, truth } => {
            let left = evaluated(left, row);
            Some(match truth {
                Truth::Null | Truth::Unknown => left.is_null(),
                Truth::NotNull => !left.is_null(),
                Truth::True => left == Value::Bool(true),
                Truth::False => left == Value::Bool(false),
            })
        }
        Filter::Like { left, pattern, ignore_case } => matched(&evaluated(left, row), Pattern::like(pattern, *ignore_case).ok()),
        Filter::Matches { left, pattern, ignore_case } => {
            matched(&evaluated(left, row), Pattern::regex(pattern, *ignore_case).ok())
        }
        Filter::Exists { relation, filter } => {
            let related = related(relation, row, tables);
            Some(related.iter().any(|target| holds(filter, target, tables) == Some(true)))
        }
    }
}

/// AND (`decisive` false) or OR (`decisive` true) in three-valued logic.
fn join(parts: &[Filter], row: &[Value], tables: &Tables<'_>, decisive: bool) -> Option<bool> {
    let mut result = Some(!decisive);
    for part in parts {
        match holds(part, row, tables) {
            Some(value) if value == decisive => return Some(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

fn evaluated(expr: &Expr, row: &[Value]) -> Value {
    let value = at(row, expr.column);
    if expr.path.is_empty() { value.clone() } else { follow_path(value, &expr.path) }
}

fn matched(value: &Value, pattern: Option<Pattern>) -> Option<bool> {
    match (value, pattern) {
        (Value::Text(text), Some(pattern)) => Some(pattern.is_match(text)),
        _ => None,
    }
}

/// The order of two values of one type, text by its bytes; `None` when either is null.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Numeric(left), Value::Numeric(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Uuid(left), Value::Uuid(right)) => Some(left.cmp(right)),
        (Value::Timestamp(left), Value::Timestamp(right)) => Some(left.cmp(right)),
        (Value::Json(left), Value::Json(right)) => Some(compare_json(left, right)),
        _ => None,
    }
}

fn compare_rows(order: &[OrderTerm], left: &[Value], right: &[Value], tables: &Tables<'_>) -> Ordering {
    for term in order {
        let (one, other) = match &term.by {
            OrderBy::Own(expr) => (evaluated(expr, left), evaluated(expr, right)),
            OrderBy::Related { relation, expr, filter } => {
                let value = |row| {
                    related(relation, row, tables)
                        .iter()
                        .find(|target| holds(filter, target, tables) == Some(true))
                        .map_or(Value::Null, |target| evaluated(expr, target))
                };
                (value(left), value(right))
            }
        };
        let ordering = match (one.is_null(), other.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) if term.nulls_first => Ordering::Less,
            (true, false) => Ordering::Greater,
            (false, true) if term.nulls_first => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let ordering = compare(&one, &other).unwrap_or(Ordering::Equal);
                if term.descending { ordering.reverse() } else { ordering }
            }
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}
