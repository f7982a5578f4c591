//! What is kept, compared with what clients were told: read from the tables while no client waits
//! for anything.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::Ordering;

use crate::client::Shared;
use crate::cluster::{Cluster, name_of};
use crate::told::{Event, Outcome};
use crate::witnessed::is_witnessed;
use crate::world::RUNS;

/// Compares everything, and learns what has become of what was open.
///
/// # Errors
/// The first difference.
pub(crate) fn audit(cluster: &Cluster, database: &str, shared: &Shared) -> Result<(), String> {
    ledger(cluster, database, shared)?;
    leases(cluster, database, shared)?;
    accounts(cluster, database, shared)
}

/// Recomputes everything that follows from the ledger, as an operator does.
///
/// # Errors
/// What differs.
pub(crate) fn verify(store: &str) -> Result<(), String> {
    let verify = Command::new(env!("CARGO_BIN_EXE_mec"))
        .args(["verify", "--store", store])
        .env_remove("MEC_STORE")
        .output();
    let said = verify.map_err(|error| error.to_string())?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
    if said.status.success() {
        Ok(())
    } else {
        Err(format!("mec verify: {text}"))
    }
}

fn ledger(cluster: &Cluster, database: &str, shared: &Shared) -> Result<(), String> {
    let sql = "SELECT idempotency_key, event_id, account_id, resource_type_code, quantity, unit_code FROM consumption_ledger";
    let mut kept: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in cluster.sql(name_of(database), sql) {
        let mut columns = row.split('|').map(str::to_owned);
        let key = columns.next().unwrap_or_default();
        if is_witnessed(&key) {
            continue;
        }
        if kept.insert(key.clone(), columns.collect()).is_some() {
            return Err(format!("two events of the key {key}"));
        }
    }
    let world = &shared.world;
    let mut used = vec![0; world.accounts.len()];
    for (key, event) in shared.told.events.lock().unwrap().iter_mut() {
        let Event {
            account,
            resource,
            quantity,
            unit,
            ..
        } = *event;
        let row = kept.remove(key);
        match (&row, &event.outcome) {
            (None, Outcome::Refused | Outcome::Open) => continue,
            (None, Outcome::Recorded(id)) => {
                return Err(format!(
                    "event {id} of the key {key} was acknowledged and is lost"
                ));
            }
            (Some(row), Outcome::Refused) => {
                return Err(format!("the refused {key} is recorded: {row:?}"));
            }
            (Some(_), Outcome::Recorded(_) | Outcome::Open) => {}
        }
        let row = row.unwrap_or_default();
        if event.outcome == Outcome::Open {
            event.outcome = Outcome::Recorded(row[0].clone());
            world.add(account, |account| &account.recorded, quantity);
        }
        let Outcome::Recorded(id) = &event.outcome else {
            continue;
        };
        let quantity_kept = format!("{quantity}.000000");
        let told = [
            id,
            &world.accounts[account].id,
            resource,
            &quantity_kept,
            unit,
        ];
        if row != told {
            return Err(format!(
                "the event of {key} is {row:?}, and its client was told {told:?}"
            ));
        }
        if resource == RUNS {
            world.accounts[account]
                .path
                .iter()
                .for_each(|at| used[*at] += quantity);
        }
    }
    if let Some((key, row)) = kept.first_key_value() {
        return Err(format!("nobody knows the event of {key}: {row:?}"));
    }
    for (account, used) in world.accounts.iter().zip(used) {
        let (limit, seen) = (
            account.limit.load(Ordering::SeqCst),
            account.seen.load(Ordering::SeqCst),
        );
        if used > limit || used < seen {
            return Err(format!(
                "{} uses {used} of {limit}, and a client was told of {seen}",
                account.id
            ));
        }
    }
    Ok(())
}

fn leases(cluster: &Cluster, database: &str, shared: &Shared) -> Result<(), String> {
    let world = &shared.world;
    let sql = "SELECT lease_id, account_id, session_token FROM concurrency_leases \
        WHERE released_at IS NULL AND expires_at > clock_timestamp()";
    let told = shared.told.leases.lock().unwrap();
    let open = shared.told.open_sessions.lock().unwrap();
    let mut live = vec![0; world.accounts.len()];
    let mut found = 0;
    for row in cluster.sql(name_of(database), sql) {
        let [lease, account, session] = row
            .split('|')
            .collect::<Vec<_>>()
            .try_into()
            .map_err(|_| row.clone())?;
        if is_witnessed(session) {
            continue;
        }
        let at = world
            .of_id(account)
            .ok_or_else(|| format!("a lease of nobody: {row}"))?;
        match told.get(lease) {
            Some(holder) if *holder == at => found += 1,
            None if open.contains(session) => {}
            _ => return Err(format!("nobody holds the lease {row}")),
        }
        world.accounts[at].path.iter().for_each(|at| live[*at] += 1);
    }
    if found < told.len() {
        return Err(format!(
            "{} leases are held, and {found} of them are live",
            told.len()
        ));
    }
    for (account, live) in world.accounts.iter().zip(live) {
        if live > account.seats {
            return Err(format!(
                "{live} leases of {} are live, and {} may be",
                account.id, account.seats
            ));
        }
    }
    let twice = "SELECT count(*) - count(DISTINCT (tree, fencing_token)) FROM concurrency_leases";
    let twice = cluster.sql(name_of(database), twice);
    if twice == ["0"] {
        Ok(())
    } else {
        Err(format!("fencing tokens that were given twice: {twice:?}"))
    }
}

fn accounts(cluster: &Cluster, database: &str, shared: &Shared) -> Result<(), String> {
    let sql = "SELECT external_id FROM accounts WHERE external_id IS NOT NULL";
    let mut kept = cluster.sql(name_of(database), sql);
    kept.sort();
    let told: Vec<String> = shared.told.names.lock().unwrap().iter().cloned().collect();
    if kept == told {
        Ok(())
    } else {
        Err(format!(
            "the accounts are {kept:?}, and clients were told of {told:?}"
        ))
    }
}
