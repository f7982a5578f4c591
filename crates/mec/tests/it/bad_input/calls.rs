//! Calls that are wrong, each with the status and the code that it is answered.

mod answers;
mod checks;
mod corrections;
mod events;
mod leases;
mod plans;
mod quantities;
mod reports;

use serde_json::Value;

use answers::answers;
use checks::checks;
use corrections::corrections;
use events::events;
use leases::leases;
use plans::plans;
use quantities::quantities;
use reports::reports;

use super::case::Case;

pub(crate) fn calls(account: &str, event: &Value) -> Vec<Case> {
    let groups = [
        checks(account),
        leases(account),
        events(account),
        quantities(account),
        corrections(account, event),
        plans(account),
        reports(account),
        answers(account),
    ];
    groups.into_iter().flatten().collect()
}
