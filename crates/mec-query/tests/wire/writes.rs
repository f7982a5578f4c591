//! What inserts, updates, puts and deletes are resolved to.

use mec_query::{
    Body, Budget, Cell, Delete, Filter, Insert, Page, Preferences, Query, QueryError, Resolution,
    Scope, Sent, Target, Update, Value,
};

use crate::fixture::{NOW, SCHEMA, refusal};

fn sent(path: &str, body: &str) -> Result<(Sent, Query), QueryError> {
    let (table, query) = path.split_once('?').unwrap_or((path, ""));
    let query = Query::parse(query, Target::Rows)?;
    let body = Body::parse(None, body.as_bytes(), query.columns.as_deref())?;
    Ok((body.against(SCHEMA.table(table)?)?, query))
}

fn post(path: &str, prefer: &str, body: &str) -> Result<Insert, QueryError> {
    let (sent, query) = sent(path, body)?;
    Insert::resolve(&sent, &query, &Preferences::parse([prefer]), NOW)
}

fn put(path: &str, body: &str) -> Result<Insert, QueryError> {
    let (sent, query) = sent(path, body)?;
    Insert::resolve_put(&sent, &query, &Preferences::default(), NOW)
}

fn patch(path: &str, body: &str) -> Result<Option<Update>, QueryError> {
    let (sent, query) = sent(path, body)?;
    let scope = Scope::relate(&SCHEMA, sent.table(), &query)?;
    Update::resolve(&sent, &scope, &Preferences::default(), NOW)
}

fn delete(path: &str) -> Result<Delete, QueryError> {
    let (table, query) = path.split_once('?').unwrap_or((path, ""));
    let query = Query::parse(query, Target::Rows)?;
    Delete::resolve(&Scope::relate(&SCHEMA, SCHEMA.table(table)?, &query)?, NOW)
}

/// `column=value …` for each row, `*` for a default.
fn shown(insert: &Insert) -> Vec<String> {
    let cell = |cell: &Cell| match cell {
        Cell::Value(value) => value.to_json(),
        Cell::Default => "*".to_owned(),
    };
    let row = |row: &Vec<Cell>| {
        let cells = insert.columns.iter().zip(row);
        let cells = cells.map(|(column, value)| {
            format!("{}={}", insert.table.columns[*column].name, cell(value))
        });
        cells.collect::<Vec<_>>().join(" ")
    };
    insert.rows.iter().map(row).collect()
}

