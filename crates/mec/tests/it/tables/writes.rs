//! Inserting, changing and deleting rows.

use axum::body::Body;
use serde_json::{Value, json};

use super::api::Api;
use super::{NOBODY, OBJECT, REPRESENTATION};
use crate::home::{Home, on_both_async};

on_both_async!(
    an_insert_answers_what_was_asked_for,
    inserted_rows_are_shown_in_the_order_of_the_request_and_with_their_embeds,
    an_upsert_says_whether_anything_is_new,
    a_put_makes_or_changes_the_row_its_url_names,
    a_patch_answers_what_it_changed,
    a_delete_answers_the_rows_as_they_were,
    what_a_table_takes_is_said_by_options_and_by_its_refusals,
    a_reference_to_nothing_is_told_as_postgresql_does,
);

/// What is preferred, the rows, and the status, text, range and location of the answer.
type Insert = (
    &'static [&'static str],
    Value,
    u16,
    String,
    &'static str,
    &'static str,
);

fn unit(code: &str) -> Value {
    json!({"unit_code": code, "unit_name": "U", "dimension": "d", "factor": 1})
}

fn inserts() -> [Insert; 7] {
    [
        (&[], unit("a"), 201, String::new(), "*/*", ""),
        (
            &["prefer: return=minimal"],
            unit("b"),
            201,
            String::new(),
            "*/*",
            "",
        ),
        (
            &["prefer: return=headers-only"],
            unit("c"),
            201,
            String::new(),
            "*/*",
            "/api/units?unit_code=eq.c",
        ),
        (
            &[REPRESENTATION],
            unit("d"),
            201,
            json!([unit("d")]).to_string(),
            "*/*",
            "",
        ),
        (
            &[REPRESENTATION, OBJECT],
            unit("e"),
            201,
            unit("e").to_string(),
            "*/*",
            "",
        ),
        (
            &["prefer: return=representation,count=exact"],
            json!([unit("g"), unit("f")]),
            201,
            json!([unit("g"), unit("f")]).to_string(),
            "*/2",
            "",
        ),
        (
            &[REPRESENTATION],
            json!([]),
            201,
            "[]".to_owned(),
            "*/*",
            "",
        ),
    ]
}

async fn an_insert_answers_what_was_asked_for(home: Home) {
    let api = Api::on(home).await;
    for (headers, body, status, text, range, location) in inserts() {
        let answer = api.post("/api/units", headers, body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.text),
            (status, &text),
            "{headers:?}"
        );
        assert_eq!(
            (answer.header("content-range"), answer.header("location")),
            (range, location),
            "{headers:?}"
        );
        assert_eq!(
            answer.headers.contains_key("content-type"),
            !text.is_empty()
        );
    }
    let answer = api
        .post("/api/units", &[OBJECT], json!([unit("h"), unit("i")]))
        .await;
    assert_eq!(
        answer.told(),
        "406 PGRST116 Cannot coerce the result to a single JSON object"
    );
    assert_eq!(
        api.get("/api/units?unit_code=in.(h,i)", &[]).await.json(),
        json!([])
    );
    let answer = api.post("/api/units", &[], unit("a")).await;
    assert_eq!(
        answer.told(),
        "409 23505 duplicate key value violates unique constraint \"units_pkey\""
    );
    assert_eq!(
        answer.json()["details"],
        "Key (unit_code)=(a) already exists."
    );
    let answer = api
        .post(
            "/api/units?select=unit_name,factor::int2",
            &[REPRESENTATION],
            unit("j"),
        )
        .await;
    assert_eq!(answer.told(), "400 PGRST127 Feature not implemented");
    assert_eq!(
        api.get("/api/units?unit_code=eq.j", &[]).await.json(),
        json!([])
    );
}

async fn inserted_rows_are_shown_in_the_order_of_the_request_and_with_their_embeds(home: Home) {
    let api = Api::on(home).await;
    let names = ["d", "a", "c", "b", "e"];
    let body: Vec<_> = names
        .iter()
        .map(|name| json!({"display_name": name}))
        .collect();
    let path = "/api/accounts?select=display_name,account_types(account_type_code)&columns=%22display_name%22";
    let answer = api.post(path, &[REPRESENTATION], json!(body)).await;
    let expected: Vec<_> = names
        .iter()
        .map(|name| json!({"display_name": name, "account_types": {"account_type_code": "organization"}}))
        .collect();
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (201, json!(expected))
    );
    let ordered = api
        .post(
            "/api/accounts?select=display_name&order=display_name.desc",
            &[REPRESENTATION],
            json!(body),
        )
        .await;
    assert_eq!(ordered.json()[0], json!({"display_name": "e"}));
    // An array is PostgREST's business: nothing is answered without being asked for.
    let answer = api
        .post("/api/accounts", &[], json!([{"display_name": "z"}]))
        .await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (201, ""));
    let answer = api
        .post(
            "/api/accounts",
            &["prefer: return=minimal"],
            json!({"display_name": "z"}),
        )
        .await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (201, ""));
    let answer = api
        .send(
            "POST",
            "/api/accounts",
            &["content-type: text/csv"],
            "display_name,email\nx,NULL\ny,y@z\n",
        )
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(
        api.get("/api/accounts?email=eq.y@z&select=display_name", &[])
            .await
            .json(),
        json!([{"display_name": "y"}])
    );
}

