//! One batch, one transaction: rows, keys and sums together, written by arrays and sent in one go
//! with COMMIT.

use std::collections::BTreeMap;

use mec_kernel::{
    Account, AccountId, AccountPlan, HourSum, Lease, LedgerEvent, Reservation, Rule, Time, TreeId,
    WindowKey, WindowTotal, Write, key_hash,
};
use tokio_postgres::error::{DbError, Severity, SqlState};

use super::bulk::Bulk;
use super::codec::{Exact, Hash, Id, Instant, Json, Units};
use super::heads::number;
use super::session::Change;
use super::{Stage, Writer, catalog, decisions, entitlement};
use crate::rows;
use crate::verify::HourKey;
use crate::{Commit, CommitError, Fault, StoreError};

impl Writer {
    /// What fails before COMMIT is sent has changed nothing, and neither has what the server itself
    /// refuses. A connection that is lost afterwards leaves open what is durable, and so does a
    /// warning: it is how the server tells that it did not wait for a standby, or could not tell
    /// every node. Then the trees' stamps are asked.
    pub(crate) async fn commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        let outcome = match self.try_commit(commit).await {
            Err(CommitError::Unknown(lost)) => self.settle(commit, lost).await,
            outcome => outcome,
        };
        if outcome.is_err() {
            self.abort().await;
        }
        self.new_trees.clear();
        outcome
    }

    async fn try_commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        let fault = self.faults.get();
        if fault == Some(Fault::DiskFull) {
            return Err(CommitError::NotDone(StoreError::Stopped(
                "a test filled the disk".to_owned(),
            )));
        }
        self.begin().await.map_err(CommitError::NotDone)?;
        let new_trees = std::mem::take(&mut self.new_trees);
        let session = self.session().await.map_err(CommitError::NotDone)?;
        let now = commit.now();
        let mut changes = entitlement::put(session, &commit.writes, &commit.present())
            .await
            .map_err(CommitError::NotDone)?;
        if let Some(version) = commit.catalog_version {
            catalog::raise_version(session, version, now)
                .await
                .map_err(CommitError::NotDone)?;
        }
        changes.extend(batch(commit, &new_trees, now));
        let statements = session
            .prepare(&changes)
            .await
            .map_err(CommitError::NotDone)?;
        session.take_warning();
        let end = if fault == Some(Fault::CommitLost) {
            "ROLLBACK"
        } else {
            "COMMIT"
        };
        let (changed, ended) = session.send(&statements, &changes, end).await;
        let warning = session.take_warning();
        let Some(ended) = ended else {
            let error = changed.err().unwrap_or(StoreError::Lost);
            // What the server said no word to has no form it could be sent in.
            let is_refused = !error.is_passing() && refusal(&error, commit).unwrap_or(true);
            return Err(if is_refused {
                CommitError::Refused(error)
            } else {
                CommitError::NotDone(error)
            });
        };
        self.stage = Stage::Idle;
        if let Err(error) = changed {
            return Err(match refusal(&error, commit) {
                // The server said no to a statement, and so the COMMIT behind it was a ROLLBACK.
                Some(true) => CommitError::Refused(error),
                Some(false) => CommitError::NotDone(error),
                None => self.lost(error),
            });
        }
        match (ended, warning) {
            (Ok(()), None) if fault.is_none() => Ok(()),
            (Ok(()), None) => Err(CommitError::Unknown(StoreError::Stopped(
                "a test lost the answer".to_owned(),
            ))),
            (Ok(()), Some(warning)) => Err(self.lost(warned(&warning))),
            (Err(error), _) if is_rolled_back(&error) => Err(CommitError::NotDone(error)),
            (Err(error), _) => Err(self.lost(error)),
        }
    }

    /// Whoever comes next gets a connection of which nothing is open.
    fn lost(&mut self, error: StoreError) -> CommitError {
        self.session = None;
        CommitError::Unknown(error)
    }
}

pub(super) fn warned(warning: &str) -> StoreError {
    StoreError::Stopped(format!("the server warned at COMMIT: {warning}"))
}

