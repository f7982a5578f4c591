//! The settings: from flags, the environment, a file, and defaults, in this order of precedence.
//!
//! The only place that reads environment variables of MEC. `mec.toml` beside this file holds every default and is
//! what `mec config --example` prints.

mod secret;

use std::env;
use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mec_engine::{Logged, Options, Traced};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use self::secret::{HIDDEN, Secret};
use crate::cli::failure::{Exit, Failure};
use crate::http::auth::{Auth, AuthSettings};
use crate::http::browsers::Hosts;
use crate::http::cors::Origins;

/// Every setting with its default, commented.
pub(crate) const EXAMPLE: &str = include_str!("config/mec.toml");
/// The setting that is never shown.
const JWT_SECRET: &str = "jwt_secret";
/// The oldest answer that may be asked for, in milliseconds.
pub(crate) const STALENESS_MS_MAX: u32 = 60_000;
/// Connections that record at once.
const LANES_MAX: u32 = 64;
/// Read where it is there and nothing else is named.
const FILE: &str = "mec.toml";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// The file.
    File(PathBuf),
    /// This variable.
    Environment(&'static str),
    /// This flag.
    Flag(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Its name in the file.
    pub(crate) name: &'static str,
    /// The value as text.
    pub(crate) value: String,
    /// Where it comes from.
    pub(crate) origin: Origin,
}

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

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The effective configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where everything is kept (`sqlite:PATH` or `postgres://…`).
    pub(crate) store: String,
    /// The server that commands ask (`http://HOST:PORT`); `None`: the one that owns the store, if one does.
    pub(crate) server: Option<String>,
    /// Whose word the server's address is.
    pub(crate) server_named_by: NamedBy,
    /// The address to answer on, as given.
    pub(crate) listen: String,
    /// The names it answers to.
    pub(crate) hosts: Hosts,
    /// Whether callers are asked who they are.
    pub(crate) auth: Auth,
    /// What is logged, as `tracing_subscriber::EnvFilter` reads it.
    pub(crate) log: String,
    /// How.
    pub(crate) log_format: LogFormat,
    logged: Logged,
    traced: Traced,
    decisions_kept: Duration,
    read_timeout: Duration,
    cache_bytes_max: usize,
    staleness_max: Duration,
    lanes: usize,
    settings: Vec<Setting>,
}

/// The file. What it does not name is not set by it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    store: Option<String>,
    server: Option<String>,
    listen: Option<String>,
    hosts: Option<String>,
    cors_origins: Option<String>,
    jwt_secret: Option<Secret>,
    jwt_audience: Option<String>,
    jwt_role_claim: Option<String>,
    anon_role: Option<String>,
    log: Option<String>,
    log_format: Option<String>,
    decision_log: Option<String>,
    decision_trace: Option<String>,
    decisions_kept_days: Option<u32>,
    read_timeout_seconds: Option<u32>,
    cache_megabytes: Option<u32>,
    max_staleness_ms: Option<u32>,
    lanes: Option<u32>,
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
    fs::metadata(path).is_ok_and(|found| found.uid() == 0 || found.uid() == rustix::process::geteuid().as_raw())
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
            Some(("sqlite", path)) if !path.is_empty() => Some(Self::File(Path::new(path.strip_prefix("//").unwrap_or(path)))),
            Some(("postgres" | "postgresql", _)) => Some(Self::Database),
            _ => None,
        }
    }
}

