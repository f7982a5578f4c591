//! A lane of one tree in its smallest form, for tests: decide, answer needs from the store, commit.
//! On either database.

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

/// A new store, its catalog filled, and a lane on it whose clock the test sets.
pub(crate) struct Lane {
    pub(crate) home: Home,
    pub(crate) store: Store,
    pub(crate) writer: Writer,
    pub(crate) catalog: Catalog,
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
        let commit = Commit {
            now: Some(now),
            catalog: changes(),
            catalog_version: Some(1),
            ..Commit::default()
        };
        wait(writer.commit(&commit)).unwrap();
        let catalog = wait(writer.catalog()).unwrap();
        let (tree, ids) = (Tree::new(Head::new(TREE)), IdSource::new(TREE, now, 0));
        Self {
            home,
            store,
            writer,
            catalog,
            tree,
            now,
            facts: Facts::default(),
            ids,
            batch: 0,
        }
    }

    pub(crate) fn run<A>(
        &mut self,
        decide: impl Fn(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt>,
    ) -> A {
        let actor = Actor {
            name: "test".into(),
            source: "api".into(),
            reason: None,
        };
        self.batch += 1;
        self.now = self.now.plus_micros(1);
        self.ids = IdSource::new(TREE, self.now, self.batch);
        let ruling = loop {
            let view = View {
                tree: &self.tree,
                facts: &self.facts,
                catalog: &self.catalog,
                now: self.now,
            };
            match decide(
                &view,
                &mut Making {
                    ids: &mut self.ids,
                    actor: &actor,
                },
            ) {
                Ok(ruling) => break ruling,
                Err(Halt::Refuse(refusal)) => panic!("{refusal:?}"),
                Err(Halt::Need(need)) => {
                    for fact in
                        wait(self.writer.look_up(TREE, &[need], &self.catalog, self.now)).unwrap()
                    {
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
        let mut commit = Commit {
            now: Some(self.now),
            ..Commit::default()
        };
        for write in &writes {
            self.tree.apply(write, self.now);
            self.facts.apply(write);
            let moved = self.tree.moved_by(write);
            commit.windows.extend(
                moved
                    .into_iter()
                    .map(|(account, key, total)| (account, key.clone(), total.clone())),
            );
        }
        self.tree.head.version += 1;
        self.tree.head.last_at = self.now;
        commit.heads = vec![self.tree.head];
        commit.writes = writes;
        wait(self.writer.commit(&commit)).unwrap();
    }

    /// Forgets what was loaded, as a new process would.
    pub(crate) fn forget(&mut self) {
        let (head, _) = wait(self.writer.heads(&[TREE], mec_store::Hold::Waited)).unwrap()[0];
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
        self.run(|view, making| create_account(view, making.ids, &create))
            .id
    }

    pub(crate) fn grant(
        &mut self,
        account: AccountId,
        resource: &str,
        limit: i32,
        window: Option<WindowRule>,
    ) -> EntitlementId {
        self.grant_from(account, resource, limit, window, None)
    }

    pub(crate) fn grant_from(
        &mut self,
        account: AccountId,
        resource: &str,
        limit: i32,
        window: Option<WindowRule>,
        valid_from: Option<Time>,
    ) -> EntitlementId {
        let row = Grant {
            account,
            resource: resource.into(),
            scope: None,
            limit_kind: None,
            quantity: Some(Quantity::whole(limit)),
            window,
            source: Source::Manual,
            priority: 0,
            valid_from,
            valid_until: None,
            metadata: Some("{\"why\":1.50}".into()),
        };
        self.run(|view, making| grant(view, making, &row)).id
    }

    /// Bills what is beyond every limit of the account, in rolling windows too, which a rule has to
    /// name.
    pub(crate) fn bill_overage(&mut self, account: AccountId, resource: &str) {
        for window in [None, Some(WindowKind::Rolling)] {
            self.bill_overage_in(account, resource, window);
        }
    }

    fn bill_overage_in(&mut self, account: AccountId, resource: &str, window: Option<WindowKind>) {
        let rule = Rule {
            id: RuleId(self.id()),
            resource: resource.into(),
            limit_kind: LimitKind::Cumulative,
            account: Some(account),
            plan: None,
            window,
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
        self.run(|view, making| mec_kernel::meter(view, making, meter))
            .event
    }
}

/// Use of `minutes` as a recorder tells it.
pub(crate) fn used(
    key: &str,
    account: AccountId,
    quantity: &str,
    occurred_at: Option<Time>,
) -> Meter {
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
        attributes: Default::default(),
    }
}

/// An organization with a team: a monthly limit with overage above, a rolling limit and a lifetime
/// below, use in several hours and units and scopes, a correction, a settled and an open
/// reservation, a live and a released lease.
pub(crate) fn busy(home: fn() -> Home) -> (Lane, AccountId, AccountId) {
    let mut lane = Lane::new(home());
    let acme = lane.account(None, "Acme Corp");
    let team = lane.account(Some(acme), "Research");
    lane.grant(acme, "minutes", 10, Some(WindowRule::of(WindowKind::Month)));
    lane.grant(acme, "seats", 5, None);
    lane.bill_overage(acme, "minutes");
    lane.grant(
        team,
        "minutes",
        100,
        Some(WindowRule {
            seconds: Some(7_200),
            ..WindowRule::of(WindowKind::Rolling)
        }),
    );
    lane.grant(team, "minutes", 1_000, Some(WindowRule::LIFETIME));
    lane.grant(team, "seats", 5, None);
    lane.meter(&used("a", team, "4", Some(at("2026-01-30T09:15:00Z"))));
    lane.meter(&Meter {
        details: Some("{\"job\":1}".into()),
        ..used("b", team, "5.5", Some(at("2026-01-30T11:59:59Z")))
    });
    lane.meter(&Meter {
        unit: Some("second".into()),
        scope: Some("eu".into()),
        ..used("c", team, "90", None)
    });
    let last = lane.meter(&used("d", acme, "3", None));
    lane.forget();
    let correct = Correct {
        key: "e".into(),
        event: last,
        quantity: Some(Quantity::whole(2)),
        details: "{\"reason\":\"typo\"}".into(),
    };
    lane.run(|view, making| mec_kernel::correct(view, making, &correct));
    let check = Check {
        account: team,
        resource: "minutes".into(),
        scope: None,
        quantity: Some(Quantity::whole(1)),
        unit: None,
        attributes: Attributes::new(),
        explain: false,
    };
    let consume = Consume {
        check: check.clone(),
        key: "f".into(),
        details: None,
    };
    lane.run(|view, making| mec_kernel::consume(view, making, &consume));
    for key in ["held", "settled"] {
        let hold = Reserve {
            check: check.clone(),
            key: key.into(),
            ttl_seconds: 3_600,
        };
        let held = lane
            .run(|view, making| reserve(view, making, &hold))
            .reservation
            .unwrap()
            .id;
        if key == "settled" {
            let true_amount = Settle {
                reservation: held,
                quantity: Quantity::whole(2),
                attributes: Default::default(),
            };
            lane.run(|view, making| settle(view, making, &true_amount));
        }
    }
    for token in ["stays", "goes"] {
        let slot = Acquire {
            account: team,
            resource: "seats".into(),
            scope: None,
            token: Some(token.into()),
            quantity: Quantity::whole(1),
            ttl_seconds: 600,
            attributes: Attributes::new(),
        };
        let lease = lane
            .run(|view, making| acquire(view, making, &slot))
            .lease
            .unwrap()
            .id;
        if token == "goes" {
            lane.run(|view, _| release(view, lease));
        }
    }
    (lane, acme, team)
}

fn changes() -> Vec<CatalogChange> {
    let unit = |code: &str, dimension: &str, factor| {
        let factor = Factor::new(factor).unwrap();
        CatalogChange::PutUnit(Unit {
            code: code.into(),
            name: code.into(),
            dimension: dimension.into(),
            factor,
        })
    };
    let resource = |code: &str, limit_kind, unit: &str, allowed: &[&str]| {
        CatalogChange::PutResource(Resource {
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
        CatalogChange::PutAccountType {
            code: "organization".into(),
            description: None,
        },
    ]
}
