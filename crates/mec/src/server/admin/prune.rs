//! `POST /admin/prune?before=&dry_run=`: old rows leave the decision log, a part of them per
//! request.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use mec_kernel::Time;
use serde::Deserialize;
use serde_json::json;

use crate::api::context::AppState;
use crate::problem::errors::ApiError;
use crate::problem::refusal::{Repeat, of_error};

/// Commits of one request: it ends well within the time a client waits.
const COMMITS_MAX: usize = 20;

/// What is removed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    /// What was decided before it; what is kept no longer by itself, where it is not given.
    before: Option<String>,
    /// Only count.
    #[serde(default)]
    dry_run: bool,
}

/// Answers `{"before", "rows", "has_more", "applied"}`: ask again with the same `before` while
/// there is more.
pub(super) async fn prune(
    State(state): State<AppState>,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Response, ApiError> {
    let bad = |message: String| {
        ApiError::new(StatusCode::BAD_REQUEST, "MEC_BAD_ARGUMENT", message).with_hint(
            "before is an instant such as 2026-01-30T12:00:00Z, dry_run is true or false",
        )
    };
    let Query(how) = how.map_err(|error| bad(error.body_text()))?;
    let failed = |error| of_error(error, &state.mec.catalog(), Repeat::Itself);
    let before = match &how.before {
        Some(text) => text
            .parse::<Time>()
            .map_err(|_| bad(format!("\"{text}\" is not an instant")))?,
        None => {
            let kept = i64::try_from(state.mec.decisions_kept().as_secs()).unwrap_or(i64::MAX);
            state.mec.now().plus_seconds(kept.saturating_neg())
        }
    };
    let (mut rows, mut has_more) = (0, false);
    if how.dry_run {
        rows = state.mec.count_decisions(before).await.map_err(failed)?;
    } else {
        for _ in 0..COMMITS_MAX {
            let pruned = state.mec.prune_decisions(before).await.map_err(failed)?;
            rows = rows.saturating_add(u64::try_from(pruned.removed).unwrap_or(u64::MAX));
            has_more = pruned.has_more;
            if !has_more {
                break;
            }
        }
    }
    let answer = json!({ "applied": !how.dry_run, "before": before.to_string(), "rows": rows, "has_more": has_more });
    Ok(axum::Json(answer).into_response())
}
