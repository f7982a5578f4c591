//! The address to listen on.

use std::net::{SocketAddr, ToSocketAddrs as _};

use crate::terminal::failure::{Exit, Failure};

/// The address `text` names, which must be the machine's own.
///
/// # Errors
/// No address, or one that others reach.
pub(super) fn loopback(text: &str) -> Result<SocketAddr, Failure> {
    let address = address(text)?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(Failure::new(
        Exit::Config,
        format!(
            "{text} can be reached from other machines, and whoever calls may write without being asked who they are; mec does \
             not start there"
        ),
    )
    .with_hint("set jwt_secret (MEC_JWT_SECRET), and no anon_role that may write, or listen on 127.0.0.1 or [::1]"))
}

/// The address `text` names.
///
/// # Errors
/// It names none.
pub(crate) fn address(text: &str) -> Result<SocketAddr, Failure> {
    let problem = match text.to_socket_addrs() {
        Ok(mut found) => match found.next() {
            Some(address) => return Ok(address),
            None => "it names no address".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    Err(Failure::new(
        Exit::Config,
        format!("\"{text}\" is not an address to listen on: {problem}"),
    )
    .with_hint("write HOST:PORT, for example 127.0.0.1:8000"))
}
