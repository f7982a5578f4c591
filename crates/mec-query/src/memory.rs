//! A [`Read`] evaluated over rows in memory: how a function's rows are filtered, and what every
//! store must agree with.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use crate::parse::Truth;
use crate::resolve::{Comparison, Expr, Filter, Link, OrderBy, OrderTerm, Read, Relation};
use crate::rows::{Fetched, FetchedEmbed};
use crate::value::{compare_json, follow_path};
use crate::{Budget, Excess, Table, Value};

/// The rows of tables by the tables' names, each row with the values of all its columns in order.
#[derive(Debug, Clone, Default)]
pub struct Tables<'a>(pub HashMap<&'a str, &'a [Vec<Value>]>);

impl<'a> Tables<'a> {
    fn rows(&self, table: &Table) -> &'a [Vec<Value>] {
        self.0.get(table.name).copied().unwrap_or_default()
    }
}

impl Read {
    /// Evaluates the read over rows of its own table alone, as a function returns them. Also
    /// answers how many rows pass the filter, whatever the page.
    ///
    /// # Errors
    /// It takes more time than the budget has, or more work than one pattern can have.
    pub fn of_rows(&self, rows: &[Vec<Value>], budget: &Budget) -> Result<(Fetched, u64), Excess> {
        self.of_tables(&Tables(HashMap::from([(self.table.name, rows)])), budget)
    }

    /// Evaluates the read over whole tables. Also answers how many rows pass the filter, whatever
    /// the page.
    ///
    /// # Errors
    /// As [`Read::of_rows`].
    pub fn of_tables(
        &self,
        tables: &Tables<'_>,
        budget: &Budget,
    ) -> Result<(Fetched, u64), Excess> {
        let rows = self.chosen(tables.rows(&self.table).iter(), tables, budget)?;
        let total = rows.len() as u64;
        Ok((
            self.with_embeds(&self.on_page(rows), tables, budget)?,
            total,
        ))
    }

    /// The rows that pass, in order.
    fn chosen<'r>(
        &self,
        rows: impl Iterator<Item = &'r Vec<Value>>,
        tables: &Tables<'_>,
        budget: &Budget,
    ) -> Result<Vec<&'r Vec<Value>>, Excess> {
        let mut chosen = Vec::new();
        for row in rows {
            budget.check()?;
            if holds(&self.filter, row, tables, budget)? == Some(true) {
                chosen.push(row);
            }
        }
        let mut excess = None;
        chosen.sort_by(|left, right| {
            compare_rows(&self.order, left, right, tables, budget).unwrap_or_else(|error| {
                excess = Some(error);
                Ordering::Equal
            })
        });
        excess.map_or(Ok(chosen), Err)
    }

    fn on_page<T>(&self, rows: Vec<T>) -> Vec<T> {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        rows.into_iter()
            .skip(count(self.page.offset))
            .take(self.page.limit.map_or(usize::MAX, count))
            .collect()
    }

    fn with_embeds(
        &self,
        rows: &[&Vec<Value>],
        tables: &Tables<'_>,
        budget: &Budget,
    ) -> Result<Fetched, Excess> {
        let embeds = self.embeds.iter().map(|embed| {
            let mut seen = HashSet::new();
            let mut keys: Vec<Vec<Value>> = Vec::new();
            let mut found: Vec<&Vec<Value>> = Vec::new();
            for row in rows {
                let key: Vec<Value> = embed
                    .relation
                    .origin_columns()
                    .iter()
                    .map(|column| at(row, *column).clone())
                    .collect();
                if !seen.insert(key.clone()) {
                    continue;
                }
                let related = embed.read.chosen(
                    related(&embed.relation, row, tables).into_iter(),
                    tables,
                    budget,
                )?;
                for row in embed.read.on_page(related) {
                    keys.push(key.clone());
                    found.push(row);
                }
            }
            Ok(FetchedEmbed {
                keys,
                fetched: embed.read.with_embeds(&found, tables, budget)?,
            })
        });
        let embeds = embeds.collect::<Result<_, Excess>>()?;
        let rows = rows
            .iter()
            .map(|row| {
                self.fetch
                    .iter()
                    .map(|column| at(row, *column).clone())
                    .collect()
            })
            .collect();
        Ok(Fetched { rows, embeds })
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
        Link::Direct(pairs) => targets
            .filter(|target| linked(pairs, row, target))
            .collect(),
        Link::Junction {
            table,
            origin,
            target: to,
        } => {
            let joins: Vec<_> = tables
                .rows(table)
                .iter()
                .filter(|join| linked(origin, row, join))
                .collect();
            targets
                .filter(|target| joins.iter().any(|join| linked(to, join, target)))
                .collect()
        }
    }
}

