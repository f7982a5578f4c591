//! Answering needs: many of a kind by one statement, windows counted from the ledger.
//!
//! Every statement names its trees on every table, so that a database of several shards asks only
//! those that hold them.

mod held;
mod nodes;
mod window;

use std::sync::Arc;

use futures_util::future::join;
use mec_kernel::{
    AccountId, AccountPlan, Catalog, Code, Fact, Lease, LedgerEvent, Need, Reservation,
    Session as Seat, Time, TreeId, key_hash,
};
use tokio_postgres::Row;

pub(super) use self::nodes::granted;

use self::nodes::nodes;
use self::window::count_window;
use super::Writer;
use super::cells::Found;
use super::codec::Id;
use super::session::Session;
use super::tree_number::{number, numbers};
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
const CORRECTIONS: &str =
    "SELECT quantity FROM consumption_ledger WHERE corrects_event_id = $1 AND tree = $2";
const LINKS: &str = "SELECT account_id FROM account_links WHERE source = '' AND external_id = $1";

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
        Need::Trials => Fact::Trials(trials(session, of_tree).await?),
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

async fn trials(session: &Session, tree: i32) -> Result<Vec<Arc<AccountPlan>>, StoreError> {
    let found = session.query(&TRIALS, &[&tree]).await?;
    let plan = |row| {
        rows::account_plan(&Found {
            row,
            table: "account_plans",
        })
        .map(Arc::new)
    };
    found.iter().map(plan).collect()
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

async fn corrections(session: &Session, tree: TreeId, event: u128) -> Result<i128, StoreError> {
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
    Ok(sum)
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
