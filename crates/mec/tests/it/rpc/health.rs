//! What a server says of itself.

use serde_json::json;

use super::expect;
use crate::api::Api;
use crate::home::{Home, on_both_async};

on_both_async!(health_says_how_the_server_is,);

async fn health_says_how_the_server_is(home: Home) {
    let api = Api::on(home).await;
    let health = api.get("/health").await;
    assert_eq!(
        (health.status.as_u16(), health.text.as_str()),
        (200, r#"{"status": "healthy"}"#)
    );
    assert_eq!(api.get("/livez").await.ok(), json!({"status": "alive"}));
    let ready = api.get("/readyz").await.ok();
    expect(
        &ready,
        json!({"status": "ready", "store": "usable", "queued": 0, "decisions_dropped": 0}),
    );
    assert!(ready["catalog_version"].as_i64() > Some(0));

    api.mec.close().await.expect("it ends in order");
    api.get("/health")
        .await
        .expect_error(503, "MEC_STORE_UNAVAILABLE");
    assert_eq!(api.get("/livez").await.status.as_u16(), 200);
    let not_ready = api.get("/readyz").await;
    assert_eq!(
        not_ready.expect_error(503, "MEC_STORE_UNAVAILABLE")["details"]["status"],
        "not ready"
    );
    assert_eq!(not_ready.header("retry-after"), Some("1"));
    let account = "0199aa10-0000-7000-8000-00000000abcd";
    let event = json!({"p_idempotency_key": "k", "p_account_id": account, "p_resource_type": "gpu_hours", "p_quantity": 1});
    api.call("meter_consumption", event)
        .await
        .expect_error(503, "MEC_STOPPED");
}
