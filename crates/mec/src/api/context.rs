//! What every request of the API is handled with: the engine, the schema of what can be named, and
//! who asks.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use mec_engine::{Caller, Mec};
use mec_kernel::{Actor, Code};
use mec_query::{Preferences, QueryError, Schema};

use crate::http::auth::{Auth, Identity};
use crate::http::request_id::RequestId;
use crate::problem::errors::ApiError;
use crate::problem::refusal::{self, Repeat};

/// The one schema there is; clients name it in their profile headers.
const SCHEMA: &str = "public";

/// Bytes of a body that is read on the runtime's threads.
const BODY_AT_ONCE: usize = 64 << 10;

/// What requests are handled with. Cloning it copies pointers.
#[derive(Clone, Debug)]
pub struct AppState {
    /// The engine.
    pub mec: Arc<Mec>,
    /// Every table and function a request may name, made once.
    pub schema: Arc<Schema>,
    pub(crate) auth: Auth,
    anonymous: Actor,
}

impl AppState {
    /// The API of `mec` with these tables and functions, open to everybody.
    pub(super) fn of(mec: Arc<Mec>, schema: Schema) -> Self {
        let anonymous = Actor {
            name: "anonymous".into(),
            source: "api".into(),
            reason: None,
        };
        Self {
            mec,
            schema: Arc::new(schema),
            auth: Auth::open(),
            anonymous,
        }
    }

    /// The same, asking callers as `auth` says.
    #[must_use]
    pub fn with_auth(self, auth: Auth) -> Self {
        Self { auth, ..self }
    }

    /// Who sends these headers.
    ///
    /// # Errors
    /// As [`Auth::identify`].
    pub(crate) fn identify(&self, headers: &HeaderMap) -> Result<Identity, ApiError> {
        self.auth.identify(headers, self.mec.now())
    }

    /// Reads a body, off the runtime's threads where that takes long.
    ///
    /// # Errors
    /// What `read` answers; 503 where nobody has time for it.
    pub(crate) async fn read_body<T: Send + 'static>(
        &self,
        body: &Bytes,
        read: impl FnOnce(&[u8]) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, ApiError> {
        if body.len() <= BODY_AT_ONCE {
            return Ok(read(body)?);
        }
        let body = body.clone();
        let outcome = self.mec.work(move |_| Ok(read(&body)?)).await;
        outcome.map_err(|error| refusal::of_error(error, &self.mec.catalog(), Repeat::Question))
    }
}

/// Why a caller changes something, in their words: the audit of entitlements keeps it.
pub(crate) const X_MEC_REASON: HeaderName = HeaderName::from_static("x-mec-reason");
/// Characters of a reason.
const REASON_CHARS_MAX: usize = 200;

fn stated_reason(headers: &HeaderMap) -> Result<Option<Code>, ApiError> {
    let Some(value) = headers.get(&X_MEC_REASON) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value.as_bytes())
        .unwrap_or_default()
        .trim();
    if text.is_empty()
        || text.chars().count() > REASON_CHARS_MAX
        || text.chars().any(char::is_control)
    {
        let message =
            format!("The header X-Mec-Reason must be 1 to {REASON_CHARS_MAX} characters of UTF-8");
        return Err(
            ApiError::new(StatusCode::BAD_REQUEST, "MEC_BAD_ARGUMENT", message)
                .with_hint("Shorten the reason, or omit the header"),
        );
    }
    Ok(Some(text.into()))
}

/// Who asks, through the API. As the first extractor of a handler it comes before everything else
/// that may be wrong.
#[derive(Debug)]
pub(crate) struct Asker {
    /// Who they have proved to be.
    pub(crate) identity: Identity,
    /// The same as the engine takes it.
    pub(crate) caller: Caller,
}

impl FromRequestParts<AppState> for Asker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let identity = state.identify(&parts.headers)?;
        let mut actor = state.anonymous.clone();
        if let Some(name) = identity.name() {
            actor.name = name.clone();
        }
        actor.reason = stated_reason(&parts.headers)?;
        let request_id = RequestId::settle(&mut parts.headers).as_str().into();
        let caller = Caller {
            actor,
            request_id: Some(request_id),
            staleness_max: None,
            access: identity.access(),
        };
        Ok(Self { identity, caller })
    }
}

/// A header's text; one that is not text is as good as none.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What the request prefers.
///
/// # Errors
/// PGRST122 for an unknown preference under `handling=strict`.
pub(crate) fn preferences(headers: &HeaderMap) -> Result<Preferences, QueryError> {
    let preferences = Preferences::parse(
        headers
            .get_all("prefer")
            .iter()
            .filter_map(|value| value.to_str().ok()),
    );
    preferences.check()?;
    Ok(preferences)
}

/// Whether the request named its schema (`Accept-Profile` of a read, `Content-Profile` of anything
/// else), in which case the answer names it too.
///
/// # Errors
/// PGRST106 for a schema other than `public`.
pub(crate) fn names_schema(method: &Method, headers: &HeaderMap) -> Result<bool, QueryError> {
    let name = if matches!(*method, Method::GET | Method::HEAD) {
        "accept-profile"
    } else {
        "content-profile"
    };
    match headers.get(name) {
        None => Ok(false),
        Some(schema) if schema == SCHEMA => Ok(true),
        Some(schema) => Err(QueryError::invalid_schema(&String::from_utf8_lossy(
            schema.as_bytes(),
        ))),
    }
}
