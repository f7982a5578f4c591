//! Which path is answered by what.
//!
//! Knows paths only; what a request means is for the handlers.

use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::middleware::from_fn;
use axum::routing::{any, get};
use mec_query::QueryError;

use super::errors::ApiError;
use super::{admin, errors, health, operator};
use crate::api::context::AppState;
use crate::api::{root, rpc, tables};

/// Where the API is found: the second is what supabase clients call it.
const PREFIXES: [&str; 2] = ["/api", "/rest/v1"];

/// Every route of the server, ready to be served.
pub fn router(state: AppState) -> Router {
    let mut router = Router::new()
        .route("/health", get(health::health))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .merge(admin::routes().route_layer(from_fn(operator::require)));
    for prefix in PREFIXES {
        router = router
            .route(prefix, any(root::handle))
            .route(&format!("{prefix}/"), any(root::handle))
            .route(&format!("{prefix}/rpc/{{name}}"), any(rpc::handle))
            .route(&format!("{prefix}/{{table}}"), any(tables::handle));
    }
    errors::with_fallbacks(router).fallback(unknown).with_state(state)
}

/// 404 `PGRST125`; below the API only for those who may know.
async fn unknown(State(state): State<AppState>, OriginalUri(uri): OriginalUri, headers: HeaderMap) -> ApiError {
    let is_below = |prefix: &str| uri.path().strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    let known = if PREFIXES.into_iter().any(is_below) { state.identify(&headers).map(drop) } else { Ok(()) };
    known.err().unwrap_or_else(|| QueryError::invalid_path().into())
}
