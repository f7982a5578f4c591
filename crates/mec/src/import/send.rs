//! Sending a batch until the outcome of every event is known.
//!
//! What may or may not have been recorded is sent again under its key, which records nothing twice.

use std::sync::Arc;
use std::time::Duration;

use mec_engine::{Caller, MecError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::parcel::{Batch, Item, Rejected};
use super::resolve::{Resolver, Unresolved};
use crate::client::target::{CallError, Target};
use crate::problem::errors::ApiError;
use crate::problem::refusal::{Repeat, of_error};
use crate::terminal::failure::{Exit, Failure};

/// How often a batch is sent until it is given up: with the pauses between, for about half a
/// minute.
const ATTEMPTS_MAX: u32 = 10;
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Codes that say: not now.
const AGAIN: &[&str] = &[
    "MEC_BUSY",
    "MEC_NOT_DONE",
    "MEC_OVERRAN",
    "MEC_OUTCOME_UNKNOWN",
    "MEC_TIMED_OUT",
    "MEC_STOPPED",
];

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) recorded: u64,
    pub(super) replayed: u64,
    pub(super) rejected: Vec<Rejected>,
}

/// What became of an event.
enum Outcome {
    Recorded,
    Replayed,
    Rejected(ApiError),
    /// It is not known or not done; why.
    Again(String),
}

/// Items that can be sent, and those that must wait with the reason.
type Ready = (Vec<Item>, Option<(Vec<Item>, String)>);

/// Sends batches to a target.
pub(super) struct Sender {
    target: Arc<Target>,
    resolver: Resolver,
    caller: Caller,
}

