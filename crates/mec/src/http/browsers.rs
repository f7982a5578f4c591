//! What keeps a web page from using the server through the browser that shows it.
//!
//! A server on `localhost` is reachable by every page a developer opens, and asks nobody who they
//! are. Two ways are closed here. A page whose own name was made to lead to this machine (DNS
//! rebinding) is told by its `Host`: only names are answered that nobody outside can own. A page
//! that sends a form or a request blindly (CSRF) is told by `Sec-Fetch-Site` and `Origin`, which
//! browsers set and pages cannot: it may neither write nor read. Programs send neither header and
//! are not concerned. Both ways are open again where every caller sends a token, which is no
//! cookie: a page that has none gets nothing, and one that has one may use it. Who may call at all
//! is for `auth`.

use std::net::IpAddr;

use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, Method, Request, StatusCode, Version};

use super::cors::Origins;
use crate::problem::errors::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// What a link from elsewhere may lead to.
const PAGES: [&str; 4] = ["/", "/health", "/livez", "/readyz"];

/// Ends of names that are kept for private use, so that no page out there can have one: RFC 6761,
/// RFC 6762 and ICANN's reservation of `internal`.
const PRIVATE_ENDINGS: [&str; 3] = [".localhost", ".internal", ".local"];

/// The names by which clients may call the server.
///
/// Always: an IP address, a name without a dot (`localhost`, a service in a container network), a
/// name that ends in `.localhost`, `.internal` or `.local`. The default allows nothing else, and no
/// page of another origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    names: Vec<String>,
    /// Whether nobody gets anything without a token.
    callers_are_known: bool,
    /// The origins whose pages may call.
    pub(super) origins: Origins,
}

impl Hosts {
    /// Those that are always allowed, and these; each without a port, in any case.
    pub fn also(names: impl IntoIterator<Item = String>) -> Self {
        let names = names
            .into_iter()
            .map(|name| name.trim_end_matches('.').to_ascii_lowercase())
            .collect();
        Self {
            names,
            ..Self::default()
        }
    }

    /// The same names, and the pages of these origins.
    #[must_use]
    pub fn with_origins(self, origins: Origins) -> Self {
        Self { origins, ..self }
    }

    /// Any name, and blind requests of any page, because every caller must prove who they are.
    #[must_use]
    pub fn of_known_callers(self) -> Self {
        Self {
            callers_are_known: true,
            ..self
        }
    }

    fn allow(&self, name: &str) -> bool {
        if is_address(name) || !name.contains('.') {
            return true;
        }
        let is_end = |end: &str| name.len() > end.len() && ends_with(name, end);
        PRIVATE_ENDINGS.into_iter().any(is_end)
            || self
                .names
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Refuses a request that does not say once, and only once, which host it is for (RFC 9112, 3.2): a
/// proxy in front might have read it in another way.
///
/// # Errors
/// 400 `MEC_BAD_HOST`.
pub(super) fn check_host<B>(request: &Request<B>) -> Result<(), ApiError> {
    let needs_one = request.version() >= Version::HTTP_11;
    let mut hosts = request.headers().get_all(HOST).iter();
    let problem = match (hosts.next(), hosts.next()) {
        (None, _) if needs_one => "The request has no Host header",
        (_, Some(_)) => "The request has more than one Host header",
        _ => return Ok(()),
    };
    Err(
        ApiError::new(StatusCode::BAD_REQUEST, "MEC_BAD_HOST", problem)
            .with_hint("Send exactly one Host header, as HTTP/1.1 requires"),
    )
}

/// Refuses what only a foreign page's browser sends.
///
/// # Errors
/// 421 `MEC_FOREIGN_HOST` for a `Host` that is none of `hosts`; 403 `MEC_CROSS_SITE` for a request
/// that comes from a page of another origin: what it costs and its status would tell that page
/// something, even where it cannot read the answer.
pub(super) fn check<B>(hosts: &Hosts, request: &Request<B>) -> Result<(), ApiError> {
    let (method, headers) = (request.method(), request.headers());
    if hosts.callers_are_known {
        return Ok(());
    }
    for host in headers.get_all(HOST) {
        let name = host.to_str().ok().map(host_name);
        if !name.is_some_and(|name| hosts.allow(name)) {
            return Err(foreign_host(&String::from_utf8_lossy(host.as_bytes())));
        }
    }
    // A question whether a page may ask; it is answered with no.
    let is_question = *method == Method::OPTIONS;
    let is_allowed = is_question
        || is_same_site(headers)
        || is_link(request)
        || hosts.origins.of(headers).is_some();
    if is_allowed {
        Ok(())
    } else {
        Err(cross_site())
    }
}

/// Whether somebody follows a link to a page: a whole document, which no other page can look into,
/// and none of the API.
fn is_link<B>(request: &Request<B>) -> bool {
    let says = |name: &HeaderName, wanted: &str| {
        request
            .headers()
            .get(name)
            .is_some_and(|value| value == wanted)
    };
    let is_page = PAGES.contains(&request.uri().path());
    *request.method() == Method::GET
        && is_page
        && says(&SEC_FETCH_MODE, "navigate")
        && says(&SEC_FETCH_DEST, "document")
}

/// Whether a request comes from a program, or from a page of this very server.
pub(super) fn is_same_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    // A browser of before 2023, or a page without TLS that is no localhost.
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let authority = origin.as_bytes().split(|byte| *byte == b'/').nth(2);
    headers.get(HOST).is_some_and(|host| {
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_bytes()))
    })
}

