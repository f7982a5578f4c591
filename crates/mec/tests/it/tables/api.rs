//! The table API in this process, without a socket.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use mec::api::context::AppState;
use mec_engine::{Mec, Options, catalog_file};
use serde_json::{Value, json};
use tower_service::Service as _;

use crate::home::Home;

pub(super) struct Api {
    router: Router,
    _home: Home,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }

    /// Status, code and message of an error, whose four keys are there and whose hint is not empty.
    #[track_caller]
    pub(super) fn told(&self) -> String {
        let body = self.json();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            body.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["code", "message", "details", "hint"],
            "{}",
            self.text
        );
        assert!(!text("hint").is_empty(), "no hint: {}", self.text);
        assert_eq!(
            self.header("proxy-status"),
            format!("PostgREST; error={}", text("code"))
        );
        format!(
            "{} {} {}",
            self.status.as_u16(),
            text("code"),
            text("message")
        )
    }
}

impl Api {
    pub(super) async fn on(home: Home) -> Self {
        let catalog = catalog_file::parse(catalog_file::DEMO)
            .unwrap()
            .changes(&mec_kernel::Catalog::default(), false);
        let mec = Mec::open(
            &home.url(),
            Options {
                catalog,
                ..Options::default()
            },
        )
        .await
        .unwrap();
        let router = mec::server::router::router(AppState::new(std::sync::Arc::new(mec)));
        Self {
            router,
            _home: home,
        }
    }

    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let response = self
            .router
            .clone()
            .call(request.body(body.into()).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(super) async fn get(&self, path: &str, headers: &[&str]) -> Answer {
        self.send("GET", path, headers, Body::empty()).await
    }

    pub(super) async fn write(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &Value,
    ) -> Answer {
        let headers: Vec<&str> = headers
            .iter()
            .copied()
            .chain(["content-type: application/json"])
            .collect();
        self.send(method, path, &headers, body.to_string()).await
    }

    pub(super) async fn post(&self, path: &str, headers: &[&str], body: Value) -> Answer {
        self.write("POST", path, headers, &body).await
    }

    pub(super) async fn account(&self, name: &str) -> String {
        let answer = self
            .post("/api/accounts", &[], json!({"display_name": name}))
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["account_id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn provision(&self, account: &str, plan: &str) -> Value {
        let answer = self
            .post(
                "/api/rpc/provision_plan",
                &[],
                json!({"p_account_id": account, "p_plan_id": plan}),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }
}
