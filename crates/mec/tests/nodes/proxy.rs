//! The way from a node to its database, which can be cut, fall silent and heal.
//!
//! It passes bytes on and changes none. What it knows of PostgreSQL's protocol is what a COMMIT
//! looks like.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::tcp::ReadHalf;
use tokio::net::{TcpListener, TcpStream, UnixStream, unix};
use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};

/// A simple query that says COMMIT: its kind, its length, its text.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// What the server says when it has done it, or has not.
const ENDED: [&[u8]; 2] = [b"COMMIT\0", b"ROLLBACK\0"];

/// A listening proxy. Dropping it ends its connections.
pub(crate) struct Proxy {
    port: u16,
    state: watch::Sender<State>,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

/// How the way is.
#[derive(Clone)]
struct State {
    /// Where the server's socket is.
    server: PathBuf,
    is_silent: bool,
    refuses: bool,
    /// How often all connections were cut.
    cuts: u64,
    /// Whether the last cut was a reset.
    by_reset: bool,
}

/// When a connection is cut that sends COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtCommit {
    /// COMMIT never reaches the server.
    Before,
    /// As soon as the server can read it.
    Sent,
    /// When the server has answered, and nobody has heard it.
    Answered,
}

impl AtCommit {
    pub(crate) const ALL: [Self; 3] = [Self::Before, Self::Sent, Self::Answered];
}

/// What a connection has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Met {
    Made,
    TurnedAway,
    Cut,
    /// What was said on it waited until the way was not silent any more.
    Silence,
    CutBeforeCommit,
    CutAtCommit,
    CutAfterCommit,
}

impl From<AtCommit> for Met {
    fn from(trap: AtCommit) -> Self {
        match trap {
            AtCommit::Before => Self::CutBeforeCommit,
            AtCommit::Sent => Self::CutAtCommit,
            AtCommit::Answered => Self::CutAfterCommit,
        }
    }
}

#[derive(Default)]
struct Shared {
    /// What the next connections that send COMMIT meet, the next one last.
    traps: Mutex<Vec<AtCommit>>,
    met: Mutex<BTreeMap<Met, u64>>,
}

impl Shared {
    fn meets(&self, what: Met) {
        *self.met.lock().unwrap().entry(what).or_default() += 1;
    }
}

impl Proxy {
    /// Listens on a free port before the server's socket.
    pub(crate) fn before(server: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let first = State {
            server: server.to_owned(),
            is_silent: false,
            refuses: false,
            cuts: 0,
            by_reset: false,
        };
        let (state, seen) = watch::channel(first);
        let shared = Arc::new(Shared::default());
        runtime.spawn(accept(listener, seen, shared.clone()));
        Self {
            port,
            state,
            shared,
            runtime: Some(runtime),
        }
    }

    /// The address of a database for a role.
    pub(crate) fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// Ends every connection, as a server does that ends one, or as a network that has forgotten
    /// it.
    pub(crate) fn cut(&self, by_reset: bool) {
        self.state.send_modify(|state| {
            state.cuts += 1;
            state.by_reset = by_reset;
        });
    }

    /// The next connections that send COMMIT are cut, one each, as the last of these says first.
    pub(crate) fn trap(&self, traps: &[AtCommit]) {
        *self.shared.traps.lock().unwrap() = traps.to_vec();
    }

    /// Passes nothing on, and ends nothing.
    pub(crate) fn fall_silent(&self) {
        self.state.send_modify(|state| state.is_silent = true);
    }

    /// Takes no new connection.
    pub(crate) fn refuse(&self) {
        self.state.send_modify(|state| state.refuses = true);
    }

    /// Leads new connections to another server.
    pub(crate) fn lead_to(&self, server: &Path) {
        self.state
            .send_modify(|state| state.server = server.to_owned());
    }

    /// Is a way like any other again. What was held back in silence is passed on.
    pub(crate) fn heal(&self) {
        self.shared.traps.lock().unwrap().clear();
        self.state
            .send_modify(|state| (state.is_silent, state.refuses) = (false, false));
    }

    /// How often its connections have met that.
    pub(crate) fn met(&self, what: Met) -> u64 {
        self.shared
            .met
            .lock()
            .unwrap()
            .get(&what)
            .copied()
            .unwrap_or(0)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, state: watch::Receiver<State>, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        shared.meets(Met::Made);
        let (state, shared) = (state.clone(), shared.clone());
        tokio::spawn(async move {
            // However it ends, both sides learn it from the connection itself.
            drop(relay(client, state, &shared).await);
        });
    }
}

