//! What is committed is what is looked up, also by the next process; and a file is owned by one of
//! them.

use std::sync::Arc;

use mec_kernel::*;
use mec_store::{Commit, CommitError, OpenOptions, Store, StoreError, Writer, sqlite};

const TREE: TreeId = TreeId(7);

fn now() -> Time {
    "2026-01-30T12:00:00Z".parse().unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the SQLite store never waits"),
    }
}

fn open(dir: &tempfile::TempDir) -> Result<(Store, Writer), StoreError> {
    Store::open(
        &format!("sqlite:{}", dir.path().join("mec.db").display()),
        &OpenOptions::default(),
    )
}

fn changes() -> Vec<CatalogChange> {
    let unit = Unit {
        code: "count".into(),
        name: "Count".into(),
        dimension: "count".into(),
        factor: Factor::ONE,
    };
    let runs = Resource {
        code: "runs".into(),
        name: "Runs".into(),
        limit_kind: LimitKind::Cumulative,
        unit: "count".into(),
        allowed_units: vec![],
        description: None,
    };
    vec![
        CatalogChange::PutUnit(unit),
        CatalogChange::PutResource(runs),
        CatalogChange::PutAccountType {
            code: "organization".into(),
            description: None,
        },
    ]
}

/// A lane of one tree in its smallest form: decide, answer needs from the store, commit.
struct Lane {
    writer: Writer,
    catalog: Catalog,
    tree: Tree,
    facts: Facts,
    ids: IdSource,
}

impl Lane {
    fn new(mut writer: Writer) -> Self {
        let (head, _) = wait(writer.heads(&[TREE], mec_store::Hold::Waited)).unwrap()[0];
        let catalog = wait(writer.catalog()).unwrap();
        let seed = u16::try_from(head.version).unwrap();
        Self {
            writer,
            catalog,
            tree: Tree::new(head),
            facts: Facts::default(),
            ids: IdSource::new(TREE, now(), seed),
        }
    }

    fn run<A>(
        &mut self,
        decide: impl Fn(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt>,
    ) -> Result<A, Refusal> {
        let actor = Actor {
            name: "test".into(),
            source: "api".into(),
            reason: None,
        };
        let ruling = loop {
            let view = View {
                tree: &self.tree,
                facts: &self.facts,
                catalog: &self.catalog,
                now: now(),
            };
            match decide(
                &view,
                &mut Making {
                    ids: &mut self.ids,
                    actor: &actor,
                },
            ) {
                Ok(ruling) => break ruling,
                Err(Halt::Refuse(refusal)) => return Err(refusal),
                Err(Halt::Need(need)) => {
                    for fact in
                        wait(self.writer.look_up(TREE, &[need], &self.catalog, now())).unwrap()
                    {
                        fact.learn(&mut self.tree, &mut self.facts, now());
                    }
                }
            }
        };
        let mut commit = Commit {
            now: Some(now()),
            ..Commit::default()
        };
        for write in &ruling.writes {
            self.tree.apply(write, now());
            self.facts.apply(write);
            let moved = self.tree.moved_by(write);
            commit.windows.extend(
                moved
                    .into_iter()
                    .map(|(account, key, total)| (account, key.clone(), total.clone())),
            );
        }
        self.tree.head.version += 1;
        commit.heads = vec![self.tree.head];
        commit.writes = ruling.writes;
        wait(self.writer.commit(&commit)).unwrap();
        Ok(ruling.answer)
    }
}

fn consume(account: AccountId, key: &str) -> Consume {
    let check = Check {
        account,
        resource: "runs".into(),
        scope: None,
        quantity: Some(Quantity::whole(1)),
        unit: None,
        attributes: Attributes::new(),
        explain: false,
    };
    Consume {
        check,
        key: key.into(),
        details: Some("{\"job\":1}".into()),
    }
}

/// An account with a grant of `limit` runs a month.
fn acme(lane: &mut Lane, limit: i32) -> AccountId {
    let create = CreateAccount {
        parent: None,
        account_type: "organization".into(),
        external_id: Some("stripe_cus_abc123".into()),
        display_name: "Acme Corp".into(),
        email: None,
        time_zone: Some("Europe/Zurich".into()),
        metadata: None,
        status: AccountStatus::Active,
    };
    let account = lane
        .run(|view, making| create_account(view, making.ids, &create))
        .unwrap()
        .id;
    let row = Grant {
        account,
        resource: "runs".into(),
        scope: None,
        limit_kind: None,
        quantity: Some(Quantity::whole(limit)),
        window: Some(WindowRule::of(WindowKind::Month)),
        source: Source::Manual,
        priority: 0,
        valid_from: None,
        valid_until: None,
        metadata: None,
    };
    lane.run(|view, making| grant(view, making, &row)).unwrap();
    account
}

fn filled(dir: &tempfile::TempDir) -> (Store, Lane) {
    let (store, mut writer) = open(dir).unwrap();
    let commit = Commit {
        now: Some(now()),
        catalog: changes(),
        catalog_version: Some(1),
        ..Commit::default()
    };
    wait(writer.commit(&commit)).unwrap();
    (store, Lane::new(writer))
}

#[test]
fn what_is_committed_is_looked_up_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut lane) = filled(&dir);
    let account = acme(&mut lane, 2);
    let first = lane
        .run(|view, making| mec_kernel::consume(view, making, &consume(account, "a")))
        .unwrap();
    assert_eq!(
        first
            .standing
            .figures
            .unwrap()
            .remaining
            .unwrap()
            .to_string(),
        "1"
    );
    let before = lane.tree.get(account).unwrap().clone();
    drop((store, lane));

    let (_store, writer) = open(&dir).unwrap();
    let mut lane = Lane::new(writer);
    assert_eq!(lane.catalog.version, 1);
    let again = lane
        .run(|view, making| mec_kernel::consume(view, making, &consume(account, "a")))
        .unwrap();
    assert_eq!(again.event, first.event);
    assert!(again.replayed.is_some());
    assert_eq!(lane.tree.get(account).unwrap(), &before);
    let second = lane
        .run(|view, making| mec_kernel::consume(view, making, &consume(account, "b")))
        .unwrap();
    assert_eq!(
        second
            .standing
            .figures
            .unwrap()
            .remaining
            .unwrap()
            .to_string(),
        "0"
    );
    let third = lane
        .run(|view, making| mec_kernel::consume(view, making, &consume(account, "c")))
        .unwrap();
    assert_eq!(
        (third.event, third.standing.decision),
        (None, Decision::Block)
    );
}

