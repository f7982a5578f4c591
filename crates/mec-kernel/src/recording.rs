//! An event that is to be recorded.

use std::sync::Arc;

use crate::catalog::Resource;
use crate::code::Code;
use crate::entitlement::Attributes;
use crate::id::ReservationId;
use crate::ledger::{Content, Fingerprint, LedgerEvent, RecordedRuling};
use crate::quantity::Amount;
use crate::time::Time;

/// An event that is to be recorded; everything about it has been checked.
#[derive(Debug)]
pub(crate) struct Recording<'a> {
    pub(crate) key: Arc<str>,
    /// The reservation it settles.
    pub(crate) reservation: Option<ReservationId>,
    pub(crate) content: Content<'a>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) resource: &'a Arc<Resource>,
    pub(crate) unit: Code,
    pub(crate) amount: Amount,
    pub(crate) occurred_at: Time,
    /// What conditions look at.
    pub(crate) attributes: &'a Attributes,
    pub(crate) ruling: Option<RecordedRuling>,
    /// The event it corrects.
    pub(crate) original: Option<&'a LedgerEvent>,
}