/// Whether the server itself said no to a statement: because of its row, or for another reason.
/// `None`: it did not say anything.
fn refusal(error: &StoreError, commit: &Commit) -> Option<bool> {
    let StoreError::Postgres(error) = error else {
        // A statement that was cut short by the server's own limit.
        return matches!(error, StoreError::TimedOut).then_some(false);
    };
    let said = error.as_db_error()?;
    let class = said.code().code().get(..2).unwrap_or_default();
    // A pooler between says so of a connection it has lost, which may have carried out all it was
    // sent.
    if is_fatal(said) && matches!(class, "08" | "58") {
        return None;
    }
    // Another batch, under its own locks, made the same tree or took the same name first: this one
    // is decided anew on what it left. Where two accounts of this batch want one name, that would
    // not help.
    let is_late = *said.code() == SqlState::UNIQUE_VIOLATION
        && match said.table() {
            Some("account_trees") => true,
            Some("account_links") => !has_one_name_twice(&commit.writes),
            _ => false,
        };
    Some(matches!(class, "22" | "23") && !is_late)
}

/// Whether the connection ends with it, in whatever language the server says so.
fn is_fatal(said: &DbError) -> bool {
    match said.parsed_severity() {
        Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
        None => matches!(said.severity(), "FATAL" | "PANIC"),
    }
}

fn has_one_name_twice(writes: &[Write]) -> bool {
    let mut named: BTreeMap<AccountId, &str> = BTreeMap::new();
    for write in writes {
        let Write::Account(account) = write else {
            continue;
        };
        match &account.external_id {
            Some(name) => drop(named.insert(account.id, name)),
            None => drop(named.remove(&account.id)),
        }
    }
    let names: std::collections::BTreeSet<&str> = named.values().copied().collect();
    names.len() < named.len()
}

/// Whether COMMIT itself says that it did not happen.
fn is_rolled_back(error: &StoreError) -> bool {
    let StoreError::Postgres(error) = error else {
        return false;
    };
    error
        .as_db_error()
        .is_some_and(|said| matches!(said.code().code().get(..2), Some("23" | "40")))
}

/// The changes of a batch, in an order in which each is right after those before it.
fn batch<'a>(
    commit: &'a Commit,
    new_trees: &std::collections::BTreeSet<TreeId>,
    now: Time,
) -> Vec<Change<'a>> {
    let mut kept = Kept::default();
    for write in &commit.writes {
        kept.take(write);
    }
    let mut changes = vec![];
    changes.extend(kept.accounts());
    changes.extend(kept.account_plans());
    changes.extend(kept.rules.values().filter_map(|rule| rule.map(put_rule)));
    changes.extend(kept.removed_rules());
    changes.extend(kept.events());
    changes.extend(kept.leases());
    changes.extend(kept.reservations());
    changes.extend(kept.hours());
    changes.extend(windows(&commit.windows, &commit.present()));
    changes.extend(heads(commit, new_trees));
    changes.extend(catalog::changes(&commit.catalog, now));
    changes.extend(decisions::log(&commit.decisions));
    changes
}

/// What a batch leaves: of a row that is written twice the last state, of use its sums.
#[derive(Default)]
struct Kept<'a> {
    accounts: BTreeMap<AccountId, &'a Account>,
    account_plans: BTreeMap<(AccountId, &'a str, &'a str, Time), &'a AccountPlan>,
    /// `None`: removed.
    rules: BTreeMap<(mec_kernel::RuleId, TreeId), Option<&'a Rule>>,
    events: Vec<&'a LedgerEvent>,
    leases: BTreeMap<mec_kernel::LeaseId, &'a Lease>,
    reservations: BTreeMap<mec_kernel::ReservationId, &'a Reservation>,
    hours: BTreeMap<HourKey, HourSum>,
}

