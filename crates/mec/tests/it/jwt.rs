//! Who may call: what a token, a wrong one and none at all are answered.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mec::http::auth::{Auth, AuthSettings};
use mec::http::browsers::Hosts;
use mec_engine::{MecError, NewAccount};
use mec_kernel::{Check, Meter, Time};
use reqwest::Method;
use ring::hmac;
use serde_json::{Value, json};

use crate::api::{Answer, Api, START};
use crate::cli::{Shell, block_on};

const SECRET: &str = "a secret that only these tests share";
const JSON: (&str, &str) = ("content-type", "application/json");
const SETTINGS: AuthSettings<'_> = AuthSettings {
    jwt_secret: SECRET,
    jwt_audience: "",
    jwt_role_claim: "",
    anon_role: "",
};

fn signed(secret: &str, header: &Value, claims: &str) -> String {
    let encoded = |part: &str| URL_SAFE_NO_PAD.encode(part);
    let text = format!("{}.{}", encoded(&header.to_string()), encoded(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!(
        "{text}.{}",
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()))
    )
}

fn token(claims: &Value) -> String {
    signed(
        SECRET,
        &json!({"alg": "HS256", "typ": "JWT"}),
        &claims.to_string(),
    )
}

fn of_role(role: &str) -> String {
    token(&json!({"role": role}))
}

async fn asking(settings: AuthSettings<'_>) -> Api {
    Api::asking(Auth::read(settings).expect("settings"), Hosts::default()).await
}

impl Api {
    async fn with(&self, bearer: &str, method: Method, path: &str, body: Value) -> Answer {
        let authorization = format!("Bearer {bearer}");
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(
            method,
            path,
            &[("authorization", &authorization), JSON],
            body,
        )
        .await
    }
}

