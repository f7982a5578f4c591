//! The API on a real socket over a store of its own, with the demo's catalog and a clock that
//! stands still until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use mec::api::context::AppState;
use mec::http::auth::Auth;
use mec::http::browsers::Hosts;
use mec::http::limits::Limits;
use mec::http::listen;
use mec::http::operator::Door;
use mec::server::router;
use mec_engine::{Caller, Clock, Mec, NewAccount, Now, Options, catalog_file};
use mec_kernel::{AccountId, Catalog, CreateAccount, Provision, Time};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::home::Home;

/// Where the clock stands at first: not on a full second, which expiries are rounded up to.
pub(crate) const START: &str = "2026-11-24T11:59:59.5Z";

/// Requests larger than this are refused.
pub(crate) const BODY_BYTES_MAX: u64 = 2_000_000;

#[derive(Debug)]
struct Hands(AtomicI64);

impl Now for Hands {
    fn now(&self) -> Time {
        Time::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// A served API. Dropping it cuts its connections and removes its store.
pub(crate) struct Api {
    pub(crate) mec: Arc<Mec>,
    client: reqwest::Client,
    base: String,
    operators: String,
    store_url: String,
    hands: Arc<Hands>,
    serving: [tokio::task::JoinHandle<()>; 2],
    _home: Home,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.serving.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("a header of text"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a 200.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json()
    }

    /// Asserts an error of this status and code, with the four keys, the headers and a hint.
    pub(crate) fn expect_error(&self, status: u16, code: &str) -> Value {
        let body: Value = self.json();
        let keys: Vec<_> = body
            .as_object()
            .unwrap_or_else(|| panic!("{self:?}"))
            .keys()
            .collect();
        assert_eq!(keys, ["code", "message", "details", "hint"], "{self:?}");
        assert_eq!(
            (self.status.as_u16(), &body["code"]),
            (status, &json!(code)),
            "{self:?}"
        );
        assert!(
            body["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{self:?}"
        );
        assert!(
            body["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
            "no hint: {self:?}"
        );
        assert_eq!(
            self.header("content-type"),
            Some("application/json; charset=utf-8")
        );
        assert_eq!(
            self.header("proxy-status"),
            Some(format!("PostgREST; error={code}").as_str())
        );
        assert!(self.header("x-request-id").is_some());
        body
    }
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::on(Home::sqlite()).await
    }

    /// One over this store, which is new.
    pub(crate) async fn on(home: Home) -> Self {
        Self::open(home, Auth::open(), Hosts::default()).await
    }

    /// One that answers to these names, and to the pages of these origins.
    pub(crate) async fn answering(hosts: Hosts) -> Self {
        Self::open(Home::sqlite(), Auth::open(), hosts).await
    }

    /// One that asks callers who they are.
    pub(crate) async fn asking(auth: Auth, hosts: Hosts) -> Self {
        Self::open(Home::sqlite(), auth, hosts).await
    }

    async fn open(home: Home, auth: Auth, hosts: Hosts) -> Self {
        let hands = Arc::new(Hands(AtomicI64::new(
            START.parse::<Time>().expect("an instant").micros(),
        )));
        let file = catalog_file::parse(catalog_file::DEMO).expect("the demo's catalog");
        let catalog = file.changes(&Catalog::default(), false);
        let options = Options {
            catalog,
            clock: Clock::ruling(hands.clone()),
            ..Options::default()
        };
        let url = home.url();
        let mec = Arc::new(Mec::open(&url, options).await.expect("a store"));
        let router = router::router(AppState::new(mec.clone()).with_auth(auth));
        let limits = Limits {
            body_bytes_max: BODY_BYTES_MAX,
            ..Limits::default()
        };
        let (mut bases, mut serving) = (Vec::new(), Vec::new());
        for door in [Door::Public, Door::Operators] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
                .await
                .expect("a free port");
            bases.push(format!(
                "http://{}",
                listener.local_addr().expect("an address")
            ));
            let (router, limits, hosts) = (router.clone(), limits.clone(), hosts.clone());
            serving.push(tokio::spawn(async move {
                let never = std::future::pending::<()>();
                listen::serve(listener, router, limits, hosts, door, never)
                    .await
                    .expect("usable limits");
            }));
        }
        let [base, operators] = bases.try_into().expect("two");
        let serving = serving.try_into().expect("two");
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            mec,
            client,
            base,
            operators,
            store_url: url,
            hands,
            serving,
            _home: home,
        }
    }

    pub(crate) fn caller() -> Caller {
        Caller::new("test", "test")
    }

    /// Moves the clock on.
    pub(crate) fn pass(&self, seconds: i64) {
        self.hands
            .0
            .fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    /// A new organization.
    pub(crate) async fn account(&self, external_id: &str) -> AccountId {
        let NewAccount(new) = NewAccount::named("Acme Corp");
        let new = CreateAccount {
            external_id: Some(external_id.into()),
            ..new
        };
        self.mec
            .create_account(NewAccount(new), &Self::caller())
            .await
            .expect("an account")
            .id
    }

    /// A new organization on this plan.
    pub(crate) async fn customer(&self, external_id: &str, plan: &str) -> AccountId {
        let account = self.account(external_id).await;
        self.mec
            .provision(Provision::new(account, plan), &Self::caller())
            .await
            .expect("a plan");
        account
    }

    /// `HOST:PORT`.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// Where its store is.
    pub(crate) fn store_url(&self) -> &str {
        &self.store_url
    }

    /// A request as it is; one below `/admin` on the operators' port.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let base = if path.starts_with("/admin") {
            &self.operators
        } else {
            &self.base
        };
        self.send_to(base, method, path, headers, body).await
    }

    /// A request as it is on the port that clients use.
    pub(crate) async fn send_in_public(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.send_to(&self.base, method, path, headers, String::new())
            .await
    }

    async fn send_to(
        &self,
        base: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let mut request = self
            .client
            .request(method, format!("{base}{path}"))
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        Answer {
            status,
            headers,
            text: response.text().await.expect("a body of text"),
        }
    }

    /// POSTs JSON to a function; `call` may have a query string.
    pub(crate) async fn call(&self, call: &str, arguments: Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.send(
            Method::POST,
            &format!("/api/rpc/{call}"),
            &json,
            arguments.to_string(),
        )
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], String::new()).await
    }

    /// The account's newest decisions, once there are `wanted` of them.
    pub(crate) async fn decided(&self, account: &str, wanted: usize) -> Vec<Value> {
        let path = format!(
            "/api/control_decisions_log?account_id=eq.{account}&order=decided_at.desc&limit=50"
        );
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let rows = self.get(&path).await.ok();
            let rows = rows.as_array().unwrap().clone();
            if rows.len() >= wanted {
                assert_eq!(rows.len(), wanted);
                return rows;
            }
            assert!(
                Instant::now() < end,
                "{} decisions, not {wanted}",
                rows.len()
            );
            tokio::task::yield_now().await;
        }
    }
}
