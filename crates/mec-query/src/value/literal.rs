//! Reading literals the way PostgreSQL reads them, with its refusals.

use serde_json::Value as Json;

use super::array_text::read_array;
use super::checked_json::checked_json_text;
use super::{Decimal, Digits, Value, timestamp};
use crate::{QueryError, Type};

impl Type {
    /// Reads a literal that is going to be **stored** in a column of this type: `numeric` is
    /// rounded half away from zero to its scale and must fit its precision, text must fit its
    /// length. `now` (microseconds of UTC) is what the literal `now` means.
    ///
    /// # Errors
    /// 22P02 or 22007/22008 for a text that is no such literal, 22003 for a number too large, 22001
    /// for a text too long, 22021 for a NUL character.
    pub fn read(self, text: &str, now: i64) -> Result<Value, QueryError> {
        match self {
            Self::Text { max: Some(max) } => Ok(Value::Text(fitted(plain(text)?, max)?)),
            Self::Numeric { precision, scale } => {
                let overflow = || QueryError::numeric_overflow(precision, scale);
                let digits = Digits::read(text)
                    .ok_or_else(|| QueryError::invalid_literal("numeric", text))?;
                let units = digits.at_scale(scale).ok_or_else(overflow)?.nearest;
                if units.unsigned_abs() >= largest(precision) {
                    return Err(overflow());
                }
                Ok(Value::Numeric(Decimal::new(units, scale)))
            }
            _ => self.read_comparand(text, now),
        }
    }

    /// Reads a literal that is only **compared** with a column of this type, so that length and
    /// scale do not bind it. Numeric comparands keep their place among the storable numbers and are
    /// read where they are compared.
    pub(crate) fn read_comparand(self, text: &str, now: i64) -> Result<Value, QueryError> {
        let invalid = || QueryError::invalid_literal(self.sql_name(), text);
        match self {
            Self::Text { .. } => Ok(Value::Text(plain(text)?.to_owned())),
            Self::Uuid => read_uuid(text).map(Value::Uuid).ok_or_else(invalid),
            Self::Int2 => self.read_int(text, i64::from(i16::MIN), i64::from(i16::MAX)),
            Self::Int4 => self.read_int(text, i64::from(i32::MIN), i64::from(i32::MAX)),
            Self::Int8 => self.read_int(text, i64::MIN, i64::MAX),
            Self::Numeric { .. } => self.read(text, now),
            Self::Bool => read_bool(text).map(Value::Bool).ok_or_else(invalid),
            Self::Timestamp => timestamp::read(text, now).map(Value::Timestamp),
            Self::Json => {
                let json: Json = serde_json::from_str(text).map_err(|_| {
                    QueryError::invalid_json(format!("The text \"{text}\" is no JSON."))
                })?;
                checked_json_text(&json).map(Value::Json)
            }
            Self::TextArray => {
                let items = read_array(text).ok_or_else(|| QueryError::invalid_array(text))?;
                items
                    .into_iter()
                    .map(|item| item.ok_or_else(|| QueryError::invalid_array(text)))
                    .collect::<Result<Vec<_>, _>>()
                    .map(Value::TextArray)
            }
        }
    }

    /// Reads a JSON value of a request body as a column of this type, numbers from their own text.
    /// JSON `null` is SQL null.
    ///
    /// # Errors
    /// As [`Type::read`].
    pub fn read_json(self, json: &Json, now: i64) -> Result<Value, QueryError> {
        match (self, json) {
            (_, Json::Null) => Ok(Value::Null),
            (Self::Json, json) => checked_json_text(json).map(Value::Json),
            (Self::TextArray, Json::Array(items)) => {
                let texts = items.iter().map(|item| match item {
                    Json::Null => Err(QueryError::invalid_array("null")),
                    other => Ok(plain(&scalar_text(other))?.to_owned()),
                });
                texts.collect::<Result<Vec<_>, _>>().map(Value::TextArray)
            }
            (_, other) => self.read(&scalar_text(other), now),
        }
    }

    fn read_int(self, text: &str, min: i64, max: i64) -> Result<Value, QueryError> {
        let trimmed = text.trim_ascii();
        let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(QueryError::invalid_literal(self.sql_name(), text));
        }
        match trimmed.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(Value::Int(number)),
            _ => Err(QueryError::integer_out_of_range(self.sql_name(), text)),
        }
    }
}

/// The first number of `10^-scale` units that a `numeric(precision, …)` cannot hold.
pub(crate) fn largest(precision: u8) -> u128 {
    10_u128.saturating_pow(u32::from(precision.min(38)))
}

