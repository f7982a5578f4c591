//! `/admin`: what an operator's command line asks of a running server.
//!
//! The catalog as a file: `GET /admin/catalog` writes it, `POST /admin/catalog?prune=&dry_run=`
//! applies one, all of it or nothing, and answers the difference. The decision log pruned, accounts
//! moved to a plan's newest version.

mod plan;
mod prune;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use mec_engine::catalog_file::{self, CatalogFile};
use mec_engine::{Applied, Caller, Intent};
use mec_kernel::{CatalogChange, KeptRow};
use serde::Deserialize;
use serde_json::json;

pub(crate) use self::plan::ACCOUNTS_MAX;

use crate::api::context::AppState;
use crate::http::request_id::RequestId;
use crate::problem::errors::ApiError;
use crate::problem::refusal::{Repeat, of_error, of_refusal};

/// The routes of this file.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/admin/catalog", get(export).post(apply))
        .route("/admin/plan/migrate", post(plan::migrate))
        .route("/admin/prune", post(prune::prune))
}

/// How a file is applied.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Apply {
    /// Also remove what the file does not name.
    #[serde(default)]
    prune: bool,
    /// Only tell what would change.
    #[serde(default)]
    dry_run: bool,
}

async fn export(State(state): State<AppState>) -> Response {
    let text = catalog_file::render(&state.mec.catalog());
    ([(CONTENT_TYPE, "application/toml; charset=utf-8")], text).into_response()
}

async fn apply(
    State(state): State<AppState>,
    how: Result<Query<Apply>, axum::extract::rejection::QueryRejection>,
    id: RequestId,
    body: Bytes,
) -> Result<Response, ApiError> {
    let Query(how) = how.map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "MEC_BAD_ARGUMENT",
            error.body_text(),
        )
        .with_hint("prune and dry_run are true or false")
    })?;
    let file = read(&body)?;
    let before = state.mec.catalog();
    let left = if how.prune {
        vec![]
    } else {
        file.left(&before)
    };
    let caller = Caller::new("operator", "admin").with_request_id(id.as_str());
    let intent = if how.dry_run {
        Intent::Show
    } else {
        Intent::Make
    };
    let applied = state
        .mec
        .apply_catalog_file(&caller, file, how.prune, intent)
        .await;
    let Applied { changes, kept } =
        applied.map_err(|error| of_error(error, &before, Repeat::Itself))?;
    let mut stays = difference(&before, &left);
    for KeptRow { removal, refusal } in &kept {
        let reason = of_refusal(refusal, Some(&before)).message;
        stays.extend(
            difference(&before, std::slice::from_ref(removal))
                .into_iter()
                .map(|mut row| {
                    row["reason"] = reason.as_str().into();
                    row
                }),
        );
    }
    let answer = json!({ "applied": !how.dry_run, "changes": difference(&before, &changes), "stays": stays });
    Ok(axum::Json(answer).into_response())
}

fn read(body: &Bytes) -> Result<CatalogFile, ApiError> {
    let bad = |message: String| ApiError::new(StatusCode::BAD_REQUEST, "MEC_BAD_CATALOG", message);
    let text = std::str::from_utf8(body).map_err(|_| {
        bad("The catalog file is not UTF-8".to_owned())
            .with_hint("Save it as UTF-8 text and send it again")
    })?;
    catalog_file::parse(text).map_err(|error| {
        bad(format!(
            "line {}, {}: {}",
            error.line, error.place, error.problem
        ))
        .with_hint(error.hint)
    })
}

fn difference(before: &mec_kernel::Catalog, changes: &[CatalogChange]) -> Vec<serde_json::Value> {
    let lines = catalog_file::diff(before, changes);
    lines.into_iter().map(|line| json!({ "sign": line.sign.to_string(), "what": line.what, "detail": line.detail })).collect()
}
