//! How the kernel's values look in SQLite's rows, both ways.

use mec_kernel::{
    Account, AccountPlan, Amount, Catalog, Code, Entitlement, Head, Lease, LedgerEvent, Quantity,
    Reservation, Rule, Time, WindowKey, WindowTotal,
};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Row};

use crate::StoreError;
use crate::rows::Cells;
pub(super) use crate::rows::{
    ACCOUNT, ACCOUNT_PLAN, ENTITLEMENT, EVENT, EVENT_FROM, LEASE, RESERVATION, RULE, WINDOW,
    WINDOW_COLUMNS, effects_of, effects_text, scope_text, sql, steps_text, window_columns,
};

sql!(pub HEAD_OF = "SELECT ", crate::rows::HEAD, " FROM account_trees WHERE tree = ?1");

/// An id as 16 bytes.
pub(super) struct Id(pub(super) u128);

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(Value::Blob(
            self.0.to_be_bytes().to_vec(),
        )))
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        <[u8; 16]>::try_from(bytes)
            .map(|bytes| Self(u128::from_be_bytes(bytes)))
            .map_err(|_| FromSqlError::InvalidBlobSize {
                expected_size: 16,
                blob_size: bytes.len(),
            })
    }
}

/// A counter as decimal text.
pub(super) struct Exact(pub(super) Amount);

impl ToSql for Exact {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(Value::Text(self.0.0.to_string())))
    }
}

impl FromSql for Exact {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value
            .as_str()?
            .parse()
            .map(|amount| Self(Amount(amount)))
            .map_err(|_| FromSqlError::InvalidType)
    }
}

/// `amount_add(a, b)`: the sum of two counters, which SQLite's own integers are too small for.
pub(super) fn add_functions(connection: &Connection) -> Result<(), StoreError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("amount_add", 2, flags, |context| {
        let (left, right): (Exact, Exact) = (context.get(0)?, context.get(1)?);
        Ok(left.0.plus(right.0).0.to_string())
    })?;
    Ok(())
}

/// A column that does not hold what this program writes.
pub(super) fn damaged(column: usize, problem: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Null, problem.into())
}

impl Cells for Row<'_> {
    type Error = rusqlite::Error;

    fn damaged(&self, column: usize, problem: &str) -> rusqlite::Error {
        damaged(column, problem)
    }

    fn optional_id(&self, column: usize) -> rusqlite::Result<Option<u128>> {
        Ok(self.get::<_, Option<Id>>(column)?.map(|id| id.0))
    }

    fn optional_text(&self, column: usize) -> rusqlite::Result<Option<&str>> {
        Ok(self.get_ref(column)?.as_str_or_null()?)
    }

    fn optional_integer(&self, column: usize) -> rusqlite::Result<Option<i64>> {
        self.get(column)
    }

    fn optional_time(&self, column: usize) -> rusqlite::Result<Option<Time>> {
        Ok(self.get::<_, Option<i64>>(column)?.map(Time::from_micros))
    }

    fn optional_millionths(&self, column: usize) -> rusqlite::Result<Option<i64>> {
        self.get(column)
    }

    fn optional_hundredths(&self, column: usize) -> rusqlite::Result<Option<i64>> {
        self.get(column)
    }

    fn optional_exact(&self, column: usize) -> rusqlite::Result<Option<Amount>> {
        Ok(self.get::<_, Option<Exact>>(column)?.map(|exact| exact.0))
    }

    fn optional_flag(&self, column: usize) -> rusqlite::Result<Option<bool>> {
        self.get(column)
    }

    fn optional_hash(&self, column: usize) -> rusqlite::Result<Option<[u8; 16]>> {
        self.get(column)
    }
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Time> {
    row.time(column)
}

pub(super) fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<&'a str> {
    row.text(column)
}

pub(super) fn optional_text<'a>(
    row: &'a Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<&'a str>> {
    row.optional_text(column)
}

pub(super) fn code(row: &Row<'_>, column: usize) -> rusqlite::Result<Code> {
    row.code(column)
}

pub(super) fn optional_code(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Code>> {
    row.optional_code(column)
}

pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<u128> {
    row.id(column)
}

pub(super) fn quantity(row: &Row<'_>, column: usize) -> rusqlite::Result<Quantity> {
    row.quantity(column)
}

pub(super) fn optional_quantity(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<Quantity>> {
    row.optional_quantity(column)
}

/// A member of a closed list.
pub(super) fn member<T>(
    row: &Row<'_>,
    column: usize,
    from_code: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    row.member(column, from_code)
}

pub(super) fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    crate::rows::account(row)
}

pub(super) fn entitlement(row: &Row<'_>) -> rusqlite::Result<Entitlement> {
    crate::rows::entitlement(row)
}

pub(super) fn account_plan(row: &Row<'_>) -> rusqlite::Result<AccountPlan> {
    crate::rows::account_plan(row)
}

pub(super) fn rule(row: &Row<'_>) -> rusqlite::Result<Rule> {
    crate::rows::rule(row)
}

pub(super) fn event(row: &Row<'_>, catalog: &Catalog) -> rusqlite::Result<LedgerEvent> {
    crate::rows::event(row, catalog)
}

pub(super) fn window(row: &Row<'_>) -> rusqlite::Result<(WindowKey, WindowTotal)> {
    crate::rows::window(row)
}

pub(super) fn head(row: &Row<'_>) -> rusqlite::Result<Head> {
    crate::rows::head(row)
}

pub(super) fn lease(row: &Row<'_>) -> rusqlite::Result<Lease> {
    crate::rows::lease(row)
}

pub(super) fn reservation(row: &Row<'_>) -> rusqlite::Result<Reservation> {
    crate::rows::reservation(row)
}
