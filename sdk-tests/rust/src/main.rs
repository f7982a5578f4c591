//! The Rust client, unchanged, against a running server at MEC_URL whose catalog is the demo's:
//! what a user of this product does.

use std::error::Error;

use postgrest::{Builder, Postgrest};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let db = Postgrest::new(format!("{}/api", std::env::var("MEC_URL")?));
    plans(&db).await?;
    let account = account(&db).await?;
    entitlements(&db, &account).await?;
    upserts(&db).await?;
    errors(&db).await?;
    println!("postgrest-rs: 5 passed, 0 failed");
    Ok(())
}

/// Status, `Content-Range` and the JSON of the body.
async fn ask(request: Builder) -> Outcome<(u16, String, Value)> {
    let response = request.execute().await?;
    let range = response.headers().get("content-range").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let status = response.status().as_u16();
    let text = response.text().await?;
    Ok((status, range, serde_json::from_str(&text).unwrap_or(Value::Null)))
}

async fn plans(db: &Postgrest) -> Outcome<()> {
    let (status, range, plans) = ask(db.from("plans").select("plan_id").order("sort_order").range(0, 1).exact_count()).await?;
    // Its exact_count sends a range of one row, which wins over its own.
    assert_eq!((status, range.ends_with("/4"), plans[0]["plan_id"].as_str()), (206, true, Some("trial-14d")));
    let (status, _, plan) = ask(db.from("plans").eq("plan_id", "pro").select("plan_name").single()).await?;
    assert_eq!((status, plan), (200, json!({"plan_name": "Pro"})));
    Ok(())
}

async fn account(db: &Postgrest) -> Outcome<String> {
    let row = json!({"display_name": "Acme", "external_id": "rs-1"});
    let (status, _, made) = ask(db.from("accounts").insert(row.to_string())).await?;
    assert_eq!(status, 201);
    let account = made[0]["account_id"].as_str().ok_or("an id")?.to_owned();
    let plan = json!({"p_account_id": account, "p_plan_id": "starter"});
    assert_eq!(ask(db.rpc("provision_plan", plan.to_string())).await?.2, json!(5));
    let question = json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_requested_qty": 1});
    assert_eq!(ask(db.rpc("check_entitlement", question.to_string())).await?.2[0]["decision"], "allow");
    Ok(account)
}

async fn entitlements(db: &Postgrest, account: &str) -> Outcome<()> {
    let select = "resource_type_code,accounts(display_name)";
    let (status, _, rows) = ask(db.from("entitlements").eq("account_id", account).select(select)).await?;
    assert_eq!((status, rows.as_array().map(Vec::len)), (200, Some(5)));
    assert_eq!(rows[0]["accounts"], json!({"display_name": "Acme"}));
    let row = json!({
        "account_id": account, "resource_type_code": "benchmark_runs", "limit_kind_code": "cumulative",
        "quantity_allowed": 3, "window_type_code": "month",
    });
    let (status, _, made) = ask(db.from("entitlements").insert(row.to_string())).await?;
    assert_eq!(status, 201, "{made}");
    let id = made[0]["entitlement_id"].as_str().ok_or("an id")?.to_owned();
    let (status, _, changed) =
        ask(db.from("entitlements").eq("entitlement_id", &id).update(r#"{"quantity_allowed":4.5}"#)).await?;
    assert_eq!((status, changed[0]["quantity_allowed"].to_string()), (200, "4.5".to_owned()));
    Ok(())
}

async fn upserts(db: &Postgrest) -> Outcome<()> {
    let unit = |name: &str| json!({"unit_code": "rs", "unit_name": name, "dimension": "rs", "factor": 1}).to_string();
    assert_eq!(ask(db.from("units").upsert(unit("Rs"))).await?.0, 201);
    let (status, _, rows) = ask(db.from("units").upsert(unit("Rust"))).await?;
    assert_eq!((status, rows[0]["unit_name"].as_str()), (200, Some("Rust")));
    assert_eq!(ask(db.from("units").eq("unit_code", "rs").delete()).await?.0, 200);
    Ok(())
}

async fn errors(db: &Postgrest) -> Outcome<()> {
    for (request, status, code) in [
        (db.from("nope").select("*"), 404, "PGRST205"),
        (db.from("plans").select("*").single(), 406, "PGRST116"),
        (db.from("accounts").insert(r#"{"display_name":"X","account_type_code":"zzz"}"#), 409, "23503"),
    ] {
        let (found, _, error) = ask(request).await?;
        assert_eq!((found, error["code"].as_str()), (status, Some(code)), "{error}");
    }
    Ok(())
}
