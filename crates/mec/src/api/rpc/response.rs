//! From what a function came to, to the response: the rows and the form that were asked for.
//!
//! What could make the answer of a function that writes fail is refused here before it is called.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use mec_engine::{Mec, MecError};
use mec_query::{
    Budget, Cast, Done, Field, Function, Media, Output, Page, Preferences, Query, QueryError, Read,
    Schema, Scope, SelectItem, Source, Table, Type, Value, content_range_of_total,
};

use crate::api::answers::{Answer, LIMITS, Outcome};
use crate::http::parts;
use crate::problem::errors::ApiError;

/// Set on an answer that was given before, under the same key.
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Rows that are shown at once, on the runtime's threads.
const ROWS_AT_ONCE: usize = 100;

/// What an answer says, and of how many rows.
struct Texts {
    parts: Vec<String>,
    returned: usize,
    total: Option<u64>,
}

/// How an answer is wanted.
pub(super) struct Wanted {
    pub(super) media: Media,
    pub(super) preferences: Preferences,
    pub(super) page: Page,
    pub(super) rows: Rows,
    /// Whether the request named its schema.
    pub(super) names_schema: bool,
    pub(super) now: i64,
}

/// Which of a function's rows are wanted.
pub(super) enum Rows {
    /// It has none: it answers one value.
    None,
    /// All of them with all columns, the limits only where they are explained.
    Plain {
        /// The shape of a row.
        table: Arc<Table>,
        /// Whether the limits were asked for.
        is_explained: bool,
    },
    /// Those a query asks for.
    Read(Box<Read>),
}

/// The rows a query speaks about.
///
/// `*` does not show the limits of an answer that is not explained; `select=limits` always does.
pub(super) fn scope(
    schema: &Schema,
    table: &Arc<Table>,
    query: &Query,
    is_explained: bool,
) -> Result<Scope, QueryError> {
    if is_explained || table.position(LIMITS).is_none() {
        return Scope::relate(schema, table, query);
    }
    let mut query = query.clone();
    let shown = table
        .columns
        .iter()
        .map(|column| column.name)
        .filter(|name| *name != LIMITS);
    let shown: Vec<SelectItem> = shown.map(named).collect();
    let items = query.select.into_iter();
    query.select = items
        .flat_map(|item| {
            if item == SelectItem::All {
                shown.clone()
            } else {
                vec![item]
            }
        })
        .collect();
    Scope::relate(schema, table, &query)
}

fn named(column: &str) -> SelectItem {
    SelectItem::Column {
        field: Field {
            name: column.to_owned(),
            path: vec![],
        },
        alias: None,
        cast: None,
    }
}

/// PGRST127: a filter on a function that answers one value.
pub(super) fn filtered_value(function: &str) -> QueryError {
    QueryError::not_implemented(format!("A filter on {function}, which answers one value."))
}

impl Wanted {
    /// Refuses what could make the answer fail after the effect: `rows` is how many the function
    /// answers.
    pub(super) fn check_before_writing(
        &self,
        query: &Query,
        rows: usize,
    ) -> Result<(), QueryError> {
        let read = match &self.rows {
            Rows::None
                if self.preferences.is_strict() && self.preferences.max_affected.is_some() =>
            {
                return Err(QueryError::max_affected_on_scalar());
            }
            Rows::None => return Ok(()),
            Rows::Plain { .. } => return self.preferences.check_affected(rows),
            Rows::Read(read) => read,
        };
        self.preferences.check_affected(rows)?;
        let not_offered = |what: &str| {
            Err(QueryError::not_implemented(format!(
                "{what} of a function that writes."
            )))
        };
        let to_text = Cast::To(Type::Text { max: None });
        let is_cast = |output: &Output| matches!(&output.source, Source::Column { cast: Some(cast), .. } if *cast != to_text);
        if read.outputs.iter().any(is_cast) {
            return not_offered("A cast other than ::text in the answer");
        }
        if self.page.offset > rows as u64 {
            return Err(QueryError::offset_beyond(self.page.offset, rows as u64));
        }
        if self.media.is_object() {
            if rows != 1 {
                return Err(QueryError::not_singular(rows));
            }
            if query.has_row_filter() || self.page != Page::ALL {
                return not_offered("A filter or page on the single object that is the answer");
            }
        }
        // With a filter fewer rows than these may be counted, and an offset beyond the last of them
        // is refused.
        if self.page.offset > 0 && self.preferences.count.is_some() && query.has_row_filter() {
            return not_offered("An offset into the counted and filtered rows");
        }
        Ok(())
    }

