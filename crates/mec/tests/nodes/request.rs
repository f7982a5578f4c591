//! One request to a server, on a connection of its own.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// An answer: its status, whether it is an earlier one told again, and its body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) is_replayed: bool,
    pub(crate) body: Value,
}

/// Where a server answers, if a line of what it prints says so.
pub(crate) fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

/// Sends a request and waits for its answer.
///
/// # Errors
/// Why there is no whole answer within `patience`; `InvalidData`: there is one that cannot be read.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &Value,
    patience: Duration,
) -> io::Result<Answer> {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    // HTTP/1.0, so that the end of the body is the end of the stream.
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Prefer: return=representation\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = vec![];
    stream.read_to_end(&mut answer)?;
    whole(&answer)
}

fn whole(answer: &[u8]) -> io::Result<Answer> {
    const END: &[u8] = b"\r\n\r\n";
    let head = answer
        .windows(END.len())
        .position(|part| part == END)
        .ok_or(ErrorKind::UnexpectedEof)?;
    let (head, body) = (
        String::from_utf8_lossy(&answer[..head]).to_lowercase(),
        &answer[head + END.len()..],
    );
    let unreadable = |what: &str| io::Error::new(ErrorKind::InvalidData, format!("{what}: {head}"));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| unreadable("no status"))?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: Option<usize> = length
        .map(str::parse)
        .transpose()
        .map_err(|_| unreadable("no length"))?;
    if length.is_some_and(|length| length > body.len()) {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let body = match serde_json::from_slice(body) {
        Ok(body) => body,
        Err(_) if body.is_empty() && length == Some(0) => Value::Null,
        // Without a length nobody knows whether that is all.
        Err(_) if length.is_none() => return Err(ErrorKind::UnexpectedEof.into()),
        Err(error) => return Err(unreadable(&error.to_string())),
    };
    Ok(Answer {
        status,
        is_replayed: head.contains("\r\nidempotent-replayed: true"),
        body,
    })
}

#[test]
fn half_an_answer_is_none_and_one_that_cannot_be_read_is_told() {
    let kind = |answer: &str| {
        whole(answer.as_bytes())
            .map(|answer| answer.body)
            .map_err(|error| error.kind())
    };
    assert_eq!(
        kind("HTTP/1.0 200 OK\r\ncontent-length: 4\r\n\r\ntrue"),
        Ok(Value::Bool(true))
    );
    assert_eq!(
        kind("HTTP/1.0 204 No Content\r\ncontent-length: 0\r\n\r\n"),
        Ok(Value::Null)
    );
    assert_eq!(
        kind("HTTP/1.0 200 OK\r\ncontent-length: 4\r\n\r\ntru"),
        Err(ErrorKind::UnexpectedEof)
    );
    assert_eq!(
        kind("HTTP/1.0 200 OK\r\n\r\ntru"),
        Err(ErrorKind::UnexpectedEof)
    );
    assert_eq!(
        kind("HTTP/1.0 200 OK\r\ncontent-len"),
        Err(ErrorKind::UnexpectedEof)
    );
    assert_eq!(
        kind("HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\ntru"),
        Err(ErrorKind::InvalidData)
    );
    assert_eq!(
        kind("HTTP/1.0 okay\r\ncontent-length: 4\r\n\r\ntrue"),
        Err(ErrorKind::InvalidData)
    );
}
