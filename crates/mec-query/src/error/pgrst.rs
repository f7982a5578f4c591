//! The gateway's own codes, `PGRSTnnn`, with the texts clients match on.

use serde_json::{Map, Value as Json};

use super::QueryError;

/// One of several relationships between two tables, as the list in `PGRST201` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedCandidate {
    /// `many-to-one`, `one-to-many`, `one-to-one` or `many-to-many`.
    pub cardinality: &'static str,
    /// The tables embedded, as `a with b`.
    pub embedding: String,
    /// The constraint and its columns in words.
    pub relationship: String,
    /// What to write instead, as `b!hint`.
    pub embed_as: String,
}

impl QueryError {
    /// PGRST100: a part of the query string is not in the grammar. `column` counts from 1.
    pub fn unparsable(what: &str, text: &str, column: usize, details: impl Into<String>) -> Self {
        Self::new(
            400,
            "PGRST100",
            format!("\"failed to parse {what} ({text})\" (line 1, column {column})"),
        )
        .with_details(details)
    }

    /// PGRST101: only GET, HEAD, POST and OPTIONS call a function.
    pub fn rpc_method(method: &str) -> Self {
        Self::new(
            405,
            "PGRST101",
            format!("Cannot use the {method} method on RPC"),
        )
    }

    /// PGRST102: the body does not have the form its content type promises.
    pub fn invalid_body(message: impl Into<String>) -> Self {
        Self::new(400, "PGRST102", message)
    }

    fn invalid_range(details: impl Into<String>) -> Self {
        Self::new(416, "PGRST103", "Requested range not satisfiable").with_details(details)
    }

    /// PGRST103: `limit` below zero, or nothing common to `Range` and `limit`/`offset`.
    pub fn negative_limit() -> Self {
        Self::invalid_range("Limit should be greater than or equal to zero.")
    }

    /// PGRST103: `Range: 5-2`.
    pub fn range_reversed() -> Self {
        Self::invalid_range(
            "The lower boundary must be lower than or equal to the upper boundary in the Range header.",
        )
    }

    /// PGRST103: the page begins behind the last of `total` rows.
    pub fn offset_beyond(offset: u64, total: u64) -> Self {
        Self::invalid_range(format!(
            "An offset of {offset} was requested, but there are only {total} rows."
        ))
    }

    /// PGRST105: a PUT must name its row by exactly the primary key.
    pub fn put_filters() -> Self {
        Self::new(
            405,
            "PGRST105",
            "Filters must include all and only primary key columns with 'eq' operators",
        )
    }

    /// PGRST106: `Accept-Profile`/`Content-Profile` names a schema that is not exposed.
    pub fn invalid_schema(schema: &str) -> Self {
        Self::new(406, "PGRST106", format!("Invalid schema: {schema}"))
            .with_hint("Only the following schemas are exposed: public")
    }

    /// PGRST107: none of the media types of `Accept` can be produced.
    pub fn not_acceptable(accept: &str) -> Self {
        Self::new(
            406,
            "PGRST107",
            format!("None of these media types are available: {accept}"),
        )
    }

    /// PGRST108: a filter, order or limit addresses something that `select` does not embed.
    pub fn not_embedded(name: &str) -> Self {
        Self::new(
            400,
            "PGRST108",
            format!("'{name}' is not an embedded resource in this request"),
        )
        .with_hint(format!(
            "Verify that '{name}' is included in the 'select' query parameter."
        ))
    }

    /// PGRST114: a PUT writes one row and takes no page.
    pub fn put_page() -> Self {
        Self::new(
            400,
            "PGRST114",
            "limit/offset querystring parameters are not allowed for PUT",
        )
    }

    /// PGRST115: the key in the body of a PUT is not the key in its URL.
    pub fn put_key_mismatch() -> Self {
        Self::new(
            400,
            "PGRST115",
            "Payload values do not match URL in primary key column(s)",
        )
    }

    /// PGRST116: a single object was asked for and there were `rows`.
    pub fn not_singular(rows: usize) -> Self {
        Self::new(
            406,
            "PGRST116",
            "Cannot coerce the result to a single JSON object",
        )
        .with_details(format!("The result contains {rows} rows"))
    }

    /// PGRST117: a method this path does not know.
    pub fn unsupported_method(method: &str) -> Self {
        Self::new(
            405,
            "PGRST117",
            format!("Unsupported HTTP method: {method}"),
        )
    }

    /// PGRST118: ordering by an embed that may have several rows.
    pub fn related_order(origin: &str, target: &str) -> Self {
        Self::new(
            400,
            "PGRST118",
            format!("A related order on '{target}' is not possible"),
        )
        .with_details(format!(
            "'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship"
        ))
    }

    /// PGRST120: an embed can only be filtered by `is.null` and `not.is.null`.
    pub fn embed_operator(target: &str) -> Self {
        Self::new(
            400,
            "PGRST120",
            format!("Bad operator on the '{target}' embedded resource"),
        )
        .with_details("Only is null or not is null filters are allowed on embedded resources")
    }

