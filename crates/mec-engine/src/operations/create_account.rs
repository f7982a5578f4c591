//! Makes an account, below another or as the root of a new tree.

use mec_kernel::{
    Account, AccountId, AccountStatus, CreateAccount, Halt, Making, Need, Refusal, Ruling, TreeId,
    View, create_account,
};

use crate::caller::Caller;
use crate::command::{Command, Foreseen};
use crate::error::MecError;
use crate::mec::Mec;
use crate::tree_numbers::{draw_tree, known_tree};

/// A new account, with the defaults of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount(pub CreateAccount);

impl NewAccount {
    /// An organization of this name, active, without parent, external id, zone or anything else.
    pub fn named(display_name: &str) -> Self {
        Self(CreateAccount {
            parent: None,
            account_type: "organization".into(),
            external_id: None,
            display_name: display_name.into(),
            email: None,
            time_zone: None,
            metadata: None,
            status: AccountStatus::Active,
        })
    }
}

/// An account below another.
struct CreateChild {
    parent: AccountId,
    command: CreateAccount,
}

impl Command for CreateChild {
    type Answer = Account;

    fn tree(&self) -> Result<TreeId, MecError> {
        known_tree(self.parent.tree()).ok_or_else(|| {
            Refusal::ParentNotFound {
                account: self.parent.to_string(),
            }
            .into()
        })
    }

    fn foreseen(&self) -> Foreseen {
        vec![Need::Account(self.parent)].into()
    }

    fn decide(
        &mut self,
        view: &View<'_>,
        making: &mut Making<'_>,
    ) -> Result<Ruling<Account>, Halt> {
        create_account(view, making.ids, &self.command)
    }
}

/// The root of a tree with this number.
struct CreateRoot {
    tree: TreeId,
    command: CreateAccount,
}

impl Command for CreateRoot {
    /// `None`: the number was taken.
    type Answer = Option<Account>;

    fn tree(&self) -> Result<TreeId, MecError> {
        Ok(self.tree)
    }

    fn foreseen(&self) -> Foreseen {
        vec![].into()
    }

    fn decide(
        &mut self,
        view: &View<'_>,
        making: &mut Making<'_>,
    ) -> Result<Ruling<Option<Account>>, Halt> {
        if view.tree.head.version > 0 || view.tree.nodes().next().is_some() {
            return Ok(Ruling::unchanged(None));
        }
        let ruling = create_account(view, making.ids, &self.command)?;
        Ok(Ruling {
            answer: Some(ruling.answer),
            writes: ruling.writes,
        })
    }
}

impl Mec {
    /// Makes an account; without a parent it is the root of a new tree.
    ///
    /// # Errors
    /// An unknown parent or type; an external id that is taken.
    pub async fn create_account(
        &self,
        new: NewAccount,
        caller: &Caller,
    ) -> Result<Account, MecError> {
        if let Some(parent) = new.0.parent {
            let command = new.0;
            return self.record(CreateChild { parent, command }, caller).await;
        }
        loop {
            let (tree, command) = (draw_tree()?, new.0.clone());
            if let Some(account) = self.record(CreateRoot { tree, command }, caller).await? {
                return Ok(account);
            }
        }
    }
}
