//! Rows written by the thousand: one array a column, one statement a table.

use mec_kernel::TreeId;

use super::codec::Held;
use super::session::{Change, Parameter};
use super::tree_number::numbers;

/// Rows of one table, column by column.
pub(super) struct Bulk<'a> {
    table: &'static str,
    names: Vec<&'static str>,
    types: Vec<&'static str>,
    arrays: Vec<Parameter<'a>>,
    rows: usize,
}

impl<'a> Bulk<'a> {
    pub(super) fn of(table: &'static str) -> Self {
        Self {
            table,
            names: vec![],
            types: vec![],
            arrays: vec![],
            rows: 0,
        }
    }

    /// The next column; every column has as many values as there are rows.
    pub(super) fn column<T: Held + Sync + Send + 'a>(
        mut self,
        name: &'static str,
        values: impl Iterator<Item = T>,
    ) -> Self {
        let values: Vec<T> = values.collect();
        self.rows = values.len();
        self.names.push(name);
        self.types.push(T::TYPE);
        self.arrays.push(Box::new(values));
        self
    }

    /// Adds the rows; `None` where there are none.
    pub(super) fn insert(self) -> Option<Change<'a>> {
        self.change("")
    }

    /// Adds the rows that are not there; what is sent again changes nothing.
    pub(super) fn insert_new(self) -> Option<Change<'a>> {
        self.change(" ON CONFLICT DO NOTHING")
    }

    /// Adds the rows; of those that are there by `key`, the columns take the new values.
    pub(super) fn replace(self, key: &str, columns: &[&str]) -> Option<Change<'a>> {
        let set: Vec<String> = columns
            .iter()
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        self.change(&format!(
            " ON CONFLICT ({key}) DO UPDATE SET {}",
            set.join(", ")
        ))
    }

    /// Adds the rows; of those that are there by `key`, the columns grow by the new values.
    pub(super) fn add(self, key: &str, columns: &[&str]) -> Option<Change<'a>> {
        let table = self.table;
        let set: Vec<String> = columns
            .iter()
            .map(|column| format!("{column} = {table}.{column} + excluded.{column}"))
            .collect();
        self.change(&format!(
            " ON CONFLICT ({key}) DO UPDATE SET {}",
            set.join(", ")
        ))
    }

    /// Runs `sql`, in which `{rows}` stands for the rows as a table `x` of the columns.
    pub(super) fn with(self, sql: &str) -> Option<Change<'a>> {
        let rows = format!("unnest({}) AS x({})", self.places(), self.names.join(", "));
        (self.rows > 0).then(|| Change::new(sql.replace("{rows}", &rows), self.arrays))
    }

    /// The same, and `{trees}` stands for the rows' trees: said beside the join of each row's own,
    /// it tells a database of several shards which of them are meant.
    pub(super) fn with_trees(
        mut self,
        sql: &str,
        trees: impl Iterator<Item = TreeId>,
    ) -> Option<Change<'a>> {
        let (rows, at) = (
            format!("unnest({}) AS x({})", self.places(), self.names.join(", ")),
            self.arrays.len() + 1,
        );
        self.arrays.push(Box::new(numbers(trees)));
        let sql = sql
            .replace("{rows}", &rows)
            .replace("{trees}", &format!("ANY(${at})"));
        (self.rows > 0).then(|| Change::new(sql, self.arrays))
    }

    fn change(self, end: &str) -> Option<Change<'a>> {
        let sql = format!(
            "INSERT INTO {} ({}) SELECT * FROM unnest({}){end}",
            self.table,
            self.names.join(", "),
            self.places()
        );
        (self.rows > 0).then(|| Change::new(sql, self.arrays))
    }

    fn places(&self) -> String {
        let places: Vec<String> = (1..)
            .zip(&self.types)
            .map(|(at, ty)| format!("${at}::{ty}[]"))
            .collect();
        places.join(", ")
    }
}
