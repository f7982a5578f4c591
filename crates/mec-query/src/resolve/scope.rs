//! The rows and embeds a query speaks about, related to each other: the step before its columns are
//! looked up.

use std::sync::Arc;

use super::filter::Filter;
use super::node::Node;
use super::read::{self, Read};
use crate::parse::Placed;
use crate::pattern::Patterns;
use crate::{Page, Query, QueryError, Schema, Table};

/// A query whose embeds are found and whose filters, orders and pages stand at the embed they
/// address.
///
/// Making it can fail with the embedding errors, which a client must see before those of columns
/// and values; [`Scope::read`] and [`Scope::row_filter`] can fail with the latter.
#[derive(Debug, Clone)]
pub struct Scope {
    root: Node,
    /// An embed that a filter, order or page names by its relation although it has an alias, and
    /// the alias.
    misnamed: Option<(String, String)>,
}

impl Scope {
    /// Relates the embeds of `query` to `table` (of the schema, or the row type of a function).
    ///
    /// # Errors
    /// PGRST200/201 for an embed without or with several relationships, PGRST108 for a filter,
    /// order or limit on something not embedded, PGRST118 for an order by a to-many embed, PGRST123
    /// for an aggregate, PGRST127 for a to-many spread.
    pub fn relate(schema: &Schema, table: &Arc<Table>, query: &Query) -> Result<Self, QueryError> {
        let mut root = Node::new(
            Arc::clone(table),
            table.name.to_owned(),
            None,
            Patterns::default(),
        );
        root.embed(schema, &query.select)?;
        for Placed { path, item } in &query.logic {
            root.addressed(path)?.logic.push(item.clone());
        }
        for Placed { path, item } in &query.order {
            root.addressed(path)?.order.extend(item.iter().cloned());
        }
        for Placed { path, item } in &query.limits {
            root.addressed(path)?.page.limit = u64::try_from(*item).ok();
        }
        for Placed { path, item } in &query.offsets {
            root.addressed(path)?.page.offset = *item;
        }
        root.check_related_orders()?;
        let paths = query
            .logic
            .iter()
            .map(|placed| &placed.path)
            .chain(query.order.iter().map(|placed| &placed.path));
        let mut paths = paths
            .chain(query.limits.iter().map(|placed| &placed.path))
            .chain(query.offsets.iter().map(|placed| &placed.path));
        let misnamed = paths.find_map(|path| root.misnamed(path));
        Ok(Self { root, misnamed })
    }

    /// An embed that a filter, order or page names by its relation although it has an alias, and
    /// the alias: answered as it always was, but callers are warned that PostgREST will end it.
    pub fn misnamed(&self) -> Option<(&str, &str)> {
        self.misnamed
            .as_ref()
            .map(|(name, alias)| (name.as_str(), alias.as_str()))
    }

    /// The table of the rows.
    pub fn table(&self) -> &Arc<Table> {
        &self.root.table
    }

    /// The read: columns, typed conditions, total order, embeds. `page` is that of
    /// [`Page::of_request`], `now` (microseconds of UTC) what the literal `now` means.
    ///
    /// # Errors
    /// What the database would say: 42703 for an unknown column, 22P02 and its kin for a value that
    /// is no literal of its column's type, 42883 and 42804 for an operator the type does not have.
    pub fn read(&self, page: Page, now: i64) -> Result<Read, QueryError> {
        read::resolve(&self.root, page, now)
    }

    /// The conditions on the rows alone, which decide what an update or delete touches: filters on
    /// embeds and `!inner` do not narrow a write.
    ///
    /// # Errors
    /// As [`Scope::read`].
    pub fn row_filter(&self, now: i64) -> Result<Filter, QueryError> {
        self.root.own_filter(now)
    }
}
