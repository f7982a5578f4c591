//! Media types: which one an `Accept` header gets, and the writers of each.

mod csv;
mod json;
mod sheet;

use crate::{Budget, QueryError, Rows, Value};
use sheet::Sheet;

/// A form an answer can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// An array of objects, or a function's bare value.
    Json,
    /// An array of objects without keys that are null.
    ArrayStripped,
    /// Exactly one object.
    Object {
        /// Without keys that are null.
        stripped: bool,
    },
    /// A header line and one line for each row.
    Csv,
    /// The OpenAPI document of the root.
    OpenApi,
}

/// What is asked for, which decides what can be produced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Produces {
    /// Rows or the value of a function.
    Rows,
    /// The document at `/`.
    RootDocument,
}

impl Media {
    /// The first acceptable form in the order of preference (`q`, then as listed); JSON without a
    /// header.
    ///
    /// # Errors
    /// PGRST107 when nothing listed can be produced.
    pub fn negotiate(accept: Option<&str>, produces: Produces) -> Result<Self, QueryError> {
        let header = accept
            .map(str::trim)
            .filter(|header| !header.is_empty())
            .unwrap_or("*/*");
        let mut wanted: Vec<(u32, &str)> = header
            .split(',')
            .map(str::trim)
            .filter(|range| !range.is_empty())
            .map(|range| (weight(range), range))
            .collect();
        // Stable, so that equal weights keep the order of the header.
        wanted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let found = wanted
            .iter()
            .filter(|(weight, _)| *weight > 0)
            .find_map(|(_, range)| Self::of(range, produces));
        found.ok_or_else(|| {
            let names: Vec<&str> = wanted.iter().map(|(_, range)| *range).collect();
            QueryError::not_acceptable(&names.join(", "))
        })
    }

    fn of(range: &str, produces: Produces) -> Option<Self> {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let stripped = parts.any(|part| {
            let part: String = part.to_ascii_lowercase().split_whitespace().collect();
            part == "nulls=stripped" || part == "nulls=\"stripped\""
        });
        match (produces, name.as_str()) {
            (
                Produces::RootDocument,
                "*/*" | "application/*" | "application/json" | "application/openapi+json",
            ) => Some(Self::OpenApi),
            (Produces::RootDocument, _) => None,
            (Produces::Rows, "*/*" | "application/*" | "application/json") => Some(Self::Json),
            (
                Produces::Rows,
                "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array",
            ) => Some(if stripped {
                Self::ArrayStripped
            } else {
                Self::Json
            }),
            (
                Produces::Rows,
                "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object",
            ) => Some(Self::Object { stripped }),
            (Produces::Rows, "text/csv" | "text/*") => Some(Self::Csv),
            (Produces::Rows, _) => None,
        }
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::ArrayStripped => "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8",
            Self::Object { stripped: false } => "application/vnd.pgrst.object+json; charset=utf-8",
            Self::Object { stripped: true } => {
                "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8"
            }
            Self::Csv => "text/csv; charset=utf-8",
            Self::OpenApi => "application/openapi+json; charset=utf-8",
        }
    }

    /// Whether exactly one row must come out, so that a write of another number must be rolled
    /// back.
    pub fn is_object(self) -> bool {
        matches!(self, Self::Object { .. })
    }

    /// Writes rows in this form, in parts that follow each other.
    ///
    /// # Errors
    /// PGRST116 for an object of more or less than one row; those of a cast that a value does not
    /// bear; `MEC_ANSWER_TOO_LARGE` and `MEC_TIMED_OUT` for an answer that does not fit its budget.
    pub fn write(self, rows: &Rows<'_>, budget: &Budget) -> Result<Vec<String>, QueryError> {
        let mut out = Sheet::of(budget);
        let all = || rows.fetched.rows.iter().map(Vec::as_slice);
        match self {
            Self::Csv => csv::write(rows, &mut out)?,
            Self::Json | Self::OpenApi => json::array(rows, all(), false, &mut out)?,
            Self::ArrayStripped => json::array(rows, all(), true, &mut out)?,
            Self::Object { stripped } => {
                let [row] = rows.fetched.rows.as_slice() else {
                    return Err(QueryError::not_singular(rows.len()));
                };
                json::object(rows, row, stripped, &mut out)?;
            }
        }
        Ok(out.parts())
    }

    /// Writes one value that a function answers: bare, as CSV a line below the function's name.
    pub fn write_value(self, function: &str, value: &Value) -> String {
        if self != Self::Csv {
            return value.to_json();
        }
        let mut text = format!("{function}\n");
        csv::push_value(value, &mut text);
        text
    }
}

/// The weight of a media range in thousandths; 1000 without one or with one that is no number.
fn weight(range: &str) -> u32 {
    let parameter = range
        .split(';')
        .skip(1)
        .map(str::trim)
        .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let Some(text) = parameter else { return 1000 };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if fraction.len() > 3 || !digits(whole) || !digits(fraction) {
        return 1000;
    }
    format!("{whole}{fraction:0<3}")
        .parse()
        .map_or(1000, |weight: u32| weight.min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_type_in_the_callers_order_is_answered() {
        for (accept, wanted) in [
            (None, Ok(Media::Json)),
            (Some(""), Ok(Media::Json)),
            (Some("*/*"), Ok(Media::Json)),
            (Some("application/json"), Ok(Media::Json)),
            (Some("text/csv"), Ok(Media::Csv)),
            (
                Some("text/x, text/csv;q=0.5, application/json;q=0.4"),
                Ok(Media::Csv),
            ),
            (Some("text/csv;q=0.5, application/json"), Ok(Media::Json)),
            (
                Some("application/vnd.pgrst.object+json"),
                Ok(Media::Object { stripped: false }),
            ),
            (
                Some("application/vnd.pgrst.object+json; nulls=stripped"),
                Ok(Media::Object { stripped: true }),
            ),
            (
                Some("Application/Vnd.Pgrst.Object"),
                Ok(Media::Object { stripped: false }),
            ),
            (
                Some("application/vnd.pgrst.array+json;nulls=stripped"),
                Ok(Media::ArrayStripped),
            ),
            (Some("application/vnd.pgrst.array+json"), Ok(Media::Json)),
            (
                Some("text/x"),
                Err("None of these media types are available: text/x"),
            ),
            (
                Some("text/x, */*;q=0"),
                Err("None of these media types are available: text/x, */*;q=0"),
            ),
            (
                Some("application/vnd.pgrst.plan+json"),
                Err("None of these media types are available: application/vnd.pgrst.plan+json"),
            ),
        ] {
            let media = Media::negotiate(accept, Produces::Rows).map_err(|error| {
                assert_eq!((error.status, error.code.as_ref()), (406, "PGRST107"));
                error.message
            });
            assert_eq!(media, wanted.map_err(str::to_owned), "{accept:?}");
        }
        assert_eq!(
            Media::negotiate(Some("application/json"), Produces::RootDocument),
            Ok(Media::OpenApi)
        );
        assert!(Media::negotiate(Some("text/csv"), Produces::RootDocument).is_err());
    }
}
