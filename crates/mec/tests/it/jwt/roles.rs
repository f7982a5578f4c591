//! What each role may do, and where it is found.

use mec::http::auth::AuthSettings;
use mec_engine::{MecError, NewAccount};
use mec_kernel::{Check, Meter};
use reqwest::Method;
use serde_json::{Value, json};

use super::token::{JSON, SETTINGS, asking, of_role, token};
use crate::api::Api;

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

const PRO: &str = "/api/plans?plan_id=eq.pro";

fn event(account: &str, key: &str) -> Value {
    json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_quantity": 1, "p_idempotency_key": key})
}

/// Requests that change something: method, path and body, and what they need a right to.
fn changes(account: &str) -> Vec<(Method, String, Value, &'static str)> {
    let event = |key| event(account, key);
    let of_account = format!("/api/accounts?account_id=eq.{account}");
    let changes = [
        (
            Method::POST,
            "/api/accounts",
            json!({"display_name": "New"}),
            "table accounts",
        ),
        (Method::POST, "/api/accounts", json!([]), "table accounts"),
        (
            Method::PATCH,
            &of_account,
            json!({"display_name": "Other"}),
            "table accounts",
        ),
        (Method::PATCH, &of_account, json!({}), "table accounts"),
        (
            Method::PUT,
            PRO,
            json!({"plan_id": "pro", "plan_name": "Pro"}),
            "table plans",
        ),
        (Method::DELETE, PRO, Value::Null, "table plans"),
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
    ];
    Vec::from(changes.map(|(method, path, body, what)| (method, path.to_owned(), body, what)))
}

#[tokio::test]
async fn who_only_reads_changes_nothing() {
    let api = asking(AuthSettings {
        anon_role: "reader",
        ..SETTINGS
    })
    .await;
    let account = api.customer("acme", "starter").await.to_string();
    let event = |key| event(&account, key);
    let check =
        json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_requested_qty": 1});
    let (reader, service) = (of_role("reader"), of_role("service"));
    let before = api
        .with(&service, Method::GET, "/api/accounts", Value::Null)
        .await
        .ok();
    for (method, path, body, what) in changes(&account) {
        let message = json!(format!("permission denied for {what}"));
        let refused = api.with(&reader, method.clone(), &path, body.clone()).await;
        assert_eq!(refused.expect_error(403, "42501")["message"], message);
        let refused = api.send(method, &path, &[JSON], body.to_string()).await;
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
    api.with(&nobody, Method::DELETE, PRO, Value::Null)
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
