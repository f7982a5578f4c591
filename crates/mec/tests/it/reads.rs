//! What a reader can take: rows, bytes and time of one answer, and nothing of what others wait for.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use mec::api::context::AppState;
use mec_engine::{Caller, Mec, NewAccount, Options, catalog_file};
use mec_kernel::{AccountId, Check, Provision};
use mec_query::Excess;
use serde_json::{Value, json};
use tower_service::Service as _;

use crate::home::{Home, on_both_async};

on_both_async!(
    an_answer_is_no_larger_than_its_budget_however_often_its_rows_are_shown,
    a_large_answer_is_sent_in_parts_of_its_length,
    regular_expressions_of_a_request_have_one_budget,
    an_order_by_many_json_terms_is_answered_or_refused,
    a_name_is_checked_once_however_often_it_was_asked_for,
    health_and_checks_do_not_wait_for_reads_of_tables,
    a_read_ends_when_its_caller_leaves,
);

const ANSWER_BYTES_MAX: u64 = 1 << 20;
const EVENTS: usize = 120;

struct Served {
    mec: Arc<Mec>,
    router: Router,
    account: AccountId,
    _home: Home,
}

fn caller() -> Caller {
    Caller::new("test", "test")
}

impl Served {
    /// A customer with some events.
    async fn on(home: Home) -> Self {
        let catalog = catalog_file::parse(catalog_file::DEMO)
            .unwrap()
            .changes(&mec_kernel::Catalog::default(), false);
        let options = Options {
            catalog,
            readers: 2,
            answer_bytes_max: ANSWER_BYTES_MAX,
            ..Options::default()
        };
        let mec = Arc::new(Mec::open(&home.url(), options).await.unwrap());
        let account = mec
            .create_account(NewAccount::named("Acme Corp"), &caller())
            .await
            .unwrap()
            .id;
        mec.provision(Provision::new(account, "starter"), &caller())
            .await
            .unwrap();
        let served = Self {
            router: mec::server::router::router(AppState::new(mec.clone())),
            mec,
            account,
            _home: home,
        };
        let event = |at: usize| json!({"idempotency_key": format!("e{at}"), "account_id": account.to_string(), "resource_type": "benchmark_runs", "quantity": 1});
        let events: Vec<Value> = (0..EVENTS).map(event).collect();
        let (status, text) = served
            .send(
                "POST",
                "/api/rpc/meter_batch",
                json!({"p_events": events}).to_string(),
            )
            .await;
        assert_eq!(
            (status, text.matches("\"recorded\"").count()),
            (StatusCode::OK, EVENTS),
            "{text}"
        );
        served
    }

