//! A lane of one tree in its smallest form, for tests: decide, answer needs from the store, commit. On either database.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use mec_kernel::*;
use mec_store::{Commit, OpenOptions, Store, Writer};

#[path = "../home/mod.rs"]
pub(crate) mod home;

pub(crate) use home::{Home, wait};

pub(crate) const TREE: TreeId = TreeId(7);

pub(crate) fn at(text: &str) -> Time {
    text.parse().unwrap()
}

/// A new store, its catalogue filled, and a lane on it whose clock the test sets.
pub(crate) struct Lane {
    pub(crate) home: Home,
    pub(crate) store: Store,
    pub(crate) writer: Writer,
    pub(crate) catalogue: Catalogue,
    pub(crate) tree: Tree,
    pub(crate) now: Time,
    facts: Facts,
    ids: IdSource,
    batch: u16,
}

impl Lane {
    pub(crate) fn new(home: Home) -> Self {
        let (store, mut writer) = Store::open(&home.url(), &OpenOptions::default()).unwrap();
        let now = at("2026-01-30T12:00:00Z");
        let commit = Commit { now: Some(now), catalogue: changes(), catalogue_version: Some(1), ..Commit::default() };
        wait(writer.commit(&commit)).unwrap();
        let catalogue = wait(writer.catalogue()).unwrap();
        let (tree, ids) = (Tree::new(Head::new(TREE)), IdSource::new(TREE, now, 0));
        Self { home, store, writer, catalogue, tree, now, facts: Facts::default(), ids, batch: 0 }
    }

    pub(crate) fn run<A>(&mut self, decide: impl Fn(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt>) -> A {
        let actor = Actor { name: "test".into(), source: "api".into() };
        self.batch += 1;
        self.now = self.now.plus_micros(1);
        self.ids = IdSource::new(TREE, self.now, self.batch);
        let ruling = loop {
            let view = View { tree: &self.tree, facts: &self.facts, catalogue: &self.catalogue, now: self.now };
            match decide(&view, &mut Making { ids: &mut self.ids, actor: &actor }) {
                Ok(ruling) => break ruling,
                Err(Halt::Refuse(refusal)) => panic!("{refusal:?}"),
                Err(Halt::Need(need)) => {
                    for fact in wait(self.writer.look_up(TREE, &[need], &self.catalogue, self.now)).unwrap() {
                        fact.learn(&mut self.tree, &mut self.facts, self.now);
                    }
                }
            }
        };
        self.write(ruling.writes);
        ruling.answer
    }

    /// Commits `writes` as one batch.
    pub(crate) fn write(&mut self, writes: Vec<Write>) {
        let mut commit = Commit { now: Some(self.now), ..Commit::default() };
        for write in &writes {
            self.tree.apply(write, self.now);
            self.facts.apply(write);
            let moved = self.tree.moved_by(write);
            commit.windows.extend(moved.into_iter().map(|(account, key, total)| (account, key.clone(), total.clone())));
        }
        self.tree.head.version += 1;
        self.tree.head.last_at = self.now;
        commit.heads = vec![self.tree.head];
        commit.writes = writes;
        wait(self.writer.commit(&commit)).unwrap();
    }

    /// Forgets what was loaded, as a new process would.
    pub(crate) fn forget(&mut self) {
        let (head, _) = wait(self.writer.heads(&[TREE])).unwrap()[0];
        (self.tree, self.facts) = (Tree::new(head), Facts::default());
    }

    pub(crate) fn id(&mut self) -> u128 {
        self.ids.draw()
    }

    pub(crate) fn account(&mut self, parent: Option<AccountId>, name: &str) -> AccountId {
        let create = CreateAccount {
            parent,
            account_type: "organization".into(),
            external_id: None,
            display_name: name.into(),
            email: None,
            time_zone: None,
            metadata: None,
            status: AccountStatus::Active,
        };
        self.run(|view, making| create_account(view, making.ids, &create)).id
    }

    pub(crate) fn grant(&mut self, account: AccountId, resource: &str, limit: i32, window: Option<WindowRule>) -> EntitlementId {
        let row = Grant {
            account,
            resource: resource.into(),
            scope: None,
            limit_kind: None,
            quantity: Some(Quantity::whole(limit)),
            window,
            source: Source::Manual,
            priority: 0,
            valid_from: None,
            valid_until: None,
            metadata: Some("{\"why\":1.50}".into()),
        };
        self.run(|view, making| grant(view, making, &row)).id
    }

    pub(crate) fn bill_overage(&mut self, account: AccountId, resource: &str) {
        let rule = Rule {
            id: RuleId(self.id()),
            resource: resource.into(),
            limit_kind: LimitKind::Cumulative,
            account: Some(account),
            plan: None,
            action: LimitAction::Overage,
            warn_at: None,
            grace_quantity: None,
            grace_seconds: None,
            overage_limit: None,
            overage_price: Some(Quantity::whole(2)),
            currency: Some("USD".into()),
            priority: 0,
            is_active: true,
            created_at: self.now,
            updated_at: self.now,
        };
        let rule = std::sync::Arc::new(rule);
        self.run(|view, _| put_rule(view, &rule));
    }

    pub(crate) fn meter(&mut self, meter: &Meter) -> EventId {
        self.run(|view, making| mec_kernel::meter(view, making, meter)).event
    }
}

/// Use of `minutes` as a recorder tells it.
pub(crate) fn used(key: &str, account: AccountId, quantity: &str, occurred_at: Option<Time>) -> Meter {
    Meter {
        key: key.into(),
        account,
        resource: "minutes".into(),
        scope: None,
        quantity: quantity.parse().unwrap(),
        unit: None,
        occurred_at,
        details: None,
        is_correction: false,
        corrects: None,
    }
}

fn changes() -> Vec<CatalogueChange> {
    let unit = |code: &str, dimension: &str, factor| {
        let factor = Factor::new(factor).unwrap();
        CatalogueChange::PutUnit(Unit { code: code.into(), name: code.into(), dimension: dimension.into(), factor })
    };
    let resource = |code: &str, limit_kind, unit: &str, allowed: &[&str]| {
        CatalogueChange::PutResource(Resource {
            code: code.into(),
            name: code.into(),
            limit_kind,
            unit: unit.into(),
            allowed_units: allowed.iter().map(|code| Code::from(*code)).collect(),
            description: None,
        })
    };
    vec![
        unit("count", "count", 1),
        unit("second", "time", 1),
        unit("minute", "time", 60),
        resource("minutes", LimitKind::Cumulative, "minute", &["second"]),
        resource("seats", LimitKind::Concurrency, "count", &[]),
        CatalogueChange::PutAccountType { code: "organization".into(), description: None },
    ]
}
