//! Pages of other origins: what a browser is told, and what PostgREST's clients read in one.

use mec::http::browsers::Hosts;
use mec::http::cors::Origins;
use reqwest::Method;
use serde_json::json;

use crate::api::Api;

const PAGE: &str = "http://localhost:3000";

async fn open() -> Api {
    Api::answering(Hosts::default().with_origins(Origins::read(PAGE).expect("an origin"))).await
}

#[tokio::test]
async fn a_page_of_a_configured_origin_reads_and_writes() {
    let api = open().await;
    let page = [("origin", PAGE), ("sec-fetch-site", "same-site")];
    let asked = [
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,prefer"),
    ];
    let preflight = api
        .send(
            Method::OPTIONS,
            "/api/accounts",
            &[page, asked].concat(),
            String::new(),
        )
        .await;
    assert_eq!(preflight.status, 200);
    assert_eq!(preflight.header("access-control-allow-origin"), Some(PAGE));
    let headers = preflight
        .header("access-control-allow-headers")
        .expect("headers");
    assert!(headers.contains("content-type, prefer"), "{headers}");
    assert!(
        preflight
            .header("access-control-allow-methods")
            .is_some_and(|methods| methods.contains("DELETE"))
    );

    let json = [("content-type", "application/json")];
    let sent = [&page[..], &json[..]].concat();
    let made = api
        .send(
            Method::POST,
            "/api/accounts",
            &sent,
            json!({"display_name": "Acme"}).to_string(),
        )
        .await;
    assert_eq!(
        (
            made.status.as_u16(),
            made.header("access-control-allow-origin")
        ),
        (201, Some(PAGE)),
        "{made:?}"
    );

    let read = api
        .send(
            Method::GET,
            "/api/plans",
            &[page[0], ("prefer", "count=exact")],
            String::new(),
        )
        .await;
    assert_eq!(read.header("content-range"), Some("0-3/4"));
    assert!(
        read.header("access-control-expose-headers")
            .is_some_and(|names| names.contains("Content-Range"))
    );
    // Errors are read by the page too.
    let wrong = api
        .send(Method::GET, "/api/nope", &[page[0]], String::new())
        .await;
    assert_eq!(
        (
            wrong.status.as_u16(),
            wrong.header("access-control-allow-origin")
        ),
        (404, Some(PAGE))
    );
}

#[tokio::test]
async fn a_page_of_any_other_origin_is_told_nothing_and_writes_nothing() {
    let other = [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    for api in [open().await, Api::start().await] {
        let asked = [("access-control-request-method", "POST")];
        let preflight = api
            .send(
                Method::OPTIONS,
                "/api/accounts",
                &[&other[..], &asked[..]].concat(),
                String::new(),
            )
            .await;
        assert_eq!(preflight.header("access-control-allow-origin"), None);
        let read = api
            .send(Method::GET, "/api/plans", &other, String::new())
            .await;
        assert_eq!(read.header("access-control-allow-origin"), None);
        read.expect_error(403, "MEC_CROSS_SITE");
        let sent = [&other[..], &[("content-type", "application/json")][..]].concat();
        let refused = api
            .send(
                Method::POST,
                "/api/accounts",
                &sent,
                json!({"display_name": "Evil"}).to_string(),
            )
            .await;
        refused.expect_error(403, "MEC_CROSS_SITE");
        assert_eq!(api.get("/api/accounts").await.ok(), json!([]));
    }
}

#[tokio::test]
async fn the_root_describes_the_api_as_postgrest_does() {
    let api = Api::start().await;
    for (path, base) in [
        ("/api/", "/api"),
        ("/api", "/api"),
        ("/rest/v1/", "/rest/v1"),
    ] {
        let answer = api.get(path).await;
        assert_eq!(
            answer.header("content-type"),
            Some("application/openapi+json; charset=utf-8"),
            "{path}"
        );
        let document = answer.ok();
        assert_eq!(
            (&document["swagger"], &document["basePath"]),
            (&json!("2.0"), &json!(base))
        );
        assert!(document["paths"]["/plans"]["get"]["parameters"].is_array());
        assert!(document["definitions"]["plans"]["properties"]["plan_id"].is_object());
    }
    let head = api.send(Method::HEAD, "/api/", &[], String::new()).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    let options = api.send(Method::OPTIONS, "/api/", &[], String::new()).await;
    assert_eq!(
        (options.status.as_u16(), options.header("allow")),
        (200, Some("OPTIONS,GET,HEAD"))
    );
    api.send(
        Method::GET,
        "/api/",
        &[("accept", "text/csv")],
        String::new(),
    )
    .await
    .expect_error(406, "PGRST107");
    api.send(Method::POST, "/api/", &[], String::new())
        .await
        .expect_error(405, "PGRST117");
    api.send(
        Method::GET,
        "/api/",
        &[("accept-profile", "other")],
        String::new(),
    )
    .await
    .expect_error(406, "PGRST106");
    let named = api
        .send(
            Method::GET,
            "/api/",
            &[("accept-profile", "public")],
            String::new(),
        )
        .await;
    assert_eq!(named.header("content-profile"), Some("public"));
}
