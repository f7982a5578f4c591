//! How functions are called, and in which form they answer.

use reqwest::Method;
use serde_json::json;

use super::{expect, standing};
use crate::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(
    questions_may_be_asked_by_get_and_by_head,
    get_does_not_call_what_writes_and_options_says_so,
    rows_are_answered_in_the_form_asked_for,
    an_answer_that_could_not_be_given_is_refused_before_anything_is_recorded,
);

async fn questions_may_be_asked_by_get_and_by_head(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await;
    let path = format!(
        "/api/rpc/check_entitlement?p_account_id={account}&p_resource_type=gpu_hours&p_requested_qty=1&select=decision,allowed"
    );
    for path in [path.clone(), path.replace("/api/", "/rest/v1/")] {
        assert_eq!(
            api.get(&path).await.ok(),
            json!([{"decision": "allow", "allowed": true}])
        );
    }
    let filtered = api.get(&format!("{path}&decision=eq.deny")).await;
    assert_eq!(
        (filtered.ok(), filtered.header("content-range")),
        (json!([]), Some("*/*"))
    );
    let head = api.send(Method::HEAD, &path, &[], String::new()).await;
    assert_eq!(
        (
            head.status.as_u16(),
            head.text.as_str(),
            head.header("content-range")
        ),
        (200, "", Some("0-0/*"))
    );
}

async fn get_does_not_call_what_writes_and_options_says_so(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await;
    let path = format!("/api/rpc/provision_plan?p_account_id={account}&p_plan_id=pro");
    api.get(&path).await.expect_error(405, "25006");
    for (name, allow) in [
        ("provision_plan", "OPTIONS,POST"),
        ("fn_check_entitlement", "OPTIONS,GET,HEAD,POST"),
    ] {
        let path = format!("/api/rpc/{name}");
        let options = api.send(Method::OPTIONS, &path, &[], String::new()).await;
        assert_eq!(
            (options.status.as_u16(), options.header("allow")),
            (200, Some(allow))
        );
        let delete = api.send(Method::DELETE, &path, &[], String::new()).await;
        delete.expect_error(405, "PGRST101");
        assert_eq!(delete.header("allow"), Some(allow));
    }
    let unknown = api
        .send(Method::OPTIONS, "/api/rpc/consum", &[], String::new())
        .await
        .expect_error(404, "PGRST202");
    assert_eq!(unknown["hint"], "Perhaps you meant POST /api/rpc/consume");
}

async fn rows_are_answered_in_the_form_asked_for(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let body = json!({"p_account_id": account, "p_resource_type": "gpu_hours"}).to_string();
    let ask = async |headers: &[(&str, &str)]| {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        api.send(
            Method::POST,
            "/api/rpc/check_entitlement?select=decision,reason,quantity_allowed",
            &all,
            body.clone(),
        )
        .await
    };
    let object = ask(&[("accept", "application/vnd.pgrst.object+json")]).await;
    assert_eq!(
        object.ok(),
        json!({"decision": "allow", "reason": "Within entitlement", "quantity_allowed": 25})
    );
    assert_eq!(
        object.header("content-type"),
        Some("application/vnd.pgrst.object+json; charset=utf-8")
    );
    let csv = ask(&[("accept", "text/csv")]).await;
    assert_eq!(
        csv.text,
        "decision,reason,quantity_allowed\nallow,\"Within entitlement\",25"
    );
    let counted = ask(&[("prefer", "count=exact"), ("content-profile", "public")]).await;
    assert_eq!(counted.header("content-range"), Some("0-0/1"));
    assert_eq!(counted.header("preference-applied"), Some("count=exact"));
    assert_eq!(counted.header("content-profile"), Some("public"));
    ask(&[("content-profile", "private")])
        .await
        .expect_error(406, "PGRST106");
    let csv = api
        .send(
            Method::POST,
            "/api/rpc/provision_plan",
            &[
                ("accept", "text/csv"),
                ("content-type", "application/x-www-form-urlencoded"),
            ],
            format!("p_account_id={account}&p_plan_id=starter"),
        )
        .await;
    assert_eq!(csv.text, "provision_plan\n5");
}

async fn an_answer_that_could_not_be_given_is_refused_before_anything_is_recorded(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let body =
        json!({"p_idempotency_key": "k", "p_account_id": account, "p_resource_type": "gpu_hours", "p_quantity": 1}).to_string();
    let object = ("accept", "application/vnd.pgrst.object+json");
    for (query, header, status, code) in [
        ("?select=reason::int4", ("accept", "*/*"), 400, "PGRST127"),
        ("?select=zzz", ("accept", "*/*"), 400, "42703"),
        ("?decision=eq.deny", object, 400, "PGRST127"),
        ("?limit=0", object, 400, "PGRST127"),
        ("?offset=9", ("prefer", "count=exact"), 416, "PGRST103"),
        (
            "",
            ("prefer", "handling=strict, max-affected=0"),
            400,
            "PGRST124",
        ),
        ("", ("prefer", "handling=strict, foo=bar"), 400, "PGRST122"),
        ("", ("accept", "image/png"), 406, "PGRST107"),
    ] {
        let headers = [("content-type", "application/json"), header];
        let answer = api
            .send(
                Method::POST,
                &format!("/api/rpc/consume{query}"),
                &headers,
                body.clone(),
            )
            .await;
        answer.expect_error(status, code);
    }
    let row = standing(&api, &account, "gpu_hours").await;
    expect(&row, json!({"quantity_used": 0}));
}
