//! A server's life: listen, answer until a signal comes or the store fails, close.
//!
//! `mec serve` and `mec demo` live it. Routes are elsewhere.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use mec_engine::Mec;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

use crate::api::context::AppState;
use crate::config::Config;
use crate::http::auth::Auth;
use crate::http::limits::Limits;
use crate::http::listen::{self, Drained};
use crate::http::operator::Door;
use crate::server::router;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output;

/// A process that a signal ended says so in its exit code: 128 and the signal's number.
const ENDED_BY_SIGNAL: i32 = 128;
/// Where a PostgREST and its webhooks are looked for.
const COMPATIBLE_PORTS: [u16; 2] = [3000, 8005];
/// More open files than this are of no use to the connections that are served.
const DESCRIPTORS_WANTED: u64 = 65_536;
/// Connections of operators' commands at once.
const OPERATORS_MAX: usize = 64;

/// `mec serve`: opens the store, prints the address, answers until it is told to stop.
///
/// # Errors
/// An address others reach while anybody may write, or that is taken, a store that cannot be used,
/// or one that fails while it serves.
pub(crate) async fn run(config: &Config, ports: Beside) -> Result<(), Failure> {
    config.kept()?;
    let signals = Signals::catch()?;
    let ports = Ports::open(config.listen_address()?, ports).await?;
    let mec =
        Arc::new(Mec::open(&config.settings.store, config.options(&ports.note()?, true)).await?);
    match output::line(format_args!("mec answers on {}", url(&ports.main)?)) {
        // It serves on, whoever reads along.
        Ok(()) | Err(Failure::ClosedPipe) => {}
        Err(failure) => return Err(failure),
    }
    until_signal(mec, ports, config, signals).await
}

/// Which ports there are beside the main one and the operators'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// None.
    Nothing,
    /// Those at which clients of a PostgREST and of its webhooks look: 3000 and 8005.
    Compatible,
}

/// The listening sockets of a server.
#[derive(Debug)]
pub(crate) struct Ports {
    /// The API.
    pub(crate) main: TcpListener,
    /// The API and `/admin`, on the loopback interface.
    operators: TcpListener,
    /// The API at the root, and webhooks.
    compatible: Option<(TcpListener, TcpListener)>,
    /// How many files the process may have open: raised before anybody is told where it answers.
    descriptors: u64,
}

impl Ports {
    /// Opens them: the main one at `address`, those beside it on the same interface.
    ///
    /// # Errors
    /// One is taken.
    pub(crate) async fn open(address: SocketAddr, beside: Beside) -> Result<Self, Failure> {
        let descriptors = raise_descriptors();
        let main = bind(address).await?;
        let operators = bind((Ipv4Addr::LOCALHOST, 0).into()).await?;
        let compatible = match beside {
            Beside::Nothing => None,
            Beside::Compatible => {
                let [tables, webhooks] =
                    COMPATIBLE_PORTS.map(|port| SocketAddr::new(address.ip(), port));
                Some((bind(tables).await?, bind(webhooks).await?))
            }
        };
        Ok(Self {
            main,
            operators,
            compatible,
            descriptors,
        })
    }

    /// What commands read that find the store in use.
    ///
    /// # Errors
    /// The system does not tell.
    pub(crate) fn note(&self) -> Result<String, Failure> {
        Ok(format!(
            "{}, operators {}",
            url(&self.main)?,
            url(&self.operators)?
        ))
    }

    /// How many of them strangers reach.
    fn public(&self) -> u64 {
        if self.compatible.is_some() { 3 } else { 1 }
    }
}

/// Raises the number of files this process may have open as far as it may, and answers it.
fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // No limit at all is as good as more connections than there are.
    let (soft, hard) = (
        limit.current.unwrap_or(u64::MAX),
        limit.maximum.unwrap_or(u64::MAX),
    );
    let wanted = hard.min(DESCRIPTORS_WANTED);
    if soft >= wanted {
        return soft;
    }
    match setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(wanted),
            maximum: limit.maximum,
        },
    ) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!(%error, soft, "the limit of open files cannot be raised; fewer connections are served at once");
            soft
        }
    }
}

/// A listening socket.
///
/// # Errors
/// The address is taken or not this machine's.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => "ports below 1024 are for root; name another one with --listen 127.0.0.1:PORT",
            io::ErrorKind::AddrNotAvailable => "the address is not this machine's; listen on 127.0.0.1 or [::1]",
            _ => "another program uses the port, perhaps another mec; stop it, or name another port with --listen 127.0.0.1:PORT",
        };
        Failure::new(Exit::Unavailable, format!("cannot listen on {address}: {error}")).with_hint(hint)
    })
}

