//! Two stores, the same rows, the same requests: what SQLite answers is what PostgreSQL answers,
//! status, headers and body.
//!
//! The requests are drawn from a seed, which is printed; `MEC_DIFFERENTIAL_SEED` and
//! `MEC_DIFFERENTIAL_REQUESTS` try others. A request that was ever answered differently is kept
//! under a name in `kept`.

mod drawn;
mod kept;
mod requests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt as _;
use mec::api::context::AppState;
use mec::server::router;
use mec_engine::{Clock, Mec, Now, Options, catalog_file};
use mec_kernel::{CatalogChange, Time};
use mec_query::{Schema, Tables, Value};
use tower_service::Service as _;

use self::drawn::rows::Rows;
use self::drawn::seeded::Draw;
use self::drawn::{Home, NOW};
use self::kept::KEPT;
use self::requests::Request;
use crate::chance;
use crate::fuzz::grammar::Grammar;
use crate::rows::rows_of;

/// The rows that the kept requests were found on.
const KEPT_SEED: u64 = 20_261_124;
/// Of each kind: reads of MEC's tables, nearly right ones, reads and writes of the catalog's
/// tables.
const REQUESTS: usize = 1_500;
/// New rows after so many.
const REQUESTS_PER_ROWS: usize = 500;
/// The catalog's tables whose rows the caller names, and what they refer to.
const CHOSEN_KEYS: [&str; 6] = [
    "account_types",
    "units",
    "limit_kinds",
    "window_types",
    "resource_types",
    "plans",
];
/// More are more of the same.
const SHOWN_MAX: usize = 12;

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    text: String,
}

/// A clock that both stores read and that goes on between requests.
#[derive(Debug)]
struct Hands(AtomicI64);

