//! PostgreSQL's rows, column by column.

use mec_kernel::{Amount, Time};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use super::codec::{Exact, Id, Instant, Json, Units};
use crate::StoreError;
use crate::rows::Cells;

/// A row of a table, which is named where the row does not hold what this program writes.
pub(super) struct Found<'a> {
    pub(super) row: &'a Row,
    pub(super) table: &'static str,
}

/// An integer of whatever width.
pub(super) struct Whole(pub(super) i64);

impl<'a> FromSql<'a> for Whole {
    fn from_sql(
        ty: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(match *ty {
            Type::INT2 => i16::from_sql(ty, raw)?.into(),
            Type::INT4 => i32::from_sql(ty, raw)?.into(),
            _ => i64::from_sql(ty, raw)?,
        }))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8)
    }
}

/// Text, or the text of JSON.
struct Text<'a>(&'a str);

impl<'a> FromSql<'a> for Text<'a> {
    fn from_sql(
        ty: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(if *ty == Type::JSONB {
            Json::from_sql(ty, raw)?.0
        } else {
            <&str>::from_sql(ty, raw)?
        }))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB || <&str as FromSql<'_>>::accepts(ty)
    }
}

impl<'a> Found<'a> {
    pub(super) fn get<T: FromSql<'a>>(&self, column: usize) -> Result<T, StoreError> {
        self.row
            .try_get(column)
            .map_err(|error| self.damaged(column, &super::address::cause(&error)))
    }
}

impl Cells for Found<'_> {
    type Error = StoreError;

    fn damaged(&self, column: usize, problem: &str) -> StoreError {
        let name = self
            .row
            .columns()
            .get(column)
            .map_or("a column", tokio_postgres::Column::name);
        StoreError::Damaged {
            table: self.table,
            problem: format!("{name}: {problem}"),
        }
    }

    fn optional_id(&self, column: usize) -> Result<Option<u128>, StoreError> {
        Ok(self.get::<Option<Id>>(column)?.map(|id| id.0))
    }

    fn optional_text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        Ok(self.get::<Option<Text<'_>>>(column)?.map(|text| text.0))
    }

    fn optional_integer(&self, column: usize) -> Result<Option<i64>, StoreError> {
        Ok(self.get::<Option<Whole>>(column)?.map(|number| number.0))
    }

    fn optional_time(&self, column: usize) -> Result<Option<Time>, StoreError> {
        Ok(self
            .get::<Option<Instant>>(column)?
            .map(|instant| Time::from_micros(instant.0)))
    }

    fn optional_millionths(&self, column: usize) -> Result<Option<i64>, StoreError> {
        Ok(self.get::<Option<Units<6>>>(column)?.map(|units| units.0))
    }

    fn optional_hundredths(&self, column: usize) -> Result<Option<i64>, StoreError> {
        Ok(self.get::<Option<Units<2>>>(column)?.map(|units| units.0))
    }

    fn optional_exact(&self, column: usize) -> Result<Option<Amount>, StoreError> {
        Ok(self.get::<Option<Exact>>(column)?.map(|exact| exact.0))
    }

    fn optional_flag(&self, column: usize) -> Result<Option<bool>, StoreError> {
        self.get(column)
    }

    fn optional_hash(&self, column: usize) -> Result<Option<[u8; 16]>, StoreError> {
        let bytes: Option<&[u8]> = self.get(column)?;
        bytes
            .map(|bytes| {
                bytes
                    .try_into()
                    .map_err(|_| self.damaged(column, "not 16 bytes"))
            })
            .transpose()
    }
}

pub(super) fn one(rows: Vec<tokio_postgres::Row>) -> Result<tokio_postgres::Row, StoreError> {
    rows.into_iter()
        .next()
        .ok_or_else(|| StoreError::Stopped("the server answered a question with no row".to_owned()))
}
