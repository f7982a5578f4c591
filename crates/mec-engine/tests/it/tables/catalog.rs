//! Rows of the catalog, its plans' templates and its rules.

use crate::world::*;

on_both!(
    rows_of_the_catalog_are_made_changed_and_removed,
    a_plan_and_its_templates_are_rows_and_a_change_of_templates_is_a_new_version,
    rules_of_everybody_and_of_one_account_are_rows_of_one_table,
    an_overage_rule_states_its_price_and_for_everybody_how_far_it_goes,
    one_bad_row_and_nothing_changes_in_the_catalog_nor_in_a_tree,
);

async fn rows_of_the_catalog_are_made_changed_and_removed(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    world
        .post(
            "units",
            r#"{"unit_code":"day","unit_name":"Day","dimension":"time","factor":86400}"#,
        )
        .await
        .unwrap();
    let told = told_of(
        world
            .post(
                "units",
                r#"{"unit_code":"day","unit_name":"D","dimension":"time","factor":1}"#,
            )
            .await,
    );
    assert!(
        told.starts_with("409 23505 duplicate key value violates unique constraint \"units_pkey\" | Key (unit_code)=(day)")
    );
    let resource = r#"{"resource_type_code":"days","resource_name":"Days","limit_kind_code":"cumulative","unit_code":"day"}"#;
    world.post("resource_types", resource).await.unwrap();
    world
        .patch(
            "resource_types?resource_type_code=eq.days",
            r#"{"description":"Whole days"}"#,
        )
        .await
        .unwrap();
    let row = &world.get("resource_types?resource_type_code=eq.days").await[0];
    assert_eq!(
        (
            &row["description"],
            row["allowed_units"].as_array().map(Vec::len)
        ),
        (&"Whole days".into(), Some(0))
    );
    let told = told_of(world.delete("units?unit_code=eq.day").await);
    assert!(
        told.starts_with("409 23503 update or delete on table \"units\""),
        "{told}"
    );
    world
        .delete("resource_types?resource_type_code=eq.days")
        .await
        .unwrap();
    world.delete("units?unit_code=eq.day").await.unwrap();
    assert_eq!(world.get("units?unit_code=eq.day").await.len(), 0);
    let told = told_of(world.post("resource_types", resource).await);
    assert!(
        told.starts_with("409 23503 insert or update on table \"resource_types\""),
        "{told}"
    );
    world
        .post("account_types", r#"{"account_type_code":"robot"}"#)
        .await
        .unwrap();
    world
        .patch(
            "account_types?account_type_code=eq.robot",
            r#"{"description":"No person"}"#,
        )
        .await
        .unwrap();
    assert_eq!(
        world
            .delete("account_types?account_type_code=eq.robot")
            .await
            .unwrap()
            .keys
            .len(),
        1
    );
    let told = told_of(
        world
            .post(
                "units",
                r#"{"unit_code":"nil","unit_name":"Nil","dimension":"x","factor":0}"#,
            )
            .await,
    );
    assert_eq!(told, "MEC_BAD_VALUE factor");
}

async fn a_plan_and_its_templates_are_rows_and_a_change_of_templates_is_a_new_version(
    place: impl Place + 'static,
) {
    let world = World::open_in(place).await;
    let plan = r#"{"plan_id":"team","plan_name":"Team","price_amount":49.5,"price_currency":"USD","metadata":{"tier":2}}"#;
    world.post("plans", plan).await.unwrap();
    let templates = r#"[
        {"plan_id":"team","resource_type_code":"gpu_hours","quantity_allowed":40,"window_type_code":"month","sort_order":2},
        {"plan_id":"team","resource_type_code":"benchmark_runs","quantity_allowed":200,"window_type_code":"month","sort_order":1}]"#;
    let made = world
        .post("plan_entitlement_templates", templates)
        .await
        .unwrap();
    let named = world
        .get("plan_entitlement_templates?plan_id=eq.team&select=template_id,resource_type_code")
        .await;
    let of = |resource: &str| {
        named
            .iter()
            .find(|row| row["resource_type_code"] == resource)
            .unwrap()["template_id"]
            .clone()
    };
    assert_eq!(
        made.keys
            .iter()
            .map(|key| text(&key[0]))
            .collect::<Vec<_>>(),
        [of("gpu_hours"), of("benchmark_runs")]
    );
    let version = "plans?plan_id=eq.team&select=version,price_amount,is_active";
    assert_eq!(shown(&world.get(version).await[0]), "2 49.5 true");

    let account = world.account("Acme").await;
    world.provision(&account, "team").await;
    assert_eq!(world.get("entitlements?plan_id=eq.team").await.len(), 2);
    world
        .patch(
            "plan_entitlement_templates?resource_type_code=eq.gpu_hours&plan_id=eq.team",
            r#"{"quantity_allowed":null}"#,
        )
        .await
        .unwrap();
    world
        .patch("plans?plan_id=eq.team", r#"{"plan_name":"Team 2"}"#)
        .await
        .unwrap();
    assert_eq!(shown(&world.get(version).await[0]), "3 49.5 true");
    world
        .delete("plan_entitlement_templates?resource_type_code=eq.gpu_hours&plan_id=eq.team")
        .await
        .unwrap();
    assert_eq!(shown(&world.get(version).await[0]), "4 49.5 true");
    let told = told_of(world.delete("plans?plan_id=eq.team").await);
    assert!(
        told.starts_with("409 23503 update or delete on table \"plans\""),
        "{told}"
    );
    let merged =
        r#"[{"plan_id":"team","plan_name":"Team 3"},{"plan_id":"club","plan_name":"Club"}]"#;
    let touched = world.upsert("plans", "merge", merged).await.unwrap();
    assert_eq!((touched.keys.len(), touched.inserted), (2, 1));
    assert_eq!(
        world
            .get("plan_entitlement_templates?plan_id=eq.team")
            .await
            .len(),
        1
    );
    world.delete("plans?plan_id=eq.club").await.unwrap();
    let bad =
        r#"{"plan_id":"team","resource_type_code":"gpu_hours","limit_kind_code":"inventory"}"#;
    assert_eq!(
        told_of(world.post("plan_entitlement_templates", bad).await),
        "MEC_BAD_VALUE limit_kind_code"
    );
}

async fn rules_of_everybody_and_of_one_account_are_rows_of_one_table(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    let account = world.account("Acme").await;
    world.provision(&account, "starter").await;
    let rules = format!(
        r#"[{{"resource_type_code":"benchmark_runs","account_id":"{account}","limit_action_code":"warn","warn_at_percent":null}},
            {{"resource_type_code":"benchmark_runs","account_id":null,"limit_action_code":"block","warn_at_percent":50.5}}]"#
    );
    let before = world.get("control_rules").await.len();
    let made = world.post("control_rules", &rules).await.unwrap();
    let row = |at: usize| {
        format!(
            "control_rules?rule_id=eq.{}",
            text(&made.keys[at][0]).as_str().unwrap().to_owned()
        )
    };
    assert_eq!(world.get(&row(0)).await[0]["limit_action_code"], "warn");
    assert_eq!(
        world.get(&row(1)).await[0]["warn_at_percent"].to_string(),
        "50.5"
    );
    assert_eq!(
        world.decision_of(&account, "benchmark_runs", 101).await,
        "warn Over limit: usage at 101.0%"
    );
    world
        .patch(
            "control_rules?resource_type_code=eq.benchmark_runs",
            r#"{"limit_action_code":"block","priority":7}"#,
        )
        .await
        .unwrap();
    assert_eq!(
        world.decision_of(&account, "benchmark_runs", 101).await,
        "block Limit reached"
    );
    assert_eq!(world.get(&row(0)).await[0]["priority"], 7);
    assert_eq!(world.get(&row(1)).await[0]["priority"], 7);
    let told = told_of(
        world
            .patch(&row(0), r#"{"limit_action_code":"grace"}"#)
            .await,
    );
    assert_eq!(told, "MEC_BAD_VALUE grace_quantity");
    for at in 0..2 {
        assert_eq!(world.delete(&row(at)).await.unwrap().keys.len(), 1);
    }
    assert_eq!(world.get("control_rules").await.len(), before);
}

async fn an_overage_rule_states_its_price_and_for_everybody_how_far_it_goes(
    place: impl Place + 'static,
) {
    let world = World::open_in(place).await;
    let account = world.account("Acme").await;
    let post = async |resource: &str, rest: &str| {
        let rule =
            format!(r#"{{"resource_type_code":"{resource}","limit_action_code":"overage"{rest}}}"#);
        world.post("control_rules", &rule).await
    };
    let of_account = format!(r#","account_id":"{account}""#);
    let refusals = [
        (
            "gpu_hours",
            r#","overage_limit":null"#.to_owned(),
            "overage_unit_price",
        ),
        (
            "gpu_hours",
            r#","overage_limit":null,"overage_unit_price":0"#.to_owned(),
            "currency",
        ),
        (
            "gpu_hours",
            r#","overage_unit_price":0,"currency":"USD""#.to_owned(),
            "overage_limit",
        ),
        ("gpu_hours", of_account.clone(), "overage_unit_price"),
        (
            "concurrent_users",
            r#","overage_limit":9,"overage_unit_price":1,"currency":"USD""#.to_owned(),
            "limit_action_code",
        ),
        (
            "platform_access",
            format!(r#"{of_account},"overage_unit_price":1,"currency":"USD""#),
            "limit_action_code",
        ),
    ];
    for (resource, rest, column) in &refusals {
        assert_eq!(
            told_of(post(resource, rest).await),
            format!("MEC_BAD_VALUE {column}"),
            "{resource}{rest}"
        );
    }
    for rest in [
        r#","overage_limit":null,"overage_unit_price":0,"currency":"USD""#.to_owned(),
        r#","plan_id":"starter","overage_unit_price":0,"currency":"USD""#.to_owned(),
        format!(r#"{of_account},"overage_unit_price":0,"currency":"USD""#),
    ] {
        post("server_configs", &rest).await.unwrap();
    }
    // A window is part of a rule like the rest of it; 20 an hour beside 100 a month blocks
    // until a rule names it.
    let rate = format!(
        r#"{{"account_id":"{account}","resource_type_code":"benchmark_runs","quantity_allowed":20,
            "window_type_code":"rolling","window_seconds":3600}}"#
    );
    world.post("entitlements", &rate).await.unwrap();
    let monthly = format!(r#"{of_account},"overage_unit_price":1,"currency":"USD""#);
    post("benchmark_runs", &monthly).await.unwrap();
    assert_eq!(
        world.decision_of(&account, "benchmark_runs", 21).await,
        "block Limit reached"
    );
    post(
        "benchmark_runs",
        &format!(r#"{monthly},"window_type_code":"rolling""#),
    )
    .await
    .unwrap();
    assert_eq!(
        world.decision_of(&account, "benchmark_runs", 21).await,
        "overage Over limit by 1, will be billed"
    );
    let rolling = world
        .get("control_rules?window_type_code=eq.rolling&select=limit_action_code,window_type_code")
        .await;
    assert_eq!(shown(&rolling[0]), "overage rolling");
    world
        .patch(
            "control_rules?window_type_code=eq.rolling",
            r#"{"window_type_code":"month"}"#,
        )
        .await
        .unwrap();
    assert_eq!(
        world.decision_of(&account, "benchmark_runs", 21).await,
        "block Limit reached"
    );
    let seats = r#"{"resource_type_code":"concurrent_users","limit_action_code":"warn","window_type_code":"month"}"#;
    assert_eq!(
        told_of(world.post("control_rules", seats).await),
        "MEC_BAD_VALUE window_type_code"
    );
    // What was stated once need not be stated with every change; what becomes overage states
    // it.
    let everybody =
        "control_rules?resource_type_code=eq.server_configs&account_id=is.null&plan_id=is.null";
    world
        .patch(
            &format!("{everybody}&limit_action_code=eq.overage"),
            r#"{"priority":3}"#,
        )
        .await
        .unwrap();
    let priced = r#""limit_action_code":"overage","overage_unit_price":2,"currency":"USD""#;
    let blocking = format!("{everybody}&limit_action_code=eq.block");
    assert_eq!(
        told_of(world.patch(&blocking, &format!("{{{priced}}}")).await),
        "MEC_BAD_VALUE overage_limit"
    );
    let changed = world
        .patch(&blocking, &format!(r#"{{{priced},"overage_limit":null}}"#))
        .await
        .unwrap();
    assert_eq!(changed.keys.len(), 1);
}

async fn one_bad_row_and_nothing_changes_in_the_catalog_nor_in_a_tree(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    let account = world.account("Acme").await;
    let rules = format!(
        r#"[{{"resource_type_code":"benchmark_runs","account_id":null,"limit_action_code":"warn"}},
            {{"resource_type_code":"benchmark_runs","account_id":"{account}","limit_action_code":"grace"}}]"#
    );
    let before = (
        world.get("control_rules").await.len(),
        world.mec.status().catalog_version,
    );
    assert_eq!(
        told_of(world.post("control_rules", &rules).await),
        "MEC_BAD_VALUE grace_quantity"
    );
    assert_eq!(
        (
            world.get("control_rules").await.len(),
            world.mec.status().catalog_version
        ),
        before
    );
}
