//! Writes of the table API: each family made, changed and removed; all or nothing; seen by the next
//! decision.

mod place;
#[path = "tables/world.rs"]
mod world;

use world::Database;

mod accounts {
    use super::world::*;

    on_both!(
        an_account_without_a_parent_is_the_root_of_a_new_tree,
        a_child_is_in_its_parents_tree,
        what_clients_of_postgresql_expect_is_said_in_its_words,
        a_patch_of_many_accounts_changes_all_or_none,
        an_upsert_by_external_id_makes_what_is_not_there_and_changes_what_is,
        no_account_is_deleted,
    );

    async fn an_account_without_a_parent_is_the_root_of_a_new_tree(place: impl Place + 'static) {
        let world = World::open_in(place).await;
        let rows = world
            .post("accounts", r#"[{"display_name":"A"},{"display_name":"B"}]"#)
            .await
            .unwrap();
        let read = world
            .get("accounts?order=display_name&select=display_name,status,account_type_code,root_account_id,account_id")
            .await;
        assert_eq!(rows.inserted, 2);
        for (row, name) in read.iter().zip(["A", "B"]) {
            assert_eq!(row["display_name"], name);
            assert_eq!(row["account_id"], row["root_account_id"]);
            assert_eq!(
                (&row["status"], &row["account_type_code"]),
                (&"active".into(), &"organization".into())
            );
        }
        let trees: Vec<u128> = rows
            .keys
            .iter()
            .map(|key| id(&key[0]) & 0xffff_ffff)
            .collect();
        assert_ne!(trees[0], trees[1]);
        assert!(trees.iter().all(|tree| *tree > 0 && *tree <= 0x7fff_ffff));
    }

    async fn a_child_is_in_its_parents_tree(place: impl Place + 'static) {
        let world = World::open_in(place).await;
        let root = world.account("Root").await;
        let child = world
            .post_one(
                "accounts",
                &format!(r#"{{"display_name":"C","parent_account_id":"{root}"}}"#),
            )
            .await;
        let rows = world.get(&format!("accounts?account_id=eq.{child}")).await;
        assert_eq!(rows[0]["root_account_id"], root);
        assert_eq!(child[28..], root[28..]);
    }

    async fn what_clients_of_postgresql_expect_is_said_in_its_words(place: impl Place + 'static) {
        let world = World::open_in(place).await;
        world
            .post("accounts", r#"{"display_name":"A","external_id":"x"}"#)
            .await
            .unwrap();
        let nobody = "00000000-0000-7000-8000-000000000007";
        for (body, told) in [
            (
                r#"{"display_name":"B","external_id":"x"}"#.to_owned(),
                "409 23505 duplicate key value violates unique constraint \"accounts_external_id_key\" | Key (external_id)=(x) already exists.".to_owned(),
            ),
            (
                r#"[{"display_name":"B","external_id":"y"},{"display_name":"C","external_id":"y"}]"#.to_owned(),
                "409 23505 duplicate key value violates unique constraint \"accounts_external_id_key\" | Key (external_id)=(y) already exists.".to_owned(),
            ),
            (
                r#"[{"display_name":"B","external_id":"z"},{"display_name":"C","external_id":"x"}]"#.to_owned(),
                "409 23505 duplicate key value violates unique constraint \"accounts_external_id_key\" | Key (external_id)=(x) already exists.".to_owned(),
            ),
            (
                r#"{"display_name":"B","account_type_code":"zzz"}"#.to_owned(),
                "409 23503 insert or update on table \"accounts\" violates foreign key constraint \"accounts_account_type_code_fkey\" | Key (account_type_code)=(zzz) is not present in table \"account_types\".".to_owned(),
            ),
            (
                format!(r#"{{"display_name":"B","parent_account_id":"{nobody}"}}"#),
                format!("409 23503 insert or update on table \"accounts\" violates foreign key constraint \"accounts_parent_account_id_fkey\" | Key (parent_account_id)=({nobody}) is not present in table \"accounts\"."),
            ),
        ] {
            assert_eq!(told_of(world.post("accounts", &body).await), told, "{body}");
        }
        assert_eq!(world.get("accounts").await.len(), 1);
    }

    async fn a_patch_of_many_accounts_changes_all_or_none(place: impl Place + 'static) {
        let world = World::open_in(place).await;
        for name in ["A", "B", "C"] {
            world.account(name).await;
        }
        world
            .patch("accounts?display_name=eq.B", r#"{"status":"closed"}"#)
            .await
            .unwrap();
        // B is closed for good, so neither A nor C is changed.
        let refused = world
            .patch(
                "accounts?display_name=in.(A,B,C)",
                r#"{"status":"active","email":"x@y.z"}"#,
            )
            .await;
        assert_eq!(told_of(refused), "MEC_ACCOUNT_CLOSED");
        assert!(
            world
                .get("accounts")
                .await
                .iter()
                .all(|row| row["email"].is_null())
        );
        let changed = world
            .patch(
                "accounts?display_name=in.(A,B,C)",
                r#"{"email":"x@y.z","metadata":{"a":[1]}}"#,
            )
            .await
            .unwrap();
        assert_eq!(changed.keys.len(), 3);
        let rows = world.get("accounts").await;
        assert!(
            rows.iter()
                .all(|row| row["email"] == "x@y.z" && row["metadata"]["a"][0] == 1)
        );
    }

    async fn an_upsert_by_external_id_makes_what_is_not_there_and_changes_what_is(
        place: impl Place + 'static,
    ) {
        let world = World::open_in(place).await;
        world
            .post(
                "accounts",
                r#"{"display_name":"A","external_id":"a","email":"a@x"}"#,
            )
            .await
            .unwrap();
        let both =
            r#"[{"display_name":"A2","external_id":"a"},{"display_name":"B","external_id":"b"}]"#;
        let touched = world
            .upsert("accounts?on_conflict=external_id", "merge", both)
            .await
            .unwrap();
        assert_eq!((touched.keys.len(), touched.inserted), (2, 1));
        let rows = world.get("accounts?order=external_id").await;
        assert_eq!(
            (&rows[0]["display_name"], &rows[0]["email"]),
            (&"A2".into(), &"a@x".into())
        );
        assert_eq!(rows[1]["display_name"], "B");

        let again =
            r#"[{"display_name":"A3","external_id":"a"},{"display_name":"C","external_id":"c"}]"#;
        let touched = world
            .upsert("accounts?on_conflict=external_id", "ignore", again)
            .await
            .unwrap();
        assert_eq!((touched.keys.len(), touched.inserted), (1, 1));
        assert_eq!(
            world.get("accounts?external_id=eq.a").await[0]["display_name"],
            "A2"
        );

        let twice =
            r#"[{"display_name":"D","external_id":"d"},{"display_name":"E","external_id":"d"}]"#;
        let refused = world
            .upsert("accounts?on_conflict=external_id", "merge", twice)
            .await;
        assert!(
            told_of(refused)
                .starts_with("ON CONFLICT DO UPDATE command cannot affect row a second time")
        );
    }

    async fn no_account_is_deleted(place: impl Place + 'static) {
        let world = World::open_in(place).await;
        world.account("A").await;
        assert_eq!(
            world
                .delete("accounts?display_name=eq.nobody")
                .await
                .unwrap()
                .keys
                .len(),
            0
        );
        assert!(
            told_of(world.delete("accounts?display_name=eq.A").await)
                .starts_with("409 23503 accounts are never deleted")
        );
        assert_eq!(world.get("accounts").await.len(), 1);
    }
}

mod entitlements {
    use super::world::*;

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
        assert!(
            told_of(world.post("entitlement_conditions", nobody).await).starts_with("409 23503")
        );
        // The grant, two conditions made, one changed, two removed.
        assert_eq!(
            world
                .get("entitlements_audit?reason=eq.table write")
                .await
                .len(),
            6
        );
    }
}

mod catalog {
    use super::world::*;

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

    async fn rules_of_everybody_and_of_one_account_are_rows_of_one_table(
        place: impl Place + 'static,
    ) {
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
            let rule = format!(
                r#"{{"resource_type_code":"{resource}","limit_action_code":"overage"{rest}}}"#
            );
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
        let rolling = world.get("control_rules?window_type_code=eq.rolling&select=limit_action_code,window_type_code").await;
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

    async fn one_bad_row_and_nothing_changes_in_the_catalog_nor_in_a_tree(
        place: impl Place + 'static,
    ) {
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
}

mod read_only {
    use super::world::*;
    use mec_query::Verb;

    on_both!(
        the_ledger_is_append_only_and_says_so,
        every_writable_table_takes_writes,
    );

    async fn the_ledger_is_append_only_and_says_so(place: impl Place + 'static) {
        let world = World::open_in(place).await;
        let refused = |table: &str, verb| {
            let error =
                mec_engine::check_verb(world.schema.table(table).unwrap(), verb).unwrap_err();
            format!(
                "{} {} {} | {}",
                error.status,
                error.code,
                error.message,
                error.hint.unwrap_or_default()
            )
        };
        let told = refused("consumption_ledger", Verb::Patch);
        assert!(
            told.starts_with("400 P0001 Consumption ledger is append-only. Cannot update. | "),
            "{told}"
        );
        let told = refused("consumption_ledger", Verb::Delete);
        assert!(
            told.starts_with("400 P0001 Consumption ledger is append-only. Cannot delete. | "),
            "{told}"
        );
        assert!(refused("consumption_ledger", Verb::Post).contains("/rpc/meter_consumption"));
        assert!(refused("concurrency_leases", Verb::Post).contains("/rpc/acquire_lease"));
        assert!(
            refused("account_plans", Verb::Post)
                .starts_with("403 42501 permission denied for table account_plans")
        );
        let told = told_of(world.delete("consumption_ledger?quantity=eq.1").await);
        assert!(
            told.starts_with("400 P0001 Consumption ledger is append-only. Cannot delete."),
            "{told}"
        );
    }

    async fn every_writable_table_takes_writes(place: impl Place + 'static) {
        let world = World::open_in(place).await;
        for table in world
            .schema
            .tables()
            .iter()
            .filter(|table| table.allows(Verb::Delete))
        {
            let key = table.columns[table.key_positions()[0]].name;
            let none = match table.columns[table.key_positions()[0]].ty {
                mec_query::Type::Uuid => "00000000-0000-7000-8000-000000000007",
                _ => "nothing",
            };
            let touched = world
                .delete(&format!("{}?{key}=eq.{none}", table.name))
                .await
                .unwrap();
            assert_eq!(touched.keys.len(), 0, "{}", table.name);
        }
    }
}

mod on_postgres {
    use mec_engine::{Mec, Options};

    use super::world::*;

    /// What the coordinator of a Citus database knows of its shards, on a plain server.
    const SPREAD: &str = "CREATE TABLE pg_dist_local_group (groupid integer); INSERT INTO pg_dist_local_group VALUES (0); \
         CREATE TABLE pg_dist_partition (logicalrelid regclass); \
         CREATE TABLE pg_dist_shard (logicalrelid regclass, shardminvalue text); \
         INSERT INTO pg_dist_shard SELECT 'account_trees'::regclass, (-2147483648 + n * 134217728)::text \
         FROM generate_series(0::bigint, 31) AS shards(n)";

    #[tokio::test]
    async fn where_the_tables_are_spread_commands_of_all_shards_are_done_and_a_write_of_several_is_refused()
     {
        let place = Database::new();
        Mec::open(&place.url(), Options::default())
            .await
            .unwrap()
            .close()
            .await
            .unwrap();
        place.sql(SPREAD);
        let world = World::open_in(place).await;
        let many: Vec<String> = (0..20)
            .map(|n| format!(r#"{{"display_name":"{n}"}}"#))
            .collect();
        let refused = world
            .post("accounts", &format!("[{}]", many.join(",")))
            .await
            .unwrap_err();
        assert!(
            matches!(refused, mec_engine::MecError::AcrossShards),
            "{refused}"
        );
        let mut events = vec![];
        for n in 0..8 {
            let account: mec_kernel::AccountId =
                world.account(&n.to_string()).await.parse().unwrap();
            events.extend((0..20).map(|key| mec_kernel::Meter {
                key: key.to_string().as_str().into(),
                account,
                resource: "benchmark_runs".into(),
                scope: None,
                quantity: mec_kernel::Quantity::whole(1),
                unit: None,
                occurred_at: None,
                details: None,
                is_correction: false,
                corrects: None,
                attributes: mec_kernel::Attributes::new(),
            }));
        }
        // Those of one account are not beside each other.
        events.sort_by(|one, other| one.key.cmp(&other.key));
        let outcomes = world.mec.meter_batch(events, &caller()).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        assert_eq!(
            world.get("consumption_ledger?select=event_id").await.len(),
            160
        );
    }
}