/// The name in a `Host`: without port, brackets and final dot.
pub(super) fn host_name(host: &str) -> &str {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.strip_suffix('.').unwrap_or(name)
}

fn is_address(name: &str) -> bool {
    name.bytes()
        .next()
        .is_some_and(|first| first.is_ascii_digit() || name.contains(':'))
        && name.parse::<IpAddr>().is_ok()
}

fn ends_with(name: &str, end: &str) -> bool {
    name.len()
        .checked_sub(end.len())
        .and_then(|at| name.get(at..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

fn foreign_host(host: &str) -> ApiError {
    ApiError::new(StatusCode::MISDIRECTED_REQUEST, "MEC_FOREIGN_HOST", format!("This server is not called \"{host}\"")).with_hint(
        "Call it by localhost, by its IP address or by a name without a dot; a name that clients or a proxy in front use \
         is allowed by the setting hosts (MEC_HOSTS)",
    )
}

fn cross_site() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "MEC_CROSS_SITE", "A page of another origin may not call this server").with_hint(
        "Call the API from your own server, serve the page from the same host and port as the API, or name the page's \
         origin in the setting cors_origins (MEC_CORS_ORIGINS)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn request(method: &Method, headers: HeaderMap) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = method.clone();
        *request.headers_mut() = headers;
        request
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).expect("text"),
                )
            })
            .collect()
    }

    #[test]
    fn only_names_that_no_outsider_owns_are_answered() {
        let hosts = Hosts::also(["MEC.example.com.".to_owned()]);
        for (host, is_allowed) in [
            ("localhost", true),
            ("localhost:8000", true),
            ("LocalHost.:8000", true),
            ("127.0.0.1:8000", true),
            ("192.168.1.5", true),
            ("[::1]:8000", true),
            ("[::1]", true),
            ("mec:8000", true),
            ("api.localhost", true),
            ("host.docker.internal:8000", true),
            ("mec.default.svc.cluster.local", true),
            ("mec.example.com", true),
            ("mec.example.com:443", true),
            ("evil.example", false),
            ("evil.example:8000", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("evil.mec.example.com", false),
            ("7f000001.rbndr.us", false),
            (".local", false),
        ] {
            let found = check(&hosts, &request(&Method::GET, headers(&[("host", host)])));
            assert_eq!(found.is_ok(), is_allowed, "{host}: {found:?}");
        }
        assert_eq!(
            check(&hosts, &request(&Method::GET, HeaderMap::new())),
            Ok(())
        );
    }

    #[test]
    fn a_page_of_another_origin_may_neither_read_nor_write() {
        let here = ("host", "localhost:8000");
        for (pairs, is_allowed) in [
            (vec![here], true),
            (vec![here, ("origin", "http://localhost:8000")], true),
            (vec![here, ("origin", "http://localhost:3000")], false),
            (vec![here, ("origin", "https://evil.example")], false),
            (vec![here, ("origin", "null")], false),
            (vec![("origin", "http://localhost:8000")], false),
            (
                vec![
                    here,
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "http://localhost:3000"),
                ],
                true,
            ),
            (vec![here, ("sec-fetch-site", "none")], true),
            (
                vec![
                    here,
                    ("sec-fetch-site", "same-site"),
                    ("origin", "http://localhost:3000"),
                ],
                false,
            ),
            (vec![here, ("sec-fetch-site", "cross-site")], false),
        ] {
            let headers = headers(&pairs);
            for method in [
                Method::GET,
                Method::HEAD,
                Method::POST,
                Method::PATCH,
                Method::PUT,
                Method::DELETE,
            ] {
                let found = check(&Hosts::default(), &request(&method, headers.clone()));
                assert_eq!(found.is_ok(), is_allowed, "{method} {pairs:?}");
            }
            assert_eq!(
                check(&Hosts::default(), &request(&Method::OPTIONS, headers)),
                Ok(()),
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn where_every_caller_is_known_names_and_pages_say_nothing() {
        let headers = headers(&[
            ("host", "mec.example.com"),
            ("origin", "https://app.example.com"),
            ("sec-fetch-site", "cross-site"),
        ]);
        let request = request(&Method::POST, headers);
        assert!(check(&Hosts::default(), &request).is_err());
        assert_eq!(
            check(&Hosts::default().of_known_callers(), &request),
            Ok(())
        );
    }

    #[test]
    fn a_page_of_a_configured_origin_is_allowed() {
        let hosts = Hosts::default()
            .with_origins(Origins::read("http://localhost:3000").expect("an origin"));
        let here = ("host", "localhost:8000");
        for (origin, is_allowed) in [
            ("http://localhost:3000", true),
            ("http://localhost:3001", false),
            ("null", false),
        ] {
            let headers = headers(&[here, ("sec-fetch-site", "same-site"), ("origin", origin)]);
            assert_eq!(
                check(&hosts, &request(&Method::POST, headers)).is_ok(),
                is_allowed,
                "{origin}"
            );
        }
    }
}
