//! What either database answers to a read is what the query crate answers in memory over the same
//! rows.

#[path = "../tables/queries.rs"]
mod queries;
#[path = "../tables/rows.rs"]
mod rows;
#[path = "../tables/seeded.rs"]
pub(crate) mod seeded;

use std::sync::{Arc, LazyLock};

use mec_query::{
    Budget, Comparison, Decimal, Expr, Filter, Media, Page, Pattern, Query, QueryError, Read,
    Schema, Scope, Table, Tables, Target, Type, Value, Verb,
};
use mec_store::{OpenOptions, Store, StoreError};

use self::rows::Rows;
use crate::chance;
use crate::home::{Home, on_both};

/// 2026-11-24T02:12:09Z.
const NOW: i64 = 1_795_486_329_000_000;

on_both!(
    every_table_is_read_whole,
    each_kind_of_query_is_answered_as_in_memory,
    drawn_queries_are_answered_as_in_memory,
    conditions_no_request_can_write_mean_the_same_too,
    rows_are_read_again_by_their_keys,
    an_embed_of_more_parents_than_one_statement_takes_is_whole,
    long_chains_of_conditions_are_no_deep_expressions,
);

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(mec_store::tables::tables(), vec![]).expect("the table schema is sound")
});

/// A store and the rows it was filled with.
struct Filled {
    store: Store,
    rows: Rows,
    _home: Home,
}

impl Filled {
    fn new(home: Home, seed: u64) -> Self {
        let (store, writer) = Store::open(&home.url(), &OpenOptions::default()).unwrap();
        drop(writer);
        let rows = Rows::drawn(&SCHEMA, seed);
        rows.insert(&home);
        Self {
            store,
            rows,
            _home: home,
        }
    }

    fn of_memory(&self) -> Tables<'_> {
        self.rows.tables()
    }

    /// Asserts that rows, embeds, count and keys are those of memory.
    #[track_caller]
    fn agrees(&self, read: &Read, context: &str) {
        let (fetched, total) = read
            .of_tables(&self.of_memory(), &Budget::unlimited())
            .unwrap();
        assert_eq!(
            self.store.fetch(read, &Budget::unlimited()).unwrap(),
            fetched,
            "{context}"
        );
        self.counts(&read.table, &read.filter, total, context);
    }

    #[track_caller]
    fn counts(&self, table: &Arc<Table>, filter: &Filter, total: u64, context: &str) {
        assert_eq!(
            self.store
                .count(table, filter, &Budget::unlimited())
                .unwrap(),
            total,
            "count of {context}"
        );
        let all = query(&format!("{}?limit=0", table.name)).unwrap();
        let key = table.key_positions();
        let order = key.iter().map(|column| mec_query::OrderTerm {
            by: mec_query::OrderBy::Own(Expr::column(table, *column)),
            descending: false,
            nulls_first: false,
        });
        let of_keys = Read {
            fetch: key.clone(),
            filter: filter.clone(),
            page: Page::ALL,
            order: order.collect(),
            ..all
        };
        let (mut wanted, _) = of_keys
            .of_tables(&self.of_memory(), &Budget::unlimited())
            .unwrap();
        assert_eq!(
            self.store.keys(table, filter, usize::MAX).unwrap(),
            wanted.rows,
            "keys of {context}"
        );
        wanted.rows.truncate(3);
        assert_eq!(
            self.store.keys(table, filter, 2).unwrap(),
            wanted.rows,
            "at most three keys of {context}"
        );
    }
}

/// The read of `table?query`.
fn query(path: &str) -> Result<Read, QueryError> {
    let (table, query) = path.split_once('?').unwrap_or((path, ""));
    let query = Query::parse(query, Target::Rows)?;
    let page = Page::of_request(&query, None)?;
    Scope::relate(&SCHEMA, SCHEMA.table(table)?, &query)?.read(page, NOW)
}

fn every_table_is_read_whole(home: fn() -> Home) {
    let filled = Filled::new(home(), 1);
    for table in SCHEMA.tables() {
        let read = query(table.name).unwrap();
        assert!(
            !filled
                .store
                .fetch(&read, &Budget::unlimited())
                .unwrap()
                .rows
                .is_empty(),
            "{} has rows",
            table.name
        );
        filled.agrees(&read, table.name);
    }
}

fn each_kind_of_query_is_answered_as_in_memory(home: fn() -> Home) {
    let filled = Filled::new(home(), 2);
    for path in queries::ALL {
        match query(path) {
            Ok(read) => filled.agrees(&read, path),
            Err(error) => panic!("{path}: {error:?}"),
        }
    }
}