impl Sender {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Self {
            resolver: Resolver::new(target.clone()),
            target,
            caller: Caller::new("operator", "import"),
        }
    }

    /// Sends `batch` until every outcome is known.
    ///
    /// # Errors
    /// The target stays unavailable.
    pub(super) async fn send(&self, batch: Batch) -> Result<Counted, Failure> {
        let mut counted = Counted::default();
        let mut waiting = batch.items;
        let mut pause = PAUSE_MIN;
        for _ in 0..ATTEMPTS_MAX {
            let mut again = Vec::new();
            let mut why = None;
            let (ready, unready) = self.resolve(waiting, &mut counted).await?;
            if let Some((items, problem)) = unready {
                again.extend(items);
                why = Some(problem);
            }
            let outcomes = self.outcomes(&ready).await?;
            for (mut item, outcome) in ready.into_iter().zip(outcomes) {
                match outcome {
                    Outcome::Recorded => counted.recorded += 1,
                    Outcome::Replayed => counted.replayed += 1,
                    // The key is taken, so what is sent again records nothing: it is the same
                    // event, or a conflict still.
                    Outcome::Rejected(error)
                        if error.code == "MEC_IDEMPOTENCY_CONFLICT"
                            && item.event.may_have_omitted_occurred_at() =>
                    {
                        item.event.occurred_at = None;
                        again.push(item);
                    }
                    Outcome::Rejected(error) => {
                        counted
                            .rejected
                            .push(rejected(item, &error.code, error.message))
                    }
                    Outcome::Again(problem) => {
                        again.push(item);
                        why = Some(problem);
                    }
                }
            }
            if again.is_empty() {
                counted.rejected.sort_by_key(|rejected| rejected.line);
                return Ok(counted);
            }
            again.sort_by_key(|item| item.line);
            waiting = again;
            if let Some(problem) = why {
                self.check_alive().await?;
                tracing::warn!(problem, events = waiting.len(), "events are sent again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
        let line = waiting.first().map_or(0, |item| item.line);
        Err(Failure::new(
            Exit::Unavailable,
            format!("the events from line {line} on could not be recorded"),
        )
        .with_hint(
            "import the file again when the store works: what was recorded is not recorded twice",
        ))
    }

    /// A store that failed does not come back in this process.
    async fn check_alive(&self) -> Result<(), Failure> {
        match &*self.target {
            Target::Local { mec, .. } if matches!(mec.ping().await, Err(MecError::Stopped)) => {
                Err(Failure::new(Exit::Io, "the store failed")
                    .with_hint("import the file again: what was recorded stays"))
            }
            _ => Ok(()),
        }
    }

    /// The items whose names lead somewhere; those that lead nowhere are counted as rejected, and
    /// the rest has to wait where the target cannot be asked.
    async fn resolve(&self, items: Vec<Item>, counted: &mut Counted) -> Result<Ready, Failure> {
        let mut ready = Vec::with_capacity(items.len());
        let mut rest = items.into_iter();
        while let Some(mut item) = rest.next() {
            let resolved = match self.resolver.is_settlement_there(&item.event).await {
                Ok(true) => {
                    counted.replayed += 1;
                    continue;
                }
                Ok(false) => self.resolver.resolve(&mut item.event).await,
                Err(unresolved) => Err(unresolved),
            };
            let problem = match resolved {
                Ok(()) => {
                    ready.push(item);
                    continue;
                }
                Err(Unresolved::Line { code, reason }) => {
                    counted.rejected.push(rejected(item, code, reason));
                    continue;
                }
                Err(Unresolved::Engine(error)) => match self.outcome_of(error) {
                    Outcome::Rejected(error) => {
                        counted
                            .rejected
                            .push(rejected(item, &error.code, error.message));
                        continue;
                    }
                    Outcome::Again(problem) => problem,
                    Outcome::Recorded | Outcome::Replayed => continue,
                },
                Err(Unresolved::Target(error)) => not_now(error)?,
            };
            let waiting = std::iter::once(item).chain(rest).collect();
            return Ok((ready, Some((waiting, problem))));
        }
        Ok((ready, None))
    }

    /// One outcome for each item.
    async fn outcomes(&self, items: &[Item]) -> Result<Vec<Outcome>, Failure> {
        if items.is_empty() {
            return Ok(vec![]);
        }
        match &*self.target {
            Target::Local { mec, .. } => {
                // An item without an account was not resolved, and those are not ready.
                let meters = items
                    .iter()
                    .filter_map(|item| item.event.account.map(|account| item.event.meter(account)));
                let outcomes = mec.meter_batch(meters.collect(), &self.caller).await;
                let told = outcomes.into_iter().map(|outcome| match outcome {
                    Ok(recorded) if recorded.replayed => Outcome::Replayed,
                    Ok(_) => Outcome::Recorded,
                    Err(error) => self.outcome_of(error),
                });
                Ok(told.collect())
            }
            Target::Remote { .. } => {
                let events: Vec<Value> = items.iter().map(|item| item.event.json()).collect();
                let answered = self
                    .target
                    .rpc("meter_batch", &json!({ "p_events": events }))
                    .await;
                remote_outcomes(answered.map(|answer| answer.body), items.len())
            }
        }
    }

    fn outcome_of(&self, error: MecError) -> Outcome {
        if let MecError::Busy
        | MecError::NotDone(_)
        | MecError::Overran
        | MecError::OutcomeUnknown(_)
        | MecError::TimedOut
        | MecError::Stopped = error
        {
            return Outcome::Again(error.to_string());
        }
        match &*self.target {
            Target::Local { mec, .. } => {
                Outcome::Rejected(of_error(error, &mec.catalog(), Repeat::Key))
            }
            Target::Remote { .. } => Outcome::Again(error.to_string()),
        }
    }
}

/// What a server answered, for each of `count` events.
fn remote_outcomes(
    answered: Result<bytes::Bytes, CallError>,
    count: usize,
) -> Result<Vec<Outcome>, Failure> {
    #[derive(Deserialize)]
    struct Row {
        status: String,
        error: Option<Told>,
    }
    #[derive(Deserialize)]
    struct Told {
        code: String,
        message: String,
    }
    let all_again = |problem: &str| {
        Ok((0..count)
            .map(|_| Outcome::Again(problem.to_owned()))
            .collect())
    };
    let body = match answered {
        Ok(body) => body,
        Err(error) => return all_again(&not_now(error)?),
    };
    let rows: Vec<Row> = match serde_json::from_slice(&body) {
        Ok(rows) => rows,
        Err(error) => return all_again(&format!("the answer is not understood: {error}")),
    };
    if rows.len() != count {
        return all_again(&format!(
            "the server answered {} outcomes for {count} events",
            rows.len()
        ));
    }
    let told = rows
        .into_iter()
        .map(|row| match (row.status.as_str(), row.error) {
            ("recorded", _) => Outcome::Recorded,
            ("replayed", _) => Outcome::Replayed,
            ("rejected", Some(error)) if !AGAIN.contains(&error.code.as_str()) => {
                Outcome::Rejected(ApiError::new(
                    axum::http::StatusCode::BAD_REQUEST,
                    error.code,
                    error.message,
                ))
            }
            (_, Some(error)) => Outcome::Again(error.message),
            (status, None) => Outcome::Again(status.to_owned()),
        });
    Ok(told.collect())
}

/// Why a target could not do it now; an error where asking again does not help.
fn not_now(error: CallError) -> Result<String, Failure> {
    match error {
        CallError::Unreachable(problem) => Ok(problem),
        CallError::Api(error) if error.status.is_server_error() => Ok(error.to_string()),
        CallError::Api(error) => Err(error.into()),
    }
}

fn rejected(item: Item, code: &str, reason: String) -> Rejected {
    Rejected {
        line: item.line,
        code: code.to_owned(),
        reason,
        raw: item.raw,
    }
}
