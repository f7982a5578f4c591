//! Who calls the API: a bearer token (a JWT signed with a shared secret) gives a caller its role
//! and its name, as PostgREST does it.
//!
//! An [`Identity`] is had from here only, and without one no handler gets the `Caller` that the
//! engine wants (`api::context`). `/health` and its kin ask nobody, `/admin` has a rule of its own
//! (`operator`).

mod claims;
mod role;
mod token;

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use mec_engine::Access;
use mec_kernel::{Code, Time};
use mec_query::{QueryError, status_of_sqlstate};

use self::claims::{Claims, RolePath, Unacceptable};
pub use self::role::Role;
use self::token::{Keys, SECRET_CHARACTERS_MIN, Undecodable};
use crate::problem::errors::ApiError;

/// The longest name that is recorded as a caller's, in characters: what the ledger's column holds.
const NAME_CHARACTERS_MAX: usize = 255;
/// How long a token of the command line's own holds, in seconds: for one request.
const OPERATORS_SECONDS: i64 = 60;

/// Whether callers are asked who they are, and how they prove it. Cloning it copies a pointer.
#[derive(Clone, Debug, Default)]
pub struct Auth(Option<Arc<Asking>>);

#[derive(Debug)]
struct Asking {
    keys: Keys,
    audience: Option<String>,
    role_path: RolePath,
    /// The role of callers without a token, or whose token names none.
    anonymous: Option<Role>,
}

/// The settings as they are written; an empty one is not set.
#[derive(Clone, Copy)]
pub struct AuthSettings<'a> {
    /// What tokens are signed with: at least 32 characters, or a JWK or JWKS of `oct` keys.
    pub jwt_secret: &'a str,
    /// Whom tokens are for.
    pub jwt_audience: &'a str,
    /// Where they name the role, as a JSONPath of names; `$.role` where it is empty.
    pub jwt_role_claim: &'a str,
    /// The role of callers without a token.
    pub anon_role: &'a str,
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableAuth {
    /// Its name.
    pub setting: &'static str,
    /// What is wrong, without showing a secret.
    pub problem: String,
    /// What to do.
    pub hint: String,
}

impl Auth {
    /// Nobody is asked; everybody may do everything.
    pub fn open() -> Self {
        Self(None)
    }

    /// Reads the settings. Without a secret nobody is asked.
    ///
    /// # Errors
    /// A secret that is too short or no key for HS256, a path that is none, a role there is not,
    /// and any of these without a secret, which would look like a lock and be none.
    pub fn read(settings: AuthSettings<'_>) -> Result<Self, UnusableAuth> {
        let AuthSettings {
            jwt_secret,
            jwt_audience,
            jwt_role_claim,
            anon_role,
        } = settings;
        let unusable = |setting, problem: String, hint: &str| UnusableAuth {
            setting,
            problem,
            hint: hint.to_owned(),
        };
        if jwt_secret.is_empty() {
            let pointless = [("jwt_audience", jwt_audience), ("anon_role", anon_role)]
                .into_iter()
                .find(|(_, set)| !set.is_empty());
            return match pointless {
                Some((setting, _)) => Err(unusable(
                    setting,
                    "it is set, and nobody is asked for a token without jwt_secret".to_owned(),
                    "set jwt_secret (MEC_JWT_SECRET), or leave this empty for a server that is open to all on this machine",
                )),
                None => Ok(Self::open()),
            };
        }
        let keys = Keys::read(jwt_secret).map_err(|problem| {
            let hint = format!(
                "give at least {SECRET_CHARACTERS_MIN} characters that nobody can guess (`openssl rand -base64 48` prints some), \
                 or a JWK or JWKS of \"oct\" keys as JSON"
            );
            UnusableAuth { setting: "jwt_secret", problem: problem.to_string(), hint }
        })?;
        let role_path = if jwt_role_claim.is_empty() {
            "$.role"
        } else {
            jwt_role_claim
        };
        let role_path = RolePath::read(role_path).ok_or_else(|| {
            unusable(
                "jwt_role_claim",
                format!("\"{role_path}\" is no path of names"),
                r#"write it like $.role, $.app.role or $["app-role"]"#,
            )
        })?;
        let anonymous = match anon_role {
            "" => None,
            name => Some(Role::of(name).ok_or_else(|| {
                unusable(
                    "anon_role",
                    format!("there is no role \"{name}\""),
                    role::ROLES,
                )
            })?),
        };
        let audience = Some(jwt_audience)
            .filter(|audience| !audience.is_empty())
            .map(str::to_owned);
        Ok(Self(Some(Arc::new(Asking {
            keys,
            audience,
            role_path,
            anonymous,
        }))))
    }

    /// Whether tokens are asked for at all.
    pub fn is_asking(&self) -> bool {
        self.0.is_some()
    }

