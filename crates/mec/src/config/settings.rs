//! The settings, each said once: name, default, meaning, flag, and the values it can have.
//!
//! A setting's environment variable is its name in capitals behind `MEC_`. From here come the
//! values in effect, the commented file that `mec config --example` prints, and the table in
//! `docs/cli.md`.

use mec_engine::{Logged, Traced};

use super::setting::{LogFormat, Record, Secret, Values, number, one_of, secret, text};
use crate::terminal::failure::Failure;

/// The oldest answer that can be asked for, in milliseconds.
pub(crate) const STALENESS_MS_MAX: u32 = 60_000;
/// Connections that record at once.
const LANES_MAX: u32 = 64;

macro_rules! settings {
    ($($(#[doc = $line:literal])+ $name:ident $([$flag:literal])?: $type:ty = $default:literal, $read:expr;)+) => {
        /// The values in effect.
        #[derive(Clone, Debug)]
        pub(crate) struct Settings {
            $($(#[doc = $line])+ pub(crate) $name: $type,)+
        }

        /// All of them, in the order of the file.
        pub(super) const RECORDS: &[Record] = &[$(Record {
            name: stringify!($name),
            about: &[$($line),+],
            flag: [$($flag,)? ""][0],
            default: stringify!($default),
            of: stringify!($type),
        }),+];

        impl Settings {
            /// Reads each value.
            ///
            /// # Errors
            /// One that its setting cannot have.
            pub(super) fn read(values: &Values) -> Result<Self, Failure> {
                Ok(Self { $($name: values.read(stringify!($name), $read)?),+ })
            }
        }
    };
}

settings! {
    /// The database: sqlite:PATH for a file, or
    /// postgres://USER:PASSWORD@HOST:5432/DATABASE.
    store ["--store"]: String = "sqlite:mec.db", text;

    /// The server that commands ask. If empty, they ask the one that has
    /// the file open, if there is one.
    server ["--server"]: String = "", text;

    /// The address that mec serve answers on. Port 0 takes a free port.
    listen ["--listen"]: String = "127.0.0.1:8000", text;

    /// Names with a dot by which clients, or a proxy in front, call the
    /// server: "mec.example.com, mec.example.org". The server always
    /// answers to localhost, to addresses, and to names without a dot. It
    /// rejects all others, so that no web page can lead a browser here.
    hosts: String = "", text;

    /// Origins of web pages that can call the API from a browser:
    /// "https://app.example.com, http://localhost:3000". "*" is every page.
    /// If empty, only the server's own pages can.
    cors_origins: String = "", text;

    /// The secret that signs callers' tokens (JWT, HS256): at least 32
    /// characters, or a JWK or JWKS (kty "oct") as JSON. A token's role is
    /// admin or service (everything) or reader (reads only). If empty,
    /// callers need no token, and mec serve listens on this machine only.
    /// Never shown. Prefer the environment variable to this file.
    jwt_secret: Secret = "", secret;

    /// The audience that a token's aud, if it has one, must contain. If
    /// empty, MEC doesn't check aud.
    jwt_audience: String = "", text;

    /// Where a token names the role: $.role, $.app.roles[0],
    /// $["https://example.com/role"].
    jwt_role_claim: String = "$.role", text;

    /// The role of callers without a token, such as reader. If empty, MEC
    /// rejects them.
    anon_role: String = "", text;

    /// What is logged: error, warn, info, debug, trace, or by room, such as
    /// "info,mec_engine=debug". If you don't set it, commands other than
    /// serve and demo log warnings and errors only.
    log ["--log"]: String = "info", text;

    /// How log lines are written to stderr: text or json.
    log_format ["--log-format"]: LogFormat = "text",
        one_of(&[("text", LogFormat::Text), ("json", LogFormat::Json)]);

    /// The decisions that MEC keeps in control_decisions_log: all, notable
    /// (everything but a plain allow), or off.
    decision_log: Logged = "all",
        one_of(&[("all", Logged::All), ("notable", Logged::Notable), ("off", Logged::Off)]);

    /// The decisions that MEC keeps with every limit considered (the column
    /// limits): all, notable, or off. With all, each check is a little
    /// slower and each row some 500 bytes larger.
    decision_trace: Traced = "notable",
        one_of(&[("all", Traced::All), ("notable", Traced::Notable), ("off", Traced::Off)]);

    /// For how many days MEC keeps decisions. It removes older ones by whole
    /// UTC days; mec prune removes them at once.
    decisions_kept_days: u32 = 30, number(1..=u32::MAX);

    /// How many decisions MEC keeps, of about a kilobyte each. If there are
    /// more, it removes the oldest.
    decisions_kept_rows: u32 = 5000000, number(1..=u32::MAX);

    /// The longest that a read of tables can take, in seconds.
    read_timeout_seconds: u32 = 10, number(1..=u32::MAX);

    /// The largest answer of a read, in megabytes. MEC rejects larger ones
    /// (400).
    answer_megabytes: u32 = 64, number(1..=u32::MAX);

    /// The memory for accounts, in megabytes.
    cache_megabytes: u32 = 256, number(1..=u32::MAX);

    /// On PostgreSQL: how old the state can be that a check is answered
    /// from, in milliseconds, at most 60000. If 0, every check asks the
    /// database for a newer one. A request can say otherwise
    /// (p_max_staleness_ms).
    max_staleness_ms: u32 = 0, number(0..=STALENESS_MS_MAX);

    /// On PostgreSQL: batches that are recorded at once, each on a
    /// connection of its own, 1 to 64. mec doctor says how many connections
    /// a server makes in all.
    lanes: u32 = 2, number(1..=LANES_MAX);
}
