//! What is answered to whom: names the server is called by, pages in a browser, operators.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::api::Api;

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const ADMIN: (&str, &str) = ("x-mec-admin", "1");

#[tokio::test]
async fn a_foreign_name_is_refused_on_every_path() {
    let api = Api::start().await;
    for path in ["/health", "/api/plans", "/rest/v1/plans", "/api/rpc/consume", "/admin/catalog", "/nowhere"] {
        let answer = api.send(Method::GET, path, &[("host", "evil.example:8000"), ADMIN], String::new()).await;
        answer.expect_error(421, "MEC_FOREIGN_HOST");
    }
    for host in ["localhost:8000", "127.0.0.1", "[::1]:8000", "mec:8000"] {
        assert_eq!(api.send(Method::GET, "/api/plans", &[("host", host)], String::new()).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_writes_nothing() {
    let api = Api::start().await;
    let account = api.customer("acme", "starter").await.to_string();
    let event = json!({
        "p_account_id": account, "p_resource_type": "benchmark_runs", "p_quantity": 1, "p_idempotency_key": "run-1",
    });
    let form = format!("p_account_id={account}&p_resource_type=benchmark_runs&p_quantity=1&p_idempotency_key=run-1");
    let path = "/api/rpc/consume";
    for page in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        for (kind, body) in [(JSON, event.to_string()), (FORM, form.clone())] {
            api.send(Method::POST, path, &[page, kind], body).await.expect_error(403, "MEC_CROSS_SITE");
        }
        // What a browser sends of a form without asking first, whatever its page claims the body to be.
        api.send(Method::POST, path, &[page], event.to_string()).await.expect_error(403, "MEC_CROSS_SITE");
        api.send(Method::DELETE, "/api/plans?plan_id=eq.pro", &[page], String::new()).await.expect_error(403, "MEC_CROSS_SITE");
    }
    assert_eq!(api.get("/api/consumption_ledger").await.ok(), json!([]));
    api.send(Method::POST, path, &[("sec-fetch-site", "same-origin"), JSON], event.to_string()).await.ok();
    assert!(api.send(Method::POST, path, &[FORM], form).await.header("idempotent-replayed").is_some());
}

#[tokio::test]
async fn the_catalogue_is_for_operators_on_this_machine() {
    let api = Api::start().await;
    let ask = |headers: &'static [(&str, &str)]| api.send(Method::GET, "/admin/catalog", headers, String::new());
    ask(&[]).await.expect_error(403, "MEC_NOT_OPERATOR");
    ask(&[("host", "mec"), ADMIN]).await.expect_error(403, "MEC_NOT_OPERATOR");
    ask(&[("x-forwarded-for", "192.0.2.1"), ADMIN]).await.expect_error(403, "MEC_NOT_OPERATOR");
    let file = ask(&[ADMIN]).await;
    assert_eq!(file.status, 200);
    let apply = |headers: &'static [(&str, &str)]| api.send(Method::POST, "/admin/catalog", headers, file.text.clone());
    apply(&[]).await.expect_error(403, "MEC_NOT_OPERATOR");
    apply(&[("origin", "http://localhost:3000"), ADMIN]).await.expect_error(403, "MEC_CROSS_SITE");
    assert_eq!(apply(&[ADMIN]).await.ok()["changes"], json!([]));
}

#[tokio::test]
async fn every_known_path_says_which_methods_it_has() {
    let api = Api::start().await;
    for (path, wanted) in [
        ("/health", "GET,HEAD"),
        ("/api/plans", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
        ("/api/rpc/consume", "OPTIONS,POST"),
        ("/api/rpc/get_usage", "OPTIONS,GET,HEAD,POST"),
    ] {
        let options = api.send(Method::OPTIONS, path, &[], String::new()).await;
        assert_eq!((options.status.as_u16(), options.header("allow")), (200, Some(wanted)), "{path}");
        let trace = api.send(Method::TRACE, path, &[], String::new()).await;
        assert_eq!((trace.status.as_u16(), trace.header("allow")), (405, Some(wanted)), "{path}");
    }
    let by_get = api.get("/api/rpc/release_lease?p_lease_id=0199aa10-0000-7000-8000-00000000abcd").await;
    by_get.expect_error(405, "25006");
    assert_eq!(by_get.header("allow"), Some("OPTIONS,POST"));
}

#[tokio::test]
async fn head_tells_the_length_that_get_would_have() {
    let api = Api::start().await;
    for path in ["/api/plans", "/health", "/api/rpc/get_window_boundaries?p_window_type=month"] {
        let (head, get) = (api.send(Method::HEAD, path, &[], String::new()).await, api.get(path).await);
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        assert!(head.text.is_empty() && !get.text.is_empty());
    }
}

#[tokio::test]
async fn an_empty_scope_is_no_scope() {
    let api = Api::start().await;
    let account = api.customer("acme", "starter").await.to_string();
    let event = |key: &str, scope| {
        json!({
            "p_account_id": account, "p_resource_type": "benchmark_runs", "p_quantity": 1, "p_idempotency_key": key,
            "p_resource_scope": scope,
        })
    };
    for (key, scope) in [("a", json!("")), ("b", json!(null))] {
        api.call("meter_consumption", event(key, scope)).await.ok();
    }
    assert_eq!(api.call("meter_consumption", event("a", json!(null))).await.header("idempotent-replayed"), Some("true"));
    let (store, catalogue) = mec_store::Store::open_read_only(api.store_url()).expect("the store");
    let report = store.verify(&catalogue, api.mec.now(), &mut |_| {}).expect("a report");
    assert!(report.is_clean() && report.events == 2, "{report:?}");
}

#[tokio::test]
async fn what_is_not_http_is_told_in_the_same_shape() {
    let api = Api::start().await;
    let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000));
    for (sent, status, code) in [
        ("GET /api/accounts?select=metadata->>plan HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "MEC_NOT_HTTP"),
        ("GET /api/plans HTTP/1.1\r\nHost : localhost\r\n\r\n", 400, "MEC_NOT_HTTP"),
        ("POST /api/plans HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}", 400, "MEC_NOT_HTTP"),
        (&many, 431, "MEC_HEAD_TOO_LARGE"),
        (&long, 431, "MEC_HEAD_TOO_LARGE"),
    ] {
        let mut wire = TcpStream::connect(api.address()).await.expect("a connection");
        wire.write_all(sent.as_bytes()).await.expect("the server reads");
        wire.shutdown().await.expect("our side ends");
        let mut answer = String::new();
        wire.read_to_string(&mut answer).await.expect("an answer and its end");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains("\r\nx-request-id: "), "{answer}");
        let body: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(body["code"], code);
        assert!(body["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
    }
}
