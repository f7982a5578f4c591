//! Values as PostgreSQL's binary protocol has them, both ways, and never a float: ids, instants,
//! exact numbers, JSON.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use mec_kernel::{Amount, Time};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

type Outcome<T> = Result<T, Box<dyn Error + Sync + Send>>;

/// A value that a column of one PostgreSQL type holds.
pub(super) trait Held: ToSql {
    /// The type's name.
    const TYPE: &'static str;
}

macro_rules! held {
    ($($rust:ty = $name:literal),+ $(,)?) => {
        $(impl Held for $rust {
            const TYPE: &'static str = $name;
        })+
    };
}

held! {
    Id = "uuid", Instant = "timestamptz", Exact = "numeric", Units<6> = "numeric", Units<2> = "numeric", Json<&str> = "jsonb", Json<String> = "jsonb",
    i64 = "int8", i32 = "int4", bool = "bool", &str = "text", String = "text", Hash = "bytea",
}

impl<T: Held> Held for Option<T> {
    const TYPE: &'static str = T::TYPE;
}

/// The 128 bits of a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub(super) u128);

impl ToSql for Id {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Outcome<IsNull> {
        out.put_u128(self.0);
        Ok(IsNull::No)
    }

    accepts!(UUID);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Id {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Outcome<Self> {
        Ok(Self(u128::from_be_bytes(raw.try_into()?)))
    }

    accepts!(UUID);
}

/// 16 bytes of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hash(pub(super) [u8; 16]);

impl ToSql for Hash {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Outcome<IsNull> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    accepts!(BYTEA);
    to_sql_checked!();
}

/// From 1970 to 2000, where PostgreSQL counts from.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Microseconds since 1970; the ends of time are PostgreSQL's infinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instant(pub(super) i64);

impl From<Time> for Instant {
    fn from(time: Time) -> Self {
        Self(time.micros())
    }
}

impl ToSql for Instant {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Outcome<IsNull> {
        out.put_i64(match self.0 {
            i64::MIN | i64::MAX => self.0,
            micros => micros.saturating_sub(EPOCH_MICROS).max(i64::MIN + 1),
        });
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Instant {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Outcome<Self> {
        Ok(Self(match i64::from_be_bytes(raw.try_into()?) {
            end @ (i64::MIN | i64::MAX) => end,
            micros => micros
                .checked_add(EPOCH_MICROS)
                .ok_or("an instant beyond all that this program writes")?,
        }))
    }

    accepts!(TIMESTAMPTZ);
}

/// An exact number counted in `10^-SCALE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Units<const SCALE: u8>(pub(super) i64);

impl<const SCALE: u8> ToSql for Units<SCALE> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Outcome<IsNull> {
        put_numeric(i128::from(self.0), SCALE, out)?;
        Ok(IsNull::No)
    }

    accepts!(NUMERIC);
    to_sql_checked!();
}

impl<'a, const SCALE: u8> FromSql<'a> for Units<SCALE> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Outcome<Self> {
        Ok(Self(i64::try_from(numeric(raw, SCALE)?)?))
    }

    accepts!(NUMERIC);
}

/// An exact number whose scale is known when it is sent or read: units and digits behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numeric(pub(super) i128, pub(super) u8);

impl Numeric {
    /// As a count of `10^-scale`.
    pub(super) fn at(self, scale: u8) -> Result<i128, String> {
        let too_many = || "a number of too many digits".to_owned();
        let power = |digits: u8| 10_i128.checked_pow(u32::from(digits)).ok_or_else(too_many);
        if scale >= self.1 {
            return self
                .0
                .checked_mul(power(scale - self.1)?)
                .ok_or_else(too_many);
        }
        let divisor = power(self.1 - scale)?;
        if self.0 % divisor == 0 {
            Ok(self.0 / divisor)
        } else {
            Err("a number with more digits behind the point than this program writes".to_owned())
        }
    }
}

impl ToSql for Numeric {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Outcome<IsNull> {
        put_numeric(self.0, self.1, out)?;
        Ok(IsNull::No)
    }

