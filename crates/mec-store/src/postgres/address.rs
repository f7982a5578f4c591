//! A `postgres://` address: where the server is, and whether the way to it is encrypted.
//!
//! A server on this machine is talked to as it is; to any other the connection is encrypted and the
//! server's certificate is verified, unless the address says `sslmode=disable` and holds no
//! password.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::StoreError;

const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Sent data that stays unacknowledged for so long ends a connection.
const SILENCE_MAX: Duration = Duration::from_secs(20);
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Where a store is.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) config: Config,
    /// Certificates of authorities to trust instead of the system's (`sslrootcert`).
    pub(super) authorities: Option<PathBuf>,
    /// The address without its password, for messages.
    pub(super) shown: String,
}

impl Address {
    pub(super) fn read(url: &str) -> Result<Self, StoreError> {
        let (url, authorities, mode) = own_parameters(url);
        let mut config: Config = url.parse().map_err(|error| {
            let why = cause(&error);
            StoreError::Unusable(format!(
                "the store's address is not understood: {why}; write it as postgres://USER:PASSWORD@HOST:5432/DATABASE"
            ))
        })?;
        if config.get_hosts().is_empty() {
            return Err(StoreError::Unusable(
                "the store's address names no server; write it as postgres://USER:PASSWORD@HOST:5432/DATABASE".to_owned(),
            ));
        }
        // `hostaddr` leads elsewhere than the name says, so both are looked at.
        let is_near = config.get_hosts().iter().all(is_here)
            && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        let mode = match mode.as_deref() {
            Some("disable") if !is_near && config.get_password().is_some() => {
                return Err(StoreError::Unusable(
                    "sslmode=disable would send the password unencrypted to another machine; leave sslmode out, and name the \
                     server's certificate authority with sslrootcert=PATH if the system does not know it"
                        .to_owned(),
                ));
            }
            Some("disable") => SslMode::Disable,
            Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            None | Some("prefer" | "allow") if is_near => SslMode::Disable,
            None | Some("prefer" | "allow") => SslMode::Require,
            Some(other) => {
                return Err(StoreError::Unusable(format!(
                    "sslmode={other} is not known; use disable, require or verify-full"
                )));
            }
        };
        config.ssl_mode(mode);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIME);
        }
        if config.get_application_name().is_none() {
            config.application_name("mec");
        }
        config
            .tcp_user_timeout(SILENCE_MAX)
            .keepalives_idle(KEEPALIVE);
        let shown = shown(&config);
        Ok(Self {
            config,
            authorities,
            shown,
        })
    }
}

/// The address without the parameters that are read here: `sslrootcert` and `sslmode`.
fn own_parameters(url: &str) -> (String, Option<PathBuf>, Option<String>) {
    let Some((front, query)) = url.split_once('?') else {
        return (url.to_owned(), None, None);
    };
    let (mut authorities, mut mode) = (None, None);
    let rest: Vec<&str> = query
        .split('&')
        .filter(|parameter| match parameter.split_once('=') {
            Some(("sslrootcert", path)) => {
                authorities = Some(PathBuf::from(path.replace("%2F", "/")));
                false
            }
            Some(("sslmode", word)) => {
                mode = Some(word.to_owned());
                false
            }
            _ => true,
        })
        .collect();
    let url = if rest.is_empty() {
        front.to_owned()
    } else {
        format!("{front}?{}", rest.join("&"))
    };
    (url, authorities, mode)
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse()
                    .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

fn shown(config: &Config) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    let database = config
        .get_dbname()
        .or(config.get_user())
        .unwrap_or("its default database");
    format!("postgres://{}/{database}", hosts.join(","))
}

/// An error with what it was caused by.
pub(super) fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(source) = at {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        at = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_beyond_this_machine_is_encrypted_unless_the_address_says_otherwise() {
        for (url, mode) in [
            ("postgres://mec@localhost/mec", SslMode::Disable),
            ("postgres://mec@127.0.0.1:5433/mec", SslMode::Disable),
            (
                "postgres://mec@%2Fvar%2Frun%2Fpostgresql/mec",
                SslMode::Disable,
            ),
            ("postgres://mec@db.example.com/mec", SslMode::Require),
            (
                "postgresql://mec@db.example.com/mec?sslmode=prefer",
                SslMode::Require,
            ),
            (
                "postgres://mec@db.example.com/mec?sslmode=verify-full&sslrootcert=/etc/ca.pem",
                SslMode::Require,
            ),
            (
                "postgres://mec@db.example.com/mec?sslmode=disable&application_name=x",
                SslMode::Disable,
            ),
            (
                "postgres://mec@localhost/mec?sslmode=require",
                SslMode::Require,
            ),
            (
                "postgres://mec:secret@localhost/mec?hostaddr=192.0.2.1",
                SslMode::Require,
            ),
            (
                "postgres://mec:secret@localhost,127.0.0.1/mec?hostaddr=127.0.0.1,192.0.2.1&sslmode=prefer",
                SslMode::Require,
            ),
            (
                "postgres://mec:secret@localhost/mec?hostaddr=127.0.0.1",
                SslMode::Disable,
            ),
            (
                "postgres://mec:secret@db.example.com/mec?hostaddr=127.0.0.1",
                SslMode::Require,
            ),
            (
                "postgres://mec:secret@localhost/mec?sslmode=disable",
                SslMode::Disable,
            ),
        ] {
            assert_eq!(
                Address::read(url).unwrap().config.get_ssl_mode(),
                mode,
                "{url}"
            );
        }
    }

    #[test]
    fn a_password_never_goes_unencrypted_to_another_machine() {
        for url in [
            "postgres://mec:secret@db.example.com/mec?sslmode=disable",
            "postgres://mec:secret@localhost/mec?hostaddr=192.0.2.1&sslmode=disable",
            "postgres://mec@db.example.com/mec?password=secret&sslmode=disable",
        ] {
            let error = Address::read(url).unwrap_err().to_string();
            assert!(
                error.contains("unencrypted") && !error.contains("secret"),
                "{url}: {error}"
            );
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let address =
            Address::read("postgres://mec:secret@db.example.com/usage?sslrootcert=%2Fetc%2Fca.pem")
                .unwrap();
        assert_eq!(address.shown, "postgres://db.example.com/usage");
        assert_eq!(address.authorities, Some(PathBuf::from("/etc/ca.pem")));
    }

    #[test]
    fn an_address_that_is_none_is_told_with_one_that_is() {
        for url in [
            "postgres://",
            "postgres://mec@host:port/x",
            "postgres://h/x?sslmode=sometimes",
            "postgres://h/x?what=1",
        ] {
            let error = Address::read(url).unwrap_err().to_string();
            assert!(
                error.contains("use ") || error.contains("write it as postgres://"),
                "{url}: {error}"
            );
        }
    }
}
