//! One connection: its requests one after the other, its one timer, its end.
//!
//! Never lets a handler's failure pass beyond its own request.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response};
use axum::response::IntoResponse;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::sleep_until;
use tower_service::Service;

use super::super::browsers::{self, Hosts};
use super::super::errors::ApiError;
use super::super::limits::Limits;
use super::super::operator::Peer;
use super::super::request_id::{RequestId, X_REQUEST_ID};
use super::body::{AnswerBody, RequestBody};
use super::pulse::{BodyFault, Overdue, Patience, Pulse};
use super::unread;

/// What all connections of a listener share.
pub(super) struct Floor {
    router: Router,
    http: http1::Builder,
    patience: Patience,
    pub(super) body_bytes_max: u64,
    hosts: Hosts,
}

impl Floor {
    pub(super) fn new(router: Router, limits: &Limits, hosts: Hosts) -> Self {
        let mut http = http1::Builder::new();
        // Our own clock does this: hyper's would set and drop a timer for each request. `pipeline_flush` stays
        // off: an answer would then wait for the rest of a half-sent next request.
        http.header_read_timeout(None).max_header_size(limits.head_bytes_max);
        Self { router, http, patience: Patience::of(limits), body_bytes_max: limits.body_bytes_max, hosts }
    }
}

/// What the parts of one connection share.
pub(super) struct Session {
    pub(super) floor: Arc<Floor>,
    pub(super) pulse: Pulse,
    peer: Peer,
}

/// Serves one connection until either side ends it, or `closing` says that the server shuts down.
pub(super) async fn drive(stream: TcpStream, peer: Peer, floor: Arc<Floor>, mut closing: oneshot::Receiver<Infallible>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection was gone before it was served");
        return;
    }
    let session = Arc::new(Session { floor, pulse: Pulse::new(), peer });
    let (pulse, patience) = (&session.pulse, &session.floor.patience);
    let wire = Wire { stream, session: Arc::clone(&session), is_shut: false, instead: None };
    let service = service_fn(|request| answer(request, Arc::clone(&session)));
    let mut http = pin!(session.floor.http.serve_connection(TokioIo::new(wire), service));

    let mut armed_for = pulse.next_look(patience);
    let mut timer = pin!(sleep_until(armed_for));
    let mut is_closing = false;

    let end = poll_fn(|cx| {
        loop {
            // Before the look at `closing`, so that a request which is already here still counts as begun.
            if let Poll::Ready(served) = http.as_mut().poll(cx) {
                return Poll::Ready(served.map(|()| None));
            }
            if !is_closing && Pin::new(&mut closing).poll(cx).is_ready() {
                is_closing = true;
                http.as_mut().graceful_shutdown();
                continue;
            }
            // Clocks mostly move their deadline away; the timer then fires early and is set again. So it is
            // touched about once per time-out instead of once per request.
            let deadline = pulse.deadline(patience);
            if let Some(deadline) = deadline.filter(|deadline| *deadline < armed_for) {
                armed_for = deadline;
                timer.as_mut().reset(armed_for);
            }
            ready!(timer.as_mut().poll(cx));
            match pulse.overdue(patience) {
                Some(Overdue::Body) => pulse.fail_body(BodyFault::Stalled),
                Some(overdue) => return Poll::Ready(Ok(Some(overdue))),
                None => {}
            }
            armed_for = pulse.deadline(patience).unwrap_or_else(|| pulse.next_look(patience));
            timer.as_mut().reset(armed_for);
        }
    })
    .await;

    match end {
        Ok(None) => {}
        Ok(Some(overdue)) => tracing::debug!(?overdue, "connection cut"),
        Err(error) => tracing::debug!(%error, is_unanswered = pulse.is_busy(), "connection failed"),
    }
}

