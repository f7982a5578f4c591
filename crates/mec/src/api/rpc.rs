//! `/rpc/{name}`: a request becomes the arguments of a function, what it answers becomes a response.
//!
//! The refusals come in the order of PostgREST: method, query string, body, name, embeds, headers, values. A function
//! that writes is called only when nothing about its answer can fail any more, because what is recorded stays so.

mod check;
mod consume;
mod lease;
mod meter;
mod plan;
mod reserve;
mod response;
mod usage;

use std::borrow::Cow;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use mec_engine::Caller;
use mec_query::{Call, Catalogue, GivenArguments, Media, Page, Produces, Query, QueryError, Returns, Target};

use self::response::{Rows, Wanted};
use super::answers::Answer;
use super::arguments::Arguments;
use super::context::{self, AppState, Asker, names_schema};
use super::functions::Verb;
use super::refusal::{self, Failure, Repeat};
use crate::http::errors::ApiError;

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
    let Ok(Path(name)) = name else { return ApiError::from(QueryError::invalid_path()).into_response() };
    let request = Request { method, name, query: query.unwrap_or_default(), headers, body };
    match request.answer(&state, &asker).await {
        Err(error) if error.status == StatusCode::METHOD_NOT_ALLOWED => allowing(error.into_response(), request.allowed(&state)),
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
        let range = if self.method == Method::GET { context::header(&self.headers, &RANGE) } else { None };
        let page = Page::of_request(&query, range)?;
        let is_plain = self.is_plain() && page == Page::ALL;
        let now = state.mec.now().micros();
        let (call, arguments) = match reads {
            true => called(&state.catalogue, &self.name, GivenArguments::of_query(&query), now)?,
            false => self.called_with_body(state, now).await?,
        };
        let function = call.function();
        let verb = Verb::of(function.name).ok_or_else(ApiError::internal)?;
        let is_explained = arguments.as_ref().is_ok_and(|arguments| arguments.flag("explain"));
        let scope = match &function.returns {
            Returns::Table(table) if !is_plain => Some(response::scope(&state.catalogue, table, &query, is_explained)?),
            Returns::Table(_) => None,
            _ if query.logic.is_empty() => None,
            _ => return Err(response::filtered_value(function.name).into()),
        };
        let media = Media::negotiate(context::header(&self.headers, &ACCEPT), Produces::Rows)?;
        let preferences = context::preferences(&self.headers)?;
        if !function.read_only {
            asker.identity.check_write(format_args!("function {}", function.name))?;
        }
        if reads && !function.read_only {
            return Err(QueryError::read_only_call().into());
        }
        let rows = match (&function.returns, scope) {
            (Returns::Table(_), Some(scope)) if query.has_regular_expression() => {
                let read = state.mec.work(move |_| Ok(scope.read(page, now)?)).await;
                Rows::Read(Box::new(read.map_err(|error| refusal::of_error(error, &state.mec.catalogue(), Repeat::Question))?))
            }
            (Returns::Table(_), Some(scope)) => Rows::Read(Box::new(scope.read(page, now)?)),
            (Returns::Table(table), None) => Rows::Plain { table: table.clone(), is_explained },
            _ => Rows::None,
        };
        let arguments = arguments?;
        let events = if verb == Verb::MeterBatch { meter::events_of(&call)? } else { Cow::default() };
        let wanted = Wanted { media, preferences, page, rows, names_schema, now };
        if !function.read_only {
            let rows = if verb == Verb::MeterBatch { events.len() } else { 1 };
            wanted.check_before_writing(&query, rows)?;
        }
        let answer = match verb {
            Verb::MeterBatch => meter::meter_batch(state, &asker.caller, &events, now).await,
            verb => call_one(verb, state, &asker.caller, arguments).await,
        };
        let answer = answer.map_err(|failure| failure.shown(&state.mec.catalogue(), Repeat::of(verb)))?;
        let refused = |error| refusal::of_error(error, &state.mec.catalogue(), Repeat::Question);
        wanted.response(&state.mec, function, answer).await.map_err(refused)?
    }

    /// Whether all columns of all rows are wanted as JSON: the usual call, which is answered without asking the query
    /// language about each column.
    fn is_plain(&self) -> bool {
        self.query.is_empty() && matches!(context::header(&self.headers, &ACCEPT), None | Some("*/*" | "application/json"))
    }

    async fn called_with_body(&self, state: &AppState, now: i64) -> Result<(Call, TypedArguments), ApiError> {
        // Too large or too slow a body is answered by the listener in place of this.
        let body = self.body.as_ref().map_err(|_| refusal::unreadable_body())?;
        let content_type = context::header(&self.headers, &CONTENT_TYPE).map(str::to_owned);
        let (catalogue, name) = (state.catalogue.clone(), self.name.clone());
        let read = move |body: &[u8]| {
            let given = GivenArguments::of_body(content_type.as_deref(), body)?;
            called(&catalogue, &name, given, now)
        };
        state.read_body(body, read).await
    }

    fn options(&self, state: &AppState) -> Result<Response, ApiError> {
        match state.catalogue.find_function(&self.name) {
            Some(function) => Ok(allowing(StatusCode::OK.into_response(), function.allow_header())),
            // Looked up without arguments, so that the refusal proposes a name.
            None => match Call::find(&state.catalogue, &self.name, GivenArguments::of_query(&Query::default())) {
                Ok(_) => Err(ApiError::internal()),
                Err(error) => Err(error.into()),
            },
        }
    }

    fn allowed(&self, state: &AppState) -> &'static str {
        state.catalogue.find_function(&self.name).map_or("OPTIONS,GET,HEAD,POST", |function| function.allow_header())
    }
}