fn linked(pairs: &[(usize, usize)], left: &[Value], right: &[Value]) -> bool {
    pairs
        .iter()
        .all(|(one, other)| !at(left, *one).is_null() && at(left, *one) == at(right, *other))
}

/// Whether a filter holds for a row; `None` is SQL's unknown.
fn holds(
    filter: &Filter,
    row: &[Value],
    tables: &Tables<'_>,
    budget: &Budget,
) -> Result<Option<bool>, Excess> {
    Ok(match filter {
        Filter::All(parts) => join(parts, row, tables, budget, false)?,
        Filter::Any(parts) => join(parts, row, tables, budget, true)?,
        Filter::Not(inner) => holds(inner, row, tables, budget)?.map(|holds| !holds),
        Filter::Compare {
            left,
            comparison,
            right,
        } => compare(&evaluated(left, row), right).map(|order| match comparison {
            Comparison::Eq => order.is_eq(),
            Comparison::NotEq => order.is_ne(),
            Comparison::Gt => order.is_gt(),
            Comparison::Gte => order.is_ge(),
            Comparison::Lt => order.is_lt(),
            Comparison::Lte => order.is_le(),
        }),
        Filter::In { values, .. } if values.is_empty() => Some(false),
        Filter::In { left, values } => {
            let left = evaluated(left, row);
            if left.is_null() {
                None
            } else {
                Some(
                    values
                        .iter()
                        .any(|value| compare(&left, value) == Some(Ordering::Equal)),
                )
            }
        }
        Filter::Distinct { left, right } => {
            Some(compare(&evaluated(left, row), right) != Some(Ordering::Equal))
        }
        Filter::Is { left, truth } => {
            let left = evaluated(left, row);
            Some(match truth {
                Truth::Null | Truth::Unknown => left.is_null(),
                Truth::NotNull => !left.is_null(),
                Truth::True => left == Value::Bool(true),
                Truth::False => left == Value::Bool(false),
            })
        }
        Filter::Like { left, pattern } | Filter::Matches { left, pattern } => {
            match evaluated(left, row) {
                Value::Text(text) => Some(pattern.is_match(&text, budget)?),
                _ => None,
            }
        }
        Filter::Exists { relation, filter } => {
            let mut found = false;
            for target in related(relation, row, tables) {
                found |= holds(filter, target, tables, budget)? == Some(true);
            }
            Some(found)
        }
    })
}

/// AND (`decisive` false) or OR (`decisive` true) in three-valued logic.
fn join(
    parts: &[Filter],
    row: &[Value],
    tables: &Tables<'_>,
    budget: &Budget,
    decisive: bool,
) -> Result<Option<bool>, Excess> {
    let mut result = Some(!decisive);
    for part in parts {
        match holds(part, row, tables, budget)? {
            Some(value) if value == decisive => return Ok(Some(decisive)),
            Some(_) => {}
            None => result = None,
        }
    }
    Ok(result)
}

fn evaluated(expr: &Expr, row: &[Value]) -> Value {
    let value = at(row, expr.column);
    if expr.path.is_empty() {
        value.clone()
    } else {
        follow_path(value, &expr.path)
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

fn compare_rows(
    order: &[OrderTerm],
    left: &[Value],
    right: &[Value],
    tables: &Tables<'_>,
    budget: &Budget,
) -> Result<Ordering, Excess> {
    budget.check()?;
    for term in order {
        let (one, other) = match &term.by {
            OrderBy::Own(expr) => (evaluated(expr, left), evaluated(expr, right)),
            OrderBy::Related {
                relation,
                expr,
                filter,
            } => {
                let value = |row| {
                    for target in related(relation, row, tables) {
                        if holds(filter, target, tables, budget)? == Some(true) {
                            return Ok(evaluated(expr, target));
                        }
                    }
                    Ok::<_, Excess>(Value::Null)
                };
                (value(left)?, value(right)?)
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
                if term.descending {
                    ordering.reverse()
                } else {
                    ordering
                }
            }
        };
        if ordering.is_ne() {
            return Ok(ordering);
        }
    }
    Ok(Ordering::Equal)
}
