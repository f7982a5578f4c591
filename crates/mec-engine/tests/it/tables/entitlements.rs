//! Entitlements and their conditions.

use crate::world::*;

on_both!(
    one_bad_row_of_three_and_none_is_granted,
    the_next_decision_sees_a_patch_of_all_rows_of_an_account,
    a_window_is_patched_column_by_column,
    a_limit_that_is_not_cumulative_has_no_window_to_be_given,
    more_than_a_thousand_rows_are_refused,
    more_rows_than_expected_leave_everything_as_it_was,
    an_entitlement_is_ended_and_not_deleted,
    a_condition_counts_as_long_as_it_is_there,
);

async fn one_bad_row_of_three_and_none_is_granted(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    let (one, other) = (world.account("A").await, world.account("B").await);
    let row = |account: &str, resource: &str| {
        format!(
            r#"{{"account_id":"{account}","resource_type_code":"{resource}","quantity_allowed":5}}"#
        )
    };
    let bad = format!(
        "[{},{},{}]",
        row(&one, "benchmark_runs"),
        row(&other, "benchmark_runs"),
        row(&one, "nothing")
    );
    let told = "409 23503 insert or update on table \"entitlements\" violates foreign key constraint \
                \"entitlements_resource_type_code_fkey\" | Key (resource_type_code)=(nothing) is not present in table \"resource_types\".";
    assert_eq!(told_of(world.post("entitlements", &bad).await), told);
    assert_eq!(world.get("entitlements").await.len(), 0);
    assert_eq!(world.get("entitlements_audit").await.len(), 0);

    let good = format!(
        "[{},{}]",
        row(&one, "benchmark_runs"),
        row(&other, "gpu_hours")
    );
    let touched = world.post("entitlements", &good).await.unwrap();
    assert_eq!(touched.inserted, 2);
    let rows = world.get("entitlements?select=account_id,source,limit_kind_code,quantity_allowed,window_type_code").await;
    assert_eq!(rows[0]["source"], "manual");
    assert_eq!(rows[0]["window_type_code"], "lifetime");
    let audit = world
        .get("entitlements_audit?select=action,changed_by,old_row")
        .await;
    assert_eq!(audit.len(), 2);
    assert!(audit.iter().all(|row| row["action"] == "create"
        && row["changed_by"] == "test"
        && row["old_row"].is_null()));
}

