//! What is committed is what is looked up, also by the next process.

use std::sync::Arc;

use mec_kernel::*;
use mec_store::{Commit, CommitError, OpenOptions, Store, StoreError, Writer};

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

pub(crate) fn open(dir: &tempfile::TempDir) -> Result<(Store, Writer), StoreError> {
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
