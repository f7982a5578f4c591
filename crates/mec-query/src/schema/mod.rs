//! The tables and functions a request may name, as data.
//!
//! Everything a resolved request points at lives here, so no name from a URL travels further than a
//! look-up in this room. It does not know how or where rows are stored.

mod column;
mod function;
mod table;

pub use column::{Column, Type};
pub use function::{Function, Param, Returns};
pub use table::{Check, DefaultOrder, ForeignKey, Key, Table, Verb};

use std::collections::HashMap;
use std::sync::Arc;

use crate::QueryError;
use crate::hint;

/// A schema that contradicts itself: a mistake of the program, found when it starts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// Two tables, or two functions or aliases, of one name.
    #[error("the name \"{0}\" is used twice")]
    Duplicate(&'static str),
    /// A key, check or order names a column that the table does not have.
    #[error("table \"{0}\" uses a column \"{1}\" that it does not have")]
    NoColumn(&'static str, &'static str),
    /// A foreign key refers to a table or column that does not exist.
    #[error("foreign key \"{0}\" refers to something that does not exist")]
    NoTarget(&'static str),
}

/// All tables and functions of the API.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    tables: Vec<Arc<Table>>,
    functions: Vec<Arc<Function>>,
    table_of: HashMap<&'static str, usize>,
    function_of: HashMap<&'static str, usize>,
}

impl Schema {
    /// A schema of these tables and functions.
    ///
    /// # Errors
    /// A [`SchemaFault`] when names are used twice or point nowhere.
    pub fn new(tables: Vec<Table>, functions: Vec<Function>) -> Result<Self, SchemaFault> {
        let mut schema = Self::default();
        for (at, table) in tables.into_iter().enumerate() {
            if let Some(column) = table.dangling_name() {
                return Err(SchemaFault::NoColumn(table.name, column));
            }
            if schema.table_of.insert(table.name, at).is_some() {
                return Err(SchemaFault::Duplicate(table.name));
            }
            schema.tables.push(Arc::new(table));
        }
        for (at, function) in functions.into_iter().enumerate() {
            for name in std::iter::once(function.name).chain(function.aliases.iter().copied()) {
                if schema.function_of.insert(name, at).is_some() {
                    return Err(SchemaFault::Duplicate(name));
                }
            }
            schema.functions.push(Arc::new(function));
        }
        match schema
            .tables
            .iter()
            .flat_map(|table| &table.foreign_keys)
            .find(|key| !schema.reaches(key))
        {
            Some(key) => Err(SchemaFault::NoTarget(key.name)),
            None => Ok(schema),
        }
    }

    fn reaches(&self, key: &ForeignKey) -> bool {
        self.find_table(key.target).is_some_and(|target| {
            key.columns.len() == key.target_columns.len()
                && key
                    .target_columns
                    .iter()
                    .all(|column| target.position(column).is_some())
        })
    }

    /// All tables, in the order given.
    pub fn tables(&self) -> &[Arc<Table>] {
        &self.tables
    }

    /// All functions, in the order given.
    pub fn functions(&self) -> &[Arc<Function>] {
        &self.functions
    }

    /// The table of this name, if there is one.
    pub fn find_table(&self, name: &str) -> Option<&Arc<Table>> {
        self.table_of.get(name).map(|at| &self.tables[*at])
    }

    /// The table a request names.
    ///
    /// # Errors
    /// PGRST205 with the nearest name.
    pub fn table(&self, name: &str) -> Result<&Arc<Table>, QueryError> {
        self.find_table(name).ok_or_else(|| {
            let names: Vec<&str> = self.tables.iter().map(|table| table.name).collect();
            let meant = hint::similar(name, names.iter().copied());
            let error = QueryError::no_table(name, meant);
            if meant.is_some() {
                error
            } else {
                error.with_hint_if(hint::all_of("The tables are", &names))
            }
        })
    }

    /// The function of this name or alias, if there is one. What a request calls is found by
    /// [`crate::Call::find`], which also matches the arguments.
    pub fn find_function(&self, name: &str) -> Option<&Arc<Function>> {
        self.function_of.get(name).map(|at| &self.functions[*at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_contradicts_itself_is_refused() {
        let table = |name| Table::new(name, vec![Column::new("id", Type::Int4)]);
        let call = |name| Function::new(name, vec![], Returns::Json);
        for (tables, functions, fault) in [
            (
                vec![table("a"), table("a")],
                vec![],
                SchemaFault::Duplicate("a"),
            ),
            (
                vec![],
                vec![call("f"), call("g").alias("f")],
                SchemaFault::Duplicate("f"),
            ),
            (
                vec![table("a").primary_key("a_pkey", &["x"])],
                vec![],
                SchemaFault::NoColumn("a", "x"),
            ),
            (
                vec![table("a").references("a_fkey", "id", "b", "id")],
                vec![],
                SchemaFault::NoTarget("a_fkey"),
            ),
            (
                vec![table("a").references("a_fkey", "id", "b", "x"), table("b")],
                vec![],
                SchemaFault::NoTarget("a_fkey"),
            ),
        ] {
            assert_eq!(Schema::new(tables, functions).map(|_| ()), Err(fault));
        }
    }

    #[test]
    fn an_unknown_table_is_404_with_the_nearest_name() {
        let schema = Schema::new(vec![Table::new("plans", vec![])], vec![]).expect("sound");
        let error = schema.table("plan").expect_err("no such table");
        assert_eq!((error.status, error.code.as_ref()), (404, "PGRST205"));
        assert_eq!(
            error.message,
            "Could not find the table 'public.plan' in the schema cache"
        );
        assert_eq!(
            error.hint.as_deref(),
            Some("Perhaps you meant the table 'public.plans'")
        );
        assert_eq!(
            schema
                .table("nope")
                .expect_err("no such table")
                .hint
                .as_deref(),
            Some("The tables are: plans")
        );
    }

    #[test]
    fn options_lists_what_a_table_allows() {
        let table = Table::new("plans", vec![]);
        assert_eq!(table.allow_header(), "OPTIONS,GET,HEAD");
        let all = table.allowing(&[Verb::Get, Verb::Post, Verb::Patch, Verb::Put, Verb::Delete]);
        assert_eq!(all.allow_header(), "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE");
    }
}
