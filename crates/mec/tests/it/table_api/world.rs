//! The rows that the cases are asked of: the demo's catalog and a few accounts with plans,
//! entitlements, rules and usage, made through the API with a clock that stands still.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use mec::api::context::AppState;
use mec::server::router;
use mec_engine::{Clock, Mec, Now, Options, catalog_file};
use mec_kernel::{Catalog, Time};
use serde_json::{Value, json};
use tower_service::Service as _;

use super::case::{Case, Reply};
use crate::home::Home;
use crate::home::cluster::name_of;

#[derive(Debug)]
struct Still(Time);

impl Now for Still {
    fn now(&self) -> Time {
        self.0
    }
}

/// A store that holds the world, closed, of which copies are made.
pub(super) struct World {
    home: Home,
    /// The ids of its accounts by the names that cases give them.
    pub(super) ids: Vec<(String, String)>,
}

/// An open copy.
pub(super) struct Opened {
    pub(super) router: Router,
    mec: Arc<Mec>,
    _home: Home,
}

impl Opened {
    pub(super) async fn of(home: Home) -> Self {
        let file = catalog_file::parse(catalog_file::DEMO).expect("the demo's catalog");
        let clock = Clock::ruling(Arc::new(Still(
            crate::api::START.parse().expect("an instant"),
        )));
        let options = Options {
            catalog: file.changes(&Catalog::default(), false),
            clock,
            ..Options::default()
        };
        let mec = Arc::new(Mec::open(&home.url(), options).await.expect("a store"));
        Self {
            router: router::router(AppState::new(mec.clone())),
            mec,
            _home: home,
        }
    }

    pub(super) async fn ask(&self, case: &Case) -> Reply {
        let mut request = Request::builder()
            .method(case.method.as_str())
            .uri(case.uri());
        for (name, value) in &case.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Body::from(case.body.clone()))
            .expect("a request");
        let response = self.router.clone().call(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).expect("text"),
        }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request =
            Request::post(format!("/api/{path}")).header("content-type", "application/json");
        let request = request
            .body(Body::from(body.to_string()))
            .expect("a request");
        let response = self.router.clone().call(request).await.expect("an answer");
        let status = response.status();
        let bytes = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        let text = String::from_utf8_lossy(&bytes);
        assert!(status.is_success(), "{path} {body}: {status} {text}");
        if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).expect("JSON")
        }
    }

    async fn account(&self, ids: &mut Vec<(String, String)>, name: &str, account: Value) {
        let made = self.post("accounts", account).await;
        ids.push((
            name.to_owned(),
            made["account_id"].as_str().expect("an id").to_owned(),
        ));
    }
}

impl World {
    /// Made anew in this place.
    pub(super) async fn made(home: Home) -> Self {
        let opened = Opened::of(home).await;
        let mut ids = vec![];
        let metadata = json!({ "tier": "gold", "seats": 12, "tags": ["eu", "beta"], "owner": { "name": "Ada" } });
        let acme = json!({
            "external_id": "acme", "display_name": "Acme Corp", "email": "ops@acme.test", "metadata": metadata,
        });
        opened.account(&mut ids, "acme", acme).await;
        let research = json!({
            "external_id": "acme-research", "display_name": "Research", "account_type_code": "team",
            "parent_account_id": ids[0].1, "metadata": { "tier": "silver", "seats": 3 },
        });
        opened.account(&mut ids, "research", research).await;
        let jane = json!({
            "external_id": "jane", "display_name": "Jane", "account_type_code": "user", "parent_account_id": ids[1].1,
        });
        opened.account(&mut ids, "jane", jane).await;
        let globex = json!({ "external_id": "globex", "display_name": "Globex, \"G\" (EU)", "status": "suspended" });
        opened.account(&mut ids, "globex", globex).await;
        let umbrella =
            json!({ "external_id": "umbrella", "display_name": "umbrella 50%_off", "email": "" });
        opened.account(&mut ids, "umbrella", umbrella).await;
        for (account, plan) in [("acme", "pro"), ("globex", "starter")] {
            opened
                .post(
                    "rpc/provision_plan",
                    json!({ "p_external_id": account, "p_plan_id": plan }),
                )
                .await;
        }
        let by_hand = json!({
            "account_id": ids[2].1, "resource_type_code": "benchmark_runs", "quantity_allowed": 5, "window_type_code": "day",
        });
        opened.post("entitlements", by_hand).await;
        let rule = json!({
            "resource_type_code": "benchmark_runs", "account_id": ids[0].1, "limit_action_code": "warn", "warn_at_percent": 50,
        });
        opened.post("control_rules", rule).await;
        for (key, account, resource, quantity, unit, details) in [
            (
                "run-1",
                "acme",
                "benchmark_runs",
                "3",
                "count",
                json!({ "job": "a", "cost": 1.5 }),
            ),
            ("run-2", "acme", "benchmark_runs", "4", "count", Value::Null),
            (
                "run-3",
                "jane",
                "benchmark_runs",
                "2",
                "count",
                json!({ "job": "b" }),
            ),
            ("gpu-1", "acme", "gpu_hours", "90", "minute", Value::Null),
        ] {
            let event = json!({
                "p_idempotency_key": key, "p_external_id": account, "p_resource_type": resource,
                "p_quantity": quantity.parse::<u32>().expect("a number"), "p_unit_code": unit, "p_details": details,
            });
            opened.post("rpc/meter_consumption", event).await;
        }
        let lease = json!({ "p_external_id": "acme", "p_resource_type": "concurrent_users", "p_session_token": "laptop" });
        opened.post("rpc/acquire_lease", lease).await;
        Self {
            home: opened.closed().await,
            ids,
        }
    }

    /// The world again, in a place of its own.
    pub(super) fn copy(&self) -> Home {
        match &self.home {
            Home::Sqlite(directory) => {
                let copy = tempfile::tempdir().expect("a directory");
                let file = |directory: &Path| directory.join("mec.db");
                std::fs::copy(file(directory.path()), file(copy.path()))
                    .expect("a copy of the file");
                Home::Sqlite(copy)
            }
            Home::Postgres(cluster, url) => {
                let copy = cluster.copy(name_of(url));
                Home::Postgres(cluster.clone(), cluster.app_url(name_of(&copy)))
            }
        }
    }
}

impl Opened {
    /// The place, once nobody has it open any more.
    async fn closed(self) -> Home {
        let Self {
            router,
            mec,
            _home: home,
        } = self;
        drop(router);
        let mec = Arc::into_inner(mec).expect("nobody else has it");
        mec.close().await.expect("an engine that was running");
        drop(mec);
        if let Home::Postgres(cluster, url) = &home {
            let others = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'",
                name_of(url)
            );
            cluster.wait_for("postgres", &others, "0");
        }
        home
    }
}
