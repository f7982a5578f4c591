//! What every request of the API is handled with: the engine, the catalogue of what can be named, and who asks.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, Method};
use mec_engine::{Caller, Mec};
use mec_kernel::Actor;
use mec_query::{Catalogue, Preferences, QueryError};

use super::functions::functions;
use crate::http::request_id::RequestId;

/// The one schema there is; clients name it in their profile headers.
const SCHEMA: &str = "public";

/// What requests are handled with. Cloning it copies pointers.
#[derive(Clone, Debug)]
pub struct AppState {
    /// The engine.
    pub mec: Arc<Mec>,
    /// Every table and function a request may name, made once.
    pub catalogue: Arc<Catalogue>,
    anonymous: Actor,
}

impl AppState {
    /// The API of `mec`.
    pub fn new(mec: Arc<Mec>) -> Self {
        let catalogue = Catalogue::new(mec_store::tables::tables(), functions())
            .expect("the program's own tables and functions do not contradict each other, as its tests show");
        Self::of_catalogue(mec, catalogue)
    }

    /// The API of `mec` over another catalogue, whose tables are among its plain ones.
    pub fn of_catalogue(mec: Arc<Mec>, catalogue: Catalogue) -> Self {
        Self { mec, catalogue: Arc::new(catalogue), anonymous: Actor { name: "anonymous".into(), source: "api".into() } }
    }

    /// Who asks: nobody in particular, through the API.
    pub(crate) fn caller(&self, id: &RequestId) -> Caller {
        Caller { actor: self.anonymous.clone(), request_id: Some(id.as_str().into()), staleness_max: None }
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
    let preferences = Preferences::parse(headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()));
    preferences.check()?;
    Ok(preferences)
}

/// Whether the request named its schema (`Accept-Profile` of a read, `Content-Profile` of anything else), in which
/// case the answer names it too.
///
/// # Errors
/// PGRST106 for a schema other than `public`.
pub(crate) fn names_schema(method: &Method, headers: &HeaderMap) -> Result<bool, QueryError> {
    let name = if matches!(*method, Method::GET | Method::HEAD) { "accept-profile" } else { "content-profile" };
    match headers.get(name) {
        None => Ok(false),
        Some(schema) if schema == SCHEMA => Ok(true),
        Some(schema) => Err(QueryError::invalid_schema(&String::from_utf8_lossy(schema.as_bytes()))),
    }
}
