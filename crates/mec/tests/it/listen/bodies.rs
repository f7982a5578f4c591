//! Bodies that are too large, too slow, or read by nobody.

use std::time::{Duration, Instant};

use mec::http::limits::Limits;
use tokio::io::AsyncWriteExt;

use super::server::Server;
use super::{SHORT, patient};

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