fn plain(text: &str) -> Result<&str, QueryError> {
    if text.contains('\0') {
        Err(QueryError::nul_character())
    } else {
        Ok(text)
    }
}

/// The text if it fits; blanks beyond the length are cut off as PostgreSQL does.
fn fitted(text: &str, max: u32) -> Result<String, QueryError> {
    let keep = text
        .char_indices()
        .nth(max as usize)
        .map_or(text.len(), |(at, _)| at);
    if text[keep..].bytes().all(|byte| byte == b' ') {
        Ok(text[..keep].to_owned())
    } else {
        Err(QueryError::too_long(max))
    }
}

fn scalar_text(json: &Json) -> String {
    match json {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn read_bool(text: &str) -> Option<bool> {
    let word = text.trim_ascii().to_ascii_lowercase();
    let begins = |full: &str, at_least: usize| word.len() >= at_least && full.starts_with(&word);
    if word == "1" || begins("true", 1) || begins("yes", 1) || begins("on", 2) {
        Some(true)
    } else if word == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2) {
        Some(false)
    } else {
        None
    }
}

/// 32 hexadecimal digits, a hyphen allowed after each four, braces allowed around.
fn read_uuid(text: &str) -> Option<u128> {
    let text = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    let mut bits: u128 = 0;
    let mut digits = 0;
    let mut after_hyphen = true;
    for character in text.chars() {
        if character == '-' {
            if after_hyphen || digits % 4 != 0 || digits == 32 {
                return None;
            }
            after_hyphen = true;
            continue;
        }
        after_hyphen = false;
        if digits == 32 {
            return None;
        }
        bits = bits << 4 | u128::from(character.to_digit(16)?);
        digits += 1;
    }
    (digits == 32).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTITY: Type = Type::Numeric {
        precision: 18,
        scale: 6,
    };

    #[test]
    fn literals_are_read_as_postgresql_reads_them() {
        let id = 0xA0EEBC99_9C0B_4EF8_BB6D_6BB9BD380A11;
        for (ty, text, value) in [
            (Type::Text { max: None }, " any ", Value::text(" any ")),
            (Type::Text { max: Some(3) }, "äöü", Value::text("äöü")),
            (Type::Text { max: Some(3) }, "abc   ", Value::text("abc")),
            (Type::Int4, " +14 ", Value::Int(14)),
            (Type::Int8, "-9223372036854775808", Value::Int(i64::MIN)),
            (Type::Int2, "32767", Value::Int(32767)),
            (QUANTITY, "1e2", Value::Numeric(Decimal::new(100, 0))),
            (QUANTITY, "0.0000005", Value::Numeric(Decimal::new(1, 6))),
            (
                QUANTITY,
                "999999999999.9999994",
                Value::Numeric(Decimal::new(999_999_999_999_999_999, 6)),
            ),
            (Type::Bool, "T", Value::Bool(true)),
            (Type::Bool, "yes", Value::Bool(true)),
            (Type::Bool, "on", Value::Bool(true)),
            (Type::Bool, "1", Value::Bool(true)),
            (Type::Bool, "of", Value::Bool(false)),
            (Type::Bool, " fal ", Value::Bool(false)),
            (Type::Bool, "0", Value::Bool(false)),
            (
                Type::Uuid,
                "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
                Value::Uuid(id),
            ),
            (
                Type::Uuid,
                "{a0eebc999c0b4ef8bb6d6bb9bd380a11}",
                Value::Uuid(id),
            ),
            (
                Type::Uuid,
                "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
                Value::Uuid(id),
            ),
            (Type::Timestamp, "epoch", Value::Timestamp(0)),
            (
                Type::Json,
                " {\"b\" : 1.50, \"a\":[ ]} ",
                Value::Json("{\"a\": [], \"b\": 1.50}".into()),
            ),
            (
                Type::TextArray,
                "{a, \"b,\\\"\" ,c d}",
                Value::TextArray(vec!["a".into(), "b,\"".into(), "c d".into()]),
            ),
            (Type::TextArray, "{}", Value::TextArray(vec![])),
        ] {
            assert_eq!(ty.read(text, 0), Ok(value), "{text}");
        }
    }

    #[test]
    fn refusals_carry_postgresqls_code_and_words() {
        for (ty, text, code, message) in [
            (
                Type::Text { max: Some(3) },
                "abcd",
                "22001",
                "value too long for type character varying(3)",
            ),
            (
                Type::Text { max: None },
                "a\0",
                "22021",
                "invalid byte sequence for encoding \"UTF8\": 0x00",
            ),
            (
                Type::Int4,
                "",
                "22P02",
                "invalid input syntax for type integer: \"\"",
            ),
            (
                Type::Int4,
                "1.5",
                "22P02",
                "invalid input syntax for type integer: \"1.5\"",
            ),
            (
                Type::Int8,
                "x",
                "22P02",
                "invalid input syntax for type bigint: \"x\"",
            ),
            (
                Type::Int2,
                "32768",
                "22003",
                "value \"32768\" is out of range for type smallint",
            ),
            (
                Type::Int8,
                "99999999999999999999",
                "22003",
                "value \"99999999999999999999\" is out of range for type bigint",
            ),
            (
                QUANTITY,
                "ten",
                "22P02",
                "invalid input syntax for type numeric: \"ten\"",
            ),
            (
                QUANTITY,
                "NaN",
                "22P02",
                "invalid input syntax for type numeric: \"NaN\"",
            ),
            (
                QUANTITY,
                "999999999999.9999995",
                "22003",
                "numeric field overflow",
            ),
            (QUANTITY, "1e500", "22003", "numeric field overflow"),
            (
                Type::Bool,
                "o",
                "22P02",
                "invalid input syntax for type boolean: \"o\"",
            ),
            (
                Type::Bool,
                "2",
                "22P02",
                "invalid input syntax for type boolean: \"2\"",
            ),
            (
                Type::Uuid,
                "zzz",
                "22P02",
                "invalid input syntax for type uuid: \"zzz\"",
            ),
            (
                Type::Uuid,
                "urn:uuid:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                "22P02",
                "invalid input syntax for type uuid: \"urn:uuid:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
            ),
            (
                Type::Uuid,
                "a0eebc999c0b4ef8bb6d6bb9bd380a11-",
                "22P02",
                "invalid input syntax for type uuid: \"a0eebc999c0b4ef8bb6d6bb9bd380a11-\"",
            ),
            (
                Type::Timestamp,
                "x",
                "22007",
                "invalid input syntax for type timestamp with time zone: \"x\"",
            ),
            (
                Type::Json,
                "{",
                "22P02",
                "invalid input syntax for type json",
            ),
            (
                Type::TextArray,
                "a",
                "22P02",
                "malformed array literal: \"a\"",
            ),
            (
                Type::TextArray,
                "{a,,b}",
                "22P02",
                "malformed array literal: \"{a,,b}\"",
            ),
        ] {
            let error = ty.read(text, 0).expect_err(text);
            assert_eq!(
                (error.code.as_ref(), error.message.as_str()),
                (code, message)
            );
        }
    }

    #[test]
    fn json_numbers_keep_every_digit() {
        let read = |ty: Type, json: &str| {
            ty.read_json(
                &serde_json::from_str::<Json>(json).expect("a JSON literal"),
                0,
            )
        };
        assert_eq!(
            read(QUANTITY, "123456789012.123456"),
            Ok(Value::Numeric(Decimal::new(123_456_789_012_123_456, 6)))
        );
        assert_eq!(
            read(QUANTITY, "\"2.5\""),
            Ok(Value::Numeric(Decimal::new(25, 1)))
        );
        assert_eq!(read(Type::Int4, "null"), Ok(Value::Null));
        assert_eq!(
            read(Type::Text { max: None }, "12.50"),
            Ok(Value::text("12.50"))
        );
        assert_eq!(
            read(Type::Text { max: None }, "{\"a\":1}"),
            Ok(Value::text("{\"a\":1}"))
        );
        assert_eq!(read(Type::Bool, "true"), Ok(Value::Bool(true)));
        assert_eq!(read(Type::Json, "\"x\""), Ok(Value::Json("\"x\"".into())));
        assert_eq!(
            read(Type::TextArray, "[\"a\",1]"),
            Ok(Value::TextArray(vec!["a".into(), "1".into()]))
        );
        assert_eq!(
            read(Type::Json, "{\"a\":\"\\u0000\"}").map_err(|error| error.code.into_owned()),
            Err("22P05".to_owned())
        );
        for (json, is_kept) in [
            ("1e9000", true),
            ("[-1.5E-9000]", true),
            ("{\"a\":[1e20000]}", false),
            ("1e9999999", false),
            ("0e99999", false),
        ] {
            let code = read(Type::Json, json)
                .map(|_| ())
                .map_err(|error| error.code.into_owned());
            assert_eq!(
                code,
                if is_kept {
                    Ok(())
                } else {
                    Err("22003".to_owned())
                },
                "{json}"
            );
        }
    }
}
