//! The name of a request: `X-Request-Id`, kept when the client sends a usable one, made here
//! otherwise.
//!
//! New ids cost no system call: a prefix drawn once per process, then a counter. They are unique,
//! not secret.

use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries the id, in requests and in every answer.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id taken over from a client, in characters.
const CLIENT_ID_CHARS_MAX: usize = 128;

/// The id of the request being handled: 1 to 128 visible ASCII characters.
///
/// As an extractor it never fails. The listener has put the id into the request's headers, so every
/// handler of a request sees the same one; without a listener (a router called directly) each
/// extraction makes a new id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// A new id, unique among all processes for practical purposes: `0f3a9c417be25d68-2a`.
    pub fn next() -> Self {
        static PREFIX: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
        static COUNTER: AtomicU64 = AtomicU64::new(1);
        Self::of(*PREFIX, COUNTER.fetch_add(1, Ordering::Relaxed))
    }

    /// The id the client sent, when there is one and it is usable.
    pub fn sent_with(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(X_REQUEST_ID)?;
        let usable = (1..=CLIENT_ID_CHARS_MAX).contains(&value.len())
            && value.as_bytes().iter().all(u8::is_ascii_graphic);
        usable.then(|| Self(value.clone()))
    }

    /// The client's id, or a new one, which then stands in the request's headers in place of an
    /// unusable one.
    pub(crate) fn settle(headers: &mut HeaderMap) -> Self {
        Self::sent_with(headers).unwrap_or_else(|| {
            let id = Self::next();
            headers.insert(X_REQUEST_ID, id.0.clone());
            id
        })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0
            .to_str()
            .expect("an id holds visible ASCII characters only")
    }

    /// The id as the value of a header.
    pub fn into_header(self) -> HeaderValue {
        self.0
    }

    fn of(prefix: u64, count: u64) -> Self {
        const PREFIX_DIGITS: u32 = u64::BITS / 4;
        let count_digits = (u64::BITS - count.leading_zeros()).div_ceil(4).max(1);
        let mut text = Vec::with_capacity((PREFIX_DIGITS + 1 + count_digits) as usize);
        push_hex(&mut text, prefix, PREFIX_DIGITS);
        text.push(b'-');
        push_hex(&mut text, count, count_digits);
        let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(text))
            .expect("hexadecimal digits and a dash are valid in a header");
        Self(value)
    }
}

/// By hand because the formatting machinery costs several times as much, once per request.
fn push_hex(text: &mut Vec<u8>, number: u64, digits: u32) {
    text.extend((0..digits).rev().map(|place| {
        let digit = (number >> (4 * place) & 0xf) as u8;
        if digit < 10 {
            b'0' + digit
        } else {
            b'a' + digit - 10
        }
    }));
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::settle(&mut parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_hexadecimal_prefix_and_a_count() {
        let cases = [
            (0, 0, "0000000000000000-0"),
            (0xf3a9, 1, "000000000000f3a9-1"),
            (u64::MAX, 0x10, "ffffffffffffffff-10"),
            (1 << 63, u64::MAX, "8000000000000000-ffffffffffffffff"),
        ];
        for (prefix, count, text) in cases {
            assert_eq!(RequestId::of(prefix, count).as_str(), text);
        }
    }

    #[test]
    fn new_ids_differ_and_share_the_prefix_of_their_process() {
        let (first, second) = (RequestId::next(), RequestId::next());
        assert_ne!(first, second);
        assert_eq!(first.as_str()[..17], second.as_str()[..17]);
    }

    #[test]
    fn a_clients_id_is_kept_when_it_is_1_to_128_visible_ascii_characters() {
        let longest = "x".repeat(128);
        let too_long = "x".repeat(129);
        let cases: [(&[u8], bool); 8] = [
            (b"a", true),
            (b"~!req-1/2", true),
            (longest.as_bytes(), true),
            (too_long.as_bytes(), false),
            (b"", false),
            (b"two words", false),
            (b"tab\tbed", false),
            ("näher".as_bytes(), false),
        ];
        for (sent, kept) in cases {
            let value = HeaderValue::from_bytes(sent).expect("a header value");
            let mut headers = HeaderMap::from_iter([(X_REQUEST_ID, value.clone())]);
            let id = RequestId::settle(&mut headers);
            assert_eq!(id.0 == value, kept, "{:?}", String::from_utf8_lossy(sent));
            assert_eq!(headers[X_REQUEST_ID], id.0);
        }
    }
}
