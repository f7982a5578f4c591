//! A resolved read: what a store fetches, in which order, and how it is shown.

use std::sync::Arc;

use super::filter::{Comparison, Expr, Filter};
use super::node::{Node, NodeItem};
use super::relation::Relation;
use crate::parse::{JsonKey, JsonStep, OrderItem, SelectItem};
use crate::{Cast, Page, QueryError, Table, Type, Value};

/// A read of rows of one table, with the embeds each row carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The table.
    pub table: Arc<Table>,
    /// The columns a store must fetch, as positions in the table's columns, in this order and
    /// without repeats. `outputs` and the embeds' keys point into it.
    pub fetch: Vec<usize>,
    /// What each row shows, in order.
    pub outputs: Vec<Output>,
    /// Which rows there are.
    pub filter: Filter,
    /// In which order; total for a table with a primary key, which always ends it.
    pub order: Vec<OrderTerm>,
    /// Which part of them; for an embed, of each parent's rows.
    pub page: Page,
    /// The embeds shown, in the order `outputs` points at them.
    pub embeds: Vec<Embed>,
}

/// One key of a shown row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The key; not used by a spread.
    pub name: String,
    /// What stands there.
    pub source: Source,
}

/// Where a shown value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A fetched column.
    Column {
        /// Position in `fetch`.
        position: usize,
        /// Steps into its JSON.
        path: Vec<JsonStep>,
        /// A cast at the end.
        cast: Option<Cast>,
    },
    /// The embed at this place in `embeds`, as object or array.
    Embed(usize),
    /// The keys of the embed at this place, in the row itself.
    Spread(usize),
}

/// An embed shown in each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embed {
    /// The way to its rows.
    pub relation: Relation,
    /// Positions in the parent's `fetch` of the relation's origin columns, in their order.
    pub key: Vec<usize>,
    /// What is read of them.
    pub read: Read,
}

/// One term of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderTerm {
    /// What is ordered by.
    pub by: OrderBy,
    /// Whether large values come first.
    pub descending: bool,
    /// Whether nulls come first; always said, because databases disagree.
    pub nulls_first: bool,
}

/// What an order looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderBy {
    /// The row itself.
    Own(Expr),
    /// The one row a to-one relation leads to; null where it leads nowhere.
    Related {
        /// The way to it.
        relation: Relation,
        /// What of it; a column of the target.
        expr: Expr,
        /// Which row counts: the filter of the embed.
        filter: Filter,
    },
}

impl Read {
    /// The same read of exactly the rows with these primary keys (values in the key's order), all
    /// of them: how a write shows the rows it wrote. Their order stays; conditions, page and
    /// `!inner` fall away.
    ///
    /// A table without a primary key gives no rows.
    #[must_use]
    pub fn of_keys(self, keys: &[Vec<Value>]) -> Self {
        let columns = self.table.key_positions();
        let expr = |at: usize| Expr::column(&self.table, at);
        let filter = match columns.as_slice() {
            [] => Filter::Any(Vec::new()),
            [column] => {
                let values = keys.iter().filter_map(|key| key.first().cloned()).collect();
                Filter::In {
                    left: expr(*column),
                    values,
                }
            }
            several => {
                let equal = |key: &Vec<Value>| {
                    let parts = several
                        .iter()
                        .zip(key)
                        .map(|(column, value)| Filter::Compare {
                            left: expr(*column),
                            comparison: Comparison::Eq,
                            right: value.clone(),
                        });
                    Filter::All(parts.collect())
                };
                Filter::Any(keys.iter().map(equal).collect())
            }
        };
        Self {
            filter,
            page: Page::ALL,
            ..self
        }
    }
}

/// Resolves a node and the embeds below it.
pub(super) fn resolve(node: &Node, page: Page, now: i64) -> Result<Read, QueryError> {
    let mut read = Read {
        table: Arc::clone(&node.table),
        fetch: Vec::new(),
        outputs: Vec::new(),
        filter: node.filter(now)?,
        order: order(node, now)?,
        page,
        embeds: Vec::new(),
    };
    for item in &node.select {
        match item {
            NodeItem::Own(SelectItem::All) => {
                for (column, one) in node.table.columns.iter().enumerate() {
                    let position = read.fetched(column);
                    let source = Source::Column {
                        position,
                        path: Vec::new(),
                        cast: None,
                    };
                    read.outputs.push(Output {
                        name: one.name.to_owned(),
                        source,
                    });
                }
            }
            NodeItem::Own(item) => read.column(item)?,
            NodeItem::Child(at) => read.embed(&node.children[*at], now)?,
        }
    }
    Ok(read)
}

