//! Values of the table API as the server takes them and gives them back.

use mec_query::{Decimal, Value};
use tokio_postgres::types::{FromSql, ToSql, Type};

use super::cells::Whole;
use super::codec::{Id, Instant, Json, Numeric};
use super::session::Parameter as Boxed;
use crate::stored::{Parameter, Stored};

/// A parameter as it is sent.
pub(super) fn boxed(value: &Parameter) -> (Boxed<'static>, Type) {
    match value.clone() {
        Parameter::Id(bits) => (Box::new(Id(bits)), Type::UUID),
        Parameter::Text(text) => (Box::new(text), Type::TEXT),
        Parameter::Integer(number) => (Box::new(number), Type::INT8),
        Parameter::Units(units, scale) => (Box::new(Numeric(units.into(), scale)), Type::NUMERIC),
        Parameter::Flag(flag) => (Box::new(flag), Type::BOOL),
        Parameter::Micros(micros) => (Box::new(Instant(micros)), Type::TIMESTAMPTZ),
        Parameter::Json(text) => (Box::new(Json(text)), Type::JSONB),
        Parameter::Many(stored, values) => many(stored, values),
    }
}

fn many(stored: Stored, values: Vec<Option<Parameter>>) -> (Boxed<'static>, Type) {
    match stored {
        Stored::Id => (
            array(values, |value| match value {
                Parameter::Id(bits) => Some(Id(bits)),
                _ => None,
            }),
            Type::UUID_ARRAY,
        ),
        Stored::Integer => (
            array(values, |value| match value {
                Parameter::Integer(number) => Some(number),
                _ => None,
            }),
            Type::INT8_ARRAY,
        ),
        Stored::Units(_) => {
            let of = |value| match value {
                Parameter::Units(units, scale) => Some(Numeric(units.into(), scale)),
                _ => None,
            };
            (array(values, of), Type::NUMERIC_ARRAY)
        }
        Stored::Flag => (
            array(values, |value| match value {
                Parameter::Flag(flag) => Some(flag),
                _ => None,
            }),
            Type::BOOL_ARRAY,
        ),
        Stored::Micros => {
            let of = |value| {
                if let Parameter::Micros(micros) = value {
                    Some(Instant(micros))
                } else {
                    None
                }
            };
            (array(values, of), Type::TIMESTAMPTZ_ARRAY)
        }
        Stored::Json => (
            array(values, |value| match value {
                Parameter::Json(text) => Some(Json(text)),
                _ => None,
            }),
            Type::JSONB_ARRAY,
        ),
        Stored::Text | Stored::List => (
            array(values, |value| match value {
                Parameter::Text(text) => Some(text),
                _ => None,
            }),
            Type::TEXT_ARRAY,
        ),
    }
}

fn array<T: ToSql + Sync + Send + 'static>(
    values: Vec<Option<Parameter>>,
    of: impl Fn(Parameter) -> Option<T>,
) -> Boxed<'static> {
    Box::new(
        values
            .into_iter()
            .map(|value| value.and_then(&of))
            .collect::<Vec<Option<T>>>(),
    )
}

/// What a row holds in a column.
pub(super) fn held(row: &tokio_postgres::Row, at: usize, stored: Stored) -> Result<Value, String> {
    fn get<'a, T: FromSql<'a>>(
        row: &'a tokio_postgres::Row,
        at: usize,
    ) -> Result<Option<T>, String> {
        row.try_get(at)
            .map_err(|error| super::address::cause(&error))
    }
    let value = match stored {
        Stored::Id => get::<Id>(row, at)?.map(|id| Value::Uuid(id.0)),
        Stored::Text => get::<String>(row, at)?.map(Value::Text),
        Stored::Integer => get::<Whole>(row, at)?.map(|number| Value::Int(number.0)),
        Stored::Units(scale) => {
            let number = get::<Numeric>(row, at)?;
            number
                .map(|number| {
                    number
                        .at(scale)
                        .map(|units| Value::Numeric(Decimal::new(units, scale)))
                })
                .transpose()?
        }
        Stored::Flag => get::<bool>(row, at)?.map(Value::Bool),
        Stored::Micros => get::<Instant>(row, at)?.map(|instant| Value::Timestamp(instant.0)),
        Stored::Json => get::<Json<&str>>(row, at)?.map(|json| Value::Json(json.0.to_owned())),
        Stored::List => get::<Vec<String>>(row, at)?.map(Value::TextArray),
    };
    Ok(value.unwrap_or(Value::Null))
}
