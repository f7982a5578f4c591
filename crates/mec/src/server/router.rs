//! Which path is answered by what.
//!
//! Knows paths only; what a request means is for the handlers.

use axum::Router;
use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use mec_query::QueryError;

use super::{admin, health};
use crate::api::context::AppState;
use crate::api::{root, rpc, tables};
use crate::http::operator;
use crate::problem::errors;
use crate::problem::errors::ApiError;

/// Where the API is found: the second is what supabase clients call it.
const PREFIXES: [&str; 2] = ["/api", "/rest/v1"];

/// Every route of the server, ready to be served.
pub fn router(state: AppState) -> Router {
    let mut router = health_routes()
        .merge(admin::routes().route_layer(from_fn_with_state(state.clone(), require_operator)));
    for prefix in PREFIXES {
        router = api(router, prefix);
    }
    errors::with_fallbacks(router)
        .fallback(unknown)
        .with_state(state)
}

/// The tables and functions at the root, for clients that know a PostgREST.
pub fn compatible(state: AppState) -> Router {
    let router = api(health_routes(), "");
    errors::with_fallbacks(router).with_state(state)
}

/// The state of the server, and for everything else that webhooks are not there yet.
pub fn webhooks(state: AppState) -> Router {
    let absent = async || {
        ApiError::new(StatusCode::NOT_FOUND, "MEC_NOT_BUILT", "This version has no webhooks")
            .with_hint("They come with a later version; use GET /health here, and the API on the server's other ports")
    };
    health_routes()
        .fallback(absent)
        .method_not_allowed_fallback(absent)
        .with_state(state)
}

fn health_routes() -> Router<AppState> {
    Router::new()
        .route("/health", get(health::health))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
}

/// The API below `prefix`.
fn api(router: Router<AppState>, prefix: &str) -> Router<AppState> {
    let router = if prefix.is_empty() {
        router
    } else {
        router.route(prefix, any(root::handle))
    };
    router
        .route(&format!("{prefix}/"), any(root::handle))
        .route(&format!("{prefix}/rpc/{{name}}"), any(rpc::handle))
        .route(&format!("{prefix}/{{table}}"), any(tables::handle))
}

/// Hands a request on if it is an operator's: where callers are asked who they are, an admin's.
async fn require_operator(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let checked = if state.auth.is_asking() {
        state
            .identify(request.headers())
            .and_then(|identity| identity.check_admin())
    } else {
        operator::check_request(&request)
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// 404 `PGRST125`; below the API only for those who may know.
async fn unknown(
    State(state): State<AppState>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> ApiError {
    let is_below = |prefix: &str| {
        uri.path()
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    let known = if PREFIXES.into_iter().any(is_below) {
        state.identify(&headers).map(drop)
    } else {
        Ok(())
    };
    known
        .err()
        .unwrap_or_else(|| QueryError::invalid_path().into())
}
