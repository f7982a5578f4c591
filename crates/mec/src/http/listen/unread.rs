//! What a client reads whose request could not be read: hyper answers such a one by itself, with a
//! status and nothing else, before there is a request to handle.
//!
//! That answer is replaced on its way out. It is known by its bytes: no other answer is without an
//! `X-Request-Id`.

use axum::http::StatusCode;

use super::super::request_id::RequestId;
use crate::problem::errors::ApiError;

/// How hyper's own answers go on behind their status line.
const BARE: &[u8] = b"connection: close\r\ncontent-length: 0\r\n";

/// The answer to send instead of these bytes, if they are one of hyper's own.
pub(super) fn instead_of(bytes: &[u8]) -> Option<Vec<u8>> {
    let status = match bytes.get(..12)? {
        b"HTTP/1.1 400" => StatusCode::BAD_REQUEST,
        b"HTTP/1.1 414" => StatusCode::URI_TOO_LONG,
        b"HTTP/1.1 431" => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        _ => return None,
    };
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let (status_line, rest) = bytes.split_at(end);
    if !rest.starts_with(BARE) {
        return None;
    }
    let error = match status {
        StatusCode::BAD_REQUEST => ApiError::new(status, "MEC_NOT_HTTP", "The request cannot be read as HTTP/1.1")
            .with_hint("Percent-encode blanks in a URL: write %20 (curl does not do it by itself). Speak HTTP/1.1 without TLS"),
        status => ApiError::new(status, "MEC_HEAD_TOO_LARGE", "The URL or the headers are too large")
            .with_hint("Send fewer or shorter headers; a long list of ids is read in several requests"),
    };
    let body = error.to_json();
    let mut text = status_line.to_vec();
    text.extend_from_slice(
        format!(
            "content-type: application/json; charset=utf-8\r\nproxy-status: PostgREST; error={}\r\nx-request-id: {}\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n",
            error.code,
            RequestId::next().as_str(),
            body.len(),
        )
        .as_bytes(),
    );
    text.extend_from_slice(&body);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hypers_own_answers_are_replaced() {
        let bare =
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let told =
            String::from_utf8(instead_of(bare.as_bytes()).expect("hyper's own")).expect("text");
        assert!(
            told.starts_with("HTTP/1.1 400 Bad Request\r\ncontent-type: application/json"),
            "{told}"
        );
        let (_, body) = told.split_once("\r\n\r\n").expect("a head and a body");
        assert!(
            told.contains(&format!("content-length: {}\r\n", body.len())),
            "{told}"
        );
        for other in [
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400",
            "",
        ] {
            assert_eq!(instead_of(other.as_bytes()), None, "{other}");
        }
    }
}
