//! What reads answer.

use crate::fixture::{get, json};

#[track_caller]
fn answers(cases: &[(&str, &str)]) {
    for (path, body) in cases {
        assert_eq!(json(path).as_deref(), Ok(*body), "{path}");
    }
}

#[test]
fn a_table_is_read_in_key_order_with_all_columns() {
    answers(&[
        (
            "plans?limit=2",
            r#"[{"plan_id":"pro","plan_name":"Pro","is_trial":false,"trial_days":null},{"plan_id":"starter","plan_name":"Starter","is_trial":false,"trial_days":null}]"#,
        ),
        ("plans?select=&limit=0", "[]"),
        (
            "settings",
            r#"[{"account_id":"00000000-0000-0000-0000-000000000001","tags":["a","b c"]}]"#,
        ),
    ]);
}

#[test]
fn select_renames_casts_and_steps_into_json() {
    answers(&[
        (
            "plans?select=id:plan_id,trial_days::text&is_trial=is.true",
            r#"[{"id":"trial-14d","trial_days":"14"},{"id":"trial-7d","trial_days":"7"}]"#,
        ),
        (
            "plans?select=plan_id%2Cname%3Aplan_name&plan_id=eq.pro",
            r#"[{"plan_id":"pro","name":"Pro"}]"#,
        ),
        (
            "plans?select=\"plan_id\",x:\"plan_name\"&plan_id=eq.pro",
            r#"[{"plan_id":"pro","x":"Pro"}]"#,
        ),
        (
            "accounts?select=created_at,day:created_at::date&limit=1",
            r#"[{"created_at":"2026-11-21T02:12:09.88Z","day":"2026-11-21"}]"#,
        ),
        (
            "accounts?select=metadata->tier->n,t:metadata->tags->>-1,metadata->tags->0,metadata->on&limit=1",
            r#"[{"n":2,"t":"y","tags":"x","on":null}]"#,
        ),
        (
            "accounts?select=n:metadata->tier->>n::int&account_id=eq.00000000-0000-0000-0000-000000000002",
            r#"[{"n":10}]"#,
        ),
        (
            "entitlements?select=quantity_allowed,q:quantity_allowed::text&limit=2",
            r#"[{"quantity_allowed":100,"q":"100"},{"quantity_allowed":0.5,"q":"0.5"}]"#,
        ),
        (
            "plans?select=plan_id)&plan_id=eq.pro",
            r#"[{"plan_id":"pro"}]"#,
        ),
    ]);
}

/// Filters of `plans` with the plans that pass, in key order.
#[test]
fn filters_pick_rows_as_postgresql_would() {
    for (filter, picked) in [
        ("plan_id=eq.pro", "pro"),
        ("plan_id=neq.pro", "starter trial-14d trial-7d"),
        ("trial_days=gt.9", "trial-14d"),
        ("trial_days=gte.7", "trial-14d trial-7d"),
        ("trial_days=lt.14&trial_days=lte.7", "trial-7d"),
        ("trial_days=not.eq.14", "trial-7d"),
        ("trial_days=is.null", "pro starter"),
        ("trial_days=not.is.null", "trial-14d trial-7d"),
        ("trial_days=is.NOT_NULL", "trial-14d trial-7d"),
        ("trial_days=isdistinct.14", "pro starter trial-7d"),
        ("trial_days=in.(7,14)", "trial-14d trial-7d"),
        ("trial_days=not.in.(7)", "trial-14d"),
        ("trial_days=in.()", ""),
        ("trial_days=in.(\"\")", ""),
        ("trial_days=not.in.()", "pro starter trial-14d trial-7d"),
        ("plan_id=in.(\"pro\", starter)", "pro"),
        (
            "plan_id=in.(\"pro\",\"star\\\"ter\",starter)",
            "pro starter",
        ),
        ("is_trial=eq.yes", "trial-14d trial-7d"),
        ("is_trial=is.false", "pro starter"),
        ("is_trial=is.unknown", ""),
        ("plan_name=eq.\"Pro\"", ""),
        ("plan_name=like.*Free*", "trial-14d"),
        ("plan_name=like.pro", ""),
        ("plan_name=ilike.pr_", "pro"),
        ("plan_name=match.^14-", "trial-14d"),
        ("plan_name=imatch.^s", "starter"),
        ("plan_id=eq(any).{pro,starter}", "pro starter"),
        ("plan_id=like(all).{trial*,*14d}", "trial-14d"),
        ("plan_id=like(any).{}", ""),
        ("plan_id=like(all).{}", "pro starter trial-14d trial-7d"),
        ("trial_days=eq(all).{NULL}", ""),
        ("plan_id[0]=eq.pro", "pro"),
        ("or=(plan_id.eq.pro,trial_days.gt.9)", "pro trial-14d"),
        (
            "or=(plan_id.eq.\"pro\", and(is_trial.is.true , trial_days.lt.9))",
            "pro trial-7d",
        ),
        ("not.or=(plan_id.eq.pro,trial_days.gt.9)", "trial-7d"),
        (
            "and=(plan_id.not.eq.pro,not.or(trial_days.eq.7,trial_days.is.null))",
            "trial-14d",
        ),
        (
            "or=(plan_id.in.(pro,starter),plan_name.like(any).{W*,x})",
            "pro starter trial-7d",
        ),
        (
            "or=(plan_name.eq.14-Day Free Trial,plan_id.eq.pro))",
            "pro trial-14d",
        ),
        ("foo&plan_id=eq.pro", "pro"),
    ] {
        let body = json(&format!("plans?select=plan_id&{filter}")).expect(filter);
        let ids = body
            .trim_matches(['[', ']'])
            .replace("{\"plan_id\":\"", "")
            .replace("\"}", "")
            .replace(',', " ");
        assert_eq!(ids, picked, "{filter}");
    }
}