    /// PGRST122: preferences nobody knows, sent with `handling=strict`.
    pub fn invalid_preferences(unknown: &[String]) -> Self {
        Self::new(
            400,
            "PGRST122",
            "Invalid preferences given with handling=strict",
        )
        .with_details(format!("Invalid preferences: {}", unknown.join(", ")))
    }

    /// PGRST123: aggregates are not offered.
    pub fn aggregates() -> Self {
        Self::new(400, "PGRST123", "Use of aggregate functions is not allowed")
    }

    /// PGRST124: a write touched more rows than `max-affected` allows.
    pub fn max_affected(rows: usize) -> Self {
        Self::new(
            400,
            "PGRST124",
            "Query result exceeds max-affected preference constraint",
        )
        .with_details(format!("The query affects {rows} rows"))
    }

    /// PGRST125: a path that is neither `/`, `/{table}` nor `/rpc/{function}`.
    pub fn invalid_path() -> Self {
        Self::new(404, "PGRST125", "Invalid path specified in request URL")
    }

    /// PGRST127: something PostgREST does and this product does not; `feature` names it.
    pub fn not_implemented(feature: impl Into<String>) -> Self {
        Self::new(400, "PGRST127", "Feature not implemented").with_details(feature)
    }

    /// PGRST128: `max-affected` on a function that returns no rows.
    pub fn max_affected_on_scalar() -> Self {
        Self::new(
            400,
            "PGRST128",
            "Function must return SETOF or TABLE when max-affected preference is used with handling=strict",
        )
    }

    /// PGRST200: no foreign key joins the two.
    pub fn no_relationship(
        origin: &str,
        target: &str,
        hint_used: Option<&str>,
        meant: Option<String>,
    ) -> Self {
        let using = hint_used
            .map(|hint| format!("' using the hint '{hint}"))
            .unwrap_or_default();
        Self::new(
            400,
            "PGRST200",
            format!("Could not find a relationship between '{origin}' and '{target}' in the schema cache"),
        )
        .with_details(format!(
            "Searched for a foreign key relationship between '{origin}' and '{target}{using}' in the schema 'public', but no matches were found."
        ))
        .with_hint_if(meant.map(|name| format!("Perhaps you meant '{name}' instead of '{target}'.")))
    }

    /// PGRST201: several foreign keys join the two and the request does not say which.
    pub fn ambiguous_relationship(
        origin: &str,
        target: &str,
        candidates: &[EmbedCandidate],
    ) -> Self {
        let list = candidates
            .iter()
            .map(|candidate| {
                let mut entry = Map::new();
                entry.insert("cardinality".to_owned(), Json::from(candidate.cardinality));
                entry.insert(
                    "embedding".to_owned(),
                    Json::from(candidate.embedding.clone()),
                );
                entry.insert(
                    "relationship".to_owned(),
                    Json::from(candidate.relationship.clone()),
                );
                Json::Object(entry)
            })
            .collect();
        let choices = candidates
            .iter()
            .map(|candidate| format!("'{}'", candidate.embed_as))
            .collect::<Vec<_>>()
            .join(", ");
        let mut error = Self::new(
            300,
            "PGRST201",
            format!("Could not embed because more than one relationship was found for '{origin}' and '{target}'"),
        )
        .with_hint(format!(
            "Try changing '{target}' to one of the following: {choices}. Find the desired relationship in the 'details' key."
        ));
        error.details = Some(Box::new(Json::Array(list)));
        error
    }

    /// PGRST202: no function of this name takes exactly these arguments. `arguments` are sorted
    /// here; `json_body` says whether a JSON body was sent, which PostgREST mentions.
    pub fn no_function(name: &str, arguments: &[&str], json_body: bool) -> Self {
        let mut arguments = arguments.to_vec();
        arguments.sort_unstable();
        let list = arguments.join(", ");
        let (call, with) = match arguments.len() {
            0 => (
                " without parameters".to_owned(),
                " without parameters".to_owned(),
            ),
            1 => (format!("({list})"), format!(" with parameter {list}")),
            _ => (format!("({list})"), format!(" with parameters {list}")),
        };
        let unnamed = if json_body {
            " or with a single unnamed json/jsonb parameter"
        } else {
            ""
        };
        Self::new(404, "PGRST202", format!("Could not find the function public.{name}{call} in the schema cache")).with_details(
            format!("Searched for the function public.{name}{with}{unnamed}, but no matches were found in the schema cache."),
        )
    }

    /// PGRST204: a key of the body or of `columns` is no column of the table.
    pub fn unknown_body_column(table: &str, column: &str) -> Self {
        Self::new(
            400,
            "PGRST204",
            format!("Could not find the '{column}' column of '{table}' in the schema cache"),
        )
    }

    /// PGRST205: no such table.
    pub fn no_table(name: &str, meant: Option<&str>) -> Self {
        Self::new(
            404,
            "PGRST205",
            format!("Could not find the table 'public.{name}' in the schema cache"),
        )
        .with_hint_if(meant.map(|other| format!("Perhaps you meant the table 'public.{other}'")))
    }
}
