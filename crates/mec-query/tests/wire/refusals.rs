//! What is refused, with which status, code and words, and which of several mistakes is told.

use mec_query::{Query, Target};

use crate::fixture::{json, refusal};

#[test]
fn a_query_string_outside_the_grammar_is_pgrst100() {
    for (path, message, details) in [
        (
            "plans?x=bogus.1",
            "\"failed to parse filter (bogus.1)\" (line 1, column 1)",
            "unexpected \"b\" expecting \"not\" or operator (eq, gt, ...)",
        ),
        (
            "plans?x=val",
            "\"failed to parse filter (val)\" (line 1, column 1)",
            "unexpected \"v\" expecting \"not\" or operator (eq, gt, ...)",
        ),
        (
            "plans?x=not.y.1",
            "\"failed to parse filter (not.y.1)\" (line 1, column 5)",
            "unexpected \"y\" expecting operator (eq, gt, ...)",
        ),
        (
            "plans?x=eq",
            "\"failed to parse filter (eq)\" (line 1, column 3)",
            "unexpected end of input expecting delimiter (.)",
        ),
        (
            "plans?x=is.nil",
            "\"failed to parse filter (is.nil)\" (line 1, column 4)",
            "unexpected \"n\" expecting isVal: (null, not_null, true, false, unknown)",
        ),
        (
            "plans?x=in.1,2",
            "\"failed to parse filter (in.1,2)\" (line 1, column 4)",
            "unexpected \"1\" expecting \"(\"",
        ),
        (
            "plans?or=()",
            "\"failed to parse logic tree (())\" (line 1, column 4)",
            "unexpected \")\" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)",
        ),
        (
            "plans?select=a[",
            "\"failed to parse select parameter (a[)\" (line 1, column 2)",
            "unexpected \"[\" expecting \")\", \",\" or end of input",
        ),
        (
            "plans?order=plan_id.up",
            "\"failed to parse order (plan_id.up)\" (line 1, column 8)",
            "unexpected \".\" expecting \")\", \",\" or end of input",
        ),
        (
            "plans?columns=a,",
            "\"failed to parse columns parameter (a,)\" (line 1, column 2)",
            "unexpected \",\" expecting end of input",
        ),
    ] {
        let error = json(path).expect_err(path);
        assert_eq!(
            (error.status, error.code.as_ref()),
            (400, "PGRST100"),
            "{path}"
        );
        assert_eq!(error.message, message);
        assert_eq!(error.body()["details"], details, "{path}");
    }
}

#[test]
fn bounds_are_refused_clearly() {
    let deep = format!("and={}a.eq.1{}", "(and".repeat(20), ")".repeat(20)).replace("(anda", "(a");
    let nested = format!("select={}a{}", "b(".repeat(20), ")".repeat(20));
    let long_list = format!("a=in.({})", "1,".repeat(6000));
    let many = format!("and=({}a.eq.1)", "a.eq.1,".repeat(600));
    let columns = format!("select={}a", "a,".repeat(300));
    let embeds = format!("select={}a", "b(a),".repeat(40));
    let parameters = "a=eq.1&".repeat(300);
    for (query, bound) in [
        (deep, "16 levels of and/or"),
        (nested, "8 levels of embedding"),
        (long_list, "5000 values in one list"),
        (many, "512 conditions"),
        (columns, "256 columns"),
        (embeds, "32 embedded resources"),
        (parameters, "256 parameters"),
    ] {
        let error = Query::parse(&query, Target::Rows).expect_err(bound);
        assert_eq!((error.status, error.code.as_ref()), (400, "PGRST100"));
        assert_eq!(
            error.body()["details"],
            format!("More than {bound} are not accepted.")
        );
    }
}

#[test]
fn of_several_mistakes_the_first_in_the_fixed_order_is_told() {
    for (path, told) in [
        (
            "nope?x=bogus.1&limit=-1",
            "400 PGRST100 \"failed to parse filter (bogus.1)\" (line 1, column 1)",
        ),
        (
            "nope?limit=-1",
            "416 PGRST103 Requested range not satisfiable",
        ),
        (
            "plan?select=zz(*)",
            "404 PGRST205 Could not find the table 'public.plan' in the schema cache",
        ),
        (
            "plans?select=zz,zz(*)",
            "400 PGRST200 Could not find a relationship between 'plans' and 'zz' in the schema cache",
        ),
        ("plans?zz=eq.1", "400 42703 column plans.zz does not exist"),
    ] {
        assert_eq!(refusal(json(path)), told, "{path}");
    }
}

#[test]
fn embeds_are_refused_before_columns() {
    for (path, told) in [
        (
            "plans?select=settings(*)",
            "400 PGRST200 Could not find a relationship between 'plans' and 'settings' in the schema cache",
        ),
        (
            "accounts?select=plans(*)",
            "300 PGRST201 Could not embed because more than one relationship was found for 'accounts' and 'plans'",
        ),
        (
            "plans?select=*&entitlements.status=eq.x",
            "400 PGRST108 'entitlements' is not an embedded resource in this request",
        ),
        (
            "plans?order=accounts(display_name)",
            "400 PGRST108 'accounts' is not an embedded resource in this request",
        ),
        (
            "accounts?select=entitlements(*)&order=entitlements(status)",
            "400 PGRST118 A related order on 'entitlements' is not possible",
        ),
        (
            "accounts?select=entitlements()&entitlements=eq.1",
            "400 PGRST120 Bad operator on the 'entitlements' embedded resource",
        ),
        (
            "plans?select=count()",
            "400 PGRST123 Use of aggregate functions is not allowed",
        ),
        (
            "plans?select=trial_days.sum()",
            "400 PGRST123 Use of aggregate functions is not allowed",
        ),
        (
            "accounts?select=...entitlements(status)",
            "400 PGRST127 Feature not implemented",
        ),
    ] {
        assert_eq!(refusal(json(path)), told, "{path}");
    }
}

