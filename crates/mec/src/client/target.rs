//! Where a command's questions go: to the API in this process, or to the one of the server that
//! owns the store.
//!
//! Both are the same routes, so a command is written once and says the same words either way.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use mec_engine::{Clock, Mec};
use serde::Deserialize;
use serde_json::Value;
use tower_service::Service as _;

use super::store;
use crate::config::{Config, Kept, NamedBy, is_ours, masked};
use crate::http::auth::Auth;
use crate::http::operator::{Door, Peer, X_MEC_ADMIN};
use crate::problem::errors::ApiError;
use crate::terminal::failure::{Exit, Failure};

/// Longer than the server itself waits for anything.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
/// Another command has the store for a moment, so it is waited for; and between looking whose it is
/// and opening it somebody else may take it.
const OPEN_ATTEMPTS: usize = 50;
const OPEN_PAUSE: Duration = Duration::from_millis(100);

/// Where questions go.
#[derive(Debug)]
pub(crate) enum Target {
    /// This process owns the store.
    Local {
        /// The engine.
        mec: Arc<Mec>,
        /// The API over it.
        router: Router,
    },
    /// A server owns it.
    Remote {
        /// Connections to it.
        client: reqwest::Client,
        /// `http://HOST:PORT`.
        url: String,
        /// What it is told who asks by.
        auth: Auth,
    },
}

/// What the API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The body.
    pub(crate) body: Bytes,
    /// Whether it is the answer to an earlier request with the same key.
    pub(crate) is_replayed: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The server did not answer; whether it did the work is not known.
    Unreachable(String),
    /// The API says no.
    Api(ApiError),
}

impl Target {
    /// The server the configuration names, or the one that owns the configured store, or the store
    /// itself, taken for this process under the name `note`.
    ///
    /// # Errors
    /// The store is owned by a process that does not answer, or cannot be used.
    pub(crate) async fn open(config: &Config, note: &str, create: bool) -> Result<Self, Failure> {
        if let Some(server) = config.server() {
            return Self::remote(
                server.trim_end_matches('/').to_owned(),
                config,
                config.server_named_by,
            );
        }
        if !create
            && let Kept::File(path) = config.kept()?
            && !path.exists()
        {
            return Err(Failure::new(Exit::Unavailable, format!("{} does not exist", path.display())).with_hint(
                "name the store with --store sqlite:PATH, or ask a running server with --server http://127.0.0.1:8000; \
                 `mec migrate` makes a new store",
            ));
        }
        for attempt in 1.. {
            if let Some(owner) = store::owner(config)? {
                match owner.operators.or(owner.url) {
                    Some(url) => {
                        let is_ours = matches!(config.kept()?, Kept::File(path) if is_ours(path));
                        return Self::remote(
                            url,
                            config,
                            if is_ours {
                                NamedBy::User
                            } else {
                                NamedBy::Anybody
                            },
                        );
                    }
                    None if attempt < OPEN_ATTEMPTS => tokio::time::sleep(OPEN_PAUSE).await,
                    None => {
                        let message = format!(
                            "{} is in use by another process ({})",
                            masked(&config.settings.store),
                            owner.note
                        );
                        return Err(Failure::new(Exit::Unavailable, message)
                            .with_hint("wait until it has ended, or stop it"));
                    }
                }
                continue;
            }
            match Mec::open(&config.settings.store, config.options(note, create)).await {
                Ok(mec) => {
                    let mec = Arc::new(mec);
                    // A listener limits what strangers send; what is sent here is the operator's
                    // own.
                    let router = crate::server::serve::routes(mec.clone(), Auth::open())
                        .layer(DefaultBodyLimit::disable());
                    return Ok(Self::Local { router, mec });
                }
                Err(error) if attempt >= OPEN_ATTEMPTS || store::owner(config)?.is_none() => {
                    return Err(error.into());
                }
                Err(_) => {}
            }
        }
        Err(Failure::new(
            Exit::Unavailable,
            format!("{} could not be opened", masked(&config.settings.store)),
        ))
    }

    fn remote(url: String, config: &Config, named_by: NamedBy) -> Result<Self, Failure> {
        if !url.starts_with("http://") {
            return Err(Failure::new(
                Exit::Config,
                format!("\"{url}\" is not a server mec can talk to"),
            )
            .with_hint("write http://HOST:PORT; this version speaks no TLS"));
        }
        if config.auth.is_asking() {
            may_have_token(&url, named_by)?;
        }
        // A proxy would be asked for an address of this machine.
        let client = reqwest::Client::builder()
            .timeout(ANSWERS_WITHIN)
            .no_proxy()
            .build();
        let client = client
            .map_err(|error| Failure::new(Exit::Unavailable, format!("no HTTP client: {error}")))?;
        Ok(Self::Remote {
            client,
            url,
            auth: config.auth.clone(),
        })
    }

