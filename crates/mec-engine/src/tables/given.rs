//! What a request gives one row: values by column, typed as the kernel takes them.
//!
//! The query language has checked types, lengths and nulls; here only closed lists are left to be
//! looked up.

use std::sync::Arc;

use mec_kernel::{AccountId, Code, EntitlementId, Percent, Quantity, Time};
use mec_query::{Cell, Insert, QueryError, Table, Update, Value};

use crate::error::MecError;

/// What columns hold that are not nullable and were not given. Columns whose default depends on
/// other rows or on the clock are not here.
const DEFAULTS: &[(&str, &str, Preset)] = &[
    (
        "accounts",
        "account_type_code",
        Preset::Text("organization"),
    ),
    ("accounts", "status", Preset::Text("active")),
    ("entitlements", "status", Preset::Text("active")),
    ("entitlements", "source", Preset::Text("manual")),
    ("entitlements", "priority", Preset::Int(0)),
    ("plans", "is_trial", Preset::Bool(false)),
    ("plans", "is_addon", Preset::Bool(false)),
    ("plans", "is_active", Preset::Bool(true)),
    ("plans", "sort_order", Preset::Int(0)),
    (
        "plan_entitlement_templates",
        "per_quantity",
        Preset::Bool(false),
    ),
    ("plan_entitlement_templates", "sort_order", Preset::Int(0)),
    ("resource_types", "allowed_units", Preset::NoTexts),
    ("control_rules", "priority", Preset::Int(0)),
    ("control_rules", "is_active", Preset::Bool(true)),
];

#[derive(Clone, Copy)]
enum Preset {
    Text(&'static str),
    Int(i64),
    Bool(bool),
    NoTexts,
}

/// Columns of one row and what they are to hold.
#[derive(Clone, Debug)]
pub(super) struct Given {
    table: Arc<Table>,
    values: Vec<(&'static str, Value)>,
}

impl Given {
    /// One for each row of an insert; a column left to its default is not in it.
    pub(super) fn of_insert(insert: &Insert) -> Vec<Self> {
        let of_row = |cells: &Vec<Cell>| {
            let values = insert
                .columns
                .iter()
                .zip(cells)
                .filter_map(|(at, cell)| match cell {
                    Cell::Value(value) => Some((insert.table.columns[*at].name, value.clone())),
                    Cell::Default => None,
                });
            Self {
                table: insert.table.clone(),
                values: values.collect(),
            }
        };
        insert.rows.iter().map(of_row).collect()
    }

    /// One for each row of an insert as an update sees it: what it sets where the row is there
    /// already.
    pub(super) fn of_merge(insert: &Insert) -> Vec<Self> {
        insert
            .rows
            .iter()
            .map(|cells| Self::set(&insert.table, insert.columns.iter().copied().zip(cells)))
            .collect()
    }

    /// What an update sets; a column set to its default holds it, or is not in it where it is not
    /// known here.
    pub(super) fn of_update(update: &Update) -> Self {
        Self::set(
            &update.table,
            update.set.iter().map(|(at, cell)| (*at, cell)),
        )
    }

    fn set<'a>(table: &Arc<Table>, cells: impl Iterator<Item = (usize, &'a Cell)>) -> Self {
        let values = cells.filter_map(|(at, cell)| {
            let column = &table.columns[at];
            match cell {
                Cell::Value(value) => Some((column.name, value.clone())),
                Cell::Default if column.nullable => Some((column.name, Value::Null)),
                Cell::Default => Some((column.name, default_of(table, column.name)?)),
            }
        });
        Self {
            table: table.clone(),
            values: values.collect(),
        }
    }

    /// What is given, if anything, null included.
    pub(super) fn value(&self, column: &str) -> Option<&Value> {
        self.values
            .iter()
            .find(|(name, _)| *name == column)
            .map(|(_, value)| value)
    }

    /// What the column is to hold: what is given, else its default, else null.
    fn filled(&self, column: &str) -> Option<Value> {
        self.value(column)
            .cloned()
            .or_else(|| default_of(&self.table, column))
    }

    /// A text that must be there; empty where a default is not known, which a later check refuses.
    pub(super) fn text(&self, column: &str) -> Code {
        match self.filled(column) {
            Some(Value::Text(text)) => text.into(),
            _ => "".into(),
        }
    }

