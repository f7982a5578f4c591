//! Accounts: made once under a fixed parent, at most eight levels, each external id once.

use mec_kernel::*;

use crate::world::{World, new_account};

fn try_create(world: &mut World, create: &CreateAccount) -> Result<Account, Refusal> {
    world.run(|view, making| create_account(view, making.ids, create))
}

fn named(parent: AccountId, external_id: &str) -> CreateAccount {
    CreateAccount {
        external_id: Some(external_id.into()),
        ..new_account(Some(parent))
    }
}

#[test]
fn a_tree_has_at_most_eight_levels() {
    let mut world = World::new();
    let root = world.root();
    let mut lowest = root;
    for _ in 2..=8 {
        lowest = world.child(lowest);
    }
    assert_eq!(world.written.accounts[&lowest].root, root);
    assert_eq!(
        try_create(&mut world, &new_account(Some(lowest))),
        Err(Refusal::TooDeep)
    );
    world.meter(lowest, "benchmark_runs", "1");
    world.provision(root, "starter");
    assert_eq!(
        world
            .ask(root, "benchmark_runs", None)
            .figures
            .unwrap()
            .used
            .unwrap()
            .to_string(),
        "1"
    );
}

#[test]
fn what_an_account_refers_to_must_be_there() {
    let mut world = World::new();
    let root = world.root();
    let good = new_account(Some(root));
    let table = [
        (
            "MEC_PARENT_NOT_FOUND",
            CreateAccount {
                parent: Some(AccountId(1)),
                ..good.clone()
            },
        ),
        (
            "MEC_NOT_PRESENT",
            CreateAccount {
                account_type: "planet".into(),
                ..good.clone()
            },
        ),
        (
            "MEC_BAD_VALUE",
            CreateAccount {
                time_zone: Some("Mars/Olympus".into()),
                ..good
            },
        ),
    ];
    for (code, bad) in table {
        assert_eq!(try_create(&mut world, &bad).unwrap_err().code(), code);
    }
}

#[test]
fn an_external_id_stands_for_one_account() {
    let mut world = World::new();
    let root = world.root();
    let first = try_create(&mut world, &named(root, "cus_1")).unwrap().id;
    assert_eq!(
        try_create(&mut world, &named(root, "cus_1"))
            .unwrap_err()
            .code(),
        "MEC_EXTERNAL_ID_TAKEN"
    );
    let taken = AccountPatch {
        external_id: Some(Some("cus_1".into())),
        ..AccountPatch::default()
    };
    assert_eq!(
        world
            .run(|view, _| patch_account(view, root, &taken))
            .unwrap_err()
            .code(),
        "MEC_EXTERNAL_ID_TAKEN"
    );
    // Its own id again is no conflict, and one it gives up is free.
    world.patch_account(first, &taken);
    world.patch_account(
        first,
        &AccountPatch {
            external_id: Some(Some("cus_2".into())),
            ..AccountPatch::default()
        },
    );
    try_create(&mut world, &named(root, "cus_1")).unwrap();
    world.patch_account(
        first,
        &AccountPatch {
            external_id: Some(None),
            ..AccountPatch::default()
        },
    );
    try_create(&mut world, &named(root, "cus_2")).unwrap();
}

#[test]
fn an_external_id_given_up_is_free_within_the_same_batch() {
    let mut world = World::new();
    let root = world.root();
    let first = try_create(&mut world, &named(root, "cus_1")).unwrap().id;
    // One batch: facts are looked up before its first command is written anywhere.
    let mut facts = Facts::default();
    facts.links.insert("cus_1".into(), Some(first));
    let give_up = AccountPatch {
        external_id: Some(None),
        ..AccountPatch::default()
    };
    let view = View {
        tree: &world.tree,
        facts: &facts,
        catalog: &world.catalog,
        now: world.now,
    };
    let ruling = patch_account(&view, first, &give_up).unwrap();
    for write in &ruling.writes {
        facts.apply(write);
    }
    let view = View {
        tree: &world.tree,
        facts: &facts,
        catalog: &world.catalog,
        now: world.now,
    };
    create_account(
        &view,
        &mut IdSource::new(TreeId(7), world.now, 9),
        &named(root, "cus_1"),
    )
    .unwrap();
}

#[test]
fn closed_is_final() {
    let mut world = World::new();
    let account = world.root();
    world.set_status(account, AccountStatus::Closed);
    for status in [AccountStatus::Active, AccountStatus::Suspended] {
        let patch = AccountPatch {
            status: Some(status),
            ..AccountPatch::default()
        };
        assert_eq!(
            world.run(|view, _| patch_account(view, account, &patch)),
            Err(Refusal::AccountClosed)
        );
    }
    world.set_status(account, AccountStatus::Closed);
}

#[test]
fn a_patch_changes_what_it_names_and_nothing_else() {
    let mut world = World::new();
    let account = world.root();
    let before = world.written.accounts[&account].clone();
    world.pass(60);
    world.patch_account(
        account,
        &AccountPatch {
            email: Some(Some("ann@example.com".into())),
            ..AccountPatch::default()
        },
    );
    let after = Account {
        email: Some("ann@example.com".into()),
        updated_at: world.now,
        ..before
    };
    assert_eq!(world.written.accounts[&account], after);
}

#[test]
fn ids_of_a_tree_sort_in_the_order_they_are_made_and_name_it() {
    let mut world = World::new();
    let mut ids = Vec::new();
    let mut last = 0;
    for micros in [0, 1, 999, 1_000, 1_001] {
        let at = world.now.plus_micros(micros);
        let mut source = IdSource::new(TreeId(7), at, 0x7abc);
        for _ in 0..40_000 {
            ids.push(source.draw());
            last = last.max(source.now().since(world.now));
        }
        if micros == 0 {
            // More ids than a batch's microsecond holds move its clock on.
            assert_eq!(last, 1);
            ids.clear();
        }
        ids.truncate(1_000);
    }
    let made = |at: i64| IdSource::new(TreeId(7), world.now.plus_micros(at), 0).draw();
    assert!(made(0) < made(1) && made(1) < made(999) && made(999) < made(1_000));
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    world.pass(1);
    for id in ids {
        assert_eq!(AccountId(id).tree(), TreeId(7));
        let text = AccountId(id).to_string();
        assert_eq!((&text[14..15], text.parse()), ("7", Ok(AccountId(id))));
    }
}
