//! Which path is answered by what.
//!
//! Knows paths only; what a request means is for the handlers.

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{any, get};

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
    errors::with_fallbacks(router).with_state(state)
}
