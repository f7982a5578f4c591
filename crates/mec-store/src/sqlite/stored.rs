//! How a column of the table catalogue lies in SQLite's rows, known from its type alone.

use mec_query::{Decimal, Type, Value};
use rusqlite::types::{Value as Sql, ValueRef};

/// A way to keep values, each with an order that SQLite's own comparison gives rightly (but JSON and lists).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// A UUID as 16 bytes.
    Id,
    /// Text as it is.
    Text,
    /// An integer as it is.
    Integer,
    /// An exact number counted in `10^-scale`.
    Units(u8),
    /// 0 or 1.
    Flag,
    /// Microseconds since 1970.
    Micros,
    /// JSON text.
    Json,
    /// A list of texts as JSON text.
    List,
}

/// Where a number stands among those a column of some scale can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
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
    pub(super) fn of(ty: Type) -> Self {
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

    /// The type such a column is declared with.
    #[cfg(test)]
    pub(super) fn declared(self) -> &'static str {
        match self {
            Self::Id => "BLOB",
            Self::Text | Self::Json | Self::List => "TEXT",
            Self::Integer | Self::Units(_) | Self::Flag | Self::Micros => "INTEGER",
        }
    }

    /// The value as a parameter to compare with; `None` for null and for a value no such column can be equal to.
    pub(super) fn parameter(self, value: &Value) -> Option<Sql> {
        Some(match (self, value) {
            (Self::Id, Value::Uuid(bits)) => Sql::Blob(bits.to_be_bytes().to_vec()),
            (Self::Text, Value::Text(text)) | (Self::Json, Value::Json(text)) => Sql::Text(text.clone()),
            (Self::Integer, Value::Int(number)) => Sql::Integer(*number),
            (Self::Units(scale), Value::Numeric(number)) => match place(*number, scale) {
                Place::At(units) => Sql::Integer(units),
                Place::After(_) | Place::Below | Place::Above => return None,
            },
            (Self::Flag, Value::Bool(flag)) => Sql::Integer(i64::from(*flag)),
            (Self::Micros, Value::Timestamp(micros)) => Sql::Integer(*micros),
            _ => return None,
        })
    }

    /// What a row holds; `None` where it holds what this program does not write.
    pub(super) fn value(self, held: ValueRef<'_>) -> Option<Value> {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        Some(match (self, held) {
            (_, ValueRef::Null) => Value::Null,
            (Self::Id, ValueRef::Blob(bytes)) => Value::Uuid(u128::from_be_bytes(bytes.try_into().ok()?)),
            (Self::Text, ValueRef::Text(bytes)) => Value::Text(text(bytes)?),
            (Self::Json, ValueRef::Text(bytes)) => Value::Json(text(bytes)?),
            (Self::List, ValueRef::Text(bytes)) => Value::TextArray(serde_json::from_slice(bytes).ok()?),
            (Self::Integer, ValueRef::Integer(number)) => Value::Int(number),
            (Self::Units(scale), ValueRef::Integer(units)) => Value::Numeric(Decimal::new(i128::from(units), scale)),
            (Self::Flag, ValueRef::Integer(flag @ 0..=1)) => Value::Bool(flag == 1),
            (Self::Micros, ValueRef::Integer(micros)) => Value::Timestamp(micros),
            _ => return None,
        })
    }
}

/// Where `number` stands among the multiples of `10^-scale`.
pub(super) fn place(number: Decimal, scale: u8) -> Place {
    let number = number.shortest();
    let beyond = if number.units < 0 { Place::Below } else { Place::Above };
    if number.scale <= scale {
        let units = number.units_at(scale).and_then(|units| i64::try_from(units).ok());
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
    use rusqlite::Connection;

    use super::*;

    /// Columns that are kept and not shown.
    const HIDDEN: &[&str] = &[
        "accounts.tree",
        "api_keys.key_hash",
        "account_plans.tree",
        "concurrency_leases.amount",
        "concurrency_leases.tree",
        "consumption_event_details.tree",
        "consumption_ledger.chain",
        "consumption_ledger.details_hash",
        "consumption_ledger.effects",
        "consumption_ledger.fingerprint",
        "consumption_ledger.tree",
        "control_decisions_log.tree",
        "control_rules.tree",
        "entitlement_conditions.tree",
        "entitlements.tree",
        "entitlements_audit.tree",
        "reservations.amount",
        "reservations.tree",
        "webhook_deliveries.claimed_until",
        "webhook_endpoints.secret",
    ];

    #[test]
    fn the_table_catalogue_is_the_schema_but_for_what_is_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mec.db");
        drop(crate::sqlite::Sqlite::open(&path, &crate::OpenOptions::default()).unwrap());
        let connection = Connection::open(&path).unwrap();
        let mut hidden = vec![];
        for table in crate::tables::tables() {
            let mut shown = 0;
            let mut statement = connection.prepare("SELECT name, type, \"notnull\" FROM pragma_table_info(?1)").unwrap();
            let mut rows = statement.query([table.name]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let (name, declared, is_required): (String, String, bool) =
                    (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
                let Some(column) = table.position(&name).map(|at| &table.columns[at]) else {
                    hidden.push(format!("{}.{name}", table.name));
                    continue;
                };
                shown += 1;
                assert_eq!(declared, Stored::of(column.ty).declared(), "{}.{name}", table.name);
                assert_eq!(is_required, !column.nullable, "{}.{name}", table.name);
            }
            assert_eq!(shown, table.columns.len(), "every column of {} is kept", table.name);
        }
        let mut wanted = HIDDEN.to_vec();
        wanted.sort_unstable();
        hidden.sort_unstable();
        assert_eq!(hidden, wanted);
    }

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
            assert_eq!(place(Decimal::new(units, scale), stored), wanted, "{units}e-{scale}");
        }
    }
}
