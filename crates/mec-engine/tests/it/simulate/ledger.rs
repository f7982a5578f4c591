//! A tree, and a small ledger of what happened in it.

use std::sync::Arc;

use mec_engine::catalog_file;
use mec_engine::simulate::{Outcome, Simulation, Tally};
use mec_kernel::*;

pub(super) const TREE: TreeId = TreeId(7);

const CATALOG: &str = r#"
[account_types]
organization = ""

[units.run]
name = "Run"
dimension = "run"
factor = 1

[units.dozen]
name = "Dozen"
dimension = "run"
factor = 12

[resources.runs]
name = "Runs"
limit_kind = "cumulative"
unit = "run"
allowed_units = ["dozen"]

[resources.disks]
name = "Disks"
limit_kind = "inventory"
unit = "run"

[plans.starter]
name = "Starter"
grants = [
    { resource = "runs", quantity = "100", window = "month" },
    { resource = "disks", quantity = "2" },
]

[plans.more]
name = "More"
is_addon = true
grants = [{ resource = "runs", quantity = "10", window = "month" }]

[plans.seats]
name = "By seat"
grants = [{ resource = "runs", quantity = "10", window = "month", per_quantity = true }]
"#;

/// The changes that a file makes, over what `catalog` is.
pub(super) fn changed(catalog: &Catalog, file: &str) -> Catalog {
    let changes = catalog_file::parse(file).unwrap().changes(catalog, false);
    let now = at("2026-06-01T00:00:00Z");
    let mut ids = IdSource::new(TreeId::CATALOG, now, 0);
    change_catalog(catalog, &changes, &InUse::default(), now, &mut ids)
        .unwrap()
        .catalog
}

pub(super) fn starter(grants: &str) -> String {
    format!("[plans.starter]\nname = 'Starter'\ngrants = [{grants}]\n")
}

pub(super) fn rule(text: &str) -> String {
    format!("[[rules]]\nresource = 'runs'\n{text}\n")
}

pub(super) fn at(text: &str) -> Time {
    text.parse().unwrap()
}

/// `January 3rd, noon` and so on.
pub(super) fn day(month: u32, day: u32) -> Time {
    at(&format!("2026-{month:02}-{day:02}T12:00:00Z"))
}

pub(super) fn total(text: &str) -> Total {
    Total(i128::from(
        text.parse::<Quantity>().map_or(0, Quantity::millionths),
    ))
}

/// A tree, and what happened in it.
pub(super) struct World {
    pub(super) catalog: Catalog,
    pub(super) tree: Tree,
    pub(super) made: u16,
    pub(super) events: Vec<LedgerEvent>,
}

impl World {
    pub(super) fn new() -> Self {
        let catalog = changed(&Catalog::default(), CATALOG);
        Self {
            catalog,
            tree: Tree::new(Head::new(TREE)),
            made: 0,
            events: vec![],
        }
    }

