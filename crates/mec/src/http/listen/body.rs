//! The bodies of a request and of its answer, as the connection's pulse sees them.
//!
//! A request body is counted while it is read, so a chunked one cannot pass the limit either; nothing is buffered
//! here.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::connection::Session;
use super::pulse::BodyFault;

/// An unread rest up to this size usually arrived together with the head; hyper then skips it and the connection
/// stays. A larger one, or one of unknown size, ends the connection.
const SKIPPED_BYTES_MAX: u64 = 8_192;

/// A request body within its limits: at most so many bytes, never stalling longer than allowed.
pub(super) struct RequestBody {
    inner: Incoming,
    session: Arc<Session>,
    bytes_left: u64,
    ended: bool,
}

impl RequestBody {
    pub(super) fn new(inner: Incoming, session: Arc<Session>) -> Self {
        Self { inner, bytes_left: session.floor.body_bytes_max, session, ended: false }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = &mut *self;
        let pulse = &this.session.pulse;
        if let Some(fault) = pulse.body_fault() {
            return Poll::Ready(Some(Err(fault.into())));
        }
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) else {
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
                match this.bytes_left.checked_sub(bytes) {
                    Some(left) => {
                        this.bytes_left = left;
                        Poll::Ready(Some(Ok(frame)))
                    }
                    None => {
                        pulse.fail_body(BodyFault::TooLarge);
                        Poll::Ready(Some(Err(BodyFault::TooLarge.into())))
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.session.pulse.body_came();
        let is_read = self.ended || self.inner.is_end_stream();
        let is_skipped = self.inner.size_hint().exact().is_some_and(|left| left <= SKIPPED_BYTES_MAX);
        if !is_read && !is_skipped {
            self.session.pulse.leave_body_unread();
        }
    }
}

/// The body of an answer. One of unknown length keeps its connection busy until it has been produced.
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
        Self { inner, streams_for: (!is_at_hand).then(|| Arc::clone(session)) }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
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