#[test]
fn a_window_counted_from_the_ledger_is_the_window_that_was_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, mut lane) = filled(&dir);
    let account = acme(&mut lane, 100);
    for number in 0..5 {
        lane.run(|view, making| {
            mec_kernel::consume(view, making, &consume(account, &number.to_string()))
        })
        .unwrap();
    }
    let node = Arc::clone(lane.tree.get(account).unwrap());
    assert_eq!(node.windows.len(), 1);
    for (key, kept) in &node.windows {
        let needs = [Need::Window(account, key.clone())];
        let facts = wait(lane.writer.look_up(TREE, &needs, &lane.catalog, now())).unwrap();
        assert_eq!(facts, [Fact::Window(account, key.clone(), kept.clone())]);
    }
    // The same use in the last two hours, whose edges lie inside stored hours.
    let key = WindowKey {
        resource: "runs".into(),
        scope: None,
        window: Window::Rolling { seconds: 7_200 },
    };
    let facts =
        wait(
            lane.writer
                .look_up(TREE, &[Need::Window(account, key)], &lane.catalog, now()),
        )
        .unwrap();
    let Fact::Window(.., total) = &facts[0] else {
        panic!("{facts:?}")
    };
    assert_eq!(
        total.used_at(Window::Rolling { seconds: 7_200 }, now()),
        Amount(5 * i128::from(SCALE))
    );
}

#[test]
fn a_file_in_use_is_refused_with_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let _owned = open(&dir).unwrap();
    let refused = open(&dir).unwrap_err().to_string();
    assert!(
        refused.contains(&format!(
            "in use by another process (pid {})",
            std::process::id()
        )),
        "{refused}"
    );
}

#[test]
fn a_file_in_use_is_refused_under_every_name_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let _owned = open(&dir).unwrap();
    let name = dir.path().join("other.db");
    std::os::unix::fs::symlink(dir.path().join("mec.db"), &name).unwrap();
    let refused = Store::open(
        &format!("sqlite:{}", name.display()),
        &OpenOptions::default(),
    )
    .unwrap_err()
    .to_string();
    assert!(
        refused.contains(&format!(
            "in use by another process (pid {})",
            std::process::id()
        )),
        "{refused}"
    );
    assert_eq!(
        sqlite::owner(&name).unwrap(),
        Some(format!("pid {}", std::process::id()))
    );
}

#[test]
fn a_file_with_two_names_is_refused_because_each_would_have_a_log_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir).unwrap());
    std::fs::hard_link(dir.path().join("mec.db"), dir.path().join("other.db")).unwrap();
    let refused = open(&dir).unwrap_err().to_string();
    assert!(refused.contains("has 2 names"), "{refused}");
}

#[test]
fn a_link_to_nothing_is_refused_and_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(dir.path().join("elsewhere"), dir.path().join("mec.db")).unwrap();
    let refused = open(&dir).unwrap_err().to_string();
    assert!(
        refused.contains("is a link to a file that does not exist"),
        "{refused}"
    );
    assert!(!dir.path().join("elsewhere").exists());
}

#[test]
fn a_store_is_a_path_and_no_address_of_sqlites_own() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir).unwrap());
    let file = dir.path().join("mec.db").display().to_string();
    for name in [
        format!("file:{file}"),
        format!("file:{file}?vfs=unix-none"),
        format!("{file}?vfs=unix-none"),
        ":memory:".into(),
    ] {
        let options = OpenOptions {
            create: false,
            ..OpenOptions::default()
        };
        for refused in [
            Store::open(&format!("sqlite:{name}"), &OpenOptions::default()).unwrap_err(),
            Store::open(&format!("sqlite:{name}"), &options).unwrap_err(),
            Store::open_read_only(&format!("sqlite:{name}")).unwrap_err(),
        ] {
            assert!(
                refused.to_string().contains("write sqlite:PATH"),
                "{name}: {refused}"
            );
        }
    }
    assert_eq!(
        std::fs::read_dir(dir.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().is_dir())
            .count(),
        0
    );
}