#[test]
fn inserts_carry_the_columns_given() {
    for (path, prefer, body, rows) in [
        (
            "accounts",
            "",
            r#"{"display_name":"Acme","metadata":{"a":1.0}}"#,
            vec![r#"display_name="Acme" metadata={"a": 1.0}"#],
        ),
        (
            "plans",
            "",
            r#"[{"plan_id":"a","plan_name":"A"},{"plan_name":"B","plan_id":"b"}]"#,
            vec![
                r#"plan_id="a" plan_name="A""#,
                r#"plan_id="b" plan_name="B""#,
            ],
        ),
        (
            "plans?columns=\"plan_name\",\"plan_id\",\"trial_days\"",
            "",
            r#"[{"plan_id":"a","plan_name":"A","zz":1}]"#,
            vec![r#"plan_name="A" plan_id="a" trial_days=null"#],
        ),
        (
            "plans?columns=plan_id,plan_name,is_trial",
            "missing=default",
            r#"[{"plan_id":"a","plan_name":"A"}]"#,
            vec![r#"plan_id="a" plan_name="A" is_trial=*"#],
        ),
        ("plans", "", "[]", vec![]),
        ("plans", "", "5", vec![]),
    ] {
        assert_eq!(
            post(path, prefer, body).map(|insert| shown(&insert)),
            Ok(rows.iter().map(ToString::to_string).collect()),
            "{body}"
        );
    }
}

#[test]
fn inserts_are_refused_in_postgresqls_words() {
    for (path, body, told) in [
        (
            "accounts",
            r#"{"x":1}"#,
            "400 PGRST204 Could not find the 'x' column of 'accounts' in the schema cache",
        ),
        (
            "accounts?columns=x",
            "[]",
            "400 PGRST204 Could not find the 'x' column of 'accounts' in the schema cache",
        ),
        (
            "accounts",
            r#"{"display_name":"A","created_at":"now"}"#,
            "403 42501 permission denied for table accounts",
        ),
        (
            "accounts",
            "{}",
            "400 23502 null value in column \"display_name\" of relation \"accounts\" violates not-null constraint",
        ),
        (
            "accounts",
            r#"{"display_name":null}"#,
            "400 23502 null value in column \"display_name\" of relation \"accounts\" violates not-null constraint",
        ),
        (
            "plans?columns=plan_id,plan_name,is_trial",
            r#"[{"plan_id":"a","plan_name":"A"}]"#,
            "400 23502 null value in column \"is_trial\" of relation \"plans\" violates not-null constraint",
        ),
        (
            "accounts",
            r#"{"display_name":"A","status":"lost"}"#,
            "400 23514 new row for relation \"accounts\" violates check constraint \"accounts_status_check\"",
        ),
        (
            "accounts",
            r#"{"display_name":"seventeen letters"}"#,
            "400 22001 value too long for type character varying(16)",
        ),
        (
            "plans",
            r#"{"plan_id":"a","plan_name":"A","trial_days":1.5}"#,
            "400 22P02 invalid input syntax for type integer: \"1.5\"",
        ),
        (
            "accounts",
            r#"{"display_name":"A","parent_account_id":"zzz"}"#,
            "400 22P02 invalid input syntax for type uuid: \"zzz\"",
        ),
    ] {
        assert_eq!(refusal(post(path, "", body)), told, "{body}");
    }
    let error = post("plans", "", r#"{"plan_id":"a","plan_name":null}"#).expect_err("a null");
    assert_eq!(
        error.body()["details"],
        "Failing row contains (a, null, default, null)."
    );
}

#[test]
fn upserts_look_at_the_key_or_the_columns_named() {
    let conflict = |path, prefer, body| {
        post(path, prefer, body).map(|insert| {
            insert
                .on_conflict
                .map(|conflict| (conflict.columns, conflict.resolution))
        })
    };
    let plan = r#"{"plan_id":"a","plan_name":"A"}"#;
    let account = r#"{"display_name":"A","external_id":"x"}"#;
    let merge = "resolution=merge-duplicates";
    assert_eq!(
        conflict("plans", merge, plan),
        Ok(Some((vec![0], Resolution::Merge)))
    );
    assert_eq!(conflict("plans", "", plan), Ok(None));
    assert_eq!(
        conflict(
            "accounts?on_conflict=external_id",
            "resolution=ignore-duplicates",
            account
        ),
        Ok(Some((vec![4], Resolution::Ignore)))
    );
    assert_eq!(
        refusal(conflict(
            "accounts?on_conflict=display_name",
            merge,
            account
        )),
        "400 42P10 there is no unique or exclusion constraint matching the ON CONFLICT specification"
    );
    assert_eq!(
        refusal(conflict("accounts?on_conflict=zz", merge, account)),
        "400 42703 column \"zz\" does not exist"
    );
}

#[test]
fn a_put_names_its_row_in_the_url_and_in_the_body() {
    let plan = r#"{"plan_id":"a","plan_name":"A"}"#;
    assert!(put("plans?plan_id=eq.a", plan).is_ok());
    for (path, body, told) in [
        (
            "plans?plan_id=eq.a&limit=1",
            plan,
            "400 PGRST114 limit/offset querystring parameters are not allowed for PUT",
        ),
        (
            "plans",
            plan,
            "405 PGRST105 Filters must include all and only primary key columns with 'eq' operators",
        ),
        (
            "plans?plan_id=gt.a",
            plan,
            "405 PGRST105 Filters must include all and only primary key columns with 'eq' operators",
        ),
        (
            "plans?plan_id=eq.a&plan_name=eq.A",
            plan,
            "405 PGRST105 Filters must include all and only primary key columns with 'eq' operators",
        ),
        (
            "plans?plan_id=eq.b",
            plan,
            "400 PGRST115 Payload values do not match URL in primary key column(s)",
        ),
        (
            "plans?plan_id=eq.a",
            "[]",
            "400 PGRST115 Payload values do not match URL in primary key column(s)",
        ),
    ] {
        assert_eq!(refusal(put(path, body)), told, "{path}");
    }
}

#[test]
fn an_update_sets_columns_of_the_rows_that_pass() {
    let update = patch(
        "entitlements?account_id=eq.00000000-0000-0000-0000-000000000001",
        r#"{"status":"expired","quantity_allowed":null}"#,
    )
    .expect("resolved")
    .expect("columns");
    assert_eq!(
        update.set,
        vec![
            (4, Cell::Value(Value::text("expired"))),
            (3, Cell::Value(Value::Null))
        ]
    );
    assert!(matches!(&update.filter, Filter::All(parts) if parts.len() == 1));
    assert_eq!(patch("plans", "{}"), Ok(None));
    assert_eq!(patch("plans?plan_id=eq.a", "[]"), Ok(None));
    for (path, body, told) in [
        (
            "plans",
            r#"{"plan_name":"x"}"#,
            "400 21000 UPDATE requires a WHERE clause",
        ),
        (
            "plans?limit=1",
            r#"{"plan_name":"x"}"#,
            "400 21000 UPDATE requires a WHERE clause",
        ),
        (
            "plans?plan_id=eq.a",
            r#"{"plan_id":"b"}"#,
            "403 42501 permission denied for table plans",
        ),
        (
            "plans?plan_id=eq.a",
            r#"{"plan_name":null}"#,
            "400 23502 null value in column \"plan_name\" of relation \"plans\" violates not-null constraint",
        ),
        (
            "plans?nope=eq.a",
            r#"{"plan_name":"x"}"#,
            "400 42703 column plans.nope does not exist",
        ),
    ] {
        assert_eq!(refusal(patch(path, body)), told, "{path} {body}");
    }
}

#[test]
fn a_delete_needs_a_filter_of_its_own_rows() {
    assert!(delete("plans?plan_id=eq.a").is_ok());
    assert_eq!(
        refusal(delete("plans")),
        "400 21000 DELETE requires a WHERE clause"
    );
    let only_of_an_embed = "accounts?select=*,entitlements(*)&entitlements.status=eq.x";
    assert_eq!(
        refusal(delete(only_of_an_embed)),
        "400 21000 DELETE requires a WHERE clause"
    );
}

#[test]
fn a_write_shows_exactly_the_rows_it_wrote() {
    let query = Query::parse(
        "select=plan_id&order=plan_id.desc&plan_name=eq.gone&limit=1",
        Target::Rows,
    )
    .expect("a query");
    let table = SCHEMA.table("plans").expect("a table");
    let read = Scope::relate(&SCHEMA, table, &query)
        .and_then(|scope| scope.read(Page::ALL, NOW))
        .expect("a read");
    let read = read.of_keys(&[vec![Value::text("a")], vec![Value::text("c")]]);
    let rows: Vec<Vec<Value>> = ["a", "b", "c"]
        .map(|id| {
            vec![
                Value::text(id),
                Value::text("x"),
                Value::Bool(false),
                Value::Null,
            ]
        })
        .to_vec();
    let (fetched, total) = read
        .of_rows(&rows, &Budget::unlimited())
        .expect("there is no limit");
    assert_eq!(total, 2);
    assert_eq!(
        fetched.rows,
        vec![vec![Value::text("c")], vec![Value::text("a")]]
    );
}
