//! `/{table}`: rows read, inserted, changed, put and deleted as PostgREST does it.
//!
//! The refusals come in PostgREST's order: method, query string, page, body, table, embeds, the
//! body's columns, headers, values. Everything that could make the answer of a write fail is
//! checked before the write, because what is written stays written. Nothing here decides: the
//! engine's tables do what a resolved request says.

mod answer;
mod read;
mod write;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{OriginalUri, Path, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use mec_engine::{Caller, MecError, check_verb};
use mec_query::{
    Media, Page, Preferences, Produces, Query, QueryError, Scope, Table, Target, Verb,
};

use super::context::{self, AppState, Asker, names_schema};
use crate::problem::errors::ApiError;
use crate::problem::refusal::{self, Repeat};

/// Answers a request of `/{table}`, whatever its method.
pub(crate) async fn handle(
    State(state): State<AppState>,
    asker: Asker,
    method: Method,
    name: Result<Path<String>, PathRejection>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Ok(Path(name)) = name else {
        return ApiError::from(QueryError::invalid_path()).into_response();
    };
    let request = Request {
        method,
        name,
        uri,
        headers,
        body,
    };
    match request.answer(&state, &asker).await {
        Err(error) if error.status == StatusCode::METHOD_NOT_ALLOWED => {
            request.allowing(&state, error.into_response())
        }
        answered => answered.unwrap_or_else(IntoResponse::into_response),
    }
}

struct Request {
    method: Method,
    name: String,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
}

/// A request understood, up to what its values say.
struct Asked<'a> {
    state: &'a AppState,
    caller: &'a Caller,
    uri: &'a Uri,
    query: Query,
    table: Arc<Table>,
    scope: Scope,
    page: Page,
    media: Media,
    preferences: Preferences,
    /// Whether the request named its schema.
    names_schema: bool,
    /// The present instant, in microseconds of UTC.
    now: i64,
}

impl Request {
    async fn answer(&self, state: &AppState, asker: &Asker) -> Result<Response, ApiError> {
        let names_schema = names_schema(&self.method, &self.headers)?;
        let verb = match self.method {
            Method::GET | Method::HEAD => Verb::Get,
            Method::POST => Verb::Post,
            Method::PATCH => Verb::Patch,
            Method::PUT => Verb::Put,
            Method::DELETE => Verb::Delete,
            Method::OPTIONS => {
                state.schema.table(&self.name)?;
                return Ok(self.allowing(state, StatusCode::OK.into_response()));
            }
            _ => return Err(QueryError::unsupported_method(self.method.as_str()).into()),
        };
        let query = Query::parse(self.uri.query().unwrap_or_default(), Target::Rows)?;
        let range = if self.method == Method::GET {
            context::header(&self.headers, &RANGE)
        } else {
            None
        };
        let page = Page::of_request(&query, range)?;
        let body = match verb {
            Verb::Post | Verb::Patch | Verb::Put => Some(self.body(state, &query).await?),
            Verb::Get | Verb::Delete => None,
        };
        let table = state.schema.table(&self.name)?;
        let scope = Scope::relate(&state.schema, table, &query)?;
        // A table that takes no such write says what to do instead; which columns it would not take
        // is no help then.
        let takes_it = check_verb(table, verb);
        let sent = match body.filter(|_| takes_it.is_ok()) {
            Some(body) => Some(body.against(table)?),
            None => None,
        };
        let media = Media::negotiate(context::header(&self.headers, &ACCEPT), Produces::Rows)?;
        let preferences = context::preferences(&self.headers)?;
        if verb != Verb::Get {
            asker
                .identity
                .check_write(format_args!("table {}", table.name))?;
        }
        takes_it?;
        let asked = Asked {
            state,
            caller: &asker.caller,
            uri: &self.uri,
            query,
            table: table.clone(),
            scope,
            page,
            media,
            preferences,
            names_schema,
            now: state.mec.now().micros(),
        };
        match (verb, sent) {
            (Verb::Post, Some(sent)) => asked.post(&sent).await,
            (Verb::Put, Some(sent)) => asked.put(&sent).await,
            (Verb::Patch, Some(sent)) => asked.patch(&sent).await,
            (Verb::Delete, _) => asked.delete().await,
            _ => asked.read().await,
        }
    }

    async fn body(&self, state: &AppState, query: &Query) -> Result<mec_query::Body, ApiError> {
        // Too large or too slow a body is answered by the listener in place of this.
        let body = self.body.as_ref().map_err(|_| refusal::unreadable_body())?;
        let content_type = context::header(&self.headers, &CONTENT_TYPE).map(str::to_owned);
        let columns = query.columns.clone();
        state
            .read_body(body, move |body| {
                mec_query::Body::parse(content_type.as_deref(), body, columns.as_deref())
            })
            .await
    }

    fn allowing(&self, state: &AppState, mut response: Response) -> Response {
        let allowed = state
            .schema
            .find_table(&self.name)
            .map(|table| table.allow_header());
        answer::insert(
            response.headers_mut(),
            ALLOW,
            allowed.as_deref().unwrap_or("OPTIONS,GET,HEAD"),
        );
        response
    }
}

impl Asked<'_> {
    fn refused(&self, error: MecError, repeat: Repeat) -> ApiError {
        refusal::of_error(error, &self.state.mec.catalog(), repeat)
    }
}
