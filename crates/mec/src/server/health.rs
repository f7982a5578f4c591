//! Whether the server works: `/health` for load balancers, `/livez` and `/readyz` for
//! orchestrators.
//!
//! Asks and shows; a failing look changes nothing.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::api::context::AppState;
use crate::problem::errors::ApiError;
use crate::problem::refusal::store_unavailable;

/// `GET /health`: exactly `{"status": "healthy"}` when the store answers and commands are taken.
///
/// # Errors
/// 503 `MEC_STORE_UNAVAILABLE`.
pub(crate) async fn health(State(state): State<AppState>) -> Result<Response, ApiError> {
    state
        .mec
        .ping()
        .await
        .map_err(|error| store_unavailable(&error))?;
    Ok(json_of(r#"{"status": "healthy"}"#.to_owned()))
}

/// `GET /livez`: the process answers.
pub(crate) async fn livez() -> Response {
    json_of(r#"{"status": "alive"}"#.to_owned())
}

/// `GET /readyz`: whether it is ready, and how it is doing.
///
/// # Errors
/// 503 `MEC_STORE_UNAVAILABLE`, how it is doing in its details.
pub(crate) async fn readyz(State(state): State<AppState>) -> Result<Response, ApiError> {
    match state.mec.ping().await {
        Ok(()) => Ok(json_of(detail(&state, "ready").to_string())),
        Err(error) => Err(store_unavailable(&error).with_details(detail(&state, "not ready"))),
    }
}

fn detail(state: &AppState, status: &str) -> Value {
    let found = state.mec.status();
    json!({
        "status": status,
        "store": if status == "ready" { "usable" } else { "unusable" },
        "queued": found.queued,
        "catalog_version": found.catalog_version,
        "trees_cached": found.trees_cached,
        "cache_bytes": found.cache_bytes,
        "decisions_waiting": found.decisions_waiting,
        "decisions_dropped": found.decisions_dropped,
    })
}

fn json_of(text: String) -> Response {
    (
        [
            (CONTENT_TYPE, "application/json"),
            (CACHE_CONTROL, "no-store"),
        ],
        text,
    )
        .into_response()
}
