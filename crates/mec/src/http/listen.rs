//! The accept loop: one HTTP/1.1 connection per task, each within the same limits, and a shutdown
//! that answers what has begun.
//!
//! It knows nothing of routes, and stands in for them only where a request never reaches one or
//! never comes back: a foreign page's (403, 421), a missing or second Host (400), a body over its
//! limit (413), one that stalls (408), one for which there is no room (503), a handler that panics
//! (500).
//!
//! Own code instead of `axum::serve`, which has no time-outs; and no tower layers, because every
//! layer is paid for by every request.

mod body;
mod connection;
mod head;
mod pulse;
mod unread;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
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

use self::connection::{Floor, Session};
use super::browsers::Hosts;
use super::limits::{Limits, UnusableLimit};
use super::operator::{Door, Peer};

/// First and longest pause after a failed accept. A process out of file descriptors gets one back
/// when a connection ends; asking more often than this only burns the processor.
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// How often it is looked for a connection that has become quiet while another one waits for its
/// room.
const ROOM_PAUSE: Duration = Duration::from_millis(10);

/// How long the log stays silent about a trouble it has told.
const COMPLAINT_INTERVAL: Duration = Duration::from_mins(1);

/// How a shutdown went, in connections that were open when it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    /// Those that ended by themselves: idle ones at once, the others after their answer.
    pub finished: usize,
    /// Those cut when the grace period was over, with or without an answer outstanding.
    pub cut: usize,
}

impl Drained {
    /// The sum of two listeners' connections.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            finished: self.finished + other.finished,
            cut: self.cut + other.cut,
        }
    }
}

