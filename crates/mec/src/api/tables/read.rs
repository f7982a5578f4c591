//! GET and HEAD.

use axum::http::header::{CONTENT_LOCATION, VARY};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use mec_engine::{MecError, Reading};
use mec_query::{Done, Media, Page, PageAnswer, QueryError, Scope, content_range_of_total};

use super::Asked;
use super::answer::{self, Answer};
use crate::http::parts;
use crate::problem::errors::ApiError;
use crate::problem::refusal::Repeat;

/// Rows of one answer. PostgREST has no such limit unless one is set; a client that wants more
/// reads page by page.
const ROWS_MAX: u64 = 10_000;

/// What a read found.
enum Found {
    /// A page, and its text in parts.
    Page(PageAnswer, Vec<String>),
    /// A page behind the last row, and how many there are.
    Beyond(QueryError, Option<u64>),
}

impl Asked<'_> {
    pub(super) async fn read(&self) -> Result<Response, ApiError> {
        let (scope, page, now) = (self.scope.clone(), self.page.capped(ROWS_MAX), self.now);
        let (media, is_counted) = (self.media, self.preferences.count.is_some());
        let found = self
            .state
            .mec
            .read_tables(move |reading| find(reading, &scope, page, now, media, is_counted));
        let found = found
            .await
            .map_err(|error| self.refused(error, Repeat::Question))?;
        let (found, turn) = (found.value, found.turn);
        let (part, parts) = match found {
            Found::Page(part, parts) => (part, parts),
            Found::Beyond(error, total) => return Ok(beyond(error, total)),
        };
        // Its turn has not ended, so that no more text is made than there is room for.
        let body = parts::body(&self.state.mec, parts)
            .await
            .map_err(|error| self.refused(error, Repeat::Question))?;
        drop(turn);
        let answer = Answer {
            status: StatusCode::from_u16(part.status).map_err(|_| ApiError::internal())?,
            content_range: part.content_range,
            body: Some((self.media.content_type(), body)),
            done: Done::Read,
        };
        let mut response = self.respond(answer);
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Accept, Prefer, Range"));
        answer::insert(headers, CONTENT_LOCATION, &content_location(self.uri));
        Ok(response)
    }
}

/// Everything about a read that takes long.
fn find(
    reading: &Reading<'_>,
    scope: &Scope,
    page: Page,
    now: i64,
    media: Media,
    is_counted: bool,
) -> Result<Found, MecError> {
    let read = scope.read(page, now)?;
    let fetched = reading.fetch(&read)?;
    let returned = fetched.rows.len();
    // The page holds the last row, so nothing needs to be counted.
    let holds_last = (returned > 0 || page.offset == 0)
        && page.limit.is_none_or(|limit| (returned as u64) < limit);
    let total = match is_counted {
        false => None,
        true if holds_last => Some(page.offset + returned as u64),
        true => Some(reading.count(&read.table, &read.filter)?),
    };
    match page.answer(returned, total) {
        Ok(part) => Ok(Found::Page(
            part,
            media.write(&read.show(&fetched, now), reading.budget)?,
        )),
        Err(error) => Ok(Found::Beyond(error, total)),
    }
}

/// A page behind the last row, and how many there are.
fn beyond(error: QueryError, total: Option<u64>) -> Response {
    let mut response = ApiError::from(error).into_response();
    answer::insert(
        response.headers_mut(),
        axum::http::header::CONTENT_RANGE,
        &content_range_of_total(total),
    );
    response
}

/// The path with its parameters sorted by key: one text for one question.
fn content_location(uri: &Uri) -> String {
    let Some(query) = uri.query().filter(|query| !query.is_empty()) else {
        return uri.path().to_owned();
    };
    let mut parameters: Vec<&str> = query.split('&').collect();
    parameters.sort_by_key(|parameter| parameter.split('=').next());
    format!("{}?{}", uri.path(), parameters.join("&"))
}