async fn the_next_decision_sees_a_patch_of_all_rows_of_an_account(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    let account = world.account("Acme").await;
    world.provision(&account, "starter").await;
    assert_eq!(
        world.decision(&account, "benchmark_runs").await,
        "allow Within entitlement"
    );
    let filter = format!("entitlements?account_id=eq.{account}");
    let touched = world
        .patch(&filter, r#"{"status":"expired"}"#)
        .await
        .unwrap();
    assert_eq!(touched.keys.len(), 5);
    assert_eq!(
        world.decision(&account, "benchmark_runs").await,
        "deny Entitlement expired"
    );
    assert_eq!(
        world.get("entitlements_audit?action=eq.expire").await.len(),
        5
    );
    // Expired is final; saying it again is no mistake.
    assert_eq!(
        told_of(world.patch(&filter, r#"{"status":"active"}"#).await),
        "MEC_ENTITLEMENT_EXPIRED"
    );
    world
        .patch(&filter, r#"{"status":"expired"}"#)
        .await
        .unwrap();
    world.provision(&account, "pro").await;
    assert_eq!(
        world.decision(&account, "benchmark_runs").await,
        "allow Within entitlement"
    );
}

async fn a_window_is_patched_column_by_column(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    let account = world.account("Acme").await;
    let row = format!(
        r#"{{"account_id":"{account}","resource_type_code":"benchmark_runs","quantity_allowed":5,
             "window_type_code":"rolling","window_seconds":3600,"source":"override","priority":3}}"#
    );
    world.post("entitlements", &row).await.unwrap();
    let window =
        "entitlements?select=window_type_code,window_seconds,window_anchor,priority,source";
    let filter = "entitlements?resource_type_code=eq.benchmark_runs";
    assert_eq!(
        shown(&world.get(window).await[0]),
        "rolling 3600 null 3 override"
    );
    world
        .patch(filter, r#"{"window_seconds":7200}"#)
        .await
        .unwrap();
    assert_eq!(
        shown(&world.get(window).await[0]),
        "rolling 7200 null 3 override"
    );
    world
        .patch(
            filter,
            r#"{"window_type_code":"billing_month","window_anchor":"2026-01-31T00:00:00Z"}"#,
        )
        .await
        .unwrap();
    assert_eq!(
        shown(&world.get(window).await[0]),
        "billing_month null 2026-01-31T00:00:00Z 3 override"
    );
    world
        .patch(filter, r#"{"window_type_code":null}"#)
        .await
        .unwrap();
    assert_eq!(
        shown(&world.get(window).await[0]),
        "lifetime null 2026-01-31T00:00:00Z 3 override"
    );
    assert_eq!(
        told_of(
            world
                .patch(filter, r#"{"window_type_code":"rolling"}"#)
                .await
        ),
        "MEC_BAD_VALUE window_seconds"
    );
    let told = told_of(
        world
            .patch(filter, r#"{"window_type_code":"fortnight"}"#)
            .await,
    );
    assert!(told.starts_with("409 23503"), "{told}");
}

async fn a_limit_that_is_not_cumulative_has_no_window_to_be_given(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    let account = world.account("Acme").await;
    world.provision(&account, "starter").await;
    let seats = "entitlements?resource_type_code=eq.concurrent_users";
    world
        .patch(
            seats,
            r#"{"window_type_code":"month","quantity_allowed":4}"#,
        )
        .await
        .unwrap();
    let row = &world
        .get(&format!("{seats}&select=window_type_code,quantity_allowed"))
        .await[0];
    assert_eq!(shown(row), "lifetime 4");
}

async fn more_than_a_thousand_rows_are_refused(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    // An account has 200 at most, so they are of several.
    let mut accounts = vec![];
    for number in 0..6 {
        accounts.push(world.account(&format!("Acme {number}")).await);
    }
    let row = |number: usize| {
        let account = &accounts[number / 180];
        format!(
            r#"{{"account_id":"{account}","resource_type_code":"benchmark_runs","quantity_allowed":1}}"#
        )
    };
    let rows = |numbers: std::ops::Range<usize>| {
        format!("[{}]", numbers.map(row).collect::<Vec<_>>().join(","))
    };
    let told = "One request writes at most 1000 rows";
    assert_eq!(
        told_of(world.post("entitlements", &rows(0..1_001)).await),
        told
    );
    assert_eq!(world.get("entitlements?limit=1").await.len(), 0);
    assert_eq!(
        world
            .post("entitlements", &rows(0..1_000))
            .await
            .unwrap()
            .keys
            .len(),
        1_000
    );
    world
        .post("entitlements", &rows(1_000..1_001))
        .await
        .unwrap();
    assert_eq!(
        told_of(
            world
                .patch("entitlements?quantity_allowed=eq.1", r#"{"priority":1}"#)
                .await
        ),
        told
    );
}

async fn more_rows_than_expected_leave_everything_as_it_was(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    let account = world.account("Acme").await;
    world.provision(&account, "starter").await;
    let all = format!("entitlements?account_id=eq.{account}");
    let expected = mec_engine::Expected {
        rows_max: Some(4),
        exactly_one: false,
    };
    assert!(
        told_of(
            world
                .patch_expecting(&all, r#"{"status":"suspended"}"#, expected)
                .await
        )
        .starts_with("400 PGRST124")
    );
    let expected = mec_engine::Expected {
        rows_max: None,
        exactly_one: true,
    };
    assert!(
        told_of(
            world
                .patch_expecting(&all, r#"{"status":"suspended"}"#, expected)
                .await
        )
        .starts_with("406 PGRST116")
    );
    assert_eq!(world.get("entitlements?status=eq.active").await.len(), 5);
}

async fn an_entitlement_is_ended_and_not_deleted(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    let account = world.account("Acme").await;
    world.provision(&account, "starter").await;
    let told = told_of(
        world
            .delete(&format!("entitlements?account_id=eq.{account}"))
            .await,
    );
    assert!(
        told.starts_with("409 23503 update or delete on table \"entitlements\""),
        "{told}"
    );
    assert_eq!(world.get("entitlements").await.len(), 5);
}

async fn a_condition_counts_as_long_as_it_is_there(place: impl Place + 'static) {
    let world = World::open_in(place).await;
    let account = world.account("Acme").await;
    let row = format!(
        r#"{{"account_id":"{account}","resource_type_code":"benchmark_runs","quantity_allowed":5}}"#
    );
    let entitlement = world.post_one("entitlements", &row).await;
    let condition = format!(
        r#"[{{"entitlement_id":"{entitlement}","condition_type":"attribute","attribute":"region","operator":"eq","value":"eu"}},
            {{"entitlement_id":"{entitlement}","condition_type":"attribute","attribute":"tier","operator":"in","value":["a","b"]}}]"#
    );
    world
        .post("entitlement_conditions", &condition)
        .await
        .unwrap();
    assert_eq!(
        world.decision(&account, "benchmark_runs").await,
        "deny Condition not met"
    );
    let rows = world
        .get("entitlement_conditions?select=attribute,operator,value&order=attribute")
        .await;
    assert_eq!(shown(&rows[0]), "region eq eu");
    let told = world
        .patch(
            "entitlement_conditions?attribute=eq.tier",
            r#"{"operator":"gt"}"#,
        )
        .await;
    assert_eq!(told_of(told), "MEC_BAD_VALUE value");
    world
        .patch(
            "entitlement_conditions?attribute=eq.tier",
            r#"{"operator":"neq","value":"x"}"#,
        )
        .await
        .unwrap();
    let rows = world
        .get("entitlement_conditions?select=operator,value&attribute=eq.tier")
        .await;
    assert_eq!(shown(&rows[0]), "neq x");
    let gone = world
        .delete("entitlement_conditions?attribute=in.(region,tier)")
        .await
        .unwrap();
    assert_eq!(gone.keys.len(), 2);
    assert_eq!(
        world.decision(&account, "benchmark_runs").await,
        "allow Within entitlement"
    );
    let nobody = r#"{"entitlement_id":"00000000-0000-7000-8000-000000000007","condition_type":"weekday","value":[1]}"#;
    assert!(told_of(world.post("entitlement_conditions", nobody).await).starts_with("409 23503"));
    // The grant, two conditions made, one changed, two removed.
    assert_eq!(
        world
            .get("entitlements_audit?reason=eq.table write")
            .await
            .len(),
        6
    );
}
