//! Published state is bounded: what fell out of it is read again and is as it was.

use std::sync::Arc;

use crate::installation::*;
use mec_engine::{Mec, Options};
use mec_kernel::*;

/// An installation with little memory does what one with much does.
struct Twin {
    mec: Arc<Mec>,
    accounts: Vec<AccountId>,
    leases: Vec<LeaseId>,
    _dir: tempfile::TempDir,
}

impl Twin {
    async fn with(cache_bytes_max: usize, hands: &Hands) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mec = open_with(
            &dir,
            Options {
                cache_bytes_max,
                clock: hands.clock(),
                ..Options::default()
            },
        )
        .await;
        let mut accounts = Vec::new();
        for tree in 0..4 {
            let root = account(&mec, "benchmark_runs", 20 + tree).await;
            allow(&mec, root, "concurrent_users", 2).await;
            let team = child(&mec, root).await;
            allow(&mec, team, "benchmark_runs", 15).await;
            accounts.extend([root, team, child(&mec, team).await]);
        }
        Self {
            mec,
            accounts,
            leases: vec![],
            _dir: dir,
        }
    }

    /// What comes of step `number`, without ids.
    async fn step(&mut self, number: usize) -> String {
        // Multiplied by primes, the steps walk over accounts and operations in every combination.
        let account = self.accounts[number * 7 % self.accounts.len()];
        let key = format!("{}", number * 13 % 150);
        let standing = |standing: &Standing| {
            format!(
                "{} {} {:?}",
                standing.decision, standing.reason, standing.figures
            )
        };
        let runs = Check::of(account, "benchmark_runs", Some(Quantity::whole(1)));
        match number * 11 % 17 {
            0..5 => standing(&self.mec.check(runs, &caller()).await.unwrap()),
            5..9 => {
                let command = Consume {
                    check: runs,
                    key: key.as_str().into(),
                    details: None,
                };
                match self.mec.consume(command, &caller()).await {
                    Ok(consumed) => format!(
                        "{} {}",
                        standing(&consumed.standing),
                        consumed.replayed.is_some()
                    ),
                    Err(error) => error.to_string(),
                }
            }
            9..12 => match self
                .mec
                .acquire(seat_of(account, 30), &caller())
                .await
                .unwrap()
                .lease
            {
                Some(lease) => {
                    self.leases.push(lease.id);
                    format!("until {}", lease.expires_at)
                }
                None => "full".to_owned(),
            },
            12..14 => match self.leases.get(number % (self.leases.len() + 1)) {
                Some(lease) => self
                    .mec
                    .release_lease(*lease, &caller())
                    .await
                    .unwrap()
                    .to_string(),
                None => "none".to_owned(),
            },
            14 => {
                let command = Reserve {
                    check: runs,
                    key: key.as_str().into(),
                    ttl_seconds: 60,
                };
                match self.mec.reserve(command, &caller()).await {
                    Ok(reserved) => {
                        format!("{} {}", standing(&reserved.standing), reserved.replayed)
                    }
                    Err(error) => error.to_string(),
                }
            }
            _ => {
                let event = event_of(account, "benchmark_runs", &key);
                self.mec
                    .meter(event, &caller())
                    .await
                    .map_or_else(|error| error.to_string(), |told| told.replayed.to_string())
            }
        }
    }
}

#[tokio::test]
async fn with_little_memory_every_answer_is_the_same() {
    let hands = Hands::at("2026-03-01T12:00:00Z");
    let one_tree = 3_000;
    for cache_bytes_max in [0, one_tree, 3 * one_tree] {
        let mut tight = Twin::with(cache_bytes_max, &hands).await;
        let mut roomy = Twin::with(256 << 20, &hands).await;
        for number in 0..600 {
            assert_eq!(
                tight.step(number).await,
                roomy.step(number).await,
                "step {number}, {cache_bytes_max} bytes"
            );
            assert!(tight.mec.status().cache_bytes <= cache_bytes_max);
            hands.forward(i64::from(number % 5 == 0));
        }
        assert_eq!(roomy.mec.status().trees_cached, 4);
        assert!(tight.mec.status().trees_cached < 4);
    }
}
