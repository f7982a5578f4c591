//! The one shape of an error: four keys of JSON and the headers that PostgREST's clients read.
//!
//! Chooses no code for a domain error; it renders what it is given, and holds the errors of HTTP
//! itself.

use std::borrow::Cow;
use std::fmt;

use axum::Router;
use axum::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use mec_query::QueryError;
use serde::Serialize;

use super::hints;

/// RFC 9209; PostgREST's clients read the error's code from it where a body is missing, as with
/// HEAD.
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

const JSON_UTF8: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// An error as the client sees it: a status and the body `{"code", "message", "details", "hint"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// The HTTP status. 401 adds `WWW-Authenticate: Bearer` (with the reason, where it is about a
    /// token), 503 adds `Retry-After: 1`.
    pub status: StatusCode,
    /// What programs compare: a PostgREST code, an SQLSTATE or one of ours (`MEC_…`). Letters,
    /// digits and `_`.
    pub code: Cow<'static, str>,
    /// What happened, as one sentence for people.
    pub message: String,
    /// What the message leaves out, of any JSON type.
    pub details: Option<Box<serde_json::Value>>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ApiError {
    /// An error without details and hint.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            details: None,
            hint: None,
        }
    }

    /// The same error with these details.
    #[must_use]
    pub fn with_details(self, details: impl Into<serde_json::Value>) -> Self {
        Self {
            details: Some(Box::new(details.into())),
            ..self
        }
    }

    /// The same error with this hint.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// 413 `MEC_BODY_TOO_LARGE`: the request body exceeds `body_bytes_max` bytes.
    pub fn body_too_large(body_bytes_max: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "MEC_BODY_TOO_LARGE",
            format!("The request body is larger than {body_bytes_max} bytes"),
        )
        .with_hint("Send it in several smaller requests")
    }

    /// 408 `MEC_BODY_TIMEOUT`: the request body stopped coming before it was complete.
    pub fn body_timeout() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "MEC_BODY_TIMEOUT",
            "The request body stopped coming, or came too slowly",
        )
        .with_hint("Send the whole request again; the same idempotency key is safe")
    }

    /// 503 `MEC_BUSY`: the request bodies in flight take all the room there is for them.
    pub fn bodies_full() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "MEC_BUSY", "Too many large request bodies are being received at once")
            .with_hint("Nothing was recorded: send the request again in a second; smaller requests need less room")
    }

    /// 500 `MEC_INTERNAL`: a defect of this program. What happened is in its log, under the
    /// request's id.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "MEC_INTERNAL",
            "Internal error",
        )
        .with_hint("The server's log says more under the X-Request-Id of this answer")
    }

    /// What a 401 asks for, and for a token that was not accepted why (RFC 6750).
    fn challenge(&self) -> HeaderValue {
        let is_of_token = matches!(&*self.code, "PGRST301" | "PGRST303");
        let told = || {
            format!(
                "Bearer error=\"invalid_token\", error_description=\"{}\"",
                self.message
            )
        };
        let told = is_of_token
            .then(told)
            .and_then(|told| HeaderValue::try_from(told).ok());
        told.unwrap_or(HeaderValue::from_static("Bearer"))
    }

    /// The body as bytes of JSON, its keys in the documented order.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            code: &'a str,
            message: &'a str,
            details: Option<&'a serde_json::Value>,
            hint: Option<&'a str>,
        }
        let body = Body {
            code: &self.code,
            message: &self.message,
            details: self.details.as_deref(),
            hint: self.hint.as_deref(),
        };
        serde_json::to_vec(&body).expect("strings and JSON values always serialize")
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.status.as_u16(),
            self.code,
            self.message
        )
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.to_json().into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON_UTF8);
        // A code that is no header text still stands in the body, so the answer goes out without
        // the header.
        if let Ok(value) = HeaderValue::try_from(format!("PostgREST; error={}", self.code)) {
            headers.insert(PROXY_STATUS, value);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, self.challenge());
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        Self {
            // A status outside HTTP's range would be our own mistake, and this is how one is
            // answered.
            status: StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            message: error.message,
            details: error.details,
            hint: error
                .hint
                .or_else(|| hints::of(&error.code).map(str::to_owned)),
            code: error.code,
        }
    }
}

