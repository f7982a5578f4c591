//! The accept loop: one HTTP/1.1 connection per task, each within the same limits, and a shutdown that answers
//! what has begun.
//!
//! It knows nothing of routes, and stands in for them only where a request never reaches one or never comes back:
//! a foreign page's (403, 421), a body over its limit (413), a body that stalls (408), a handler that panics (500).
//!
//! Own code instead of `axum::serve`, which has no time-outs; and no tower layers, because every layer is paid for
//! by every request.

mod body;
mod connection;
mod pulse;
mod unread;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout_at};

use self::connection::Floor;
use super::browsers::Hosts;
use super::limits::{Limits, UnusableLimit};
use super::operator::Peer;

/// First and longest pause after a failed accept. A process out of file descriptors gets one back when a
/// connection ends; asking more often than this only burns the processor.
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long the log stays silent about a trouble it has told.
const COMPLAINT_INTERVAL: Duration = Duration::from_mins(1);

/// How a shutdown went, in connections that were open when it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Those that ended by themselves: idle ones at once, the others after their answer.
    pub finished: usize,
    /// Those cut when the grace period was over, with or without an answer outstanding.
    pub cut: usize,
}

/// Answers requests to `hosts` on `listener` with `router` until `shutdown` is ready, then lets requests in flight finish.
///
/// `shutdown`'s output is not looked at. Once it is ready the listening socket is closed, idle connections are
/// closed, and requests in flight have `limits.shutdown_grace` to be answered; what remains is cut and counted.
/// While `limits.connections_max` connections are open, further ones wait in the kernel's queue: a slot becomes
/// free within `limits.idle_timeout`, and a short wait is kinder to a client than an error.
///
/// Every answer carries `X-Request-Id`; after one to a request that is not HTTP (400) or whose head is too large (431)
/// the connection is closed. The future of a handler is dropped when its client goes away before the answer,
/// so work that must not be abandoned half-way belongs into a task or a queue.
///
/// Dropping the returned future cuts all connections.
///
/// # Errors
///
/// [`UnusableLimit`] when a limit is zero that must not be; nothing has been accepted then. Errors of the
/// listening socket are logged and outlived, never returned.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    hosts: Hosts,
    shutdown: impl Future,
) -> Result<Drained, UnusableLimit> {
    limits.check()?;
    let mut shutdown = pin!(shutdown);
    let mut acceptor = Acceptor { listener, pause: None, complaint: Complaint::default() };
    // `with_state` turns every handler into a route once, which otherwise happens again for each request.
    let mut connections = Connections::new(Floor::new(router.with_state(()), &limits, hosts));
    let mut full = Complaint::default();

    loop {
        let has_room = connections.len() < limits.connections_max;
        if !has_room && full.is_due() {
            tracing::warn!(connections_max = limits.connections_max, "connection limit reached; new connections wait");
        }
        tokio::select! {
            biased;
            _ = &mut shutdown => break,
            Some(()) = connections.next_end() => {}
            (stream, peer) = acceptor.accept(), if has_room => connections.start(stream, peer),
        }
    }
    drop(acceptor);
    Ok(connections.drain(limits.shutdown_grace).await)
}

/// The listening socket and how it is doing.
struct Acceptor {
    listener: TcpListener,
    /// How long to wait after the next failure; `None` while accepting works.
    pause: Option<Duration>,
    complaint: Complaint,
}

impl Acceptor {
    /// The next connection and its other end, however long it takes.
    async fn accept(&mut self) -> (TcpStream, IpAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    self.pause = None;
                    return (stream, peer.ip());
                }
                Err(error) if concerns_one_client(&error) => {}
                Err(error) => {
                    if self.complaint.is_due() {
                        tracing::error!(%error, "cannot accept connections; trying again until it works");
                    }
                    let pause = self.pause.unwrap_or(ACCEPT_PAUSE_MIN);
                    self.pause = Some((pause * 2).min(ACCEPT_PAUSE_MAX));
                    sleep(pause).await;
                }
            }
        }
    }
}

/// Something to tell the operator once, not again with every connection: a full table or a lack of file
/// descriptors comes and goes many times a second.
#[derive(Default)]
struct Complaint {
    told_at: Option<Instant>,
}

impl Complaint {
    /// Whether to tell it now, because it has not been told for a minute.
    fn is_due(&mut self) -> bool {
        let is_due = self.told_at.is_none_or(|told_at| told_at.elapsed() >= COMPLAINT_INTERVAL);
        if is_due {
            self.told_at = Some(Instant::now());
        }
        is_due
    }
}

/// Whether accepting failed because the client had already gone, which says nothing about the next one.
fn concerns_one_client(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused)
}

/// The open connections, each a task that is told to close by dropping its sender.
struct Connections {
    floor: Arc<Floor>,
    tasks: JoinSet<()>,
    closers: HashMap<task::Id, oneshot::Sender<Infallible>>,
}

impl Connections {
    fn new(floor: Floor) -> Self {
        Self { floor: Arc::new(floor), tasks: JoinSet::new(), closers: HashMap::new() }
    }

    fn len(&self) -> usize {
        self.tasks.len()
    }

    fn start(&mut self, stream: TcpStream, peer: IpAddr) {
        let (closer, closing) = oneshot::channel();
        let task = self.tasks.spawn(connection::drive(stream, Peer(peer), Arc::clone(&self.floor), closing));
        self.closers.insert(task.id(), closer);
    }

    /// Waits for one connection to end; `None` when there is none.
    async fn next_end(&mut self) -> Option<()> {
        let ended = self.tasks.join_next_with_id().await?;
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        self.closers.remove(&id);
        if let Err(error) = ended {
            tell_broken(&error);
        }
        Some(())
    }

    async fn drain(mut self, grace: Duration) -> Drained {
        let open = self.len();
        self.closers.clear();
        // A grace beyond what the clock can count is no limit, and a day is as good.
        let now = Instant::now();
        let deadline = now.checked_add(grace).unwrap_or(now + Duration::from_hours(24));
        while let Ok(Some(())) = timeout_at(deadline, self.next_end()).await {}
        let cut = self.len();
        self.tasks.abort_all();
        if cut > 0 {
            tracing::warn!(cut, grace_seconds = grace.as_secs(), "grace period over; connections cut");
        }
        Drained { finished: open - cut, cut }
    }
}

/// Handlers' panics are answered where they happen; this is one from a body that was being streamed out.
fn tell_broken(error: &JoinError) {
    if error.is_panic() {
        tracing::error!(%error, "an answer broke off because its body panicked");
    }
}
