//! One table: its columns, keys, references and what may be done with it.

use super::Column;
use crate::QueryError;
use crate::hint;

/// A primary or unique key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The constraint's name, as errors quote it.
    pub name: &'static str,
    /// Its columns in order.
    pub columns: Vec<&'static str>,
}

/// A reference to another table (or the same one).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The constraint's name, as errors quote it and requests may hint at.
    pub name: &'static str,
    /// The referring columns.
    pub columns: Vec<&'static str>,
    /// The table referred to.
    pub target: &'static str,
    /// The columns referred to, one for each of `columns`.
    pub target_columns: Vec<&'static str>,
}

/// A column that may hold one of a closed list of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The constraint's name, as errors quote it.
    pub name: &'static str,
    /// The column.
    pub column: &'static str,
    /// The texts allowed; null passes, as in SQL.
    pub one_of: Vec<&'static str>,
}

/// One term of a table's default order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultOrder {
    /// The column.
    pub column: &'static str,
    /// Whether large values come first.
    pub descending: bool,
}

/// What may be done with a table over HTTP. GET includes HEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Read rows.
    Get,
    /// Insert rows.
    Post,
    /// Update rows.
    Patch,
    /// Upsert one row by its key.
    Put,
    /// Delete rows.
    Delete,
}

/// A table as the query language sees it. Names are the API's; how rows are stored is not told
/// here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The name in the URL.
    pub name: &'static str,
    /// One sentence for the API's documents.
    pub description: &'static str,
    /// The columns, in the order `*` shows them.
    pub columns: Vec<Column>,
    /// The primary key, where there is one.
    pub primary_key: Option<Key>,
    /// Further unique keys.
    pub uniques: Vec<Key>,
    /// References to other tables.
    pub foreign_keys: Vec<ForeignKey>,
    /// Closed lists of texts.
    pub checks: Vec<Check>,
    /// The order of rows when a request names none; the primary key follows it in any case.
    pub default_order: Vec<DefaultOrder>,
    /// What may be done with it.
    pub verbs: Vec<Verb>,
}

impl Table {
    /// A table that can only be read, without keys.
    pub fn new(name: &'static str, columns: Vec<Column>) -> Self {
        Self {
            name,
            description: "",
            columns,
            primary_key: None,
            uniques: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            default_order: Vec::new(),
            verbs: vec![Verb::Get],
        }
    }

    /// The same table with a description.
    #[must_use]
    pub fn described(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// The same table with a primary key.
    #[must_use]
    pub fn primary_key(mut self, name: &'static str, columns: &[&'static str]) -> Self {
        self.primary_key = Some(Key {
            name,
            columns: columns.to_vec(),
        });
        self
    }

    /// The same table with one more unique key.
    #[must_use]
    pub fn unique(mut self, name: &'static str, columns: &[&'static str]) -> Self {
        self.uniques.push(Key {
            name,
            columns: columns.to_vec(),
        });
        self
    }

    /// The same table with one more reference of one column.
    #[must_use]
    pub fn references(
        mut self,
        name: &'static str,
        column: &'static str,
        target: &'static str,
        target_column: &'static str,
    ) -> Self {
        self.foreign_keys.push(ForeignKey {
            name,
            columns: vec![column],
            target,
            target_columns: vec![target_column],
        });
        self
    }

    /// The same table with one more closed list of texts.
    #[must_use]
    pub fn one_of(
        mut self,
        name: &'static str,
        column: &'static str,
        texts: &[&'static str],
    ) -> Self {
        self.checks.push(Check {
            name,
            column,
            one_of: texts.to_vec(),
        });
        self
    }

    /// The same table with one more term of its default order.
    #[must_use]
    pub fn ordered_by(mut self, column: &'static str, descending: bool) -> Self {
        self.default_order.push(DefaultOrder { column, descending });
        self
    }

    /// The same table with these verbs instead of GET alone.
    #[must_use]
    pub fn allowing(mut self, verbs: &[Verb]) -> Self {
        self.verbs = verbs.to_vec();
        self
    }

    /// Whether `verb` is allowed.
    pub fn allows(&self, verb: Verb) -> bool {
        self.verbs.contains(&verb)
    }

    /// The value of the `Allow` header that OPTIONS answers.
    pub fn allow_header(&self) -> String {
        let mut methods = vec!["OPTIONS"];
        for (verb, names) in [
            (Verb::Get, ["GET", "HEAD"].as_slice()),
            (Verb::Post, &["POST"]),
            (Verb::Put, &["PUT"]),
            (Verb::Patch, &["PATCH"]),
            (Verb::Delete, &["DELETE"]),
        ] {
            if self.allows(verb) {
                methods.extend(names);
            }
        }
        methods.join(",")
    }

    /// The position of a column in `columns`.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The position of a column that a request names in `select`, a filter or `order`.
    ///
    /// # Errors
    /// 42703 with the nearest name.
    pub fn require(&self, name: &str) -> Result<usize, QueryError> {
        self.position(name).ok_or_else(|| {
            let meant = hint::similar_column(name, self.columns.iter().map(|column| column.name));
            let error = QueryError::unknown_column(self.name, name, meant);
            if meant.is_some() {
                error
            } else {
                error.with_hint_if(self.column_names())
            }
        })
    }

    /// Its columns, for a hint.
    pub(crate) fn column_names(&self) -> Option<String> {
        let names: Vec<_> = self.columns.iter().map(|column| column.name).collect();
        hint::all_of(&format!("The columns of {} are", self.name), &names)
    }

    /// The positions of the primary key's columns; empty without one.
    pub fn key_positions(&self) -> Vec<usize> {
        self.primary_key
            .as_ref()
            .map_or_else(Vec::new, |key| self.positions(&key.columns))
    }

    /// The positions of columns the schema itself names.
    pub(crate) fn positions(&self, names: &[&'static str]) -> Vec<usize> {
        names
            .iter()
            .filter_map(|name| self.position(name))
            .collect()
    }

    /// Whether these columns (in any order) are the primary or a unique key.
    pub(crate) fn is_unique(&self, columns: &[&str]) -> bool {
        self.primary_key.iter().chain(&self.uniques).any(|key| {
            key.columns.len() == columns.len()
                && key.columns.iter().all(|column| columns.contains(column))
        })
    }

    /// The first name this table uses without having such a column, for [`super::Schema::new`].
    pub(crate) fn dangling_name(&self) -> Option<&'static str> {
        let keys = self
            .primary_key
            .iter()
            .chain(&self.uniques)
            .flat_map(|key| key.columns.iter().copied());
        let references = self
            .foreign_keys
            .iter()
            .flat_map(|key| key.columns.iter().copied());
        let checks = self.checks.iter().map(|check| check.column);
        let order = self.default_order.iter().map(|term| term.column);
        keys.chain(references)
            .chain(checks)
            .chain(order)
            .find(|name| self.position(name).is_none())
    }
}
