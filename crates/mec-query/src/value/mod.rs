//! Typed values: what a column holds, a filter compares with and an answer prints.
//!
//! Reading follows PostgreSQL's literals and refuses with its texts; printing is this product's own
//! (shortest exact numbers, `Z`). There is no float here, and nothing knows where a value is kept.

mod array_text;
mod cast;
mod checked_json;
mod decimal;
mod json_order;
mod json_path;
mod json_text;
mod literal;
mod timestamp;

pub(crate) use array_text::read_array;
pub use cast::Cast;
pub use checked_json::checked_json_text;
pub use decimal::Decimal;
pub(crate) use decimal::Digits;
pub use json_order::{compare_json, json_key};
pub use json_path::follow_path;
pub use json_text::json_text;
pub(crate) use literal::largest;

use uuid::Uuid;

/// One value, or null. Two values of one column are equal exactly when the database says so.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// SQL null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer of any of the three widths.
    Int(i64),
    /// An exact decimal.
    Numeric(Decimal),
    /// Text without NUL characters.
    Text(String),
    /// A UUID as its 128 bits.
    Uuid(u128),
    /// Microseconds of UTC since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// Compact JSON text.
    Json(String),
    /// An array of texts.
    TextArray(Vec<String>),
}

impl Value {
    /// A text value, for literals and tests.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Whether this is SQL null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Appends the value as JSON: numbers shortest, timestamps RFC 3339 with `Z`, uuids lower-case.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Self::Int(number) => out.push_str(&number.to_string()),
            Self::Numeric(number) => out.push_str(&number.to_string()),
            Self::Text(text) => push_json_string(text, out),
            Self::Uuid(bits) => {
                out.push('"');
                out.push_str(&uuid_text(*bits));
                out.push('"');
            }
            Self::Timestamp(micros) => {
                out.push('"');
                out.push_str(&timestamp::rfc3339(*micros));
                out.push('"');
            }
            Self::Json(json) => out.push_str(json),
            Self::TextArray(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    push_json_string(item, out);
                }
                out.push(']');
            }
        }
    }

    /// The value as JSON text.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    /// PostgreSQL's text of the value, as `::text` gives it and as error details quote it; `None`
    /// for null.
    pub fn to_text(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(flag) => flag.to_string(),
            Self::Int(number) => number.to_string(),
            Self::Numeric(number) => number.to_string(),
            Self::Text(text) | Self::Json(text) => text.clone(),
            Self::Uuid(bits) => uuid_text(*bits),
            Self::Timestamp(micros) => timestamp::sql_text(*micros),
            Self::TextArray(items) => array_text::array_text(items),
        })
    }
}

/// The lower-case hyphenated form.
fn uuid_text(bits: u128) -> String {
    Uuid::from_u128(bits).hyphenated().to_string()
}

/// Appends `text` as a JSON string with its quotes.
pub(crate) fn push_json_string(text: &str, out: &mut String) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0x00..=0x1f => {
                out.push_str(&text[plain_from..at]);
                out.push_str(&format!("\\u{byte:04x}"));
                plain_from = at + 1;
                continue;
            }
            _ => continue,
        };
        out.push_str(&text[plain_from..at]);
        out.push_str(escape);
        plain_from = at + 1;
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_prints_as_json_and_as_text() {
        for (value, json, text) in [
            (Value::Null, "null", None),
            (Value::Bool(true), "true", Some("true")),
            (Value::Int(-5), "-5", Some("-5")),
            (
                Value::Numeric(Decimal::new(100_500_000, 6)),
                "100.5",
                Some("100.5"),
            ),
            (
                Value::text("a\"b\\c\n\u{1}é"),
                "\"a\\\"b\\\\c\\n\\u0001é\"",
                Some("a\"b\\c\n\u{1}é"),
            ),
            (
                Value::Uuid(0xA1B2C3D4_0000_0000_0000_00000000000F),
                "\"a1b2c3d4-0000-0000-0000-00000000000f\"",
                Some("a1b2c3d4-0000-0000-0000-00000000000f"),
            ),
            (
                Value::Timestamp(0),
                "\"1970-01-01T00:00:00Z\"",
                Some("1970-01-01 00:00:00+00"),
            ),
            (
                Value::Json("{\"a\":1}".into()),
                "{\"a\":1}",
                Some("{\"a\":1}"),
            ),
            (
                Value::TextArray(vec!["a".into(), "b c".into()]),
                "[\"a\",\"b c\"]",
                Some("{a,\"b c\"}"),
            ),
        ] {
            assert_eq!(value.to_json(), json);
            assert_eq!(value.to_text().as_deref(), text);
        }
    }
}
