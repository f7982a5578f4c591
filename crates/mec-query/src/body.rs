//! Request bodies: JSON, CSV and forms as rows of named, still untyped values.
//!
//! Reading a body (this room) can fail with PGRST102, naming its columns against a table with
//! PGRST204; typing its values comes last, in [`crate::Insert`] and [`crate::Update`]. The three
//! are separate calls because clients see those errors in that order.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::limits::{MAX_BODY_ROWS, MAX_BODY_VALUES};
use crate::parse::decode;
use crate::{QueryError, Table};

/// The content types a body can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentType {
    Json,
    Csv,
    Form,
}

impl ContentType {
    /// The same for a body; what curl sends where no header is given is told from a form.
    pub(crate) fn of_body(header: Option<&str>, bytes: &[u8]) -> Result<Self, QueryError> {
        let found = Self::of_header(header)?;
        if found == Self::Form && matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return Err(QueryError::invalid_body("The body is JSON and its Content-Type is application/x-www-form-urlencoded")
                .with_hint("Send the header Content-Type: application/json (curl: -H 'Content-Type: application/json')"));
        }
        if found.separators(bytes) > MAX_BODY_VALUES {
            return Err(QueryError::too_complex(format!(
                "The body has more than {MAX_BODY_VALUES} values"
            ))
            .with_hint("Send it in several requests"));
        }
        Ok(found)
    }

    /// The bytes that begin a value or a key, each of which takes many times its length in memory
    /// once it is read.
    fn separators(self, bytes: &[u8]) -> usize {
        let (mut in_string, mut is_escaped) = (false, false);
        let separates = |byte: &&u8| match self {
            Self::Json if is_escaped => {
                is_escaped = false;
                false
            }
            Self::Json if in_string => {
                (in_string, is_escaped) = (**byte != b'"', **byte == b'\\');
                false
            }
            Self::Json => {
                in_string = **byte == b'"';
                matches!(**byte, b'{' | b'[' | b',' | b':')
            }
            Self::Csv => matches!(**byte, b',' | b'\n'),
            Self::Form => **byte == b'&',
        };
        bytes.iter().filter(separates).count()
    }

    /// Reads the header; JSON where there is none.
    pub(crate) fn of_header(header: Option<&str>) -> Result<Self, QueryError> {
        let name = header
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        match name.to_ascii_lowercase().as_str() {
            "" | "application/json" => Ok(Self::Json),
            "text/csv" => Ok(Self::Csv),
            "application/x-www-form-urlencoded" => Ok(Self::Form),
            _ => Err(QueryError::invalid_body(format!(
                "Content-Type not acceptable: {name}"
            ))),
        }
    }
}

/// A request body: rows of values under common keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    keys: Vec<String>,
    rows: Vec<Vec<Option<Json>>>,
    is_object: bool,
}

/// A body whose keys are columns of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    pub(crate) table: Arc<Table>,
    /// Positions in the table's columns.
    pub(crate) columns: Vec<usize>,
    /// One value per column; `None` where the row has no such key.
    pub(crate) rows: Vec<Vec<Option<Json>>>,
    is_object: bool,
}

impl Body {
    /// Reads a body by its `Content-Type`. With `columns` (the parameter of that name) only these
    /// keys are read and rows may differ; without it all rows must have the same keys.
    ///
    /// # Errors
    /// PGRST102 for a content type that is none of JSON, CSV and form, and for a body that is not
    /// of its type.
    pub fn parse(
        content_type: Option<&str>,
        bytes: &[u8],
        columns: Option<&[String]>,
    ) -> Result<Self, QueryError> {
        let body = match ContentType::of_body(content_type, bytes)? {
            ContentType::Json => Self::of_json(bytes, columns)?,
            ContentType::Csv => Self::of_rows(csv_rows(bytes)?, columns, false)?,
            ContentType::Form => Self::of_rows(vec![form_row(bytes)], columns, false)?,
        };
        if body.rows.len() > MAX_BODY_ROWS {
            return Err(QueryError::invalid_body(
                "More than 100000 rows in one body are not accepted",
            ));
        }
        Ok(body)
    }

    /// Whether the body is one JSON object rather than an array, CSV or a form.
    pub fn is_object(&self) -> bool {
        self.is_object
    }

    /// Names the keys as columns of `table`.
    ///
    /// # Errors
    /// PGRST204 for the first key that is none.
    pub fn against(self, table: &Arc<Table>) -> Result<Sent, QueryError> {
        let position = |key: &String| {
            let unknown = || {
                QueryError::unknown_body_column(table.name, key).with_hint_if(table.column_names())
            };
            table.position(key).ok_or_else(unknown)
        };
        let columns = self
            .keys
            .iter()
            .map(position)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Sent {
            table: Arc::clone(table),
            columns,
            rows: self.rows,
            is_object: self.is_object,
        })
    }

    fn of_json(bytes: &[u8], columns: Option<&[String]>) -> Result<Self, QueryError> {
        let json: Json = serde_json::from_slice(bytes)
            .map_err(|_| QueryError::invalid_body("Empty or invalid json"))?;
        match json {
            Json::Object(row) => Self::of_rows(vec![row], columns, true),
            Json::Array(items) => {
                let row = |item| match item {
                    Json::Object(row) => Ok(row),
                    _ => Err(keys_differ()),
                };
                Self::of_rows(
                    items.into_iter().map(row).collect::<Result<_, _>>()?,
                    columns,
                    false,
                )
            }
            // A bare scalar counts as an empty array.
            _ => Self::of_rows(Vec::new(), columns, false),
        }
    }

    fn of_rows(
        rows: Vec<Map<String, Json>>,
        columns: Option<&[String]>,
        is_object: bool,
    ) -> Result<Self, QueryError> {
        let keys: Vec<String> = match (columns, rows.first()) {
            (Some(columns), _) => {
                let mut seen = HashSet::new();
                columns
                    .iter()
                    .filter(|column| seen.insert(column.as_str()))
                    .cloned()
                    .collect()
            }
            (None, Some(first)) => {
                let same = |row: &Map<String, Json>| {
                    row.len() == first.len() && row.keys().all(|key| first.contains_key(key))
                };
                if !rows.iter().all(same) {
                    return Err(keys_differ());
                }
                first.keys().cloned().collect()
            }
            (None, None) => Vec::new(),
        };
        let rows = rows
            .into_iter()
            .map(|mut row| keys.iter().map(|key| row.remove(key)).collect())
            .collect();
        Ok(Self {
            keys,
            rows,
            is_object,
        })
    }
}

