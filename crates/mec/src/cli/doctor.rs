//! `mec doctor`: what would keep mec from working here, and what to do about it. Changes nothing.

mod database;

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mec_engine::Clock;
use mec_kernel::Time;
use mec_store::sqlite;
use serde_json::json;

use crate::client::store::{Owner, owner};
use crate::config::{Config, Flags, Kept};
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{self, Print};

/// Less free space than this is worth a warning, in bytes.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// A write that takes longer until it is on the disk makes every recording wait.
const SYNC_SLOW: Duration = Duration::from_millis(20);
const SYNCS: usize = 11;
/// This program was not there before: 2026-01-01.
const CLOCK_MIN: Time = Time::from_micros(1_767_225_600_000_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One line of the doctor's.
struct Line {
    verdict: Verdict,
    what: &'static str,
    found: String,
    /// What to do; empty where all is well.
    advice: String,
}

impl Line {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Ok,
            what,
            found: found.into(),
            advice: String::new(),
        }
    }

    fn warn(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Warn,
            what,
            found: found.into(),
            advice: advice.into(),
        }
    }

    fn fail(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Fail,
            what,
            found: found.into(),
            advice: advice.into(),
        }
    }

    fn of(what: &'static str, failure: Failure) -> Self {
        match failure {
            Failure::Told { message, hint, .. } => {
                Self::fail(what, message, hint.unwrap_or_default())
            }
            Failure::Quiet(_) | Failure::ClosedPipe => Self::fail(what, "failed", ""),
        }
    }
}

pub(super) fn run(flags: Flags, print: Print) -> Result<(), Failure> {
    let lines = match Config::gather(flags) {
        Ok(config) => examine(&config),
        Err(failure) => vec![Line::of("configuration", failure)],
    };
    show(&lines, print)?;
    if lines.iter().any(|line| line.verdict == Verdict::Fail) {
        Err(Failure::Quiet(Exit::No))
    } else {
        Ok(())
    }
}

fn examine(config: &Config) -> Vec<Line> {
    let mut lines = vec![Line::ok("configuration", "is understood")];
    let owned = match (config.kept(), owner(config)) {
        (Ok(Kept::Database), _) => {
            lines.extend(database::lines(config));
            None
        }
        (Ok(Kept::File(path)), Ok(owned)) => {
            lines.push(store(path, owned.as_ref()));
            lines.extend(schema_of(path));
            let directory = directory_of(path);
            lines.push(space(&directory));
            lines.push(sync(&directory));
            lines.push(clock(path));
            owned
        }
        (Err(failure), _) | (_, Err(failure)) => {
            lines.push(Line::of("store", failure));
            None
        }
    };
    lines.push(Line::ok("SQLite", sqlite::library_version()));
    lines.push(listen(config, owned.as_ref()));
    lines
}

fn store(path: &Path, owned: Option<&Owner>) -> Line {
    let name = path.display();
    match owned {
        Some(Owner {
            note, url: Some(_), ..
        }) => Line::ok(
            "store",
            format!("{name} is served ({note}); commands go through that server"),
        ),
        Some(Owner {
            note, url: None, ..
        }) => Line::warn(
            "store",
            format!("{name} is in use ({note})"),
            "wait until that process has ended",
        ),
        None if path.exists() => match File::options().write(true).open(path) {
            Ok(_) => Line::ok("store", format!("{name} is there, nobody uses it")),
            Err(error) => Line::fail(
                "store",
                format!("{name}: {error}"),
                "give the user that runs mec the right to write it",
            ),
        },
        None => Line::warn(
            "store",
            format!("{name} does not exist yet"),
            "mec serve or mec migrate makes it",
        ),
    }
}

fn schema_of(path: &Path) -> Option<Line> {
    if !path.exists() {
        return None;
    }
    Some(match sqlite::inspect(path) {
        Ok(found) => schema(found.schema_version, found.schema_version_newest),
        Err(error) => Line::of("schema", error.into()),
    })
}

