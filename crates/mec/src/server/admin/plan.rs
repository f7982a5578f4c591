//! `POST /admin/plan/migrate`: accounts move to the newest version of a plan they are on, each on
//! its own; one that is refused keeps none of the others back.

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use mec_engine::Caller;
use mec_kernel::{AccountId, MigratePlan, PlanMigration};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::context::AppState;
use crate::http::request_id::RequestId;
use crate::problem::errors::ApiError;
use crate::problem::refusal::{Repeat, of_error};

/// Accounts of one request.
pub(crate) const ACCOUNTS_MAX: usize = 100;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Migrate {
    /// The plan or add-on.
    plan_id: String,
    /// Who, at most 100.
    accounts: Vec<Holder>,
    /// Only tell what would happen.
    #[serde(default)]
    dry_run: bool,
}

/// An account that may be on the plan.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Holder {
    account_id: String,
    /// The add-on's name where it was bought; empty where it has none.
    #[serde(default, rename = "ref")]
    reference: String,
}

/// Answers `{"applied", "results": [{account_id, ref, outcome, …}]}`, in the order asked for.
pub(super) async fn migrate(
    State(state): State<AppState>,
    id: RequestId,
    body: Result<axum::Json<Migrate>, JsonRejection>,
) -> Result<Response, ApiError> {
    let bad = |message: String| {
        ApiError::new(StatusCode::BAD_REQUEST, "MEC_BAD_ARGUMENT", message)
            .with_hint("send {\"plan_id\": …, \"accounts\": [{\"account_id\": …, \"ref\": \"\"}], \"dry_run\": false}")
    };
    let axum::Json(asked) = body.map_err(|error| bad(error.body_text()))?;
    if asked.accounts.len() > ACCOUNTS_MAX {
        return Err(bad(format!(
            "One request moves at most {ACCOUNTS_MAX} accounts"
        )));
    }
    let caller = Caller::new("operator", "admin").with_request_id(id.as_str());
    let mut moves = Vec::with_capacity(asked.accounts.len());
    for holder in asked.accounts {
        let account: AccountId = holder
            .account_id
            .parse()
            .map_err(|_| bad(format!("\"{}\" is not an account's id", holder.account_id)))?;
        let command = MigratePlan {
            account,
            plan: asked.plan_id.as_str().into(),
            reference: holder.reference.as_str().into(),
            dry_run: asked.dry_run,
        };
        let (mec, caller) = (state.mec.clone(), caller.clone());
        // All at once, so that they share commits.
        let moved = tokio::spawn(async move { mec.migrate_plan(command, &caller).await });
        moves.push((holder, moved));
    }
    let mut results = Vec::with_capacity(moves.len());
    for (holder, moved) in moves {
        let outcome = match moved.await {
            Ok(Ok(migration)) => told(migration),
            Ok(Err(error)) => refused(of_error(error, &state.mec.catalog(), Repeat::Itself)),
            Err(error) => {
                tracing::error!(%error, account = holder.account_id, "moving an account to its plan's newest version panicked");
                refused(ApiError::internal())
            }
        };
        let mut result = json!({ "account_id": holder.account_id, "ref": holder.reference });
        if let (Value::Object(result), Value::Object(outcome)) = (&mut result, outcome) {
            result.extend(outcome);
        }
        results.push(result);
    }
    Ok(axum::Json(json!({ "applied": !asked.dry_run, "results": results })).into_response())
}

fn told(migration: PlanMigration) -> Value {
    match migration {
        PlanMigration::Moved {
            from,
            to,
            entitlements,
        } => {
            json!({ "outcome": "moved", "from": from, "to": to, "entitlements": entitlements })
        }
        PlanMigration::Newest { version } => {
            json!({ "outcome": "newest", "from": version, "to": version })
        }
        PlanMigration::NotOnPlan => json!({
            "outcome": "refused",
            "code": "MEC_NOT_ON_PLAN",
            "message": "The account is not on this plan now",
        }),
        PlanMigration::NothingInForce => json!({
            "outcome": "refused",
            "code": "MEC_NOTHING_IN_FORCE",
            "message": "Every entitlement it had from this plan was ended by hand; moving it would grant them anew",
        }),
    }
}

fn refused(error: ApiError) -> Value {
    json!({ "outcome": "refused", "code": error.code, "message": error.message, "hint": error.hint })
}
