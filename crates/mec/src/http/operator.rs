//! Who may use `/admin`: whoever sits at the machine the server runs on, through a program.
//!
//! The catalogue is changed there without anybody being asked who they are, so it answers only what comes over the
//! loopback interface, under a loopback name, not handed on by a proxy, with a header that no page can make a browser
//! send. That holds where the rest of the API is open to others, too.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::Request;
use axum::http::header::{FORWARDED, HOST, HeaderName, VIA};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::browsers::{host_name, is_same_site};
use super::errors::ApiError;

/// Says that the caller means it: any value. A browser asks before it sends this to another origin, and is told no.
pub const X_MEC_ADMIN: HeaderName = HeaderName::from_static("x-mec-admin");

/// Set by proxies; what they hand on comes from somewhere else.
const FORWARDING: [HeaderName; 4] =
    [FORWARDED, VIA, HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("x-real-ip")];

/// The other end of a request's connection, among its extensions. A request without one is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// This machine: a request that a program makes to itself.
    pub const OWN: Self = Self(IpAddr::V4(Ipv4Addr::LOCALHOST));
}

/// Hands a request on if it is an operator's.
pub(super) async fn require(request: Request, next: Next) -> Response {
    match check(request.extensions().get::<Peer>().copied(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(why) => refused(why).into_response(),
    }
}

fn check(peer: Option<Peer>, headers: &HeaderMap) -> Result<(), &'static str> {
    if !peer.is_some_and(|Peer(ip)| ip.to_canonical().is_loopback()) {
        return Err("the request comes from another machine");
    }
    let is_loopback = |host: &str| {
        let name = host_name(host);
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    };
    if !headers.get_all(HOST).iter().all(|host| host.to_str().is_ok_and(is_loopback)) {
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
        "Use `mec catalog` on the machine the server runs on, or call http://127.0.0.1:PORT from there with the header \
         X-Mec-Admin: 1",
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
            ("127.0.0.1", vec![admin, ("host", "192.168.1.5:8000")], false),
            ("127.0.0.1", vec![admin, ("host", "localhost"), ("x-forwarded-for", "1.2.3.4")], false),
            ("127.0.0.1", vec![admin, ("host", "localhost"), ("via", "1.1 proxy")], false),
            ("127.0.0.1", vec![admin, ("host", "localhost"), ("origin", "http://localhost:3000")], false),
            ("127.0.0.1", vec![admin, ("host", "localhost"), ("sec-fetch-site", "cross-site")], false),
            ("127.0.0.1", vec![admin, ("host", "localhost"), ("sec-fetch-site", "none")], true),
            ("192.168.1.5", vec![admin, ("host", "localhost:8000")], false),
            ("172.18.0.1", vec![admin, ("host", "127.0.0.1:8000")], false),
        ] {
            let headers: HeaderMap =
                pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
            let peer = Peer(peer.parse().expect("an address"));
            assert_eq!(check(Some(peer), &headers).is_ok(), is_operator, "{peer:?} {pairs:?}");
            assert!(check(None, &headers).is_err());
        }
    }
}
