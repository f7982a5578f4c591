//! Usage by bucket is what a naive fold of the ledger says, wherever a bucket is cut.

use mec_kernel::*;
use mec_store::{EventFilter, UsageBucket, UsageQuery};

use crate::lane::{self, Home, Lane, at, used};

crate::lane::home::on_both!(
    usage_is_what_a_naive_fold_of_the_ledger_says,
    a_window_counted_from_the_ledger_has_the_overage_of_its_own_key,
);

/// Adds the ledger up, event by event.
fn fold(lane: &Lane, query: &UsageQuery<'_>) -> Vec<UsageBucket> {
    let (mut events, mut parents) = (Vec::new(), Vec::new());
    let each = &mut |event: &LedgerEvent| {
        events.push(event.clone());
        Ok(())
    };
    lane.store
        .each_event(&EventFilter::default(), &lane.catalog, each)
        .unwrap();
    for node in lane.tree.nodes() {
        parents.push((node.account.id, node.account.parent));
    }
    let is_within = |mut account: AccountId| loop {
        if account == query.account {
            return true;
        }
        match parents
            .iter()
            .find(|(id, _)| *id == account)
            .and_then(|(_, parent)| *parent)
        {
            Some(parent) => account = parent,
            None => return false,
        }
    };
    let bucket = |&(start, end): &(Time, Time)| {
        let mut bucket = UsageBucket {
            start,
            end,
            amount: Amount::ZERO,
            overage: Amount::ZERO,
            overage_cost: Amount::ZERO,
            events: 0,
        };
        for event in &events {
            let is_asked_for = event.resource == *query.resource
                && query
                    .scope
                    .is_none_or(|scope| event.scope.as_ref() == Some(scope));
            if !is_asked_for || event.occurred_at < start || event.occurred_at >= end {
                continue;
            }
            if if query.own_only {
                event.account == query.account
            } else {
                is_within(event.account)
            } {
                bucket.amount = bucket.amount.plus(event.amount);
                bucket.events += 1;
            }
            for effect in event
                .effects
                .iter()
                .filter(|effect| effect.account == query.account)
            {
                bucket.overage = bucket.overage.plus(effect.overage);
                bucket.overage_cost = bucket.overage_cost.plus(effect.cost());
            }
        }
        bucket
    };
    query.buckets.iter().map(bucket).collect()
}

fn usage_is_what_a_naive_fold_of_the_ledger_says(home: fn() -> Home) {
    let mut lane = Lane::new(home());
    let acme = lane.account(None, "Acme Corp");
    let team = lane.account(Some(acme), "Research");
    let user = lane.account(Some(team), "Ada");
    let start = at("2026-01-28T00:00:00Z");
    lane.grant_from(
        acme,
        "minutes",
        20,
        Some(WindowRule::of(WindowKind::Month)),
        Some(start),
    );
    lane.grant_from(
        team,
        "minutes",
        5,
        Some(WindowRule::of(WindowKind::Day)),
        Some(start),
    );
    lane.bill_overage(acme, "minutes");
    lane.bill_overage(team, "minutes");
    for number in 0..120_i64 {
        let account = [acme, team, user][number as usize % 3];
        let happened = start.plus_seconds(number * 1_777 + number % 7);
        let meter = used(&number.to_string(), account, "1.25", Some(happened));
        let scope = [None, Some("eu"), Some("us")][number as usize % 5 % 3].map(Code::from);
        let unit = (number % 4 == 0).then(|| "second".into());
        lane.meter(&Meter {
            scope,
            unit,
            ..meter
        });
    }
    let hour = start.plus_seconds(3_600);
    let buckets = [
        (start, hour),
        (start, at("2026-01-29T00:00:00Z")),
        (at("2026-01-29T00:00:00Z"), at("2026-01-30T00:00:00Z")),
        (at("2026-01-28T05:17:13Z"), at("2026-01-29T18:44:01.5Z")),
        (at("2026-01-28T05:17:13Z"), at("2026-01-28T05:44:01Z")),
        (at("2026-01-28T05:17:13Z"), at("2026-01-28T06:44:01Z")),
        (at("2026-01-28T05:17:13Z"), at("2026-01-28T06:00:00Z")),
        (at("2026-01-28T06:00:00Z"), at("2026-01-28T06:10:00Z")),
        (Time::BEGINNING, Time::FOREVER),
        (Time::BEGINNING, at("2026-01-29T12:30:00Z")),
        (at("2026-01-29T12:30:00Z"), Time::FOREVER),
        (hour, hour),
        (hour, start),
    ];
    let (resource, eu) = (Code::from("minutes"), Code::from("eu"));
    for account in [acme, team, user] {
        for scope in [None, Some(&eu)] {
            for own_only in [false, true] {
                let query = UsageQuery {
                    account,
                    resource: &resource,
                    scope,
                    buckets: &buckets,
                    own_only,
                };
                let found = lane.store.usage(&query, &lane.catalog).unwrap();
                assert_eq!(found, fold(&lane, &query), "{query:?}");
                assert!(found[1].events > 0 && found[8].amount > Amount::ZERO);
            }
        }
    }
    let query = UsageQuery {
        account: acme,
        resource: &resource,
        scope: None,
        buckets: &buckets,
        own_only: false,
    };
    let all = lane.store.usage(&query, &lane.catalog).unwrap()[8];
    assert!(all.overage > Amount::ZERO);
    // At 2 a minute, whose base units are seconds.
    assert_eq!(
        price_of(all.overage_cost, Factor::new(60).unwrap()).0,
        all.overage.rounded(Factor::new(60).unwrap()).0 * 2
    );
}

fn a_window_counted_from_the_ledger_has_the_overage_of_its_own_key(home: fn() -> Home) {
    let mut lane = Lane::new(home());
    let acme = lane.account(None, "Acme Corp");
    // Of six units three are beyond the day's limit, and two more beyond the month's alone.
    lane.grant(acme, "minutes", 1, Some(WindowRule::of(WindowKind::Month)));
    lane.grant(acme, "minutes", 3, Some(WindowRule::of(WindowKind::Day)));
    lane.bill_overage(acme, "minutes");
    for number in 0..6 {
        lane.meter(&used(&number.to_string(), acme, "1", None));
    }
    let node = lane.tree.get(acme).unwrap().clone();
    assert_eq!(node.windows.len(), 2);
    for (key, kept) in &node.windows {
        assert!(kept.overage > Amount::ZERO, "{key:?}");
        let needs = [(lane::TREE, Need::Window(acme, key.clone()))];
        let counted = WindowTotal {
            over_since: None,
            ..kept.clone()
        };
        // Also where it is over by then.
        for now in [lane.now, lane.now.plus_seconds(400 * 86_400)] {
            let facts = lane::wait(lane.writer.look_up_many(&needs, &lane.catalog, now)).unwrap();
            assert_eq!(
                facts,
                [(lane::TREE, Fact::Window(acme, key.clone(), counted.clone()))]
            );
        }
    }
}