    async fn send(&self, method: &str, path: &str, body: String) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        let response = self
            .router
            .clone()
            .call(request.body(Body::from(body)).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let said: Option<usize> = body.size_hint_exact();
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!(said, Some(bytes.len()));
        (parts.status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        self.send("GET", path, String::new()).await
    }
}

trait Exact {
    fn size_hint_exact(&self) -> Option<usize>;
}

impl Exact for Body {
    fn size_hint_exact(&self) -> Option<usize> {
        hyper::body::Body::size_hint(self)
            .exact()
            .and_then(|exact| usize::try_from(exact).ok())
    }
}

#[track_caller]
fn expect_code((status, text): (StatusCode, String), wanted: u16, code: &str) {
    let body: Value = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{status}, {} bytes that are no error", text.len()));
    assert_eq!(
        (status.as_u16(), body["code"].as_str()),
        (wanted, Some(code)),
        "{text}"
    );
    assert!(
        body["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
        "{text}"
    );
}

async fn an_answer_is_no_larger_than_its_budget_however_often_its_rows_are_shown(home: Home) {
    let served = Served::on(home).await;
    let embedded = "/api/consumption_ledger?select=*,accounts(*,consumption_ledger(*))";
    expect_code(served.get(embedded).await, 400, "MEC_ANSWER_TOO_LARGE");
    let (status, text) = served.get(&format!("{embedded}&limit=2")).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let aliases: Vec<String> = (0..250).map(|at| format!("alias_{at}:event_id")).collect();
    let wide = format!("/api/consumption_ledger?select={}", aliases.join(","));
    expect_code(served.get(&wide).await, 400, "MEC_ANSWER_TOO_LARGE");
}

async fn a_large_answer_is_sent_in_parts_of_its_length(home: Home) {
    let served = Served::on(home).await;
    let path = "/api/consumption_ledger?select=*,accounts(*,consumption_ledger(*))&limit=3";
    let (status, text) = served.get(path).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        text.len() > 128 << 10,
        "only {} bytes: it is not sent in parts",
        text.len()
    );
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let embedded = |row: &Value| {
        row["accounts"]["consumption_ledger"]
            .as_array()
            .map(Vec::len)
    };
    assert_eq!(
        rows.iter().map(embedded).collect::<Vec<_>>(),
        [Some(EVENTS); 3]
    );
}

async fn regular_expressions_of_a_request_have_one_budget(home: Home) {
    let served = Served::on(home).await;
    let expression = |at: usize| format!("display_name=match.%5Cw%7B20%7Dx{at}");
    let many: Vec<String> = (0..200).map(expression).collect();
    expect_code(
        served
            .get(&format!("/api/accounts?{}", many.join("&")))
            .await,
        400,
        "MEC_PATTERN_TOO_LARGE",
    );
    let few: Vec<String> = (0..200)
        .map(|at| format!("display_name=not.match.%5Ex{at}"))
        .collect();
    let (status, text) = served
        .get(&format!(
            "/api/accounts?select=display_name&{}",
            few.join("&")
        ))
        .await;
    assert_eq!(
        (status, text.as_str()),
        (StatusCode::OK, r#"[{"display_name":"Acme Corp"}]"#)
    );
}

async fn an_order_by_many_json_terms_is_answered_or_refused(home: Home) {
    let served = Served::on(home).await;
    let terms: Vec<String> = (0..256).map(|at| format!("metadata-%3Ea{at}")).collect();
    let (status, text) = served
        .get(&format!(
            "/api/accounts?select=display_name&order={}",
            terms.join(",")
        ))
        .await;
    assert!(
        status == StatusCode::OK || status == StatusCode::BAD_REQUEST,
        "{status} {text}"
    );
}

async fn a_name_is_checked_once_however_often_it_was_asked_for(home: Home) {
    let served = Served::on(home).await;
    let names = vec!["benchmark_runs"; 5_000];
    let asked = json!({"p_account_id": served.account.to_string(), "p_resource_types": names});
    let (status, text) = served
        .send("POST", "/api/rpc/check_entitlements", asked.to_string())
        .await;
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (status, rows.len()),
        (StatusCode::OK, 1),
        "{} bytes",
        text.len()
    );
}

async fn health_and_checks_do_not_wait_for_reads_of_tables(home: Home) {
    let served = Served::on(home).await;
    let (entered, mut is_held) = tokio::sync::mpsc::unbounded_channel();
    let held: Vec<_> = (0..2)
        .map(|_| {
            let (mec, entered) = (served.mec.clone(), entered.clone());
            let (resume, resumed) = std::sync::mpsc::channel::<()>();
            let read = tokio::spawn(async move {
                let read = mec.read_tables(move |_| {
                    entered.send(()).unwrap();
                    Ok(resumed.recv().is_err())
                });
                read.await.map(|answered| answered.value)
            });
            (read, resume)
        })
        .collect();
    for _ in 0..2 {
        is_held.recv().await.unwrap();
    }
    served.mec.ping().await.unwrap();
    served
        .mec
        .check(Check::of(served.account, "benchmark_runs", None), &caller())
        .await
        .unwrap();
    assert_eq!(served.get("/health").await.0, StatusCode::OK);
    for (read, resume) in held {
        drop(resume);
        assert!(read.await.unwrap().unwrap());
    }
}

async fn a_read_ends_when_its_caller_leaves(home: Home) {
    let served = Served::on(home).await;
    let (entered, is_held) = tokio::sync::oneshot::channel();
    let (ended, end) = tokio::sync::oneshot::channel();
    let mec = served.mec.clone();
    let read = tokio::spawn(async move {
        let read = mec.read_tables(move |reading| {
            entered.send(()).unwrap();
            let excess = loop {
                if let Err(excess) = reading.budget.check() {
                    break excess;
                }
                std::thread::yield_now();
            };
            ended.send(excess).unwrap();
            Ok(())
        });
        read.await.map(|answered| answered.value)
    });
    is_held.await.unwrap();
    read.abort();
    assert_eq!(end.await.unwrap(), Excess::Left);
}
