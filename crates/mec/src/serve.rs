//! A server's life: listen, answer until a signal comes or the store fails, close.
//!
//! `mec serve` and `mec demo` live it. Routes are elsewhere.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use mec_engine::Mec;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::cli::failure::{Exit, Failure};
use crate::cli::output;
use crate::config::Config;
use crate::http::auth::Auth;
use crate::http::limits::Limits;
use crate::http::listen;

/// A process that a signal ended says so in its exit code: 128 and the signal's number.
const ENDED_BY_SIGNAL: i32 = 128;

/// `mec serve`: opens the store, prints the address, answers until it is told to stop.
///
/// # Errors
/// An address others reach while anybody may write, or that is taken, a store that cannot be used, or one that fails while it serves.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    config.kept()?;
    let signals = Signals::catch()?;
    let listener = bind(config.listen_address()?).await?;
    let address = url(&listener)?;
    let mec = Arc::new(Mec::open(&config.store, config.options(&address, true)).await?);
    match output::line(format_args!("mec answers on {address}")) {
        // It serves on, whoever reads along.
        Ok(()) | Err(Failure::ClosedPipe) => {}
        Err(failure) => return Err(failure),
    }
    until_signal(mec, listener, config, signals).await
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

/// `http://HOST:PORT` by which this machine reaches a listening socket, with the port it really has.
///
/// # Errors
/// The system does not tell.
pub(crate) fn url(listener: &TcpListener) -> Result<String, Failure> {
    let address = listener.local_addr().map_err(|error| Failure::io("the listening socket", &error))?;
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(format!("http://{}", SocketAddr::new(ip, address.port())))
}

/// Answers on `listener`, to the hosts and callers of `config`, until SIGTERM or SIGINT, lets requests in flight finish, and closes `mec`. A second signal
/// ends the process at once; nothing that was acknowledged is lost by that.
///
/// # Errors
/// The store failed while it served, so that what is durable must be read anew: the process should end.
pub(crate) async fn until_signal(
    mec: Arc<Mec>,
    listener: TcpListener,
    config: &Config,
    mut signals: Signals,
) -> Result<(), Failure> {
    let (ask, asked) = oneshot::channel();
    let watch = tokio::spawn(async move {
        let (name, _) = signals.next().await;
        tracing::info!(signal = name, "stopping: requests in flight are answered");
        if ask.send(()).is_err() {
            tracing::debug!("the server is stopping already");
        }
        let (name, number) = signals.next().await;
        tracing::warn!(signal = name, "ended at once");
        std::process::exit(ENDED_BY_SIGNAL + number);
    });
    let end = async {
        tokio::select! {
            _ = asked => {}
            outcome = mec.ended() => if let Err(problem) = outcome {
                tracing::error!(problem, "stopping: the store failed");
            },
        }
    };
    let served = listen::serve(listener, routes(mec.clone(), config.auth.clone()), Limits::default(), config.hosts.clone(), end);
    let drained = served.await.map_err(|error| Failure::new(Exit::Config, error))?;
    let closed = mec.close().await;
    watch.abort();
    tracing::info!(finished = drained.finished, cut = drained.cut, "stopped");
    closed.map_err(|problem| {
        Failure::new(Exit::Io, format!("the store failed: {problem}"))
            .with_hint("start mec again: it reads back what is durable; everything that was acknowledged is")
    })
}

/// Every route over `mec`, for callers who are asked as `auth` says.
pub(crate) fn routes(mec: Arc<Mec>, auth: Auth) -> Router {
    crate::http::router::router(crate::api::context::AppState::new(mec).with_auth(auth))
}

/// The signals that end a server, caught from the moment this is made: before it says where it answers, so that whoever
/// reads that may end it.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn catch() -> Result<Self, Failure> {
        let catch = |kind| signal(kind).map_err(|error| Failure::io("signals cannot be caught", &error));
        Ok(Self { terminate: catch(SignalKind::terminate())?, interrupt: catch(SignalKind::interrupt())? })
    }

    /// The next one's name and number.
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", 15),
            _ = self.interrupt.recv() => ("SIGINT", 2),
        }
    }
}
