//! What every answer of a table has in common.

use axum::body::Body;
use axum::http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, WARNING};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use mec_query::Done;

use super::Asked;

const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// An answer before it is HTTP.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_range: String,
    /// Content type and text; `None` is an answer without a body, as most writes have.
    pub(super) body: Option<(&'static str, Body)>,
    /// What was done, which decides the preferences that are said to be applied.
    pub(super) done: Done,
}

impl Asked<'_> {
    pub(super) fn respond(&self, answer: Answer) -> Response {
        let (content_type, body) = match answer.body {
            Some((content_type, body)) => (Some(content_type), body),
            None => (None, Body::empty()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        insert(headers, CONTENT_RANGE, &answer.content_range);
        if let Some(applied) = self.preferences.applied(answer.done) {
            insert(headers, PREFERENCE_APPLIED, &applied);
        }
        if let Some((name, alias)) = self.scope.misnamed() {
            let plain = |name: &str| name.replace(['"', '\\'], "");
            let (name, alias) = (plain(name), plain(alias));
            let warning = format!(
                "299 PostgREST \"An embedded resource that has an alias was named by its relation, which will stop working; write `{alias}` instead of `{name}`\""
            );
            insert(headers, WARNING, &warning);
        }
        if self.names_schema {
            headers.insert(CONTENT_PROFILE, HeaderValue::from_static("public"));
        }
        response
    }
}

/// What the program itself wrote is always a header's text; a request's words in it have been
/// checked.
pub(super) fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}
