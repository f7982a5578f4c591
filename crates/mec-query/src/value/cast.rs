//! `::type` in `select`: a value read as another type, with PostgreSQL's meaning, after it was
//! fetched.
//!
//! Casting here rather than in a database keeps both databases' answers equal to the byte.

use super::{Value, timestamp};
use crate::{QueryError, Type};

/// A type that `select` may cast to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cast {
    /// One of the column types.
    To(Type),
    /// `::date`: the day of a timestamp in UTC.
    Date,
}

impl Cast {
    /// The cast a name in `select` asks for, in any letter case.
    ///
    /// # Errors
    /// 42704 for a name that is no type.
    pub fn named(name: &str) -> Result<Self, QueryError> {
        // Wide enough for any exact number this product prints.
        const ANY_NUMERIC: Type = Type::Numeric {
            precision: 38,
            scale: 18,
        };
        Ok(match name.trim().to_ascii_lowercase().as_str() {
            "text" | "varchar" | "character varying" | "bpchar" | "char" | "name" => {
                Self::To(Type::Text { max: None })
            }
            "uuid" => Self::To(Type::Uuid),
            "int2" | "smallint" => Self::To(Type::Int2),
            "int" | "int4" | "integer" => Self::To(Type::Int4),
            "int8" | "bigint" => Self::To(Type::Int8),
            "numeric" | "decimal" | "float4" | "float8" | "real" | "double precision" => {
                Self::To(ANY_NUMERIC)
            }
            "bool" | "boolean" => Self::To(Type::Bool),
            "timestamptz" | "timestamp" | "timestamp with time zone" => Self::To(Type::Timestamp),
            "date" => Self::Date,
            "json" | "jsonb" => Self::To(Type::Json),
            _ => return Err(QueryError::unknown_type(name)),
        })
    }

    /// Whether a value of type `from` has such a cast at all.
    ///
    /// # Errors
    /// 42846 when it has none.
    pub fn check(self, from: Type) -> Result<(), QueryError> {
        let numeric = |ty: Type| {
            matches!(
                ty,
                Type::Int2 | Type::Int4 | Type::Int8 | Type::Numeric { .. }
            )
        };
        let (allowed, name) = match self {
            Self::Date => (matches!(from, Type::Timestamp | Type::Text { .. }), "date"),
            Self::To(to) => {
                let allowed = matches!(from, Type::Text { .. })
                    || matches!(to, Type::Text { .. })
                    || (numeric(from) && numeric(to))
                    || std::mem::discriminant(&from) == std::mem::discriminant(&to)
                    || matches!(
                        (from, to),
                        (Type::Bool, Type::Int4) | (Type::Int4, Type::Bool)
                    )
                    || (from == Type::Json && (numeric(to) || to == Type::Bool));
                (allowed, to.sql_name())
            }
        };
        if allowed {
            Ok(())
        } else {
            Err(QueryError::cannot_cast(from.sql_name(), name))
        }
    }

    /// The value as the type asked for. `now` is what the text `now` means.
    ///
    /// # Errors
    /// As [`Type::read`] when the value's text is no literal of the type.
    pub fn apply(self, value: &Value, now: i64) -> Result<Value, QueryError> {
        let Some(text) = value.to_text() else {
            return Ok(Value::Null);
        };
        let to = match self {
            Self::Date => {
                return match value {
                    Value::Timestamp(micros) => Ok(Value::Text(timestamp::date_text(*micros))),
                    _ => timestamp::read(&text, now)
                        .map(|micros| Value::Text(timestamp::date_text(micros))),
                };
            }
            Self::To(to) => to,
        };
        match (to, value) {
            (Type::Int4, Value::Bool(flag)) => Ok(Value::Int(i64::from(*flag))),
            (Type::Bool, Value::Int(number)) => Ok(Value::Bool(*number != 0)),
            (Type::Int2 | Type::Int4 | Type::Int8, Value::Numeric(number)) => {
                match number.units_at(0) {
                    Some(whole) => to.read(&whole.to_string(), now),
                    None => Err(QueryError::integer_out_of_range(to.sql_name(), &text)),
                }
            }
            _ => to.read(&text, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decimal;

    #[test]
    fn values_are_cast_as_postgresql_casts_them() {
        for (value, name, json) in [
            (Value::Int(14), "text", "\"14\""),
            (
                Value::Numeric(Decimal::new(2_500_000, 6)),
                "TEXT",
                "\"2.5\"",
            ),
            (Value::Numeric(Decimal::new(2_500_000, 6)), "int", "3"),
            (Value::Int(3), "numeric", "3"),
            (Value::Bool(true), "text", "\"true\""),
            (Value::Bool(true), "int4", "1"),
            (Value::Int(0), "bool", "false"),
            (Value::text("7"), "int8", "7"),
            (Value::Timestamp(0), "text", "\"1970-01-01 00:00:00+00\""),
            (Value::Timestamp(0), "date", "\"1970-01-01\""),
            (Value::Null, "int", "null"),
            (Value::text("[1]"), "json", "[1]"),
        ] {
            let cast = Cast::named(name).expect(name);
            assert_eq!(
                cast.apply(&value, 0).map(|value| value.to_json()),
                Ok(json.to_owned())
            );
        }
    }

    #[test]
    fn a_cast_without_meaning_is_refused_before_any_row_is_read() {
        assert_eq!(
            Cast::named("frobnicate").map_err(|error| error.code),
            Err("42704".into())
        );
        let refused = Cast::To(Type::Int4)
            .check(Type::Uuid)
            .map_err(|error| error.message);
        assert_eq!(refused, Err("cannot cast type uuid to integer".to_owned()));
        assert_eq!(Cast::To(Type::Text { max: None }).check(Type::Uuid), Ok(()));
        assert_eq!(Cast::Date.check(Type::Timestamp), Ok(()));
    }
}