impl Config {
    /// Gathers the settings and checks each.
    ///
    /// # Errors
    /// A file that is not there or not understood (with its line), a value that is none of those there are.
    pub(crate) fn gather(flags: Flags) -> Result<Self, Failure> {
        let named = flags.config.or_else(|| variable("MEC_CONFIG").map(PathBuf::from));
        let is_file_named = named.is_some();
        let (path, file) = read_file(named)?;
        let mut defaults =
            parse(EXAMPLE).map_err(|problem| Failure::new(Exit::Config, format!("the built-in defaults: {problem}")))?;
        let mut settings = Vec::new();
        let mut set =
            |name, flag: Option<(&'static str, Option<String>)>, env_name, in_file: Option<String>, default: Option<String>| {
                let of_flag = flag.and_then(|(flag, value)| Some((value?, Origin::Flag(flag))));
                let of_environment = || Some((variable(env_name)?, Origin::Environment(env_name)));
                let of_file = || Some((in_file?, Origin::File(path.clone()?)));
                let chosen = of_flag.or_else(of_environment).or_else(of_file);
                let (value, origin) = chosen.unwrap_or((default.unwrap_or_default(), Origin::Default));
                let is_secret = name == JWT_SECRET && !value.is_empty();
                let shown = if is_secret { HIDDEN.to_owned() } else { value.clone() };
                settings.push(Setting { name, value: shown, origin });
                value
            };
        let text = |number: Option<u32>| number.map(|number| number.to_string());
        let store = set("store", Some(("--store", flags.store)), "MEC_STORE", file.store, defaults.store.take());
        let server = set("server", Some(("--server", flags.server)), "MEC_SERVER", file.server, defaults.server.take());
        let listen = set("listen", Some(("--listen", flags.listen)), "MEC_LISTEN", file.listen, defaults.listen.take());
        let hosts = set("hosts", None, "MEC_HOSTS", file.hosts, defaults.hosts.take());
        let cors = set("cors_origins", None, "MEC_CORS_ORIGINS", file.cors_origins, defaults.cors_origins.take());
        let secret = |text: Option<Secret>| text.map(Secret::into_text);
        let jwt_secret = set(JWT_SECRET, None, "MEC_JWT_SECRET", secret(file.jwt_secret), secret(defaults.jwt_secret.take()));
        let jwt_audience = set("jwt_audience", None, "MEC_JWT_AUDIENCE", file.jwt_audience, defaults.jwt_audience.take());
        let jwt_role_claim =
            set("jwt_role_claim", None, "MEC_JWT_ROLE_CLAIM", file.jwt_role_claim, defaults.jwt_role_claim.take());
        let anon_role = set("anon_role", None, "MEC_ANON_ROLE", file.anon_role, defaults.anon_role.take());
        let log = set("log", Some(("--log", flags.log)), "MEC_LOG", file.log, defaults.log.take());
        let format = Some(("--log-format", flags.log_format));
        let log_format = set("log_format", format, "MEC_LOG_FORMAT", file.log_format, defaults.log_format.take());
        let logged = set("decision_log", None, "MEC_DECISION_LOG", file.decision_log, defaults.decision_log.take());
        let traced = set("decision_trace", None, "MEC_DECISION_TRACE", file.decision_trace, defaults.decision_trace.take());
        let kept = set(
            "decisions_kept_days",
            None,
            "MEC_DECISIONS_KEPT_DAYS",
            text(file.decisions_kept_days),
            text(defaults.decisions_kept_days),
        );
        let read_timeout = set(
            "read_timeout_seconds",
            None,
            "MEC_READ_TIMEOUT_SECONDS",
            text(file.read_timeout_seconds),
            text(defaults.read_timeout_seconds),
        );
        let cache =
            set("cache_megabytes", None, "MEC_CACHE_MEGABYTES", text(file.cache_megabytes), text(defaults.cache_megabytes));
        let staleness =
            set("max_staleness_ms", None, "MEC_MAX_STALENESS_MS", text(file.max_staleness_ms), text(defaults.max_staleness_ms));
        let lanes = set("lanes", None, "MEC_LANES", text(file.lanes), text(defaults.lanes));
        let origin = |name: &str| {
            let found = settings.iter().find(|setting| setting.name == name);
            found.map_or_else(String::new, |setting| setting.origin.to_string())
        };
        let origins = Origins::read(&cors).map_err(|problem| {
            Failure::new(Exit::Config, format!("cors_origins ({}): {problem}", origin("cors_origins")))
                .with_hint("set it to the origins of pages, with commas between them, or leave it empty")
        })?;
        let asked = AuthSettings {
            jwt_secret: &jwt_secret,
            jwt_audience: &jwt_audience,
            jwt_role_claim: &jwt_role_claim,
            anon_role: &anon_role,
        };
        let auth = Auth::read(asked).map_err(|wrong| {
            let origin = origin(wrong.setting);
            Failure::new(Exit::Config, format!("{} ({origin}): {}", wrong.setting, wrong.problem)).with_hint(wrong.hint)
        })?;
        if origins == Origins::All && !auth.asks_writers() {
            return Err(Failure::new(
                Exit::Config,
                format!(
                    "cors_origins ({}): \"*\" would let every web page write to a server without authentication",
                    origin("cors_origins")
                ),
            )
            .with_hint("name the origins of your pages, or set jwt_secret (MEC_JWT_SECRET)"));
        }
        let server_named_by = match settings.iter().find(|setting| setting.name == "server").map(|setting| &setting.origin) {
            Some(Origin::File(path)) if !(is_file_named && is_ours(path)) && origin("server") != origin(JWT_SECRET) => {
                NamedBy::Anybody
            }
            _ => NamedBy::User,
        };
        let hosts = Hosts::also(hosts.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned)).with_origins(origins);
        Ok(Self {
            log_format: one_of("log_format", &log_format, &origin, &[("text", LogFormat::Text), ("json", LogFormat::Json)])?,
            logged: one_of(
                "decision_log",
                &logged,
                &origin,
                &[("all", Logged::All), ("notable", Logged::Notable), ("off", Logged::Off)],
            )?,
            traced: one_of(
                "decision_trace",
                &traced,
                &origin,
                &[("all", Traced::All), ("notable", Traced::Notable), ("off", Traced::Off)],
            )?,
            decisions_kept: Duration::from_secs(number("decisions_kept_days", &kept, &origin)?.saturating_mul(86_400)),
            read_timeout: Duration::from_secs(number("read_timeout_seconds", &read_timeout, &origin)?),
            cache_bytes_max: usize::try_from(number("cache_megabytes", &cache, &origin)?.saturating_mul(1 << 20))
                .unwrap_or(usize::MAX),
            staleness_max: Duration::from_millis(whole("max_staleness_ms", &staleness, 0..=STALENESS_MS_MAX, &origin)?.into()),
            lanes: usize::try_from(whole("lanes", &lanes, 1..=LANES_MAX, &origin)?).unwrap_or(1),
            store,
            server: Some(server).filter(|server| !server.is_empty()),
            server_named_by,
            listen,
            hosts: if auth.asks_everybody() { hosts.of_known_callers() } else { hosts },
            auth,
            log,
            settings,
        })
    }

    /// Every setting and where it comes from, in the order of the file; a password in the store's URL is not shown.
    pub(crate) fn settings(&self) -> impl Iterator<Item = Setting> {
        self.settings.iter().map(|setting| Setting { value: masked(&setting.value), ..setting.clone() })
    }

    /// How the installation is opened by a process that says `note` to a second one.
    pub(crate) fn options(&self, note: &str, create: bool) -> Options {
        Options {
            create,
            note: note.to_owned(),
            cache_bytes_max: self.cache_bytes_max,
            logged: self.logged,
            traced: self.traced,
            decisions_kept: self.decisions_kept,
            read_timeout: self.read_timeout,
            staleness_max: self.staleness_max,
            lanes: self.lanes,
            ..Options::default()
        }
    }

    /// What kind of store it is.
    ///
    /// # Errors
    /// None that this program knows.
    pub(crate) fn kept(&self) -> Result<Kept<'_>, Failure> {
        Kept::of(&self.store).ok_or_else(|| {
            Failure::new(Exit::Config, format!("\"{}\" is not a store that mec knows", masked(&self.store))).with_hint(
                "use sqlite:PATH, for example --store sqlite:mec.db, or postgres://USER@HOST/DATABASE (best in MEC_STORE)",
            )
        })
    }

    /// The address to listen on, which must be the machine's own where anybody may write.
    ///
    /// # Errors
    /// No address, or one that others reach.
    pub(crate) fn listen_address(&self) -> Result<SocketAddr, Failure> {
        if self.auth.asks_writers() { address(&self.listen) } else { loopback(&self.listen) }
    }
}

