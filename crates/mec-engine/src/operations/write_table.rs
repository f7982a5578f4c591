//! Writes rows of tables, or the catalog: all of it or nothing.

use mec_kernel::Catalog;
use tokio::sync::oneshot;

use crate::caller::Caller;
use crate::committed::Committed;
use crate::error::MecError;
use crate::mec::Mec;
use crate::message::Message;
use crate::sending::put;
use crate::steps::{Steps, TableWrite, Written};

impl Mec {
    /// Does what `plan` makes of the catalog and of what is stored.
    pub(crate) async fn write_table(
        &self,
        caller: &Caller,
        plan: impl FnMut(&Catalog, &mut Committed<'_>) -> Result<Steps, MecError> + Send + 'static,
    ) -> Result<Written, MecError> {
        caller.check_write()?;
        let (sender, answer) = oneshot::channel();
        let write = TableWrite {
            actor: caller.actor.clone(),
            plan: Box::new(plan),
            caller: sender,
        };
        put(self.lanes.tables(), Message::Table(Box::new(write)))?;
        answer.await.map_err(|_| MecError::lane_died())?
    }
}
