//! PostgreSQL's codes and texts, so that both databases refuse with the same words.

use super::QueryError;

/// The HTTP status PostgREST gives a SQLSTATE. `anonymous` is true for a caller without
/// credentials.
pub fn status_of_sqlstate(code: &str, message: &str, anonymous: bool) -> u16 {
    if let Some(status) = code
        .strip_prefix("PT")
        .and_then(|digits| digits.parse::<u16>().ok())
        && (100..=599).contains(&status)
    {
        return status;
    }
    match code {
        "23503" | "23505" => 409,
        "42501" if anonymous => 401,
        "42501" => 403,
        "42P01" | "42883" => 404,
        "25006" => 405,
        "21000" if message.ends_with("requires a WHERE clause") => 400,
        "21000" => 500,
        "22023" if message.starts_with("role ") && message.ends_with(" does not exist") => 401,
        "P0001" => 400,
        "53400" | "42P17" => 500,
        _ => match code.get(..2).unwrap_or_default() {
            "28" | "0L" | "0P" => 403,
            "08" | "53" => 503,
            "57" if code.starts_with("57P01") => 503,
            "P0" | "09" | "25" | "2D" | "38" | "39" | "3B" | "40" | "54" | "55" | "57" | "58"
            | "F0" | "HV" | "XX" => 500,
            _ => 400,
        },
    }
}

impl QueryError {
    /// An error with a SQLSTATE, at the status PostgREST gives it for a caller with credentials.
    pub fn sqlstate(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(status_of_sqlstate(code, &message, false), code, message)
    }

    /// 54000: a request that asks for more at once than it may. It is the caller's to change, so it
    /// is no 500.
    pub fn too_complex(message: impl Into<String>) -> Self {
        Self::new(400, "54000", message)
    }

    /// 22P02: a text that is no literal of its type.
    pub fn invalid_literal(type_name: &str, text: &str) -> Self {
        Self::sqlstate(
            "22P02",
            format!("invalid input syntax for type {type_name}: \"{text}\""),
        )
    }

    /// 22P02: a text that is no JSON.
    pub fn invalid_json(reason: impl Into<String>) -> Self {
        Self::sqlstate("22P02", "invalid input syntax for type json").with_details(reason)
    }

    /// 22P02: a text that is no array literal.
    pub fn invalid_array(text: &str) -> Self {
        Self::sqlstate("22P02", format!("malformed array literal: \"{text}\""))
    }

    /// 22007: a text that is no point in time.
    pub fn invalid_timestamp(text: &str) -> Self {
        Self::sqlstate(
            "22007",
            format!("invalid input syntax for type timestamp with time zone: \"{text}\""),
        )
    }

    /// 22008: a date that does not exist, such as month 13.
    pub fn timestamp_out_of_range(text: &str) -> Self {
        Self::sqlstate(
            "22008",
            format!("date/time field value out of range: \"{text}\""),
        )
    }

    /// 22003: an integer too large for its type.
    pub fn integer_out_of_range(type_name: &str, text: &str) -> Self {
        Self::sqlstate(
            "22003",
            format!("value \"{text}\" is out of range for type {type_name}"),
        )
    }

    /// 22003: more digits before the point than `numeric(precision, scale)` has.
    pub fn numeric_overflow(precision: u8, scale: u8) -> Self {
        Self::sqlstate("22003", "numeric field overflow").with_details(format!(
            "A field with precision {precision}, scale {scale} must round to an absolute value less than 10^{}.",
            precision.saturating_sub(scale)
        ))
    }

    /// 22001: more characters than `varchar(max)` holds.
    pub fn too_long(max: u32) -> Self {
        Self::sqlstate(
            "22001",
            format!("value too long for type character varying({max})"),
        )
    }

    /// 22021: a NUL character, which no text may hold.
    pub fn nul_character() -> Self {
        Self::sqlstate("22021", "invalid byte sequence for encoding \"UTF8\": 0x00")
    }

    /// 21000: a write without any filter, refused as with pg-safeupdate. `statement` is UPDATE or
    /// DELETE.
    pub fn unfiltered(statement: &str) -> Self {
        Self::sqlstate("21000", format!("{statement} requires a WHERE clause"))
    }

    /// 23502: a null in a column that must have a value.
    pub fn not_null(table: &str, column: &str) -> Self {
        Self::sqlstate(
            "23502",
            format!(
                "null value in column \"{column}\" of relation \"{table}\" violates not-null constraint"
            ),
        )
    }

    /// 23503: a reference to a row that does not exist.
    pub fn reference_missing(
        table: &str,
        constraint: &str,
        key: &str,
        value: &str,
        target: &str,
    ) -> Self {
        Self::sqlstate("23503", format!("insert or update on table \"{table}\" violates foreign key constraint \"{constraint}\""))
            .with_details(format!("Key ({key})=({value}) is not present in table \"{target}\"."))
    }

