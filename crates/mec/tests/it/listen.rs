//! The accept loop on real sockets: what it cuts, what it refuses, what it answers whatever
//! happens.
//!
//! Time-outs are short by configuration. Where time has to pass, another connection running into
//! its time-out is the clock, so nothing here sleeps.

mod answers;
mod bodies;
mod client;
mod connections;
mod gate;
mod heads;
mod server;
mod shutdown;

use std::time::Duration;

use mec::http::limits::Limits;
use tokio::time::timeout;

/// Anything that takes longer hangs.
const HANGS_AFTER: Duration = Duration::from_secs(30);
/// A time-out short enough to wait for and long enough not to strike by accident on a busy machine.
const SHORT: Duration = Duration::from_millis(150);
/// A time-out that must not strike in a test.
const LONG: Duration = Duration::from_secs(600);

/// Limits of which none strikes unless a test makes it short.
fn patient() -> Limits {
    Limits {
        head_timeout: LONG,
        body_timeout: LONG,
        body_whole_timeout: LONG,
        idle_timeout: LONG,
        write_timeout: LONG,
        shutdown_grace: LONG,
        ..Limits::default()
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(HANGS_AFTER, future)
        .await
        .expect("takes no longer than half a minute")
}