    /// Decides at `now`; a window that is not open yet is counted from what happened.
    pub(super) fn run<A>(
        &mut self,
        now: Time,
        decide: impl Fn(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt>,
    ) -> A {
        self.made += 1;
        let mut ids = IdSource::new(TREE, now, self.made);
        let actor = Actor {
            name: "tester".into(),
            source: "api".into(),
            reason: None,
        };
        let mut facts = Facts {
            trials: Some(vec![]),
            ..Facts::default()
        };
        let ruling = loop {
            let view = View {
                tree: &self.tree,
                facts: &facts,
                catalog: &self.catalog,
                now,
            };
            match decide(
                &view,
                &mut Making {
                    ids: &mut ids,
                    actor: &actor,
                },
            ) {
                Ok(ruling) => break ruling,
                Err(Halt::Need(Need::Window(account, key))) => {
                    let total = self.count(account, &key);
                    self.tree.apply(
                        &Write::Window {
                            account,
                            key,
                            total,
                        },
                        now,
                    );
                }
                Err(Halt::Need(Need::Key(key))) => drop(facts.keys.insert(key, None)),
                Err(other) => panic!("{other:?}"),
            }
        };
        for write in &ruling.writes {
            self.tree.apply(write, now);
            if let Write::Event { event, .. } = write {
                self.events.push(LedgerEvent::clone(event));
            }
        }
        ruling.answer
    }

    pub(super) fn count(&self, account: AccountId, key: &WindowKey) -> WindowTotal {
        let is_below = |id: AccountId| {
            self.tree
                .path(id)
                .unwrap()
                .iter()
                .any(|node| node.account.id == account)
        };
        let counts = |event: &&LedgerEvent| {
            event.resource == key.resource && key.window.holds(event.occurred_at)
        };
        let mut total = WindowTotal::default();
        for event in self
            .events
            .iter()
            .filter(counts)
            .filter(|event| is_below(event.account))
        {
            total.add(
                key.window,
                event.occurred_at,
                event.occurred_at,
                event.amount,
                event.account == account,
            );
        }
        total
    }

    pub(super) fn account(&mut self, parent: Option<AccountId>) -> AccountId {
        let new = CreateAccount {
            parent,
            account_type: "organization".into(),
            external_id: None,
            display_name: "Acme Corp".into(),
            email: None,
            time_zone: None,
            metadata: None,
            status: AccountStatus::Active,
        };
        self.run(at("2025-12-01T00:00:00Z"), |view, making| {
            create_account(view, making.ids, &new)
        })
        .id
    }

    /// One account on plan starter since before anything happened.
    pub(super) fn with_acme() -> (Self, AccountId) {
        let mut world = Self::new();
        let acme = world.account(None);
        world.provision(at("2025-12-01T00:00:00Z"), &Provision::new(acme, "starter"));
        (world, acme)
    }

    pub(super) fn provision(&mut self, now: Time, command: &Provision) {
        self.run(now, |view, making| provision(view, making, command));
    }

    /// `quantity` runs used at `occurred_at` and told later.
    pub(super) fn used(&mut self, account: AccountId, occurred_at: Time, quantity: &str) {
        self.event(
            account,
            "runs",
            occurred_at,
            occurred_at.plus_seconds(60),
            quantity,
            "run",
        );
    }

    pub(super) fn event(
        &mut self,
        account: AccountId,
        resource: &str,
        occurred_at: Time,
        recorded_at: Time,
        quantity: &str,
        unit: &str,
    ) {
        self.made += 1;
        let quantity: Quantity = quantity.parse().unwrap();
        self.events.push(LedgerEvent {
            id: EventId(IdSource::new(TREE, recorded_at, self.made).draw()),
            tree_seq: i64::from(self.made),
            key: format!("event {}", self.made).into(),
            fingerprint: [0; 16],
            account,
            resource: resource.into(),
            scope: None,
            quantity,
            unit: unit.into(),
            amount: Amount::of(quantity, self.catalog.factor(unit)),
            occurred_at,
            recorded_at,
            is_correction: false,
            corrects: None,
            source: "api".into(),
            recorded_by: "tester".into(),
            ruling: None,
            effects: vec![],
            overage: None,
            reservation: None,
            details: None,
            details_hash: None,
            chain: [0; 16],
        });
    }

    pub(super) fn simulation(&self, file: &str) -> Simulation {
        Simulation::new(
            Arc::new(self.catalog.clone()),
            Arc::new(changed(&self.catalog, file)),
        )
    }

    pub(super) fn replay(&self, mut simulation: Simulation) -> Vec<Outcome> {
        for event in &self.events {
            let load = |id| Ok::<_, String>(self.tree.get(id).map(|node| Node::clone(node)));
            simulation.replay(event, &mut { load }).unwrap();
        }
        simulation.finish()
    }

    /// What came of one account's runs.
    pub(super) fn outcome(&self, file: &str) -> Outcome {
        let outcomes = self.replay(self.simulation(file));
        outcomes
            .into_iter()
            .find(|outcome| &*outcome.resource == "runs")
            .unwrap()
    }
}

/// How often each decision was made, from the best to the worst.
pub(super) fn counts(tally: &Tally) -> [u64; 6] {
    let mut counts = [0; 6];
    for (count, decision) in counts.iter_mut().zip(Decision::ALL) {
        *count = tally.events(*decision);
    }
    counts
}
