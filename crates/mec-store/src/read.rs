//! Reads of the table API: statements of [`crate::render`] and their rows as typed values, embeds
//! included. How a statement is run is each database's own ([`Rows`]).

use std::collections::{HashMap, HashSet};

use mec_query::{Budget, Embed, Fetched, FetchedEmbed, Filter, Link, Read, Table, Value};

use crate::StoreError;
use crate::dialect::Dialect;
use crate::render::{self, Statement};

/// Parents whose embedded rows are fetched by one statement.
pub(crate) const PARENTS_AT_ONCE: usize = 4_096;

/// A column to be read: its table, for the operator who is told of a damaged row, its name and how
/// it is kept.
pub(crate) type Column<'a> = (&'a Table, usize);

/// What runs statements, all of them on one instant's state.
pub(crate) trait Rows {
    fn dialect(&self) -> Dialect;

    /// All rows of a statement whose columns are these, each of them taken from the budget.
    fn all(
        &mut self,
        statement: &Statement,
        columns: &[Column<'_>],
        budget: &Budget,
    ) -> Result<Vec<Vec<Value>>, StoreError>;

    /// How many parents of `width` columns fit one statement that has `own` values already.
    fn parents_at_once(&self, width: usize, own: usize) -> Result<usize, StoreError>;
}

/// What `read` asks for.
pub(crate) fn fetch(
    of: &mut impl Rows,
    read: &Read,
    budget: &Budget,
) -> Result<Fetched, StoreError> {
    let rows = of.all(
        &render::rows(of.dialect(), read),
        &fetched_columns(read),
        budget,
    )?;
    with_embeds(of, read, rows, budget)
}

/// The primary keys of the rows that pass, at most `limit`.
pub(crate) fn keys(
    of: &mut impl Rows,
    table: &Table,
    filter: &Filter,
    limit: u64,
) -> Result<Vec<Vec<Value>>, StoreError> {
    let key = table.key_positions();
    if key.is_empty() {
        return Ok(vec![]);
    }
    let columns: Vec<Column<'_>> = key.iter().map(|column| (table, *column)).collect();
    of.all(
        &render::keys(of.dialect(), table, &key, filter, limit),
        &columns,
        &Budget::unlimited(),
    )
}

fn with_embeds(
    of: &mut impl Rows,
    read: &Read,
    rows: Vec<Vec<Value>>,
    budget: &Budget,
) -> Result<Fetched, StoreError> {
    let mut embeds = Vec::with_capacity(read.embeds.len());
    for embed in &read.embeds {
        embeds.push(fetch_embed(of, embed, &rows, budget)?);
    }
    Ok(Fetched { rows, embeds })
}

/// The embed of all `parents`, in their order.
fn fetch_embed(
    of: &mut impl Rows,
    embed: &Embed,
    parents: &[Vec<Value>],
    budget: &Budget,
) -> Result<FetchedEmbed, StoreError> {
    let mut seen = HashSet::new();
    let keys: Vec<Vec<Value>> = parents
        .iter()
        .map(|row| {
            embed
                .key
                .iter()
                .map(|at| row[*at].clone())
                .collect::<Vec<_>>()
        })
        .filter(|key| !key.iter().any(Value::is_null) && seen.insert(key.clone()))
        .collect();
    let mut of_key = rows_of_keys(of, embed, &keys, budget)?;
    let mut found = FetchedEmbed::default();
    let mut rows = Vec::new();
    for key in keys {
        let related = of_key.remove(&key).unwrap_or_default();
        found.keys.extend(std::iter::repeat_n(key, related.len()));
        rows.extend(related);
    }
    found.fetched = with_embeds(of, &embed.read, rows, budget)?;
    Ok(found)
}

type RowsOfKey = HashMap<Vec<Value>, Vec<Vec<Value>>>;

fn rows_of_keys(
    of: &mut impl Rows,
    embed: &Embed,
    keys: &[Vec<Value>],
    budget: &Budget,
) -> Result<RowsOfKey, StoreError> {
    let mut of_key = RowsOfKey::new();
    let key_columns: Vec<Column<'_>> = match &embed.relation.link {
        Link::Direct(pairs) => pairs
            .iter()
            .map(|(_, column)| (&*embed.read.table, *column))
            .collect(),
        Link::Junction { table, origin, .. } => origin
            .iter()
            .map(|(_, column)| (&**table, *column))
            .collect(),
    };
    let width = key_columns.len();
    let columns: Vec<Column<'_>> = key_columns
        .into_iter()
        .chain(fetched_columns(&embed.read))
        .collect();
    let own = render::embed(of.dialect(), embed, &[]).values.len();
    let at_once = of.parents_at_once(width, own)?.clamp(1, PARENTS_AT_ONCE);
    for keys in keys.chunks(at_once) {
        let keys: Vec<&[Value]> = keys.iter().map(Vec::as_slice).collect();
        for mut row in of.all(&render::embed(of.dialect(), embed, &keys), &columns, budget)? {
            let rest = row.split_off(width);
            of_key.entry(row).or_default().push(rest);
        }
    }
    Ok(of_key)
}

/// What a fetched row takes of memory, roughly.
pub(crate) fn bytes_of(row: &[Value]) -> usize {
    let held = |value: &Value| match value {
        Value::Text(text) | Value::Json(text) => text.len(),
        Value::TextArray(texts) => texts
            .iter()
            .map(|text| size_of::<String>() + text.len())
            .sum(),
        _ => 0,
    };
    size_of_val(row) + row.iter().map(held).sum::<usize>()
}

fn fetched_columns(read: &Read) -> Vec<Column<'_>> {
    read.fetch
        .iter()
        .map(|column| (&*read.table, *column))
        .collect()
}