impl<'a> Kept<'a> {
    fn take(&mut self, write: &'a Write) {
        match write {
            Write::Account(account) => drop(self.accounts.insert(account.id, account)),
            Write::AccountPlan(plan) => {
                self.account_plans.insert(
                    (plan.account, &plan.plan, &plan.reference, plan.starts_at),
                    plan,
                );
            }
            Write::Rule(rule) => drop(
                self.rules
                    .insert((rule.id, tree_of(rule.account)), Some(rule)),
            ),
            Write::RemoveRule { account, rule } => {
                self.rules.insert((*rule, tree_of(*account)), None);
            }
            Write::Event { event, path } => {
                for (account, sum) in HourSum::of(event, path) {
                    let hour = event.occurred_at.hour();
                    let key = (
                        account,
                        event.resource.clone(),
                        event.scope.clone(),
                        event.unit.clone(),
                        hour,
                    );
                    let entry = self.hours.entry(key).or_default();
                    *entry = entry.plus(sum);
                }
                self.events.push(event);
            }
            Write::Lease { new, .. } => drop(self.leases.insert(new.id, new)),
            Write::Reservation { new, .. } => drop(self.reservations.insert(new.id, new)),
            // Counters are written once, as they are after the batch; entitlements with their
            // audit.
            Write::Mark { .. } | Write::Window { .. } | Write::Entitlement { .. } => {}
        }
    }