/// Filters of `entitlements` and `accounts` with the number of rows that pass.
#[test]
fn filters_compare_values_of_every_type() {
    for (path, count) in [
        ("entitlements?quantity_allowed=eq.100", 1),
        ("entitlements?quantity_allowed=eq.100.0000001", 0),
        ("entitlements?quantity_allowed=neq.100.0000001", 2),
        ("entitlements?quantity_allowed=gt.99.9999999", 1),
        ("entitlements?quantity_allowed=gte.100.0000001", 0),
        ("entitlements?quantity_allowed=lt.0.5000001", 1),
        ("entitlements?quantity_allowed=lte.0.4999999", 0),
        ("entitlements?quantity_allowed=lt.1e40", 2),
        ("entitlements?quantity_allowed=gt.-1e400", 2),
        ("entitlements?quantity_allowed=in.(5e-1,100.00)", 2),
        ("entitlements?quantity_allowed=isdistinct.1e30", 3),
        (
            "accounts?account_id=eq.00000000-0000-0000-0000-00000000000A",
            0,
        ),
        (
            "accounts?account_id=in.(00000000-0000-0000-0000-000000000001,{00000000000000000000000000000003})",
            2,
        ),
        ("accounts?created_at=gte.2026-11-22", 2),
        ("accounts?created_at=lt.2026-11-22T04:12:10%2B02:00", 2),
        ("accounts?created_at=lt.now", 3),
        ("accounts?created_at=gt.today", 0),
        ("accounts?metadata->tier->n=gt.9", 1),
        ("accounts?metadata->tier->n=eq.2.0", 1),
        ("accounts?metadata->tier=eq.{\"n\": 2.0}", 1),
        ("accounts?metadata->tags=eq.[\"x\",\"y\"]", 1),
        ("accounts?metadata->tags=gt.[\"z\"]", 1),
        ("accounts?metadata->tier->>n=eq.2", 1),
        ("accounts?metadata->tags->>0=like.x", 1),
        ("accounts?metadata->tags=is.null", 2),
        (
            "accounts?or=(metadata->tier->>n.eq.2,display_name.eq.\"Zeta, Inc.\")",
            2,
        ),
    ] {
        let (table, query) = path.split_once('?').expect("a query");
        assert_eq!(
            get(table, query, "*/*").map(|(_, total)| total),
            Ok(count),
            "{path}"
        );
    }
}

#[test]
fn order_places_nulls_and_ends_with_the_key() {
    answers(&[
        (
            "plans?select=plan_id&order=trial_days",
            r#"[{"plan_id":"trial-7d"},{"plan_id":"trial-14d"},{"plan_id":"pro"},{"plan_id":"starter"}]"#,
        ),
        (
            "plans?select=plan_id&order=trial_days.desc,plan_id.desc",
            r#"[{"plan_id":"starter"},{"plan_id":"pro"},{"plan_id":"trial-14d"},{"plan_id":"trial-7d"}]"#,
        ),
        (
            "plans?select=plan_id&order=trial_days.desc.nullslast, plan_id&limit=2&offset=1",
            r#"[{"plan_id":"trial-7d"},{"plan_id":"pro"}]"#,
        ),
        (
            "plans?select=plan_id&order=trial_days.nullsfirst&limit=1",
            r#"[{"plan_id":"pro"}]"#,
        ),
        (
            "accounts?select=display_name,plan_id&order=metadata->>tier.desc.nullslast,display_name",
            r#"[{"display_name":"Acme","plan_id":"pro"},{"display_name":"Acme Team","plan_id":"starter"},{"display_name":"Zeta, Inc.","plan_id":null}]"#,
        ),
        (
            "entitlements?select=entitlement_id,accounts(display_name)&order=accounts(display_name).desc,entitlement_id.desc",
            r#"[{"entitlement_id":3,"accounts":{"display_name":"Acme Team"}},{"entitlement_id":2,"accounts":{"display_name":"Acme"}},{"entitlement_id":1,"accounts":{"display_name":"Acme"}}]"#,
        ),
    ]);
}