/// Answers requests to `hosts` that come in by `door`, on `listener`, with `router` until
/// `shutdown` is ready, then lets requests in flight finish.
///
/// `shutdown`'s output is not looked at. Once it is ready the listening socket is closed, idle
/// connections are closed, and requests in flight have `limits.shutdown_grace` to be answered; what
/// remains is cut and counted. While `limits.connections_max` connections are open, one more ends
/// the one that has been quiet for longest, or waits until one is: a short wait is kinder to a
/// client than an error.
///
/// Every answer carries `X-Request-Id`; after one to a request that is not HTTP (400) or whose head
/// is too large (431) the connection is closed. The future of a handler is dropped when its client
/// goes away before the answer, so work that must not be abandoned half-way belongs into a task or
/// a queue.
///
/// Dropping the returned future cuts all connections.
///
/// # Errors
///
/// [`UnusableLimit`] when a limit is zero that must not be; nothing has been accepted then. Errors
/// of the listening socket are logged and outlived, never returned.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    hosts: Hosts,
    door: Door,
    shutdown: impl Future,
) -> Result<Drained, UnusableLimit> {
    limits.check()?;
    let mut shutdown = pin!(shutdown);
    let mut acceptor = Acceptor {
        listener,
        pause: None,
        complaint: Complaint::default(),
    };
    // `with_state` turns every handler into a route once, which otherwise happens again for each
    // request.
    let floor = Floor::new(router.with_state(()), &limits, hosts, door);
    let mut connections = Connections::new(floor, limits.connections_per_peer_max);
    let mut full = Complaint::default();
    // The one for which there is no room yet.
    let mut waiting = None;

    loop {
        let has_room = connections.len() < limits.connections_max;
        if has_room && let Some((stream, peer)) = waiting.take() {
            connections.start(stream, peer);
            continue;
        }
        if waiting.is_some() {
            connections.end_quietest(None);
            if full.is_due() {
                tracing::warn!(
                    connections_max = limits.connections_max,
                    "connection limit reached; quiet connections are ended"
                );
            }
        }
        tokio::select! {
            biased;
            _ = &mut shutdown => break,
            Some(()) = connections.next_end() => {}
            () = sleep(ROOM_PAUSE), if waiting.is_some() => {}
            accepted = acceptor.accept(), if waiting.is_none() => waiting = Some(accepted),
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

/// Something to tell the operator once, not again with every connection: a full table or a lack of
/// file descriptors comes and goes many times a second.
#[derive(Default)]
struct Complaint {
    told_at: Option<Instant>,
}

impl Complaint {
    /// Whether to tell it now, because it has not been told for a minute.
    fn is_due(&mut self) -> bool {
        let is_due = self
            .told_at
            .is_none_or(|told_at| told_at.elapsed() >= COMPLAINT_INTERVAL);
        if is_due {
            self.told_at = Some(Instant::now());
        }
        is_due
    }
}

/// Whether accepting failed because the client had already gone, which says nothing about the next
/// one.
fn concerns_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// The open connections, each a task.
struct Connections {
    floor: Arc<Floor>,
    per_peer_max: usize,
    tasks: JoinSet<()>,
    open: HashMap<task::Id, Open>,
    of_peers: HashMap<IpAddr, usize>,
    crowded: Complaint,
}

struct Open {
    peer: IpAddr,
    session: Arc<Session>,
    /// Dropping it tells the connection to close; `None`: it has been told.
    closer: Option<oneshot::Sender<Infallible>>,
}

impl Connections {
    fn new(floor: Floor, per_peer_max: usize) -> Self {
        Self {
            floor: Arc::new(floor),
            per_peer_max,
            tasks: JoinSet::new(),
            open: HashMap::new(),
            of_peers: HashMap::new(),
            crowded: Complaint::default(),
        }
    }

    fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Serves a connection, unless its peer has too many that are all busy: then it is cut.
    fn start(&mut self, stream: TcpStream, peer: IpAddr) {
        let of_peer = self.of_peers.get(&peer).copied().unwrap_or(0);
        if of_peer >= self.per_peer_max {
            if self.crowded.is_due() {
                tracing::warn!(%peer, connections = of_peer, "a peer has as many connections as one may; its quiet ones are ended");
            }
            if !self.end_quietest(Some(peer)) {
                return;
            }
        }
        let session = Arc::new(Session::new(Arc::clone(&self.floor), Peer(peer)));
        let (closer, closing) = oneshot::channel();
        let task = self
            .tasks
            .spawn(connection::drive(stream, Arc::clone(&session), closing));
        self.open.insert(
            task.id(),
            Open {
                peer,
                session,
                closer: Some(closer),
            },
        );
        *self.of_peers.entry(peer).or_default() += 1;
    }

    /// Tells the connection, of this peer or of any, that has been quiet for longest to close;
    /// whether there was one.
    fn end_quietest(&mut self, of: Option<IpAddr>) -> bool {
        let open = self
            .open
            .values_mut()
            .filter(|open| open.closer.is_some() && of.is_none_or(|peer| peer == open.peer));
        let quiet = open.filter_map(|open| Some((open.session.pulse.quiet_since()?, open)));
        let Some((_, quietest)) = quiet.min_by_key(|(since, _)| *since) else {
            return false;
        };
        quietest.closer = None;
        true
    }

    /// Waits for one connection to end; `None` when there is none.
    async fn next_end(&mut self) -> Option<()> {
        let ended = self.tasks.join_next_with_id().await?;
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        if let Some(Open { peer, .. }) = self.open.remove(&id)
            && let Entry::Occupied(mut count) = self.of_peers.entry(peer)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        if let Err(error) = ended {
            tell_broken(&error);
        }
        Some(())
    }

    async fn drain(mut self, grace: Duration) -> Drained {
        let open = self.len();
        for open in self.open.values_mut() {
            open.closer = None;
        }
        // A grace beyond what the clock can count is no limit, and a day is as good.
        let now = Instant::now();
        let deadline = now
            .checked_add(grace)
            .unwrap_or(now + Duration::from_hours(24));
        while let Ok(Some(())) = timeout_at(deadline, self.next_end()).await {}
        let cut = self.len();
        self.tasks.abort_all();
        if cut > 0 {
            tracing::warn!(
                cut,
                grace_seconds = grace.as_secs(),
                "grace period over; connections cut"
            );
        }
        Drained {
            finished: open - cut,
            cut,
        }
    }
}

/// Handlers' panics are answered where they happen; this is one from a body that was being streamed
/// out.
fn tell_broken(error: &JoinError) {
    if error.is_panic() {
        tracing::error!(%error, "an answer broke off because its body panicked");
    }
}
