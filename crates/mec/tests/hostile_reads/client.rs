//! Requests over sockets: with their answer taken, left, or never read.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    head: String,
    body: String,
}

/// The status of an answer and its code, where it is an error.
pub(crate) type Outcome = (u16, String);

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self {
            head: format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"),
            body: String::new(),
        }
    }

    pub(crate) fn post(path: &str, body: &Value) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        );
        Self {
            head,
            body: body.to_string(),
        }
    }

    pub(crate) fn with(mut self, header: &str) -> Self {
        self.head.push_str(header);
        self.head.push_str("\r\n");
        self
    }

    fn text(&self) -> String {
        format!(
            "{}Content-Length: {}\r\n\r\n{}",
            self.head,
            self.body.len(),
            self.body
        )
    }
}

/// A connection that is kept.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn send(&mut self, request: &Request) -> std::io::Result<()> {
        self.0.get_mut().write_all(request.text().as_bytes())
    }

    /// Status and length of the answer, whose body is still to come.
    pub(crate) fn head(&mut self) -> std::io::Result<(u16, usize)> {
        let (mut status, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_lowercase();
            if line.is_empty() {
                return Ok((status.ok_or(ErrorKind::InvalidData)?, length));
            }
            match line.split_once(": ") {
                Some(("content-length", value)) => {
                    length = value.parse().map_err(|_| ErrorKind::InvalidData)?
                }
                Some(_) => {}
                None => {
                    status = line
                        .split(' ')
                        .nth(1)
                        .and_then(|status| status.parse().ok())
                }
            }
        }
    }

    /// The whole answer.
    pub(crate) fn ask(&mut self, request: &Request) -> std::io::Result<(u16, Vec<u8>)> {
        self.send(request)?;
        let (status, length) = self.head()?;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, body))
    }

    /// What became of a request.
    pub(crate) fn outcome(&mut self, request: &Request) -> std::io::Result<Outcome> {
        let (status, body) = self.ask(request)?;
        let code = |body: &[u8]| {
            Some(
                serde_json::from_slice::<Value>(body).ok()?["code"]
                    .as_str()?
                    .to_owned(),
            )
        };
        Ok((
            status,
            if status < 400 {
                String::new()
            } else {
                code(&body).unwrap_or_default()
            },
        ))
    }
}
