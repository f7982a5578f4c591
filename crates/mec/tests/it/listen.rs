//! The accept loop on real sockets: what it cuts, what it refuses, what it answers whatever
//! happens.
//!
//! Time-outs are short by configuration. Where time has to pass, another connection running into
//! its time-out is the clock, so nothing here sleeps.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::routing::{get, post};
use mec::http::browsers::Hosts;
use mec::http::errors::with_fallbacks;
use mec::http::limits::{Limits, UnusableLimit};
use mec::http::listen::{Drained, serve};
use mec::http::operator::Door;
use mec::http::request_id::RequestId;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Anything that takes longer hangs.
const HANGS_AFTER: Duration = Duration::from_secs(30);
/// A time-out short enough to wait for and long enough not to strike by accident on a busy machine.
const SHORT: Duration = Duration::from_millis(150);
/// A time-out that must not strike in a test.
const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_is_cut() {
    for sent in ["", "GET /hello HTTP/1.1\r\nHost: slow\r\nX-Never: "] {
        let server = Server::start(Limits {
            head_timeout: SHORT,
            ..patient()
        })
        .await;
        let begun = Instant::now();
        let mut client = server.connect().await;
        client.send(sent).await;
        assert_eq!(client.rest().await, "", "after {sent:?}");
        assert!(begun.elapsed() >= SHORT, "cut too early after {sent:?}");
    }
}

#[tokio::test]
async fn the_head_of_a_later_request_has_the_same_time_as_the_first() {
    let server = Server::start(Limits {
        head_timeout: SHORT,
        ..patient()
    })
    .await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/hello").await.body, "hello");
    client.send("GET /hel").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let server = Server::start(Limits {
        idle_timeout: SHORT,
        ..patient()
    })
    .await;
    let mut client = server.connect().await;
    let begun = Instant::now();
    assert_eq!(client.get("/hello").await.body, "hello");
    assert_eq!(client.rest().await, "");
    assert!(begun.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_body_that_stalls_is_answered_408_and_its_connection_closed() {
    for head in [
        "Content-Length: 10\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let server = Server::start(Limits {
            body_timeout: SHORT,
            ..patient()
        })
        .await;
        let mut client = server.connect().await;
        let begun = Instant::now();
        client
            .send(&format!("POST /length HTTP/1.1\r\nHost: stall\r\n{head}"))
            .await;
        let answer = client.answer().await;
        assert!(begun.elapsed() >= SHORT);
        answer.expect_error(408, "MEC_BODY_TIMEOUT");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(client.rest().await, "");
    }
}

#[tokio::test]
async fn a_stalled_body_reaches_a_handler_that_reads_it_in_another_task() {
    let server = Server::start(Limits {
        body_timeout: SHORT,
        ..patient()
    })
    .await;
    let mut client = server.connect().await;
    client
        .send("POST /length-elsewhere HTTP/1.1\r\nHost: stall\r\nContent-Length: 10\r\n\r\nhalf")
        .await;
    client.answer().await.expect_error(408, "MEC_BODY_TIMEOUT");
}