    fn accounts(&self) -> Vec<Change<'a>> {
        let rows: Vec<&'a Account> = self.accounts.values().copied().collect();
        let each = || rows.iter().copied();
        let links = || {
            let of = Bulk::of("account_links")
                .column("account_id", each().map(|account| Id(account.id.0)));
            of.column(
                "external_id",
                each().map(|account| account.external_id.as_deref()),
            )
        };
        // Names are given up before they are taken: another account of this batch may take one.
        let given_up = links().with(
            "DELETE FROM account_links l USING {rows} WHERE l.source = '' AND l.account_id = x.account_id \
             AND l.external_id IS DISTINCT FROM x.external_id",
        );
        let taken = links().with(
            "INSERT INTO account_links (source, external_id, account_id) SELECT '', x.external_id, x.account_id FROM {rows} \
             LEFT JOIN account_links l ON l.source = '' AND l.external_id = x.external_id AND l.account_id = x.account_id \
             WHERE x.external_id IS NOT NULL AND l.account_id IS NULL",
        );
        let put = Bulk::of("accounts")
            .column("account_id", each().map(|account| Id(account.id.0)))
            .column(
                "parent_account_id",
                each().map(|account| account.parent.map(|id| Id(id.0))),
            )
            .column("root_account_id", each().map(|account| Id(account.root.0)))
            .column(
                "account_type_code",
                each().map(|account| account.account_type.as_str()),
            )
            .column(
                "external_id",
                each().map(|account| account.external_id.as_deref()),
            )
            .column(
                "display_name",
                each().map(|account| account.display_name.as_str()),
            )
            .column("email", each().map(|account| account.email.as_deref()))
            .column("status", each().map(|account| account.status.code()))
            .column(
                "time_zone",
                each().map(|account| account.time_zone.as_deref()),
            )
            .column(
                "metadata",
                each().map(|account| account.metadata.as_deref().map(Json)),
            )
            .column(
                "created_at",
                each().map(|account| Instant::from(account.created_at)),
            )
            .column(
                "updated_at",
                each().map(|account| Instant::from(account.updated_at)),
            )
            .column("tree", each().map(|account| number(account.id.tree())))
            .replace(
                "account_id, tree",
                &[
                    "account_type_code",
                    "external_id",
                    "display_name",
                    "email",
                    "status",
                    "time_zone",
                    "metadata",
                    "updated_at",
                ],
            );
        [given_up, taken, put].into_iter().flatten().collect()
    }

    fn account_plans(&self) -> Option<Change<'a>> {
        let rows: Vec<&'a AccountPlan> = self.account_plans.values().copied().collect();
        let each = || rows.iter().copied();
        Bulk::of("account_plans")
            .column("account_id", each().map(|plan| Id(plan.account.0)))
            .column("plan_id", each().map(|plan| plan.plan.as_str()))
            .column("ref", each().map(|plan| plan.reference.as_str()))
            .column("version", each().map(|plan| plan.version))
            .column(
                "quantity",
                each().map(|plan| Units::<6>(plan.quantity.millionths())),
            )
            .column("anchor", each().map(|plan| Instant::from(plan.anchor)))
            .column(
                "starts_at",
                each().map(|plan| Instant::from(plan.starts_at)),
            )
            .column(
                "ends_at",
                each().map(|plan| plan.ends_at.map(Instant::from)),
            )
            .column(
                "own_ends_at",
                each().map(|plan| plan.own_end.map(Instant::from)),
            )
            .column("is_addon", each().map(|plan| plan.is_addon))
            .column("is_trial", each().map(|plan| plan.is_trial))
            .column("tree", each().map(|plan| number(plan.account.tree())))
            .replace(
                "account_id, plan_id, ref, starts_at, tree",
                &["version", "quantity", "anchor", "ends_at", "own_ends_at"],
            )
    }

    fn removed_rules(&self) -> Option<Change<'a>> {
        let removed: Vec<_> = self
            .rules
            .iter()
            .filter(|(_, rule)| rule.is_none())
            .map(|(key, _)| *key)
            .collect();
        Bulk::of("control_rules")
            .column("rule_id", removed.iter().map(|(rule, _)| Id(rule.0)))
            .column("tree", removed.iter().map(|(_, tree)| number(*tree)))
            .with_trees(
                "DELETE FROM control_rules r USING {rows} WHERE r.rule_id = x.rule_id AND r.tree = x.tree AND r.tree = {trees}",
                removed.iter().map(|(_, tree)| *tree),
            )
    }

    fn events(&self) -> Vec<Change<'a>> {
        let each = || self.events.iter().copied();
        let ruling = || each().map(|event| event.ruling.as_ref());
        let overage = || each().map(|event| event.overage);
        let rows = Bulk::of("consumption_ledger")
            .column("event_id", each().map(|event| Id(event.id.0)))
            .column("tree", each().map(|event| number(event.id.tree())))
            .column("tree_seq", each().map(|event| event.tree_seq))
            .column("idempotency_key", each().map(|event| &*event.key))
            .column("account_id", each().map(|event| Id(event.account.0)))
            .column(
                "resource_type_code",
                each().map(|event| event.resource.as_str()),
            )
            .column("resource_scope", each().map(|event| event.scope.as_deref()))
            .column(
                "quantity",
                each().map(|event| Units::<6>(event.quantity.millionths())),
            )
            .column("unit_code", each().map(|event| event.unit.as_str()))
            .column(
                "occurred_at",
                each().map(|event| Instant::from(event.occurred_at)),
            )
            .column(
                "recorded_at",
                each().map(|event| Instant::from(event.recorded_at)),
            )
            .column("is_correction", each().map(|event| event.is_correction))
            .column(
                "corrects_event_id",
                each().map(|event| event.corrects.map(|id| Id(id.0))),
            )
            .column("source", each().map(|event| event.source.as_str()))
            .column(
                "recorded_by",
                each().map(|event| event.recorded_by.as_str()),
            )
            .column(
                "decision",
                ruling().map(|ruling| ruling.map(|ruling| ruling.decision.code())),
            )
            .column(
                "reason",
                ruling().map(|ruling| ruling.map(|ruling| &*ruling.reason)),
            )
            .column(
                "reason_code",
                ruling().map(|ruling| ruling.map(|ruling| ruling.reason_code.as_str())),
            )
            .column(
                "entitlement_id",
                ruling().map(|ruling| {
                    ruling
                        .and_then(|ruling| ruling.entitlement)
                        .map(|id| Id(id.0))
                }),
            )
            .column(
                "effects",
                each().map(|event| rows::effects_text(&event.effects).map(Json)),
            )
            .column(
                "details_hash",
                each().map(|event| event.details_hash.map(Hash)),
            )
            .column("fingerprint", each().map(|event| Hash(event.fingerprint)))
            .column("chain", each().map(|event| Hash(event.chain)))
            .column(
                "reservation_id",
                each().map(|event| event.reservation.map(|id| Id(id.0))),
            )
            .column(
                "overage_quantity",
                overage().map(|overage| overage.map(|of| Units::<6>(of.quantity.millionths()))),
            )
            .column(
                "overage_cost",
                overage().map(|overage| overage.map(|of| Units::<6>(of.cost.millionths()))),
            )
            .insert();
        // A settlement is found by its reservation: no caller's key leads to it.
        let keyed = || each().filter(|event| event.reservation.is_none());
        let keys = Bulk::of("ledger_keys")
            .column(
                "key_hash",
                keyed().map(|event| key_hash(event.id.tree(), &event.key)),
            )
            .column("tree", keyed().map(|event| number(event.id.tree())))
            .column("event_id", keyed().map(|event| Id(event.id.0)))
            .insert();
        let detailed = || each().filter_map(|event| Some((event.id, event.details.as_deref()?)));
        let details = Bulk::of("consumption_event_details")
            .column("event_id", detailed().map(|(id, _)| Id(id.0)))
            .column("tree", detailed().map(|(id, _)| number(id.tree())))
            .column("details", detailed().map(|(_, details)| Json(details)))
            .insert();
        [rows, keys, details].into_iter().flatten().collect()
    }

    fn leases(&self) -> Option<Change<'a>> {
        let rows: Vec<&'a Lease> = self.leases.values().copied().collect();
        let each = || rows.iter().copied();
        Bulk::of("concurrency_leases")
            .column("lease_id", each().map(|lease| Id(lease.id.0)))
            .column("account_id", each().map(|lease| Id(lease.account.0)))
            .column(
                "resource_type_code",
                each().map(|lease| lease.resource.as_str()),
            )
            .column("resource_scope", each().map(|lease| lease.scope.as_deref()))
            .column("session_token", each().map(|lease| lease.token.as_deref()))
            .column(
                "quantity",
                each().map(|lease| Units::<6>(lease.quantity.millionths())),
            )
            .column("amount", each().map(|lease| Exact(lease.amount)))
            .column("fencing_token", each().map(|lease| lease.fencing_token))
            .column(
                "acquired_at",
                each().map(|lease| Instant::from(lease.acquired_at)),
            )
            .column(
                "expires_at",
                each().map(|lease| Instant::from(lease.expires_at)),
            )
            .column(
                "released_at",
                each().map(|lease| lease.released_at.map(Instant::from)),
            )
            .column("tree", each().map(|lease| number(lease.id.tree())))
            .replace(
                "lease_id, tree",
                &["quantity", "amount", "expires_at", "released_at"],
            )
    }

    fn reservations(&self) -> Option<Change<'a>> {
        let rows: Vec<&'a Reservation> = self.reservations.values().copied().collect();
        let each = || rows.iter().copied();
        Bulk::of("reservations")
            .column("reservation_id", each().map(|held| Id(held.id.0)))
            .column("idempotency_key", each().map(|held| held.key.as_str()))
            .column("account_id", each().map(|held| Id(held.account.0)))
            .column(
                "resource_type_code",
                each().map(|held| held.resource.as_str()),
            )
            .column("resource_scope", each().map(|held| held.scope.as_deref()))
            .column(
                "quantity",
                each().map(|held| Units::<6>(held.quantity.millionths())),
            )
            .column("unit_code", each().map(|held| held.unit.as_str()))
            .column("amount", each().map(|held| Exact(held.amount)))
            .column("status", each().map(|held| held.status.code()))
            .column(
                "reserved_at",
                each().map(|held| Instant::from(held.reserved_at)),
            )
            .column(
                "expires_at",
                each().map(|held| Instant::from(held.expires_at)),
            )
            .column("event_id", each().map(|held| held.event.map(|id| Id(id.0))))
            .column("decision", each().map(|held| held.ruling.decision.code()))
            .column("reason", each().map(|held| &*held.ruling.reason))
            .column(
                "reason_code",
                each().map(|held| held.ruling.reason_code.as_str()),
            )
            .column(
                "entitlement_id",
                each().map(|held| held.ruling.entitlement.map(|id| Id(id.0))),
            )
            .column("tree", each().map(|held| number(held.id.tree())))
            .replace("reservation_id, tree", &["status", "event_id"])
    }

    /// The one place that adds sums.
    fn hours(&self) -> Option<Change<'a>> {
        let keys = || self.hours.keys();
        let sums = || self.hours.values();
        Bulk::of("usage_hours")
            .column("tree", keys().map(|(account, ..)| number(account.tree())))
            .column("account_id", keys().map(|(account, ..)| Id(account.0)))
            .column(
                "resource_type_code",
                keys().map(|(_, resource, ..)| resource.as_str().to_owned()),
            )
            .column(
                "resource_scope",
                keys().map(|(_, _, scope, ..)| rows::scope_text(scope.as_ref()).to_owned()),
            )
            .column(
                "unit_code",
                keys().map(|(_, _, _, unit, _)| unit.as_str().to_owned()),
            )
            .column("hour", keys().map(|(.., hour)| Instant::from(*hour)))
            .column("own", sums().map(|sum| Exact(sum.own)))
            .column("subtree", sums().map(|sum| Exact(sum.subtree)))
            .column("overage", sums().map(|sum| Exact(sum.overage)))
            .column("overage_cost", sums().map(|sum| Exact(sum.overage_cost)))
            .column("events", sums().map(|sum| sum.events))
            .add(
                "tree, account_id, resource_type_code, resource_scope, unit_code, hour",
                &["own", "subtree", "overage", "overage_cost", "events"],
            )
    }
}