#[test]
fn a_store_and_what_lies_beside_it_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let mode = |name: &str| {
        std::fs::metadata(dir.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    let check = || {
        for name in ["mec.db", "mec.db-wal", "mec.db-shm", "mec.db.lock"] {
            assert_eq!(format!("{:o}", mode(name)), "600", "{name}");
        }
    };
    let owned = open(&dir).unwrap();
    check();
    drop(owned);
    // One that an older version or a copy has left open to others.
    std::fs::set_permissions(
        dir.path().join("mec.db"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let _owned = open(&dir).unwrap();
    check();
}

#[test]
fn a_planted_lock_is_neither_followed_nor_obeyed() {
    let dir = tempfile::tempdir().unwrap();
    let (target, lock) = (dir.path().join("target"), dir.path().join("mec.db.lock"));
    std::fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, &lock).unwrap();
    drop(open(&dir).unwrap());
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    assert!(!lock.is_symlink());
    // Whoever may read the lock may take it.
    let planted = std::fs::File::open(&lock).unwrap();
    planted.lock().unwrap();
    let _owned = open(&dir).unwrap();
    assert_eq!(
        sqlite::owner(&dir.path().join("mec.db")).unwrap(),
        Some(format!("pid {}", std::process::id()))
    );
}

#[test]
fn a_newer_schema_and_a_foreign_file_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir).unwrap());
    let file = dir.path().join("mec.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let refused = open(&dir).unwrap_err().to_string();
    assert!(refused.contains("schema 99"), "{refused}");
    let other = tempfile::tempdir().unwrap();
    let foreign = rusqlite::Connection::open(other.path().join("mec.db")).unwrap();
    foreign
        .execute_batch("CREATE TABLE notes (text TEXT)")
        .unwrap();
    let refused = open(&other).unwrap_err().to_string();
    assert!(refused.contains("another program"), "{refused}");
}

#[test]
fn a_store_that_may_not_be_made_is_neither_made_nor_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mec.db");
    let url = format!("sqlite:{}", file.display());
    let options = OpenOptions {
        create: false,
        ..OpenOptions::default()
    };
    let refused = Store::open(&url, &options).unwrap_err().to_string();
    assert!(
        refused.contains("does not exist; `mec migrate"),
        "{refused}"
    );
    assert!(!file.exists());
    std::fs::write(&file, "").unwrap();
    let refused = Store::open(&url, &options).unwrap_err().to_string();
    assert!(
        refused.contains("has schema 0") && refused.contains("run `mec migrate` first"),
        "{refused}"
    );
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 0);
    drop(open(&dir).unwrap());
    Store::open(&url, &options).unwrap();
}

#[test]
fn a_foreign_file_is_refused_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mec.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch("CREATE TABLE notes (text TEXT)")
        .unwrap();
    let before = std::fs::read(&file).unwrap();
    open(&dir).unwrap_err();
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_row_of_the_catalog_can_be_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, mut writer) = open(&dir).unwrap();
    let mut rules = changes();
    rules.push(CatalogChange::PutAccountType {
        code: "x".into(),
        description: None,
    });
    rusqlite::Connection::open(dir.path().join("mec.db"))
        .unwrap()
        .execute_batch(
            "CREATE TRIGGER t BEFORE INSERT ON account_types BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();
    let commit = Commit {
        now: Some(now()),
        catalog: rules,
        catalog_version: Some(1),
        ..Commit::default()
    };
    assert!(matches!(
        wait(writer.commit(&commit)),
        Err(CommitError::Refused(_))
    ));
    assert_eq!(wait(writer.catalog()).unwrap().account_types.len(), 0);
}

#[test]
fn what_a_closed_writer_committed_is_in_the_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, lane) = filled(&dir);
    wait(lane.writer.close()).unwrap();
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(dir.path().join("mec.db"), copy.path().join("mec.db")).unwrap();
    let (_copied, mut writer) = open(&copy).unwrap();
    assert_eq!(wait(writer.catalog()).unwrap().version, 1);
}

#[test]
fn the_ledger_refuses_to_be_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, mut lane) = filled(&dir);
    let account = acme(&mut lane, 2);
    lane.run(|view, making| mec_kernel::consume(view, making, &consume(account, "a")))
        .unwrap();
    let outside = rusqlite::Connection::open(dir.path().join("mec.db")).unwrap();
    for (sql, said) in [
        (
            "UPDATE consumption_ledger SET quantity = 0",
            "Consumption ledger is append-only. Cannot update.",
        ),
        (
            "DELETE FROM consumption_ledger",
            "Consumption ledger is append-only. Cannot delete.",
        ),
    ] {
        let error = outside.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
