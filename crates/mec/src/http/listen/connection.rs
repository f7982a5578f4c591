//! One connection: its requests one after the other, its one timer, its end.
//!
//! Never lets a handler's failure pass beyond its own request.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{CONNECTION, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use axum::response::IntoResponse;
use bytes::BytesMut;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::sleep_until;
use tower_service::Service;
use tracing::Instrument as _;

use super::super::browsers::{self, Hosts};
use super::super::limits::Limits;
use super::super::operator::{Door, Peer};
use super::super::request_id::{RequestId, X_REQUEST_ID};
use super::body::{self, AnswerBody, Bodies, RequestBody};
use super::head::HeadMender;
use super::pulse::{BodyFault, Overdue, Patience, Pulse};
use super::unread;
use crate::problem::errors::ApiError;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
/// The room of the log's one line for each request, by which it is switched off:
/// `info,mec::access=warn`.
const ACCESS: &str = "mec::access";

/// What all connections of a listener share.
pub(super) struct Floor {
    router: Router,
    http: http1::Builder,
    patience: Patience,
    pub(super) body_bytes_max: u64,
    pub(super) bodies: Bodies,
    hosts: Hosts,
    door: Door,
}

impl Floor {
    pub(super) fn new(router: Router, limits: &Limits, hosts: Hosts, door: Door) -> Self {
        let mut http = http1::Builder::new();
        // Our own clock does this: hyper's would set and drop a timer for each request.
        // `pipeline_flush` stays off: an answer would then wait for the rest of a half-sent next
        // request.
        http.header_read_timeout(None)
            .max_header_size(limits.head_bytes_max);
        Self {
            router,
            http,
            patience: Patience::of(limits),
            body_bytes_max: limits.body_bytes_max,
            bodies: Bodies::of(limits.bodies_bytes_max),
            hosts,
            door,
        }
    }
}

/// What the parts of one connection share.
pub(super) struct Session {
    pub(super) floor: Arc<Floor>,
    pub(super) pulse: Pulse,
    /// How the requests' first lines are read.
    head: Mutex<HeadMender>,
    /// A body whose handler left it before its end.
    left: Mutex<Option<Incoming>>,
    peer: Peer,
}

impl Session {
    pub(super) fn new(floor: Arc<Floor>, peer: Peer) -> Self {
        Self {
            floor,
            pulse: Pulse::new(),
            head: Mutex::new(HeadMender::new()),
            left: Mutex::new(None),
            peer,
        }
    }

    pub(super) fn left(&self) -> MutexGuard<'_, Option<Incoming>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn head(&self) -> MutexGuard<'_, HeadMender> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A handler may have read a body in a task of its own, past the end of its request.
        self.floor.bodies.give_back(self.pulse.body_ended());
    }
}

/// Serves one connection until either side ends it, or `closing` says that the server shuts down.
pub(super) async fn drive(
    stream: TcpStream,
    session: Arc<Session>,
    mut closing: oneshot::Receiver<Infallible>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection was gone before it was served");
        return;
    }
    let (pulse, patience) = (&session.pulse, &session.floor.patience);
    let wire = Wire::new(stream, Arc::clone(&session));
    let service = service_fn(|request: Request<Incoming>| {
        // Before a byte behind this head is read.
        session.head().body_told(request.body().size_hint().exact());
        answer(request, Arc::clone(&session))
    });
    let mut http = pin!(
        session
            .floor
            .http
            .serve_connection(TokioIo::new(wire), service)
    );

    let mut armed_for = pulse.next_look(patience);
    let mut timer = pin!(sleep_until(armed_for));
    let mut is_closing = false;

    let end = poll_fn(|cx| {
        loop {
            // Before the look at `closing`, so that a request which is already here still counts as
            // begun.
            if let Poll::Ready(served) = http.as_mut().poll(cx) {
                return Poll::Ready(served.map(|()| None));
            }
            if !is_closing && Pin::new(&mut closing).poll(cx).is_ready() {
                is_closing = true;
                http.as_mut().graceful_shutdown();
                continue;
            }
            // Clocks mostly move their deadline away; the timer then fires early and is set again.
            // So it is touched about once per time-out instead of once per request.
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
            armed_for = pulse
                .deadline(patience)
                .unwrap_or_else(|| pulse.next_look(patience));
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

/// Answers one request, and says so in the log.
async fn answer(
    mut request: Request<Incoming>,
    session: Arc<Session>,
) -> Result<Response<AnswerBody>, Infallible> {
    session.pulse.request_began();
    let began = Instant::now();
    let id = RequestId::settle(request.headers_mut());
    let asked = Asked::of(&request);
    // Wanted wherever anything is logged: whatever happens is told under the request's name.
    let span = tracing::error_span!("request", id = id.as_str());
    async move {
        let _held = HeldBody(&session);
        let response = answer_asked(request, &id, &session).await;
        asked.tell(response.status(), began.elapsed());
        Ok(response.map(|body| AnswerBody::new(body, &session)))
    }
    .instrument(span)
    .await
}

/// The answer is the router's unless the request cannot have one.
async fn answer_asked(
    mut request: Request<Incoming>,
    id: &RequestId,
    session: &Arc<Session>,
) -> Response<Body> {
    let pulse = &session.pulse;
    let hosts = &session.floor.hosts;
    let allowed_origin = hosts.origins.of(request.headers()).cloned();
    let announced = request.body().size_hint().lower();
    let refused = || browsers::check_host(&request).and_then(|()| browsers::check(hosts, &request));
    let mut response = if announced > session.floor.body_bytes_max {
        pulse.leave_body_unread();
        ApiError::body_too_large(session.floor.body_bytes_max).into_response()
    } else if let Err(refused) = refused() {
        drop(RequestBody::new(request.into_body(), Arc::clone(session)));
        refused.into_response()
    } else if let Some(answer) = hosts.origins.preflight(request.method(), request.headers()) {
        answer
    } else {
        request.extensions_mut().insert(session.peer);
        request.extensions_mut().insert(session.floor.door);
        let request = request.map(|incoming| {
            if incoming.is_end_stream() {
                Body::empty()
            } else {
                Body::new(RequestBody::new(incoming, Arc::clone(session)))
            }
        });
        route(&session.floor.router, request).await
    };

    if let Some(fault) = pulse.body_fault() {
        pulse.leave_body_unread();
        // A handler that succeeded knew what it did with half a body; any other was failed by the
        // body.
        if !response.status().is_success() {
            response = match fault {
                BodyFault::TooLarge => ApiError::body_too_large(session.floor.body_bytes_max),
                BodyFault::Stalled => ApiError::body_timeout(),
                BodyFault::NoRoom => ApiError::bodies_full(),
            }
            .into_response();
        }
    }
    body::read_rest(session).await;
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.clone().into_header());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CROSS_ORIGIN_RESOURCE_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    if let Some(origin) = &allowed_origin {
        hosts.origins.allow(origin, headers);
    }
    if pulse.body_is_unread() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// What the log says of a request: nothing that may be a secret, so a query's names without its
/// values.
struct Asked(Option<(Method, String)>);

impl Asked {
    fn of(request: &Request<Incoming>) -> Self {
        if !tracing::enabled!(target: ACCESS, tracing::Level::INFO) {
            return Self(None);
        }
        let mut path = request.uri().path().to_owned();
        if let Some(query) = request.uri().query() {
            for (place, parameter) in query.split('&').enumerate() {
                path.push(if place == 0 { '?' } else { '&' });
                path.push_str(parameter.split('=').next().unwrap_or_default());
            }
        }
        Self(Some((request.method().clone(), path)))
    }

    fn tell(self, status: StatusCode, took: Duration) {
        if let Self(Some((method, path))) = self {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            tracing::info!(target: ACCESS, %method, path, status = status.as_u16(), micros, "answered");
        }
    }
}

/// Gives back, when a request has ended in whatever way, the room that its body took.
struct HeldBody<'a>(&'a Session);

impl Drop for HeldBody<'_> {
    fn drop(&mut self) {
        self.0.floor.bodies.give_back(self.0.pulse.body_ended());
    }
}

/// The router's answer, or 500 when a handler panics.
async fn route(router: &Router, mut request: Request<Body>) -> Response<Body> {
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
            tracing::error!("a handler panicked");
            ApiError::internal().into_response()
        }
    }
}

