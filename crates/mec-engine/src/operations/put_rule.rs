//! A rule for one account, written by hand.

use std::sync::Arc;

use mec_kernel::{AccountId, Rule, RuleId, Time, put_rule};

use crate::caller::Caller;
use crate::error::MecError;
use crate::mec::Mec;

impl Mec {
    /// Writes the rule that `make` makes of a new id and the instant of the command.
    ///
    /// # Errors
    /// An unknown account, resource or plan; a value a rule cannot hold; too many rules.
    pub async fn put_rule<F>(
        &self,
        account: AccountId,
        make: F,
        caller: &Caller,
    ) -> Result<(), MecError>
    where
        F: Fn(RuleId, Time) -> Rule + Send + 'static,
    {
        self.run(account, caller, move |view, making| {
            let rule = make(RuleId(making.ids.draw()), view.now);
            put_rule(view, &Arc::new(rule))
        })
        .await
    }
}
