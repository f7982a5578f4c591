//! From what a store fetched to what an answer shows: embeds joined to their parents, JSON paths
//! followed, casts applied.
//!
//! A store therefore only fetches plain columns, and every database's answers are equal to the
//! byte. Nothing is copied to be shown: a row that many parents embed is there once, and a value is
//! made when it is written.

use std::borrow::Cow;
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
    /// For each row the values of its parents' key: what the parent has in the embed's `key`
    /// columns.
    pub keys: Vec<Vec<Value>>,
    /// The rows, in the embed's order among those of one parent.
    pub fetched: Fetched,
}

static NONE_FETCHED: FetchedEmbed = FetchedEmbed {
    keys: Vec::new(),
    fetched: Fetched {
        rows: Vec::new(),
        embeds: Vec::new(),
    },
};

/// Fetched rows as a read shows them.
#[derive(Debug)]
pub struct Rows<'a> {
    read: &'a Read,
    pub(crate) fetched: &'a Fetched,
    /// One for each of the read's embeds.
    children: Vec<Children<'a>>,
    now: i64,
}

/// The rows of an embed, found by their parent's key.
#[derive(Debug)]
struct Children<'a> {
    embed: &'a Embed,
    rows: Rows<'a>,
    of_key: HashMap<&'a [Value], Vec<usize>>,
}

/// What stands under one key of a row.
pub(crate) enum Shown<'a> {
    /// A value.
    Value(Cow<'a, Value>),
    /// The row of a to-one embed, if there is one.
    One(Option<(&'a Rows<'a>, &'a [Value])>),
    /// The rows of a to-many embed, by their places.
    Many(&'a Rows<'a>, &'a [usize]),
}

/// What takes the keys of a row and what stands under them, in order.
pub(crate) type Each<'e, 'a> = &'e mut dyn FnMut(&'a str, Shown<'a>) -> Result<(), QueryError>;

impl Read {
    /// Shows what was fetched. `now` (microseconds of UTC) is what a cast text `now` means.
    pub fn show<'a>(&'a self, fetched: &'a Fetched, now: i64) -> Rows<'a> {
        let of_embed = |(at, embed): (usize, &'a Embed)| {
            let fetched = fetched.embeds.get(at).unwrap_or(&NONE_FETCHED);
            let mut of_key: HashMap<&[Value], Vec<usize>> = HashMap::new();
            for (at, key) in fetched
                .keys
                .iter()
                .enumerate()
                .take(fetched.fetched.rows.len())
            {
                of_key.entry(key.as_slice()).or_default().push(at);
            }
            Children {
                embed,
                rows: embed.read.show(&fetched.fetched, now),
                of_key,
            }
        };
        let children = self.embeds.iter().enumerate().map(of_embed).collect();
        Rows {
            read: self,
            fetched,
            children,
            now,
        }
    }
}

impl<'a> Rows<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.fetched.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fetched.rows.is_empty()
    }

    /// The keys of a row, in order.
    pub(crate) fn keys(&self) -> Vec<&str> {
        let mut keys = Vec::with_capacity(self.read.outputs.len());
        for output in &self.read.outputs {
            match &output.source {
                Source::Spread(at) => keys.extend(self.children[*at].rows.keys()),
                Source::Column { .. } | Source::Embed(_) => keys.push(output.name.as_str()),
            }
        }
        keys
    }

    /// Shows `each` what stands under each key of a row; `None` is a spread embed without a row,
    /// whose keys are null.
    ///
    /// # Errors
    /// What `each` answers; those of a cast that a value does not bear, as [`crate::Cast::apply`].
    pub(crate) fn each_shown(
        &'a self,
        row: Option<&'a [Value]>,
        each: Each<'_, 'a>,
    ) -> Result<(), QueryError> {
        for output in &self.read.outputs {
            match (&output.source, row) {
                (
                    Source::Column {
                        position,
                        path,
                        cast,
                    },
                    Some(row),
                ) => {
                    let value = row.get(*position).unwrap_or(&Value::Null);
                    let inner = if path.is_empty() {
                        Cow::Borrowed(value)
                    } else {
                        Cow::Owned(follow_path(value, path))
                    };
                    let shown = match cast {
                        Some(cast) => Cow::Owned(cast.apply(&inner, self.now)?),
                        None => inner,
                    };
                    each(&output.name, Shown::Value(shown))?;
                }
                (Source::Embed(at), Some(row)) => {
                    let children = &self.children[*at];
                    let places = children.of(row);
                    let shown = if children.embed.relation.to_one {
                        Shown::One(places.first().map(|at| (&children.rows, children.row(*at))))
                    } else {
                        Shown::Many(&children.rows, places)
                    };
                    each(&output.name, shown)?;
                }
                (Source::Column { .. } | Source::Embed(_), None) => {
                    each(&output.name, Shown::Value(Cow::Borrowed(&Value::Null)))?;
                }
                (Source::Spread(at), row) => {
                    let children = &self.children[*at];
                    let place = row.and_then(|row| children.of(row).first());
                    children
                        .rows
                        .each_shown(place.map(|at| children.row(*at)), each)?;
                }
            }
        }
        Ok(())
    }
}

impl<'a> Children<'a> {
    fn of(&self, parent: &[Value]) -> &[usize] {
        let key: Vec<Value> = self
            .embed
            .key
            .iter()
            .map(|at| parent.get(*at).cloned().unwrap_or(Value::Null))
            .collect();
        let found = self
            .of_key
            .get(key.as_slice())
            .filter(|_| !key.iter().any(Value::is_null));
        found.map_or(&[], Vec::as_slice)
    }

    fn row(&self, at: usize) -> &'a [Value] {
        &self.rows.fetched.rows[at]
    }
}