    accepts!(NUMERIC);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Numeric {
    /// The server says how many digits a number has behind the point.
    fn from_sql(_: &Type, raw: &'a [u8]) -> Outcome<Self> {
        let digits = raw.get(6..8).ok_or("a number that ends early")?;
        let scale = u8::try_from(u16::from_be_bytes([digits[0], digits[1]]))?;
        Ok(Self(numeric(raw, scale)?, scale))
    }

    accepts!(NUMERIC);
}

/// A counter in millionths of base units: a whole number of up to 39 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exact(pub(super) Amount);

impl ToSql for Exact {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Outcome<IsNull> {
        put_numeric(self.0.0, 0, out)?;
        Ok(IsNull::No)
    }

    accepts!(NUMERIC);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Exact {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Outcome<Self> {
        Ok(Self(Amount(numeric(raw, 0)?)))
    }

    accepts!(NUMERIC);
}

/// JSON text, which PostgreSQL keeps in its own spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Json<T>(pub(super) T);

impl<T: AsRef<str> + std::fmt::Debug> ToSql for Json<T> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Outcome<IsNull> {
        out.put_u8(JSONB_FORM);
        out.put_slice(self.0.as_ref().as_bytes());
        Ok(IsNull::No)
    }

    accepts!(JSONB);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Json<&'a str> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Outcome<Self> {
        let (form, text) = raw.split_first().ok_or("JSON without a form")?;
        if *form != JSONB_FORM {
            return Err("JSON in a form this program does not know".into());
        }
        Ok(Self(std::str::from_utf8(text)?))
    }

