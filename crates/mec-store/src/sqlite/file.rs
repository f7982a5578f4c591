//! The file a store is in: which one a name means, whose it is now, and that its bytes are on the
//! disk.
//!
//! The file itself is locked, so that every name of it leads to the same lock, and only whoever may
//! open it can take that. `mec.db.lock` beside it is a note for others: who has the file, and where
//! it answers.

use std::fs::{File, Permissions, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;

use crate::StoreError;

/// Files of MEC carry it in their header (`PRAGMA application_id`): "MEC1".
pub(super) const APPLICATION_ID: i32 = 0x4d45_4331;
/// What is made is its owner's alone.
pub(super) const PRIVATE: u32 = 0o600;
/// The bits that let others read or write.
const OTHERS: u32 = 0o077;
const WRITE_OF_OTHERS: u32 = 0o022;
/// The longest note that is read.
const NOTE_BYTES_MAX: u64 = 1_000;
/// Bytes of the log that are held while it is written anew.
const PIECE_BYTES: usize = 1 << 20;
/// Whoever asks for the owner holds the lock for a moment; an owner keeps it. So a held lock is
/// tried again so often.
const LOOKS_MAX: usize = 5;
const LOOK_TIME: Duration = Duration::from_millis(10);

/// A database file that is this process's. It has to outlive the connections to it: SQLite loses
/// its locks when any handle of the file is closed.
#[derive(Debug)]
pub(super) struct Taken {
    path: PathBuf,
    file: File,
    /// Where the system's two kinds of locks get in each other's way, another file is locked.
    #[cfg(not(target_os = "linux"))]
    _lock: File,
}

/// The file that `name` means, through whatever links; `None` where there is none.
pub(super) fn find(name: &Path) -> Result<Option<PathBuf>, StoreError> {
    let text = name.to_string_lossy();
    if text.starts_with("file:") || text.starts_with(":memory:") || text.contains('?') {
        return Err(StoreError::Unusable(format!(
            "\"{text}\" is not a path: a store has no other parameters; write sqlite:PATH, for example sqlite:mec.db"
        )));
    }
    match name.canonicalize() {
        Ok(path) => Ok(Some(path)),
        Err(error) if error.kind() == ErrorKind::NotFound && name.is_symlink() => {
            Err(StoreError::Unusable(format!(
                "{text} is a link to a file that does not exist; name that file itself, or remove the link"
            )))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(name)(error)),
    }
}

/// `mec.db-wal` and the like.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) fn failed(path: &Path) -> impl Fn(std::io::Error) -> StoreError {
    move |error| StoreError::File {
        path: path.display().to_string(),
        error,
    }
}

fn follows_no_link() -> i32 {
    // A pipe in its place must not be waited for.
    i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default()
}

impl Taken {
    /// Takes the file, and makes it where `create` says so; says whose it is where another process
    /// has it.
    pub(super) fn take(name: &Path, note: &str, create: bool) -> Result<Self, StoreError> {
        let (path, file) = match find(name)? {
            Some(path) => there(path)?,
            None if create => make(name)?,
            None => {
                let name = name.display();
                return Err(StoreError::Unusable(format!(
                    "{name} does not exist; `mec migrate --store sqlite:{name}` makes it"
                )));
            }
        };
        #[cfg(target_os = "linux")]
        lock(&path, name, &file)?;
        #[cfg(not(target_os = "linux"))]
        let _lock = {
            let own = beside(&path, ".own");
            let mut options = File::options();
            options
                .create(true)
                .truncate(false)
                .write(true)
                .mode(PRIVATE)
                .custom_flags(follows_no_link());
            let own = options.open(&own).map_err(failed(&own))?;
            lock(&path, name, &own)?;
            own
        };
        leave_note(&path, note);
        Ok(Self {
            path,
            file,
            #[cfg(not(target_os = "linux"))]
            _lock,
        })
    }