/// The address `text` names, which must be the machine's own.
///
/// # Errors
/// No address, or one that others reach.
fn loopback(text: &str) -> Result<SocketAddr, Failure> {
    let address = address(text)?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(Failure::new(
        Exit::Config,
        format!(
            "{text} can be reached from other machines, and whoever calls may write without being asked who they are; mec does \
             not start there"
        ),
    )
    .with_hint("set jwt_secret (MEC_JWT_SECRET), and no anon_role that may write, or listen on 127.0.0.1 or [::1]"))
}

/// The address `text` names.
///
/// # Errors
/// It names none.
pub(crate) fn address(text: &str) -> Result<SocketAddr, Failure> {
    let problem = match text.to_socket_addrs() {
        Ok(mut found) => match found.next() {
            Some(address) => return Ok(address),
            None => "it names no address".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    Err(Failure::new(Exit::Config, format!("\"{text}\" is not an address to listen on: {problem}"))
        .with_hint("write HOST:PORT, for example 127.0.0.1:8000"))
}

/// Whether colours are wanted where they can be shown (`NO_COLOR`, no-color.org).
pub(crate) fn wants_colours() -> bool {
    variable("NO_COLOR").is_none()
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn read_file(named: Option<PathBuf>) -> Result<(Option<PathBuf>, ConfigFile), Failure> {
    let is_named = named.is_some();
    let path = named.unwrap_or_else(|| PathBuf::from(FILE));
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => return Ok((None, ConfigFile::default())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::new(Exit::NoInput, format!("{}: there is no such file", path.display()))
                .with_hint("name it with --config or MEC_CONFIG; `mec config --example` prints one to begin with"));
        }
        Err(error) => {
            return Err(Failure::new(Exit::Config, format!("{}: {error}", path.display()))
                .with_hint("it must be a text file that the user that runs mec may read"));
        }
    };
    match parse(&text) {
        Ok(file) => Ok((Some(path), file)),
        Err(problem) => Err(Failure::new(Exit::Config, format!("{}, {problem}", path.display()))
            .with_hint("`mec config --example` prints a file with every setting")),
    }
}

fn parse(text: &str) -> Result<ConfigFile, String> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        format!("line {line}: {}", error.message())
    })
}

