//! A world to try rules in: one tree, a clock that tests move, and a memory that answers what
//! commands need to know.
//!
//! After every command all counters of the tree are compared with the naive memory, the ledger's
//! numbers and links are walked, and a refusal is proved to have changed nothing.

use std::sync::Arc;

use mec_kernel::*;

pub(crate) use crate::asked::{
    acquire_of, check_of, consume_of, grant_of, meter_of, new_account, provision_of,
};
use crate::written::Written;

/// The instant at which worlds begin: a Friday.
pub(crate) const BEGINNING: &str = "2026-01-30T12:00:00Z";

pub(crate) struct World {
    pub(crate) catalog: Catalog,
    pub(crate) now: Time,
    pub(crate) tree: Tree,
    pub(crate) written: Written,
    /// The writes of the last command.
    pub(crate) last: Vec<Write>,
    /// Forget everything that is loaded before each command, as a cache does that holds nothing.
    pub(crate) is_cold: bool,
    facts: Facts,
    ids: IdSource,
    made: u32,
}

impl World {
    pub(crate) fn new() -> Self {
        let (tree, now) = (TreeId(7), time(BEGINNING));
        Self {
            catalog: crate::catalog::catalog(),
            now,
            tree: Tree::new(Head::new(tree)),
            written: Written::default(),
            last: vec![],
            is_cold: false,
            facts: Facts::default(),
            ids: IdSource::new(tree, now, 0),
            made: 0,
        }
    }

    /// A world with one root account, on a plan.
    pub(crate) fn with(plan: &str) -> (Self, AccountId) {
        let mut world = Self::new();
        let account = world.root();
        world.provision(account, plan);
        (world, account)
    }

    /// Moves the clock to `instant`.
    pub(crate) fn at(&mut self, instant: &str) {
        let instant = time(instant);
        assert!(instant >= self.now, "a tree's clock never runs backwards");
        self.now = instant;
    }