/// The socket, telling the pulse of every byte.
struct Wire {
    stream: TcpStream,
    session: Arc<Session>,
    is_shut: bool,
    /// Bytes as they came, behind a head whose body's length was not known yet.
    came: BytesMut,
    /// Bytes to hand on before any others.
    mended: BytesMut,
    /// What goes out instead of an answer of hyper's own, and how much of it has gone.
    instead: Option<(Vec<u8>, usize)>,
}

impl Wire {
    fn new(stream: TcpStream, session: Arc<Session>) -> Self {
        Self {
            stream,
            session,
            is_shut: false,
            came: BytesMut::new(),
            mended: BytesMut::new(),
            instead: None,
        }
    }

    /// Hands on what is here already; whether there was anything.
    fn read_ahead(&mut self, into: &mut ReadBuf<'_>) -> bool {
        if self.mended.is_empty() && !self.came.is_empty() {
            let (taken, mended) = self.session.head().take(&self.came);
            let taken = self.came.split_to(taken);
            self.mended = mended.as_deref().map_or(taken, BytesMut::from);
        }
        let count = self.mended.len().min(into.remaining());
        into.put_slice(&self.mended.split_to(count));
        count > 0
    }

    /// Writes what stands in for `bytes`, if something does; all of `bytes` counts as written when
    /// all of it has gone.
    fn poll_instead(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Option<io::Result<usize>>> {
        if self.instead.is_none() {
            let Some(text) = unread::instead_of(bytes) else {
                return Poll::Ready(None);
            };
            // The client may still be sending, and should read this nevertheless.
            self.session.pulse.leave_body_unread();
            self.instead = Some((text, 0));
        }
        while let Some((text, gone)) = &mut self.instead {
            let result = Pin::new(&mut self.stream).poll_write(cx, &text[*gone..]);
            match &result {
                Poll::Ready(Ok(count @ 1..)) => *gone += count,
                Poll::Ready(Ok(_)) => {
                    return Poll::Ready(Some(Err(io::ErrorKind::WriteZero.into())));
                }
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
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if !self.read_ahead(into) {
            let before = into.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
            let came = &into.filled()[before..];
            let (taken, mended) = self.session.head().take(came);
            if taken < came.len() || mended.is_some() {
                let this = &mut *self;
                this.came.extend_from_slice(&came[taken..]);
                match mended {
                    Some(mended) => {
                        this.mended.extend_from_slice(&mended);
                        into.set_filled(before);
                        this.read_ahead(into);
                    }
                    None => into.set_filled(before + taken),
                }
            }
        }
        self.session.pulse.bytes_came();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
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

    /// Ends our side, and after a refused body reads on until the client ends its own. Closing at
    /// once would make the kernel reset the connection, and the reset can overtake the refusal.
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
