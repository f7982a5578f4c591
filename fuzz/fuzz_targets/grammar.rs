//! Whatever is sent is answered or refused: nothing panics, and a resolved request names nothing
//! that the schema does not have.
//!
//! The input is text. Its lines are the query string, `Range`, `Accept`, `Prefer` and
//! `Content-Type`; the rest is the body. `cargo xtask fuzz` runs it for a while.

#![no_main]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use mec_query::{
    Body, Budget, Call, Column, Delete, Filter, Function, GivenArguments, Insert, Link, Media,
    Page, Param, Preferences, Produces, Query, QueryError, Read, Relation, Schema, Scope, Table,
    Tables, Target, Type, Update, Value, Verb,
};

/// 2026-11-24T02:12:09Z.
const NOW: i64 = 1_795_486_329_000_000;
const QUANTITY: Type = Type::Numeric {
    precision: 18,
    scale: 6,
};
const ALL: &[Verb] = &[Verb::Get, Verb::Post, Verb::Patch, Verb::Put, Verb::Delete];

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let plans = Table::new(
        "plans",
        vec![
            Column::new("plan_id", Type::Text { max: Some(64) })
                .required()
                .writable(),
            Column::new("is_trial", Type::Bool).defaulted().writable(),
            Column::new("trial_days", Type::Int4).writable(),
        ],
    )
    .primary_key("plans_pkey", &["plan_id"]);
    let accounts = Table::new(
        "accounts",
        vec![
            Column::new("account_id", Type::Uuid).defaulted().writable(),
            Column::new("parent_account_id", Type::Uuid).writable(),
            Column::new("plan_id", Type::TEXT).writable(),
            Column::new("status", Type::TEXT).defaulted().writable(),
            Column::new("metadata", Type::Json).writable(),
            Column::new("tags", Type::TextArray).writable(),
            Column::new("quantity", QUANTITY).writable(),
            Column::new("created_at", Type::Timestamp)
                .defaulted()
                .writable(),
        ],
    )
    .primary_key("accounts_pkey", &["account_id"])
    .references(
        "accounts_parent_account_id_fkey",
        "parent_account_id",
        "accounts",
        "account_id",
    )
    .references("accounts_plan_id_fkey", "plan_id", "plans", "plan_id")
    .one_of("accounts_status_check", "status", &["active", "closed"]);
    let labels = Table::new(
        "labels",
        vec![Column::new("label", Type::TEXT).required().writable()],
    )
    .primary_key("labels_pkey", &["label"]);
    let account_labels = Table::new(
        "account_labels",
        vec![
            Column::new("account_id", Type::Uuid).required().writable(),
            Column::new("label", Type::TEXT).required().writable(),
        ],
    )
    .primary_key("account_labels_pkey", &["account_id", "label"])
    .references(
        "account_labels_account_id_fkey",
        "account_id",
        "accounts",
        "account_id",
    )
    .references("account_labels_label_fkey", "label", "labels", "label");
    let check = Function::returning_rows(
        "check",
        vec![
            Param::required("p_account_id", Type::Uuid),
            Param::optional("p_quantity", QUANTITY),
        ],
        vec![
            Column::new("decision", Type::TEXT),
            Column::new("quantity_allowed", QUANTITY),
        ],
    )
    .read_only();
    let tables = [plans, accounts, labels, account_labels]
        .map(|table| table.allowing(ALL))
        .to_vec();
    Schema::new(tables, vec![check]).expect("the schema is sound")
});

static ROWS: LazyLock<HashMap<&'static str, Vec<Vec<Value>>>> = LazyLock::new(|| {
    let account = |id: u128, parent: Value, json: &str| {
        let tags = Value::TextArray(vec!["a".into(), "b c".into()]);
        let (plan, status) = (Value::text("pro"), Value::text("active"));
        let metadata = Value::Json(json.into());
        vec![
            Value::Uuid(id),
            parent,
            plan,
            status,
            metadata,
            tags,
            Value::Null,
            Value::Timestamp(NOW),
        ]
    };
    HashMap::from([
        (
            "plans",
            vec![
                vec![Value::text("pro"), Value::Bool(false), Value::Null],
                vec![Value::text("é"), Value::Bool(true), Value::Int(14)],
            ],
        ),
        (
            "accounts",
            vec![
                account(1, Value::Null, r#"{"a":[1,{"b":null}]}"#),
                account(2, Value::Uuid(1), "[]"),
            ],
        ),
        ("labels", vec![vec![Value::text("big")]]),
        (
            "account_labels",
            vec![vec![Value::Uuid(1), Value::text("big")]],
        ),
    ])
});

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(6, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (query, range, accept, prefer, content_type) = (text(), text(), text(), text(), text());
    let body = lines.next().unwrap_or_default();
    let request = Request {
        query: &query,
        range: &range,
        accept: &accept,
        prefer: &prefer,
        content_type: &content_type,
        body,
    };
    for table in SCHEMA.tables() {
        let _ = request.read(table);
        let _ = request.write(table);
    }
    let _ = request.call();
});

struct Request<'a> {
    query: &'a str,
    range: &'a str,
    accept: &'a str,
    prefer: &'a str,
    content_type: &'a str,
    body: &'a [u8],
}

