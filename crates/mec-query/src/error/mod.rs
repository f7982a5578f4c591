//! What a caller is told when a request cannot be answered: PostgREST's four keys and one status.
//!
//! Every code of the wire contract has exactly one constructor, in [`pgrst`] for the gateway's own
//! codes and in [`sqlstate`] for PostgreSQL's. This room never decides *when* an error is raised
//! and never writes HTTP.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

mod pgrst;
mod sqlstate;

pub use pgrst::EmbedCandidate;
pub use sqlstate::status_of_sqlstate;

/// A refused request: the status and the four keys `code`, `message`, `details`, `hint` of its
/// body.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct QueryError {
    /// HTTP status, 300–599.
    pub status: u16,
    /// `PGRSTnnn` or a five-character SQLSTATE.
    pub code: Cow<'static, str>,
    /// One sentence for a person.
    pub message: String,
    /// What exactly was wrong: usually a string, for `PGRST201` a list of candidates.
    pub details: Option<Box<Json>>,
    /// How to put it right.
    pub hint: Option<String>,
}

impl QueryError {
    /// An error with a status, a code and a message; details and hint are added by the `with_`
    /// methods.
    pub fn new(
        status: u16,
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

    /// The same error with a details text.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(Box::new(Json::String(details.into())));
        self
    }

    /// The same error with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with a hint where there is one.
    #[must_use]
    pub fn with_hint_if(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The response body: always all four keys, `null` where empty.
    pub fn body(&self) -> Json {
        let mut body = Map::new();
        body.insert("code".to_owned(), Json::String(self.code.to_string()));
        body.insert("message".to_owned(), Json::String(self.message.clone()));
        body.insert(
            "details".to_owned(),
            self.details.as_deref().cloned().unwrap_or(Json::Null),
        );
        body.insert(
            "hint".to_owned(),
            self.hint.clone().map_or(Json::Null, Json::String),
        );
        Json::Object(body)
    }

    /// The value of the `Proxy-Status` header, the only place where a HEAD request shows its code.
    pub fn proxy_status(&self) -> String {
        format!("PostgREST; error={}", self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_always_has_all_four_keys() {
        let error = QueryError::new(400, "PGRST100", "no");
        assert_eq!(
            error.body().to_string(),
            r#"{"code":"PGRST100","message":"no","details":null,"hint":null}"#
        );
        assert_eq!(error.proxy_status(), "PostgREST; error=PGRST100");
    }
}
