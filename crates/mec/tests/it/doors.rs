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
    for path in [
        "/health",
        "/api/plans",
        "/rest/v1/plans",
        "/api/rpc/consume",
        "/admin/catalog",
        "/nowhere",
    ] {
        let answer = api
            .send(
                Method::GET,
                path,
                &[("host", "evil.example:8000"), ADMIN],
                String::new(),
            )
            .await;
        answer.expect_error(421, "MEC_FOREIGN_HOST");
    }
    for host in ["localhost:8000", "127.0.0.1", "[::1]:8000", "mec:8000"] {
        assert_eq!(
            api.send(Method::GET, "/api/plans", &[("host", host)], String::new())
                .await
                .status,
            200,
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_page_of_another_origin_writes_nothing() {
    let api = Api::start().await;
    let account = api.customer("acme", "starter").await.to_string();
    let event = json!({
        "p_account_id": account, "p_resource_type": "benchmark_runs", "p_quantity": 1, "p_idempotency_key": "run-1",
    });
    let form = format!(
        "p_account_id={account}&p_resource_type=benchmark_runs&p_quantity=1&p_idempotency_key=run-1"
    );
    let path = "/api/rpc/consume";
    for page in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ] {
        for (kind, body) in [(JSON, event.to_string()), (FORM, form.clone())] {
            api.send(Method::POST, path, &[page, kind], body)
                .await
                .expect_error(403, "MEC_CROSS_SITE");
        }
        // What a browser sends of a form without asking first, whatever its page claims the body to
        // be.
        api.send(Method::POST, path, &[page], event.to_string())
            .await
            .expect_error(403, "MEC_CROSS_SITE");
        api.send(
            Method::DELETE,
            "/api/plans?plan_id=eq.pro",
            &[page],
            String::new(),
        )
        .await
        .expect_error(403, "MEC_CROSS_SITE");
    }
    assert_eq!(api.get("/api/consumption_ledger").await.ok(), json!([]));
    api.send(
        Method::POST,
        path,
        &[("sec-fetch-site", "same-origin"), JSON],
        event.to_string(),
    )
    .await
    .ok();
    assert!(
        api.send(Method::POST, path, &[FORM], form)
            .await
            .header("idempotent-replayed")
            .is_some()
    );
}

#[tokio::test]
async fn the_catalog_is_for_operators_on_this_machine() {
    let api = Api::start().await;
    let ask = |headers: &'static [(&str, &str)]| {
        api.send(Method::GET, "/admin/catalog", headers, String::new())
    };
    // Not on the port that a proxy may make reachable for everybody, whatever the proxy adds or
    // leaves out.
    for headers in [
        &[ADMIN][..],
        &[ADMIN, ("host", "localhost")],
        &[ADMIN, ("x-forwarded-for", "127.0.0.1")],
    ] {
        let public = api
            .send_in_public(Method::GET, "/admin/catalog", headers)
            .await;
        public.expect_error(403, "MEC_NOT_OPERATOR");
        assert!(!public.text.contains("starter"), "{public:?}");
    }
    ask(&[]).await.expect_error(403, "MEC_NOT_OPERATOR");
    ask(&[("host", "mec"), ADMIN])
        .await
        .expect_error(403, "MEC_NOT_OPERATOR");
    ask(&[("x-forwarded-for", "192.0.2.1"), ADMIN])
        .await
        .expect_error(403, "MEC_NOT_OPERATOR");
    let file = ask(&[ADMIN]).await;
    assert_eq!(file.status, 200);
    let apply = |headers: &'static [(&str, &str)]| {
        api.send(Method::POST, "/admin/catalog", headers, file.text.clone())
    };
    apply(&[]).await.expect_error(403, "MEC_NOT_OPERATOR");
    apply(&[("origin", "http://localhost:3000"), ADMIN])
        .await
        .expect_error(403, "MEC_CROSS_SITE");
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
        assert_eq!(
            (options.status.as_u16(), options.header("allow")),
            (200, Some(wanted)),
            "{path}"
        );
        let trace = api.send(Method::TRACE, path, &[], String::new()).await;
        assert_eq!(
            (trace.status.as_u16(), trace.header("allow")),
            (405, Some(wanted)),
            "{path}"
        );
    }
    let by_get = api
        .get("/api/rpc/release_lease?p_lease_id=0199aa10-0000-7000-8000-00000000abcd")
        .await;
    by_get.expect_error(405, "25006");
    assert_eq!(by_get.header("allow"), Some("OPTIONS,POST"));
}