    /// 23503: a row that others still refer to.
    pub fn still_referenced(
        table: &str,
        constraint: &str,
        key: &str,
        value: &str,
        by: &str,
    ) -> Self {
        Self::sqlstate(
            "23503",
            format!("update or delete on table \"{table}\" violates foreign key constraint \"{constraint}\" on table \"{by}\""),
        )
        .with_details(format!("Key ({key})=({value}) is still referenced from table \"{by}\"."))
    }

    /// 23505: a second row with the same key.
    pub fn duplicate_key(constraint: &str, key: &str, value: &str) -> Self {
        Self::sqlstate(
            "23505",
            format!("duplicate key value violates unique constraint \"{constraint}\""),
        )
        .with_details(format!("Key ({key})=({value}) already exists."))
    }

    /// 23514: a value outside what a check allows.
    pub fn check_violation(table: &str, constraint: &str) -> Self {
        Self::sqlstate(
            "23514",
            format!("new row for relation \"{table}\" violates check constraint \"{constraint}\""),
        )
    }

    /// 25006: a GET of a function that writes.
    pub fn read_only_call() -> Self {
        Self::sqlstate("25006", "cannot execute INSERT in a read-only transaction")
            .with_hint("Call this function with POST.")
    }

    /// 42501: the table does not allow this write at all.
    pub fn table_not_writable(table: &str) -> Self {
        Self::sqlstate("42501", format!("permission denied for table {table}"))
    }

    /// 42501: the table allows the write, but not of this column.
    pub fn column_not_writable(table: &str, column: &str) -> Self {
        Self::table_not_writable(table).with_details(format!(
            "Column \"{column}\" of table \"{table}\" cannot be set here."
        ))
    }

    /// 42703: an unknown column in `select`, a filter or `order`.
    pub fn unknown_column(table: &str, column: &str, meant: Option<&str>) -> Self {
        Self::sqlstate("42703", format!("column {table}.{column} does not exist")).with_hint_if(
            meant.map(|other| {
                format!("Perhaps you meant to reference the column \"{table}.{other}\".")
            }),
        )
    }

    /// 42703: an unknown column in `on_conflict`.
    pub fn unknown_conflict_column(column: &str) -> Self {
        Self::sqlstate("42703", format!("column \"{column}\" does not exist"))
    }

    /// 42704: an unknown type in a cast.
    pub fn unknown_type(name: &str) -> Self {
        Self::sqlstate("42704", format!("type \"{name}\" does not exist"))
    }

    /// 42804: `is.true` on something that is no boolean.
    pub fn not_boolean(test: &str, type_name: &str) -> Self {
        Self::sqlstate(
            "42804",
            format!("argument of IS {test} must be type boolean, not type {type_name}"),
        )
    }

    /// 42846: a cast that has no meaning.
    pub fn cannot_cast(from: &str, to: &str) -> Self {
        Self::sqlstate("42846", format!("cannot cast type {from} to {to}"))
    }

    /// 42883: an operator its column's type does not have.
    pub fn no_operator(left: &str, operator: &str, right: &str) -> Self {
        Self::sqlstate("42883", format!("operator does not exist: {left} {operator} {right}"))
            .with_hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
    }

    /// 42P10: `on_conflict` names columns that are not unique together.
    pub fn no_conflict_constraint() -> Self {
        Self::sqlstate(
            "42P10",
            "there is no unique or exclusion constraint matching the ON CONFLICT specification",
        )
    }

    /// 2201B: a pattern that is no regular expression.
    pub fn invalid_regex(reason: &str) -> Self {
        Self::sqlstate("2201B", format!("invalid regular expression: {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sqlstate_has_the_status_postgrest_gives_it() {
        for (code, message, anonymous, status) in [
            ("23503", "", false, 409),
            ("23505", "", false, 409),
            ("42501", "", false, 403),
            ("42501", "", true, 401),
            ("42P01", "", false, 404),
            ("42883", "", false, 404),
            ("42703", "", false, 400),
            ("25006", "", false, 405),
            ("21000", "UPDATE requires a WHERE clause", false, 400),
            ("21000", "more than one row", false, 500),
            ("22023", "role \"x\" does not exist", false, 401),
            ("22023", "bad zone", false, 400),
            ("28P01", "", false, 403),
            ("P0001", "", false, 400),
            ("P0002", "", false, 500),
            ("PT402", "", false, 402),
            ("PTabc", "", false, 400),
            ("08006", "", false, 503),
            ("53300", "", false, 503),
            ("53400", "", false, 500),
            ("57P01", "", false, 503),
            ("57014", "", false, 500),
            ("40001", "", false, 500),
            ("42P17", "", false, 500),
            ("XX000", "", false, 500),
            ("22P02", "", false, 400),
            ("é", "", false, 400),
        ] {
            assert_eq!(
                status_of_sqlstate(code, message, anonymous),
                status,
                "{code} {message}"
            );
        }
    }
}