fn drawn_queries_are_answered_as_in_memory(home: fn() -> Home) {
    let (mut answered, mut not_empty) = (0, 0);
    let first = chance::seed("MEC_TABLES_SEED");
    for seed in (0..12).map(|number| first.wrapping_add(number)) {
        let filled = Filled::new(home(), seed);
        let mut draw = seeded::Draw::new(seed);
        for number in 0..150 {
            let path = seeded::path(&mut draw, &SCHEMA, &filled.of_memory());
            // A few are refused, such as two embeds of one name; they never reach a store.
            let Ok(read) = query(&path) else { continue };
            filled.agrees(&read, &format!("seed {seed}, query {number}: {path}"));
            answered += 1;
            not_empty += usize::from(
                filled
                    .store
                    .count(&read.table, &read.filter, &Budget::unlimited())
                    .unwrap()
                    > 0,
            );
        }
    }
    assert!(
        answered > 1_700,
        "most drawn queries are queries: {answered}"
    );
    assert!(
        not_empty > answered / 4,
        "many of them find rows: {not_empty} of {answered}"
    );
}

fn conditions_no_request_can_write_mean_the_same_too(home: fn() -> Home) {
    let filled = Filled::new(home(), 3);
    let table = SCHEMA.table("entitlements").unwrap();
    let expr = |name: &str| Expr::column(table, table.position(name).unwrap());
    let mut filters = vec![Filter::All(vec![]), Filter::Any(vec![])];
    let numbers = [
        (1, 7),
        (-1, 7),
        (5_000_001, 7),
        (100, 0),
        (1_000, 1),
        (10_i128.pow(30), 0),
        (-(10_i128.pow(30)), 0),
        (1, 38),
    ];
    for (units, scale) in numbers {
        let number = Value::Numeric(Decimal::new(units, scale));
        for comparison in [
            Comparison::Eq,
            Comparison::NotEq,
            Comparison::Gt,
            Comparison::Gte,
            Comparison::Lt,
            Comparison::Lte,
        ] {
            filters.push(Filter::Compare {
                left: expr("quantity_allowed"),
                comparison,
                right: number.clone(),
            });
        }
        filters.push(Filter::In {
            left: expr("quantity_allowed"),
            values: vec![number.clone()],
        });
        filters.push(Filter::Distinct {
            left: expr("quantity_allowed"),
            right: number,
        });
    }
    for (column, right) in [
        ("status", Value::Int(1)),
        ("account_id", Value::text("x")),
        ("metadata", Value::text("x")),
        ("priority", Value::Numeric(Decimal::new(1, 0))),
        ("plan_id", Value::Null),
    ] {
        filters.push(Filter::Compare {
            left: expr(column),
            comparison: Comparison::NotEq,
            right: right.clone(),
        });
        filters.push(Filter::In {
            left: expr(column),
            values: vec![right.clone()],
        });
        filters.push(Filter::Distinct {
            left: expr(column),
            right,
        });
        filters.push(Filter::Is {
            left: expr(column),
            truth: mec_query::Truth::True,
        });
        filters.push(Filter::Like {
            left: expr(column),
            pattern: Pattern::like("%", false).unwrap(),
        });
    }
    for filter in filters {
        for filter in [filter.clone(), Filter::Not(Box::new(filter))] {
            let read = Read {
                filter: filter.clone(),
                ..query("entitlements").unwrap()
            };
            filled.agrees(&read, &format!("{filter:?}"));
        }
    }
}

fn rows_are_read_again_by_their_keys(home: fn() -> Home) {
    let filled = Filled::new(home(), 4);
    for table in SCHEMA.tables() {
        let read = query(table.name).unwrap();
        let keys = filled.store.keys(table, &Filter::always(), 3).unwrap();
        let read = read.of_keys(&keys);
        filled.agrees(&read, table.name);
        assert_eq!(
            filled
                .store
                .fetch(&read, &Budget::unlimited())
                .unwrap()
                .rows
                .len(),
            keys.len()
        );
    }
}

fn an_embed_of_more_parents_than_one_statement_takes_is_whole(home: fn() -> Home) {
    let home = home();
    let (store, _writer) = Store::open(&home.url(), &OpenOptions::default()).unwrap();
    let (numbers, none) = if home.is_postgres() {
        ("generate_series(1, 9000) AS n(i)", "{}")
    } else {
        ("n", "[]")
    };
    let recursive =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)";
    let recursive = if home.is_postgres() { "" } else { recursive };
    home.run(&format!(
        "{recursive} INSERT INTO units SELECT 'unit' || i, 'Unit', 'time', 1 FROM {numbers}"
    ));
    home.run(&format!(
        "INSERT INTO resource_types SELECT 'of_' || unit_code, 'R', 'cumulative', unit_code, '{none}', NULL FROM units"
    ));
    for path in [
        "units?select=unit_code,resource_types(resource_type_code)",
        "units?select=resource_types(*)&resource_types.limit=1",
    ] {
        let fetched = store
            .fetch(&query(path).unwrap(), &Budget::unlimited())
            .unwrap();
        assert_eq!(
            (fetched.rows.len(), fetched.embeds[0].fetched.rows.len()),
            (9_000, 9_000),
            "{path}"
        );
        let read = query(path).unwrap();
        let text = Media::Json
            .write(&read.show(&fetched, NOW), &Budget::unlimited())
            .unwrap()
            .concat();
        let shown: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let one = |row: &serde_json::Value| {
            row["resource_types"]
                .as_array()
                .is_some_and(|rows| rows.len() == 1)
        };
        assert!(shown.len() == 9_000 && shown.iter().all(one), "{path}");
    }
}