impl Request<'_> {
    fn media(&self) -> Result<Media, QueryError> {
        Media::negotiate(
            Some(self.accept).filter(|accept| !accept.is_empty()),
            Produces::Rows,
        )
    }

    fn content_type(&self) -> Option<&str> {
        Some(self.content_type).filter(|name| !name.is_empty())
    }

    fn preferences(&self) -> Preferences {
        Preferences::parse([self.prefer])
    }

    fn read(&self, table: &Arc<Table>) -> Result<(), QueryError> {
        let query = Query::parse(self.query, Target::Rows)?;
        let page = Page::of_request(&query, Some(self.range))?;
        let scope = Scope::relate(&SCHEMA, table, &query)?;
        let read = scope.read(page, NOW)?;
        check_read(&read);
        let tables = Tables(
            ROWS.iter()
                .map(|(name, rows)| (*name, rows.as_slice()))
                .collect(),
        );
        let (fetched, total) = read.of_tables(&tables, &Budget::unlimited())?;
        let shown = read.show(&fetched, NOW);
        let _ = page.answer(shown.len(), self.preferences().count.map(|_| total));
        let text = self.media()?.write(&shown, &Budget::unlimited())?.concat();
        if self.media()? == Media::Json {
            is_json(&text);
        }
        Ok(())
    }

    fn write(&self, table: &Arc<Table>) -> Result<(), QueryError> {
        let query = Query::parse(self.query, Target::Rows)?;
        let sent = Body::parse(self.content_type(), self.body, query.columns.as_deref())?
            .against(table)?;
        let scope = Scope::relate(&SCHEMA, table, &query)?;
        let preferences = self.preferences();
        let is_column = |column: usize| assert!(column < table.columns.len());
        let inserts = [
            Insert::resolve(&sent, &query, &preferences, NOW),
            Insert::resolve_put(&sent, &query, &preferences, NOW),
        ];
        for insert in inserts.into_iter().flatten() {
            let conflicts = insert
                .on_conflict
                .iter()
                .flat_map(|conflict| &conflict.columns);
            insert
                .columns
                .iter()
                .chain(conflicts)
                .copied()
                .for_each(is_column);
            assert!(
                insert
                    .rows
                    .iter()
                    .all(|row| row.len() == insert.columns.len())
            );
        }
        if let Ok(Some(update)) = Update::resolve(&sent, &scope, &preferences, NOW) {
            update
                .set
                .iter()
                .map(|(column, _)| *column)
                .for_each(is_column);
            check_filter(table, &update.filter);
        }
        let delete = Delete::resolve(&scope, NOW)?;
        check_filter(table, &delete.filter);
        Ok(())
    }

    fn call(&self) -> Result<(), QueryError> {
        let query = Query::parse(self.query, Target::Call)?;
        for given in [
            GivenArguments::of_query(&query),
            GivenArguments::of_body(self.content_type(), self.body)?,
        ] {
            let call = Call::find(&SCHEMA, "check", given)?;
            let _ = call.arguments(NOW);
        }
        Ok(())
    }
}

/// Every column a read speaks of is one of its table's, every table one of the schema's.
fn check_read(read: &Read) {
    check_table(&read.table);
    assert!(
        read.fetch
            .iter()
            .all(|column| *column < read.table.columns.len())
    );
    check_filter(&read.table, &read.filter);
    for embed in &read.embeds {
        check_relation(&read.table, &embed.relation);
        assert!(embed.key.iter().all(|at| *at < read.fetch.len()));
        check_read(&embed.read);
    }
}

fn check_table(table: &Arc<Table>) {
    assert!(
        SCHEMA
            .find_table(table.name)
            .is_some_and(|known| Arc::ptr_eq(known, table))
    );
}

fn check_relation(origin: &Table, relation: &Relation) {
    check_table(&relation.target);
    let within = |pairs: &[(usize, usize)], left: &Table, right: &Table| {
        assert!(
            pairs
                .iter()
                .all(|(one, other)| *one < left.columns.len() && *other < right.columns.len())
        );
    };
    match &relation.link {
        Link::Direct(pairs) => within(pairs, origin, &relation.target),
        Link::Junction {
            table,
            origin: from,
            target,
        } => {
            check_table(table);
            within(from, origin, table);
            within(target, table, &relation.target);
        }
    }
}

fn check_filter(table: &Table, filter: &Filter) {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => {
            parts.iter().for_each(|part| check_filter(table, part))
        }
        Filter::Not(inner) => check_filter(table, inner),
        Filter::Exists { relation, filter } => {
            check_relation(table, relation);
            check_filter(&relation.target, filter);
        }
        Filter::Compare { left, .. }
        | Filter::In { left, .. }
        | Filter::Distinct { left, .. }
        | Filter::Is { left, .. }
        | Filter::Like { left, .. }
        | Filter::Matches { left, .. } => assert!(left.column < table.columns.len()),
    }
}

/// An answer is JSON: its own parser reads it as one value of a body.
fn is_json(text: &str) {
    let read = Body::parse(None, text.as_bytes(), Some(&[]));
    assert!(read.is_ok(), "{text}");
}
