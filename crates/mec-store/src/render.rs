//! A resolved read as SQL. Values travel as parameters only; names are the table catalog's own,
//! quoted.
//!
//! The meaning is that of the query crate's evaluation in memory, unknowns included. Nothing here
//! runs a statement.

mod filter;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use mec_query::{
    Embed, Expr, Filter, Link, OrderBy, OrderTerm, Page, Read, Relation, Table, Value,
};

use crate::dialect::{Dialect, type_name};
use crate::stored::{Parameter, Stored};

/// A statement and the values of its parameters.
#[derive(Debug)]
pub(crate) struct Statement {
    dialect: Dialect,
    pub(crate) sql: String,
    pub(crate) values: Vec<Parameter>,
    names: usize,
}

/// A table under the name it has in a statement.
#[derive(Clone, Copy)]
struct From<'a> {
    table: &'a Table,
    name: usize,
}

/// The columns of `read.fetch`, of the rows on its page, in its order.
pub(crate) fn rows(dialect: Dialect, read: &Read) -> Statement {
    let mut statement = Statement::of(dialect);
    let from = statement.from(&read.table);
    statement.push("SELECT ");
    statement.columns(from, &read.fetch);
    statement.push(" FROM ");
    statement.table(from);
    statement.push(" WHERE ");
    statement.filter(from, &read.filter);
    statement.order(from, &read.order);
    statement.page(read.page);
    statement
}

/// The number of rows that pass.
pub(crate) fn count(dialect: Dialect, table: &Table, filter: &Filter) -> Statement {
    let mut statement = Statement::of(dialect);
    let from = statement.from(table);
    statement.push("SELECT count(*) FROM ");
    statement.table(from);
    statement.push(" WHERE ");
    statement.filter(from, filter);
    statement
}

/// The columns `key` of the rows that pass, in their order and at most `limit`.
pub(crate) fn keys(
    dialect: Dialect,
    table: &Table,
    key: &[usize],
    filter: &Filter,
    limit: u64,
) -> Statement {
    let mut statement = Statement::of(dialect);
    let from = statement.from(table);
    statement.push("SELECT ");
    statement.columns(from, key);
    statement.push(" FROM ");
    statement.table(from);
    statement.push(" WHERE ");
    statement.filter(from, filter);
    statement.push(" ORDER BY ");
    statement.columns(from, key);
    statement.page(Page {
        offset: 0,
        limit: Some(limit),
    });
    statement
}

/// The rows of an embed that belong to `parents`: the key of the parent, then the columns of the
/// embed's `fetch`, in the embed's order among the rows of one parent.
pub(crate) fn embed(dialect: Dialect, embed: &Embed, parents: &[&[Value]]) -> Statement {
    let read = &embed.read;
    let is_paged = read.page != Page::ALL;
    let mut statement = Statement::of(dialect);
    let from = statement.from(&read.table);
    if is_paged {
        statement.push("SELECT * FROM (");
    }
    statement.push("SELECT ");
    let (junction, key) = match &embed.relation.link {
        Link::Direct(pairs) => (
            None,
            pairs
                .iter()
                .map(|(_, column)| from.column(*column))
                .collect::<Vec<_>>(),
        ),
        Link::Junction { origin, .. } => {
            let name = statement.name();
            (
                Some(name),
                (0..origin.len())
                    .map(|at| format!("t{name}.k{at}"))
                    .collect(),
            )
        }
    };
    // Columns are renamed, because those of the key and of the rows may be the same ones.
    for (at, column) in key
        .iter()
        .cloned()
        .chain(read.fetch.iter().map(|column| from.column(*column)))
        .enumerate()
    {
        statement.separator(at, ", ");
        statement.push(&column);
        statement.format(format_args!(" AS c{at}"));
    }
    if is_paged {
        statement.push(", row_number() OVER (PARTITION BY ");
        statement.push(&key.join(", "));
        statement.order(from, &read.order);
        statement.push(") AS place");
    }
    statement.push(" FROM ");
    statement.related_to(&embed.relation, from, junction, parents);
    statement.push(" AND ");
    statement.filter(from, &read.filter);
    if is_paged {
        let end = read
            .page
            .limit
            .map(|limit| read.page.offset.saturating_add(limit));
        statement.push(") AS numbered WHERE place > ");
        statement.number(read.page.offset);
        if let Some(end) = end {
            statement.push(" AND place <= ");
            statement.number(end);
        }
        statement.push(" ORDER BY place");
    } else {
        statement.order(from, &read.order);
    }
    statement
}

impl<'a> From<'a> {
    fn column(self, column: usize) -> String {
        format!("t{}.{}", self.name, quoted(self.table.columns[column].name))
    }

