//! What a server that ends does with its connections.

use std::time::Instant;

use mec::http::limits::Limits;
use mec::http::listen::Drained;
use tokio::net::TcpStream;

use super::server::Server;
use super::{SHORT, patient, within};

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