impl Read {
    /// The position of a column in `fetch`, added where it is new.
    fn fetched(&mut self, column: usize) -> usize {
        self.fetch
            .iter()
            .position(|known| *known == column)
            .unwrap_or_else(|| {
                self.fetch.push(column);
                self.fetch.len() - 1
            })
    }

    fn column(&mut self, item: &SelectItem) -> Result<(), QueryError> {
        let SelectItem::Column { field, alias, cast } = item else {
            return Ok(());
        };
        let expr = Expr::resolve(&self.table, field)?;
        let cast = cast.as_deref().map(Cast::named).transpose()?;
        if let Some(cast) = cast {
            cast.check(expr.ty)?;
        }
        let name = alias
            .clone()
            .unwrap_or_else(|| last_key(&expr.path).unwrap_or(&field.name).to_owned());
        let position = self.fetched(expr.column);
        self.outputs.push(Output {
            name,
            source: Source::Column {
                position,
                path: expr.path,
                cast,
            },
        });
        Ok(())
    }

    fn embed(&mut self, child: &Node, now: i64) -> Result<(), QueryError> {
        let Some(relation) = child.relation.clone() else {
            return Ok(());
        };
        let read = resolve(child, child.page, now)?;
        if read.outputs.is_empty() {
            // `entitlements()` only filters its parent and is not shown.
            return Ok(());
        }
        let at = self.embeds.len();
        let source = if child.spread {
            Source::Spread(at)
        } else {
            Source::Embed(at)
        };
        let key = relation
            .origin_columns()
            .into_iter()
            .map(|column| self.fetched(column))
            .collect();
        self.embeds.push(Embed {
            relation,
            key,
            read,
        });
        self.outputs.push(Output {
            name: child.name.clone(),
            source,
        });
        Ok(())
    }
}

/// The name a JSON path gives its result: its last key.
fn last_key(path: &[JsonStep]) -> Option<&str> {
    path.iter().rev().find_map(|step| match &step.to {
        JsonKey::Key(key) => Some(key.as_str()),
        JsonKey::Index(_) => None,
    })
}

/// The order asked for, else the table's own, ended by the primary key so that pages are stable.
fn order(node: &Node, now: i64) -> Result<Vec<OrderTerm>, QueryError> {
    let table = &node.table;
    let mut terms = node
        .order
        .iter()
        .map(|item| term(node, item, now))
        .collect::<Result<Vec<_>, _>>()?;
    let mut add = |column: usize, descending: bool| {
        let expr = Expr::column(table, column);
        if !terms
            .iter()
            .any(|term| matches!(&term.by, OrderBy::Own(known) if *known == expr))
        {
            terms.push(OrderTerm {
                by: OrderBy::Own(expr),
                descending,
                nulls_first: descending,
            });
        }
    };
    if node.order.is_empty() {
        for one in &table.default_order {
            if let Some(column) = table.position(one.column) {
                add(column, one.descending);
            }
        }
    }
    for column in table.key_positions() {
        add(column, false);
    }
    Ok(terms)
}

fn term(node: &Node, item: &OrderItem, now: i64) -> Result<OrderTerm, QueryError> {
    let embedded = item
        .relation
        .as_ref()
        .and_then(|name| node.child_named(name));
    let by = match embedded.and_then(|child| Some((child, child.relation.clone()?))) {
        None => OrderBy::Own(orderable(&node.table, item)?),
        Some((child, relation)) => OrderBy::Related {
            expr: orderable(&child.table, item)?,
            filter: child.filter(now)?,
            relation,
        },
    };
    let nulls_first = item.nulls_first.unwrap_or(item.descending);
    Ok(OrderTerm {
        by,
        descending: item.descending,
        nulls_first,
    })
}

fn orderable(table: &Table, item: &OrderItem) -> Result<Expr, QueryError> {
    let expr = Expr::resolve(table, &item.field)?;
    match expr.ty {
        Type::TextArray => Err(QueryError::not_implemented("Arrays are not ordered by.")),
        _ => Ok(expr),
    }
}
