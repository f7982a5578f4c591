//! What to do about the errors that PostgREST and PostgreSQL leave without a hint, by their code.
//!
//! A hint that names the very thing meant is made where the error is; these are for the rest.

/// Code and hint, sorted by code: every code of the query language that a request can be told.
pub(crate) const HINTS: &[(&str, &str)] = &[
    (
        "21000",
        "Add a filter that says which rows are meant, such as ?account_id=eq.…",
    ),
    ("22001", "Shorten the text"),
    ("22003", "Give a smaller number"),
    (
        "22007",
        "Write the time as in RFC 3339: 2026-01-30T12:00:00Z",
    ),
    (
        "22008",
        "Give a date and a time that exist, within the years 1 to 9999",
    ),
    (
        "2201B",
        "Write a regular expression as POSIX describes them",
    ),
    ("22021", "Leave the NUL character out"),
    (
        "22025",
        "Double the backslash at the end of the pattern, or leave it out",
    ),
    (
        "22P02",
        "Write the value as its type is written: a UUID with 32 hexadecimal digits, a number with digits, true or false",
    ),
    ("22P05", "Leave \\u0000 out of the JSON"),
    ("23502", "Give the column a value that is not null"),
    (
        "23503",
        "Create the row that is referred to first, or remove the rows that still refer to this one",
    ),
    (
        "23505",
        "Read the row that has this key, or choose another key",
    ),
    (
        "23514",
        "Give the column one of the values it may have; the API's documents list them",
    ),
    ("25006", "Call this function with POST"),
    (
        "42501",
        "This cannot be written here; the API's documents say which columns and methods there are",
    ),
    ("42703", "Look at the columns in the API's documents"),
    (
        "42704",
        "Cast to text, int4, int8, numeric, bool, uuid, timestamptz, date or jsonb",
    ),
    (
        "42804",
        "Use is.true and is.false on booleans only; compare other columns with eq",
    ),
    ("42846", "Cast to text, which every value can be"),
    ("42883", "Use an operator that the column's type has"),
    (
        "42P10",
        "Name the columns of the primary key or of a unique key in on_conflict",
    ),
    (
        "54000",
        "Ask for less at a time: fewer conditions, values, order terms or embeds",
    ),
    (
        "P0001",
        "The ledger is never changed: record a correction with POST /api/rpc/correct_consumption",
    ),
    (
        "PGRST100",
        "Check the operators, commas and parentheses of the query string: ?column=operator.value",
    ),
    (
        "PGRST101",
        "Call a function with POST, or with GET where it only reads",
    ),
    (
        "PGRST102",
        "Send a body that is what its Content-Type says: application/json with a JSON object",
    ),
    (
        "PGRST103",
        "Ask for rows that exist: an offset below their number and a limit of 0 or more",
    ),
    (
        "PGRST105",
        "Filter a PUT by exactly the primary key: ?key=eq.value",
    ),
    (
        "PGRST106",
        "Use the schema public, or leave the profile headers out",
    ),
    (
        "PGRST107",
        "Accept application/json, application/vnd.pgrst.object+json or text/csv",
    ),
    (
        "PGRST108",
        "Embed it in select before filtering, ordering or limiting it",
    ),
    ("PGRST114", "Leave limit and offset out of a PUT"),
    ("PGRST115", "Give the body the same key as the URL"),
    (
        "PGRST116",
        "Filter for exactly one row, or accept application/json to get a list",
    ),
    (
        "PGRST117",
        "See the Allow header for the methods of this path",
    ),
    (
        "PGRST118",
        "Order by a column of a to-one embed or of the table itself",
    ),
    (
        "PGRST120",
        "Filter an embed by is.null or not.is.null, or by its columns: embed.column=eq.value",
    ),
    (
        "PGRST122",
        "Leave the preference out, or do not send handling=strict",
    ),
    (
        "PGRST123",
        "Read the rows and add them up, or use get_usage",
    ),
    ("PGRST124", "Narrow the filter, or raise max-affected"),
    (
        "PGRST125",
        "Tables are at /api/{table}, functions at /api/rpc/{function}; the server's state is at /health",
    ),
    (
        "PGRST127",
        "Leave it out: the details name what is not offered",
    ),
    (
        "PGRST128",
        "Leave max-affected out when calling this function",
    ),
    (
        "PGRST200",
        "Embed tables that a foreign key joins; the API's documents list them",
    ),
    (
        "PGRST201",
        "Say which relationship is meant: embed!foreign_key(…)",
    ),
    (
        "PGRST202",
        "Check the function's name and the names of all its arguments; the API's documents list them",
    ),
    ("PGRST204", "Look at the columns in the API's documents"),
    ("PGRST205", "Look at the tables in the API's documents"),
    (
        "PGRST300",
        "Set jwt_secret (MEC_JWT_SECRET) on the server, or leave the Authorization header out",
    ),
    (
        "PGRST301",
        "Send Authorization: Bearer and a JWT signed with HS256 and the server's jwt_secret (MEC_JWT_SECRET)",
    ),
    (
        "PGRST302",
        "Send Authorization: Bearer and a JWT whose role is admin, service or reader",
    ),
    (
        "PGRST303",
        "Get a new token, and look at its exp, nbf, iat and aud and at the clock of whoever signs it",
    ),
];

/// The hint for a code, where there is one.
pub(crate) fn of(code: &str) -> Option<&'static str> {
    HINTS
        .binary_search_by(|(known, _)| (*known).cmp(code))
        .ok()
        .map(|place| HINTS[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_sorted_and_each_is_found() {
        assert!(HINTS.is_sorted_by(|(one, _), (other, _)| one < other));
        assert!(HINTS.iter().all(|(code, hint)| of(code) == Some(hint)));
        assert_eq!(of("MEC_BUSY"), None);
    }
}
