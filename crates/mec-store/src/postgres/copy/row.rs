//! A row in the binary form of COPY, from the values of a file, byte for byte as the server itself
//! would say it.

use bytes::{BufMut as _, BytesMut};
use mec_kernel::{Amount, QUANTITY_MAX};
use mec_query::json_text;
use tokio_postgres::types::{FromSql as _, ToSql as _, Type};

use crate::copy::value::Value;
use crate::postgres::codec::{Exact, Instant, Json, Numeric};

/// What a column holds, by its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Uuid,
    Bytes,
    Text,
    /// JSON, in the server's spelling.
    Json,
    /// A JSON array in the file.
    TextList,
    Flag,
    Int4,
    Int8,
    /// Microseconds since 1970 in the file.
    Instant,
    /// So many digits behind the point; a count of their unit in the file.
    Units(u8),
    /// The same, but no more than a quantity may be: the decision log shows totals that may be
    /// larger.
    Shown(u8),
    /// A whole number of any length; decimal text in the file.
    Whole,
}

impl Kind {
    /// What a column of this type holds; `None` for a type that no column of a store has.
    pub(super) fn of(table: &str, type_name: &str, modifier: i32) -> Option<Self> {
        Some(match type_name {
            "uuid" => Self::Uuid,
            "bytea" => Self::Bytes,
            "text" | "varchar" => Self::Text,
            "jsonb" => Self::Json,
            "_text" => Self::TextList,
            "bool" => Self::Flag,
            "int4" => Self::Int4,
            "int8" => Self::Int8,
            "timestamptz" => Self::Instant,
            "numeric" if modifier < 0 => Self::Whole,
            "numeric" => {
                // Its precision and its scale, 16 bits each, and four more.
                let scale = u8::try_from((modifier - 4) & 0xffff).ok()?;
                if table == "control_decisions_log" {
                    Self::Shown(scale)
                } else {
                    Self::Units(scale)
                }
            }
            _ => return None,
        })
    }

    /// Writes the value with its length in front.
    pub(super) fn put(self, value: Value<'_>, out: &mut BytesMut) -> Result<(), String> {
        if value == Value::Null {
            out.put_i32(-1);
            return Ok(());
        }
        let at = out.len();
        out.put_i32(0);
        self.put_held(value, out)?;
        let length = i32::try_from(out.len() - at - 4).map_err(|_| "it is too long".to_owned())?;
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    fn put_held(self, value: Value<'_>, out: &mut BytesMut) -> Result<(), String> {
        let written = match (self, value) {
            (Self::Uuid, Value::Bytes(id)) if id.len() == 16 => {
                out.put_slice(id);
                return Ok(());
            }
            (Self::Bytes, Value::Bytes(bytes)) => {
                out.put_slice(bytes);
                return Ok(());
            }
            (Self::Text, Value::Text(text)) => {
                out.put_slice(text.as_bytes());
                return Ok(());
            }
            (Self::Json, Value::Text(text)) => {
                let value: serde_json::Value =
                    serde_json::from_str(text).map_err(|error| error.to_string())?;
                Json(json_text(&value)).to_sql(&Type::JSONB, out)
            }
            (Self::TextList, Value::Text(text)) => return put_list(text, out),
            (Self::Flag, Value::Integer(flag @ (0 | 1))) => (flag == 1).to_sql(&Type::BOOL, out),
            (Self::Int4, Value::Integer(number)) => i32::try_from(number)
                .map_err(|error| error.to_string())?
                .to_sql(&Type::INT4, out),
            (Self::Int8, Value::Integer(number)) => number.to_sql(&Type::INT8, out),
            (Self::Instant, Value::Integer(micros)) => {
                Instant(micros).to_sql(&Type::TIMESTAMPTZ, out)
            }
            (Self::Units(scale), Value::Integer(units)) => {
                Numeric(units.into(), scale).to_sql(&Type::NUMERIC, out)
            }
            (Self::Shown(scale), Value::Integer(units)) => {
                Numeric(units.clamp(-QUANTITY_MAX, QUANTITY_MAX).into(), scale)
                    .to_sql(&Type::NUMERIC, out)
            }
            (Self::Whole, Value::Text(digits)) => Exact(Amount(
                digits
                    .parse()
                    .map_err(|_| "it is no whole number".to_owned())?,
            ))
            .to_sql(&Type::NUMERIC, out),
            (kind, value) => {
                return Err(format!("{value:?} is not what a column of {kind:?} holds"));
            }
        };
        written.map(drop).map_err(|error| error.to_string())
    }
}

/// An array of texts: its dimensions, that it has no null, the type of its items, then length and
/// start, and the items.
fn put_list(json: &str, out: &mut BytesMut) -> Result<(), String> {
    let items: Vec<String> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let length = |length: usize| i32::try_from(length).map_err(|_| "it is too long".to_owned());
    out.put_i32(i32::from(!items.is_empty()));
    out.put_i32(0);
    out.put_u32(Type::TEXT.oid());
    if !items.is_empty() {
        out.put_i32(length(items.len())?);
        out.put_i32(1);
    }
    for item in &items {
        out.put_i32(length(item.len())?);
        out.put_slice(item.as_bytes());
    }
    Ok(())
}

/// What every COPY in binary form begins with: its name, no flags, no extension.
pub(super) const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Rows cut from the pieces that a server sends.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    rest: BytesMut,
    has_begun: bool,
}

