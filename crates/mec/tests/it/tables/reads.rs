//! Reading rows: pages, embeds, forms and mistakes.

use axum::body::Body;
use serde_json::json;

use super::OBJECT;
use super::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(
    a_page_says_which_rows_it_holds,
    embeds_follow_the_references_both_ways,
    rows_are_answered_in_the_form_asked_for,
    the_first_mistake_of_a_request_is_the_one_told,
);

async fn a_page_says_which_rows_it_holds(home: Home) {
    let api = Api::on(home).await;
    let count = "prefer: count=exact";
    for (path, headers, status, range, rows) in [
        ("/api/plans", &[][..], 200, "0-3/*", 4),
        ("/api/plans?limit=2&offset=1", &[], 200, "1-2/*", 2),
        ("/api/plans?limit=2&offset=1", &[count], 206, "1-2/4", 2),
        ("/api/plans?offset=4", &[count], 206, "*/4", 0),
        ("/api/plans?limit=0", &[count], 206, "*/4", 0),
        ("/api/plans?plan_id=eq.none", &[count], 200, "*/0", 0),
        ("/api/plans?plan_id=eq.none", &[], 200, "*/*", 0),
        ("/api/plans", &["range: 0-1", count], 206, "0-1/4", 2),
        ("/api/plans", &["range: 0-1"], 200, "0-1/*", 2),
        ("/api/plans?offset=9", &[], 200, "*/*", 0),
        (
            "/rest/v1/plans",
            &[
                "accept-profile: public",
                "authorization: Bearer sb_publishable_x",
            ],
            200,
            "0-3/*",
            4,
        ),
    ] {
        let answer = api.get(path, headers).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-range")),
            (status, range),
            "{path} {headers:?}"
        );
        assert_eq!(answer.json().as_array().unwrap().len(), rows, "{path}");
        assert_eq!(answer.header("vary"), "Accept, Prefer, Range");
    }
    let answer = api.get("/api/plans?offset=9", &[count]).await;
    assert_eq!(
        answer.told(),
        "416 PGRST103 Requested range not satisfiable"
    );
    assert_eq!(answer.header("content-range"), "*/4");
    let answer = api
        .send("HEAD", "/api/plans?limit=1", &[count], Body::empty())
        .await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.header("content-range"),
            answer.text.as_str()
        ),
        (206, "0-0/4", "")
    );
    assert_eq!(answer.header("preference-applied"), "count=exact");
    let answer = api
        .get(
            "/api/plans?select=plan_id&limit=1&is_trial=is.true",
            &["accept-profile: public"],
        )
        .await;
    assert_eq!(
        answer.header("content-location"),
        "/api/plans?is_trial=is.true&limit=1&select=plan_id"
    );
    assert_eq!(answer.header("content-profile"), "public");
}

async fn embeds_follow_the_references_both_ways(home: Home) {
    let api = Api::on(home).await;
    let account = api.account("Acme Corp").await;
    api.provision(&account, "starter").await;
    let rows = api
        .get(
            "/api/entitlements?select=*,accounts(display_name)&limit=1",
            &[],
        )
        .await
        .json();
    assert_eq!(rows[0]["accounts"], json!({"display_name": "Acme Corp"}));
    let path =
        "/api/accounts?select=display_name,entitlements(resource_type_code)&entitlements.limit=2";
    let expected = [json!({"display_name": "Acme Corp", "entitlements":
        [{"resource_type_code": "benchmark_runs"}, {"resource_type_code": "concurrent_users"}]})];
    assert_eq!(api.get(path, &[]).await.json(), json!(expected));
    let path = "/api/entitlements?select=plans!inner(plan_name)&plans.plan_name=eq.Pro";
    assert_eq!(
        api.get(path, &["prefer: count=exact"])
            .await
            .header("content-range"),
        "*/0"
    );
    let told = api.get("/api/units?select=*,accounts(*)", &[]).await.told();
    assert!(
        told.starts_with(
            "400 PGRST200 Could not find a relationship between 'units' and 'accounts'"
        ),
        "{told}"
    );
}

