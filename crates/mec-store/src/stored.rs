//! How a column of the table catalog is kept, known from its type alone, and values to compare it
//! with.

use mec_query::{Decimal, Type, Value};

/// A way to keep values, each with an order that the databases' own comparison gives rightly (but
/// JSON and lists).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// A UUID.
    Id,
    /// Text as it is.
    Text,
    /// An integer as it is.
    Integer,
    /// An exact number counted in `10^-scale`.
    Units(u8),
    /// True or false.
    Flag,
    /// Microseconds since 1970.
    Micros,
    /// JSON text.
    Json,
    /// A list of texts.
    List,
}

/// A value as a statement's parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Parameter {
    Id(u128),
    Text(String),
    Integer(i64),
    /// A count of `10^-scale`.
    Units(i64, u8),
    Flag(bool),
    Micros(i64),
    Json(String),
    /// Several of one kind in one parameter; `None` is null.
    Many(Stored, Vec<Option<Parameter>>),
}

/// Where a number stands among those a column of some scale can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is this one.
    At(i64),
    /// It is between this one and the next.
    After(i64),
    /// It is below all of them.
    Below,
    /// It is above all of them.
    Above,
}

impl Stored {
    pub(crate) fn of(ty: Type) -> Self {
        match ty {
            Type::Uuid => Self::Id,
            Type::Text { .. } => Self::Text,
            Type::Int2 | Type::Int4 | Type::Int8 => Self::Integer,
            Type::Numeric { scale, .. } => Self::Units(scale),
            Type::Bool => Self::Flag,
            Type::Timestamp => Self::Micros,
            Type::Json => Self::Json,
            Type::TextArray => Self::List,
        }
    }

    /// The value as a parameter to compare with; `None` for null and for a value no such column can
    /// be equal to.
    pub(crate) fn parameter(self, value: &Value) -> Option<Parameter> {
        Some(match (self, value) {
            (Self::Id, Value::Uuid(bits)) => Parameter::Id(*bits),
            (Self::Text, Value::Text(text)) => Parameter::Text(text.clone()),
            (Self::Json, Value::Json(text)) => Parameter::Json(text.clone()),
            (Self::Integer, Value::Int(number)) => Parameter::Integer(*number),
            (Self::Units(scale), Value::Numeric(number)) => match place(*number, scale) {
                Place::At(units) => Parameter::Units(units, scale),
                Place::After(_) | Place::Below | Place::Above => return None,
            },
            (Self::Flag, Value::Bool(flag)) => Parameter::Flag(*flag),
            (Self::Micros, Value::Timestamp(micros)) => Parameter::Micros(*micros),
            _ => return None,
        })
    }
}

/// Where `number` stands among the multiples of `10^-scale`.
pub(crate) fn place(number: Decimal, scale: u8) -> Place {
    let number = number.shortest();
    let beyond = if number.units < 0 {
        Place::Below
    } else {
        Place::Above
    };
    if number.scale <= scale {
        let units = number
            .units_at(scale)
            .and_then(|units| i64::try_from(units).ok());
        return units.map_or(beyond, Place::At);
    }
    let floor = match 10_i128.checked_pow(u32::from(number.scale - scale)) {
        Some(divisor) => number.units.div_euclid(divisor),
        // So many more digits than the column's that only the sign is left.
        None => number.units.signum().min(0),
    };
    i64::try_from(floor).map_or(beyond, Place::After)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_exactly_where_it_is_among_those_stored() {
        for (units, scale, stored, wanted) in [
            (100, 0, 6, Place::At(100_000_000)),
            (1_000, 3, 0, Place::At(1)),
            (5, 1, 0, Place::After(0)),
            (-5, 1, 0, Place::After(-1)),
            (1, 7, 6, Place::After(0)),
            (-1, 38, 6, Place::After(-1)),
            (1_000_000_000_000_000_001, 0, 6, Place::Above),
            (-1_000_000_000_000_000_001, 0, 6, Place::Below),
            (i128::MAX, 1, 0, Place::Above),
            (i128::MIN, 1, 0, Place::Below),
        ] {
            assert_eq!(
                place(Decimal::new(units, scale), stored),
                wanted,
                "{units}e-{scale}"
            );
        }
    }
}
