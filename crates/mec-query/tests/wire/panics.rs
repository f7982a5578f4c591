//! No input panics: whatever is sent is answered or refused.

use mec_query::{
    Body, Call, Cast, Delete, GivenArguments, Insert, Media, Page, Preferences, Produces, Query,
    Scope, Target, Type, Update,
};
use proptest::prelude::*;

use crate::fixture::{NOW, QUANTITY, SCHEMA, get};

/// Pieces of the grammar and of values, so that random strings get deep into it.
fn fragments() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "select=",
        "order=",
        "and=",
        "or=",
        "not.",
        "limit=",
        "offset=",
        "columns=",
        "on_conflict=",
        "&",
        "=",
        "(",
        ")",
        ",",
        ".",
        ":",
        "::",
        "->",
        "->>",
        "!",
        "...",
        "*",
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        "%",
        "+",
        "-",
        " ",
        "eq.",
        "neq.",
        "in.(",
        "is.null",
        "like.",
        "match.",
        "eq(any).",
        "isdistinct.",
        "fts.",
        "plan_id",
        "trial_days",
        "metadata",
        "created_at",
        "account_id",
        "quantity_allowed",
        "entitlements",
        "accounts",
        "plans",
        "settings",
        "desc",
        "nullsfirst",
        "inner",
        "count()",
        "text",
        "int",
        "NULL",
        "1e9",
        "0.5",
        "-1",
        "now",
        "2026-11-24",
        "é",
        "\0",
        "%00",
        "99999999999999999999",
    ]);
    let piece = prop_oneof![4 => words.prop_map(str::to_owned), 1 => ".{0,3}"];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Well-formed parameters with values from the grammar, so that resolving is reached too.
fn parameters() -> impl Strategy<Value = String> {
    let column = prop::sample::select(vec![
        "plan_id",
        "trial_days",
        "is_trial",
        "metadata",
        "metadata->a",
        "metadata->>a",
        "created_at",
        "account_id",
        "quantity_allowed",
        "entitlements",
        "tags",
        "nope",
    ]);
    let operator = prop::sample::select(vec![
        "eq",
        "neq",
        "gt",
        "gte",
        "lt",
        "lte",
        "like",
        "ilike",
        "match",
        "imatch",
        "isdistinct",
        "eq(any)",
        "lt(all)",
        "in",
        "is",
    ]);
    let value = prop_oneof![
        Just("1".to_owned()),
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("{a,NULL,1}".to_owned()),
        Just("(1,2,\"x\")".to_owned()),
        Just("1e30".to_owned()),
        Just("{}".to_owned()),
        "[-0-9.eE]{0,12}",
        ".{0,6}"
    ];
    let filter = (column, operator, value)
        .prop_map(|(column, operator, value)| format!("{column}={operator}.{value}"));
    prop::collection::vec(filter, 0..3)
        .prop_map(|filters| format!("select=*,entitlements(*)&{}", filters.join("&")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_query_string_panics(text in fragments()) {
        for target in [Target::Rows, Target::Call] {
            if let Ok(query) = Query::parse(&text, target) {
                let _ = Page::of_request(&query, Some(&text));
                let _ = Call::find(&SCHEMA, "check_entitlement", GivenArguments::of_query(&query));
            }
        }
        for table in ["plans", "accounts", "entitlements"] {
            let _ = get(table, &text, "text/csv");
        }
    }

    #[test]
    fn no_filter_panics(text in parameters()) {
        for table in ["plans", "accounts", "entitlements", "settings"] {
            let _ = get(table, &text, "application/json");
        }
    }

    #[test]
    fn no_body_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), text in fragments()) {
        for content_type in [None, Some("text/csv"), Some("application/x-www-form-urlencoded")] {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                let _ = Body::parse(content_type, bytes, None);
                let _ = GivenArguments::of_body(content_type, bytes);
            }
        }
    }

    #[test]
    fn no_header_panics(text in fragments(), plain in ".{0,40}") {
        for text in [&text, &plain] {
            let _ = Media::negotiate(Some(text), Produces::Rows);
            let _ = Preferences::parse([text.as_str()]).check();
            let _ = Page::of_request(&Query::default(), Some(text));
        }
    }

    #[test]
    fn no_literal_panics(text in prop_oneof![fragments(), "[-+0-9.eE:TZ /]{0,40}".boxed()]) {
        for ty in [
            Type::TEXT, Type::Text { max: Some(2) }, Type::Uuid, Type::Int2, Type::Int4, Type::Int8, QUANTITY,
            Type::Numeric { precision: 38, scale: 38 }, Type::Bool, Type::Timestamp, Type::Json, Type::TextArray,
        ] {
            if let Ok(value) = ty.read(&text, NOW) {
                // What was read is printed as something that reads back as the same.
                if let Some(printed) = value.to_text() {
                    prop_assert_eq!(ty.read(&printed, NOW), Ok(value.clone()));
                }
                prop_assert!(serde_json::from_str::<serde_json::Value>(&value.to_json()).is_ok());
                for name in ["text", "int", "numeric", "bool", "date", "json"] {
                    let cast = Cast::named(name).expect("a type");
                    if cast.check(ty).is_ok() {
                        let _ = cast.apply(&value, NOW);
                    }
                }
            }
        }
    }

    #[test]
    fn no_write_panics(
        value in prop_oneof![Just("null".to_owned()), Just("[1,\"a\",null]".to_owned()), "[-0-9.eE]{1,12}", "\"[a-z0-9]{0,20}\""],
        column in prop::sample::select(vec!["plan_id", "plan_name", "trial_days", "is_trial"]),
        text in parameters(),
    ) {
        let body = format!("{{\"{column}\":{value}}}");
        let table = SCHEMA.table("plans").expect("a table");
        let query = Query::parse(&text.replace(",entitlements(*)", ""), Target::Rows);
        if let (Ok(query), Ok(body)) = (query, Body::parse(None, body.as_bytes(), None))
            && let (Ok(sent), Ok(scope)) = (body.against(table), Scope::relate(&SCHEMA, table, &query))
        {
            let preferences = Preferences::parse(["resolution=merge-duplicates"]);
            let _ = Insert::resolve(&sent, &query, &preferences, NOW);
            let _ = Insert::resolve_put(&sent, &query, &preferences, NOW);
            let _ = Update::resolve(&sent, &scope, &preferences, NOW);
            let _ = Delete::resolve(&scope, NOW);
        }
    }
}
