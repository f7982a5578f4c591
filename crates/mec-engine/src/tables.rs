//! The table API: reads go to the store; a write becomes one command a row, decided by the kernel
//! like any other.
//!
//! A family of tables has a file each, which turns a request into [`Steps`]; that happens in the
//! lane, so that between picking the rows and writing them nothing else is written.

mod accounts;
mod catalog;
mod conditions;
mod entitlements;
mod given;
mod postgres;
mod read_only;
mod rules;
mod templates;
mod upsert;

use std::sync::{Arc, LazyLock};

use mec_kernel::Catalog;
use mec_query::{Delete, Fetched, Filter, Insert, QueryError, Read, Table, Update, Value, Verb};

pub use read_only::check_verb;

use crate::caller::Caller;
use crate::committed::{Committed, ROWS_MAX};
use crate::error::MecError;
use crate::mec::Mec;
use crate::operations::NewAccount;
use crate::steps::{Steps, Written};
use given::Given;

/// How many rows a write may touch for it to stand; otherwise nothing is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// At most so many.
    pub rows_max: Option<u64>,
    /// Exactly one.
    pub exactly_one: bool,
}

/// Rows a write touched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Touched {
    /// Their primary keys: of an insert in the order of the request, else in the order of the keys.
    pub keys: Vec<Vec<Value>>,
    /// How many of them are new.
    pub inserted: usize,
    /// Rows that are gone as they were, where that was asked for.
    pub shown: Option<Fetched>,
}

impl Mec {
    /// Fetches what a resolved read asks for, all of it from one state of the store.
    ///
    /// # Errors
    /// Where it takes longer than it may.
    pub async fn fetch(&self, read: Read) -> Result<(Read, Fetched), MecError> {
        let answered = self.read_tables(move |reading| {
            let fetched = reading.fetch(&read)?;
            Ok((read, fetched))
        });
        Ok(answered.await?.value)
    }

    /// How many rows pass `filter`.
    ///
    /// # Errors
    /// Where it takes longer than it may.
    pub async fn count(&self, table: Arc<Table>, filter: Filter) -> Result<u64, MecError> {
        Ok(self
            .read_tables(move |reading| reading.count(&table, &filter))
            .await?
            .value)
    }

    /// Inserts rows, all of them or none; at most 1,000. A row that is skipped because it is there
    /// is not touched.
    ///
    /// # Errors
    /// A table that takes no inserts, more rows than `expected`, what the kernel refuses; 23505 and
    /// 23503 for keys and references. Nothing was written.
    pub async fn insert(
        &self,
        insert: Insert,
        expected: Expected,
        caller: &Caller,
    ) -> Result<Touched, MecError> {
        let table = insert.table.clone();
        caller.check_write()?;
        check_verb(&table, Verb::Post)?;
        if insert.rows.len() > ROWS_MAX {
            return Err(MecError::TooManyRows { max: ROWS_MAX });
        }
        let outcome = match self.insert_alone(&insert, expected, caller).await {
            Some(outcome) => outcome,
            None => {
                let family = Family::of(&table)?;
                self.write(caller, expected, move |catalog, committed| {
                    family.insert(catalog, committed, &insert)
                })
                .await
            }
        };
        outcome.map_err(|error| postgres::worded(&table, error))
    }

    /// Changes rows, all of them or none; at most 1,000.
    ///
    /// # Errors
    /// As [`Mec::insert`].
    pub async fn update(
        &self,
        update: Update,
        expected: Expected,
        caller: &Caller,
    ) -> Result<Touched, MecError> {
        let table = update.table.clone();
        caller.check_write()?;
        check_verb(&table, Verb::Patch)?;
        let family = Family::of(&table)?;
        let plan = move |catalog: &Catalog, committed: &mut Committed<'_>| {
            family.update(catalog, committed, &update)
        };
        self.write(caller, expected, plan)
            .await
            .map_err(|error| postgres::worded(&table, error))
    }

    /// Deletes rows, all of them or none; at most 1,000. `show` is read before they are gone.
    ///
    /// # Errors
    /// As [`Mec::insert`]; 23503 for a row that others refer to.
    pub async fn delete(
        &self,
        delete: Delete,
        show: Option<Read>,
        expected: Expected,
        caller: &Caller,
    ) -> Result<Touched, MecError> {
        let table = delete.table.clone();
        caller.check_write()?;
        check_verb(&table, Verb::Delete)?;
        let family = Family::of(&table)?;
        let plan = move |catalog: &Catalog, committed: &mut Committed<'_>| {
            let mut steps = family.delete(catalog, committed, &delete)?;
            if let Some(read) = &show {
                steps.shown = Some(committed.fetch(&Read {
                    filter: delete.filter.clone(),
                    ..read.clone()
                })?);
            }
            Ok(steps)
        };
        self.write(caller, expected, plan)
            .await
            .map_err(|error| postgres::worded(&table, error))
    }

    /// One row that cannot be there already goes as an ordinary command, so that many callers share
    /// a commit.
    async fn insert_alone(
        &self,
        insert: &Insert,
        expected: Expected,
        caller: &Caller,
    ) -> Option<Result<Touched, MecError>> {
        let given = Given::of_insert(insert);
        let [given] = given.as_slice() else {
            return None;
        };
        if upsert::possible(insert).is_some() {
            return None;
        }
        let is_account = match insert.table.name {
            "accounts" => true,
            "entitlements" => false,
            _ => return None,
        };
        let make = async {
            expected.check(1)?;
            let id = if is_account {
                self.create_account(NewAccount(accounts::new_account(given)), caller)
                    .await?
                    .id
                    .0
            } else {
                self.grant(entitlements::new_grant(given)?, caller)
                    .await?
                    .id
                    .0
            };
            Ok(Touched {
                keys: vec![vec![Value::Uuid(id)]],
                inserted: 1,
                shown: None,
            })
        };
        Some(make.await)
    }

    async fn write<P>(
        &self,
        caller: &Caller,
        expected: Expected,
        plan: P,
    ) -> Result<Touched, MecError>
    where
        P: Fn(&Catalog, &mut Committed<'_>) -> Result<Steps, MecError> + Send + Sync + 'static,
    {
        let plan = Arc::new(plan);
        loop {
            let plan = plan.clone();
            let planned = move |catalog: &Catalog, committed: &mut Committed<'_>| {
                let steps = plan(catalog, committed)?;
                expected.check(steps.rows.len())?;
                Ok(steps)
            };
            let Written {
                keys,
                inserted,
                shown,
                tree_taken,
                ..
            } = self.write_table(caller, planned).await?;
            if !tree_taken {
                return Ok(Touched {
                    keys,
                    inserted,
                    shown,
                });
            }
        }
    }
}