impl Cutter {
    /// The rows that are whole with this piece.
    pub(super) fn cut(&mut self, piece: &[u8]) -> Result<Vec<BytesMut>, String> {
        self.rest.extend_from_slice(piece);
        if !self.has_begun && self.rest.len() >= HEADER.len() {
            if self.rest.split_to(HEADER.len()) != HEADER[..] {
                return Err("the server does not begin a COPY as this program knows it".to_owned());
            }
            self.has_begun = true;
        }
        let mut rows = vec![];
        while self.has_begun
            && let Some(length) = row_length(&self.rest)?
        {
            rows.push(self.rest.split_to(length));
        }
        Ok(rows)
    }
}

/// How long the first row is; `None`: it is not there whole, or there is none.
fn row_length(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(count) = bytes.first_chunk::<2>() else {
        return Ok(None);
    };
    let Ok(count) = u16::try_from(i16::from_be_bytes(*count)) else {
        return Ok(None);
    };
    let mut at = 2;
    for _ in 0..count {
        let Some(length) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) else {
            return Ok(None);
        };
        at += 4;
        match i32::from_be_bytes(*length) {
            -1 => {}
            length => {
                at += usize::try_from(length)
                    .map_err(|_| "the server sent a value without a length".to_owned())?
            }
        }
    }
    Ok((bytes.len() >= at).then_some(at))
}

/// The number at `place` of a row, in millionths.
pub(super) fn millionths(row: &[u8], place: usize) -> Result<i128, String> {
    let mut rest = row.get(2..).unwrap_or_default();
    for at in 0..=place {
        let (length, value) = rest
            .split_first_chunk::<4>()
            .ok_or("a row has too few values")?;
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        let (value, behind) = value.split_at_checked(length).ok_or("a row ends early")?;
        if at == place {
            return Numeric::from_sql(&Type::NUMERIC, value)
                .map_err(|error| error.to_string())?
                .at(6);
        }
        rest = behind;
    }
    Err("a row has too few values".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_column_cannot_hold_is_told() {
        for (kind, value) in [
            (Kind::Uuid, Value::Bytes(&[0; 15])),
            (Kind::Flag, Value::Integer(2)),
            (Kind::Int4, Value::Integer(i64::MAX)),
            (Kind::Whole, Value::Text("1.5")),
            (Kind::Units(6), Value::Text("1")),
            (Kind::TextList, Value::Text("{}")),
        ] {
            assert!(
                kind.put(value, &mut BytesMut::new()).is_err(),
                "{kind:?} {value:?}"
            );
        }
    }

    #[test]
    fn a_number_is_found_in_its_row() {
        let mut row = BytesMut::new();
        row.put_i16(3);
        Kind::Text.put(Value::Text("abc"), &mut row).unwrap();
        Kind::Text.put(Value::Null, &mut row).unwrap();
        Kind::Units(6)
            .put(Value::Integer(-1_500_000), &mut row)
            .unwrap();
        assert_eq!(millionths(&row, 2).unwrap(), -1_500_000);
        for place in [0, 1, 3] {
            assert!(millionths(&row, place).is_err(), "{place}");
        }
    }

    #[test]
    fn rows_are_cut_wherever_pieces_end() {
        let mut sent = BytesMut::from(&HEADER[..]);
        let rows: Vec<BytesMut> = ["", "a", "bcd"]
            .iter()
            .map(|text| {
                let mut row = BytesMut::new();
                row.put_i16(2);
                Kind::Text.put(Value::Text(text), &mut row).unwrap();
                Kind::Text.put(Value::Null, &mut row).unwrap();
                row
            })
            .collect();
        rows.iter().for_each(|row| sent.extend_from_slice(row));
        sent.put_i16(-1);
        for size in 1..=sent.len() {
            let mut cutter = Cutter::default();
            let cut: Vec<BytesMut> = sent
                .chunks(size)
                .flat_map(|piece| cutter.cut(piece).unwrap())
                .collect();
            assert_eq!(cut, rows, "pieces of {size}");
        }
        assert!(Cutter::default().cut(b"something else altogether").is_err());
    }
}
