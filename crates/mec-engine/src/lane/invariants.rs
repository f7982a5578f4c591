//! What every commit rests on, looked at before it is sent: a mistake of this program is then an
//! error of the commands it would have recorded wrongly, and nothing in the ledger.

use mec_kernel::{Amount, Head, TreeId, Window, WindowKey, WindowTotal, Write};

use super::batch::{Batch, Work};

/// What is wrong with a batch that is ready to be committed.
pub(super) fn broken(batch: &Batch) -> Option<String> {
    let written = batch.trees.values().filter(|work| work.has_writes);
    let of_head = |work: &Work| {
        let head = work.tree.head;
        let in_tree = |write: &&Write| matches!(write, Write::Event { event, .. } if event.account.tree() == head.tree);
        let events = batch
            .commit
            .writes
            .iter()
            .filter(in_tree)
            .filter_map(|write| match write {
                Write::Event { event, .. } => Some(event.tree_seq),
                _ => None,
            });
        broken_head(&work.began, &head, events).map(|problem| told(head.tree, &problem))
    };
    let of_window = || {
        batch
            .commit
            .windows
            .iter()
            .find_map(|(account, key, total)| {
                broken_window(key, total)
                    .map(|problem| told(account.tree(), &format!("{account}: {problem}")))
            })
    };
    written.filter_map(of_head).next().or_else(of_window)
}

fn told(tree: TreeId, problem: &str) -> String {
    format!(
        "this is a mistake of this program, please report it: tree {}: {problem}",
        tree.0
    )
}

/// Whether a tree stands where it should after events with these numbers.
fn broken_head(before: &Head, after: &Head, events: impl Iterator<Item = i64>) -> Option<String> {
    if before.version.checked_add(1) != Some(after.version) {
        return Some(format!(
            "version {} follows {}",
            after.version, before.version
        ));
    }
    if after.last_at <= before.last_at {
        return Some(format!("{} follows {}", after.last_at, before.last_at));
    }
    if after.next_token < before.next_token {
        return Some(format!(
            "fencing token {} follows {}",
            after.next_token, before.next_token
        ));
    }
    let mut next = before.next_seq;
    for seq in events {
        if seq != next {
            return Some(format!("event {seq} comes in the place of {next}"));
        }
        next = seq.checked_add(1)?;
    }
    (next != after.next_seq).then(|| {
        format!(
            "the next event is {}, after {} of them {next}",
            after.next_seq,
            next - before.next_seq
        )
    })
}

/// Nobody can have used less than nothing for ever, nor hold less than nothing.
fn broken_window(key: &WindowKey, total: &WindowTotal) -> Option<String> {
    let is_below =
        key.window == Window::LIFETIME && (total.used < Amount::ZERO || total.own < Amount::ZERO);
    is_below.then(|| {
        format!(
            "the use of {} would be below 0 ({:?}, its own {:?})",
            key.resource, total.used, total.own
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_goes_on_where_it_stood_or_nothing_is_committed() {
        let before = Head {
            version: 7,
            next_seq: 4,
            next_token: 9,
            ..Head::new(TreeId(1))
        };
        let after = Head {
            version: 8,
            next_seq: 6,
            last_at: before.last_at.plus_micros(1),
            ..before
        };
        assert_eq!(broken_head(&before, &after, [4, 5].into_iter()), None);
        for (after, events, problem) in [
            (
                Head {
                    version: 7,
                    ..after
                },
                vec![4, 5],
                "version 7 follows 7",
            ),
            (
                Head {
                    version: 9,
                    ..after
                },
                vec![4, 5],
                "version 9 follows 7",
            ),
            (
                Head {
                    last_at: before.last_at,
                    ..after
                },
                vec![4, 5],
                "follows",
            ),
            (
                Head {
                    next_token: 8,
                    ..after
                },
                vec![4, 5],
                "fencing token 8 follows 9",
            ),
            (after, vec![5, 6], "event 5 comes in the place of 4"),
            (after, vec![4, 4], "event 4 comes in the place of 5"),
            (after, vec![4], "the next event is 6"),
            (after, vec![4, 5, 6], "the next event is 6"),
        ] {
            let told = broken_head(&before, &after, events.iter().copied()).unwrap_or_default();
            assert!(told.contains(problem), "{events:?}: {told}, not {problem}");
        }
    }

    #[test]
    fn nobody_has_used_less_than_nothing_for_ever() {
        let key = |window| WindowKey {
            resource: "gpus".into(),
            scope: None,
            window,
        };
        let used = |used, own| WindowTotal {
            used: Amount(used),
            own: Amount(own),
            ..WindowTotal::default()
        };
        assert_eq!(broken_window(&key(Window::LIFETIME), &used(0, 0)), None);
        assert_eq!(
            broken_window(&key(Window::Rolling { seconds: 60 }), &used(-1, -1)),
            None
        );
        for total in [used(-1, 0), used(1, -1)] {
            assert!(
                broken_window(&key(Window::LIFETIME), &total).is_some(),
                "{total:?}"
            );
        }
    }
}