    accepts!(JSONB);
}

/// What stands before the text: the one binary form of `jsonb` there is.
pub(super) const JSONB_FORM: u8 = 1;

/// A group of PostgreSQL's NUMERIC is four decimal digits.
const GROUP_DIGITS: u8 = 4;
const GROUP: u128 = 10_000;
const NEGATIVE: u16 = 0x4000;

/// Writes `units · 10^-scale`: how many groups, the first one's power of 10,000, sign, digits
/// behind the point, groups.
fn put_numeric(units: i128, scale: u8, out: &mut BytesMut) -> Outcome<()> {
    let padding = (GROUP_DIGITS - scale % GROUP_DIGITS) % GROUP_DIGITS;
    let mut rest = units
        .unsigned_abs()
        .checked_mul(10_u128.pow(u32::from(padding)))
        .ok_or("a number of too many digits")?;
    let mut groups: Vec<i16> = Vec::with_capacity(10);
    while rest > 0 {
        groups.push(i16::try_from(rest % GROUP)?);
        rest /= GROUP;
    }
    // The server leaves out groups of zeros at the end.
    let zeros = i16::try_from(groups.iter().take_while(|group| **group == 0).count())?;
    let behind_point = i16::from((scale + padding) / GROUP_DIGITS);
    let count = i16::try_from(groups.len())?;
    out.put_i16(count - zeros);
    out.put_i16(if count == 0 {
        0
    } else {
        count - behind_point - 1
    });
    out.put_u16(if units < 0 { NEGATIVE } else { 0 });
    out.put_i16(i16::from(scale));
    groups[usize::try_from(zeros)?..]
        .iter()
        .rev()
        .for_each(|group| out.put_i16(*group));
    Ok(())
}

/// Reads a number as a count of `10^-scale`; one that has further digits is none this program
/// writes.
fn numeric(raw: &[u8], scale: u8) -> Outcome<i128> {
    let mut words = raw
        .chunks_exact(2)
        .map(|word| u16::from_be_bytes([word[0], word[1]]));
    let mut word = || words.next().ok_or("a number that ends early");
    let (count, weight, sign, _digits) = (word()?, word()?.cast_signed(), word()?, word()?);
    if sign != 0 && sign != NEGATIVE {
        return Err("a number without a value".into());
    }
    let mut units: i128 = 0;
    for _ in 0..count {
        let group = word()?;
        let shifted = units.checked_mul(GROUP.cast_signed());
        units = shifted
            .and_then(|units| units.checked_add(i128::from(group)))
            .ok_or("a number of too many digits")?;
    }
    // The last group's power of ten, seen from the unit.
    let power =
        (i32::from(weight) - i32::from(count) + 1) * i32::from(GROUP_DIGITS) + i32::from(scale);
    let of_ten = |power: u32| {
        10_i128
            .checked_pow(power)
            .ok_or("a number of too many digits")
    };
    let units = if units == 0 {
        0
    } else if power >= 0 {
        units
            .checked_mul(of_ten(power.unsigned_abs())?)
            .ok_or("a number of too many digits")?
    } else {
        let divisor = of_ten(power.unsigned_abs())?;
        if units % divisor != 0 {
            return Err(
                "a number with more digits behind the point than this program writes".into(),
            );
        }
        units / divisor
    };
    Ok(if sign == NEGATIVE { -units } else { units })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(units: i128, scale: u8) -> BytesMut {
        let mut out = BytesMut::new();
        put_numeric(units, scale, &mut out).unwrap();
        out
    }

    #[test]
    fn numbers_are_read_as_they_were_written() {
        let largest = [
            0,
            1,
            -1,
            9_999,
            10_000,
            1_234_567,
            999_999_999_999_999_999,
            -999_999_999_999_999_999,
            i128::from(i64::MAX),
        ];
        for scale in [0, 2, 6] {
            for units in largest {
                assert_eq!(
                    numeric(&written(units, scale), scale).unwrap(),
                    units,
                    "{units} at {scale}"
                );
            }
        }
        for amount in [i128::MAX, i128::MIN + 1, 10_i128.pow(38)] {
            assert_eq!(numeric(&written(amount, 0), 0).unwrap(), amount);
        }
    }

    #[test]
    fn a_number_is_laid_out_as_the_server_does() {
        for (units, scale, words) in [
            (0, 6, vec![0, 0, 0, 6]),
            (1_500_000, 6, vec![2, 0, 0, 6, 1, 5_000]),
            (-1, 6, vec![1, -2, 0x4000, 6, 100]),
            (120_000, 0, vec![1, 1, 0, 0, 12]),
        ] {
            let bytes: Vec<u8> = words
                .iter()
                .flat_map(|word: &i16| word.to_be_bytes())
                .collect();
            assert_eq!(written(units, scale), bytes, "{units} at {scale}");
        }
        let bytes: Vec<u8> = [1_i16, 1, 0, 0, 12]
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .collect();
        assert_eq!(numeric(&bytes, 0).unwrap(), 120_000);
        assert_eq!(numeric(&bytes, 6).unwrap(), 120_000_000_000);
        assert!(numeric(&written(1, 6), 2).is_err());
        assert!(numeric(&[0, 0, 0, 0, 0xc0, 0, 0, 0], 6).is_err());
    }

    #[test]
    fn the_ends_of_time_are_infinite() {
        for micros in [i64::MIN, i64::MAX, 0, EPOCH_MICROS, -1] {
            let mut out = BytesMut::new();
            Instant(micros)
                .to_sql(&Type::TIMESTAMPTZ, &mut out)
                .unwrap();
            assert_eq!(
                Instant::from_sql(&Type::TIMESTAMPTZ, &out).unwrap(),
                Instant(micros)
            );
        }
        let mut out = BytesMut::new();
        Instant::from(Time::FOREVER)
            .to_sql(&Type::TIMESTAMPTZ, &mut out)
            .unwrap();
        assert_eq!(out.as_ref(), i64::MAX.to_be_bytes());
    }
}