#[tokio::test]
async fn a_body_over_the_limit_is_answered_413_while_the_client_still_sends() {
    const LIMIT: u64 = 100_000;
    let body = "x".repeat(10 * LIMIT as usize);
    let requests = [
        format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        format!(
            "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ),
    ];
    for request in requests {
        let server = Server::start(Limits {
            body_bytes_max: LIMIT,
            ..patient()
        })
        .await;
        let mut client = server.connect().await;
        // All of it is sent before the first look at the answer, so the answer must survive the
        // rest of the body.
        client
            .send(&format!(
                "POST /length HTTP/1.1\r\nHost: large\r\n{request}"
            ))
            .await;
        let answer = client.answer().await;
        answer.expect_error(413, "MEC_BODY_TOO_LARGE");
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(
            answer.body.contains("larger than 100000 bytes"),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn an_announced_body_over_the_limit_is_refused_before_it_is_sent() {
    let server = Server::start(Limits {
        body_bytes_max: 9,
        ..patient()
    })
    .await;
    let mut client = server.connect().await;
    client.send("POST /length HTTP/1.1\r\nHost: large\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n").await;
    client
        .answer()
        .await
        .expect_error(413, "MEC_BODY_TOO_LARGE");
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_taken() {
    // More than the 2 MB at which axum's extractors stop by default.
    const LIMIT: usize = 3_000_000;
    let server = Server::start(Limits {
        body_bytes_max: LIMIT as u64,
        ..patient()
    })
    .await;
    let mut client = server.connect().await;
    let body = "x".repeat(LIMIT);
    let heads = [
        format!("Content-Length: {LIMIT}\r\n\r\n{body}"),
        format!("Transfer-Encoding: chunked\r\n\r\n{LIMIT:x}\r\n{body}\r\n0\r\n\r\n"),
    ];
    for head in heads {
        client
            .send(&format!("POST /length HTTP/1.1\r\nHost: large\r\n{head}"))
            .await;
        assert_eq!(client.answer().await.body, LIMIT.to_string());
    }
}

#[tokio::test]
async fn a_small_body_nobody_reads_keeps_the_connection() {
    let server = Server::start(patient()).await;
    let mut client = server.connect().await;
    client
        .send("DELETE /nowhere HTTP/1.1\r\nHost: small\r\nContent-Length: 2\r\n\r\n{}")
        .await;
    client.answer().await.expect_error(404, "PGRST125");
    assert_eq!(client.get("/hello").await.body, "hello");
}

#[tokio::test]
async fn a_connection_that_ends_after_an_unread_body_says_so() {
    let server = Server::start(patient()).await;
    let mut client = server.connect().await;
    // The rest never comes, so it cannot be skipped; the client must know that a next request would
    // be lost.
    client
        .send("DELETE /nowhere HTTP/1.1\r\nHost: late\r\nContent-Length: 5\r\n\r\n{")
        .await;
    let answer = client.answer().await;
    answer.expect_error(404, "PGRST125");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(client.rest().await, "");

    let mut client = server.connect().await;
    let head = "DELETE /nowhere HTTP/1.1\r\nHost: late\r\nContent-Length: 8000\r\n\r\n";
    // It comes behind the head, and is read.
    client.send(head).await;
    client.send(&"x".repeat(8_000)).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (404, None));
    assert_eq!(client.get("/hello").await.body, "hello");
}

#[tokio::test]
async fn a_large_body_nobody_reads_ends_the_connection_after_the_answer() {
    let server = Server::start(patient()).await;
    let mut client = server.connect().await;
    let body = "x".repeat(3_000_000);
    client
        .send(&format!(
            "POST /nowhere HTTP/1.1\r\nHost: large\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    let answer = client.answer().await;
    answer.expect_error(404, "PGRST125");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_cut() {
    let server = Server::start(Limits {
        write_timeout: SHORT,
        connections_max: 1,
        ..patient()
    })
    .await;
    let mut greedy = server.connect().await;
    greedy
        .send("GET /large HTTP/1.1\r\nHost: greedy\r\n\r\n")
        .await;
    // The only slot becomes free although `greedy` stays and reads nothing.
    assert_eq!(server.connect().await.get("/hello").await.body, "hello");
    drop(greedy);
}

#[tokio::test]
async fn time_outs_of_the_client_do_not_run_while_a_handler_works_or_streams() {
    let impatient = Limits {
        head_timeout: SHORT,
        body_timeout: SHORT,
        idle_timeout: SHORT,
        write_timeout: SHORT,
        ..patient()
    };
    let server = Server::start(impatient).await;
    let (mut waiting, mut streaming) = (server.connect().await, server.connect().await);
    waiting
        .send("GET /gate HTTP/1.1\r\nHost: wait\r\n\r\n")
        .await;
    streaming
        .send("GET /stream HTTP/1.1\r\nHost: wait\r\nConnection: close\r\n\r\n")
        .await;
    server.gate.entered(2).await;
    for _ in 0..3 {
        let mut clock = server.connect().await;
        assert_eq!(clock.rest().await, "");
    }
    server.gate.open(2);
    assert_eq!(waiting.answer().await.body, "through");
    assert!(
        streaming
            .rest()
            .await
            .ends_with("\r\n\r\n7\r\nthrough\r\n0\r\n\r\n")
    );
}

#[tokio::test]
async fn requests_sent_together_are_answered_in_order() {
    let server = Server::start(patient()).await;
    let mut client = server.connect().await;
    let second = "POST /length HTTP/1.1\r\nHost: two\r\nContent-Length: 3\r\n\r\nabc";
    client
        .send(&format!(
            "GET /hello HTTP/1.1\r\nHost: one\r\n\r\n{second}GET /hel"
        ))
        .await;
    assert_eq!(client.answer().await.body, "hello");
    // Not held back by the third request, of which only the beginning is there.
    assert_eq!(client.answer().await.body, "3");
    client.send("lo HTTP/1.1\r\nHost: three\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "hello");
}

#[tokio::test]
async fn shutdown_answers_what_has_begun_and_refuses_what_has_not() {
    let server = Server::start(patient()).await;
    let (mut busy, mut idle, mut silent) = (
        server.connect().await,
        server.connect().await,
        server.connect().await,
    );
    assert_eq!(idle.get("/hello").await.body, "hello");
    busy.send("GET /gate HTTP/1.1\r\nHost: busy\r\n\r\n").await;
    server.gate.entered(1).await;

    let address = server.address;
    let (gate, drained) = server.shut_down();
    assert_eq!(idle.rest().await, "");
    assert_eq!(silent.rest().await, "");
    assert!(
        TcpStream::connect(address).await.is_err(),
        "a new connection was accepted"
    );

    gate.open(1);
    let answer = busy.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "through"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(busy.rest().await, "");
    assert_eq!(
        within(drained).await.expect("the server ends"),
        Ok(Drained {
            finished: 3,
            cut: 0
        })
    );
}

#[tokio::test]
async fn shutdown_waits_for_a_body_that_is_still_coming() {
    let server = Server::start(patient()).await;
    let mut client = server.connect().await;
    client
        .send("POST /length-gated HTTP/1.1\r\nHost: body\r\nContent-Length: 8\r\n\r\nhalf")
        .await;
    server.gate.entered(1).await;
    let (gate, drained) = server.shut_down();
    gate.open(1);
    client.send("half").await;
    assert_eq!(client.answer().await.body, "8");
    assert_eq!(
        within(drained).await.expect("the server ends"),
        Ok(Drained {
            finished: 1,
            cut: 0
        })
    );
}

#[tokio::test]
async fn shutdown_cuts_and_counts_what_outlasts_its_grace() {
    let server = Server::start(Limits {
        shutdown_grace: SHORT,
        ..patient()
    })
    .await;
    let (mut stuck, mut idle) = (server.connect().await, server.connect().await);
    assert_eq!(idle.get("/hello").await.body, "hello");
    stuck
        .send("GET /gate HTTP/1.1\r\nHost: stuck\r\n\r\n")
        .await;
    server.gate.entered(1).await;
    let begun = Instant::now();
    let (_gate, drained) = server.shut_down();
    assert_eq!(
        within(drained).await.expect("the server ends"),
        Ok(Drained {
            finished: 1,
            cut: 1
        })
    );
    assert!(begun.elapsed() >= SHORT);
    assert_eq!(stuck.rest().await, "");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    const CLIENTS: usize = 6;
    const AT_ONCE: usize = 2;
    let server = Server::start(Limits {
        connections_max: AT_ONCE,
        ..patient()
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = server.connect().await;
        client
            .send("GET /gate HTTP/1.1\r\nHost: queue\r\nConnection: close\r\n\r\n")
            .await;
        clients.push(client);
    }
    for answered in 0..CLIENTS {
        server.gate.entered((answered + AT_ONCE).min(CLIENTS)).await;
        server.gate.open(1);
    }
    for mut client in clients {
        assert_eq!(client.answer().await.body, "through");
    }
    assert_eq!(server.gate.inside_at_most.load(Ordering::SeqCst), AT_ONCE);
}

#[tokio::test]
async fn a_panic_is_answered_500_and_harms_nobody_else() {
    let server = Server::start(patient()).await;
    let (mut client, mut neighbour) = (server.connect().await, server.connect().await);
    neighbour
        .send("GET /gate HTTP/1.1\r\nHost: neighbour\r\n\r\n")
        .await;
    server.gate.entered(1).await;
    for path in ["/panic", "/panic-later"] {
        let answer = client.get(path).await;
        answer.expect_error(500, "MEC_INTERNAL");
        assert!(answer.header("x-request-id").is_some());
    }
    assert_eq!(client.get("/hello").await.body, "hello");
    server.gate.open(1);
    assert_eq!(neighbour.answer().await.body, "through");
}

#[tokio::test]
async fn every_answer_has_the_request_id_its_handler_saw() {
    let server = Server::start(patient()).await;
    let mut client = server.connect().await;
    let sent = |id: &str| format!("GET /id HTTP/1.1\r\nHost: id\r\nX-Request-Id: {id}\r\n\r\n");

    client.send(&sent("order-66/retry~1")).await;
    let kept = client.answer().await;
    assert_eq!(
        (kept.header("x-request-id"), kept.body.as_str()),
        (Some("order-66/retry~1"), "order-66/retry~1")
    );

    let mut seen = Vec::new();
    for request in [
        sent("two words"),
        sent(&"x".repeat(129)),
        "GET /id HTTP/1.1\r\nHost: id\r\n\r\n".to_owned(),
    ] {
        client.send(&request).await;
        let made = client.answer().await;
        assert_eq!(made.header("x-request-id"), Some(made.body.as_str()));
        assert!(
            !made.body.contains(' ') && made.body.len() < 40,
            "{}",
            made.body
        );
        assert!(!seen.contains(&made.body), "{} was given twice", made.body);
        seen.push(made.body);
    }
    assert!(
        client
            .get("/nowhere")
            .await
            .header("x-request-id")
            .is_some()
    );
}

#[tokio::test]
async fn unknown_paths_and_methods_are_answered_in_our_shape() {
    let server = Server::start(patient()).await;
    let mut client = server.connect().await;
    let answer = client.get("/a/b/c").await;
    answer.expect_error(404, "PGRST125");
    assert_eq!(
        serde_json::from_str::<Value>(&answer.body).expect("JSON"),
        json!({
            "code": "PGRST125", "message": "Invalid path specified in request URL", "details": null,
            "hint": "Tables are at /api/{table}, functions at /api/rpc/{function}; the server's state is at /health",
        }),
    );
    client
        .send("PATCH /hello HTTP/1.1\r\nHost: method\r\n\r\n")
        .await;
    let answer = client.answer().await;
    answer.expect_error(405, "PGRST117");
    assert!(answer.body.contains("Unsupported HTTP method: PATCH"));
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn a_body_that_only_trickles_in_ends_after_its_time_and_rate() {
    const PATIENCE: Duration = Duration::from_millis(600);
    // Bytes keep coming, so that no stall is long enough; the sum of it is.
    for limits in [
        Limits {
            body_whole_timeout: PATIENCE,
            body_rate_min: 1,
            ..patient()
        },
        Limits {
            body_timeout: PATIENCE,
            body_rate_min: 1_000_000,
            ..patient()
        },
    ] {
        let server = Server::start(limits).await;
        // Its only use is that it passes time.
        let pace = Server::start(Limits {
            head_timeout: SHORT,
            ..patient()
        })
        .await;
        let mut client = server.connect().await;
        let begun = Instant::now();
        client
            .send("POST /length HTTP/1.1\r\nHost: slow\r\nContent-Length: 1000\r\n\r\n")
            .await;
        let mut sent = 0;
        while begun.elapsed() < 3 * PATIENCE {
            sent += usize::from(client.stream.write_all(b"x").await.is_ok());
            assert_eq!(pace.connect().await.rest().await, "");
        }
        assert!(
            sent > 2,
            "only {sent} bytes were sent, so nothing was shown"
        );
        client.answer().await.expect_error(408, "MEC_BODY_TIMEOUT");
    }
}

#[tokio::test]
async fn a_body_at_the_lowest_rate_is_taken_however_long_it_is() {
    let server = Server::start(Limits {
        body_timeout: SHORT,
        body_rate_min: 100,
        ..patient()
    })
    .await;
    let pace = Server::start(Limits {
        head_timeout: SHORT / 2,
        ..patient()
    })
    .await;
    let mut client = server.connect().await;
    let begun = Instant::now();
    client
        .send("POST /length HTTP/1.1\r\nHost: slow\r\nContent-Length: 400\r\n\r\n")
        .await;
    for _ in 0..4 {
        // Every hundred bytes are worth a second.
        client.send(&"x".repeat(100)).await;
        assert_eq!(pace.connect().await.rest().await, "");
    }
    assert_eq!(client.answer().await.body, "400");
    assert!(begun.elapsed() > SHORT);
}

#[tokio::test]
async fn bodies_in_flight_take_no_more_than_their_room() {
    const ROOM: u64 = 1_000_000;
    let server = Server::start(Limits {
        bodies_bytes_max: ROOM,
        ..patient()
    })
    .await;
    let head = "POST /held HTTP/1.1\r\nHost: held\r\nContent-Length: 400000\r\n\r\n";
    let mut held = Vec::new();
    for arrived in 1..=2 {
        let mut client = server.connect().await;
        client.send(&format!("{head}{}", "x".repeat(400_000))).await;
        // Its body is in the handler's hands.
        server.gate.entered(arrived).await;
        held.push(client);
    }
    let mut third = server.connect().await;
    third.send(&format!("{head}{}", "x".repeat(400_000))).await;
    let refused = third.answer().await;
    refused.expect_error(503, "MEC_BUSY");
    assert_eq!(
        (refused.header("retry-after"), refused.header("connection")),
        (Some("1"), Some("close"))
    );
    // What is small goes on meanwhile.
    let mut small = server.connect().await;
    small
        .send("POST /length HTTP/1.1\r\nHost: small\r\nContent-Length: 3\r\n\r\nabc")
        .await;
    assert_eq!(small.answer().await.body, "3");
    server.gate.open(2);
    for mut client in held {
        assert_eq!(client.answer().await.body, "400000");
    }
    // The room is free again.
    small
        .send(&format!(
            "{}{}",
            head.replace("/held", "/length"),
            "x".repeat(400_000)
        ))
        .await;
    assert_eq!(small.answer().await.body, "400000");
}

#[tokio::test]
async fn one_more_connection_ends_the_longest_quiet_one() {
    let server = Server::start(Limits {
        connections_max: 4,
        ..patient()
    })
    .await;
    let mut busy = server.connect().await;
    busy.send("GET /gate HTTP/1.1\r\nHost: busy\r\n\r\n").await;
    server.gate.entered(1).await;
    let mut quiet = Vec::new();
    for _ in 0..3 {
        let mut client = server.connect().await;
        assert_eq!(client.get("/hello").await.body, "hello");
        quiet.push(client);
    }
    let mut newer = Vec::new();
    for mut oldest in quiet {
        let mut one_more = server.connect().await;
        assert_eq!(one_more.get("/hello").await.body, "hello");
        newer.push(one_more);
        assert_eq!(oldest.rest().await, "");
    }
    server.gate.open(1);
    assert_eq!(busy.answer().await.body, "through");
}

#[tokio::test]
async fn silent_connections_of_one_peer_lock_nobody_out() {
    const OF_ONE: usize = 5;
    const SILENT: usize = 40;
    let server = Server::start(Limits {
        connections_max: 2 * OF_ONE,
        connections_per_peer_max: OF_ONE,
        ..patient()
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(server.connect().await);
    }
    // Another peer is served, and so is the same one, whose oldest make room.
    let other = tokio::net::TcpSocket::new_v4().expect("a socket");
    other
        .bind("127.0.0.2:0".parse().expect("an address"))
        .expect("all of 127/8 is this machine");
    let stream = within(other.connect(server.address))
        .await
        .expect("a connection");
    let mut other = Client {
        stream,
        read: Vec::new(),
    };
    assert_eq!(other.get("/hello").await.body, "hello");
    assert_eq!(server.connect().await.get("/hello").await.body, "hello");
    for (place, mut client) in silent.into_iter().enumerate().take(SILENT - OF_ONE) {
        assert_eq!(client.rest().await, "", "connection {place} is still open");
    }
}

#[tokio::test]
async fn limits_that_allow_nothing_are_refused_at_start() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let limits = Limits {
        connections_max: 0,
        ..patient()
    };
    let result = serve(
        listener,
        Router::new(),
        limits,
        Hosts::default(),
        Door::Public,
        std::future::pending::<()>(),
    )
    .await;
    assert_eq!(
        result,
        Err(UnusableLimit {
            name: "connections_max"
        })
    );
}

/// Limits of which none strikes unless a test makes it short.
fn patient() -> Limits {
    Limits {
        head_timeout: LONG,
        body_timeout: LONG,
        body_whole_timeout: LONG,
        idle_timeout: LONG,
        write_timeout: LONG,
        shutdown_grace: LONG,
        ..Limits::default()
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(HANGS_AFTER, future)
        .await
        .expect("takes no longer than half a minute")
}

/// Handlers wait here until the test lets them through, and the test waits here for handlers.
struct Gate {
    passes: Semaphore,
    arrivals: Semaphore,
    arrivals_seen: AtomicUsize,
    inside: AtomicUsize,
    inside_at_most: AtomicUsize,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            passes: Semaphore::new(0),
            arrivals: Semaphore::new(0),
            arrivals_seen: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            inside_at_most: AtomicUsize::new(0),
        })
    }

    async fn pass(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.inside_at_most.fetch_max(inside, Ordering::SeqCst);
        self.arrivals.add_permits(1);
        self.passes.acquire().await.expect("never closed").forget();
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    /// Waits until so many handlers have arrived in all.
    async fn entered(&self, handlers: usize) {
        let missing = handlers - self.arrivals_seen.swap(handlers, Ordering::SeqCst);
        let missing = u32::try_from(missing).expect("few");
        within(self.arrivals.acquire_many(missing))
            .await
            .expect("never closed")
            .forget();
    }

    fn open(&self, handlers: usize) {
        self.passes.add_permits(handlers);
    }
}

/// A body that comes once the gate lets it.
struct GatedBody {
    passing: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl HttpBody for GatedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        let Some(passing) = &mut self.passing else {
            return Poll::Ready(None);
        };
        ready!(passing.as_mut().poll(cx));
        self.passing = None;
        Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(
            b"through",
        )))))
    }
}

fn router(gate: Arc<Gate>) -> Router {
    let router = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/large", get(async || vec![b'x'; 64 << 20]))
        .route("/id", get(async |id: RequestId| id.as_str().to_owned()))
        .route("/length", post(async |body: Bytes| body.len().to_string()))
        .route(
            "/length-elsewhere",
            post(async |body: Body| {
                let reading = tokio::spawn(axum::body::to_bytes(body, usize::MAX));
                let bytes = reading.await.expect("no panic");
                bytes
                    .map(|bytes| bytes.len().to_string())
                    .map_err(|error| (axum::http::StatusCode::BAD_REQUEST, error.to_string()))
            }),
        )
        .route(
            "/held",
            post(async |State(gate): State<Arc<Gate>>, body: Bytes| {
                gate.pass().await;
                body.len().to_string()
            }),
        )
        .route(
            "/length-gated",
            post(async |State(gate): State<Arc<Gate>>, body: Body| {
                gate.pass().await;
                axum::body::to_bytes(body, usize::MAX)
                    .await
                    .expect("a whole body")
                    .len()
                    .to_string()
            }),
        )
        .route(
            "/gate",
            get(async |State(gate): State<Arc<Gate>>| {
                gate.pass().await;
                "through"
            }),
        )
        .route(
            "/stream",
            get(async |State(gate): State<Arc<Gate>>| {
                Body::new(GatedBody {
                    passing: Some(Box::pin(async move { gate.pass().await })),
                })
            }),
        )
        .route(
            "/panic",
            get(async || -> &'static str { panic!("at once, as this test wants it") }),
        )
        .route(
            "/panic-later",
            get(async || -> &'static str {
                tokio::task::yield_now().await;
                panic!("after waiting, as this test wants it")
            }),
        );
    with_fallbacks(router).with_state(gate)
}

struct Server {
    address: SocketAddr,
    gate: Arc<Gate>,
    shutdown: oneshot::Sender<()>,
    serving: JoinHandle<Result<Drained, UnusableLimit>>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let gate = Gate::new();
        let (shutdown, begins) = oneshot::channel();
        let serving = tokio::spawn(serve(
            listener,
            router(Arc::clone(&gate)),
            limits,
            Hosts::default(),
            Door::Public,
            begins,
        ));
        Self {
            address,
            gate,
            shutdown,
            serving,
        }
    }

    async fn connect(&self) -> Client {
        Client {
            stream: within(TcpStream::connect(self.address))
                .await
                .expect("a connection"),
            read: Vec::new(),
        }
    }

    fn shut_down(self) -> (Arc<Gate>, JoinHandle<Result<Drained, UnusableLimit>>) {
        self.shutdown.send(()).expect("the server runs");
        (self.gate, self.serving)
    }
}

/// A client that shows what is on the wire.
struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Client {
    async fn send(&mut self, text: &str) {
        within(self.stream.write_all(text.as_bytes()))
            .await
            .expect("the server reads");
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .await;
        self.answer().await
    }

    /// The next answer, which must have a Content-Length.
    async fn answer(&mut self) -> Answer {
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
    async fn rest(&mut self) -> String {
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
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Asserts the shape that every error has.
    fn expect_error(&self, status: u16, code: &str) {
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
