//! Tables without rules and writes of their rows as SQL. As in every statement, values travel as parameters and names
//! are a catalogue's own.

use mec_query::{Table, Type};

use super::{Statement, quoted};
use crate::dialect::Dialect;
use crate::stored::{Parameter, Stored};

/// What a new row has in a column.
#[derive(Clone, Debug)]
pub(crate) enum Put {
    /// This value; `None` is null.
    Value(Option<Parameter>),
    /// One more than the largest there is.
    Next,
}

/// A table with its keys; references are looked at by whoever writes.
pub(crate) fn definition(dialect: Dialect, table: &Table) -> Statement {
    let mut parts: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let required = if column.nullable { "" } else { " NOT NULL" };
            format!("{} {}{required}", quoted(column.name), dialect.declared(column.ty))
        })
        .collect();
    let keys = table.primary_key.iter().map(|key| ("PRIMARY KEY", key));
    for (kind, key) in keys.chain(table.uniques.iter().map(|key| ("UNIQUE", key))) {
        let columns: Vec<String> = key.columns.iter().map(|name| quoted(name)).collect();
        parts.push(format!("{kind} ({})", columns.join(", ")));
    }
    let mut statement = Statement::of(dialect);
    statement.format(format_args!("CREATE TABLE {} ({})", quoted(table.name), parts.join(", ")));
    statement
}

/// One new row with all its columns; it answers the row's key.
pub(crate) fn insertion(dialect: Dialect, table: &Table, row: Vec<Put>) -> Statement {
    let mut statement = Statement::of(dialect);
    statement.format(format_args!("INSERT INTO {} (", quoted(table.name)));
    statement.names(table, &(0..table.columns.len()).collect::<Vec<_>>());
    statement.push(") VALUES (");
    for (at, (column, put)) in table.columns.iter().zip(row).enumerate() {
        statement.separator(at, ", ");
        match put {
            Put::Value(value) => statement.held(value, column.ty),
            Put::Next => {
                let name = quoted(column.name);
                statement.format(format_args!("(SELECT coalesce(max({name}), 0) + 1 FROM {})", quoted(table.name)));
            }
        }
    }
    statement.push(")");
    statement.returning(table);
    statement
}

/// Other values in the rows that hold these; it answers the key of each.
pub(crate) fn change(
    dialect: Dialect,
    table: &Table,
    set: Vec<(usize, Option<Parameter>)>,
    holding: Vec<(usize, Option<Parameter>)>,
) -> Statement {
    let mut statement = Statement::of(dialect);
    statement.format(format_args!("UPDATE {} SET ", quoted(table.name)));
    for (at, (column, value)) in set.into_iter().enumerate() {
        let column = &table.columns[column];
        statement.separator(at, ", ");
        statement.format(format_args!("{} = ", quoted(column.name)));
        statement.held(value, column.ty);
    }
    statement.holding(table, holding);
    statement.returning(table);
    statement
}

/// The rows that hold these values, away.
pub(crate) fn removal(dialect: Dialect, table: &Table, holding: Vec<(usize, Option<Parameter>)>) -> Statement {
    let mut statement = Statement::of(dialect);
    statement.format(format_args!("DELETE FROM {}", quoted(table.name)));
    statement.holding(table, holding);
    statement
}

/// Some columns of the rows that hold these values; a null is held by none.
pub(crate) fn found(dialect: Dialect, table: &Table, columns: &[usize], holding: Vec<(usize, Option<Parameter>)>) -> Statement {
    let mut statement = Statement::of(dialect);
    statement.push("SELECT ");
    statement.names(table, columns);
    statement.format(format_args!(" FROM {}", quoted(table.name)));
    statement.holding(table, holding);
    statement
}

/// Everything in these tables stands still until the transaction ends.
pub(crate) fn lock(tables: &[&str]) -> String {
    let names: Vec<String> = tables.iter().map(|name| quoted(name)).collect();
    format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", names.join(", "))
}

impl Statement {
    fn held(&mut self, value: Option<Parameter>, ty: Type) {
        match value {
            Some(value) => self.value(value, Stored::of(ty)),
            None => self.push("NULL"),
        }
    }

    fn holding(&mut self, table: &Table, holding: Vec<(usize, Option<Parameter>)>) {
        for (at, (column, value)) in holding.into_iter().enumerate() {
            let column = &table.columns[column];
            self.push(if at == 0 { " WHERE " } else { " AND " });
            self.format(format_args!("{} = ", quoted(column.name)));
            self.held(value, column.ty);
        }
    }

    fn returning(&mut self, table: &Table) {
        let key = table.key_positions();
        if !key.is_empty() {
            self.push(" RETURNING ");
            self.names(table, &key);
        }
    }

    fn names(&mut self, table: &Table, columns: &[usize]) {
        for (at, column) in columns.iter().enumerate() {
            self.separator(at, ", ");
            self.push(&quoted(table.columns[*column].name));
        }
        if columns.is_empty() {
            self.push("NULL");
        }
    }
}
