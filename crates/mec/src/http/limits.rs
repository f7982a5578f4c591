//! How long and how much the listener lets a client take.
//!
//! Holds numbers and their meaning only; `listen` enforces them.

use std::time::Duration;

/// What one client may take of the server. Time-outs are measured in real time, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte of a request (or from the accepted connection) until its head is
    /// complete. A slower client is cut without an answer. Default 10 seconds.
    pub head_timeout: Duration,
    /// How long a handler waits for the next bytes of a request body. A body that stalls longer is
    /// answered 408 and its connection is closed. Default 30 seconds.
    pub body_timeout: Duration,
    /// How long a whole request body may take from when it is first waited for. Default 2 minutes.
    pub body_whole_timeout: Duration,
    /// The lowest rate a request body may come at, in bytes a second, beyond the first
    /// `body_timeout`. Default 8,192.
    pub body_rate_min: u64,
    /// How long a connection may stay open between two requests. Default 75 seconds, which is
    /// longer than the 60 seconds after which common proxies close their side first.
    pub idle_timeout: Duration,
    /// How long a client may take no byte of an answer that is ready for it. Default 30 seconds.
    pub write_timeout: Duration,
    /// How long the rest of a refused request body is read and thrown away, so that the refusal
    /// reaches a client that is still sending. Default 2 seconds.
    pub linger_timeout: Duration,
    /// How long requests in flight may still run once shutdown has begun. Default 15 seconds; zero
    /// cuts at once.
    pub shutdown_grace: Duration,
    /// Connections served at the same time. One more ends the one that has been quiet for longest,
    /// and waits while none is. Default 10,000.
    pub connections_max: usize,
    /// Connections of one peer at the same time. One more ends that peer's longest quiet one, and
    /// is cut where none is. Default 5,000, because a proxy in front is one peer.
    pub connections_per_peer_max: usize,
    /// Largest request body, in bytes as sent. Anything larger is answered 413. Default 10,000,000.
    pub body_bytes_max: u64,
    /// Largest sum of the request bodies in flight, in bytes as sent. What is beyond is answered
    /// 503. Default 134,217,728.
    pub bodies_bytes_max: u64,
    /// Largest request head (request line and headers), in bytes. Anything larger is answered 431.
    /// Default 65,536.
    pub head_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            body_whole_timeout: Duration::from_mins(2),
            body_rate_min: 8_192,
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            linger_timeout: Duration::from_secs(2),
            shutdown_grace: Duration::from_secs(15),
            connections_max: 10_000,
            connections_per_peer_max: 5_000,
            body_bytes_max: 10_000_000,
            bodies_bytes_max: 134_217_728,
            head_bytes_max: 65_536,
        }
    }
}

/// Descriptors that are kept for the store, the log and everything else that is no client's.
const DESCRIPTORS_RESERVED: u64 = 128;

impl Limits {
    /// The defaults, with as many connections as a process that may have so many open files can
    /// serve: some are kept for the store, and one peer gets half.
    #[must_use]
    pub fn within_descriptors(descriptors: u64) -> Self {
        let all = Self::default();
        let reserved = DESCRIPTORS_RESERVED.min(descriptors / 2);
        let room = usize::try_from(descriptors - reserved)
            .unwrap_or(usize::MAX)
            .max(2);
        let connections_max = all.connections_max.min(room);
        Self {
            connections_max,
            connections_per_peer_max: all.connections_per_peer_max.min(connections_max / 2),
            ..all
        }
    }

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
            ("body_whole_timeout", self.body_whole_timeout.is_zero()),
            ("idle_timeout", self.idle_timeout.is_zero()),
            ("write_timeout", self.write_timeout.is_zero()),
            ("connections_max", self.connections_max == 0),
            (
                "connections_per_peer_max",
                self.connections_per_peer_max == 0,
            ),
            ("bodies_bytes_max", self.bodies_bytes_max == 0),
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
    fn connections_leave_descriptors_for_the_store() {
        for (descriptors, connections, of_one_peer) in [
            (1_048_576, 10_000, 5_000),
            (1_024, 896, 448),
            (200, 100, 50),
            (2, 2, 1),
        ] {
            let limits = Limits::within_descriptors(descriptors);
            assert_eq!(
                (limits.connections_max, limits.connections_per_peer_max),
                (connections, of_one_peer),
                "{descriptors}"
            );
            assert_eq!(limits.check(), Ok(()));
        }
    }

    #[test]
    fn a_limit_of_zero_is_named() {
        let limits = Limits {
            idle_timeout: Duration::ZERO,
            ..Limits::default()
        };
        assert_eq!(
            limits.check(),
            Err(UnusableLimit {
                name: "idle_timeout"
            })
        );
    }

    #[test]
    fn a_shutdown_without_grace_is_allowed() {
        let limits = Limits {
            shutdown_grace: Duration::ZERO,
            ..Limits::default()
        };
        assert_eq!(limits.check(), Ok(()));
    }
}