async fn an_upsert_says_whether_anything_is_new(home: Home) {
    let api = Api::on(home).await;
    let merge = "prefer: resolution=merge-duplicates";
    let plan = |id: &str, name: &str| json!({"plan_id": id, "plan_name": name});
    let answer = api
        .post(
            "/api/plans",
            &[merge],
            json!([plan("pro", "Pro 2"), plan("club", "Club")]),
        )
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("preference-applied")),
        (201, "resolution=merge-duplicates")
    );
    let answer = api.post("/api/plans", &[merge], plan("pro", "Pro 3")).await;
    assert_eq!(answer.status, 200);
    let row = api
        .get(
            "/api/plans?plan_id=eq.pro&select=plan_name,price_amount,version",
            &[],
        )
        .await
        .json();
    assert_eq!(
        row,
        json!([{"plan_name": "Pro 3", "price_amount": 299, "version": 1}])
    );
    let ignore = "prefer: resolution=ignore-duplicates,return=representation";
    let answer = api
        .post(
            "/api/plans?select=plan_id",
            &[ignore],
            json!([plan("pro", "X"), plan("team", "Team")]),
        )
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (201, json!([{"plan_id": "team"}]))
    );
    // Skipped, so there is nothing to show.
    let account = json!({"display_name": "A", "external_id": "x"});
    api.post("/api/accounts", &[], account.clone()).await;
    let answer = api
        .post(
            "/api/accounts?on_conflict=external_id",
            &["prefer: resolution=ignore-duplicates"],
            account,
        )
        .await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (201, ""));
}

async fn a_put_makes_or_changes_the_row_its_url_names(home: Home) {
    let api = Api::on(home).await;
    let plan = json!({"plan_id": "club", "plan_name": "Club"});
    let answer = api
        .write(
            "PUT",
            "/api/plans?plan_id=eq.club",
            &[REPRESENTATION],
            &plan,
        )
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()[0]["plan_name"]),
        (201, &json!("Club"))
    );
    let answer = api
        .write("PUT", "/api/plans?plan_id=eq.club", &[], &plan)
        .await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    let answer = api
        .write("PUT", "/api/plans?plan_id=eq.other", &[], &plan)
        .await;
    assert_eq!(
        answer.told(),
        "400 PGRST115 Payload values do not match URL in primary key column(s)"
    );
    let answer = api
        .write(
            "PUT",
            &format!("/api/accounts?account_id=eq.{NOBODY}"),
            &[],
            &json!({"display_name": "A"}),
        )
        .await;
    assert!(answer.told().starts_with("403 42501"));
}

async fn a_patch_answers_what_it_changed(home: Home) {
    let api = Api::on(home).await;
    let account = api.account("Acme").await;
    api.provision(&account, "starter").await;
    let path = format!("/api/entitlements?account_id=eq.{account}");
    let suspend = json!({"status": "suspended"});
    let strict = "prefer: handling=strict, max-affected=4";
    let answer = api.write("PATCH", &path, &[strict], &suspend).await;
    assert_eq!(
        answer.told(),
        "400 PGRST124 Query result exceeds max-affected preference constraint"
    );
    let answer = api.write("PATCH", &path, &[OBJECT], &suspend).await;
    assert_eq!(
        answer.told(),
        "406 PGRST116 Cannot coerce the result to a single JSON object"
    );
    assert_eq!(
        api.get(&format!("{path}&status=eq.active"), &[])
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        5
    );

    let headers = [
        "prefer: return=representation, count=exact, handling=strict, max-affected=5, tx=rollback",
    ];
    let answer = api
        .write(
            "PATCH",
            &format!("{path}&select=status"),
            &headers,
            &suspend,
        )
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (200, json!(vec![suspend.clone(); 5]))
    );
    assert_eq!(answer.header("content-range"), "0-4/5");
    assert_eq!(
        answer.header("preference-applied"),
        "return=representation, count=exact, handling=strict, max-affected=5"
    );

    let none = format!("/api/entitlements?account_id=eq.{NOBODY}");
    let answer = api.write("PATCH", &none, &[REPRESENTATION], &suspend).await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.text.as_str(),
            answer.header("content-range")
        ),
        (200, "[]", "*/*")
    );
    let answer = api.write("PATCH", &path, &[], &json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-range")),
        (204, "*/*")
    );
    let answer = api.write("PATCH", "/api/entitlements", &[], &suspend).await;
    assert_eq!(answer.told(), "400 21000 UPDATE requires a WHERE clause");
    let answer = api
        .write("PATCH", &path, &[], &json!({"status": "paused"}))
        .await;
    assert_eq!(
        answer.told(),
        "400 23514 new row for relation \"entitlements\" violates check constraint \"entitlements_status_check\""
    );
    let answer = api
        .write("PATCH", &path, &[], &json!({"account_id": account}))
        .await;
    assert_eq!(
        answer.told(),
        "403 42501 permission denied for table entitlements"
    );
}

