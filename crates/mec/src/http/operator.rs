//! Who may use `/admin`, where the catalog is changed.
//!
//! Where callers are asked who they are, an operator is who proves to be an admin, wherever the
//! call comes from. Where nobody is asked, `/admin` is not on the main port at all, which a proxy
//! may make reachable for the world: it is on a port of its own on the loopback interface. There,
//! too, it answers only what comes over that interface, under a loopback name, not handed on by a
//! proxy, with a header that no page can make a browser send.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::Request;
use axum::http::header::{FORWARDED, HOST, HeaderName, VIA};
use axum::http::{HeaderMap, StatusCode};

use super::browsers::{host_name, is_same_site};
use crate::problem::errors::ApiError;

/// Says that the caller means it: any value. A browser asks before it sends this to another origin,
/// and is told no.
pub const X_MEC_ADMIN: HeaderName = HeaderName::from_static("x-mec-admin");

/// Set by proxies; what they hand on comes from somewhere else.
const FORWARDING: [HeaderName; 4] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

/// The other end of a request's connection, among its extensions. A request without one is
/// nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// This machine: a request that a program makes to itself.
    pub const OWN: Self = Self(IpAddr::V4(Ipv4Addr::LOCALHOST));
}

/// The port a request came in by, among its extensions. A request without one is a stranger's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The port that clients use.
    Public,
    /// The port, or the process itself, that only commands on this machine use.
    Operators,
}

/// Whether an operator sends a request, where nobody is asked who they are.
///
/// # Errors
/// 403 `MEC_NOT_OPERATOR`.
pub(crate) fn check_request(request: &Request) -> Result<(), ApiError> {
    let (door, peer) = (
        request.extensions().get().copied(),
        request.extensions().get().copied(),
    );
    check(door, peer, request.headers()).map_err(refused)
}

fn check(door: Option<Door>, peer: Option<Peer>, headers: &HeaderMap) -> Result<(), &'static str> {
    if door != Some(Door::Operators) {
        return Err("they use a port of their own");
    }
    if !peer.is_some_and(|Peer(ip)| ip.to_canonical().is_loopback()) {
        return Err("the request comes from another machine");
    }
    let is_loopback = |host: &str| {
        let name = host_name(host);
        name.eq_ignore_ascii_case("localhost")
            || name
                .parse::<IpAddr>()
                .is_ok_and(|ip| ip.to_canonical().is_loopback())
    };
    if !headers
        .get_all(HOST)
        .iter()
        .all(|host| host.to_str().is_ok_and(is_loopback))
    {
        return Err("the server was called by another name than localhost");
    }
    if FORWARDING.iter().any(|name| headers.contains_key(name)) {
        return Err("the request was handed on by a proxy");
    }
    if !is_same_site(headers) {
        return Err("a page of another origin sends the request");
    }
    if !headers.contains_key(X_MEC_ADMIN) {
        return Err("the header X-Mec-Admin is missing");
    }
    Ok(())
}

/// 403 `MEC_NOT_OPERATOR`.
fn refused(why: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "MEC_NOT_OPERATOR", format!("This is for operators only: {why}")).with_hint(
        "Run the command, such as `mec catalog export`, on the server's machine with the server's --store, or with --server and \
         the address for operators that the server logs when it starts; or set jwt_secret (MEC_JWT_SECRET) and send an admin's \
         token",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_a_program_on_this_machine_is_an_operator() {
        let admin = ("x-mec-admin", "1");
        for (peer, pairs, is_operator) in [
            ("127.0.0.1", vec![admin], true),
            ("127.0.0.1", vec![admin, ("host", "127.0.0.1:8000")], true),
            ("127.0.0.1", vec![admin, ("host", "localhost:8000")], true),
            ("::1", vec![admin, ("host", "[::1]:8000")], true),
            ("::ffff:127.0.0.1", vec![admin, ("host", "localhost")], true),
            ("127.0.0.1", vec![("host", "localhost:8000")], false),
            ("127.0.0.1", vec![admin, ("host", "mec:8000")], false),
            (
                "127.0.0.1",
                vec![admin, ("host", "192.168.1.5:8000")],
                false,
            ),
            (
                "127.0.0.1",
                vec![admin, ("host", "localhost"), ("x-forwarded-for", "1.2.3.4")],
                false,
            ),
            (
                "127.0.0.1",
                vec![admin, ("host", "localhost"), ("via", "1.1 proxy")],
                false,
            ),
            (
                "127.0.0.1",
                vec![
                    admin,
                    ("host", "localhost"),
                    ("origin", "http://localhost:3000"),
                ],
                false,
            ),
            (
                "127.0.0.1",
                vec![
                    admin,
                    ("host", "localhost"),
                    ("sec-fetch-site", "cross-site"),
                ],
                false,
            ),
            (
                "127.0.0.1",
                vec![admin, ("host", "localhost"), ("sec-fetch-site", "none")],
                true,
            ),
            (
                "192.168.1.5",
                vec![admin, ("host", "localhost:8000")],
                false,
            ),
            ("172.18.0.1", vec![admin, ("host", "127.0.0.1:8000")], false),
        ] {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(name, value)| {
                    (
                        HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    )
                })
                .collect();
            let peer = Peer(peer.parse().expect("an address"));
            assert_eq!(
                check(Some(Door::Operators), Some(peer), &headers).is_ok(),
                is_operator,
                "{peer:?} {pairs:?}"
            );
            assert!(check(Some(Door::Operators), None, &headers).is_err());
            for door in [Some(Door::Public), None] {
                assert!(check(door, Some(peer), &headers).is_err());
            }
        }
    }
}
