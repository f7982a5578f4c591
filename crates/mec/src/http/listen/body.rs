//! The bodies of a request and of its answer, as the connection's pulse sees them.
//!
//! A request body is counted while it is read, so a chunked one cannot pass the limit either;
//! nothing is buffered here.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::timeout;

use super::connection::Session;
use super::pulse::BodyFault;

/// An unread rest up to this size is read and thrown away, so that the connection stays. A larger
/// one, or one of unknown size, ends it.
const SKIPPED_BYTES_MAX: u64 = 8_192;
/// How long such a rest is waited for: it usually arrives together with the head, and an answer is
/// waiting.
const REST_TIME: Duration = Duration::from_millis(100);

/// The room for all bodies in flight.
#[derive(Debug)]
pub(super) struct Bodies {
    bytes_max: u64,
    bytes: AtomicU64,
}

impl Bodies {
    pub(super) fn of(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            bytes: AtomicU64::new(0),
        }
    }

    /// Whether there was room for so many bytes more.
    fn take(&self, bytes: u64) -> bool {
        self.bytes
            .fetch_update(Relaxed, Relaxed, |held| {
                held.checked_add(bytes).filter(|all| *all <= self.bytes_max)
            })
            .is_ok()
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Relaxed);
    }
}

/// A request body within its limits: at most so many bytes, never stalling longer than allowed.
pub(super) struct RequestBody {
    /// Taken out when it is dropped.
    inner: Option<Incoming>,
    session: Arc<Session>,
    bytes_left: u64,
    ended: bool,
}

impl RequestBody {
    pub(super) fn new(inner: Incoming, session: Arc<Session>) -> Self {
        Self {
            inner: Some(inner),
            bytes_left: session.floor.body_bytes_max,
            session,
            ended: false,
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = &mut *self;
        let pulse = &this.session.pulse;
        if let Some(fault) = pulse.body_fault() {
            return Poll::Ready(Some(Err(fault.into())));
        }
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = Pin::new(inner).poll_frame(cx) else {
            pulse.body_awaited(cx.waker());
            return Poll::Pending;
        };
        pulse.body_came();
        match frame {
            None => {
                this.ended = true;
                Poll::Ready(None)
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                let fault = match this.bytes_left.checked_sub(bytes) {
                    None => BodyFault::TooLarge,
                    Some(_) if !this.session.floor.bodies.take(bytes) => BodyFault::NoRoom,
                    Some(left) => {
                        this.bytes_left = left;
                        pulse.body_grew(bytes);
                        return Poll::Ready(Some(Ok(frame)));
                    }
                };
                pulse.fail_body(fault);
                Poll::Ready(Some(Err(fault.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.session.pulse.body_left();
        if !self.ended && !self.is_end_stream() {
            *self.session.left() = self.inner.take();
        }
    }
}

/// Reads a small rest that a handler left, or notes that the connection ends because there is more,
/// or it does not come.
pub(super) async fn read_rest(session: &Session) {
    let Some(mut rest) = session.left().take() else {
        return;
    };
    let is_small = rest
        .size_hint()
        .exact()
        .is_some_and(|left| left <= SKIPPED_BYTES_MAX);
    let reading = async {
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx)).await {
            if frame.is_err() {
                return false;
            }
        }
        true
    };
    let is_read = is_small
        && !session.pulse.body_is_unread()
        && timeout(REST_TIME, reading)
            .await
            .is_ok_and(|is_read| is_read);
    if !is_read {
        session.pulse.leave_body_unread();
    }
}

/// The body of an answer. One of unknown length keeps its connection busy until it has been
/// produced.
pub(super) struct AnswerBody {
    inner: Body,
    streams_for: Option<Arc<Session>>,
}

impl AnswerBody {
    pub(super) fn new(inner: Body, session: &Arc<Session>) -> Self {
        let is_at_hand = inner.size_hint().exact().is_some();
        if is_at_hand {
            session.pulse.answer_ended();
        }
        Self {
            inner,
            streams_for: (!is_at_hand).then(|| Arc::clone(session)),
        }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(session) = &self.streams_for {
            session.pulse.answer_ended();
        }
    }
}
