//! Plans and entitlements over HTTP on both stores: what the audit keeps of a change, and what the
//! stores keep of plans that are repeated, renamed and called off.

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Answer, Api};
use crate::home::{Home, on_both_async};

on_both_async!(
    a_reason_in_a_header_is_kept_in_the_audit,
    a_patch_to_what_a_row_says_already_is_not_audited,
    what_is_in_use_says_what_to_do_instead,
    an_external_id_without_a_character_is_refused_everywhere,
    a_plan_under_a_new_reference_outlives_the_end_of_the_old_one,
    a_scheduled_plan_that_is_called_off_gives_the_old_end_back,
);

async fn write(
    api: &Api,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Value,
) -> Answer {
    let json = [
        ("content-type", "application/json"),
        ("prefer", "return=representation"),
    ];
    api.send(method, path, &[headers, &json].concat(), body.to_string())
        .await
}

async fn reasons(api: &Api, account: &str) -> Vec<String> {
    let path = format!(
        "/api/entitlements_audit?account_id=eq.{account}&action=neq.create&select=reason&order=audit_id"
    );
    let rows = api.get(&path).await.ok();
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row["reason"].as_str().unwrap().to_owned())
        .collect()
}

async fn a_reason_in_a_header_is_kept_in_the_audit(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let path =
        format!("/api/entitlements?account_id=eq.{account}&resource_type_code=eq.benchmark_runs");
    let stated = [("x-mec-reason", "goodwill, case 1")];
    assert_eq!(
        write(
            &api,
            Method::PATCH,
            &path,
            &stated,
            json!({"quantity_allowed": 120})
        )
        .await
        .status,
        200
    );
    assert_eq!(
        write(
            &api,
            Method::PATCH,
            &path,
            &[],
            json!({"quantity_allowed": 130})
        )
        .await
        .status,
        200
    );
    assert_eq!(
        reasons(&api, &account).await,
        ["table write: goodwill, case 1", "table write"]
    );
    let plan = json!({"p_account_id": account, "p_plan_id": "pro"});
    assert_eq!(
        write(
            &api,
            Method::POST,
            "/api/rpc/provision_plan",
            &[("x-mec-reason", "upgrade")],
            plan
        )
        .await
        .text,
        "5"
    );
    let all = reasons(&api, &account).await;
    assert_eq!(
        (all.len(), all[2].as_str()),
        (7, "provision_plan pro: upgrade")
    );
    for bad in ["", " ", &"x".repeat(201)] {
        let refused = write(
            &api,
            Method::PATCH,
            &path,
            &[("x-mec-reason", bad)],
            json!({"quantity_allowed": 1}),
        )
        .await;
        refused.expect_error(400, "MEC_BAD_ARGUMENT");
    }
    assert_eq!(reasons(&api, &account).await.len(), 7);
}

async fn a_patch_to_what_a_row_says_already_is_not_audited(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await.to_string();
    let path =
        format!("/api/entitlements?account_id=eq.{account}&resource_type_code=eq.benchmark_runs");
    for (limit, audited) in [(100, 0), (101, 1), (101, 1)] {
        let rows = write(
            &api,
            Method::PATCH,
            &path,
            &[],
            json!({"quantity_allowed": limit}),
        )
        .await
        .ok();
        assert_eq!(rows[0]["quantity_allowed"], json!(limit));
        assert_eq!(reasons(&api, &account).await.len(), audited, "{limit}");
    }
}

async fn what_is_in_use_says_what_to_do_instead(home: Home) {
    let api = Api::on(home).await;
    api.customer("acme", "starter").await;
    for (path, hint) in [
        ("plans?plan_id=eq.starter", "is_active"),
        (
            "resource_types?resource_type_code=eq.gpu_hours",
            "another code",
        ),
    ] {
        let refused = write(
            &api,
            Method::DELETE,
            &format!("/api/{path}"),
            &[],
            Value::Null,
        )
        .await
        .expect_error(409, "23503");
        assert!(
            refused["hint"].as_str().unwrap().contains(hint),
            "{refused}"
        );
    }
}

async fn an_external_id_without_a_character_is_refused_everywhere(home: Home) {
    let api = Api::on(home).await;
    let account = api.customer("acme", "starter").await;
    let made = write(
        &api,
        Method::POST,
        "/api/accounts",
        &[],
        json!({"external_id": "", "display_name": "Nobody"}),
    )
    .await;
    made.expect_error(400, "MEC_BAD_VALUE");
    let path = format!("/api/accounts?account_id=eq.{account}");
    write(&api, Method::PATCH, &path, &[], json!({"external_id": ""}))
        .await
        .expect_error(400, "MEC_BAD_VALUE");
    let used = json!({"p_external_id": "", "p_resource_type": "benchmark_runs", "p_quantity": 1, "p_idempotency_key": "k"});
    api.call("consume", used)
        .await
        .expect_error(400, "MEC_BAD_ARGUMENT");
}

async fn a_plan_under_a_new_reference_outlives_the_end_of_the_old_one(home: Home) {
    let api = Api::on(home).await;
    let account = api.account("acme").await.to_string();
    let of =
        |reference: &str| json!({"p_account_id": account, "p_plan_id": "pro", "p_ref": reference});
    for reference in ["sub_1", "sub_2"] {
        assert_eq!(
            api.call("provision_plan", of(reference)).await.ok(),
            json!(5)
        );
        api.pass(60);
    }
    assert_eq!(api.call("cancel_plan", of("sub_1")).await.ok(), json!(0));
    let path = format!(
        "/api/entitlements?account_id=eq.{account}&status=eq.active&valid_until=is.null&source_ref=eq.sub_2"
    );
    assert_eq!(api.get(&path).await.ok().as_array().unwrap().len(), 5);
    let path = format!(
        "/api/account_plans?account_id=eq.{account}&ends_at=is.null&select=ref,own_ends_at"
    );
    assert_eq!(
        api.get(&path).await.ok(),
        json!([{"ref": "sub_2", "own_ends_at": null}])
    );
    assert_eq!(api.call("cancel_plan", of("sub_2")).await.ok(), json!(5));
}

async fn a_scheduled_plan_that_is_called_off_gives_the_old_end_back(home: Home) {
    let api = Api::on(home).await;
    let account = api.account("acme").await.to_string();
    let (next, last) = ("2099-01-01T00:00:00Z", "2099-06-01T00:00:00Z");
    let pro = json!({"p_account_id": account, "p_plan_id": "pro", "p_until": last});
    assert_eq!(api.call("provision_plan", pro).await.ok(), json!(5));
    let starter = json!({"p_account_id": account, "p_plan_id": "starter", "p_start_date": next});
    assert_eq!(api.call("provision_plan", starter).await.ok(), json!(5));
    let ends = format!(
        "/api/account_plans?account_id=eq.{account}&plan_id=eq.pro&select=ends_at,own_ends_at"
    );
    assert_eq!(
        api.get(&ends).await.ok(),
        json!([{"ends_at": next, "own_ends_at": last}])
    );
    let off = json!({"p_account_id": account, "p_plan_id": "starter"});
    assert_eq!(api.call("cancel_plan", off).await.ok(), json!(5));
    assert_eq!(
        api.get(&ends).await.ok(),
        json!([{"ends_at": last, "own_ends_at": last}])
    );
    let rows =
        format!("/api/entitlements?account_id=eq.{account}&plan_id=eq.pro&valid_until=eq.{last}");
    assert_eq!(api.get(&rows).await.ok().as_array().unwrap().len(), 5);
}