/// Answers one request. The answer is the router's unless the request cannot have one.
async fn answer(mut request: Request<Incoming>, session: Arc<Session>) -> Result<Response<AnswerBody>, Infallible> {
    let pulse = &session.pulse;
    pulse.request_began();
    let id = RequestId::settle(request.headers_mut());

    let origins = &session.floor.hosts.origins;
    let allowed_origin = origins.of(request.headers()).cloned();
    let announced = request.body().size_hint().lower();
    let mut response = if announced > session.floor.body_bytes_max {
        pulse.leave_body_unread();
        ApiError::body_too_large(session.floor.body_bytes_max).into_response()
    } else if let Err(refused) = browsers::check(&session.floor.hosts, request.method(), request.headers()) {
        drop(RequestBody::new(request.into_body(), Arc::clone(&session)));
        refused.into_response()
    } else if let Some(answer) = origins.preflight(request.method(), request.headers()) {
        answer
    } else {
        request.extensions_mut().insert(session.peer);
        let request = request.map(|incoming| {
            if incoming.is_end_stream() { Body::empty() } else { Body::new(RequestBody::new(incoming, Arc::clone(&session))) }
        });
        route(&session.floor.router, request, &id).await
    };

    if let Some(fault) = pulse.body_fault() {
        pulse.leave_body_unread();
        // A handler that succeeded knew what it did with half a body; any other was failed by the body.
        if !response.status().is_success() {
            response = match fault {
                BodyFault::TooLarge => ApiError::body_too_large(session.floor.body_bytes_max),
                BodyFault::Stalled => ApiError::body_timeout(),
            }
            .into_response();
        }
    }
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.into_header());
    if let Some(origin) = &allowed_origin {
        origins.allow(origin, headers);
    }
    if pulse.body_is_unread() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| AnswerBody::new(body, &session)))
}

/// The router's answer, or 500 when a handler panics.
async fn route(router: &Router, mut request: Request<Body>, id: &RequestId) -> Response<Body> {
    // axum's extractors would stop at 2 MB of their own accord; the limit is ours to keep.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut handling = pin!(async { router.clone().call(request).await });
    let handled = poll_fn(|cx| {
        // Unwind safe: after a panic the handler's future is never polled again, only dropped.
        match catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    })
    .await;
    match handled {
        Some(Ok(response)) => response,
        None => {
            tracing::error!(request_id = id.as_str(), "a handler panicked");
            ApiError::internal().into_response()
        }
    }
}

/// The socket, telling the pulse of every byte.
struct Wire {
    stream: TcpStream,
    session: Arc<Session>,
    is_shut: bool,
    /// What goes out instead of an answer of hyper's own, and how much of it has gone.
    instead: Option<(Vec<u8>, usize)>,
}

impl Wire {
    /// Writes what stands in for `bytes`, if something does; all of `bytes` counts as written when all of it has gone.
    fn poll_instead(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Option<io::Result<usize>>> {
        if self.instead.is_none() {
            let Some(text) = unread::instead_of(bytes) else { return Poll::Ready(None) };
            // The client may still be sending, and should read this nevertheless.
            self.session.pulse.leave_body_unread();
            self.instead = Some((text, 0));
        }
        while let Some((text, gone)) = &mut self.instead {
            let result = Pin::new(&mut self.stream).poll_write(cx, &text[*gone..]);
            match &result {
                Poll::Ready(Ok(count @ 1..)) => *gone += count,
                Poll::Ready(Ok(_)) => return Poll::Ready(Some(Err(io::ErrorKind::WriteZero.into()))),
                _ => {}
            }
            if *gone == text.len() {
                self.instead = None;
            }
            self.wrote(&result);
            if let Err(error) = ready!(result) {
                return Poll::Ready(Some(Err(error)));
            }
        }
        Poll::Ready(Some(Ok(bytes.len())))
    }

    fn wrote(&self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Pending => self.session.pulse.write_blocked(),
            Poll::Ready(_) => self.session.pulse.bytes_went(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        self.session.pulse.bytes_came();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(written) = ready!(self.poll_instead(cx, bytes)) {
            return Poll::Ready(written);
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = slices
            && let Some(written) = ready!(self.poll_instead(cx, only))
        {
            return Poll::Ready(written);
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Ends our side, and after a refused body reads on until the client ends its own. Closing at once would
    /// make the kernel reset the connection, and the reset can overtake the refusal.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.is_shut = true;
            if !self.session.pulse.body_is_unread() {
                return Poll::Ready(Ok(()));
            }
            self.session.pulse.linger_began();
        }
        let mut waste = [0; 8_192];
        loop {
            let mut waste = ReadBuf::new(&mut waste);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut waste))?;
            if waste.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