    pub(super) fn flag(&self, column: &str) -> bool {
        matches!(self.filled(column), Some(Value::Bool(true)))
    }

    pub(super) fn int(&self, column: &str) -> i64 {
        match self.filled(column) {
            Some(Value::Int(number)) => number,
            _ => 0,
        }
    }

    /// An `integer`, whose range the query language has checked.
    pub(super) fn int4(&self, column: &str) -> i32 {
        i32::try_from(self.int(column)).unwrap_or_default()
    }

    pub(super) fn texts(&self, column: &str) -> Vec<Code> {
        match self.filled(column) {
            Some(Value::TextArray(texts)) => texts.into_iter().map(Code::from).collect(),
            _ => vec![],
        }
    }

    /// Nullable columns: `None` where the column is not given.
    pub(super) fn optional_text(&self, column: &str) -> Option<Option<Code>> {
        self.optional(column, |value| match value {
            Value::Text(text) | Value::Json(text) => Some(text.as_str().into()),
            _ => None,
        })
    }

    pub(super) fn optional_int(&self, column: &str) -> Option<Option<i64>> {
        self.optional(column, |value| match value {
            Value::Int(number) => Some(*number),
            _ => None,
        })
    }

    pub(super) fn optional_time(&self, column: &str) -> Option<Option<Time>> {
        self.optional(column, |value| match value {
            Value::Timestamp(micros) => Some(Time::from_micros(*micros)),
            _ => None,
        })
    }

    pub(super) fn optional_account(&self, column: &str) -> Option<Option<AccountId>> {
        self.optional(column, account_of)
    }

    /// `numeric(18,6)`, whose range the query language has checked.
    pub(super) fn optional_quantity(&self, column: &str) -> Option<Option<Quantity>> {
        self.optional(column, |value| {
            i64::try_from(units(value, 6)?)
                .ok()
                .and_then(Quantity::from_millionths)
        })
    }

    /// `numeric(5,2)`.
    pub(super) fn optional_percent(&self, column: &str) -> Option<Option<Percent>> {
        self.optional(column, |value| {
            i64::try_from(units(value, 2)?).ok().map(Percent)
        })
    }

    fn optional<T>(
        &self,
        column: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<Option<T>> {
        self.value(column)
            .map(|value| if value.is_null() { None } else { read(value) })
    }

    /// A member of a closed list, which the tables refer to like any other row; `None` where none
    /// is given.
    ///
    /// # Errors
    /// 23503 for a code that is not in the list.
    pub(super) fn member<T>(
        &self,
        column: &str,
        of_code: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<Option<T>>, MecError> {
        match self.optional_text(column) {
            None => Ok(None),
            Some(None) => Ok(Some(None)),
            Some(Some(code)) => match of_code(&code) {
                Some(member) => Ok(Some(Some(member))),
                None => Err(
                    super::postgres::reference_missing(&self.table, column, &code)
                        .unwrap_or_else(|| QueryError::check_violation(self.table.name, column))
                        .into(),
                ),
            },
        }
    }
}

/// The account a value stands for.
pub(super) fn account_of(value: &Value) -> Option<AccountId> {
    match value {
        Value::Uuid(id) => Some(AccountId(*id)),
        _ => None,
    }
}

/// The entitlement a value stands for.
pub(super) fn entitlement_of(value: &Value) -> Option<EntitlementId> {
    match value {
        Value::Uuid(id) => Some(EntitlementId(*id)),
        _ => None,
    }
}

fn units(value: &Value, scale: u8) -> Option<i128> {
    match value {
        Value::Numeric(number) => number.units_at(scale),
        _ => None,
    }
}

fn default_of(table: &Table, column: &str) -> Option<Value> {
    let (_, _, default) = DEFAULTS
        .iter()
        .find(|(of, name, _)| (*of, *name) == (table.name, column))?;
    Some(match default {
        Preset::Text(text) => Value::text(*text),
        Preset::Int(number) => Value::Int(*number),
        Preset::Bool(flag) => Value::Bool(*flag),
        Preset::NoTexts => Value::TextArray(vec![]),
    })
}
