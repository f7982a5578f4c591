//! What a product asks and does: a verb a file, with what it carries, the tree it is about, what it
//! will need, the call of the kernel, and its answer.

mod account_of;
mod acquire;
mod apply_catalog_file;
mod cancel;
mod change_catalog;
mod check;
mod check_all;
mod consume;
mod correct;
mod create_account;
mod grant;
mod logging;
mod meter;
mod migrate_plan;
mod patch_account;
mod patch_entitlement;
mod provision;
mod prune_decisions;
mod put_rule;
mod release_lease;
mod release_reservation;
mod renew;
mod reserve;
mod settle;
mod usage;
mod write_table;

pub use apply_catalog_file::Applied;
pub use check_all::StandingOf;
pub use create_account::NewAccount;
pub use prune_decisions::Pruned;
pub use usage::{Bucket, GroupBy, Usage, UsageQuestion};