#[test]
fn embeds_follow_foreign_keys_both_ways() {
    answers(&[
        (
            "entitlements?select=entitlement_id,accounts(display_name)&limit=1",
            r#"[{"entitlement_id":1,"accounts":{"display_name":"Acme"}}]"#,
        ),
        (
            "accounts?select=display_name,entitlements(entitlement_id)",
            r#"[{"display_name":"Acme","entitlements":[{"entitlement_id":1},{"entitlement_id":2}]},{"display_name":"Acme Team","entitlements":[{"entitlement_id":3}]},{"display_name":"Zeta, Inc.","entitlements":[]}]"#,
        ),
        (
            "entitlements?select=owner:accounts(id:account_id)&limit=1",
            r#"[{"owner":{"id":"00000000-0000-0000-0000-000000000001"}}]"#,
        ),
        (
            "entitlements?select=account_id(display_name)&limit=1",
            r#"[{"account_id":{"display_name":"Acme"}}]"#,
        ),
        (
            "entitlements?select=accounts!entitlements_account_id_fkey(display_name)&limit=1",
            r#"[{"accounts":{"display_name":"Acme"}}]"#,
        ),
        (
            "accounts?select=display_name,plan_id(plan_name)&order=display_name.desc&limit=2",
            r#"[{"display_name":"Zeta, Inc.","plan_id":null},{"display_name":"Acme Team","plan_id":{"plan_name":"Starter"}}]"#,
        ),
        (
            "accounts?select=plans!accounts_plan_id_fkey(plan_name)&limit=1",
            r#"[{"plans":{"plan_name":"Pro"}}]"#,
        ),
        // One-to-one is an object both ways.
        (
            "accounts?select=display_name,settings(tags)&limit=2",
            r#"[{"display_name":"Acme","settings":{"tags":["a","b c"]}},{"display_name":"Acme Team","settings":null}]"#,
        ),
        (
            "settings?select=accounts(display_name)",
            r#"[{"accounts":{"display_name":"Acme"}}]"#,
        ),
        // Many-to-many through a junction.
        (
            "labels?select=label,accounts(display_name)",
            r#"[{"label":"big","accounts":[{"display_name":"Acme"}]},{"label":"eu","accounts":[{"display_name":"Acme"},{"display_name":"Acme Team"}]}]"#,
        ),
        // A table that refers to itself.
        (
            "accounts?select=display_name,children:accounts(display_name)&limit=1",
            r#"[{"display_name":"Acme","children":[{"display_name":"Acme Team"}]}]"#,
        ),
        (
            "accounts?select=display_name,parent:parent_account_id(display_name)&display_name=eq.Acme Team",
            r#"[{"display_name":"Acme Team","parent":{"display_name":"Acme"}}]"#,
        ),
        // Several levels.
        (
            "plans?select=plan_id,accounts!accounts_plan_id_fkey(display_name,entitlements(resource_type_code))&plan_id=eq.starter",
            r#"[{"plan_id":"starter","accounts":[{"display_name":"Acme Team","entitlements":[{"resource_type_code":"runs"}]}]}]"#,
        ),
    ]);
}

#[test]
fn embeds_are_shaped_without_touching_their_parents() {
    answers(&[
        (
            "accounts?select=display_name,entitlements(entitlement_id)&entitlements.status=eq.active&limit=2",
            r#"[{"display_name":"Acme","entitlements":[{"entitlement_id":1}]},{"display_name":"Acme Team","entitlements":[{"entitlement_id":3}]}]"#,
        ),
        (
            "accounts?select=display_name,entitlements(entitlement_id)&entitlements.order=entitlement_id.desc&entitlements.limit=1&limit=1",
            r#"[{"display_name":"Acme","entitlements":[{"entitlement_id":2}]}]"#,
        ),
        (
            "accounts?select=e:entitlements(entitlement_id)&e.offset=1&limit=1",
            r#"[{"e":[{"entitlement_id":2}]}]"#,
        ),
        (
            "accounts?select=e:entitlements(entitlement_id)&entitlements.or=(status.eq.x,status.eq.expired)&limit=1",
            r#"[{"e":[{"entitlement_id":2}]}]"#,
        ),
        (
            "plans?select=accounts!accounts_plan_id_fkey(display_name,entitlements(entitlement_id))&accounts.entitlements.status=eq.expired&plan_id=eq.pro",
            r#"[{"accounts":[{"display_name":"Acme","entitlements":[{"entitlement_id":2}]}]}]"#,
        ),
        (
            "entitlements?select=entitlement_id,accounts(display_name)&accounts.display_name=eq.Acme Team",
            r#"[{"entitlement_id":1,"accounts":null},{"entitlement_id":2,"accounts":null},{"entitlement_id":3,"accounts":{"display_name":"Acme Team"}}]"#,
        ),
        (
            "entitlements?select=entitlement_id,...accounts(owner:display_name,...plan_id(plan_name))&entitlement_id=in.(1,3)",
            r#"[{"entitlement_id":1,"owner":"Acme","plan_name":"Pro"},{"entitlement_id":3,"owner":"Acme Team","plan_name":"Starter"}]"#,
        ),
        (
            "accounts?select=display_name,...plan_id(plan_name)&display_name=like.Zeta*",
            r#"[{"display_name":"Zeta, Inc.","plan_name":null}]"#,
        ),
    ]);
}

