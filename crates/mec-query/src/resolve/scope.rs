//! The rows and embeds a query speaks about, related to each other: the step before its columns are
//! looked up.

use std::sync::Arc;

use super::filter::{self, Filter};
use super::read::{self, Read};
use super::relation::{self, Relation};
use crate::parse::{EmbedItem, Logic, OrderItem, Placed, SelectItem};
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

/// The rows, or one embed.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) table: Arc<Table>,
    /// The name in the answer: alias or relation.
    pub(super) name: String,
    /// The relation as written, which filters may also use.
    written: String,
    /// The way from the parent; `None` for the rows themselves.
    pub(super) relation: Option<Relation>,
    pub(super) inner: bool,
    pub(super) spread: bool,
    pub(super) select: Vec<NodeItem>,
    pub(super) logic: Vec<Logic>,
    pub(super) order: Vec<OrderItem>,
    pub(super) page: Page,
    pub(super) children: Vec<Node>,
    /// The regular expressions of the whole request.
    pub(super) patterns: Patterns,
}

/// An item of `select`, an embed as its place among the children.
#[derive(Debug, Clone)]
pub(super) enum NodeItem {
    Own(SelectItem),
    Child(usize),
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

impl Node {
    fn new(
        table: Arc<Table>,
        name: String,
        relation: Option<Relation>,
        patterns: Patterns,
    ) -> Self {
        Self {
            table,
            written: name.clone(),
            name,
            relation,
            inner: false,
            spread: false,
            select: Vec::new(),
            logic: Vec::new(),
            order: Vec::new(),
            page: Page::ALL,
            children: Vec::new(),
            patterns,
        }
    }

    fn embed(&mut self, schema: &Schema, select: &[SelectItem]) -> Result<(), QueryError> {
        for item in select {
            match item {
                SelectItem::Aggregate => return Err(QueryError::aggregates()),
                SelectItem::Embed(embed) => {
                    let child = self.child(schema, embed)?;
                    self.select.push(NodeItem::Child(self.children.len()));
                    self.children.push(child);
                }
                SelectItem::All | SelectItem::Column { .. } => {
                    self.select.push(NodeItem::Own(item.clone()))
                }
            }
        }
        Ok(())
    }

    fn child(&self, schema: &Schema, embed: &EmbedItem) -> Result<Self, QueryError> {
        let relation = relation::find(schema, &self.table, &embed.relation, embed.hint.as_deref())?;
        if embed.spread && !relation.to_one {
            return Err(QueryError::not_implemented(format!(
                "\"...{}\" would spread several rows; only an embed of at most one row is spread.",
                embed.relation
            )));
        }
        let name = embed.alias.as_ref().unwrap_or(&embed.relation).clone();
        let mut child = Self::new(
            Arc::clone(&relation.target),
            name,
            Some(relation),
            self.patterns.clone(),
        );
        child.written = embed.relation.clone();
        child.inner = embed.inner;
        child.spread = embed.spread;
        child.embed(schema, &embed.select)?;
        Ok(child)
    }

    /// The child a filter, an order or a path names: by alias, else by the relation as written.
    fn child_position(&self, name: &str) -> Option<usize> {
        let by =
            |named: fn(&Self) -> &str| self.children.iter().position(|child| named(child) == name);
        by(|child| &child.name).or_else(|| by(|child| &child.written))
    }

    pub(super) fn child_named(&self, name: &str) -> Option<&Self> {
        self.child_position(name).map(|at| &self.children[at])
    }

    fn addressed(&mut self, path: &[String]) -> Result<&mut Self, QueryError> {
        let mut node = self;
        for name in path {
            let at = node
                .child_position(name)
                .ok_or_else(|| QueryError::not_embedded(name))?;
            node = &mut node.children[at];
        }
        Ok(node)
    }

    fn misnamed(&self, path: &[String]) -> Option<(String, String)> {
        let (name, rest) = path.split_first()?;
        let child = self.child_named(name)?;
        if child.name == *name {
            child.misnamed(rest)
        } else {
            Some((name.clone(), child.name.clone()))
        }
    }

    fn check_related_orders(&self) -> Result<(), QueryError> {
        for relation in self.order.iter().filter_map(|item| item.relation.as_ref()) {
            let child = self
                .child_named(relation)
                .ok_or_else(|| QueryError::not_embedded(relation))?;
            if child
                .relation
                .as_ref()
                .is_some_and(|relation| !relation.to_one)
            {
                return Err(QueryError::related_order(self.table.name, relation));
            }
        }
        self.children
            .iter()
            .try_for_each(Self::check_related_orders)
    }

    /// The conditions written for this node.
    fn own_filter(&self, now: i64) -> Result<Filter, QueryError> {
        let parts = self
            .logic
            .iter()
            .map(|logic| filter::logic(self, logic, now));
        parts.collect::<Result<Vec<_>, _>>().map(Filter::All)
    }

    /// The conditions written for this node, and one existing row of every `!inner` embed.
    pub(super) fn filter(&self, now: i64) -> Result<Filter, QueryError> {
        let mut filter = self.own_filter(now)?;
        for child in self.children.iter().filter(|child| child.inner) {
            filter = filter.and(child.exists(now)?);
        }
        Ok(filter)
    }

    /// That the parent has a row here.
    pub(super) fn exists(&self, now: i64) -> Result<Filter, QueryError> {
        let filter = Box::new(self.filter(now)?);
        Ok(match &self.relation {
            Some(relation) => Filter::Exists {
                relation: relation.clone(),
                filter,
            },
            None => *filter,
        })
    }
}
