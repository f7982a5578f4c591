//! A disk that can lose its power: a file with a file system in it. A copy of the file has what was
//! synced, and of the rest only what the system happened to write by itself.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Longer than any test here: the system itself commits nothing meanwhile.
const OPTIONS: &str = "loop,noatime,commit=300";
/// Mounts $1 at $2 until its input ends, which it also does when the test is killed.
const KEEPER: &str = "mount -o \"$3\" \"$1\" \"$2\" || exit 1; echo mounted; read -r _; umount \"$2\" || umount -l \"$2\"";

/// A mounted disk; dropping it unmounts it.
pub(crate) struct Disk {
    image: PathBuf,
    at: PathBuf,
    keeper: Child,
}

impl Disk {
    /// A new one with so many megabytes.
    pub(crate) fn make(dir: &Path, megabytes: u64) -> Self {
        let image = dir.join("disk-0");
        std::fs::File::create(&image)
            .and_then(|file| file.set_len(megabytes << 20))
            .expect("an image is made");
        let made = Command::new("mkfs.ext4")
            .args(["-q", "-F", "-E", "lazy_itable_init=0"])
            .arg(&image)
            .output();
        let made = made.expect("mkfs.ext4 runs (Debian: apt-get install e2fsprogs)");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        Self::mount(dir, image)
    }

    fn mount(dir: &Path, image: PathBuf) -> Self {
        let at = dir.join(format!(
            "{}.at",
            image.file_name().expect("it has a name").display()
        ));
        std::fs::create_dir(&at).expect("a directory is made");
        let mut keeper = Command::new("sh");
        keeper
            .args(["-c", KEEPER, "sh"])
            .arg(&image)
            .arg(&at)
            .arg(OPTIONS);
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = keeper.spawn().expect("a shell runs");
        let mut told = String::new();
        BufReader::new(keeper.stdout.take().expect("it is piped"))
            .read_line(&mut told)
            .expect("it says something");
        assert_eq!(
            told, "mounted\n",
            "a file is mounted: this test needs root and a loop device, and `cargo xtask test` skips it without"
        );
        Self { image, at, keeper }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.at
    }

    /// The disk as it is found after its power was cut now. Whoever writes to this one has to stand
    /// still.
    pub(crate) fn after_power_cut(&self, dir: &Path, number: usize) -> CutDisk {
        let image = dir.join(format!("disk-{number}"));
        let copied = Command::new("cp")
            .arg("--sparse=always")
            .arg(&self.image)
            .arg(&image)
            .status();
        assert!(
            copied.is_ok_and(|status| status.success()),
            "the image is copied"
        );
        CutDisk {
            dir: dir.to_owned(),
            image,
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // A panic here would hide the test's own.
        drop(self.keeper.wait());
        drop(std::fs::remove_file(&self.image));
    }
}

/// What is left of a disk.
pub(crate) struct CutDisk {
    dir: PathBuf,
    image: PathBuf,
}

impl CutDisk {
    pub(crate) fn mount(self) -> Disk {
        Disk::mount(&self.dir, self.image)
    }
}
