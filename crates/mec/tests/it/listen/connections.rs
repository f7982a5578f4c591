//! How many connections there are at once, and whose.

use std::sync::atomic::Ordering;

use axum::Router;
use mec::http::browsers::Hosts;
use mec::http::limits::{Limits, UnusableLimit};
use mec::http::listen::serve;
use mec::http::operator::Door;
use tokio::net::TcpListener;

use super::client::Client;
use super::server::Server;
use super::{patient, within};

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