impl Now for Hands {
    fn now(&self) -> Time {
        Time::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// The API over either store.
struct Pair {
    sqlite: Router,
    postgres: Router,
    hands: Arc<Hands>,
}

/// What was asked, and what was answered differently.
#[derive(Default)]
struct Tally {
    asked: usize,
    statuses: BTreeMap<u16, usize>,
    differences: Vec<String>,
}

impl Pair {
    /// Over MEC's own tables with these rows.
    async fn of_rows(rows: &Rows) -> (Self, [Home; 2]) {
        let (pair, homes) = Self::of_catalog(vec![]).await;
        // Rows no rule stands behind, so they come behind the engine's back.
        homes.iter().for_each(|home| rows.insert(home));
        (pair, homes)
    }

    /// Over MEC's own tables, of which these changes fill the catalog's.
    async fn of_catalog(catalog: Vec<CatalogChange>) -> (Self, [Home; 2]) {
        let homes = [Home::sqlite(), Home::postgres()];
        let hands = Arc::new(Hands(AtomicI64::new(NOW)));
        let mut routers = Vec::new();
        for home in &homes {
            let options = Options {
                clock: Clock::ruling(hands.clone()),
                catalog: catalog.clone(),
                ..Options::default()
            };
            let mec = Mec::open(&home.url(), options).await.expect("a store");
            routers.push(router::router(AppState::new(Arc::new(mec))));
        }
        let [sqlite, postgres] = routers.try_into().expect("two stores");
        (
            Self {
                sqlite,
                postgres,
                hands,
            },
            homes,
        )
    }

    /// All rows of these tables.
    async fn rows(&self, schema: &Schema) -> HashMap<&'static str, Vec<Vec<Value>>> {
        let mut all = HashMap::new();
        for table in schema.tables() {
            let answer = answer(&self.sqlite, &Request::get(format!("/api/{}", table.name))).await;
            all.insert(table.name, rows_of(table, &answer.text));
        }
        all
    }

    async fn ask(&self, request: &Request, tally: &mut Tally) {
        self.hands.0.fetch_add(1_000_000, Ordering::Relaxed);
        let (one, other) = tokio::join!(
            answer(&self.sqlite, request),
            answer(&self.postgres, request)
        );
        tally.asked += 1;
        *tally.statuses.entry(one.status).or_default() += 1;
        if one != other || one.is_fault() {
            tally.differences.push(format!(
                "{request}\n  SQLite {one:?}\n  PostgreSQL {other:?}"
            ));
        }
    }
}

impl Answer {
    /// A fault of ours, and not what PostgreSQL calls one of its own.
    fn is_fault(&self) -> bool {
        self.status >= 500
            && self
                .headers
                .get("proxy-status")
                .is_none_or(|status| status != "PostgREST; error=21000")
    }
}

impl Tally {
    /// Nothing differed, and of `floors` each status came at least so often.
    fn finish(self, what: &str, floors: &[(u16, usize)]) {
        println!("{what}: {} requests, {:?}", self.asked, self.statuses);
        let shown: Vec<_> = self
            .differences
            .iter()
            .take(SHOWN_MAX)
            .map(String::as_str)
            .collect();
        assert!(
            shown.is_empty(),
            "{what}: {} of {} differ:\n{}",
            self.differences.len(),
            self.asked,
            shown.join("\n")
        );
        for (status, least) in floors {
            let met = self.statuses.get(status).copied().unwrap_or_default();
            assert!(
                met >= *least,
                "{what}: {status} was answered {met} times, not {least}: {:?}",
                self.statuses
            );
        }
    }
}

async fn answer(router: &Router, request: &Request) -> Answer {
    let mut asked = axum::http::Request::builder()
        .method(request.method)
        .uri(&request.target);
    for (name, value) in &request.headers {
        asked = asked.header(*name, value);
    }
    let asked = asked
        .body(Body::from(request.body.clone()))
        .unwrap_or_else(|error| panic!("{error}: {request}"));
    let response = router.clone().call(asked).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    let named = parts
        .headers
        .iter()
        .filter(|(name, _)| *name != "x-request-id");
    let headers = named.map(|(name, value)| {
        (
            name.to_string(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    Answer {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// A new seed each time, unless one is asked for.
fn seed_and_requests() -> (u64, usize) {
    let seed = chance::seed("MEC_DIFFERENTIAL_SEED");
    let requests = chance::number("MEC_DIFFERENTIAL_REQUESTS")
        .map_or(REQUESTS, |count| usize::try_from(count).expect("a count"));
    println!("{requests} requests of each kind");
    (seed, requests)
}

fn of_mec() -> Schema {
    Schema::new(mec_store::tables::tables(), vec![]).expect("a sound schema")
}

#[tokio::test]
async fn mecs_own_tables_are_read_alike_on_postgres() {
    let (seed, requests) = seed_and_requests();
    let schema = of_mec();
    let (mut drawn, mut nearly_right) = (Tally::default(), Tally::default());
    for (first, turn) in (0..requests).step_by(REQUESTS_PER_ROWS).zip(0..) {
        let seed = seed.wrapping_add(turn);
        let rows = Rows::drawn(&schema, seed);
        let (pair, _homes) = Pair::of_rows(&rows).await;
        let mut draw = Draw::new(seed);
        let ids = (0..8)
            .map(|id| format!("01980000-0000-7000-8000-{id:012x}"))
            .collect();
        let mut grammar = Grammar::of(seed, ids);
        for _ in first..requests.min(first + REQUESTS_PER_ROWS) {
            pair.ask(
                &requests::read(&mut draw, &schema, &rows.tables()),
                &mut drawn,
            )
            .await;
            let crate::fuzz::grammar::Request {
                method,
                target,
                headers,
                ..
            } = grammar.read();
            let text = |(name, value): (&'static str, Vec<u8>)| {
                (name, String::from_utf8_lossy(&value).into_owned())
            };
            let request = Request {
                method,
                target,
                headers: headers.into_iter().map(text).collect(),
                body: String::new(),
            };
            if request.target.parse::<axum::http::Uri>().is_ok() {
                pair.ask(&request, &mut nearly_right).await;
            }
        }
    }
    drawn.finish(
        "reads of MEC's tables",
        &[(200, requests / 4), (400, requests / 100)],
    );
    nearly_right.finish(
        "nearly right reads of MEC's tables",
        &[(200, requests / 20), (400, requests / 20)],
    );
}

#[tokio::test]
async fn the_catalogs_tables_are_written_alike_on_postgres() {
    let (seed, requests) = seed_and_requests();
    let demo = catalog_file::parse(catalog_file::DEMO).expect("the demo's catalog");
    let (pair, _homes) =
        Pair::of_catalog(demo.changes(&mec_kernel::Catalog::default(), false)).await;
    // Those whose keys are the caller's: ids are drawn by chance.
    let schema = Schema::new(
        mec_store::tables::tables()
            .into_iter()
            .filter(|table| CHOSEN_KEYS.contains(&table.name))
            .collect(),
        vec![],
    );
    let schema = schema.expect("a sound schema");
    let rows = pair.rows(&schema).await;
    let rows = Tables(
        rows.iter()
            .map(|(name, rows)| (*name, rows.as_slice()))
            .collect(),
    );
    let (mut draw, mut tally) = (Draw::new(seed), Tally::default());
    for _ in 0..requests {
        pair.ask(&requests::write(&mut draw, &schema, &rows), &mut tally)
            .await;
        pair.ask(&requests::read(&mut draw, &schema, &rows), &mut tally)
            .await;
    }
    tally.finish(
        "writes and reads of the catalog's tables",
        &[
            (200, requests / 4),
            (201, requests / 50),
            (400, requests / 50),
            (409, requests / 100),
        ],
    );
}

#[tokio::test]
async fn what_once_differed_is_answered_alike_on_postgres() {
    let schema = of_mec();
    let (of_mec, _homes) = Pair::of_rows(&Rows::drawn(&schema, KEPT_SEED)).await;
    for kept in KEPT {
        let mut tally = Tally::default();
        of_mec.ask(&kept.request(), &mut tally).await;
        tally.finish(kept.name, &[]);
    }
}