async fn a_delete_answers_the_rows_as_they_were(home: Home) {
    let api = Api::on(home).await;
    api.post(
        "/api/account_types",
        &[],
        json!([{"account_type_code": "robot"}, {"account_type_code": "guest"}]),
    )
    .await;
    let answer = api
        .send("DELETE", "/api/account_types", &[], Body::empty())
        .await;
    assert_eq!(answer.told(), "400 21000 DELETE requires a WHERE clause");
    let headers = [
        "prefer: return=representation,count=exact",
        "content-type: application/json",
    ];
    let path = "/api/account_types?account_type_code=in.(robot,guest)&select=account_type_code";
    let answer = api.send("DELETE", path, &headers, "{}").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-range")),
        (200, "*/2")
    );
    assert_eq!(
        answer.json(),
        json!([{"account_type_code": "guest"}, {"account_type_code": "robot"}])
    );
    let answer = api.send("DELETE", path, &[], Body::empty()).await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.header("content-range"),
            answer.text.as_str()
        ),
        (204, "*/*", "")
    );
    let account = api.account("Acme").await;
    api.provision(&account, "starter").await;
    let answer = api
        .send(
            "DELETE",
            "/api/plans?plan_id=eq.starter",
            &[],
            Body::empty(),
        )
        .await;
    assert!(answer.told().starts_with("409 23503"), "{}", answer.text);
    let answer = api
        .send(
            "DELETE",
            &format!("/api/accounts?account_id=eq.{account}"),
            &[],
            Body::empty(),
        )
        .await;
    assert!(answer.told().starts_with("409 23503"), "{}", answer.text);
    assert!(answer.json()["hint"].as_str().unwrap().contains("closed"));
}

async fn what_a_table_takes_is_said_by_options_and_by_its_refusals(home: Home) {
    let api = Api::on(home).await;
    for (table, allow) in [
        ("plans", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
        ("accounts", "OPTIONS,GET,HEAD,POST,PATCH,DELETE"),
        ("consumption_ledger", "OPTIONS,GET,HEAD"),
    ] {
        let answer = api
            .send("OPTIONS", &format!("/api/{table}"), &[], Body::empty())
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("allow")),
            (200, allow)
        );
    }
    assert!(
        api.send("OPTIONS", "/api/nope", &[], Body::empty())
            .await
            .told()
            .starts_with("404 PGRST205")
    );
    for (table, function) in [
        ("concurrency_leases", "acquire_lease"),
        ("reservations", "reserve"),
        ("account_plans", "provision_plan"),
        ("consumption_event_details", "meter_consumption"),
    ] {
        let answer = api
            .post(&format!("/api/{table}"), &[], json!({"account_id": NOBODY}))
            .await;
        assert!(
            answer.told().starts_with("403 42501") || answer.told().starts_with("400 PGRST204"),
            "{}",
            answer.text
        );
        assert!(
            answer.json()["hint"].as_str().unwrap().contains(function),
            "{}",
            answer.text
        );
    }
}

async fn a_reference_to_nothing_is_told_as_postgresql_does(home: Home) {
    let api = Api::on(home).await;
    let row = json!({"account_id": NOBODY, "resource_type_code": "benchmark_runs"});
    for body in [row.clone(), json!([row.clone(), row])] {
        let answer = api.post("/api/entitlements", &[], body).await;
        let told = "409 23503 insert or update on table \"entitlements\" violates foreign key constraint \"entitlements_account_id_fkey\"";
        assert_eq!(answer.told(), told);
        assert_eq!(
            answer.json()["details"],
            format!("Key (account_id)=({NOBODY}) is not present in table \"accounts\".")
        );
    }
}