impl Sent {
    /// The table the body is for.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Whether the body is one JSON object rather than an array, CSV or a form.
    pub fn is_object(&self) -> bool {
        self.is_object
    }
}

fn keys_differ() -> QueryError {
    QueryError::invalid_body("All object keys must match")
}

/// One row of texts.
pub(crate) fn form_row(bytes: &[u8]) -> Map<String, Json> {
    let text = String::from_utf8_lossy(bytes);
    decode::pairs(&text)
        .into_iter()
        .map(|(key, value)| (key, Json::String(value.unwrap_or_default())))
        .collect()
}

/// The lines under the header line; the word `NULL` is null.
fn csv_rows(bytes: &[u8]) -> Result<Vec<Map<String, Json>>, QueryError> {
    let invalid = |_| QueryError::invalid_body("Empty or invalid csv");
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes);
    let mut lines = reader.records();
    let header = match lines.next() {
        Some(header) => header.map_err(invalid)?,
        None => return Err(QueryError::invalid_body("Empty or invalid csv")),
    };
    lines
        .map(|line| {
            let line = line.map_err(invalid)?;
            if line.len() != header.len() {
                return Err(QueryError::invalid_body(
                    "All lines must have same number of fields",
                ));
            }
            let value = |text: &str| {
                if text == "NULL" {
                    Json::Null
                } else {
                    Json::String(text.to_owned())
                }
            };
            Ok(header
                .iter()
                .zip(&line)
                .map(|(key, text)| (key.to_owned(), value(text)))
                .collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        content_type: Option<&str>,
        text: &str,
        columns: Option<&[&str]>,
    ) -> Result<String, String> {
        let columns = columns.map(|names| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        });
        let body = Body::parse(content_type, text.as_bytes(), columns.as_deref());
        body.map(|body| {
            let cell = |cell: &Option<Json>| cell.as_ref().map_or("-".to_owned(), Json::to_string);
            let rows: Vec<_> = body
                .rows
                .iter()
                .map(|row| row.iter().map(cell).collect::<Vec<_>>().join(","))
                .collect();
            format!(
                "{}{} [{}]",
                if body.is_object { "object " } else { "" },
                body.keys.join(","),
                rows.join(" | ")
            )
        })
        .map_err(|error| {
            assert_eq!((error.status, error.code.as_ref()), (400, "PGRST102"));
            error.message
        })
    }

    #[test]
    fn bodies_are_rows_under_common_keys() {
        let json = Some("application/json; charset=utf-8");
        let csv = Some("text/csv");
        let form = Some("application/x-www-form-urlencoded");
        for (content_type, text, columns, wanted) in [
            (
                None,
                r#"{"a":1,"b":"x"}"#,
                None,
                Ok(r#"object a,b [1,"x"]"#),
            ),
            (
                json,
                r#"[{"a":1,"b":2},{"b":3,"a":4}]"#,
                None,
                Ok("a,b [1,2 | 4,3]"),
            ),
            (
                json,
                r#"[{"a":1},{"b":3}]"#,
                Some(["b", "a", "b"].as_slice()),
                Ok("b,a [-,1 | 3,-]"),
            ),
            (json, r#"{"a":1,"z":2}"#, Some(&["a"]), Ok("object a [1]")),
            (json, "{}", None, Ok("object  []")),
            (json, "[{},{}]", None, Ok(" [ | ]")),
            (json, "[]", None, Ok(" []")),
            (json, "5", None, Ok(" []")),
            (json, "", None, Err("Empty or invalid json")),
            (json, "{", None, Err("Empty or invalid json")),
            (
                json,
                r#"[{"a":1},{"b":3}]"#,
                None,
                Err("All object keys must match"),
            ),
            (
                json,
                r#"[{"a":1},2]"#,
                None,
                Err("All object keys must match"),
            ),
            (
                csv,
                "a,b\n1,\"x,\"\"y\"\"\"\nNULL,\n",
                None,
                Ok(r#"a,b ["1","x,\"y\"" | null,""]"#),
            ),
            (csv, "a,b\n", None, Ok(" []")),
            (
                csv,
                "a,b\n1\n",
                None,
                Err("All lines must have same number of fields"),
            ),
            (csv, "", None, Err("Empty or invalid csv")),
            (form, "a=1&b=x+y%26", None, Ok(r#"a,b ["1","x y&"]"#)),
            (
                form,
                r#" {"a":1}"#,
                None,
                Err("The body is JSON and its Content-Type is application/x-www-form-urlencoded"),
            ),
            (
                Some("text/xml"),
                "",
                None,
                Err("Content-Type not acceptable: text/xml"),
            ),
        ] {
            assert_eq!(
                read(content_type, text, columns),
                wanted.map(str::to_owned).map_err(str::to_owned),
                "{text}"
            );
        }
    }
}