#[test]
fn inner_embeds_and_null_filters_narrow_their_parents() {
    for (path, body, total) in [
        (
            "entitlements?select=entitlement_id,accounts!inner(display_name)&accounts.display_name=eq.Acme Team&limit=5",
            r#"[{"entitlement_id":3,"accounts":{"display_name":"Acme Team"}}]"#,
            1,
        ),
        (
            "accounts?select=display_name,entitlements!inner()&entitlements.status=eq.expired",
            r#"[{"display_name":"Acme"}]"#,
            1,
        ),
        (
            "accounts?select=display_name,entitlements()&entitlements=is.null",
            r#"[{"display_name":"Zeta, Inc."}]"#,
            1,
        ),
        (
            "accounts?select=display_name,entitlements()&entitlements=not.is.null&limit=1",
            r#"[{"display_name":"Acme"}]"#,
            2,
        ),
        (
            "accounts?select=display_name,e:entitlements()&e.status=eq.expired&or=(e.not.is.null,display_name.like.Z*)",
            r#"[{"display_name":"Acme"},{"display_name":"Zeta, Inc."}]"#,
            2,
        ),
        (
            "plans?select=plan_id,accounts!accounts_plan_id_fkey!inner(entitlements!inner(entitlement_id))&accounts.entitlements.status=eq.expired",
            r#"[{"plan_id":"pro","accounts":[{"entitlements":[{"entitlement_id":2}]}]}]"#,
            1,
        ),
        (
            "labels?select=label,accounts!inner()&accounts.display_name=eq.Acme Team",
            r#"[{"label":"eu"}]"#,
            1,
        ),
    ] {
        let (table, query) = path.split_once('?').expect("a query");
        assert_eq!(
            get(table, query, "*/*"),
            Ok((body.to_owned(), total)),
            "{path}"
        );
    }
}

#[test]
fn rows_come_as_objects_arrays_and_csv() {
    let object = "application/vnd.pgrst.object+json";
    for (table, query, media, body) in [
        (
            "plans",
            "plan_id=eq.pro",
            object,
            r#"{"plan_id":"pro","plan_name":"Pro","is_trial":false,"trial_days":null}"#,
        ),
        (
            "plans",
            "plan_id=eq.pro",
            "application/vnd.pgrst.object+json;nulls=stripped",
            r#"{"plan_id":"pro","plan_name":"Pro","is_trial":false}"#,
        ),
        (
            "plans",
            "limit=1",
            "application/vnd.pgrst.array+json;nulls=stripped",
            r#"[{"plan_id":"pro","plan_name":"Pro","is_trial":false}]"#,
        ),
        (
            "accounts",
            "select=metadata,plan_id(plan_id)&order=display_name.desc&limit=1",
            "application/vnd.pgrst.array+json;nulls=stripped",
            r#"[{"metadata":{}}]"#,
        ),
        (
            "accounts",
            "select=metadata&limit=1",
            "application/vnd.pgrst.array+json;nulls=stripped",
            r#"[{"metadata":{"tags": ["x", "y"], "tier": {"n": 2}}}]"#,
        ),
        (
            "plans",
            "is_trial=is.true",
            "text/csv",
            "plan_id,plan_name,is_trial,trial_days\ntrial-14d,\"14-Day Free Trial\",t,14\ntrial-7d,Week,t,7",
        ),
        (
            "accounts",
            "select=display_name,created_at,plan_id,entitlements(entitlement_id)&order=display_name.desc&limit=1",
            "text/csv",
            "display_name,created_at,plan_id,entitlements\n\"Zeta, Inc.\",\"2026-11-23 02:12:09.88+00\",,[]",
        ),
    ] {
        assert_eq!(
            get(table, query, media).map(|(body, _)| body).as_deref(),
            Ok(body),
            "{table}?{query}"
        );
    }
}
