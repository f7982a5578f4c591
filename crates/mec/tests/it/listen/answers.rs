//! Answers: their order, their ids, and that each request gets one.

use mec::http::limits::Limits;
use serde_json::{Value, json};

use super::server::Server;
use super::{SHORT, patient};

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