    /// Calls the function `name`.
    ///
    /// # Errors
    /// As [`Target::call`].
    pub(crate) async fn rpc(&self, name: &str, arguments: &Value) -> Result<Answer, CallError> {
        let path = format!("/api/rpc/{name}");
        self.call(
            Method::POST,
            &path,
            "application/json",
            arguments.to_string().into(),
        )
        .await
    }

    /// Asks the API.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        kind: &'static str,
        body: Bytes,
    ) -> Result<Answer, CallError> {
        let (status, headers, body) = match self {
            Self::Local { router, .. } => {
                let request = Request::builder()
                    .method(method)
                    .uri(path)
                    .header(CONTENT_TYPE, kind)
                    .header(X_MEC_ADMIN, "1");
                let request = request
                    .extension(Peer::OWN)
                    .extension(Door::Operators)
                    .body(Body::from(body));
                let request = request.map_err(|error| CallError::Unreachable(error.to_string()))?;
                let response = match router.clone().call(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                let (parts, body) = response.into_parts();
                let body = body
                    .collect()
                    .await
                    .map_err(|error| CallError::Unreachable(error.to_string()))?;
                (parts.status, parts.headers, body.to_bytes())
            }
            Self::Remote { client, url, auth } => {
                let mut request = client
                    .request(method, format!("{url}{path}"))
                    .header(CONTENT_TYPE, kind)
                    .header(X_MEC_ADMIN, "1")
                    .body(body);
                if let Some(token) = auth.operators_token(Clock::machine().now()) {
                    request = request.bearer_auth(token);
                }
                let unreachable = |error: reqwest::Error| {
                    CallError::Unreachable(format!("{url}: {}", root_cause(&error)))
                };
                let response = request.send().await.map_err(unreachable)?;
                let (status, headers) = (response.status(), response.headers().clone());
                (
                    status,
                    headers,
                    response.bytes().await.map_err(unreachable)?,
                )
            }
        };
        if status.is_success() {
            return Ok(Answer {
                is_replayed: is_replayed(&headers),
                body,
            });
        }
        Err(CallError::Api(refusal(status, &body)))
    }

    /// Gives the store back, with everything written out.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn close(&self) -> Result<(), Failure> {
        match self {
            Self::Local { mec, .. } => mec.close().await.map_err(|problem| {
                Failure::new(Exit::Io, format!("the store failed: {problem}"))
                    .with_hint("run the command again; what was recorded stays")
            }),
            Self::Remote { .. } => Ok(()),
        }
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is none: something else than MEC answered.
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::new(
                Exit::Unavailable,
                format!("the answer is not JSON: {error}"),
            )
            .with_hint("is a mec server at that address?")
        })
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unreachable(problem) => Self::new(
                Exit::Unavailable,
                format!("the server does not answer: {problem}"),
            )
            .with_hint("is it running? `mec doctor` says who owns the store"),
            CallError::Api(error) => error.into(),
        }
    }
}

fn is_replayed(headers: &HeaderMap) -> bool {
    headers
        .get("idempotent-replayed")
        .is_some_and(|value| value == "true")
}

/// What the API said, read back from its four keys.
fn refusal(status: StatusCode, body: &[u8]) -> ApiError {
    #[derive(Deserialize)]
    struct Four {
        code: String,
        message: String,
        details: Option<Value>,
        hint: Option<String>,
    }
    match serde_json::from_slice(body) {
        Ok(Four {
            code,
            message,
            details,
            hint,
        }) => ApiError {
            status,
            code: code.into(),
            message,
            details: details.map(Box::new),
            hint,
        },
        Err(_) => ApiError::new(
            status,
            "MEC_UNEXPECTED",
            format!("the server answered {status}"),
        )
        .with_hint("is a mec server at that address?"),
    }
}

/// A token makes whoever has it an admin for a minute, so it goes only where its owner wants it,
/// and nobody on the way reads it.
fn may_have_token(url: &str, named_by: NamedBy) -> Result<(), Failure> {
    let host = reqwest::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default();
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    if host != "localhost" && !address.is_ok_and(|address| address.is_loopback()) {
        return Err(Failure::new(
            Exit::Config,
            format!("{url} is another machine, and a token would reach it unencrypted"),
        )
        .with_hint("run the command on the server's machine"));
    }
    match named_by {
        NamedBy::User => Ok(()),
        NamedBy::Anybody => Err(Failure::new(
            Exit::Config,
            format!("no token is sent to {url}: the address comes from the working directory or from another user's file"),
        )
        .with_hint("if you trust it, name it with --server or MEC_SERVER")),
    }
}

/// The last cause says what happened; the ones above it repeat the address.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
