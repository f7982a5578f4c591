//! A client that shows what is on the wire.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

/// A client that shows what is on the wire.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    pub(super) read: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Client {
    pub(super) async fn send(&mut self, text: &str) {
        within(self.stream.write_all(text.as_bytes()))
            .await
            .expect("the server reads");
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .await;
        self.answer().await
    }

    /// The next answer, which must have a Content-Length.
    pub(super) async fn answer(&mut self) -> Answer {
        let head_end = loop {
            match self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(found) => break found + 4,
                None => self.read_more().await,
            }
        };
        let head = String::from_utf8(self.read.drain(..head_end).collect()).expect("ASCII");
        let mut lines = head.lines();
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .expect("a status line");
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut answer = Answer {
            status: status.parse().expect("a status"),
            headers: headers.collect(),
            body: String::new(),
        };
        let length = answer
            .header("content-length")
            .expect("Content-Length")
            .parse::<usize>()
            .expect("a length");
        while self.read.len() < length {
            self.read_more().await;
        }
        answer.body = String::from_utf8(self.read.drain(..length).collect()).expect("UTF-8");
        answer
    }

    /// Everything until the server ends the connection, in order or by reset.
    pub(super) async fn rest(&mut self) -> String {
        let mut rest = std::mem::take(&mut self.read);
        let end = within(self.stream.read_to_end(&mut rest)).await;
        if let Err(error) = end {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
        String::from_utf8(rest).expect("UTF-8")
    }

    async fn read_more(&mut self) {
        let count = within(self.stream.read_buf(&mut self.read))
            .await
            .expect("the connection lives");
        assert_ne!(
            count,
            0,
            "closed after {:?}",
            String::from_utf8_lossy(&self.read)
        );
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Asserts the shape that every error has.
    pub(super) fn expect_error(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let body = serde_json::from_str::<serde_json::Map<String, Value>>(&self.body)
            .expect("a JSON object");
        assert_eq!(
            body.keys().collect::<Vec<_>>(),
            ["code", "message", "details", "hint"]
        );
        assert_eq!(body["code"], code);
        assert_eq!(
            self.header("content-type"),
            Some("application/json; charset=utf-8")
        );
        assert_eq!(
            self.header("proxy-status"),
            Some(format!("PostgREST; error={code}").as_str())
        );
    }
}