    /// Moves the clock on.
    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now = self.now.plus_seconds(seconds);
    }

    /// Decides a command, looking up what it needs, and makes what it ruled true.
    pub(crate) fn run<A>(
        &mut self,
        decide: impl Fn(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt>,
    ) -> Result<A, Refusal> {
        if self.ids.now() != self.now {
            self.ids = IdSource::new(TreeId(7), self.now, 0);
        }
        self.facts = Facts::default();
        if self.is_cold {
            self.tree = Tree::new(self.tree.head);
        }
        let mut asked = Vec::new();
        let ruled = loop {
            let view = View {
                tree: &self.tree,
                facts: &self.facts,
                catalog: &self.catalog,
                now: self.now,
            };
            let actor = Actor {
                name: "tester".into(),
                source: "api".into(),
                reason: None,
            };
            let mut ids = self.ids.clone();
            match decide(
                &view,
                &mut Making {
                    ids: &mut ids,
                    actor: &actor,
                },
            ) {
                Ok(ruling) => {
                    self.ids = ids;
                    break Ok(ruling);
                }
                Err(Halt::Refuse(refusal)) => break Err(refusal),
                Err(Halt::Need(need)) => {
                    assert!(!asked.contains(&need), "asked twice for {need:?}");
                    asked.push(need.clone());
                    self.written.look_up(need, self.now).learn(
                        &mut self.tree,
                        &mut self.facts,
                        self.now,
                    );
                }
            }
        };
        let ruling = match ruled {
            Ok(ruling) => ruling,
            Err(refusal) => {
                self.last = vec![];
                return Err(refusal);
            }
        };
        for write in &ruling.writes {
            self.tree.apply(write, self.now);
            self.facts.apply(write);
            self.written.apply(write);
        }
        self.last = ruling.writes;
        self.prove();
        Ok(ruling.answer)
    }

    /// Every counter is the sum of the ledger, every seat a live lease, and the ledger one chain
    /// without gaps.
    pub(crate) fn prove(&self) {
        for node in self.tree.nodes() {
            let account = node.account.id;
            for (key, total) in &node.windows {
                let counted = self.written.count(account, key, self.now);
                let mut total = total.clone();
                if let Window::Rolling { seconds } = key.window {
                    total.steps = total.steps.split_off(&oldest_step(self.now, seconds));
                }
                let figures = |total: &WindowTotal| {
                    (
                        total.used,
                        total.own,
                        total.held.live(self.now),
                        total.overage,
                        total.over_since,
                    )
                };
                assert_eq!(figures(&total), figures(&counted), "{account} {key:?}");
                assert_eq!(total.steps, counted.steps, "{account} {key:?}");
                assert!(
                    total
                        .held
                        .expiries(self.now)
                        .eq(counted.held.expiries(self.now)),
                    "{account} {key:?}"
                );
            }
            for ((resource, scope), seats) in &node.seats {
                let counted = self
                    .written
                    .seats(account, resource, scope.as_ref(), self.now);
                assert_eq!(
                    seats.live(self.now),
                    Amount(counted),
                    "{account} {resource} {scope:?}"
                );
            }
        }
        let mut chain = Chain::default();
        for (seq, event) in (1..).zip(&self.written.events) {
            assert_eq!(event.tree_seq, seq, "numbers have no gaps");
            assert_eq!(
                event.chain,
                event.link(&chain),
                "every row links to the one before"
            );
            chain = event.chain;
        }
        assert_eq!(self.tree.head.chain, chain);
    }

    pub(crate) fn root(&mut self) -> AccountId {
        self.create(None)
    }

    pub(crate) fn child(&mut self, parent: AccountId) -> AccountId {
        self.create(Some(parent))
    }

    fn create(&mut self, parent: Option<AccountId>) -> AccountId {
        let account = new_account(parent);
        self.run(|view, making| create_account(view, making.ids, &account))
            .unwrap()
            .id
    }

    pub(crate) fn patch_account(&mut self, account: AccountId, patch: &AccountPatch) {
        self.run(|view, _| patch_account(view, account, patch))
            .unwrap();
    }

    pub(crate) fn set_status(&mut self, account: AccountId, status: AccountStatus) {
        self.patch_account(
            account,
            &AccountPatch {
                status: Some(status),
                ..AccountPatch::default()
            },
        );
    }

    pub(crate) fn set_zone(&mut self, account: AccountId, zone: &str) {
        self.patch_account(
            account,
            &AccountPatch {
                time_zone: Some(Some(zone.into())),
                ..AccountPatch::default()
            },
        );
    }

    /// Gives a plan as the guide does: now, once, without end.
    pub(crate) fn provision(&mut self, account: AccountId, plan: &str) -> i64 {
        self.try_provision(&provision_of(account, plan)).unwrap()
    }

    pub(crate) fn try_provision(&mut self, asked: &Provision) -> Result<i64, Refusal> {
        self.run(|view, making| provision(view, making, asked))
    }

    pub(crate) fn grant(&mut self, grant_: &Grant) -> EntitlementId {
        self.run(|view, making| grant(view, making, grant_))
            .unwrap()
            .id
    }

    pub(crate) fn patch(
        &mut self,
        row: EntitlementId,
        patch: &EntitlementPatch,
    ) -> Result<Arc<Entitlement>, Refusal> {
        let account = self.written.entitlements[&row].account;
        self.run(|view, making| patch_entitlement(view, making, account, row, patch))
    }

    pub(crate) fn set_limit(&mut self, row: EntitlementId, limit: Option<&str>) {
        let quantity = Some(limit.map(quantity));
        self.patch(
            row,
            &EntitlementPatch {
                quantity,
                ..EntitlementPatch::default()
            },
        )
        .unwrap();
    }

    /// Writes conditions of a row, as a table write does.
    pub(crate) fn set_conditions(&mut self, row: EntitlementId, tests: &[ConditionTest]) {
        let condition = |test: &ConditionTest| Condition {
            id: ConditionId(0),
            test: test.clone(),
        };
        let conditions = tests.iter().map(condition).collect();
        let row = Arc::new(Entitlement {
            conditions,
            ..Entitlement::clone(&self.written.entitlements[&row])
        });
        let audit = || Audit {
            id: AuditId(0),
            action: "update",
            by: "tester".into(),
            reason: String::new(),
        };
        let write = || Write::Entitlement {
            row: row.clone(),
            metadata: None,
            audit: audit(),
        };
        self.run(|_, _| {
            Ok(Ruling {
                answer: (),
                writes: vec![write()],
            })
        })
        .unwrap();
    }

    /// Enforces a resource by `change`d rule: of the catalog, or of the account the rule names.
    pub(crate) fn rule(&mut self, resource: &str, change: impl FnOnce(&mut Rule)) -> RuleId {
        let rule = self.new_rule(resource, change);
        if rule.account.is_some() {
            self.run(|view, _| put_rule(view, &rule)).unwrap();
        } else {
            let view = View {
                tree: &self.tree,
                facts: &self.facts,
                catalog: &self.catalog,
                now: self.now,
            };
            check_rule(&view, &rule).unwrap();
            self.catalog.rules.push(rule.clone());
        }
        rule.id
    }

    /// A `change`d rule that is nowhere yet.
    pub(crate) fn new_rule(&mut self, resource: &str, change: impl FnOnce(&mut Rule)) -> Arc<Rule> {
        self.made += 1;
        let mut rule = Rule {
            id: RuleId(self.made.into()),
            resource: resource.into(),
            limit_kind: self.catalog.resources[resource].limit_kind,
            account: None,
            plan: None,
            window: None,
            action: LimitAction::Block,
            warn_at: None,
            grace_quantity: None,
            grace_seconds: None,
            overage_limit: None,
            overage_price: None,
            currency: None,
            priority: 0,
            is_active: true,
            created_at: self.now,
            updated_at: self.now,
        };
        change(&mut rule);
        if rule.action == LimitAction::Overage {
            rule.overage_price.get_or_insert(Quantity::ZERO);
            rule.currency.get_or_insert("USD".to_owned());
        }
        Arc::new(rule)
    }

    pub(crate) fn check(&mut self, question: &Check) -> Result<Standing, Refusal> {
        self.run(|view, _| check(view, question).map(Ruling::unchanged))
    }

    /// Asks for a quantity in the canonical unit; `None` asks where the account stands.
    pub(crate) fn ask(
        &mut self,
        account: AccountId,
        resource: &str,
        asked: Option<&str>,
    ) -> Standing {
        self.check(&check_of(account, resource, asked)).unwrap()
    }

    pub(crate) fn try_consume(&mut self, asked: &Consume) -> Result<Consumed, Refusal> {
        self.run(|view, making| consume(view, making, asked))
    }

    pub(crate) fn consume(
        &mut self,
        account: AccountId,
        resource: &str,
        amount: &str,
        key: &str,
    ) -> Consumed {
        self.try_consume(&consume_of(account, resource, amount, key))
            .unwrap()
    }

    pub(crate) fn try_meter(&mut self, used: &Meter) -> Result<Recorded, Refusal> {
        self.run(|view, making| meter(view, making, used))
    }

    /// Records use under a key of its own.
    pub(crate) fn meter(&mut self, account: AccountId, resource: &str, amount: &str) -> EventId {
        self.made += 1;
        self.try_meter(&meter_of(
            account,
            resource,
            amount,
            &format!("made-{}", self.made),
        ))
        .unwrap()
        .event
    }

    pub(crate) fn try_correct(&mut self, asked: &Correct) -> Result<Recorded, Refusal> {
        self.run(|view, making| correct(view, making, asked))
    }

    pub(crate) fn acquire(&mut self, asked: &Acquire) -> Leased {
        self.run(|view, making| acquire(view, making, asked))
            .unwrap()
    }

    pub(crate) fn renew(&mut self, lease: LeaseId, ttl_seconds: i64) -> Leased {
        let asked = Renew {
            lease,
            ttl_seconds,
            attributes: Attributes::new(),
        };
        self.run(|view, _| renew(view, &asked)).unwrap()
    }

    pub(crate) fn release(&mut self, lease: LeaseId) -> bool {
        self.run(|view, _| release(view, lease)).unwrap()
    }

    /// The rows of an account that are not over.
    pub(crate) fn rows(&self, account: AccountId) -> Vec<Arc<Entitlement>> {
        let rows = self
            .written
            .entitlements
            .values()
            .filter(|row| row.account == account && row.is_standing(self.now));
        rows.cloned().collect()
    }

    /// The one row of an account for a resource that is not over.
    pub(crate) fn row(&self, account: AccountId, resource: &str) -> Arc<Entitlement> {
        let mut rows = self.rows(account);
        rows.retain(|row| &*row.resource == resource);
        assert_eq!(rows.len(), 1, "one row for {resource}");
        rows.remove(0)
    }
}

pub(crate) fn time(text: &str) -> Time {
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is no instant"))
}

pub(crate) fn quantity(text: &str) -> Quantity {
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is no quantity"))
}

/// A quantity as answers show it.
pub(crate) fn total(text: &str) -> Option<Total> {
    Some(Total(quantity(text).millionths().into()))
}
