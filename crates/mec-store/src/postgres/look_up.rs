//! Answering needs: many of a kind by one statement, windows counted from the ledger.
//!
//! Every statement names its trees on every table, so that a database of several shards asks only
//! those that hold them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{join, join3, try_join4, try_join5};
use mec_kernel::{
    AccountId, Amount, Catalog, Code, Expiries, Fact, Lease, LedgerEvent, Need, Node, Quantity,
    Reservation, Session as Seat, Time, TreeId, Window, WindowKey, WindowTotal, key_hash,
    oldest_step, step_micros, step_of, step_start,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::cells::Found;
use super::codec::{Id, Instant};
use super::entitlement;
use super::heads::{number, numbers};
use super::ledger::{self, Stretch};
use super::session::Session;
use super::{Writer, ledger::SUBTREE};
use crate::StoreError;
use crate::rows::{self, Cells as _, sql};

sql!(
    EVENTS = "SELECT ",
    rows::EVENT,
    " FROM ",
    rows::EVENT_FROM,
    " AND d.tree = ANY($2) WHERE l.event_id = ANY($1) AND l.tree = ANY($2)",
);
sql!(
    /// Equal hashes are legal: the ledger row's own key decides. A lateral lookup cannot become a
    /// join of whole tables.
    EVENTS_OF_KEYS = "SELECT ",
    rows::EVENT,
    ", u.place FROM unnest($1::bigint[], $2::integer[], $3::text[]) WITH ORDINALITY AS u(hash, tree, key, place) \
     CROSS JOIN LATERAL (SELECT k.event_id FROM ledger_keys k WHERE k.key_hash = u.hash AND k.tree = u.tree \
     AND k.tree = ANY($4)) k \
     JOIN consumption_ledger l ON l.event_id = k.event_id AND l.tree = u.tree AND l.tree = ANY($4) \
     AND l.idempotency_key = u.key \
     LEFT JOIN consumption_event_details d ON d.event_id = l.event_id AND d.tree = l.tree AND d.tree = ANY($4)",
);
sql!(
    LEASES = "SELECT ",
    rows::LEASE,
    " FROM concurrency_leases WHERE lease_id = ANY($1) AND tree = ANY($2)"
);
sql!(
    LEASE_OF_SEAT = "SELECT ",
    rows::LEASE,
    " FROM concurrency_leases WHERE account_id = $1 AND session_token = $2 AND resource_type_code = $3 \
     AND resource_scope IS NOT DISTINCT FROM $4 AND tree = $5 ORDER BY lease_id DESC LIMIT 1",
);
sql!(
    RESERVATIONS = "SELECT ",
    rows::RESERVATION,
    " FROM reservations WHERE reservation_id = ANY($1) AND tree = ANY($2)"
);
sql!(
    RESERVATION_OF_KEY = "SELECT ",
    rows::RESERVATION,
    " FROM reservations WHERE idempotency_key = $2 AND tree = $1"
);
sql!(
    TRIALS = "SELECT ",
    rows::ACCOUNT_PLAN,
    " FROM account_plans WHERE tree = $1 AND is_trial"
);
sql!(
    ACCOUNTS = "SELECT ",
    rows::ACCOUNT,
    " FROM accounts WHERE account_id = ANY($1) AND tree = ANY($2)"
);
sql!(
    PLANS = "SELECT ",
    rows::ACCOUNT_PLAN,
    " FROM account_plans WHERE account_id = ANY($1) AND tree = ANY($2) ORDER BY account_id, starts_at, plan_id, ref",
);
sql!(
    RULES = "SELECT ",
    rows::RULE,
    " FROM control_rules WHERE account_id = ANY($1) AND tree = ANY($2) ORDER BY rule_id"
);
sql!(
    WINDOWS = "SELECT ",
    rows::WINDOW,
    ", account_id FROM usage_windows WHERE account_id = ANY($1) AND tree = ANY($2) \
     AND (rolling_seconds > 0 OR window_end > $3)",
);
sql!(
    SEATS = SUBTREE,
    "SELECT s.root, l.resource_type_code, l.resource_scope, l.expires_at, l.amount FROM subtree s \
     JOIN concurrency_leases l ON l.account_id = s.id AND l.tree = ANY($2) \
     WHERE l.released_at IS NULL AND l.expires_at > $3",
);
sql!(
    HELD = SUBTREE,
    "SELECT s.root, r.resource_type_code, r.resource_scope, r.expires_at, r.amount, r.reserved_at FROM subtree s \
     JOIN reservations r ON r.account_id = s.id AND r.tree = ANY($2) WHERE r.status = 'open' AND r.expires_at > $3",
);
const CORRECTIONS: &str =
    "SELECT quantity FROM consumption_ledger WHERE corrects_event_id = $1 AND tree = $2";
const LINKS: &str = "SELECT account_id FROM account_links WHERE source = '' AND external_id = $1";
const HOURS: &str = "SELECT coalesce(sum(own), 0), coalesce(sum(subtree), 0) FROM usage_hours WHERE tree = $1 AND account_id = $2 \
     AND resource_type_code = $3 AND ($4::text IS NULL OR resource_scope = $4) AND hour >= $5 AND hour < $6";

impl Writer {
    pub(crate) async fn look_up(
        &mut self,
        tree: TreeId,
        needs: &[Need],
        catalog: &Catalog,
        now: Time,
    ) -> Result<Vec<Fact>, StoreError> {
        let needs: Vec<(TreeId, Need)> = needs.iter().map(|need| (tree, need.clone())).collect();
        let facts = self.look_up_many(&needs, catalog, now).await?;
        Ok(facts.into_iter().map(|(_, fact)| fact).collect())
    }

    /// Accounts and keys come by the thousand: each kind is one statement.
    pub(crate) async fn look_up_many(
        &mut self,
        needs: &[(TreeId, Need)],
        catalog: &Catalog,
        now: Time,
    ) -> Result<Vec<(TreeId, Fact)>, StoreError> {
        let session = self.session().await?;
        let accounts: Vec<(TreeId, AccountId)> = needs
            .iter()
            .filter_map(|(tree, need)| match need {
                Need::Account(id) => Some((*tree, *id)),
                _ => None,
            })
            .collect();
        let keys: Vec<(TreeId, &Arc<str>)> = needs
            .iter()
            .filter_map(|(tree, need)| match need {
                Need::Key(key) => Some((*tree, key)),
                _ => None,
            })
            .collect();
        let (nodes, events) = join(
            nodes(session, &accounts, now),
            events_of_keys(session, &keys, catalog),
        )
        .await;
        let (mut nodes, mut events) = (nodes?, events?.into_iter());
        let mut facts = Vec::with_capacity(needs.len());
        for (tree, need) in needs {
            let fact = match need {
                Need::Account(id) => Fact::Account(*id, nodes.remove(&(*tree, *id)).map(Box::new)),
                Need::Key(key) => Fact::Key(key.clone(), events.next().flatten()),
                need => look_up_one(session, *tree, need, catalog, now).await?,
            };
            facts.push((*tree, fact));
        }
        Ok(facts)
    }
}

async fn look_up_one(
    session: &Session,
    tree: TreeId,
    need: &Need,
    catalog: &Catalog,
    now: Time,
) -> Result<Fact, StoreError> {
    let (of_tree, trees) = (number(tree), vec![number(tree)]);
    Ok(match need {
        Need::Account(id) => {
            let found = nodes(session, &[(tree, *id)], now)
                .await?
                .remove(&(tree, *id));
            Fact::Account(*id, found.map(Box::new))
        }
        Need::Key(key) => {
            let found = events_of_keys(session, &[(tree, key)], catalog)
                .await?
                .pop()
                .flatten();
            Fact::Key(key.clone(), found)
        }
        Need::Event(id) => {
            let found = session.query(&EVENTS, &[&vec![Id(id.0)], &trees]).await?;
            Fact::Event(
                *id,
                found
                    .first()
                    .map(|row| event(row, catalog).map(Arc::new))
                    .transpose()?,
            )
        }
        Need::Corrections(id) => Fact::Corrections(*id, corrections(session, tree, id.0).await?),
        Need::Lease(id) => Fact::Lease(
            *id,
            lease(&session.query(&LEASES, &[&vec![Id(id.0)], &trees]).await?)?,
        ),
        Need::Session(seat) => {
            Fact::Session(seat.clone(), lease_of_seat(session, of_tree, seat).await?)
        }
        Need::Reservation(id) => {
            let found = session
                .query(&RESERVATIONS, &[&vec![Id(id.0)], &trees])
                .await?;
            Fact::Reservation(*id, reservation(&found)?)
        }
        Need::Hold(key) => {
            let found = session
                .query(&RESERVATION_OF_KEY, &[&of_tree, &key.as_str()])
                .await?;
            Fact::Hold(key.clone(), reservation(&found)?)
        }
        Need::Link(external_id) => {
            Fact::Link(external_id.clone(), link(session, external_id).await?)
        }
        Need::Trials => {
            let found = session.query(&TRIALS, &[&of_tree]).await?;
            let plan = |row| {
                rows::account_plan(&Found {
                    row,
                    table: "account_plans",
                })
                .map(Arc::new)
            };
            Fact::Trials(found.iter().map(plan).collect::<Result<_, _>>()?)
        }
        Need::Window(account, key) => {
            let total = count_window(session, tree, *account, key, catalog, now).await?;
            Fact::Window(*account, key.clone(), total)
        }
    })
}

pub(super) fn event(row: &Row, catalog: &Catalog) -> Result<LedgerEvent, StoreError> {
    rows::event(
        &Found {
            row,
            table: "consumption_ledger",
        },
        catalog,
    )
}

fn lease(found: &[Row]) -> Result<Option<Arc<Lease>>, StoreError> {
    found
        .first()
        .map(|row| {
            rows::lease(&Found {
                row,
                table: "concurrency_leases",
            })
            .map(Arc::new)
        })
        .transpose()
}

fn reservation(found: &[Row]) -> Result<Option<Arc<Reservation>>, StoreError> {
    found
        .first()
        .map(|row| {
            rows::reservation(&Found {
                row,
                table: "reservations",
            })
            .map(Arc::new)
        })
        .transpose()
}

async fn lease_of_seat(
    session: &Session,
    tree: i32,
    seat: &Seat,
) -> Result<Option<Arc<Lease>>, StoreError> {
    let (token, resource, scope) = (
        seat.token.as_str(),
        seat.resource.as_str(),
        seat.scope.as_deref(),
    );
    lease(
        &session
            .query(
                &LEASE_OF_SEAT,
                &[&Id(seat.account.0), &token, &resource, &scope, &tree],
            )
            .await?,
    )
}

async fn link(session: &Session, external_id: &Code) -> Result<Option<AccountId>, StoreError> {
    let found = session.query(LINKS, &[&external_id.as_str()]).await?;
    found
        .first()
        .map(|row| {
            Found {
                row,
                table: "account_links",
            }
            .id(0)
            .map(AccountId)
        })
        .transpose()
}

async fn corrections(session: &Session, tree: TreeId, event: u128) -> Result<Quantity, StoreError> {
    let found = session
        .query(CORRECTIONS, &[&Id(event), &number(tree)])
        .await?;
    let mut sum = 0_i128;
    for row in &found {
        sum = sum.saturating_add(i128::from(
            Found {
                row,
                table: "consumption_ledger",
            }
            .quantity(0)?
            .millionths(),
        ));
    }
    i64::try_from(sum)
        .ok()
        .and_then(Quantity::from_millionths)
        .ok_or_else(|| StoreError::Damaged {
            table: "consumption_ledger",
            problem: "the corrections of an event add up to more than a quantity".to_owned(),
        })
}

/// The event of each key, in the keys' order.
async fn events_of_keys(
    session: &Session,
    keys: &[(TreeId, &Arc<str>)],
    catalog: &Catalog,
) -> Result<Vec<Option<Arc<LedgerEvent>>>, StoreError> {
    let mut events = vec![None; keys.len()];
    if keys.is_empty() {
        return Ok(events);
    }
    let hashes: Vec<i64> = keys
        .iter()
        .map(|(tree, key)| key_hash(*tree, key))
        .collect();
    let of_keys: Vec<i32> = keys.iter().map(|(tree, _)| number(*tree)).collect();
    let texts: Vec<&str> = keys.iter().map(|(_, key)| &***key).collect();
    let trees = numbers(keys.iter().map(|(tree, _)| *tree));
    for row in session
        .query(&EVENTS_OF_KEYS, &[&hashes, &of_keys, &texts, &trees])
        .await?
    {
        let place = Found {
            row: &row,
            table: "consumption_ledger",
        }
        .integer(rows::EVENT_COLUMNS)?;
        if let Some(entry) = usize::try_from(place - 1)
            .ok()
            .and_then(|place| events.get_mut(place))
        {
            *entry = Some(Arc::new(event(&row, catalog)?));
        }
    }
    Ok(events)
}

type Nodes = BTreeMap<(TreeId, AccountId), Node>;

/// Accounts with everything a decision needs of them; those that are not there are left out.
pub(super) async fn nodes(
    session: &Session,
    accounts: &[(TreeId, AccountId)],
    now: Time,
) -> Result<Nodes, StoreError> {
    if accounts.is_empty() {
        return Ok(Nodes::new());
    }
    let mut nodes = granted(session, accounts).await?;
    let ids: Vec<Id> = nodes.keys().map(|(_, id)| Id(id.0)).collect();
    let (trees, at) = (
        numbers(accounts.iter().map(|(tree, _)| *tree)),
        Instant::from(now),
    );
    let parameters: [&(dyn ToSql + Sync); 3] = [&ids, &trees, &at];
    let (windows, seats, held) = join3(
        session.query(&WINDOWS, &parameters),
        session.query(&SEATS, &parameters),
        session.query(&HELD, &parameters),
    )
    .await;
    for row in &windows? {
        let found = Found {
            row,
            table: "usage_windows",
        };
        let (key, total) = rows::window(&found)?;
        if let Some(node) = of(&mut nodes, AccountId(found.id(rows::WINDOW_COLUMNS)?)) {
            node.windows.insert(key, total);
        }
    }
    for row in &seats? {
        let found = Found {
            row,
            table: "concurrency_leases",
        };
        let Some(node) = of(&mut nodes, AccountId(found.id(0)?)) else {
            continue;
        };
        let (resource, scope) = (found.code(1)?, found.optional_code(2)?);
        let (expires_at, amount) = (found.time(3)?, found.exact(4)?);
        for scope in std::iter::once(None).chain(scope.map(Some)) {
            node.seats
                .entry((resource.clone(), scope))
                .or_default()
                .add(expires_at, amount, now);
        }
    }
    for row in &held? {
        let held = Held::of(row)?;
        let Some(node) = of(&mut nodes, held.of) else {
            continue;
        };
        for (key, total) in &mut node.windows {
            if held.counts_in(key) {
                total.held.add(held.expires_at, held.amount, now);
            }
        }
    }
    Ok(nodes)
}

/// Accounts with their entitlements, plans and rules.
pub(super) async fn granted(
    session: &Session,
    accounts: &[(TreeId, AccountId)],
) -> Result<Nodes, StoreError> {
    let ids: Vec<Id> = accounts.iter().map(|(_, id)| Id(id.0)).collect();
    let trees = numbers(accounts.iter().map(|(tree, _)| *tree));
    let wanted: BTreeSet<(TreeId, AccountId)> = accounts.iter().copied().collect();
    let parameters: [&(dyn ToSql + Sync); 2] = [&ids, &trees];
    let (found, entitlements, conditions, plans, rules) = try_join5(
        session.query(&ACCOUNTS, &parameters),
        session.query(&entitlement::OF_ACCOUNTS, &parameters),
        session.query(&entitlement::CONDITIONS_OF_ACCOUNTS, &parameters),
        session.query(&PLANS, &parameters),
        session.query(&RULES, &parameters),
    )
    .await?;
    let mut nodes = Nodes::new();
    for row in &found {
        let account = rows::account(&Found {
            row,
            table: "accounts",
        })?;
        // An id names its tree, which is where it was looked for.
        let key = (account.id.tree(), account.id);
        if wanted.contains(&key) {
            nodes.insert(key, Node::new(account));
        }
    }
    for row in entitlement::with_conditions(&entitlements, &conditions)? {
        if let Some(node) = of(&mut nodes, row.account) {
            node.entitlements.push(Arc::new(row));
        }
    }
    for row in &plans {
        let plan = rows::account_plan(&Found {
            row,
            table: "account_plans",
        })?;
        if let Some(node) = of(&mut nodes, plan.account) {
            node.plans.push(Arc::new(plan));
        }
    }
    for row in &rules {
        let rule = rows::rule(&Found {
            row,
            table: "control_rules",
        })?;
        if let Some(node) = rule.account.and_then(|account| of(&mut nodes, account)) {
            node.rules.push(Arc::new(rule));
        }
    }
    Ok(nodes)
}

fn of(nodes: &mut Nodes, account: AccountId) -> Option<&mut Node> {
    nodes.get_mut(&(account.tree(), account))
}

/// An open reservation of an account or of one below it.
struct Held {
    of: AccountId,
    resource: Code,
    scope: Option<Code>,
    expires_at: Time,
    amount: Amount,
    reserved_at: Time,
}

impl Held {
    fn of(row: &Row) -> Result<Self, StoreError> {
        let found = Found {
            row,
            table: "reservations",
        };
        Ok(Self {
            of: AccountId(found.id(0)?),
            resource: found.code(1)?,
            scope: found.optional_code(2)?,
            expires_at: found.time(3)?,
            amount: found.exact(4)?,
            reserved_at: found.time(5)?,
        })
    }

    fn counts_in(&self, key: &WindowKey) -> bool {
        key.resource == self.resource
            && (key.scope.is_none() || key.scope == self.scope)
            && key.window.holds(self.reserved_at)
    }
}

/// Counts a window: whole hours from the stored sums, its edge hours and rolling steps from the
/// ledger, overage from the effects of its own key.
async fn count_window(
    session: &Session,
    tree: TreeId,
    id: AccountId,
    key: &WindowKey,
    catalog: &Catalog,
    now: Time,
) -> Result<WindowTotal, StoreError> {
    let stretch = |from, to| Stretch {
        account: id,
        resource: &key.resource,
        scope: key.scope.as_ref(),
        from,
        to,
    };
    let (hours, edges, all_of_it) = match key.window {
        Window::Rolling { seconds } => {
            let from = step_start(oldest_step(now, seconds), step_micros(seconds));
            let none = stretch(Time::FOREVER, Time::FOREVER);
            (
                none,
                [stretch(from, Time::FOREVER), none],
                stretch(Time::BEGINNING, Time::FOREVER),
            )
        }
        Window::Fixed { start, end } => {
            let (first_hour, last_hour) = crate::usage::whole_hours(start, end);
            if first_hour <= last_hour {
                let edges = [stretch(start, first_hour), stretch(last_hour, end)];
                (stretch(first_hour, last_hour), edges, stretch(start, end))
            } else {
                (
                    stretch(end, end),
                    [stretch(start, end), stretch(end, end)],
                    stretch(start, end),
                )
            }
        }
    };
    let (ids, trees, at) = (vec![Id(id.0)], vec![number(tree)], Instant::from(now));
    let of_held: [&(dyn ToSql + Sync); 3] = [&ids, &trees, &at];
    let (sums, [first, second], effects, held) = {
        let (sums, uses, effects, held) = try_join4(
            sum_hours(session, tree, &hours),
            async {
                Ok([
                    ledger::uses(session, tree, &edges[0], false, catalog).await?,
                    ledger::uses(session, tree, &edges[1], false, catalog).await?,
                ])
            },
            ledger::effects(session, tree, &all_of_it),
            session.query(&HELD, &of_held),
        )
        .await?;
        (sums, uses, effects, held)
    };
    let mut total = WindowTotal {
        used: sums.1,
        own: sums.0,
        held: Expiries::default(),
        ..WindowTotal::default()
    };
    for used in first.into_iter().chain(second) {
        if let Window::Rolling { seconds } = key.window {
            let step = total.steps.entry(step_of(used.at, seconds)).or_default();
            *step = step.plus(used.amount);
        } else {
            total.used = total.used.plus(used.amount);
            total.own = total.own.plus(if used.is_own {
                used.amount
            } else {
                Amount::ZERO
            });
        }
    }
    for effect in effects
        .iter()
        .filter(|effect| effect.account == id && effect.key == *key)
    {
        total.overage = total.overage.plus(effect.overage);
    }
    for row in &held {
        let held = Held::of(row)?;
        if held.counts_in(key) {
            total.held.add(held.expires_at, held.amount, now);
        }
    }
    Ok(total)
}

/// The account's own use and that of its subtree in whole hours.
async fn sum_hours(
    session: &Session,
    tree: TreeId,
    stretch: &Stretch<'_>,
) -> Result<(Amount, Amount), StoreError> {
    if stretch.from >= stretch.to {
        return Ok((Amount::ZERO, Amount::ZERO));
    }
    let (resource, scope) = (stretch.resource.as_str(), stretch.scope.map(Code::as_str));
    let (account, from, to) = (
        Id(stretch.account.0),
        Instant::from(stretch.from),
        Instant::from(stretch.to),
    );
    let found = session
        .query(
            HOURS,
            &[&number(tree), &account, &resource, &scope, &from, &to],
        )
        .await?;
    match found.first() {
        Some(row) => {
            let found = Found {
                row,
                table: "usage_hours",
            };
            Ok((found.exact(0)?, found.exact(1)?))
        }
        None => Ok((Amount::ZERO, Amount::ZERO)),
    }
}