fn one_of<T: Copy>(name: &str, value: &str, origin: &dyn Fn(&str) -> String, known: &[(&str, T)]) -> Result<T, Failure> {
    if let Some((_, found)) = known.iter().find(|(code, _)| *code == value) {
        return Ok(*found);
    }
    let codes: Vec<&str> = known.iter().map(|(code, _)| *code).collect();
    Err(Failure::new(Exit::Config, format!("{name} is \"{value}\" ({})", origin(name)))
        .with_hint(format!("set it to {}", codes.join(" or "))))
}

fn number(name: &str, value: &str, origin: &dyn Fn(&str) -> String) -> Result<u64, Failure> {
    whole(name, value, 1..=u32::MAX, origin).map(u64::from)
}

/// A whole number in a range.
fn whole(name: &str, value: &str, range: RangeInclusive<u32>, origin: &dyn Fn(&str) -> String) -> Result<u32, Failure> {
    value.parse::<u32>().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        let hint = match range.into_inner() {
            (1, u32::MAX) => "set it to a whole number above 0".to_owned(),
            (least, most) => format!("set it to a whole number from {least} to {most}"),
        };
        Failure::new(Exit::Config, format!("{name} is \"{value}\" ({})", origin(name))).with_hint(hint)
    })
}

/// An address without its password, wherever in it that stands: `postgres://user:***@host`.
pub(crate) fn masked(value: &str) -> String {
    let after_scheme = value.find(':').map_or(0, |at| at + 1 + value[at + 1..].bytes().take_while(|byte| *byte == b'/').count());
    let (scheme, rest) = value.split_at(after_scheme);
    // A password may hold any character, so the host begins behind the last @.
    let credentials = (!scheme.starts_with("sqlite:")).then(|| rest.rsplit_once('@')).flatten();
    let shown = match credentials.and_then(|(credentials, host)| Some((credentials.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{scheme}{user}:***@{host}"),
        None => value.to_owned(),
    };
    shown.split_inclusive(['?', '&', ' ']).map(without_password).collect()
}

/// A parameter with the sign that ends it.
fn without_password(parameter: &str) -> String {
    let Some((name, value)) = parameter.split_once('=') else { return parameter.to_owned() };
    let decoded = percent_decode_str(name).decode_utf8_lossy();
    if !["password", "sslpassword"].into_iter().any(|secret| decoded.eq_ignore_ascii_case(secret)) {
        return parameter.to_owned();
    }
    let end = value.rfind(['?', '&', ' ']).map_or("", |at| &value[at..]);
    format!("{name}=***{end}")
}

#[cfg(test)]
mod tests;