fn tree_of(account: Option<AccountId>) -> TreeId {
    account.map_or(TreeId::CATALOG, AccountId::tree)
}

/// One rule; there are never many.
pub(super) fn put_rule(rule: &Rule) -> Change<'static> {
    let money = |quantity: Option<mec_kernel::Quantity>| {
        quantity.map(|quantity| Units::<6>(quantity.millionths()))
    };
    let change = Bulk::of("control_rules")
        .column("rule_id", std::iter::once(Id(rule.id.0)))
        .column(
            "resource_type_code",
            std::iter::once(rule.resource.as_str().to_owned()),
        )
        .column("limit_kind_code", std::iter::once(rule.limit_kind.code()))
        .column(
            "account_id",
            std::iter::once(rule.account.map(|id| Id(id.0))),
        )
        .column(
            "plan_id",
            std::iter::once(rule.plan.as_deref().map(str::to_owned)),
        )
        .column(
            "window_type_code",
            std::iter::once(rule.window.map(|kind| kind.code())),
        )
        .column("limit_action_code", std::iter::once(rule.action.code()))
        .column(
            "warn_at_percent",
            std::iter::once(rule.warn_at.map(|percent| Units::<2>(percent.0))),
        )
        .column(
            "grace_quantity",
            std::iter::once(money(rule.grace_quantity)),
        )
        .column("grace_period_seconds", std::iter::once(rule.grace_seconds))
        .column("overage_limit", std::iter::once(money(rule.overage_limit)))
        .column(
            "overage_unit_price",
            std::iter::once(money(rule.overage_price)),
        )
        .column("currency", std::iter::once(rule.currency.clone()))
        .column("priority", std::iter::once(rule.priority))
        .column("is_active", std::iter::once(rule.is_active))
        .column(
            "created_at",
            std::iter::once(Instant::from(rule.created_at)),
        )
        .column(
            "updated_at",
            std::iter::once(Instant::from(rule.updated_at)),
        )
        .column("tree", std::iter::once(number(tree_of(rule.account))))
        .replace(
            "rule_id, tree",
            &[
                "resource_type_code",
                "limit_kind_code",
                "plan_id",
                "window_type_code",
                "limit_action_code",
                "warn_at_percent",
                "grace_quantity",
                "grace_period_seconds",
                "overage_limit",
                "overage_unit_price",
                "currency",
                "priority",
                "is_active",
                "updated_at",
            ],
        );
    change.expect("there is one row")
}