#[tokio::test]
async fn a_token_is_accepted_or_refused_in_postgrests_words() {
    let api = asking(AuthSettings {
        jwt_audience: "mec",
        ..SETTINGS
    })
    .await;
    let now = START.parse::<Time>().expect("an instant").micros() / 1_000_000;
    let unsuitable = "No suitable key or wrong key type";
    let undecodable = "JWT cryptographic operation failed";
    let with_header = |header: Value| signed(SECRET, &header, r#"{"role":"service"}"#);
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
    for (bearer, code, message, details) in [
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
    ] {
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
async fn where_callers_are_asked_the_catalog_is_for_admins_only() {
    for anon_role in ["", "reader", "admin"] {
        let api = asking(AuthSettings {
            anon_role,
            ..SETTINGS
        })
        .await;
        let forwarded = ("x-forwarded-for", "127.0.0.1");
        for headers in [
            &[("x-mec-admin", "1")][..],
            &[("x-mec-admin", "1"), forwarded],
        ] {
            api.send(Method::GET, "/admin/catalog", headers, String::new())
                .await
                .expect_error(401, "PGRST302");
            api.send_in_public(Method::GET, "/admin/catalog", headers)
                .await
                .expect_error(401, "PGRST302");
        }
        for (role, status) in [("reader", 403), ("service", 403), ("admin", 200)] {
            let authorization = format!("Bearer {}", of_role(role));
            let headers = [("authorization", authorization.as_str()), forwarded];
            assert_eq!(
                api.send(Method::GET, "/admin/catalog", &headers, String::new())
                    .await
                    .status,
                status,
                "{role}"
            );
            assert_eq!(
                api.send_in_public(Method::GET, "/admin/catalog", &headers)
                    .await
                    .status,
                status,
                "{role}"
            );
        }
    }
}

#[tokio::test]
async fn who_only_reads_changes_nothing() {
    let api = asking(AuthSettings {
        anon_role: "reader",
        ..SETTINGS
    })
    .await;
    let account = api.customer("acme", "starter").await.to_string();
    let event = |key| json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_quantity": 1, "p_idempotency_key": key});
    let check =
        json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_requested_qty": 1});
    let (reader, service) = (of_role("reader"), of_role("service"));
    let before = api
        .with(&service, Method::GET, "/api/accounts", Value::Null)
        .await
        .ok();
    let (of_account, plan) = (
        format!("/api/accounts?account_id=eq.{account}"),
        "/api/plans?plan_id=eq.pro",
    );
    for (method, path, body, what) in [
        (
            Method::POST,
            "/api/accounts",
            json!({"display_name": "New"}),
            "table accounts",
        ),
        (Method::POST, "/api/accounts", json!([]), "table accounts"),
        (
            Method::PATCH,
            &*of_account,
            json!({"display_name": "Other"}),
            "table accounts",
        ),
        (Method::PATCH, &*of_account, json!({}), "table accounts"),
        (
            Method::PUT,
            plan,
            json!({"plan_id": "pro", "plan_name": "Pro"}),
            "table plans",
        ),
        (Method::DELETE, plan, Value::Null, "table plans"),
        (
            Method::POST,
            "/api/consumption_ledger",
            json!({"quantity": 1}),
            "table consumption_ledger",
        ),
        (
            Method::POST,
            "/api/rpc/meter_consumption",
            event("a"),
            "function meter_consumption",
        ),
        (
            Method::POST,
            "/api/rpc/fn_consume",
            event("b"),
            "function consume",
        ),
        (
            Method::POST,
            "/api/rpc/meter_batch",
            json!({"p_events": []}),
            "function meter_batch",
        ),
        (
            Method::GET,
            "/api/rpc/release_lease?p_lease_id=0199aa10-0000-7000-8000-00000000abcd",
            Value::Null,
            "function release_lease",
        ),
        (
            Method::POST,
            "/api/rpc/provision_plan",
            json!({"p_account_id": account, "p_plan_id": "pro"}),
            "function provision_plan",
        ),
    ] {
        let message = json!(format!("permission denied for {what}"));
        let refused = api.with(&reader, method.clone(), path, body.clone()).await;
        assert_eq!(refused.expect_error(403, "42501")["message"], message);
        let refused = api.send(method, path, &[JSON], body.to_string()).await;
        assert_eq!(refused.expect_error(401, "42501")["message"], message);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(
        api.with(&service, Method::GET, "/api/accounts", Value::Null)
            .await
            .ok(),
        before
    );
    assert_eq!(
        api.with(
            &service,
            Method::GET,
            "/api/consumption_ledger",
            Value::Null
        )
        .await
        .ok(),
        json!([])
    );

    for bearer in [Some(&reader), None] {
        for (method, path, body) in [
            (
                Method::GET,
                "/api/entitlements?select=*,accounts(display_name)",
                Value::Null,
            ),
            (Method::HEAD, "/api/plans", Value::Null),
            (Method::OPTIONS, "/api/plans", Value::Null),
            (Method::POST, "/api/rpc/check_entitlement", check.clone()),
            (
                Method::GET,
                "/api/rpc/get_window_boundaries?p_window_type=month",
                Value::Null,
            ),
        ] {
            let answer = match bearer {
                Some(bearer) => api.with(bearer, method.clone(), path, body).await,
                None => {
                    api.send(method.clone(), path, &[JSON], body.to_string())
                        .await
                }
            };
            assert_eq!(answer.status, 200, "{method} {path} {answer:?}");
        }
    }
    // A token that names no role is anonymous.
    let nobody = token(&json!({"sub": "jane"}));
    api.with(&nobody, Method::DELETE, plan, Value::Null)
        .await
        .expect_error(401, "42501");
    for role in ["service", "admin"] {
        api.with(
            &of_role(role),
            Method::POST,
            "/api/rpc/meter_consumption",
            event(role),
        )
        .await
        .ok();
    }
}

#[tokio::test]
async fn the_engine_refuses_a_reader_that_gets_past_the_api() {
    let api = Api::start().await;
    let account = api.customer("acme", "starter").await;
    let reader = Api::caller().only_reading();
    let event = Meter {
        key: "a".into(),
        account,
        resource: "benchmark_runs".into(),
        scope: None,
        quantity: "1".parse().expect("a quantity"),
        unit: None,
        occurred_at: None,
        details: None,
        is_correction: false,
        corrects: None,
        attributes: Default::default(),
    };
    let is_refused = |error: &MecError| matches!(error, MecError::ReadOnly);
    assert!(
        api.mec
            .meter(event.clone(), &reader)
            .await
            .is_err_and(|error| is_refused(&error))
    );
    let batch = api
        .mec
        .meter_batch(vec![event.clone(), event], &reader)
        .await;
    assert!(
        batch.len() == 2
            && batch
                .iter()
                .all(|outcome| outcome.as_ref().is_err_and(is_refused))
    );
    assert!(
        api.mec
            .create_account(NewAccount::named("New"), &reader)
            .await
            .is_err_and(|error| is_refused(&error))
    );
    assert!(
        api.mec
            .change_catalog(&reader, |_| vec![])
            .await
            .is_err_and(|error| is_refused(&error))
    );
    assert!(
        api.mec
            .check(Check::of(account, "benchmark_runs", None), &reader)
            .await
            .is_ok()
    );
    assert_eq!(api.get("/api/consumption_ledger").await.ok(), json!([]));
}

#[tokio::test]
async fn a_role_that_is_none_of_ours_gets_nothing() {
    let api = asking(AuthSettings {
        anon_role: "reader",
        ..SETTINGS
    })
    .await;
    for (claim, name) in [
        (json!("tenant"), "tenant"),
        (json!("postgres"), "postgres"),
        (json!("Admin"), "Admin"),
        (json!(5), "5"),
        (json!(null), "null"),
    ] {
        for path in [
            "/api/plans",
            "/api/",
            "/api/rpc/get_window_boundaries?p_window_type=month",
        ] {
            let answer = api
                .with(
                    &token(&json!({"role": claim})),
                    Method::GET,
                    path,
                    Value::Null,
                )
                .await;
            let body = answer.expect_error(403, "42501");
            assert_eq!(
                body["message"],
                format!("permission denied to set role \"{name}\"")
            );
            assert!(
                body["hint"]
                    .as_str()
                    .is_some_and(|hint| hint.contains("admin") && hint.contains("reader"))
            );
        }
    }
}

#[tokio::test]
async fn the_role_is_found_where_the_setting_says() {
    let api = asking(AuthSettings {
        jwt_role_claim: r#"$["https://example.com/app"].roles[0]"#,
        ..SETTINGS
    })
    .await;
    let claims = json!({"role": "nobody", "https://example.com/app": {"roles": ["service"]}});
    assert_eq!(
        api.with(&token(&claims), Method::GET, "/api/plans", Value::Null)
            .await
            .status,
        200
    );
    api.with(&of_role("service"), Method::GET, "/api/plans", Value::Null)
        .await
        .expect_error(401, "PGRST302");
}

#[tokio::test]
async fn what_is_recorded_bears_the_callers_name() {
    let api = asking(AuthSettings {
        anon_role: "service",
        ..SETTINGS
    })
    .await;
    let account = api.customer("acme", "starter").await.to_string();
    for (key, claims, name) in [
        (
            "a",
            Some(json!({"role": "service", "sub": "billing-worker"})),
            "billing-worker",
        ),
        ("b", Some(json!({"role": "service"})), "service"),
        (
            "c",
            Some(json!({"role": "admin", "sub": "x".repeat(256)})),
            "admin",
        ),
        (
            "d",
            Some(json!({"role": "admin", "sub": "two\nlines"})),
            "admin",
        ),
        ("e", Some(json!({"sub": "jane"})), "jane"),
        ("f", None, "anonymous"),
    ] {
        let event = json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_quantity": 1, "p_idempotency_key": key});
        match claims {
            Some(claims) => api
                .with(
                    &token(&claims),
                    Method::POST,
                    "/api/rpc/meter_consumption",
                    event,
                )
                .await
                .ok(),
            None => api.call("meter_consumption", event).await.ok(),
        };
        let rows = api
            .get(&format!(
                "/api/consumption_ledger?select=recorded_by,source&idempotency_key=eq.{key}"
            ))
            .await
            .ok();
        assert_eq!(rows, json!([{"recorded_by": name, "source": "api"}]));
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

#[test]
fn a_lock_that_would_be_none_is_refused_at_start() {
    let shell = Shell::new();
    for (lines, error, hint) in [
        (
            "jwt_secret = \"too short, my friend\"",
            "jwt_secret (",
            "at least 32 characters",
        ),
        (
            "jwt_secret = '{\"kty\": \"RSA\", \"n\": \"AQAB\", \"e\": \"AQAB\"}'",
            "jwt_secret (",
            "JWKS",
        ),
        ("jwt_audience = \"mec\"", "jwt_audience (", "set jwt_secret"),
        ("anon_role = \"reader\"", "anon_role (", "set jwt_secret"),
    ] {
        shell.write("mec.toml", lines);
        let ran = shell.run("serve --listen 127.0.0.1:0");
        ran.failed(78, error, hint);
        assert!(
            !ran.stderr.contains("friend") && !ran.stderr.contains("AQAB"),
            "{ran:?}"
        );
    }
    for (line, error) in [
        ("jwt_role_claim = \"role\"", "jwt_role_claim ("),
        ("anon_role = \"tenant\"", "anon_role ("),
    ] {
        shell.write("mec.toml", &format!("jwt_secret = \"{SECRET}\"\n{line}"));
        shell
            .run("serve --listen 127.0.0.1:0")
            .failed(78, error, "");
    }
    shell.write(
        "mec.toml",
        &format!("jwt_secret = \"{SECRET}\"\nanon_role = \"service\""),
    );
    shell
        .run("serve --listen 0.0.0.0:0")
        .failed(78, "0.0.0.0:0 can be reached", "jwt_secret");
    assert!(!shell.path("mec.db").exists());
}

#[test]
fn a_server_with_a_secret_is_reached_from_elsewhere_and_by_its_own_command_line() {
    let (shell, _) = Shell::with_acme();
    shell.write("mec.toml", &format!("jwt_secret = \"{SECRET}\"\njwt_audience = \"mec\"\njwt_role_claim = \"$.app.roles[1]\"\n"));
    for shown in [shell.done("config"), shell.done("config -o json")] {
        assert!(
            shown.contains("***") && !shown.contains("these tests share"),
            "{shown}"
        );
    }
    let serve = ["serve", "--listen", "0.0.0.0:0"];
    let child = shell
        .command(&serve)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a server");
    let mut server = Running(child);
    let mut told = String::new();
    BufReader::new(server.0.stdout.take().expect("its output"))
        .read_line(&mut told)
        .expect("a line");
    let (_, address) = told
        .trim()
        .rsplit_once("http://")
        .unwrap_or_else(|| panic!("{told}"));
    let url = format!("http://{address}/api/plans");
    let status = |bearer: Option<String>| {
        block_on(async {
            let request = reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client")
                .get(&url)
                .header("host", "mec.example.com");
            let request = bearer
                .into_iter()
                .fold(request, |request, bearer| request.bearer_auth(bearer));
            request.send().await.expect("an answer").status().as_u16()
        })
    };
    assert_eq!(status(None), 401);
    assert_eq!(
        status(Some(token(
            &json!({"app": {"roles": ["x", "reader"]}, "aud": "mec"})
        ))),
        200
    );

    shell.done("meter acme benchmark_runs 1 --key run-1");
    shell.write("mec.toml", "");
    shell.run("meter acme benchmark_runs 1 --key run-2").failed(
        78,
        "Anonymous access is disabled",
        "MEC_JWT_SECRET",
    );
    crate::server::ask_to_stop(&server.0);
    let mut log = String::new();
    server
        .0
        .stderr
        .take()
        .expect("its log")
        .read_to_string(&mut log)
        .expect("text");
    assert!(
        server.0.wait().expect("its end").success() && !log.contains("these tests share"),
        "{log}"
    );
}

/// Killed where a test ends early.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
