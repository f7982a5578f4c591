//! The body of an answer that is sent part by part. Each part is let go of once it is sent, and the
//! room that the answer takes is given back with the last one, or with the connection.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use mec_engine::{Mec, MecError};
use tokio::sync::OwnedSemaphorePermit;

struct Parts {
    parts: VecDeque<String>,
    bytes: u64,
    room: OwnedSemaphorePermit,
}

/// The parts as a body, once there is room for them.
///
/// # Errors
/// There is none in time.
pub(crate) async fn body(mec: &Mec, mut parts: Vec<String>) -> Result<Body, MecError> {
    if parts.len() < 2 {
        return Ok(Body::from(parts.pop().unwrap_or_default()));
    }
    let bytes = parts.iter().map(String::len).sum();
    let room = mec.room_for_answer(bytes).await?;
    Ok(Body::new(Parts {
        parts: parts.into(),
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        room,
    }))
}

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(part) = self.parts.pop_front() else {
            return Poll::Ready(None);
        };
        // Of an answer to HEAD nothing is asked for, so nothing is split off either.
        let permits = self
            .room
            .num_permits()
            .checked_div(self.parts.len() + 1)
            .unwrap_or(0);
        drop(self.room.split(permits));
        self.bytes = self
            .bytes
            .saturating_sub(u64::try_from(part.len()).unwrap_or(u64::MAX));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(part)))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes)
    }
}