/// Typed, or why they cannot be: told after the errors of everything that is not an argument.
type TypedArguments = Result<Arguments, ApiError>;

fn called(catalogue: &Catalogue, name: &str, given: GivenArguments, now: i64) -> Result<(Call, TypedArguments), QueryError> {
    let call = Call::find(catalogue, name, given)?;
    // The events of a batch are read one by one later, so that one does not spoil the others.
    let is_batch = Verb::of(call.function().name) == Some(Verb::MeterBatch);
    let arguments = if is_batch { Ok(Arguments::none(call.function())) } else { Arguments::of_call(&call, now) };
    Ok((call, arguments))
}

fn allowing(mut response: Response, allow: &'static str) -> Response {
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

async fn call_one(verb: Verb, state: &AppState, caller: &Caller, arguments: Arguments) -> Result<Answer, Failure> {
    let mec = &*state.mec;
    match verb {
        Verb::CheckEntitlement => check::check_entitlement(mec, caller, arguments).await,
        Verb::CheckEntitlements => check::check_entitlements(mec, caller, arguments).await,
        Verb::MeterConsumption => meter::meter_consumption(mec, caller, arguments).await,
        Verb::CorrectConsumption => meter::correct_consumption(mec, caller, arguments).await,
        Verb::Consume => consume::consume(mec, caller, arguments).await,
        Verb::Reserve => reserve::reserve(mec, caller, arguments).await,
        Verb::SettleReservation => reserve::settle_reservation(mec, caller, arguments).await,
        Verb::ReleaseReservation => reserve::release_reservation(mec, caller, arguments).await,
        Verb::AcquireLease => lease::acquire_lease(mec, caller, arguments).await,
        Verb::RenewLease => lease::renew_lease(mec, caller, arguments).await,
        Verb::ReleaseLease => lease::release_lease(mec, caller, arguments).await,
        Verb::ProvisionPlan => plan::provision_plan(mec, caller, arguments).await,
        Verb::CancelPlan => plan::cancel_plan(mec, caller, arguments).await,
        Verb::GetUsage => usage::get_usage(mec, caller, arguments).await,
        Verb::GetWindowBoundaries => usage::get_window_boundaries(mec, arguments),
        // Its events are no arguments of one call.
        Verb::MeterBatch => Err(ApiError::internal().into()),
    }
}