    fn stored(self, column: usize) -> Stored {
        Stored::of(self.table.columns[column].ty)
    }
}

impl Statement {
    fn push(&mut self, text: &str) {
        self.sql.push_str(text);
    }

    fn format(&mut self, text: std::fmt::Arguments<'_>) {
        self.sql.write_fmt(text).expect("a string takes any text");
    }

    fn separator(&mut self, at: usize, text: &str) {
        if at > 0 {
            self.push(text);
        }
    }

    fn of(dialect: Dialect) -> Self {
        Self {
            dialect,
            sql: String::new(),
            values: vec![],
            names: 0,
        }
    }

    /// The place of one more parameter.
    fn bound(&mut self, value: Parameter, stored: Stored) -> String {
        self.values.push(value);
        self.dialect.place(self.values.len(), stored)
    }

    fn value(&mut self, value: Parameter, stored: Stored) {
        let place = self.bound(value, stored);
        self.push(&place);
    }

    fn number(&mut self, number: u64) {
        self.value(
            Parameter::Integer(i64::try_from(number).unwrap_or(i64::MAX)),
            Stored::Integer,
        );
    }

    fn name(&mut self) -> usize {
        self.names += 1;
        self.names
    }

    fn from<'a>(&mut self, table: &'a Table) -> From<'a> {
        From {
            table,
            name: self.name(),
        }
    }

    fn table(&mut self, from: From<'_>) {
        self.format(format_args!(
            "{} AS t{}",
            quoted(from.table.name),
            from.name
        ));
    }

    fn columns(&mut self, from: From<'_>, columns: &[usize]) {
        for (at, column) in columns.iter().enumerate() {
            self.separator(at, ", ");
            self.push(&from.column(*column));
        }
        if columns.is_empty() {
            self.push("NULL");
        }
    }

    fn page(&mut self, page: Page) {
        if page == Page::ALL {
            return;
        }
        self.push(" LIMIT ");
        match page.limit {
            Some(limit) => self.number(limit),
            None => self.push(self.dialect.no_limit()),
        }
        if page.offset > 0 {
            self.push(" OFFSET ");
            self.number(page.offset);
        }
    }

    /// `… FROM` the rows of an embed, with the condition that they belong to one of `parents`.
    fn related_to(
        &mut self,
        relation: &Relation,
        target: From<'_>,
        junction: Option<usize>,
        parents: &[&[Value]],
    ) {
        match (&relation.link, junction) {
            (
                Link::Junction {
                    table,
                    origin,
                    target: to,
                },
                Some(name),
            ) => {
                // A junction may join the same two rows more than once.
                let inner = self.from(table);
                self.push("(SELECT DISTINCT ");
                for (at, (_, column)) in origin.iter().enumerate() {
                    self.format(format_args!("{} AS k{at}, ", inner.column(*column)));
                }
                for (at, (column, _)) in to.iter().enumerate() {
                    self.separator(at, ", ");
                    self.format(format_args!("{} AS l{at}", inner.column(*column)));
                }
                self.push(" FROM ");
                self.table(inner);
                self.push(" WHERE ");
                self.one_of_keys(
                    inner,
                    &origin.iter().map(|(_, column)| *column).collect::<Vec<_>>(),
                    parents,
                );
                self.format(format_args!(") AS t{name} JOIN "));
                self.table(target);
                self.push(" ON ");
                for (at, (_, column)) in to.iter().enumerate() {
                    self.separator(at, " AND ");
                    self.format(format_args!("{} = t{name}.l{at}", target.column(*column)));
                }
                self.push(" WHERE TRUE");
            }
            (Link::Direct(pairs) | Link::Junction { target: pairs, .. }, _) => {
                self.table(target);
                self.push(" WHERE ");
                self.one_of_keys(
                    target,
                    &pairs.iter().map(|(_, column)| *column).collect::<Vec<_>>(),
                    parents,
                );
            }
        }
    }

    /// That the columns hold one of the keys, none of which has a null.
    fn one_of_keys(&mut self, from: From<'_>, columns: &[usize], keys: &[&[Value]]) {
        if self.dialect.has_arrays() {
            return self.one_of_arrays(from, columns, keys);
        }
        let names: Vec<String> = columns.iter().map(|column| from.column(*column)).collect();
        let is_plain = columns.len() == 1;
        self.push(if is_plain { "" } else { "(" });
        self.push(&names.join(", "));
        self.push(if is_plain { " IN (" } else { ") IN (" });
        if !is_plain && keys.is_empty() {
            self.format(format_args!(
                "SELECT {} WHERE FALSE",
                vec!["NULL"; columns.len()].join(", ")
            ));
        }
        for (at, key) in keys.iter().enumerate() {
            self.push(match (is_plain, at) {
                (true, 0) => "",
                (true, _) => ", ",
                (false, 0) => "VALUES (",
                (false, _) => ", (",
            });
            for (place, (column, value)) in columns.iter().zip(*key).enumerate() {
                self.separator(place, ", ");
                self.operand(from.stored(*column), value);
            }
            self.push(if is_plain { "" } else { ")" });
        }
        self.push(")");
    }

    /// The same with one array a column.
    fn one_of_arrays(&mut self, from: From<'_>, columns: &[usize], keys: &[&[Value]]) {
        let mut arrays = Vec::with_capacity(columns.len());
        for (at, column) in columns.iter().enumerate() {
            let stored = from.stored(*column);
            let values = keys
                .iter()
                .map(|key| key.get(at).and_then(|value| stored.parameter(value)))
                .collect();
            arrays.push(self.array(stored, values));
        }
        match (columns, arrays.as_slice()) {
            ([column], [array]) => {
                self.format(format_args!("{} = ANY({array})", from.column(*column)))
            }
            _ => {
                let names: Vec<String> =
                    columns.iter().map(|column| from.column(*column)).collect();
                self.format(format_args!(
                    "({}) IN (SELECT * FROM unnest({}))",
                    names.join(", "),
                    arrays.join(", ")
                ));
            }
        }
    }

    /// The place of a parameter of several values.
    fn array(&mut self, stored: Stored, values: Vec<Option<Parameter>>) -> String {
        self.values.push(Parameter::Many(stored, values));
        format!("${}::{}[]", self.values.len(), type_name(stored))
    }

    /// A value to be equal to; one the column cannot hold is null, which nothing is equal to.
    fn operand(&mut self, stored: Stored, value: &Value) {
        match stored.parameter(value) {
            Some(value) => self.value(value, stored),
            None => self.push("NULL"),
        }
    }

    fn order(&mut self, from: From<'_>, terms: &[OrderTerm]) {
        for (at, term) in terms.iter().enumerate() {
            self.push(if at == 0 { " ORDER BY " } else { ", " });
            let is_nullable = match &term.by {
                OrderBy::Own(expr) => {
                    self.ordered(from, expr);
                    !expr.path.is_empty() || from.table.columns[expr.column].nullable
                }
                OrderBy::Related {
                    relation,
                    expr,
                    filter,
                } => {
                    let target = self.from(&relation.target);
                    self.push("(SELECT ");
                    self.ordered(target, expr);
                    self.related(relation, from, target, filter);
                    self.push(" LIMIT 1)");
                    true
                }
            };
            self.push(if term.descending { " DESC" } else { "" });
            // Said only where it matters: an index is not read in an order it does not know to be
            // its own.
            if is_nullable {
                self.push(if term.nulls_first {
                    " NULLS FIRST"
                } else {
                    " NULLS LAST"
                });
            }
        }
    }

    /// ` FROM … WHERE …`: the rows of `target` that `from` leads to and that pass.
    fn related(&mut self, relation: &Relation, from: From<'_>, target: From<'_>, filter: &Filter) {
        self.push(" FROM ");
        match &relation.link {
            Link::Direct(pairs) => {
                self.table(target);
                self.push(" WHERE ");
                self.equal(from, target, pairs);
            }
            Link::Junction {
                table,
                origin,
                target: to,
            } => {
                let junction = self.from(table);
                self.table(junction);
                self.push(" JOIN ");
                self.table(target);
                self.push(" ON ");
                self.equal(junction, target, to);
                self.push(" WHERE ");
                self.equal(from, junction, origin);
            }
        }
        self.push(" AND ");
        self.filter(target, filter);
    }

    fn equal(&mut self, left: From<'_>, right: From<'_>, pairs: &[(usize, usize)]) {
        for (at, (one, other)) in pairs.iter().enumerate() {
            self.separator(at, " AND ");
            self.format(format_args!(
                "{} = {}",
                left.column(*one),
                right.column(*other)
            ));
        }
    }

    fn expr_text(&mut self, from: From<'_>, expr: &Expr) -> String {
        let column = from.column(expr.column);
        if expr.path.is_empty() {
            return column;
        }
        let dialect = self.dialect;
        dialect.json_at(&column, &expr.path, |value, stored| {
            self.bound(value, stored)
        })
    }

    /// What is only looked at: for null, or by a pattern.
    fn expr(&mut self, from: From<'_>, expr: &Expr) {
        let text = self.expr_text(from, expr);
        self.push(&text);
    }

    /// What is compared or ordered, by its own order: text by its bytes.
    fn ordered(&mut self, from: From<'_>, expr: &Expr) {
        let text = self.expr_text(from, expr);
        let text = self
            .dialect
            .ordered(&text, Stored::of(expr.ty), !expr.path.is_empty());
        self.push(&text);
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
