//! Heads of requests, and the time between them.

use std::time::Instant;

use mec::http::limits::Limits;

use super::server::Server;
use super::{SHORT, patient};

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
