//! `/rpc/{name}`: a request becomes the arguments of a function, what it answers becomes a
//! response.
//!
//! The refusals come in the order of PostgREST: method, query string, body, name, embeds, headers,
//! values. A function that writes is called only when nothing about its answer can fail any more,
//! because what is recorded stays so.

mod acquire_lease;
mod cancel_plan;
mod check_entitlement;
mod check_entitlements;
mod consume;
mod correct_consumption;
mod get_usage;
mod get_window_boundaries;
mod meter_batch;
mod meter_consumption;
mod provision_plan;
mod release_lease;
mod release_reservation;
mod renew_lease;
mod reserve;
mod response;
mod settle_reservation;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use mec_query::{
    Call, Function, GivenArguments, Media, Page, Produces, Query, QueryError, Returns, Schema,
    Target,
};

use self::response::{Rows, Wanted};
use super::arguments::Arguments;
use super::context::{self, AppState, Asker, names_schema};
use super::verb::{self, Verb, Work};
use crate::problem::errors::ApiError;
use crate::problem::refusal::{self, Repeat};

/// Every function, in the order of the API's documents.
pub(crate) const VERBS: &[Verb] = &[
    check_entitlement::VERB,
    check_entitlements::VERB,
    meter_consumption::VERB,
    meter_batch::VERB,
    correct_consumption::VERB,
    consume::VERB,
    reserve::VERB,
    settle_reservation::VERB,
    release_reservation::VERB,
    acquire_lease::VERB,
    renew_lease::VERB,
    release_lease::VERB,
    provision_plan::VERB,
    cancel_plan::VERB,
    get_usage::VERB,
    get_window_boundaries::VERB,
];

/// The same for the query language.
pub fn functions() -> Vec<Function> {
    VERBS.iter().map(Verb::function).collect()
}

fn verb_of(function: &Function) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == function.name)
}

/// Answers a request of `/rpc/{name}`, whatever its method.
pub(crate) async fn handle(
    State(state): State<AppState>,
    asker: Asker,
    method: Method,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Ok(Path(name)) = name else {
        return ApiError::from(QueryError::invalid_path()).into_response();
    };
    let request = Request {
        method,
        name,
        query: query.unwrap_or_default(),
        headers,
        body,
    };
    match request.answer(&state, &asker).await {
        Err(error) if error.status == StatusCode::METHOD_NOT_ALLOWED => {
            allowing(error.into_response(), request.allowed(&state))
        }
        answered => answered.unwrap_or_else(IntoResponse::into_response),
    }
}

struct Request {
    method: Method,
    name: String,
    query: String,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
}

impl Request {
    async fn answer(&self, state: &AppState, asker: &Asker) -> Result<Response, ApiError> {
        let names_schema = names_schema(&self.method, &self.headers)?;
        let reads = match self.method {
            Method::GET | Method::HEAD => true,
            Method::POST => false,
            Method::OPTIONS => return self.options(state),
            _ => return Err(QueryError::rpc_method(self.method.as_str()).into()),
        };
        let query = Query::parse(&self.query, if reads { Target::Call } else { Target::Rows })?;
        let range = if self.method == Method::GET {
            context::header(&self.headers, &RANGE)
        } else {
            None
        };
        let page = Page::of_request(&query, range)?;
        let is_plain = self.is_plain() && page == Page::ALL;
        let now = state.mec.now().micros();
        let (call, arguments) = match reads {
            true => called(
                &state.schema,
                &self.name,
                GivenArguments::of_query(&query),
                now,
            )?,
            false => self.called_with_body(state, now).await?,
        };
        let function = call.function();
        let verb = verb_of(function).ok_or_else(ApiError::internal)?;
        let is_explained = arguments
            .as_ref()
            .is_ok_and(|arguments| arguments.flag("explain"));
        let scope = match &function.returns {
            Returns::Table(table) if !is_plain => {
                Some(response::scope(&state.schema, table, &query, is_explained)?)
            }
            Returns::Table(_) => None,
            _ if query.logic.is_empty() => None,
            _ => return Err(response::filtered_value(function.name).into()),
        };
        let media = Media::negotiate(context::header(&self.headers, &ACCEPT), Produces::Rows)?;
        let preferences = context::preferences(&self.headers)?;
        if !function.read_only {
            asker
                .identity
                .check_write(format_args!("function {}", function.name))?;
        }
        if reads && !function.read_only {
            return Err(QueryError::read_only_call().into());
        }
        let rows = match (&function.returns, scope) {
            (Returns::Table(_), Some(scope)) if query.has_regular_expression() => {
                let read = state.mec.work(move |_| Ok(scope.read(page, now)?)).await;
                Rows::Read(Box::new(read.map_err(|error| {
                    refusal::of_error(error, &state.mec.catalog(), Repeat::Question)
                })?))
            }
            (Returns::Table(_), Some(scope)) => Rows::Read(Box::new(scope.read(page, now)?)),
            (Returns::Table(table), None) => Rows::Plain {
                table: table.clone(),
                is_explained,
            },
            _ => Rows::None,
        };
        let arguments = arguments?;
        let wanted = Wanted {
            media,
            preferences,
            page,
            rows,
            names_schema,
            now,
        };
        let (rows, work) = match verb.work {
            Work::Once(work) => (
                1,
                work(verb::Call {
                    mec: &state.mec,
                    caller: &asker.caller,
                    arguments,
                }),
            ),
            Work::Batch(work) => {
                let events = meter_batch::events_of(&call)?;
                (
                    events.len(),
                    work(verb::Batch {
                        state,
                        caller: &asker.caller,
                        events,
                        now,
                    }),
                )
            }
        };
        // Nothing has been begun yet.
        if !function.read_only {
            wanted.check_before_writing(&query, rows)?;
        }
        let answer = work.await;
        let answer = answer.map_err(|failure| failure.shown(&state.mec.catalog(), verb.repeat))?;
        let refused = |error| refusal::of_error(error, &state.mec.catalog(), Repeat::Question);
        wanted
            .response(&state.mec, function, answer)
            .await
            .map_err(refused)?
    }