    /// The response to a call of `function`. What takes long is done off the runtime's threads,
    /// unless something was written: then nothing is waited for that could be refused.
    pub(super) async fn response(
        self,
        mec: &Mec,
        function: &Function,
        answer: Answer,
    ) -> Result<Result<Response, ApiError>, MecError> {
        let replayed = answer.replayed;
        let (name, is_long) = (
            function.name,
            function.read_only && answer.outcome.rows() > ROWS_AT_ONCE,
        );
        let (texts, this) = if is_long {
            mec.work(move |budget| Ok((self.texts(name, answer.outcome, budget)?, self)))
                .await?
        } else {
            (
                self.texts(name, answer.outcome, &Budget::unlimited())?,
                self,
            )
        };
        let body = parts::body(mec, texts.parts).await?;
        Ok(this.respond(body, texts.returned, texts.total, replayed))
    }

    fn texts(&self, function: &str, outcome: Outcome, budget: &Budget) -> Result<Texts, MecError> {
        Ok(match (outcome, &self.rows) {
            (Outcome::Scalar(value), _) => Texts {
                parts: vec![self.media.write_value(function, &value)],
                returned: 1,
                total: None,
            },
            (Outcome::Rows(rows), Rows::Read(read)) => {
                let (fetched, total) = read.of_rows(&rows, budget)?;
                let shown = read.show(&fetched, self.now);
                Texts {
                    parts: self.media.write(&shown, budget)?,
                    returned: shown.len(),
                    total: Some(total),
                }
            }
            (
                Outcome::Rows(rows),
                Rows::Plain {
                    table,
                    is_explained,
                },
            ) => {
                let parts = vec![plain(table, *is_explained, &rows)];
                Texts {
                    parts,
                    returned: rows.len(),
                    total: Some(rows.len() as u64),
                }
            }
            (Outcome::Rows(_), Rows::None) => {
                return Err(MecError::Rejected(format!(
                    "{function} answered rows that it does not declare"
                )));
            }
        })
    }

    fn respond(
        &self,
        body: Body,
        returned: usize,
        total: Option<u64>,
        replayed: bool,
    ) -> Result<Response, ApiError> {
        if !matches!(self.rows, Rows::None) {
            self.preferences.check_affected(returned)?;
        }
        let counted = total.filter(|_| self.preferences.count.is_some());
        let page = match &self.rows {
            Rows::None => Page::ALL,
            _ => self.page,
        };
        let page = match page.answer(returned, counted) {
            Ok(page) => page,
            Err(error) => return Ok(beyond(error, counted)),
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(page.status).map_err(|_| ApiError::internal())?;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static(self.media.content_type()),
        );
        headers.insert(VARY, HeaderValue::from_static("Accept, Prefer, Range"));
        insert(headers, CONTENT_RANGE, &page.content_range);
        if let Some(applied) = self.preferences.applied(Done::Call) {
            insert(headers, PREFERENCE_APPLIED, &applied);
        }
        if self.names_schema {
            headers.insert(CONTENT_PROFILE, HeaderValue::from_static("public"));
        }
        if replayed {
            headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(response)
    }
}

/// Rows as a JSON array of objects with all columns.
fn plain(table: &Table, is_explained: bool, rows: &[Vec<Value>]) -> String {
    let mut text = String::with_capacity(2 + rows.len() * 512);
    text.push('[');
    for (place, row) in rows.iter().enumerate() {
        text.push_str(if place == 0 { "{" } else { ",{" });
        let columns = table
            .columns
            .iter()
            .zip(row)
            .filter(|(column, _)| is_explained || column.name != LIMITS);
        for (place, (column, value)) in columns.enumerate() {
            // The names are the program's own, letters and underscores.
            text.push_str(if place == 0 { "\"" } else { ",\"" });
            text.push_str(column.name);
            text.push_str("\":");
            value.write_json(&mut text);
        }
        text.push('}');
    }
    text.push(']');
    text
}

/// A page behind the last row, and how many there are.
fn beyond(error: QueryError, total: Option<u64>) -> Response {
    let mut response = ApiError::from(error).into_response();
    insert(
        response.headers_mut(),
        CONTENT_RANGE,
        &content_range_of_total(total),
    );
    response
}

/// What the program itself wrote is always a header's text; a request's words in it have been
/// checked.
fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}
