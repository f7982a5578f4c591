//! The settings in effect: from flags, the environment, a file, and defaults, in this order of
//! precedence.
//!
//! The only place that reads environment variables of MEC.

mod file;
mod listen;
mod masked;
mod setting;
mod settings;

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mec_engine::Options;

use self::file::ConfigFile;
pub(crate) use self::listen::address;
use self::listen::loopback;
pub(crate) use self::masked::masked;
use self::setting::Values;
pub(crate) use self::setting::{LogFormat, Origin, Shown, example};
pub(crate) use self::settings::{STALENESS_MS_MAX, Settings};
use crate::http::auth::{Auth, AuthSettings};
use crate::http::browsers::Hosts;
use crate::http::cors::Origins;
use crate::terminal::failure::{Exit, Failure};

/// The setting that signs tokens.
const JWT_SECRET: &str = "jwt_secret";

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) config: Option<PathBuf>,
    pub(crate) store: Option<String>,
    pub(crate) server: Option<String>,
    pub(crate) listen: Option<String>,
    pub(crate) log: Option<String>,
    pub(crate) log_format: Option<String>,
}

impl Flags {
    fn value(&self, flag: &str) -> Option<String> {
        let value = match flag {
            "--store" => &self.store,
            "--server" => &self.server,
            "--listen" => &self.listen,
            "--log" => &self.log,
            "--log-format" => &self.log_format,
            _ => return None,
        };
        value.clone()
    }
}

/// The effective configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The values.
    pub(crate) settings: Settings,
    /// Whose word the server's address is.
    pub(crate) server_named_by: NamedBy,
    /// The names it answers to.
    pub(crate) hosts: Hosts,
    /// Whether callers are asked who they are.
    pub(crate) auth: Auth,
    shown: Vec<Shown>,
}

/// Whose word an address is to which a token would be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamedBy {
    /// That of whoever runs the command.
    User,
    /// That of a file which happened to lie in the working directory, or is another user's.
    Anybody,
}

/// Whether a file was written by whoever runs this, or by root.
pub(crate) fn is_ours(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|found| found.uid() == 0 || found.uid() == rustix::process::geteuid().as_raw())
}

/// Where everything is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept<'a> {
    /// In a file that one process owns.
    File(&'a Path),
    /// In a database of a PostgreSQL server, which nobody owns.
    Database,
}

impl<'a> Kept<'a> {
    /// What kind of store a URL names; `None`: none that this program knows.
    pub(crate) fn of(url: &'a str) -> Option<Self> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Some(Self::File(Path::new(
                path.strip_prefix("//").unwrap_or(path),
            ))),
            Some(("postgres" | "postgresql", _)) => Some(Self::Database),
            _ => None,
        }
    }
}

impl Config {
    /// Gathers the settings and checks each.
    ///
    /// # Errors
    /// A file that is not there or not understood (with its line), a value that is none of those
    /// there are, values that do not go together.
    pub(crate) fn gather(flags: Flags) -> Result<Self, Failure> {
        let named = flags
            .config
            .clone()
            .or_else(|| variable("MEC_CONFIG").map(PathBuf::from));
        let is_file_named = named.is_some();
        let file = ConfigFile::read(named)?;
        let in_file = file.path.as_deref().map(|path| (path, &file.values));
        let values = Values::choose(|flag| flags.value(flag), variable, in_file);
        let settings = Settings::read(&values)?;
        let auth = auth(&settings, &values)?;
        let origins = origins(&settings, &values, &auth)?;
        let server_named_by = match values.origin("server") {
            Origin::File(path)
                if !(is_file_named && is_ours(&path))
                    && values.origin(JWT_SECRET) != Origin::File(path.clone()) =>
            {
                NamedBy::Anybody
            }
            _ => NamedBy::User,
        };
        let names = settings
            .hosts
            .split([',', ' '])
            .filter(|name| !name.is_empty())
            .map(str::to_owned);
        let hosts = Hosts::also(names).with_origins(origins);
        Ok(Self {
            server_named_by,
            hosts: if auth.asks_everybody() {
                hosts.of_known_callers()
            } else {
                hosts
            },
            auth,
            shown: values.shown(),
            settings,
        })
    }

