//! The room that does: MEC as a library. Open a store, ask, record; a lane decides one command
//! after the other and commits whatever queued at once, and nobody is answered before it is
//! durable.
//!
//! Never in here: SQL, HTTP.
//!
//! ```
//! use mec_engine::{Caller, Mec, NewAccount, Options, catalog_file};
//! use mec_kernel::{Check, Consume, Provision, Quantity};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let url = format!("sqlite:{}", dir.path().join("mec.db").display());
//! let mec = Mec::open(&url, Options::default()).await?; // for example "sqlite:mec.db"
//! let caller = Caller::new("signup", "api");
//! let demo = catalog_file::parse(catalog_file::DEMO)?;
//! mec.change_catalog(&caller, move |now| demo.changes(now, false)).await?;
//!
//! let acme = mec.create_account(NewAccount::named("Acme Corp"), &caller).await?;
//! assert_eq!(mec.provision(Provision::new(acme.id, "starter"), &caller).await?, 5);
//!
//! let run = Check::of(acme.id, "benchmark_runs", Some(Quantity::whole(1)));
//! let consumed = mec.consume(Consume { check: run.clone(), key: "run-1".into(), details: None }, &caller).await?;
//! assert!(consumed.event.is_some());
//! let standing = mec.check(run, &caller).await?;
//! assert_eq!(standing.figures.and_then(|figures| figures.remaining).map(|left| left.to_string()), Some("99".into()));
//! mec.close().await;
//! # Ok(())
//! # }
//! ```

mod away;
mod background;
mod cache;
mod caller;
pub mod catalog_file;
mod clock;
mod command;
mod committed;
mod connections;
mod decision_log;
mod error;
mod in_use;
mod job;
mod lane;
mod lanes;
mod mec;
mod message;
mod newest;
mod opening;
mod operations;
mod options;
mod published;
mod reading;
mod sending;
pub mod simulate;
mod steps;
mod tables;
mod tree_numbers;
mod turns;
mod window;
mod writes;

pub use caller::{Access, Caller};
pub use clock::{Clock, MachineClock, Now};
pub use decision_log::{Logged, Traced};
pub use error::{MecError, OpenError};
pub use mec::{Mec, Status};
pub use operations::{
    Applied, Bucket, GroupBy, NewAccount, Pruned, StandingOf, Usage, UsageQuestion,
};
pub use options::Options;
pub use reading::{Answered, Reading};
pub use steps::Intent;
pub use tables::{Expected, Touched, check_verb};
pub use window::window_boundaries;