/// The router with our answers to unknown paths (404 `PGRST125`) and to methods its paths do not
/// have (405 `PGRST117`).
///
/// Call it last: routes added afterwards keep the plain 405.
pub fn with_fallbacks<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router
        .fallback(async || ApiError::from(QueryError::invalid_path()))
        .method_not_allowed_fallback(async |method: Method| {
            match method {
                // Which methods there are stands in `Allow`, which the router adds.
                Method::OPTIONS => StatusCode::OK.into_response(),
                method => {
                    ApiError::from(QueryError::unsupported_method(method.as_str())).into_response()
                }
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_body_always_has_the_four_keys_in_order() {
        let bare = ApiError::new(StatusCode::BAD_REQUEST, "PGRST102", "Empty or invalid json");
        assert_eq!(
            String::from_utf8(bare.to_json()).expect("UTF-8"),
            r#"{"code":"PGRST102","message":"Empty or invalid json","details":null,"hint":null}"#,
        );
        let full = bare
            .with_details(json!({"line": 3}))
            .with_hint("Check line 3");
        assert_eq!(
            String::from_utf8(full.to_json()).expect("UTF-8"),
            r#"{"code":"PGRST102","message":"Empty or invalid json","details":{"line":3},"hint":"Check line 3"}"#,
        );
    }

    #[test]
    fn an_error_of_the_query_language_keeps_its_status_and_its_four_keys() {
        let error = QueryError::new(416, "PGRST103", "Requested range not satisfiable")
            .with_details("An offset of 9 was requested, but there are only 4 rows.")
            .with_hint("Ask for less");
        assert_eq!(
            ApiError::from(error),
            ApiError::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "PGRST103",
                "Requested range not satisfiable"
            )
            .with_details("An offset of 9 was requested, but there are only 4 rows.")
            .with_hint("Ask for less"),
        );
        assert_eq!(
            ApiError::from(QueryError::new(7, "X", "x")).status.as_u16(),
            500
        );
    }

    #[test]
    fn the_headers_follow_from_status_and_code() {
        let why = r#"Bearer error="invalid_token", error_description="message""#;
        let cases = [
            (
                400,
                "PGRST100",
                Some("PostgREST; error=PGRST100"),
                None,
                None,
            ),
            (
                401,
                "PGRST302",
                Some("PostgREST; error=PGRST302"),
                Some("Bearer"),
                None,
            ),
            (
                401,
                "PGRST301",
                Some("PostgREST; error=PGRST301"),
                Some(why),
                None,
            ),
            (
                401,
                "PGRST303",
                Some("PostgREST; error=PGRST303"),
                Some(why),
                None,
            ),
            (
                503,
                "MEC_BUSY",
                Some("PostgREST; error=MEC_BUSY"),
                None,
                Some("1"),
            ),
            (409, "23505", Some("PostgREST; error=23505"), None, None),
            (400, "line\nbreak", None, None, None),
        ];
        for (status, code, proxy_status, authenticate, retry_after) in cases {
            let status = StatusCode::from_u16(status).expect("a status");
            let response = ApiError::new(status, code, "message").into_response();
            let header = |name: &str| {
                response
                    .headers()
                    .get(name)
                    .map(|value| value.to_str().expect("text").to_owned())
            };
            assert_eq!(response.status(), status);
            assert_eq!(
                header("content-type").as_deref(),
                Some("application/json; charset=utf-8")
            );
            assert_eq!(header("proxy-status").as_deref(), proxy_status, "{code}");
            assert_eq!(
                header("www-authenticate").as_deref(),
                authenticate,
                "{code}"
            );
            assert_eq!(header("retry-after").as_deref(), retry_after, "{code}");
        }
    }
}