    /// The file, by the one name SQLite knows it by.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the name still leads to the file that is locked: SQLite opens by name.
    pub(super) fn check_still_there(&self) -> Result<(), StoreError> {
        let (opened, named) = (
            self.file.metadata().map_err(failed(&self.path))?,
            std::fs::metadata(&self.path).map_err(failed(&self.path))?,
        );
        if (opened.dev(), opened.ino()) == (named.dev(), named.ino()) {
            return Ok(());
        }
        Err(StoreError::Unusable(format!(
            "{} was replaced while it was opened; start again",
            self.path.display()
        )))
    }

    /// Makes the log's bytes durable. A process that ended between writing and its fsync has left
    /// bytes that were never on the disk, and after an fsync that failed the next one does nothing
    /// for them; so they are written again.
    pub(super) fn write_log_anew(&self) -> Result<(), StoreError> {
        let path = beside(&self.path, "-wal");
        let failed = failed(&path);
        let log = match File::options()
            .read(true)
            .write(true)
            .custom_flags(follows_no_link())
            .open(&path)
        {
            Ok(log) => log,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let mut piece = vec![0; PIECE_BYTES];
        let mut at = 0;
        loop {
            let bytes = log.read_at(&mut piece, at).map_err(&failed)?;
            if bytes == 0 {
                return log.sync_all().map_err(failed);
            }
            log.write_all_at(&piece[..bytes], at).map_err(&failed)?;
            at += u64::try_from(bytes).unwrap_or_default();
        }
    }

    /// Makes the file, the log and their names durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(failed(&self.path))?;
        sync_log(&self.path)?;
        sync_directory(&self.path)
    }
}

/// Makes durable what a reader has seen in the log: the process that wrote it may have ended before
/// its fsync.
pub(super) fn sync_log(path: &Path) -> Result<(), StoreError> {
    let path = beside(path, "-wal");
    match File::options()
        .read(true)
        .custom_flags(follows_no_link())
        .open(&path)
    {
        Ok(log) => log.sync_all().map_err(failed(&path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(&path)(error)),
    }
}

pub(super) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let Some(directory) = path.parent() else {
        return Ok(());
    };
    // The name of a file in the working directory has an empty parent.
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed(directory))
}

/// Opens the file that is there.
fn there(path: PathBuf) -> Result<(PathBuf, File), StoreError> {
    let file = File::options()
        .read(true)
        .write(true)
        .custom_flags(follows_no_link())
        .open(&path)
        .map_err(failed(&path))?;
    check(&path, &file)?;
    Ok((path, file))
}

/// Makes an empty file with the name, or opens the one that somebody else has made meanwhile.
fn make(name: &Path) -> Result<(PathBuf, File), StoreError> {
    let (Some(file_name), Some(directory)) = (name.file_name(), name.parent()) else {
        return Err(StoreError::Unusable(format!(
            "{} is not the name of a file; write sqlite:PATH",
            name.display()
        )));
    };
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let path = directory
        .canonicalize()
        .map_err(failed(name))?
        .join(file_name);
    let file = match File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(&path)
    {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return there(path),
        Err(error) => return Err(failed(&path)(error)),
    };
    // Whatever the process may not give to new files.
    file.set_permissions(Permissions::from_mode(PRIVATE))
        .map_err(failed(&path))?;
    Ok((path, file))
}

/// Refuses what is no file of this process's own, and closes it to others.
fn check(path: &Path, file: &File) -> Result<(), StoreError> {
    let found = file.metadata().map_err(failed(path))?;
    let shown = path.display();
    if !found.is_file() {
        return Err(StoreError::Unusable(format!(
            "{shown} is not a file; name another with --store sqlite:PATH"
        )));
    }
    if found.nlink() > 1 {
        return Err(StoreError::Unusable(format!(
            "{shown} has {} names (hard links), and what is recorded under one is not seen under another; remove the other names",
            found.nlink()
        )));
    }
    // Whatever else a wrong path names stays as it is.
    if found.mode() & OTHERS != 0 && is_ours(file).map_err(failed(path))? {
        match file.set_permissions(Permissions::from_mode(PRIVATE)) {
            Ok(()) => {
                tracing::warn!(path = %shown, mode = format!("{:o}", found.mode() & 0o777), "others could open it; closed to them")
            }
            Err(error) => {
                tracing::warn!(path = %shown, %error, "others can open it; run `chmod 600` as its owner")
            }
        }
    }
    Ok(())
}

