//! Accounts: made with or without a parent, changed, never deleted.

use crate::world::*;

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
