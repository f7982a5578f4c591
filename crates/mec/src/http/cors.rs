//! Which pages of other origins may call the API from a browser (CORS).
//!
//! None may unless the configuration names their origin: a server that asks nobody who they are
//! must not be spoken to by every page a developer opens. PostgREST allows all by default; for a
//! configured origin the answers are PostgREST's, so that its clients work in a browser: any header
//! may be sent, and what they read is exposed. Whether a page may write at all is decided in
//! `browsers`.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;

const METHODS: HeaderValue =
    HeaderValue::from_static("GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, Range-Unit, \
     Preference-Applied, Proxy-Status, X-Request-Id, Idempotent-Replayed",
);
/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");

/// The origins whose pages may call the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// None but the server's own.
    #[default]
    None,
    /// Those named, as browsers write them: `https://app.example.com`.
    Named(Vec<String>),
    /// All; only for a server whose callers prove who they are.
    All,
}

/// A text that names no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no origin: it has a scheme, a host and perhaps a port, as https://app.example.com"
)]
pub struct NoOrigin(String);

impl Origins {
    /// Reads a list separated by commas or spaces; `*` is all, an empty list none.
    ///
    /// # Errors
    /// An entry with a path, or without a scheme or a host.
    pub fn read(list: &str) -> Result<Self, NoOrigin> {
        let entries: Vec<&str> = list
            .split([',', ' '])
            .filter(|entry| !entry.is_empty())
            .collect();
        if entries.contains(&"*") {
            return Ok(Self::All);
        }
        let named = entries.iter().map(|entry| match entry.split_once("://") {
            Some(("http" | "https", host))
                if !host.is_empty() && !host.contains(['/', '?', '#', '@']) =>
            {
                Ok(entry.to_ascii_lowercase())
            }
            _ => Err(NoOrigin((*entry).to_owned())),
        });
        let named = named.collect::<Result<Vec<_>, _>>()?;
        Ok(if named.is_empty() {
            Self::None
        } else {
            Self::Named(named)
        })
    }

    /// The origin of a request, where it is one of these.
    pub(super) fn of<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        let is_allowed = match self {
            Self::None => false,
            Self::Named(named) => origin
                .to_str()
                .is_ok_and(|origin| named.iter().any(|known| known.eq_ignore_ascii_case(origin))),
            Self::All => true,
        };
        is_allowed.then_some(origin)
    }

    /// The answer to a preflight (a browser's question whether a page may send the request it has
    /// in mind), before [`Origins::allow`].
    pub(super) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        let is_preflight =
            *method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        self.of(headers).filter(|_| is_preflight)?;
        let mut response = Response::new(Body::empty());
        let answer = response.headers_mut();
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(headers));
        answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(response)
    }

    /// Lets the page of `origin`, which is one of these, read an answer.
    pub(super) fn allow(&self, origin: &HeaderValue, answer: &mut HeaderMap) {
        if *self == Self::All {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            answer.insert(
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
            // The answer is another one for another page, which whoever keeps copies of it must
            // know.
            answer.append(VARY, HeaderValue::from_static("Origin"));
        }
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// Whatever headers are asked for, between those that always may be sent.
fn allowed_headers(asked: &HeaderMap) -> HeaderValue {
    let asked = asked
        .get(ACCESS_CONTROL_REQUEST_HEADERS)
        .and_then(|names| names.to_str().ok())
        .unwrap_or_default();
    let asked = asked
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let names: Vec<&str> = ["Authorization"]
        .into_iter()
        .chain(asked)
        .chain(["Accept", "Accept-Language", "Content-Language"])
        .collect();
    HeaderValue::from_str(&names.join(", "))
        .unwrap_or(HeaderValue::from_static("Authorization, Accept"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (
                axum::http::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn an_origin_is_allowed_only_where_it_is_named() {
        let named =
            Origins::read("https://app.example.com, http://localhost:3000").expect("origins");
        for (origins, origin, is_allowed) in [
            (&Origins::None, "https://app.example.com", false),
            (&named, "https://app.example.com", true),
            (&named, "https://APP.example.com", true),
            (&named, "http://localhost:3000", true),
            (&named, "http://localhost:3001", false),
            (&named, "https://app.example.com.evil.example", false),
            (&named, "http://app.example.com", false),
            (&named, "null", false),
            (&Origins::All, "https://anyone.example", true),
        ] {
            assert_eq!(
                origins.of(&headers(&[("origin", origin)])).is_some(),
                is_allowed,
                "{origins:?} {origin}"
            );
        }
        assert_eq!(named.of(&HeaderMap::new()), None);
    }

    #[test]
    fn a_list_is_read_and_a_wrong_entry_named() {
        assert_eq!(Origins::read(" "), Ok(Origins::None));
        assert_eq!(Origins::read("https://a.example *"), Ok(Origins::All));
        for wrong in [
            "a.example",
            "https://",
            "https://a.example/",
            "ftp://a.example",
            "https://a@b",
        ] {
            assert_eq!(Origins::read(wrong), Err(NoOrigin(wrong.to_owned())));
        }
    }

    #[test]
    fn a_preflight_is_answered_as_postgrest_answers_it() {
        let named = Origins::read("http://example.com").expect("an origin");
        let asked = headers(&[
            ("origin", "http://example.com"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "Foo,Bar"),
        ]);
        let answer = named
            .preflight(&Method::OPTIONS, &asked)
            .expect("a preflight");
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .map(|value| value.to_str().expect("text"))
        };
        assert_eq!(
            header("access-control-allow-headers"),
            Some("Authorization, Foo, Bar, Accept, Accept-Language, Content-Language")
        );
        assert_eq!(header("access-control-max-age"), Some("86400"));
        assert!(named.preflight(&Method::GET, &asked).is_none());
        assert!(
            named
                .preflight(
                    &Method::OPTIONS,
                    &headers(&[("origin", "http://example.com")])
                )
                .is_none()
        );
        assert!(Origins::None.preflight(&Method::OPTIONS, &asked).is_none());
    }

    #[test]
    fn an_allowed_page_may_read_the_headers_clients_look_at() {
        let page = HeaderValue::from_static("http://example.com");
        for (origins, origin, credentials) in [
            (
                Origins::read("http://example.com").expect("one"),
                "http://example.com",
                true,
            ),
            (Origins::All, "*", false),
        ] {
            let mut answer = headers(&[("vary", "Accept")]);
            origins.allow(&page, &mut answer);
            assert_eq!(answer["access-control-allow-origin"], origin);
            assert_eq!(
                answer.contains_key("access-control-allow-credentials"),
                credentials
            );
            assert!(
                answer["access-control-expose-headers"]
                    .to_str()
                    .is_ok_and(|names| names.contains("Content-Range"))
            );
            assert_eq!(
                answer.get_all("vary").iter().count(),
                if credentials { 2 } else { 1 }
            );
        }
    }
}