/// Whether a file is empty, or a database of MEC by its header
/// (<https://www.sqlite.org/fileformat.html>, 1.3).
fn is_ours(file: &File) -> std::io::Result<bool> {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    const APPLICATION_ID_AT: usize = 68;
    let mut header = [0; 100];
    match file.read_exact_at(&mut header, 0) {
        Ok(()) => Ok(header.starts_with(MAGIC)
            && header[APPLICATION_ID_AT..].starts_with(&APPLICATION_ID.to_be_bytes())),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(file.metadata()?.len() == 0),
        Err(error) => Err(error),
    }
}

fn lock(path: &Path, name: &Path, file: &File) -> Result<(), StoreError> {
    let mut locked = file.try_lock();
    for _ in 0..LOOKS_MAX {
        if !matches!(locked, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(LOOK_TIME);
        locked = file.try_lock();
    }
    match locked {
        Ok(()) => Ok(()),
        Err(TryLockError::Error(error)) => Err(StoreError::Unusable(format!(
            "{} cannot be locked: {error}",
            path.display()
        ))),
        Err(TryLockError::WouldBlock) => Err(StoreError::Unusable(format!(
            "{} is in use by another process ({}); stop it first, or talk to it over HTTP",
            name.display(),
            note(path)
        ))),
    }
}

/// Writes whose the file is. Nothing depends on it, so a start goes on without.
fn leave_note(path: &Path, note: &str) {
    let lock = beside(path, ".lock");
    let text = format!(
        "pid {}{}{note}",
        std::process::id(),
        if note.is_empty() { "" } else { ", " }
    );
    if let Err(error) = put_note(&lock, &text) {
        tracing::warn!(path = %lock.display(), %error, "commands will not find this process: the note for them cannot be written");
    }
}

/// A new file in the place of whatever is there: nothing is followed, and nothing that somebody
/// else has open is written.
fn put_note(lock: &Path, text: &str) -> std::io::Result<()> {
    let made = beside(lock, &format!(".{}", std::process::id()));
    match std::fs::remove_file(&made) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(&made)?;
    file.set_permissions(Permissions::from_mode(PRIVATE))?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(&made, lock)
}

/// What the owner says of itself, where it can be believed: only the file's owner, or root, can
/// have written it.
fn note(path: &Path) -> String {
    let read = || -> std::io::Result<Option<String>> {
        let file = File::options()
            .read(true)
            .custom_flags(follows_no_link())
            .open(beside(path, ".lock"))?;
        let (found, owner) = (file.metadata()?, std::fs::metadata(path)?.uid());
        if !found.is_file()
            || found.mode() & WRITE_OF_OTHERS != 0
            || (found.uid() != owner && found.uid() != 0)
        {
            return Ok(None);
        }
        let mut text = String::new();
        file.take(NOTE_BYTES_MAX).read_to_string(&mut text)?;
        Ok(Some(text.trim().to_owned()))
    };
    match read() {
        Ok(Some(text)) if !text.is_empty() => text,
        Ok(_) => "which does not say who it is".to_owned(),
        Err(error) => format!("its note cannot be read: {error}"),
    }
}

/// Who has the store at `name` now, as it said itself: `None` where nobody does.
///
/// # Errors
/// Where the file cannot be opened.
pub fn owner(name: &Path) -> Result<Option<String>, StoreError> {
    let Some(path) = find(name)? else {
        return Ok(None);
    };
    let locked = if cfg!(target_os = "linux") {
        path.clone()
    } else {
        beside(&path, ".own")
    };
    let file = match File::options()
        .read(true)
        .custom_flags(follows_no_link())
        .open(&locked)
    {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&locked)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(note(&path))),
        Err(TryLockError::Error(error)) => Err(failed(&locked)(error)),
    }
}