#[tokio::test]
async fn head_tells_the_length_that_get_would_have() {
    let api = Api::start().await;
    for path in [
        "/api/plans",
        "/health",
        "/api/rpc/get_window_boundaries?p_window_type=month",
    ] {
        let (head, get) = (
            api.send(Method::HEAD, path, &[], String::new()).await,
            api.get(path).await,
        );
        assert_eq!(
            head.header("content-length"),
            get.header("content-length"),
            "{path}"
        );
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
    assert_eq!(
        api.call("meter_consumption", event("a", json!(null)))
            .await
            .header("idempotent-replayed"),
        Some("true")
    );
    let (store, catalog) = mec_store::Store::open_read_only(api.store_url()).expect("the store");
    let report = store
        .verify(&catalog, api.mec.now(), &mut |_| {})
        .expect("a report");
    assert!(report.is_clean() && report.events == 2, "{report:?}");
}

#[tokio::test]
async fn what_is_not_http_is_told_in_the_same_shape() {
    let api = Api::start().await;
    let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000));
    for (sent, status, code) in [
        (
            "GET /api/accounts?select=a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
            400,
            "MEC_NOT_HTTP",
        ),
        (
            "GET /api/plans HTTP/1.1\r\nHost : localhost\r\n\r\n",
            400,
            "MEC_NOT_HTTP",
        ),
        (
            "POST /api/plans HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
            400,
            "MEC_NOT_HTTP",
        ),
        (&many, 431, "MEC_HEAD_TOO_LARGE"),
        (&long, 431, "MEC_HEAD_TOO_LARGE"),
    ] {
        let mut wire = TcpStream::connect(api.address())
            .await
            .expect("a connection");
        wire.write_all(sent.as_bytes())
            .await
            .expect("the server reads");
        wire.shutdown().await.expect("our side ends");
        let mut answer = String::new();
        wire.read_to_string(&mut answer)
            .await
            .expect("an answer and its end");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains("\r\nx-request-id: "),
            "{answer}"
        );
        let body: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(body["code"], code);
        assert!(body["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
    }
}

/// What is on the wire until the server ends the connection.
async fn exchange(api: &Api, sent: &[u8]) -> String {
    let mut wire = TcpStream::connect(api.address())
        .await
        .expect("a connection");
    wire.write_all(sent).await.expect("the server reads");
    let mut answer = String::new();
    wire.read_to_string(&mut answer)
        .await
        .expect("an answer and its end");
    answer
}

#[tokio::test]
async fn a_url_as_curl_sends_it_is_read_like_its_percent_encoded_form() {
    let api = Api::start().await;
    for (raw, encoded) in [
        (
            r#"/api/plans?select=plan_id,a:metadata->x&plan_id=in.("pro")"#,
            "/api/plans?select=plan_id,a:metadata-%3Ex&plan_id=in.(%22pro%22)",
        ),
        (
            "/api/plans?select=plan_id,metadata->>x",
            "/api/plans?select=plan_id,metadata-%3E%3Ex",
        ),
        (
            r#"/api/plans?plan_id=in.("pro","a\\b")&select=plan_id"#,
            "/api/plans?plan_id=in.(%22pro%22,%22a%5C%5Cb%22)&select=plan_id",
        ),
        (
            "/api/plans?display_name=eq.M\u{fc}nchen<^`{|}",
            "/api/plans?display_name=eq.M%C3%BCnchen%3C%5E%60%7B%7C%7D",
        ),
        ("/api/plans/\"<>", "/api/plans/%22%3C%3E"),
    ] {
        let ask = |path: &str| {
            format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: same\r\nConnection: close\r\n\r\n"
            )
        };
        let (raw_answer, answer) = (
            exchange(&api, ask(raw).as_bytes()).await,
            exchange(&api, ask(encoded).as_bytes()).await,
        );
        let without_date = |text: &str| {
            text.lines()
                .filter(|line| !line.starts_with("date: "))
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(without_date(&raw_answer), without_date(&answer), "{raw}");
        assert!(!raw_answer.contains("MEC_NOT_HTTP"), "{raw_answer}");
    }
}