async fn relay(
    mut client: TcpStream,
    mut state: watch::Receiver<State>,
    shared: &Shared,
) -> io::Result<()> {
    let (refuses, cuts) = (state.borrow().refuses, state.borrow().cuts);
    if refuses {
        shared.meets(Met::TurnedAway);
        return client.set_zero_linger();
    }
    client.set_nodelay(true)?;
    let mut watched = state.clone();
    spoken(&mut state).await;
    let path = state.borrow().server.clone();
    let mut server = UnixStream::connect(path).await?;
    let answers = Answers::default();
    let passed = {
        let (of_client, to_client) = client.split();
        let (of_server, to_server) = server.split();
        tokio::select! {
            up = pass_up(of_client, to_server, &answers, state.clone(), shared) => up,
            down = pass_down(of_server, to_client, &answers, state.clone()) => down.map(|()| None),
            _ = watched.wait_for(|state| state.cuts > cuts) => {
                shared.meets(Met::Cut);
                if state.borrow().by_reset {
                    client.set_zero_linger()?;
                }
                return Ok(());
            }
        }
    };
    drop(client);
    if passed? == Some(AtCommit::Sent) {
        // A server whose answers nobody takes would not read on.
        let (of_server, _to_server) = server.split();
        tokio::select! {
            _ = answers.ended.notified() => {}
            down = pass_down(of_server, tokio::io::sink(), &answers, state.clone()) => down?,
        }
    }
    Ok(())
}

/// Waits until it is not silent.
async fn spoken(state: &mut watch::Receiver<State>) {
    // The proxy is gone, and everything ends.
    drop(state.wait_for(|state| !state.is_silent).await);
}

/// What becomes of the server's answers on one connection.
#[derive(Default)]
struct Answers {
    are_kept_back: AtomicBool,
    /// The one to COMMIT has come.
    ended: Notify,
}

async fn pass_up(
    mut client: ReadHalf<'_>,
    mut server: unix::WriteHalf<'_>,
    answers: &Answers,
    mut state: watch::Receiver<State>,
    shared: &Shared,
) -> io::Result<Option<AtCommit>> {
    let mut buffer = vec![0; 64 * 1024];
    // The end of what was passed on, where a COMMIT may have begun.
    let mut before: Vec<u8> = vec![];
    loop {
        let read = client.read(&mut buffer).await?;
        if read == 0 {
            return Ok(None);
        }
        if state.borrow().is_silent {
            shared.meets(Met::Silence);
        }
        spoken(&mut state).await;
        let bytes = &buffer[..read];
        let seen = [&before[..], bytes].concat();
        let end = seen
            .windows(COMMIT.len())
            .position(|part| part == COMMIT)
            .map(|at| at + COMMIT.len() - before.len());
        let trap = end.and_then(|_| shared.traps.lock().unwrap().pop());
        if let (Some(end), Some(trap)) = (end, trap) {
            shared.meets(trap.into());
            let kept_back = if trap == AtCommit::Before {
                COMMIT.len().min(end)
            } else {
                0
            };
            answers.are_kept_back.store(true, Ordering::SeqCst);
            server.write_all(&bytes[..end - kept_back]).await?;
            if trap == AtCommit::Answered {
                answers.ended.notified().await;
            }
            return Ok(Some(trap));
        }
        server.write_all(bytes).await?;
        before = seen[seen.len().saturating_sub(COMMIT.len() - 1)..].to_vec();
    }
}

async fn pass_down(
    mut server: unix::ReadHalf<'_>,
    mut client: impl AsyncWrite + Unpin,
    answers: &Answers,
    mut state: watch::Receiver<State>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut kept_back = vec![];
    loop {
        let read = server.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        spoken(&mut state).await;
        if !answers.are_kept_back.load(Ordering::SeqCst) {
            client.write_all(&buffer[..read]).await?;
            continue;
        }
        kept_back.extend_from_slice(&buffer[..read]);
        if ENDED
            .iter()
            .any(|ended| kept_back.windows(ended.len()).any(|part| part == *ended))
        {
            answers.ended.notify_one();
        }
    }
}