impl Expected {
    /// Refuses a number of rows that is not as expected.
    ///
    /// # Errors
    /// PGRST116 where it must be one, PGRST124 for too many.
    pub fn check(self, rows: usize) -> Result<(), QueryError> {
        match self.rows_max {
            _ if self.exactly_one && rows != 1 => Err(QueryError::not_singular(rows)),
            Some(most) if rows as u64 > most => Err(QueryError::max_affected(rows)),
            _ => Ok(()),
        }
    }
}

/// Tables whose writes are planned alike.
#[derive(Clone, Copy)]
enum Family {
    Accounts,
    Entitlements,
    Conditions,
    Rules,
    Templates,
    Catalog(catalog::Rows),
}

impl Family {
    fn of(table: &Table) -> Result<Self, QueryError> {
        Ok(match table.name {
            "accounts" => Self::Accounts,
            "entitlements" => Self::Entitlements,
            "entitlement_conditions" => Self::Conditions,
            "control_rules" => Self::Rules,
            "plan_entitlement_templates" => Self::Templates,
            "units" => Self::Catalog(catalog::Rows::Units),
            "resource_types" => Self::Catalog(catalog::Rows::ResourceTypes),
            "account_types" => Self::Catalog(catalog::Rows::AccountTypes),
            "plans" => Self::Catalog(catalog::Rows::Plans),
            name => return Err(QueryError::table_not_writable(name)),
        })
    }

    fn insert(
        self,
        catalog: &Catalog,
        committed: &mut Committed<'_>,
        insert: &Insert,
    ) -> Result<Steps, MecError> {
        match self {
            Self::Accounts => accounts::insert(committed, insert),
            Self::Entitlements => entitlements::insert(insert),
            Self::Conditions => conditions::insert(committed, insert),
            Self::Rules => rules::insert(catalog, insert),
            Self::Templates => templates::insert(catalog, insert),
            Self::Catalog(rows) => rows.insert(catalog, insert),
        }
    }

    fn update(
        self,
        catalog: &Catalog,
        committed: &mut Committed<'_>,
        update: &Update,
    ) -> Result<Steps, MecError> {
        match self {
            Self::Accounts => accounts::update(committed, update),
            Self::Entitlements => entitlements::update(committed, update),
            Self::Conditions => conditions::update(committed, update),
            Self::Rules => rules::update(catalog, committed, update),
            Self::Templates => templates::update(catalog, committed, update),
            Self::Catalog(rows) => rows.update(catalog, committed, update),
        }
    }

    fn delete(
        self,
        catalog: &Catalog,
        committed: &mut Committed<'_>,
        delete: &Delete,
    ) -> Result<Steps, MecError> {
        match self {
            Self::Accounts => accounts::delete(committed, delete),
            Self::Entitlements => entitlements::delete(committed, delete),
            Self::Conditions => conditions::delete(committed, delete),
            Self::Rules => rules::delete(catalog, committed, delete),
            Self::Templates => templates::delete(catalog, committed, delete),
            Self::Catalog(rows) => rows.delete(committed, delete),
        }
    }
}

/// A table that another's write looks at.
fn table(name: &'static str) -> Result<Arc<Table>, MecError> {
    static TABLES: LazyLock<Vec<Arc<Table>>> = LazyLock::new(|| {
        mec_store::tables::tables()
            .into_iter()
            .map(Arc::new)
            .collect()
    });
    let found = TABLES.iter().find(|table| table.name == name);
    Ok(found
        .cloned()
        .ok_or_else(|| QueryError::no_table(name, None))?)
}

/// The position of a column the code here names.
fn column(table: &Table, name: &str) -> Result<usize, MecError> {
    Ok(table.require(name)?)
}

/// The position of the one column that is the primary key.
fn key_column(table: &Table) -> Result<usize, MecError> {
    let found = table.key_positions().first().copied();
    Ok(found.ok_or_else(QueryError::no_conflict_constraint)?)
}
