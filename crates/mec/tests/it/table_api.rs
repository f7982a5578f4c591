//! The table API's behaviors, as PostgREST's clients count on them: each a sentence and the
//! requests that show it, asked of MEC's own tables over SQLite and over PostgreSQL. A read is also
//! answered by the query language over rows in memory.
//!
//! `docs/table-api.md` lists the sentences; `MEC_WRITE_DOCS=1` writes that page anew.

mod case;
mod memory;
mod world;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use mec_query::{Schema, Value};

use self::case::{Behavior, Case};
use self::world::{Opened, World};
use crate::home::{Home, on_both_async};
use crate::rows::rows_of;

/// The files of `tests/table_api`, each with its title in the list, in the list's order.
const FILES: &[(&str, &str)] = &[
    ("select", "Columns"),
    ("filters", "Filters"),
    ("logic", "and, or, not"),
    ("json", "JSON paths"),
    ("order", "Order"),
    ("pages", "Pages and counts"),
    ("embeds", "Related rows"),
    ("related", "Conditions on related rows"),
    ("media", "Media types"),
    ("insert", "POST"),
    ("update", "PATCH"),
    ("upsert", "Upserts and PUT"),
    ("delete", "DELETE"),
    ("functions", "Functions"),
    ("errors", "Errors"),
];
/// All of them: a case that is lost shows.
const BEHAVIORS: usize = 348;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/table_api")
        .join(name)
        .with_extension("txt")
}

/// All behaviors, each with the file and line it begins at.
fn behaviors() -> Vec<(String, Behavior)> {
    let read = |(name, _): &(&str, &str)| {
        let text = fs::read_to_string(file(name)).expect("text");
        case::read_all(&text)
            .into_iter()
            .map(|(line, case)| (format!("{name}.txt:{line}"), case))
            .collect::<Vec<_>>()
    };
    FILES.iter().flat_map(read).collect()
}

on_both_async!(every_behavior_holds);

async fn every_behavior_holds(home: Home) {
    let world = World::made(home).await;
    let unwritten = Opened::of(world.copy()).await;
    let (mut failed, mut asked) = (vec![], 0);
    for (place, behavior) in behaviors() {
        let writes = behavior.steps.iter().any(Case::writes);
        let written = if writes {
            Some(Opened::of(world.copy()).await)
        } else {
            None
        };
        let opened = written.as_ref().unwrap_or(&unwritten);
        for case in &behavior.steps {
            let case = case.naming(&world.ids);
            let reply = opened.ask(&case).await;
            asked += 1;
            if let Err(difference) = case.compare(&reply) {
                failed.push(format!(
                    "{place} {}\n  {} {}\n  {difference}",
                    behavior.sentence, case.method, case.path
                ));
                break;
            }
        }
    }
    println!("{} behaviors, {asked} requests", behaviors().len());
    assert!(
        failed.is_empty(),
        "{} differ:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

/// All rows of MEC's tables, as values.
async fn rows(opened: &Opened, schema: &Schema) -> HashMap<&'static str, Vec<Vec<Value>>> {
    let mut all = HashMap::new();
    for table in schema.tables() {
        let reply = opened.ask(&Case::get(&format!("/{}", table.name))).await;
        assert_eq!(reply.status, 200, "{}: {}", table.name, reply.text);
        all.insert(table.name, rows_of(table, &reply.text));
    }
    all
}

#[tokio::test]
async fn every_read_is_answered_alike_in_memory() {
    let world = World::made(Home::sqlite()).await;
    let opened = Opened::of(world.copy()).await;
    let schema = Schema::new(mec_store::tables::tables(), vec![]).expect("a sound schema");
    let rows = rows(&opened, &schema).await;
    let (mut failed, mut read) = (vec![], 0);
    for (place, behavior) in behaviors() {
        let only_reads = behavior
            .steps
            .iter()
            .all(|case| case.method == "GET" && !case.path.starts_with("/rpc/"));
        for case in behavior
            .steps
            .iter()
            .filter(|case| only_reads && case.header("accept-profile").is_none())
        {
            let case = case.naming(&world.ids);
            read += 1;
            // Where a read is found and what its answer varies by are questions of HTTP.
            let case = case
                .without_header("content-location")
                .without_header("~vary");
            let reply = memory::answer(&schema, &rows, &case);
            if let Err(difference) = case.compare(&reply) {
                failed.push(format!(
                    "{place} {} {}\n  {difference}",
                    case.method, case.path
                ));
            }
        }
    }
    println!("{read} reads in memory");
    assert!(
        failed.is_empty(),
        "{} of {read} differ:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn the_list_of_behaviors_is_the_one_that_is_tested() {
    let mut page = String::from(
        "# What the table API does\n\n\
         Each line is a behavior that clients of PostgREST count on, tested over SQLite and over PostgreSQL by the requests in\n\
         `crates/mec/tests/table_api`. What is answered otherwise than by PostgREST is in [postgrest.md](postgrest.md).\n",
    );
    let mut sentences = BTreeSet::new();
    for (name, title) in FILES {
        page.push_str(&format!("\n## {title}\n\n"));
        for (_, behavior) in case::read_all(&fs::read_to_string(file(name)).expect("text")) {
            page.push_str(&format!("* {}\n", behavior.sentence));
            assert!(
                sentences.insert(behavior.sentence.clone()),
                "twice: {}",
                behavior.sentence
            );
        }
    }
    assert_eq!(sentences.len(), BEHAVIORS, "a behavior was lost or is new");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/table-api.md");
    if std::env::var_os("MEC_WRITE_DOCS").is_some_and(|value| value == "1") {
        fs::write(&path, &page).expect("the page is written");
    }
    assert!(
        fs::read_to_string(&path).is_ok_and(|text| text == page),
        "docs/table-api.md is not of these cases: MEC_WRITE_DOCS=1"
    );
}