#[test]
fn an_ambiguous_embed_lists_what_could_be_meant() {
    let error = json("accounts?select=plans(*)").expect_err("ambiguous");
    assert_eq!(
        error.hint.as_deref(),
        Some(
            "Try changing 'plans' to one of the following: 'plans!accounts_plan_id_fkey', 'plans!accounts_former_plan_id_fkey'. Find the desired relationship in the 'details' key."
        )
    );
    assert_eq!(
        error.body()["details"][0].to_string(),
        r#"{"cardinality":"many-to-one","embedding":"accounts with plans","relationship":"accounts_plan_id_fkey using accounts(plan_id) and plans(plan_id)"}"#
    );
    let unknown = json("accounts?select=entitlement(*)").expect_err("unknown");
    assert_eq!(
        unknown.hint.as_deref(),
        Some("Perhaps you meant 'entitlements' instead of 'entitlement'.")
    );
    assert_eq!(
        unknown.body()["details"],
        "Searched for a foreign key relationship between 'accounts' and 'entitlement' in the schema 'public', but no matches were found."
    );
}

#[test]
fn columns_and_values_are_refused_in_postgresqls_words() {
    for (path, told) in [
        (
            "plans?select=plan_nam",
            "400 42703 column plans.plan_nam does not exist",
        ),
        (
            "plans?order=nope",
            "400 42703 column plans.nope does not exist",
        ),
        (
            "accounts?select=entitlements(nope)",
            "400 42703 column entitlements.nope does not exist",
        ),
        (
            "accounts?account_id=eq.zzz",
            "400 22P02 invalid input syntax for type uuid: \"zzz\"",
        ),
        (
            "plans?trial_days=eq.x",
            "400 22P02 invalid input syntax for type integer: \"x\"",
        ),
        (
            "plans?trial_days=in.(1,)",
            "400 22P02 invalid input syntax for type integer: \"\"",
        ),
        (
            "plans?trial_days=eq.99999999999",
            "400 22003 value \"99999999999\" is out of range for type integer",
        ),
        (
            "plans?is_trial=eq.maybe",
            "400 22P02 invalid input syntax for type boolean: \"maybe\"",
        ),
        (
            "accounts?created_at=gt.x",
            "400 22007 invalid input syntax for type timestamp with time zone: \"x\"",
        ),
        (
            "entitlements?quantity_allowed=eq.ten",
            "400 22P02 invalid input syntax for type numeric: \"ten\"",
        ),
        (
            "plans?trial_days=like.1*",
            "404 42883 operator does not exist: integer ~~ unknown",
        ),
        (
            "plans?is_trial=imatch.t",
            "404 42883 operator does not exist: boolean ~* unknown",
        ),
        (
            "plans?plan_id=is.true",
            "400 42804 argument of IS TRUE must be type boolean, not type character varying",
        ),
        (
            "plans?plan_id=match.(",
            "400 2201B invalid regular expression: error: unclosed group",
        ),
        (
            "plans?plan_id=like.a\\",
            "400 22025 LIKE pattern must not end with escape character",
        ),
        (
            "plans?plan_id=eq(any).x",
            "400 22P02 malformed array literal: \"x\"",
        ),
        (
            "plans?plan_id=eq.%00",
            "400 22021 invalid byte sequence for encoding \"UTF8\": 0x00",
        ),
        (
            "accounts?metadata->a%00=is.null",
            "400 22021 invalid byte sequence for encoding \"UTF8\": 0x00",
        ),
        (
            "accounts?select=metadata->>a%00",
            "400 22021 invalid byte sequence for encoding \"UTF8\": 0x00",
        ),
        (
            "plans?plan_name->x=eq.1",
            "404 42883 operator does not exist: character varying -> unknown",
        ),
        (
            "accounts?metadata->>a->b=eq.1",
            "404 42883 operator does not exist: text -> unknown",
        ),
        (
            "accounts?metadata->a=eq.x",
            "400 22P02 invalid input syntax for type json",
        ),
        (
            "accounts?metadata->a=eq.{",
            "400 22P02 invalid input syntax for type json",
        ),
        (
            "settings?order=tags",
            "400 PGRST127 Feature not implemented",
        ),
        (
            "settings?tags=cs.{a}",
            "400 PGRST127 Feature not implemented",
        ),
        (
            "plans?plan_name=fts(english).x",
            "400 PGRST127 Feature not implemented",
        ),
        (
            "plans?select=plan_id::frob",
            "400 42704 type \"frob\" does not exist",
        ),
        (
            "accounts?select=account_id::int",
            "400 42846 cannot cast type uuid to integer",
        ),
        (
            "accounts?select=external_id::int",
            "400 22P02 invalid input syntax for type integer: \"cus_1\"",
        ),
    ] {
        assert_eq!(refusal(json(path)), told, "{path}");
    }
    let hint = json("plans?select=plan_nam").expect_err("unknown").hint;
    assert_eq!(
        hint.as_deref(),
        Some("Perhaps you meant to reference the column \"plans.plan_name\".")
    );
}

#[test]
fn an_object_of_several_rows_is_406() {
    let object = "application/vnd.pgrst.object+json";
    let none = crate::fixture::get("plans", "plan_id=eq.x", object);
    assert_eq!(
        refusal(none),
        "406 PGRST116 Cannot coerce the result to a single JSON object"
    );
    let all = crate::fixture::get("plans", "", object).expect_err("four rows");
    assert_eq!(all.body()["details"], "The result contains 4 rows");
}