async fn rows_are_answered_in_the_form_asked_for(home: Home) {
    let api = Api::on(home).await;
    let answer = api
        .get(
            "/api/plans?select=plan_id,plan_name,is_trial,trial_days&limit=2",
            &["accept: text/csv"],
        )
        .await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(
        answer.text,
        "plan_id,plan_name,is_trial,trial_days\ntrial-14d,\"14-Day Free Trial\",t,14\nstarter,Starter,f,"
    );
    let answer = api
        .get("/api/plans?plan_id=eq.pro&select=plan_name", &[OBJECT])
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (200, json!({"plan_name": "Pro"}))
    );
    assert_eq!(
        answer.header("content-type"),
        "application/vnd.pgrst.object+json; charset=utf-8"
    );
    let answer = api.get("/api/plans", &[OBJECT]).await;
    assert_eq!(
        answer.told(),
        "406 PGRST116 Cannot coerce the result to a single JSON object"
    );
}

/// Requests with more than one mistake: method, path, headers and body, and what is told.
const MISTAKES: [(&str, &str, &[&str], &str, &str); 13] = [
    (
        "GET",
        "/api/nope?x=bogus.1",
        &[],
        "",
        "400 PGRST100 \"failed to parse filter (bogus.1)\" (line 1, column 1)",
    ),
    (
        "GET",
        "/api/nope?limit=-1",
        &[],
        "",
        "416 PGRST103 Requested range not satisfiable",
    ),
    (
        "POST",
        "/api/nope",
        &[],
        "{",
        "400 PGRST102 Empty or invalid json",
    ),
    (
        "POST",
        "/api/nope",
        &[],
        "{}",
        "404 PGRST205 Could not find the table 'public.nope' in the schema cache",
    ),
    (
        "GET",
        "/api/plan",
        &["accept: text/x"],
        "",
        "404 PGRST205 Could not find the table 'public.plan' in the schema cache",
    ),
    (
        "POST",
        "/api/plans?select=x(*)",
        &[],
        r#"{"zz":1}"#,
        "400 PGRST200 Could not find a relationship between 'plans' and 'x' in the schema cache",
    ),
    (
        "POST",
        "/api/plans",
        &["accept: text/x"],
        r#"{"zz":1}"#,
        "400 PGRST204 Could not find the 'zz' column of 'plans' in the schema cache",
    ),
    (
        "POST",
        "/api/plans",
        &["accept: text/x"],
        "{}",
        "406 PGRST107 None of these media types are available: text/x",
    ),
    (
        "POST",
        "/api/plans",
        &["prefer: handling=strict, foo=bar"],
        "{}",
        "400 PGRST122 Invalid preferences given with handling=strict",
    ),
    (
        "GET",
        "/api/plans?nope=eq.1",
        &[],
        "",
        "400 42703 column plans.nope does not exist",
    ),
    (
        "GET",
        "/api/plans",
        &["accept-profile: other"],
        "",
        "406 PGRST106 Invalid schema: other",
    ),
    (
        "TRACE",
        "/api/plans",
        &[],
        "",
        "405 PGRST117 Unsupported HTTP method: TRACE",
    ),
    (
        "GET",
        "/api/plans/pro",
        &[],
        "",
        "404 PGRST125 Invalid path specified in request URL",
    ),
];

async fn the_first_mistake_of_a_request_is_the_one_told(home: Home) {
    let api = Api::on(home).await;
    for (method, path, headers, body, told) in MISTAKES {
        assert_eq!(
            api.send(method, path, headers, body).await.told(),
            told,
            "{method} {path}"
        );
    }
    let hint = api.get("/api/plan", &[]).await.json()["hint"].clone();
    assert_eq!(hint, "Perhaps you meant the table 'public.plans'");
    let hint = api.get("/api/plans?plan_nam=eq.x", &[]).await.json()["hint"].clone();
    assert_eq!(
        hint,
        "Perhaps you meant to reference the column \"plans.plan_name\"."
    );
}
