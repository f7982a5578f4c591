//! GET and HEAD.

use axum::http::header::{CONTENT_LOCATION, VARY};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use mec_query::{Done, QueryError, content_range_of_total};

use super::Asked;
use super::answer::{self, Answer};
use crate::api::refusal::Repeat;
use crate::http::errors::ApiError;

/// Rows of one answer. PostgREST has no such limit unless one is set; a client that wants more reads page by page.
const ROWS_MAX: u64 = 10_000;

impl Asked<'_> {
    pub(super) async fn read(&self) -> Result<Response, ApiError> {
        let page = self.page.capped(ROWS_MAX);
        let read = self.scope.read(page, self.now)?;
        let (read, fetched) = self.state.mec.fetch(read).await.map_err(|error| self.refused(error, Repeat::Question))?;
        let returned = fetched.rows.len();
        let total = match self.preferences.count {
            None => None,
            // The page holds the last row, so nothing needs to be counted.
            Some(_) if (returned > 0 || page.offset == 0) && page.limit.is_none_or(|limit| (returned as u64) < limit) => {
                Some(page.offset + returned as u64)
            }
            Some(_) => {
                let counted = self.state.mec.count(self.table.clone(), read.filter.clone()).await;
                Some(counted.map_err(|error| self.refused(error, Repeat::Question))?)
            }
        };
        let part = match page.answer(returned, total) {
            Ok(part) => part,
            Err(error) => return Ok(beyond(error, total)),
        };
        let text = self.media.write(&read.show(&fetched, self.now)?)?;
        let answer = Answer {
            status: StatusCode::from_u16(part.status).map_err(|_| ApiError::internal())?,
            content_range: part.content_range,
            body: Some((self.media.content_type(), text)),
            done: Done::Read,
        };
        let mut response = self.respond(answer);
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Accept, Prefer, Range"));
        answer::insert(headers, CONTENT_LOCATION, &content_location(self.uri));
        Ok(response)
    }
}

/// A page behind the last row, and how many there are.
fn beyond(error: QueryError, total: Option<u64>) -> Response {
    let mut response = ApiError::from(error).into_response();
    answer::insert(response.headers_mut(), axum::http::header::CONTENT_RANGE, &content_range_of_total(total));
    response
}

/// The path with its parameters sorted by key: one text for one question.
fn content_location(uri: &Uri) -> String {
    let Some(query) = uri.query().filter(|query| !query.is_empty()) else { return uri.path().to_owned() };
    let mut parameters: Vec<&str> = query.split('&').collect();
    parameters.sort_by_key(|parameter| parameter.split('=').next());
    format!("{}?{}", uri.path(), parameters.join("&"))
}