    /// Whether nobody gets anything without a token.
    pub fn asks_everybody(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|asking| asking.anonymous.is_none())
    }

    /// Whether nobody changes anything without a token.
    pub fn asks_writers(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|asking| !asking.anonymous.is_some_and(Role::may_write))
    }

    /// Who sends these headers, at `now`.
    ///
    /// # Errors
    /// 400 PGRST300 for a token where there is no secret, 401 PGRST301 and PGRST303 for one that is
    /// not accepted, 401 PGRST302 for none, 403 42501 for a role that may do nothing.
    pub(crate) fn identify(&self, headers: &HeaderMap, now: Time) -> Result<Identity, ApiError> {
        let bearer = bearer(headers);
        let Some(asking) = &self.0 else {
            return match bearer {
                Some(bearer) if token::is_token(&bearer) => {
                    Err(QueryError::new(400, "PGRST300", "Server lacks JWT secret").into())
                }
                // What is no token is an API key, which an open server does not ask for.
                _ => Ok(Identity {
                    name: None,
                    role: Role::Admin,
                    is_anonymous: true,
                }),
            };
        };
        match bearer {
            Some(bearer) => asking.identify(&bearer, now),
            None => Ok(Identity {
                name: None,
                role: asking.anonymous.ok_or_else(anonymous_disabled)?,
                is_anonymous: true,
            }),
        }
    }

    /// A token by which the command line, which knows the secret, speaks to the server as the
    /// operator; `None` where none is asked for.
    pub(crate) fn operators_token(&self, now: Time) -> Option<String> {
        let asking = self.0.as_ref()?;
        let mut claims = Claims::from_iter([
            ("sub".to_owned(), "operator".into()),
            (
                "exp".to_owned(),
                now.micros()
                    .div_euclid(1_000_000)
                    .saturating_add(OPERATORS_SECONDS)
                    .into(),
            ),
        ]);
        if let Some(audience) = &asking.audience {
            claims.insert("aud".to_owned(), audience.as_str().into());
        }
        asking.role_path.place(&mut claims, Role::Admin.name());
        asking.keys.sign(claims)
    }
}

impl Asking {
    fn identify(&self, bearer: &str, now: Time) -> Result<Identity, ApiError> {
        let claims = self.keys.open(bearer).map_err(undecodable)?;
        claims::check(&claims, self.audience.as_deref(), now).map_err(unacceptable)?;
        let (role, is_anonymous) = match self.role_path.find(&claims) {
            Some(name) => (Role::of(&name).ok_or_else(|| no_role(&name))?, false),
            None => (self.anonymous.ok_or_else(anonymous_disabled)?, true),
        };
        let subject = claims
            .get("sub")
            .and_then(serde_json::Value::as_str)
            .filter(|name| is_name(name));
        let name = subject.or((!is_anonymous).then_some(role.name()));
        Ok(Identity {
            name: name.map(Code::from),
            role,
            is_anonymous,
        })
    }
}

/// The text behind `Bearer`, in any case; empty where there is none. Another scheme is no business
/// of the API.
fn bearer(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let sent = headers.get(AUTHORIZATION)?.as_bytes();
    let end = sent
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(sent.len());
    let (scheme, token) = sent.split_at(end);
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then(|| String::from_utf8_lossy(token.trim_ascii()))
}

/// Whether it can be kept beside what its bearer does.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().count() <= NAME_CHARACTERS_MAX
        && !text.chars().any(char::is_control)
}

/// Who calls, proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The token's subject, else its role; `None`: nobody in particular.
    name: Option<Code>,
    role: Role,
    /// Whether the role is the one that needs no token.
    is_anonymous: bool,
}

impl Identity {
    /// The name that what it does is recorded under, where it has one.
    pub(crate) fn name(&self) -> Option<&Code> {
        self.name.as_ref()
    }

    /// What the engine lets it do.
    pub(crate) fn access(&self) -> Access {
        self.role.access()
    }

    /// Refuses an operator's work for everybody but an admin with a token.
    ///
    /// # Errors
    /// 401 PGRST302 without a token, 403 42501 for another role.
    pub(crate) fn check_admin(&self) -> Result<(), ApiError> {
        if self.is_anonymous {
            return Err(anonymous_disabled());
        }
        if self.role == Role::Admin {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "42501",
            "permission denied for /admin",
        )
        .with_hint("Send a token with the role admin"))
    }

    /// Refuses to write `what` (`table plans`, `function consume`) for somebody who only reads.
    ///
    /// # Errors
    /// 42501 in PostgreSQL's words: 403, or 401 where a token would help.
    pub(crate) fn check_write(&self, what: std::fmt::Arguments<'_>) -> Result<(), ApiError> {
        if self.role.may_write() {
            return Ok(());
        }
        let message = format!("permission denied for {what}");
        let hint = format!(
            "The role {} only reads: send a token with the role service or admin",
            self.role.name()
        );
        Err(QueryError::new(
            status_of_sqlstate("42501", &message, self.is_anonymous),
            "42501",
            message,
        )
        .with_hint(hint)
        .into())
    }
}

fn anonymous_disabled() -> ApiError {
    QueryError::new(401, "PGRST302", "Anonymous access is disabled").into()
}

fn undecodable(why: Undecodable) -> ApiError {
    let (message, details) = why.told();
    let code = if why == Undecodable::NoClaims {
        "PGRST303"
    } else {
        "PGRST301"
    };
    let error = QueryError::new(401, code, message);
    details
        .map_or(error.clone(), |details| error.with_details(details))
        .into()
}

fn unacceptable(why: Unacceptable) -> ApiError {
    let error = ApiError::from(QueryError::new(401, "PGRST303", why.message));
    match why.off_by_seconds {
        Some(seconds) => error.with_details(format!("Invalid by {seconds} seconds")),
        None => error,
    }
}

/// A role that may do nothing here is one nobody can take on.
fn no_role(name: &str) -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "42501",
        format!("permission denied to set role \"{name}\""),
    )
    .with_hint(role::ROLES)
}
