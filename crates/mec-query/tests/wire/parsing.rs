//! What a query string is taken to say.

use mec_query::{JsonKey, Operator, OrderItem, Query, SelectItem, Target, Test};

fn parse(text: &str) -> Query {
    Query::parse(text, Target::Rows).expect(text)
}

#[test]
fn embeds_carry_alias_hint_and_join() {
    let query = parse("select=*,a:b!c!inner(x,d!left(y)),...e(f)");
    let [
        SelectItem::All,
        SelectItem::Embed(first),
        SelectItem::Embed(second),
    ] = query.select.as_slice()
    else {
        panic!("{:?}", query.select)
    };
    assert_eq!(
        (
            first.alias.as_deref(),
            first.relation.as_str(),
            first.hint.as_deref()
        ),
        (Some("a"), "b", Some("c"))
    );
    assert!(first.inner && !first.spread && second.spread);
    assert!(
        matches!(&first.select[1], SelectItem::Embed(inner) if inner.relation == "d" && !inner.inner)
    );
}

#[test]
fn a_cast_is_not_an_alias() {
    let query = parse("select=a::text,b:c::int,d->e->>0::bool");
    let cast = |item: &SelectItem| match item {
        SelectItem::Column { field, alias, cast } => {
            (field.name.clone(), alias.clone(), cast.clone())
        }
        other => panic!("{other:?}"),
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(cast(&query.select[0]), ("a".to_owned(), None, some("text")));
    assert_eq!(
        cast(&query.select[1]),
        ("c".to_owned(), some("b"), some("int"))
    );
    assert_eq!(cast(&query.select[2]), ("d".to_owned(), None, some("bool")));
    let SelectItem::Column { field, .. } = &query.select[2] else {
        panic!()
    };
    assert_eq!(field.path[1].to, JsonKey::Index(0));
}

#[test]
fn reserved_words_address_embeds_by_the_last_segment() {
    let query = parse("a.b.order=x.desc&a.limit=3&offset=2&a.not.and=(x.eq.1)&a.b.x=eq.1");
    assert_eq!(query.order[0].path, ["a", "b"]);
    assert!(matches!(
        query.order[0].item.as_slice(),
        [OrderItem {
            descending: true,
            nulls_first: None,
            ..
        }]
    ));
    assert_eq!(
        (query.limits[0].path.as_slice(), query.limits[0].item),
        (["a".to_owned()].as_slice(), 3)
    );
    assert_eq!((query.offsets[0].path.len(), query.offsets[0].item), (0, 2));
    assert_eq!(query.logic[0].path, ["a"]);
    assert_eq!(query.logic[1].path, ["a", "b"]);
    assert!(!query.has_row_filter());
}

#[test]
fn a_plain_value_is_everything_to_the_end_and_a_listed_one_is_not() {
    let value = |query: &Query| match &query.logic[0].item {
        mec_query::Logic::Condition(condition) => condition.test.clone(),
        mec_query::Logic::Group { parts, .. } => match &parts[0] {
            mec_query::Logic::Condition(condition) => condition.test.clone(),
            other => panic!("{other:?}"),
        },
    };
    for (text, wanted) in [
        ("a=eq.x,y).z", "x,y).z"),
        ("a=eq.\"x\"", "\"x\""),
        ("a=eq.1+2%2B3", "1 2+3"),
        ("a=eq.", ""),
        ("or=(a.eq.\"x,y)\",b.eq.1)", "x,y)"),
        ("or=(a.eq.{x,y},b.eq.1)", "{x,y}"),
        ("or=(a.eq.x y,b.eq.1)", "x y"),
        ("or=(a.eq.\"x\"y,b.eq.1)", "\"x\"y"),
        ("or=(a.eq.,b.eq.1)", ""),
    ] {
        let test = value(&parse(text));
        assert_eq!(
            test,
            Test::Compare {
                operator: Operator::Eq,
                quantifier: None,
                value: wanted.to_owned()
            },
            "{text}"
        );
    }
}

#[test]
fn columns_and_on_conflict_are_lists_of_names() {
    let query = parse("columns=\"b\",\"a\"&on_conflict=x, \"y.z\"");
    assert_eq!(
        query.columns.as_deref(),
        Some(["b".to_owned(), "a".to_owned()].as_slice())
    );
    assert_eq!(
        query.on_conflict.as_deref(),
        Some(["x".to_owned(), "y.z".to_owned()].as_slice())
    );
}

#[test]
fn on_a_get_of_a_function_only_what_has_an_operator_is_a_filter() {
    let query =
        Query::parse("p_a=1&p_b=eq.x&p_c=is.blue&select=a&limit=1", Target::Call).expect("a query");
    let arguments = [
        ("p_a".to_owned(), "1".to_owned()),
        ("p_c".to_owned(), "is.blue".to_owned()),
    ];
    assert_eq!(query.arguments, arguments);
    assert_eq!(query.logic.len(), 1);
}

#[test]
fn the_canonical_form_is_kept_for_content_location() {
    assert_eq!(
        parse("select=b&plan_id=eq.a b&limit=1").canonical,
        "limit=1&plan_id=eq.a%20b&select=b"
    );
}

#[test]
fn no_query_string_says_what_one_without_a_parameter_says() {
    for target in [Target::Rows, Target::Call] {
        assert_eq!(Query::parse("", target), Query::parse("?", target));
    }
}
