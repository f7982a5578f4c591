//! From what a store fetched to what an answer shows: embeds joined to their parents, JSON paths followed, casts
//! applied.
//!
//! A store therefore only fetches plain columns, and every database's answers are equal to the byte.

use std::collections::HashMap;

use crate::resolve::{Embed, Read, Source};
use crate::value::follow_path;
use crate::{QueryError, Value};

/// What a store fetched for one [`Read`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The rows in the read's order, each with the values of the read's `fetch` columns.
    pub rows: Vec<Vec<Value>>,
    /// The embeds, one for each of the read's `embeds`, of all rows together.
    pub embeds: Vec<FetchedEmbed>,
}

/// The rows of one embed, of all parents together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchedEmbed {
    /// For each row the values of its parents' key: what the parent has in the embed's `key` columns.
    pub keys: Vec<Vec<Value>>,
    /// The rows, in the embed's order among those of one parent.
    pub fetched: Fetched,
}

/// A row as shown.
pub type Record = Vec<Shown>;

/// What stands under one key of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A value.
    Value(Value),
    /// The row of a to-one embed, if there is one.
    One(Option<Record>),
    /// The rows of a to-many embed.
    Many(Vec<Record>),
}

/// The keys of a row as shown, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// Each key, with the keys below it where it is an embed.
    pub keys: Vec<(String, Option<Shape>)>,
}

/// Rows of one shape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Their keys.
    pub shape: Shape,
    /// The rows, with one [`Shown`] for each key.
    pub records: Vec<Record>,
}

impl Read {
    /// The keys of a row of this read.
    pub fn shape(&self) -> Shape {
        let mut keys = Vec::with_capacity(self.outputs.len());
        for output in &self.outputs {
            match &output.source {
                Source::Column { .. } => keys.push((output.name.clone(), None)),
                Source::Embed(at) => keys.push((output.name.clone(), Some(self.embeds[*at].read.shape()))),
                Source::Spread(at) => keys.extend(self.embeds[*at].read.shape().keys),
            }
        }
        Shape { keys }
    }

    /// Shows what was fetched. `now` (microseconds of UTC) is what a cast text `now` means.
    ///
    /// # Errors
    /// Those of a cast that a value does not bear, as [`crate::Cast::apply`].
    pub fn show(&self, fetched: &Fetched, now: i64) -> Result<Rows, QueryError> {
        Ok(Rows { shape: self.shape(), records: self.records(fetched, now)? })
    }

    fn records(&self, fetched: &Fetched, now: i64) -> Result<Vec<Record>, QueryError> {
        let empty = FetchedEmbed::default();
        let embeds = self
            .embeds
            .iter()
            .enumerate()
            .map(|(at, embed)| Children::join(embed, fetched.embeds.get(at).unwrap_or(&empty), now));
        let embeds = embeds.collect::<Result<Vec<_>, _>>()?;
        fetched.rows.iter().map(|row| self.record(row, &embeds, now)).collect()
    }

    fn record(&self, row: &[Value], embeds: &[Children<'_>], now: i64) -> Result<Record, QueryError> {
        let mut record = Vec::with_capacity(self.outputs.len());
        for output in &self.outputs {
            match &output.source {
                Source::Column { position, path, cast } => {
                    let value = row.get(*position).unwrap_or(&Value::Null);
                    let inner = if path.is_empty() { value.clone() } else { follow_path(value, path) };
                    record.push(Shown::Value(match cast {
                        Some(cast) => cast.apply(&inner, now)?,
                        None => inner,
                    }));
                }
                Source::Embed(at) => record.push(embeds[*at].shown(row)),
                Source::Spread(at) => record.extend(embeds[*at].spread(row)),
            }
        }
        Ok(record)
    }
}

/// The shown rows of an embed, found by their parent's key.
struct Children<'a> {
    embed: &'a Embed,
    records: Vec<Record>,
    of_key: HashMap<&'a [Value], Vec<usize>>,
}

impl<'a> Children<'a> {
    fn join(embed: &'a Embed, fetched: &'a FetchedEmbed, now: i64) -> Result<Self, QueryError> {
        let records = embed.read.records(&fetched.fetched, now)?;
        let mut of_key: HashMap<&[Value], Vec<usize>> = HashMap::new();
        for (at, key) in fetched.keys.iter().enumerate().take(records.len()) {
            of_key.entry(key.as_slice()).or_default().push(at);
        }
        Ok(Self { embed, records, of_key })
    }

    fn of(&self, parent: &[Value]) -> impl Iterator<Item = &Record> {
        let key: Vec<Value> = self.embed.key.iter().map(|at| parent.get(*at).cloned().unwrap_or(Value::Null)).collect();
        let found = self.of_key.get(key.as_slice()).filter(|_| !key.iter().any(Value::is_null));
        found.into_iter().flatten().map(|at| &self.records[*at])
    }

    fn shown(&self, parent: &[Value]) -> Shown {
        if self.embed.relation.to_one {
            Shown::One(self.of(parent).next().cloned())
        } else {
            Shown::Many(self.of(parent).cloned().collect())
        }
    }

    fn spread(&self, parent: &[Value]) -> Record {
        self.of(parent).next().cloned().unwrap_or_else(|| nulls(&self.embed.read.shape()))
    }
}

/// What a spread embed without a row adds.
fn nulls(shape: &Shape) -> Record {
    shape.keys.iter().map(|_| Shown::Value(Value::Null)).collect()
}
