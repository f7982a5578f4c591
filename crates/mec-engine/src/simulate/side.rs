//! One of the two catalogs and the state the replayed use has led to under it.

use std::sync::Arc;

use mec_kernel::{
    AccountId, Actor, Attributes, Catalog, Check, Facts, Halt, Head, IdSource, LedgerEvent,
    LimitKind, Making, Meter, Need, Node, Standing, Time, Tree, TreeId, View, Window, WindowKey,
    WindowKind, WindowTotal, Write, Zone, check, meter, window_at,
};

use super::tally::Tally;

#[derive(Debug)]
pub(super) struct Side {
    catalog: Arc<Catalog>,
    tree: Tree,
    actor: Actor,
    /// How long after it happened an event may have been told, in seconds.
    late_seconds_max: i64,
}

impl Side {
    pub(super) fn new(catalog: Arc<Catalog>, late_seconds_max: i64) -> Self {
        let actor = Actor {
            name: "simulate".into(),
            source: "simulate".into(),
            reason: None,
        };
        Self {
            catalog,
            tree: Tree::new(Head::new(TreeId::CATALOG)),
            actor,
            late_seconds_max,
        }
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(super) fn begin(&mut self, tree: TreeId) {
        self.tree = Tree::new(Head::new(tree));
    }

    pub(super) fn knows(&self, account: AccountId) -> bool {
        self.tree.get(account).is_some()
    }

    pub(super) fn insert(&mut self, node: Node) {
        self.tree.insert(node);
    }

    /// What is said when `event` is asked for before it happens.
    pub(super) fn ask(&mut self, event: &LedgerEvent, tally: &mut Tally) {
        let question = Check {
            account: event.account,
            resource: event.resource.clone(),
            scope: event.scope.clone(),
            quantity: Some(event.quantity),
            unit: Some(event.unit.clone()),
            attributes: Attributes::new(),
            explain: false,
        };
        let Some(standing) = self.decided(event, |view| check(view, &question)) else {
            tally.rejected = tally.rejected.saturating_add(1);
            return;
        };
        let canonical = self
            .catalog
            .resources
            .get(&event.resource)
            .map(|resource| self.catalog.canonical(resource));
        let quantity = canonical
            .map(|canonical| event.amount.rounded(canonical))
            .unwrap_or_default();
        tally.add(
            &standing,
            self.currency(&standing),
            event.occurred_at,
            quantity,
        );
    }

    /// `event` happens, whatever was said.
    pub(super) fn record(&mut self, event: &LedgerEvent) {
        self.open_windows(event);
        let command = Meter {
            key: event.key.clone(),
            account: event.account,
            resource: event.resource.clone(),
            scope: event.scope.clone(),
            quantity: event.quantity,
            unit: Some(event.unit.clone()),
            occurred_at: None,
            details: None,
            is_correction: false,
            corrects: None,
            attributes: Attributes::new(),
        };
        let mut ids = IdSource::new(event.account.tree(), event.occurred_at, 0);
        let actor = self.actor.clone();
        let is_plain = !event.is_correction && !event.quantity.is_negative();
        let ruled = if is_plain {
            self.decided(event, |view| {
                meter(
                    view,
                    &mut Making {
                        ids: &mut ids,
                        actor: &actor,
                    },
                    &command,
                )
            })
        } else {
            None
        };
        // What is given back or corrected was accepted when it was recorded; so was what this
        // catalog would not accept.
        let writes = ruled.map_or_else(
            || self.plain_write(event).into_iter().collect(),
            |ruling| ruling.writes,
        );
        let kept_from = self.kept_from(event);
        for write in &writes {
            self.tree.apply(write, kept_from);
        }
    }

    /// Decides at the instant `event` happened; `None` where it is refused.
    fn decided<A>(
        &mut self,
        event: &LedgerEvent,
        mut decide: impl FnMut(&View<'_>) -> Result<A, Halt>,
    ) -> Option<A> {
        let mut facts = Facts::default();
        facts.keys.insert(event.key.clone(), None);
        loop {
            let view = View {
                tree: &self.tree,
                facts: &facts,
                catalog: &self.catalog,
                now: event.occurred_at,
            };
            match decide(&view) {
                Ok(answer) => return Some(answer),
                // Every window an earlier event counts in has been open since: this one has none.
                Err(Halt::Need(Need::Window(account, key))) => self.open(account, key, event),
                Err(_) => return None,
            }
        }
    }

    fn open(&mut self, account: AccountId, key: WindowKey, event: &LedgerEvent) {
        let total = WindowTotal::default();
        self.tree.apply(
            &Write::Window {
                account,
                key,
                total,
            },
            self.kept_from(event),
        );
    }

    /// Opens, before `event` is recorded, every window it counts in by any row of its account or
    /// one above it, whether that row is in force, was or will be: so a row that begins to count
    /// later finds what was used before it did.
    fn open_windows(&mut self, event: &LedgerEvent) {
        let view = View {
            tree: &self.tree,
            facts: &Facts::default(),
            catalog: &self.catalog,
            now: event.occurred_at,
        };
        let Ok(path) = self.tree.path(event.account) else {
            return;
        };
        let kind = self
            .catalog
            .resources
            .get(&event.resource)
            .map(|resource| resource.limit_kind);
        let mut missing = vec![];
        for (level, node) in path.iter().enumerate() {
            let zone = view.zone(path.get(level..).unwrap_or_default());
            for key in windows(node, kind, &zone, event) {
                if !node.windows.contains_key(&key) {
                    missing.push((node.account.id, key));
                }
            }
        }
        for (account, key) in missing {
            self.open(account, key, event);
        }
    }

    fn plain_write(&self, event: &LedgerEvent) -> Option<Write> {
        let path = self
            .tree
            .path(event.account)
            .ok()?
            .iter()
            .map(|node| node.account.id)
            .collect();
        Some(Write::Event {
            event: Arc::new(LedgerEvent {
                effects: vec![],
                ..event.clone()
            }),
            path,
        })
    }

    /// A window that was over by then can get no event any more: counters of older ones are
    /// forgotten.
    fn kept_from(&self, event: &LedgerEvent) -> Time {
        event.occurred_at.min(
            event
                .recorded_at
                .plus_seconds(self.late_seconds_max.saturating_neg()),
        )
    }

    fn currency(&self, standing: &Standing) -> Option<&str> {
        let id = standing.rule?;
        let of_account = standing
            .account
            .and_then(|account| self.tree.get(account))
            .map(|node| node.rules.iter());
        let rule = of_account
            .into_iter()
            .flatten()
            .chain(&self.catalog.rules)
            .find(|rule| rule.id == id)?;
        rule.currency.as_deref()
    }
}

/// The windows in which `event` counts at the level of `node`.
fn windows(
    node: &Node,
    kind: Option<LimitKind>,
    zone: &Zone,
    event: &LedgerEvent,
) -> Vec<WindowKey> {
    let mut found: Vec<WindowKey> = vec![];
    let rows = node
        .entitlements
        .iter()
        .filter(|row| row.resource == event.resource);
    for row in rows.filter(|row| row.scope.is_none() || row.scope == event.scope) {
        let mut add = |window: Window| {
            let key = WindowKey {
                resource: event.resource.clone(),
                scope: row.scope.clone(),
                window,
            };
            if window.holds(event.occurred_at) && !found.contains(&key) {
                found.push(key);
            }
        };
        if kind != Some(LimitKind::Cumulative) {
            add(Window::LIFETIME);
            continue;
        }
        add(window_at(
            row.window,
            zone,
            row.valid_from,
            event.occurred_at,
        ));
        let is_anchored = matches!(
            row.window.kind,
            WindowKind::BillingMonth | WindowKind::BillingYear | WindowKind::Period
        );
        if is_anchored && row.window.anchor.is_none() {
            // It is counted from the anchor of whatever plan the account has at the time.
            for plan in node.plans.iter().filter(|plan| !plan.is_addon) {
                add(window_at(row.window, zone, plan.anchor, event.occurred_at));
            }
        }
    }
    found
}
