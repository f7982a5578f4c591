//! What commands share: the view they decide on and how they end.
//!
//! A command is decided on what it is given. Where a fact is missing (an account, a counter, a key)
//! it names the fact and is decided again once it is there; it never guesses. A caller's mistake is
//! a [`Refusal`]; a "no" of a limit is an answer.

use std::sync::Arc;

use crate::catalog::{Catalog, Resource};
use crate::code::Code;
use crate::facts::Facts;
use crate::id::{AccountId, IdSource};
use crate::need::Halt;
use crate::node::Node;
use crate::refusal::Refusal;
use crate::time::Time;
use crate::tree::Tree;
use crate::window::Zone;
use crate::write::Write;

/// What a command is decided on.
#[derive(Debug)]
pub struct View<'a> {
    /// The tree as the commands before left it.
    pub tree: &'a Tree,
    /// What was looked up for this batch.
    pub facts: &'a Facts,
    /// The catalog it is decided with.
    pub catalog: &'a Catalog,
    /// The batch's instant.
    pub now: Time,
}

impl<'a> View<'a> {
    /// The account and its ancestors, nearest first.
    pub fn path(&self, id: AccountId) -> Result<Vec<&'a Arc<Node>>, Halt> {
        if self.facts.absent.contains_key(&id) {
            return Err(Refusal::AccountNotFound {
                account: id.to_string(),
            }
            .into());
        }
        Ok(self.tree.path(id)?)
    }

    /// The time zone of the first account of `path`: its own, or the nearest above that names one,
    /// else UTC.
    pub fn zone(&self, path: &[&Arc<Node>]) -> Zone {
        let name = path.iter().find_map(|node| node.account.time_zone.as_ref());
        name.map_or(Zone::UTC, |name| self.catalog.zone(name))
    }

    /// The resource `code`.
    pub fn resource(&self, code: &str) -> Result<&'a Arc<Resource>, Halt> {
        self.catalog.resources.get(code).ok_or_else(|| {
            Refusal::ResourceNotFound {
                resource: code.to_owned(),
            }
            .into()
        })
    }
}

/// Who asks, through which door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Who: a key's or a person's name.
    pub name: Code,
    /// Which door (`api`, `import`, `demo`).
    pub source: Code,
    /// Why, in their words: the audit keeps it.
    pub reason: Option<Code>,
}

/// How a command is decided: an answer and what it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling<A> {
    /// What the caller is told once the writes are durable.
    pub answer: A,
    /// What changes, all of it or nothing.
    pub writes: Vec<Write>,
}

impl<A> Ruling<A> {
    /// An answer that changes nothing.
    pub const fn unchanged(answer: A) -> Self {
        Self {
            answer,
            writes: Vec::new(),
        }
    }
}

/// What a command makes rows with.
#[derive(Debug)]
pub struct Making<'a> {
    /// Ids of this batch.
    pub ids: &'a mut IdSource,
    /// Who asks.
    pub actor: &'a Actor,
}