fn schema(found: i32, newest: i32) -> Line {
    let advice = "mec serve or mec migrate brings it up to date, as the role that owns it";
    match found {
        found if found == newest => {
            Line::ok("schema", format!("{found}, as this program writes it"))
        }
        0 => Line::warn(
            "schema",
            "there is none yet",
            "mec serve or mec migrate makes it",
        ),
        found if found > newest => Line::ok(
            "schema",
            format!("{found}, newer than this program's {newest}, which may run beside it"),
        ),
        found => Line::warn(
            "schema",
            format!("{found}, this program writes {newest}"),
            advice,
        ),
    }
}

fn space(directory: &Path) -> Line {
    match rustix::fs::statvfs(directory) {
        Ok(found) => {
            let bytes = found.f_bavail.saturating_mul(found.f_frsize);
            let told = format!("{} MB free in {}", bytes >> 20, directory.display());
            if bytes >= FREE_BYTES_MIN {
                Line::ok("disk space", told)
            } else {
                Line::warn(
                    "disk space",
                    told,
                    "make room: when the disk is full nothing is recorded",
                )
            }
        }
        Err(error) => Line::fail(
            "disk space",
            format!("{}: {error}", directory.display()),
            "name a directory that is there",
        ),
    }
}

/// How long a write takes until it is durable.
fn sync(directory: &Path) -> Line {
    let measured = tempfile::tempfile_in(directory).and_then(|mut file| {
        let mut times = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            let began = Instant::now();
            file.write_all(&[0; 4096])?;
            file.sync_data()?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        Ok(times[SYNCS / 2])
    });
    match measured {
        Ok(median) => {
            let told = format!(
                "{} µs until a write is durable (median of {SYNCS})",
                median.as_micros()
            );
            if median <= SYNC_SLOW {
                Line::ok("fsync", told)
            } else {
                Line::warn(
                    "fsync",
                    told,
                    "every recording waits so long; a local SSD is faster",
                )
            }
        }
        Err(error) => Line::fail(
            "fsync",
            format!("{}: {error}", directory.display()),
            "give the user that runs mec the right to write there",
        ),
    }
}

fn clock(path: &Path) -> Line {
    let now = Clock::machine().now();
    let last = sqlite::inspect(path)
        .ok()
        .and_then(|found| found.last_at)
        .filter(|last| last.is_bounded());
    match last {
        _ if now < CLOCK_MIN => Line::fail("clock", format!("it says {now}"), "set the clock"),
        Some(last) if last > now => Line::warn(
            "clock",
            format!("it says {now}, and the store has seen {last} already"),
            "set the clock; until it has caught up, everything happens at the time the store has seen",
        ),
        _ => Line::ok("clock", format!("it says {now}")),
    }
}

fn listen(config: &Config, owned: Option<&Owner>) -> Line {
    let address = match config.listen_address() {
        Ok(address) => address,
        Err(failure) => return Line::of("listen", failure),
    };
    let is_ours =
        owned.and_then(|owner| owner.url.as_deref()) == Some(format!("http://{address}").as_str());
    match TcpListener::bind(address) {
        Ok(_) => Line::ok("listen", format!("{address} is free")),
        Err(_) if is_ours => Line::ok(
            "listen",
            format!("{address} is in use by the mec that serves this store"),
        ),
        Err(error) => Line::fail(
            "listen",
            format!("{address}: {error}"),
            "stop what uses it, or name another one with --listen 127.0.0.1:PORT",
        ),
    }
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn show(lines: &[Line], print: Print) -> Result<(), Failure> {
    let word = |verdict| match verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
    };
    if print == Print::Json {
        let lines: Vec<_> = lines
            .iter()
            .map(|line| json!({ "verdict": word(line.verdict), "what": line.what, "found": line.found, "advice": line.advice }))
            .collect();
        return output::json(&lines.into());
    }
    for line in lines {
        output::line(format_args!(
            "{:4}  {:13}  {}",
            word(line.verdict),
            line.what,
            line.found
        ))?;
        if !line.advice.is_empty() {
            output::line(format_args!("      {:13}  → {}", "", line.advice))?;
        }
    }
    Ok(())
}