/// Open windows as they are after the batch; a closed one is dropped and counted anew should
/// anybody ask.
fn windows<'a>(
    moved: &'a [(AccountId, WindowKey, WindowTotal)],
    at: &dyn Fn(TreeId) -> Time,
) -> Vec<Change<'a>> {
    let last: BTreeMap<(AccountId, &WindowKey), &WindowTotal> = moved
        .iter()
        .map(|(account, key, total)| ((*account, key), total))
        .collect();
    let is_closed = |account: AccountId, key: &WindowKey| key.window.is_over(at(account.tree()));
    let (closed, open): (Vec<_>, Vec<_>) = last
        .into_iter()
        .partition(|((account, key), _)| is_closed(*account, key));
    let of = |some: &[((AccountId, &'a WindowKey), &'a WindowTotal)]| {
        let keys: Vec<(AccountId, &'a WindowKey)> = some.iter().map(|(key, _)| *key).collect();
        let each = || keys.iter().copied();
        let columns = |key: &WindowKey| rows::window_columns(key.window);
        Bulk::of("usage_windows")
            .column("tree", each().map(|(account, _)| number(account.tree())))
            .column("account_id", each().map(|(account, _)| Id(account.0)))
            .column(
                "resource_type_code",
                each().map(|(_, key)| key.resource.as_str()),
            )
            .column(
                "resource_scope",
                each().map(|(_, key)| rows::scope_text(key.scope.as_ref())),
            )
            .column("rolling_seconds", each().map(|(_, key)| columns(key).0))
            .column(
                "window_start",
                each().map(|(_, key)| Instant(columns(key).1)),
            )
            .column("window_end", each().map(|(_, key)| Instant(columns(key).2)))
    };
    let dropped = of(&closed).with_trees(
        "DELETE FROM usage_windows w USING {rows} WHERE w.tree = x.tree AND w.tree = {trees} AND w.account_id = x.account_id \
         AND w.resource_type_code = x.resource_type_code AND w.resource_scope = x.resource_scope \
         AND w.rolling_seconds = x.rolling_seconds AND w.window_start = x.window_start AND w.window_end = x.window_end",
        closed.iter().map(|((account, _), _)| account.tree()),
    );
    let totals = || open.iter().map(|(_, total)| *total);
    let put = of(&open)
        .column("used", totals().map(|total| Exact(total.used)))
        .column("own", totals().map(|total| Exact(total.own)))
        .column("steps", totals().map(|total| rows::steps_text(&total.steps).map(Json)))
        .column("over_since", totals().map(|total| total.over_since.map(Instant::from)))
        .column("overage", totals().map(|total| Exact(total.overage)))
        .replace(
            "tree, account_id, resource_type_code, resource_scope, rolling_seconds, window_start, window_end",
            &["used", "own", "steps", "over_since", "overage"],
        );
    dropped.into_iter().chain(put).collect()
}

/// What the next batches continue from. A tree that was not there is only ever made, so that of two
/// batches that make the same one the second is refused.
fn heads<'a>(commit: &Commit, new_trees: &std::collections::BTreeSet<TreeId>) -> Vec<Change<'a>> {
    let (new, known): (Vec<_>, Vec<_>) = commit
        .heads
        .iter()
        .copied()
        .partition(|head| new_trees.contains(&head.tree));
    let of = |heads: Vec<mec_kernel::Head>| {
        let each = || heads.iter();
        Bulk::of("account_trees")
            .column("tree", each().map(|head| number(head.tree)))
            .column("version", each().map(|head| head.version))
            .column("stamp", each().map(|head| head.stamp))
            .column("last_at", each().map(|head| Instant::from(head.last_at)))
            .column("next_seq", each().map(|head| head.next_seq))
            .column("next_token", each().map(|head| head.next_token))
            .column("chain", each().map(|head| Hash(head.chain)))
    };
    let made = of(new).insert();
    let moved = of(known).replace(
        "tree",
        &[
            "version",
            "stamp",
            "last_at",
            "next_seq",
            "next_token",
            "chain",
        ],
    );
    made.into_iter().chain(moved).collect()
}
