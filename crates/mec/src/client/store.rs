//! The store beside which a command runs: whose it is, and its ledger read beside whoever owns it.

use mec_kernel::{AccountId, Catalog};
use mec_store::{Store, sqlite};

use crate::config::{Config, Kept};
use crate::terminal::failure::{Exit, Failure};

/// The process that owns a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// What it says of itself.
    pub(crate) note: String,
    /// Where it answers, if it does.
    pub(crate) url: Option<String>,
    /// Where it answers operators.
    pub(crate) operators: Option<String>,
}

/// Who owns the store now; a database is nobody's.
///
/// # Errors
/// The lock file cannot be read.
pub(crate) fn owner(config: &Config) -> Result<Option<Owner>, Failure> {
    let Kept::File(path) = config.kept()? else {
        return Ok(None);
    };
    let note = sqlite::owner(path)?;
    Ok(note.map(|note| {
        let mut urls = urls_in(&note);
        Owner {
            url: urls.next(),
            operators: urls.next(),
            note: note.clone(),
        }
    }))
}

/// The store and its catalog, read only, beside a server that may own it.
///
/// # Errors
/// It is not there, or its schema is not this program's.
pub(crate) fn read_only(config: &Config) -> Result<(Store, Catalog), Failure> {
    if let Kept::File(path) = config.kept()?
        && !path.exists()
    {
        return Err(Failure::new(Exit::NoInput, format!("{} does not exist", path.display()))
            .with_hint("name the store with --store sqlite:PATH or MEC_STORE; `mec migrate` makes a new one"));
    }
    Ok(Store::open_read_only(&config.settings.store)?)
}

/// The account that `text` names: by its id where it is one, else by the name another system has
/// for it.
///
/// # Errors
/// There is none; the store cannot be read.
pub(crate) fn account_of(store: &Store, text: &str) -> Result<AccountId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    store.account_linked("", text)?.ok_or_else(|| {
        Failure::new(Exit::BadInput, format!("there is no account \"{text}\""))
            .with_hint("give its account_id, or its external_id")
    })
}

fn urls_in(note: &str) -> impl Iterator<Item = String> {
    note.split([' ', ','])
        .filter(|word| word.starts_with("http://"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_are_read_from_the_owners_note() {
        let cases: [(&str, &[&str]); 4] = [
            (
                "pid 7, http://127.0.0.1:8000, operators http://127.0.0.1:9",
                &["http://127.0.0.1:8000", "http://127.0.0.1:9"],
            ),
            ("pid 7, http://[::1]:8000, demo", &["http://[::1]:8000"]),
            ("pid 7, mec import", &[]),
            ("pid 7", &[]),
        ];
        for (note, urls) in cases {
            assert_eq!(urls_in(note).collect::<Vec<_>>(), urls, "{note}");
        }
    }
}