#[tokio::test]
async fn only_the_url_is_read_so_and_never_a_body_or_a_later_request() {
    let api = Api::start().await;
    let body = r#"{"display_name":"GET /\"> HTTP/1.1"}"#;
    let post = |more: &str| {
        format!(
            "POST /api/accounts?select=display_name,metadata->x HTTP/1.1\r\nHost: localhost\r\nPrefer: return=representation\r\n\
             Content-Type: application/json\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    // All of it at once: three requests, the second of which begins right behind the body of the
    // first.
    let sent = format!(
        "{}{}{}",
        post(""),
        post("X-A: GET /> HTTP/1.1\r\n"),
        post("Connection: close\r\n")
    );
    let answer = exchange(&api, sent.as_bytes()).await;
    assert_eq!(
        answer.matches("HTTP/1.1 201 Created").count(),
        3,
        "{answer}"
    );
    assert_eq!(
        answer
            .matches(r#""display_name":"GET /\"> HTTP/1.1""#)
            .count(),
        3,
        "{answer}"
    );
    // Behind a chunked body nothing is mended, because only the HTTP library knows where one ends.
    let chunked = format!(
        "POST /api/accounts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\nGET /api/plans?select=metadata->x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        body.len()
    );
    let answer = exchange(&api, chunked.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 201 Created") && answer.contains("MEC_NOT_HTTP"),
        "{answer}"
    );
    let named = api.get("/api/accounts?select=display_name").await.ok();
    assert_eq!(
        named,
        json!(vec![json!({"display_name": "GET /\"> HTTP/1.1"}); 4])
    );
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let api = Api::start().await;
    for (lines, status) in [
        ("HTTP/1.1\r\n", 400),
        ("HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", 400),
        ("HTTP/1.0\r\nHost: localhost\r\nHost: 127.0.0.1\r\n", 400),
        ("HTTP/1.0\r\n", 200),
        ("HTTP/1.1\r\nHost: localhost\r\n", 200),
    ] {
        let answer = exchange(
            &api,
            format!("GET /livez {lines}Connection: close\r\n\r\n").as_bytes(),
        )
        .await;
        assert_eq!(
            answer.split(' ').nth(1),
            Some(status.to_string().as_str()),
            "{lines:?}: {answer}"
        );
        assert_eq!(answer.contains("MEC_BAD_HOST"), status == 400, "{answer}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_reads_nothing_on_an_open_server() {
    let api = Api::start().await;
    let oracle = "/api/plans?select=display_name::int";
    for site in ["cross-site", "same-site"] {
        for method in [Method::GET, Method::HEAD] {
            for path in [
                oracle,
                "/api/plans",
                "/rest/v1/plans",
                "/api/rpc/get_usage",
                "/health",
            ] {
                let answer = api
                    .send(
                        method.clone(),
                        path,
                        &[("sec-fetch-site", site)],
                        String::new(),
                    )
                    .await;
                assert_eq!(answer.status, 403, "{method} {path} {site}");
            }
        }
        let link = [
            ("sec-fetch-site", site),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert_eq!(
            api.send(Method::GET, "/health", &link, String::new())
                .await
                .status,
            200
        );
        api.send(Method::GET, oracle, &link, String::new())
            .await
            .expect_error(403, "MEC_CROSS_SITE");
        let frame = [
            ("sec-fetch-site", site),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "iframe"),
        ];
        api.send(Method::GET, "/health", &frame, String::new())
            .await
            .expect_error(403, "MEC_CROSS_SITE");
    }
    for path in ["/api/plans", "/health", "/nowhere"] {
        let answer = api.get(path).await;
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            Some("same-origin"),
            "{path}"
        );
    }
}