    /// Every setting and where it comes from, in the order of the file, without secrets and
    /// passwords.
    pub(crate) fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// Where the value of a setting comes from.
    pub(crate) fn origin(&self, name: &str) -> Option<&Origin> {
        self.shown
            .iter()
            .find(|setting| setting.name == name)
            .map(|setting| &setting.origin)
    }

    /// The server that commands ask; `None`: the one that owns the file, if there is one.
    pub(crate) fn server(&self) -> Option<&str> {
        Some(self.settings.server.as_str()).filter(|server| !server.is_empty())
    }

    /// How the installation is opened by a process that says `note` to a second one.
    pub(crate) fn options(&self, note: &str, create: bool) -> Options {
        let settings = &self.settings;
        Options {
            create,
            note: note.to_owned(),
            logged: settings.decision_log,
            traced: settings.decision_trace,
            decisions_kept: Duration::from_secs(u64::from(settings.decisions_kept_days) * 86_400),
            decisions_kept_rows: settings.decisions_kept_rows.into(),
            answer_bytes_max: u64::from(settings.answer_megabytes) << 20,
            read_timeout: Duration::from_secs(settings.read_timeout_seconds.into()),
            cache_bytes_max: usize::try_from(u64::from(settings.cache_megabytes) << 20)
                .unwrap_or(usize::MAX),
            staleness_max: Duration::from_millis(settings.max_staleness_ms.into()),
            lanes: usize::try_from(settings.lanes).unwrap_or(1),
            ..Options::default()
        }
    }

    /// What kind of store it is.
    ///
    /// # Errors
    /// None that this program knows.
    pub(crate) fn kept(&self) -> Result<Kept<'_>, Failure> {
        Kept::of(&self.settings.store).ok_or_else(|| {
            Failure::new(Exit::Config, format!("\"{}\" is not a store that mec knows", masked(&self.settings.store))).with_hint(
                "use sqlite:PATH, for example --store sqlite:mec.db, or postgres://USER@HOST/DATABASE (best in MEC_STORE)",
            )
        })
    }

    /// The address to listen on, which must be the machine's own where anybody may write.
    ///
    /// # Errors
    /// No address, or one that others reach.
    pub(crate) fn listen_address(&self) -> Result<SocketAddr, Failure> {
        if self.auth.asks_writers() {
            address(&self.settings.listen)
        } else {
            loopback(&self.settings.listen)
        }
    }
}

/// How callers are asked who they are.
fn auth(settings: &Settings, values: &Values) -> Result<Auth, Failure> {
    let asked = AuthSettings {
        jwt_secret: settings.jwt_secret.reveal(),
        jwt_audience: &settings.jwt_audience,
        jwt_role_claim: &settings.jwt_role_claim,
        anon_role: &settings.anon_role,
    };
    Auth::read(asked).map_err(|wrong| {
        let origin = values.origin(wrong.setting);
        Failure::new(
            Exit::Config,
            format!("{} ({origin}): {}", wrong.setting, wrong.problem),
        )
        .with_hint(wrong.hint)
    })
}

/// The web pages that browsers are allowed to call from.
fn origins(settings: &Settings, values: &Values, auth: &Auth) -> Result<Origins, Failure> {
    let wrong = |problem: &str| {
        Failure::new(
            Exit::Config,
            format!(
                "cors_origins ({}): {problem}",
                values.origin("cors_origins")
            ),
        )
    };
    let origins = Origins::read(&settings.cors_origins).map_err(|problem| {
        wrong(&problem.to_string()).with_hint(
            "set it to the origins of pages, with commas between them, or leave it empty",
        )
    })?;
    if origins == Origins::All && !auth.asks_writers() {
        return Err(wrong(
            "\"*\" would let every web page write to a server without authentication",
        )
        .with_hint("name the origins of your pages, or set jwt_secret (MEC_JWT_SECRET)"));
    }
    Ok(origins)
}

/// Whether colors are wanted if they can be shown (`NO_COLOR`, no-color.org).
pub(crate) fn wants_colours() -> bool {
    variable("NO_COLOR").is_none()
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