/// `http://HOST:PORT` by which this machine reaches a listening socket, with the port it really
/// has.
///
/// # Errors
/// The system does not tell.
pub(crate) fn url(listener: &TcpListener) -> Result<String, Failure> {
    let address = listener
        .local_addr()
        .map_err(|error| Failure::io("the listening socket", &error))?;
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(format!("http://{}", SocketAddr::new(ip, address.port())))
}

/// What a stop waits for batches that are being recorded. None that is cut short was answered, and
/// it is recorded whole or not at all. With the grace of requests in flight it is 25 seconds;
/// supervisors kill after 30 or more.
const CLOSE_MAX: Duration = Duration::from_secs(10);

/// Answers on `ports`, to the hosts and callers of `config`, until SIGTERM or SIGINT, lets requests
/// in flight finish, and closes `mec`. A second signal ends the process at once; nothing that was
/// acknowledged is lost by that.
///
/// # Errors
/// The store failed while it served, so that what is durable must be read anew: the process should
/// end.
pub(crate) async fn until_signal(
    mec: Arc<Mec>,
    ports: Ports,
    config: &Config,
    mut signals: Signals,
) -> Result<(), Failure> {
    let (ask, asked) = oneshot::channel();
    let watching = tokio::spawn(async move {
        let (name, _) = signals.next().await;
        tracing::info!(signal = name, "stopping: requests in flight are answered");
        if ask.send(()).is_err() {
            tracing::debug!("the server is stopping already");
        }
        let (name, number) = signals.next().await;
        tracing::warn!(signal = name, "ended at once");
        std::process::exit(ENDED_BY_SIGNAL + number);
    });
    let (stop, stopped) = watch::channel(());
    let end = async {
        tokio::select! {
            _ = asked => {}
            outcome = mec.ended() => if let Err(problem) = outcome {
                tracing::error!(problem, "stopping: the store failed");
            },
        }
        drop(stop);
    };
    let limits = Limits::within_descriptors(ports.descriptors / ports.public());
    tracing::info!(
        operators = url(&ports.operators)?,
        connections_max = limits.connections_max,
        "serving"
    );
    let serve =
        |listener: Option<TcpListener>, router: fn(AppState) -> Router, limits: &Limits, door| {
            let state = AppState::new(mec.clone()).with_auth(config.auth.clone());
            let (limits, hosts, mut stopped) =
                (limits.clone(), config.hosts.clone(), stopped.clone());
            async move {
                let Some(listener) = listener else {
                    return Ok(Drained::default());
                };
                // An error says that the sender is gone, which is the sign.
                let stopping = async move { while stopped.changed().await.is_ok() {} };
                listen::serve(listener, router(state), limits, hosts, door, stopping).await
            }
        };
    let few = Limits {
        connections_max: OPERATORS_MAX,
        connections_per_peer_max: OPERATORS_MAX,
        ..limits.clone()
    };
    let (tables, webhooks) = ports.compatible.unzip();
    let (main, operators, tables, webhooks, ()) = tokio::join!(
        serve(Some(ports.main), router::router, &limits, Door::Public),
        serve(Some(ports.operators), router::router, &few, Door::Operators),
        serve(tables, router::compatible, &limits, Door::Public),
        serve(webhooks, router::webhooks, &limits, Door::Public),
        end,
    );
    let mut drained = Drained::default();
    for served in [main, operators, tables, webhooks] {
        drained = drained.and(served.map_err(|error| Failure::new(Exit::Config, error))?);
    }
    let closed = tokio::time::timeout(CLOSE_MAX, mec.close()).await;
    let closed = closed.unwrap_or_else(|_| {
        Err(format!(
            "it did not come to rest within {} seconds",
            CLOSE_MAX.as_secs()
        ))
    });
    watching.abort();
    tracing::info!(finished = drained.finished, cut = drained.cut, "stopped");
    closed.map_err(|problem| {
        Failure::new(Exit::Io, format!("the store failed: {problem}")).with_hint(
            "start mec again: it reads back what is durable; everything that was acknowledged is",
        )
    })
}

/// Every route over `mec`, for callers who are asked as `auth` says.
pub(crate) fn routes(mec: Arc<Mec>, auth: Auth) -> Router {
    router::router(AppState::new(mec).with_auth(auth))
}

/// The signals that end a server, caught from the moment this is made: before it says where it
/// answers, so that whoever reads that may end it.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn catch() -> Result<Self, Failure> {
        let catch =
            |kind| signal(kind).map_err(|error| Failure::io("signals cannot be caught", &error));
        // A write beyond the largest size of a file (`ulimit -f`) fails as on a full disk, instead
        // of ending the process: a signal that was caught once never does.
        drop(catch(SignalKind::from_raw(
            rustix::process::Signal::XFSZ.as_raw(),
        ))?);
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
        })
    }

    /// The next one's name and number.
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", 15),
            _ = self.interrupt.recv() => ("SIGINT", 2),
        }
    }
}