#[test]
fn more_values_than_a_statement_takes_are_refused_with_a_sentence() {
    let filled = Filled::new(Home::sqlite(), 5);
    let table = SCHEMA.table("plans").unwrap();
    let values = (0..40_000)
        .map(|at| Value::text(format!("p{at}")))
        .collect();
    let filter = Filter::In {
        left: Expr::column(table, 0),
        values,
    };
    let read = Read {
        filter: filter.clone(),
        ..query("plans").unwrap()
    };
    let error = filled.store.fetch(&read, &Budget::unlimited()).unwrap_err();
    assert!(
        matches!(error, StoreError::TooLarge { size: 40_000, .. }),
        "{error:?}"
    );
    let sentence = "the request needs 40000 values, more than the 32766 that one statement may have; ask for fewer at a time";
    assert_eq!(error.to_string(), sentence);
    assert!(matches!(
        filled.store.count(table, &filter, &Budget::unlimited()),
        Err(StoreError::TooLarge { .. })
    ));
    assert!(matches!(
        filled.store.keys(table, &filter, 1),
        Err(StoreError::TooLarge { .. })
    ));
    // An embed's own conditions leave room for its parents' keys, or none.
    let mut read = query("accounts?select=display_name,entitlements(*)").unwrap();
    let left = Expr::column(&read.embeds[0].read.table, 3);
    for (count, is_refused) in [(32_766, true), (32_760, false)] {
        let values = (0..count).map(|at| Value::text(format!("s{at}"))).collect();
        read.embeds[0].read.filter = Filter::In {
            left: left.clone(),
            values,
        };
        assert_eq!(
            filled.store.fetch(&read, &Budget::unlimited()).is_err(),
            is_refused,
            "{count}"
        );
    }
}

fn long_chains_of_conditions_are_no_deep_expressions(home: fn() -> Home) {
    let filled = Filled::new(home(), 6);
    let table = SCHEMA.table("account_plans").unwrap();
    let one = |at: i64| Filter::Compare {
        left: Expr::column(table, 3),
        comparison: Comparison::Eq,
        right: Value::Int(at),
    };
    for filter in [
        Filter::Any((0..5_000).map(one).collect()),
        Filter::All((0..5_000).map(one).collect()),
    ] {
        filled.agrees(
            &Read {
                filter,
                ..query("account_plans").unwrap()
            },
            "5000 conditions",
        );
    }
}

#[test]
fn many_values_are_one_parameter_on_postgres() {
    let filled = Filled::new(Home::postgres(), 5);
    let table = SCHEMA.table("plans").unwrap();
    let values = (0..100_000)
        .map(|at| Value::text(format!("code{at}")))
        .collect();
    let filter = Filter::In {
        left: Expr::column(table, 0),
        values,
    };
    filled.agrees(
        &Read {
            filter,
            ..query("plans").unwrap()
        },
        "100000 values",
    );
}

#[test]
fn what_may_be_written_is_what_the_design_says() {
    let of = |verb: Verb| -> Vec<&str> {
        SCHEMA
            .tables()
            .iter()
            .filter(|table| table.allows(verb))
            .map(|table| table.name)
            .collect()
    };
    let writable = [
        "account_types",
        "accounts",
        "units",
        "resource_types",
        "plans",
        "plan_entitlement_templates",
        "entitlements",
        "entitlement_conditions",
        "control_rules",
    ];
    for verb in [Verb::Post, Verb::Patch, Verb::Delete] {
        assert_eq!(of(verb), writable);
    }
    assert_eq!(
        of(Verb::Put),
        ["account_types", "units", "resource_types", "plans"]
    );
    for table in SCHEMA.tables() {
        let can_insert = table.allows(Verb::Post);
        for column in &table.columns {
            let name = format!("{}.{}", table.name, column.name);
            assert!(!column.description.is_empty(), "{name} is described");
            assert!(
                can_insert || !(column.insertable || column.updatable),
                "{name} is read-only"
            );
            let is_missing =
                can_insert && !column.nullable && !column.has_default && !column.insertable;
            assert!(!is_missing, "{name} must be given and cannot be");
            let is_fixed = column.ty == Type::Timestamp && column.name.ends_with("ed_at")
                || ["root_account_id", "version", "plan_version", "source_ref"]
                    .contains(&column.name)
                || column.ty == Type::Uuid
                    && table.key_positions() == [table.position(column.name).unwrap()];
            assert!(
                !(is_fixed && (column.insertable || column.updatable)),
                "{name} is never written"
            );
        }
    }
}
