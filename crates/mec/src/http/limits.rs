//! How long and how much the listener lets a client take.
//!
//! Holds numbers and their meaning only; `listen` enforces them.

use std::time::Duration;

/// What one client may take of the server. Time-outs are measured in real time, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte of a request (or from the accepted connection) until its head is complete.
    /// A slower client is cut without an answer. Default 10 seconds.
    pub head_timeout: Duration,
    /// How long a handler waits for the next bytes of a request body. A body that stalls longer is answered
    /// 408 and its connection is closed. Default 30 seconds.
    pub body_timeout: Duration,
    /// How long a connection may stay open between two requests. Default 75 seconds, which is longer than
    /// the 60 seconds after which common proxies close their side first.
    pub idle_timeout: Duration,
    /// How long a client may take no byte of an answer that is ready for it. Default 30 seconds.
    pub write_timeout: Duration,
    /// How long the rest of a refused request body is read and thrown away, so that the refusal reaches a
    /// client that is still sending. Default 2 seconds.
    pub linger_timeout: Duration,
    /// How long requests in flight may still run once shutdown has begun. Default 30 seconds; zero cuts at once.
    pub shutdown_grace: Duration,
    /// Connections served at the same time. Further ones wait in the kernel's queue until one ends. Default 10,000.
    pub connections_max: usize,
    /// Largest request body, in bytes as sent. Anything larger is answered 413. Default 10,000,000.
    pub body_bytes_max: u64,
    /// Largest request head (request line and headers), in bytes. Anything larger is answered 431. Default 65,536.
    pub head_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            linger_timeout: Duration::from_secs(2),
            shutdown_grace: Duration::from_secs(30),
            connections_max: 10_000,
            body_bytes_max: 10_000_000,
            head_bytes_max: 65_536,
        }
    }
}

impl Limits {
    /// Says whether a server could work within these limits at all.
    ///
    /// # Errors
    ///
    /// [`UnusableLimit`] names the first limit that is zero and must not be. `shutdown_grace` and
    /// `linger_timeout` may be zero.
    pub fn check(&self) -> Result<(), UnusableLimit> {
        let must_be_positive = [
            ("head_timeout", self.head_timeout.is_zero()),
            ("body_timeout", self.body_timeout.is_zero()),
            ("idle_timeout", self.idle_timeout.is_zero()),
            ("write_timeout", self.write_timeout.is_zero()),
            ("connections_max", self.connections_max == 0),
            ("body_bytes_max", self.body_bytes_max == 0),
            ("head_bytes_max", self.head_bytes_max == 0),
        ];
        match must_be_positive.iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => Err(UnusableLimit { name }),
            None => Ok(()),
        }
    }
}

/// A limit under which no request could ever be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the limit `{name}` is zero; give it a value greater than zero")]
pub struct UnusableLimit {
    /// The field of [`Limits`] that is zero.
    pub name: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_usable() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn a_limit_of_zero_is_named() {
        let limits = Limits { idle_timeout: Duration::ZERO, ..Limits::default() };
        assert_eq!(limits.check(), Err(UnusableLimit { name: "idle_timeout" }));
    }

    #[test]
    fn a_shutdown_without_grace_is_allowed() {
        let limits = Limits { shutdown_grace: Duration::ZERO, ..Limits::default() };
        assert_eq!(limits.check(), Ok(()));
    }
}
