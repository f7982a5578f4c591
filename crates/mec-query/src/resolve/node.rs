//! The rows and the embeds below them as a tree, each with what a query says of it.

use std::sync::Arc;

use super::relation::{self, Relation};
use crate::parse::{EmbedItem, Logic, OrderItem, SelectItem};
use crate::pattern::Patterns;
use crate::{Page, QueryError, Schema, Table};

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

impl Node {
    pub(super) fn new(
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

    pub(super) fn embed(
        &mut self,
        schema: &Schema,
        select: &[SelectItem],
    ) -> Result<(), QueryError> {
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

    pub(super) fn addressed(&mut self, path: &[String]) -> Result<&mut Self, QueryError> {
        let mut node = self;
        for name in path {
            let at = node
                .child_position(name)
                .ok_or_else(|| QueryError::not_embedded(name))?;
            node = &mut node.children[at];
        }
        Ok(node)
    }

    pub(super) fn misnamed(&self, path: &[String]) -> Option<(String, String)> {
        let (name, rest) = path.split_first()?;
        let child = self.child_named(name)?;
        if child.name == *name {
            child.misnamed(rest)
        } else {
            Some((name.clone(), child.name.clone()))
        }
    }

    pub(super) fn check_related_orders(&self) -> Result<(), QueryError> {
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
}
