//! A whole store as one new file, taken in one read transaction beside whoever owns it.

use std::fs::{File, Permissions, remove_file};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::params;

use super::file::{PRIVATE, beside, failed, sync_directory};
use super::{find_or_refuse, migrate, open_reader};
use crate::StoreError;

/// A whole copy that has no name yet; dropping it removes it.
#[derive(Debug)]
pub struct Backup {
    /// Where it is meanwhile.
    partial: PathBuf,
    path: PathBuf,
    is_kept: bool,
}

impl Backup {
    /// Copies the store at `from` into a new file beside `path`, which is its owner's alone and on
    /// the disk when this answers.
    ///
    /// # Errors
    /// There is something at `path` or beside it, `from` is no store of this program, or one of
    /// them cannot be read or written.
    pub fn take(from: &Path, path: &Path) -> Result<Self, StoreError> {
        let from = &find_or_refuse(from)?;
        for there in [
            path.to_owned(),
            beside(path, "-wal"),
            beside(path, "-journal"),
        ] {
            // Also a link to nothing is something.
            if there.symlink_metadata().is_ok() {
                let there = there.display();
                return Err(StoreError::Unusable(format!(
                    "{there} is there already, and nothing is overwritten; name another file"
                )));
            }
        }
        let partial = beside(path, ".partial");
        match remove_file(&partial) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed(&partial)(error));
            }
            _ => {}
        }
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(&partial)
            .map_err(failed(&partial))?;
        let backup = Self {
            partial,
            path: path.to_owned(),
            is_kept: false,
        };
        file.set_permissions(Permissions::from_mode(PRIVATE))
            .map_err(failed(&backup.partial))?;
        let connection = open_reader(from)?;
        migrate::check_ours(&connection, from)?;
        if migrate::version(&connection)? == 0 {
            return Err(StoreError::Unusable(format!(
                "{} is empty; name a store with --store sqlite:PATH",
                from.display()
            )));
        }
        connection.pragma_update(None, "query_only", "OFF")?;
        connection.execute("VACUUM INTO ?1", params![backup.partial.to_string_lossy()])?;
        file.sync_all().map_err(failed(&backup.partial))?;
        Ok(backup)
    }

    /// The file as it is called meanwhile.
    pub fn partial(&self) -> &Path {
        &self.partial
    }

    /// Gives it its name, which nobody else may have taken meanwhile, and answers its size in
    /// bytes.
    ///
    /// # Errors
    /// Somebody else has it; the directory cannot be written.
    pub fn keep(mut self) -> Result<u64, StoreError> {
        let bytes = File::open(&self.partial)
            .and_then(|file| file.metadata())
            .map_err(failed(&self.partial))?
            .len();
        // A second name is only given where there is nothing of that name.
        std::fs::hard_link(&self.partial, &self.path).map_err(failed(&self.path))?;
        self.is_kept = true;
        remove_file(&self.partial).map_err(failed(&self.partial))?;
        sync_directory(&self.path)?;
        Ok(bytes)
    }
}

impl Drop for Backup {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = remove_file(&self.partial)
        {
            tracing::warn!(path = %self.partial.display(), %error, "an unfinished copy could not be removed");
        }
    }
}