    /// Whether all columns of all rows are wanted as JSON: the usual call, which is answered
    /// without asking the query language about each column.
    fn is_plain(&self) -> bool {
        self.query.is_empty()
            && matches!(
                context::header(&self.headers, &ACCEPT),
                None | Some("*/*" | "application/json")
            )
    }

    async fn called_with_body(
        &self,
        state: &AppState,
        now: i64,
    ) -> Result<(Call, TypedArguments), ApiError> {
        // Too large or too slow a body is answered by the listener in place of this.
        let body = self.body.as_ref().map_err(|_| refusal::unreadable_body())?;
        let content_type = context::header(&self.headers, &CONTENT_TYPE).map(str::to_owned);
        let (schema, name) = (state.schema.clone(), self.name.clone());
        let read = move |body: &[u8]| {
            let given = GivenArguments::of_body(content_type.as_deref(), body)?;
            called(&schema, &name, given, now)
        };
        state.read_body(body, read).await
    }

    fn options(&self, state: &AppState) -> Result<Response, ApiError> {
        match state.schema.find_function(&self.name) {
            Some(function) => Ok(allowing(
                StatusCode::OK.into_response(),
                function.allow_header(),
            )),
            // Looked up without arguments, so that the refusal proposes a name.
            None => match Call::find(
                &state.schema,
                &self.name,
                GivenArguments::of_query(&Query::default()),
            ) {
                Ok(_) => Err(ApiError::internal()),
                Err(error) => Err(error.into()),
            },
        }
    }

    fn allowed(&self, state: &AppState) -> &'static str {
        state
            .schema
            .find_function(&self.name)
            .map_or("OPTIONS,GET,HEAD,POST", |function| function.allow_header())
    }
}

/// Typed, or why they cannot be: told after the errors of everything that is not an argument.
type TypedArguments = Result<Arguments, ApiError>;

fn called(
    schema: &Schema,
    name: &str,
    given: GivenArguments,
    now: i64,
) -> Result<(Call, TypedArguments), QueryError> {
    let call = Call::find(schema, name, given)?;
    // The events of a batch are read one by one later, so that one does not spoil the others.
    let arguments = match verb_of(call.function()).map(|verb| &verb.work) {
        Some(Work::Batch(_)) => Ok(Arguments::none(call.function())),
        _ => Arguments::of_call(&call, now),
    };
    Ok((call, arguments))
}

fn allowing(mut response: Response, allow: &'static str) -> Response {
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allow));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_and_its_parts_say_what_they_mean() {
        for (verb, function) in VERBS.iter().zip(functions()) {
            assert!(
                verb.aliases.contains(&format!("fn_{}", verb.name).as_str()),
                "{}",
                verb.name
            );
            assert_eq!(
                (function.name, &function.aliases[..]),
                (verb.name, verb.aliases)
            );
            assert!(!function.description.is_empty(), "{}", function.name);
            for param in &function.params {
                let is_said = param.name.starts_with("p_") && !param.description.is_empty();
                assert!(is_said, "{}.{}", function.name, param.name);
            }
            for column in function.rows().iter().flat_map(|table| &table.columns) {
                assert!(
                    !column.description.is_empty(),
                    "{}.{}",
                    function.name,
                    column.name
                );
            }
        }
    }

    #[test]
    fn only_questions_can_be_asked_by_get() {
        let reads: Vec<_> = VERBS
            .iter()
            .filter(|verb| verb.function().read_only)
            .map(|verb| verb.name)
            .collect();
        assert_eq!(
            reads,
            [
                "check_entitlement",
                "check_entitlements",
                "get_usage",
                "get_window_boundaries"
            ]
        );
    }
}
