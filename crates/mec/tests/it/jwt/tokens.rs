//! Which tokens are accepted, and what the others are answered.

use mec::http::auth::{Auth, AuthSettings};
use mec::http::browsers::Hosts;
use mec_kernel::Time;
use reqwest::Method;
use serde_json::{Value, json};

use super::token::{JSON, SECRET, SETTINGS, asking, of_role, signed, token};
use crate::api::{Api, START};

#[tokio::test]
async fn a_token_is_accepted_or_refused_in_postgrests_words() {
    let api = asking(AuthSettings {
        jwt_audience: "mec",
        ..SETTINGS
    })
    .await;
    let now = START.parse::<Time>().expect("an instant").micros() / 1_000_000;
    let accepted = [
        json!({"role": "service"}),
        json!({"role": "reader", "exp": now - 30, "nbf": now + 30, "iat": now + 30, "aud": "mec"}),
        json!({"role": "admin", "aud": ["other", "mec"], "sub": "jane"}),
        json!({"role": "admin", "aud": []}),
    ];
    for claims in accepted {
        assert_eq!(
            api.with(&token(&claims), Method::GET, "/api/plans", Value::Null)
                .await
                .status,
            200,
            "{claims}"
        );
    }
    for (bearer, code, message, details) in refused(now) {
        for path in [
            "/api/plans",
            "/rest/v1/plans",
            "/api/rpc/get_window_boundaries?p_window_type=month",
            "/api/",
        ] {
            let answer = api.with(&bearer, Method::GET, path, Value::Null).await;
            let body = answer.expect_error(401, code);
            assert_eq!(
                (&body["message"], &body["details"]),
                (&json!(message), &json!(details)),
                "{bearer}"
            );
            let challenge =
                format!("Bearer error=\"invalid_token\", error_description=\"{message}\"");
            assert_eq!(
                answer.header("www-authenticate"),
                Some(challenge.as_str()),
                "{bearer}"
            );
            assert!(!answer.text.contains("secret that only"), "{answer:?}");
        }
    }
    for nothing in [
        vec![],
        vec![("authorization", "Basic YTpi")],
        vec![("apikey", "sb_publishable_abc")],
    ] {
        let answer = api
            .send(Method::GET, "/api/plans", &nothing, String::new())
            .await;
        assert_eq!(
            answer.expect_error(401, "PGRST302")["message"],
            "Anonymous access is disabled"
        );
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    // A token without a role is nobody's where nobody is let in.
    api.with(
        &token(&json!({"sub": "jane"})),
        Method::GET,
        "/api/plans",
        Value::Null,
    )
    .await
    .expect_error(401, "PGRST302");
    let lower = format!("bearer  {}", of_role("reader"));
    assert_eq!(
        api.send(
            Method::GET,
            "/api/plans",
            &[("authorization", &lower)],
            String::new()
        )
        .await
        .status,
        200
    );
}

/// A token, and the code, message and details that it is answered.
type Refused = (String, &'static str, &'static str, Option<&'static str>);

/// Tokens that are refused at `now`, in seconds.
fn refused(now: i64) -> Vec<Refused> {
    let unsuitable = "No suitable key or wrong key type";
    let undecodable = "JWT cryptographic operation failed";
    let with_header = |header: Value| signed(SECRET, &header, r#"{"role":"service"}"#);
    vec![
        (
            String::new(),
            "PGRST301",
            "Empty JWT is sent in Authorization header",
            None,
        ),
        (
            "sb_publishable_abc".to_owned(),
            "PGRST301",
            "Expected 3 parts in JWT; got 1",
            None,
        ),
        (
            "a.b".to_owned(),
            "PGRST301",
            "Expected 3 parts in JWT; got 2",
            None,
        ),
        (
            "a.b.c.d.e".to_owned(),
            "PGRST301",
            "Expected 3 parts in JWT; got 5",
            None,
        ),
        (
            "quite.some.garbage".to_owned(),
            "PGRST301",
            undecodable,
            None,
        ),
        ("näh.er.es".to_owned(), "PGRST301", undecodable, None),
        (
            format!("{}!", of_role("admin")),
            "PGRST301",
            undecodable,
            None,
        ),
        (
            with_header(json!({"alg": "none"})),
            "PGRST301",
            "Wrong or unsupported encoding algorithm",
            Some("JWT is unsecured but expected 'alg' was not 'none'"),
        ),
        (
            with_header(json!({"alg": "RS256"})),
            "PGRST301",
            unsuitable,
            Some("No suitable key was found to decode the JWT"),
        ),
        (
            with_header(json!({"alg": "HS512"})),
            "PGRST301",
            unsuitable,
            Some("No suitable key was found to decode the JWT"),
        ),
        (
            signed(
                &SECRET.to_uppercase(),
                &json!({"alg": "HS256"}),
                r#"{"role":"admin"}"#,
            ),
            "PGRST301",
            unsuitable,
            Some("None of the keys was able to decode the JWT"),
        ),
        (
            signed(SECRET, &json!({"alg": "HS256"}), "[]"),
            "PGRST303",
            "Parsing claims failed",
            None,
        ),
        (
            token(&json!({"role": "admin", "exp": now - 31})),
            "PGRST303",
            "JWT expired",
            Some("Invalid by 31 seconds"),
        ),
        (
            token(&json!({"role": "admin", "nbf": now + 31})),
            "PGRST303",
            "JWT not yet valid",
            Some("Invalid by 31 seconds"),
        ),
        (
            token(&json!({"role": "admin", "iat": now + 60})),
            "PGRST303",
            "JWT issued at future",
            Some("Invalid by 60 seconds"),
        ),
        (
            token(&json!({"role": "admin", "exp": "never"})),
            "PGRST303",
            "The JWT 'exp' claim must be a number",
            None,
        ),
        (
            token(&json!({"role": "admin", "aud": "other"})),
            "PGRST303",
            "JWT not in audience",
            None,
        ),
        (
            token(&json!({"role": "admin", "aud": 5})),
            "PGRST303",
            "The JWT 'aud' claim must be a string or an array of strings",
            None,
        ),
    ]
}

#[tokio::test]
async fn a_token_runs_out() {
    let api = asking(SETTINGS).await;
    let now = START.parse::<Time>().expect("an instant").micros() / 1_000_000;
    let bearer = token(&json!({"role": "reader", "exp": now + 60}));
    assert_eq!(
        api.with(&bearer, Method::GET, "/api/plans", Value::Null)
            .await
            .status,
        200
    );
    api.pass(91);
    api.with(&bearer, Method::GET, "/api/plans", Value::Null)
        .await
        .expect_error(401, "PGRST303");
}

#[tokio::test]
async fn a_server_without_a_secret_takes_no_token_and_no_notice_of_a_key() {
    let api = Api::start().await;
    let answer = api
        .with(&of_role("admin"), Method::GET, "/api/plans", Value::Null)
        .await;
    assert_eq!(
        answer.expect_error(400, "PGRST300")["message"],
        "Server lacks JWT secret"
    );
    assert_eq!(answer.header("www-authenticate"), None);
    for key in ["sb_publishable_abc", "mec_live_abc", "a.b", ""] {
        assert_eq!(
            api.with(key, Method::GET, "/rest/v1/plans", Value::Null)
                .await
                .status,
            200,
            "{key}"
        );
    }
    assert!(api.get("/api/").await.ok().get("security").is_none());
}

#[tokio::test]
async fn the_token_is_looked_at_before_anything_else() {
    let api = asking(SETTINGS).await;
    let post = Method::POST;
    for (method, path, headers, body) in [
        (Method::GET, "/api/nope?x=bogus.1", vec![], ""),
        (Method::GET, "/api/a/b/c", vec![], ""),
        (Method::GET, "/rest/v1/plans/", vec![], ""),
        (Method::GET, "/api/%ff", vec![], ""),
        (
            Method::GET,
            "/api/plans",
            vec![("accept-profile", "nope"), ("accept", "text/x")],
            "",
        ),
        (Method::TRACE, "/api/plans", vec![], ""),
        (Method::OPTIONS, "/api/plans", vec![], ""),
        (Method::DELETE, "/api/rpc/consume", vec![], ""),
        (Method::HEAD, "/api/", vec![], ""),
        (post.clone(), "/api/accounts", vec![JSON], "{broken"),
        (post, "/api/rpc/nope", vec![JSON], "{}"),
    ] {
        let answer = api
            .send(method.clone(), path, &headers, body.to_owned())
            .await;
        assert_eq!(answer.status, 401, "{method} {path}");
        assert_eq!(
            answer.header("proxy-status"),
            Some("PostgREST; error=PGRST302"),
            "{method} {path}"
        );
    }
    api.with(&of_role("reader"), Method::GET, "/api/a/b/c", Value::Null)
        .await
        .expect_error(404, "PGRST125");
    // Nothing of the API is there.
    api.get("/nowhere").await.expect_error(404, "PGRST125");
    for path in ["/health", "/livez", "/readyz"] {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_root_says_that_a_token_is_wanted() {
    let api = asking(SETTINGS).await;
    let document = api
        .with(&of_role("reader"), Method::GET, "/api/", Value::Null)
        .await
        .ok();
    assert_eq!(document["security"], json!([{"JWT": []}]));
    let wanted = json!({
        "type": "apiKey", "in": "header", "name": "Authorization",
        "description": "Add the token prepending \"Bearer \" (without quotes) to it",
    });
    assert_eq!(document["securityDefinitions"]["JWT"], wanted);
}

#[tokio::test]
async fn where_everybody_is_asked_any_name_and_page_may_try() {
    let origins = mec::http::cors::Origins::read("https://app.example.com").expect("an origin");
    let hosts = Hosts::default().with_origins(origins).of_known_callers();
    let api = Api::asking(Auth::read(SETTINGS).expect("settings"), hosts).await;
    let bearer = format!("Bearer {}", of_role("service"));
    let page = [
        ("host", "mec.example.com"),
        ("origin", "https://app.example.com"),
        ("sec-fetch-site", "cross-site"),
    ];
    let asked = [
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = api
        .send(
            Method::OPTIONS,
            "/api/accounts",
            &[&page[..], &asked].concat(),
            String::new(),
        )
        .await;
    assert_eq!(
        (
            preflight.status.as_u16(),
            preflight.header("access-control-allow-origin")
        ),
        (200, Some("https://app.example.com"))
    );
    let account = json!({"display_name": "Acme"}).to_string();
    let sent = [&page[..], &[JSON, ("authorization", &bearer)]].concat();
    assert_eq!(
        api.send(Method::POST, "/api/accounts", &sent, account.clone())
            .await
            .status,
        201
    );
    api.send(
        Method::POST,
        "/api/accounts",
        &[&page[..], &[JSON]].concat(),
        account,
    )
    .await
    .expect_error(401, "PGRST302");
    // A page without an admin's token is no operator, whatever else it sends.
    let admin = [
        ("host", "localhost"),
        ("origin", "https://app.example.com"),
        ("x-mec-admin", "1"),
    ];
    api.send(Method::GET, "/admin/catalog", &admin, String::new())
        .await
        .expect_error(401, "PGRST302");
}
