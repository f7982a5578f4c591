//! The signature of a token: JWS in its compact form, HS256, and the keys it is made and proved
//! with.
//!
//! Accepts no other algorithm, whatever a token's header says. What the claims mean is for
//! `claims`.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::Deserialize;
use serde_json::Value as Json;

use super::claims::Claims;

/// The algorithms there are, so that a token made with one that is known and not offered is told
/// apart from garbage.
const KNOWN_ALGORITHMS: [&str; 13] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "ES256K",
    "PS256", "EdDSA", "Ed25519",
];

/// Fewer would be guessed; it is also what RFC 7518 asks of an HS256 key, in bytes.
pub(super) const SECRET_CHARACTERS_MIN: usize = 32;

/// Fewer different characters are a key held down, not a secret.
const SECRET_DISTINCT_MIN: usize = 8;

/// What signatures are proved with: one key, or the set of a JWKS. Shows nothing of them when it is
/// printed.
#[derive(Clone, Debug)]
pub(super) struct Keys(Vec<Named>);

#[derive(Clone, Debug)]
struct Named {
    /// A token that names another key is not this one's.
    id: Option<String>,
    key: hmac::Key,
}

/// Why a text holds no key. Shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoKey {
    #[error("it has fewer than 32 characters, not counting blanks around them")]
    Short,
    #[error("it repeats so few characters that it can be guessed")]
    Dull,
    #[error("it is a PEM key, and tokens are signed with a shared secret (HS256) here")]
    Pem,
    #[error("it begins with @ like the name of a file, and no file is read")]
    FileName,
    #[error("it begins like a JSON Web Key and is none")]
    NotAJwk,
    #[error("it holds a key that is not of kty \"oct\" for HS256, at least 32 bytes long")]
    NotOct,
}

/// Why a text is no token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undecodable {
    Empty,
    Parts(usize),
    /// It is not a JWS at all.
    Malformed,
    Unsecured,
    /// No key is for its algorithm, or has the name it gives.
    NoSuchKey,
    BadSignature,
    /// The signature is right, and what it signs is no JSON object.
    NoClaims,
}

impl Undecodable {
    /// PostgREST's words: message and details.
    pub(super) fn told(self) -> (String, Option<&'static str>) {
        let (message, details) = match self {
            Self::Empty => ("Empty JWT is sent in Authorization header", None),
            Self::Parts(parts) => return (format!("Expected 3 parts in JWT; got {parts}"), None),
            Self::Malformed => ("JWT cryptographic operation failed", None),
            Self::Unsecured => (
                "Wrong or unsupported encoding algorithm",
                Some("JWT is unsecured but expected 'alg' was not 'none'"),
            ),
            Self::NoSuchKey => (
                "No suitable key or wrong key type",
                Some("No suitable key was found to decode the JWT"),
            ),
            Self::BadSignature => (
                "No suitable key or wrong key type",
                Some("None of the keys was able to decode the JWT"),
            ),
            Self::NoClaims => ("Parsing claims failed", None),
        };
        (message.to_owned(), details)
    }
}

/// Whether a bearer means to be a JWT: it has three parts.
pub(super) fn is_token(bearer: &str) -> bool {
    bearer.split('.').count() == 3
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions without which it must not be accepted; none is known here.
    crit: Option<Json>,
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    k: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
}

impl Keys {
    /// Reads a plain secret, a JWK or a JWKS.
    pub(super) fn read(secret: &str) -> Result<Self, NoKey> {
        if secret.trim_start().starts_with('{') {
            return Self::of_json(secret);
        }
        if secret.trim_start().starts_with("-----BEGIN") {
            return Err(NoKey::Pem);
        }
        if secret.starts_with('@') {
            return Err(NoKey::FileName);
        }
        if secret.trim().chars().count() < SECRET_CHARACTERS_MIN {
            return Err(NoKey::Short);
        }
        if secret.chars().collect::<BTreeSet<_>>().len() < SECRET_DISTINCT_MIN {
            return Err(NoKey::Dull);
        }
        Ok(Self(vec![Named {
            id: None,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        }]))
    }

    fn of_json(text: &str) -> Result<Self, NoKey> {
        let jwks = match serde_json::from_str::<JwkSet>(text) {
            Ok(set) if set.keys.is_empty() => return Err(NoKey::NotAJwk),
            Ok(set) => set.keys,
            Err(_) => vec![serde_json::from_str(text).map_err(|_| NoKey::NotAJwk)?],
        };
        jwks.into_iter()
            .map(Named::of)
            .collect::<Option<_>>()
            .map(Self)
            .ok_or(NoKey::NotOct)
    }

    /// The claims of a token whose signature is right.
    pub(super) fn open(&self, token: &str) -> Result<Claims, Undecodable> {
        if token.is_empty() {
            return Err(Undecodable::Empty);
        }
        let parts: Vec<&str> = token.split('.').collect();
        let &[header, claims, signature] = parts.as_slice() else {
            return Err(Undecodable::Parts(parts.len()));
        };
        let decoded = |part: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| Undecodable::Malformed)
        };
        let head: Header =
            serde_json::from_slice(&decoded(header)?).map_err(|_| Undecodable::Malformed)?;
        let signed = &token[..header.len() + 1 + claims.len()];
        let (claims, signature) = (decoded(claims)?, decoded(signature)?);
        if head.alg == "none" {
            return Err(Undecodable::Unsecured);
        }
        if head.crit.is_some() || !KNOWN_ALGORITHMS.contains(&head.alg.as_str()) {
            return Err(Undecodable::Malformed);
        }
        let mut keys = self
            .0
            .iter()
            .filter(|key| head.alg == "HS256" && key.is_called(head.kid.as_deref()))
            .peekable();
        if keys.peek().is_none() {
            return Err(Undecodable::NoSuchKey);
        }
        // `verify` takes the same time wherever the signatures differ.
        if !keys.any(|named| hmac::verify(&named.key, signed.as_bytes(), &signature).is_ok()) {
            return Err(Undecodable::BadSignature);
        }
        serde_json::from_slice(&claims).map_err(|_| Undecodable::NoClaims)
    }

    /// A token with these claims.
    pub(super) fn sign(&self, claims: Claims) -> Option<String> {
        let Named { id, key } = self.0.first()?;
        let mut header = serde_json::json!({"alg": "HS256", "typ": "JWT"});
        if let Some(id) = id {
            header["kid"] = id.as_str().into();
        }
        let encoded = |part: Json| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encoded(header), encoded(claims.into()));
        let signature = hmac::sign(key, signed.as_bytes());
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl Named {
    /// `None`: a key of another type, for another algorithm or use, or a short one.
    fn of(jwk: Jwk) -> Option<Self> {
        let fits =
            |said: &Option<String>, wanted: &str| said.as_deref().is_none_or(|said| said == wanted);
        if jwk.kty != "oct" || !fits(&jwk.alg, "HS256") || !fits(&jwk.usage, "sig") {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(jwk.k?.trim_end_matches('=')).ok()?;
        let key = (bytes.len() >= SECRET_CHARACTERS_MIN)
            .then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))?;
        Some(Self { id: jwk.kid, key })
    }

    fn is_called(&self, id: Option<&str>) -> bool {
        match (&self.id, id) {
            (Some(own), Some(asked)) => own == asked,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SECRET: &str = "an example secret of 37 characters...";

    fn keys() -> Keys {
        Keys::read(SECRET).expect("a secret")
    }

    fn claims() -> Claims {
        Claims::from_iter([("role".to_owned(), json!("service"))])
    }

    /// A token with any header, signed with the secret.
    fn token(header: Json) -> String {
        let encoded = |part: &str| URL_SAFE_NO_PAD.encode(part);
        let signed = format!(
            "{}.{}",
            encoded(&header.to_string()),
            encoded(r#"{"role":"service"}"#)
        );
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()))
        )
    }

    #[test]
    fn a_token_of_another_program_is_read() {
        // RFC 7515, appendix A.1: made with another implementation and a JWK.
        let jwk = json!({
            "kty": "oct",
            "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        });
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
                     cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let keys = Keys::read(&jwk.to_string()).expect("a key");
        assert_eq!(
            keys.open(token).map(|claims| claims["iss"].clone()),
            Ok(json!("joe"))
        );
        assert_eq!(
            keys.open(&token.replace("dBjf", "eBjf")),
            Err(Undecodable::BadSignature)
        );
    }

    #[test]
    fn only_hs256_with_our_key_is_accepted() {
        let good = token(json!({"alg": "HS256"}));
        assert_eq!(keys().open(&good), Ok(claims()));
        assert_eq!(
            keys().open(&keys().sign(claims()).expect("a key")),
            Ok(claims())
        );
        let signature = good.rsplit('.').next().expect("three parts");
        for (bearer, wanted) in [
            (String::new(), Undecodable::Empty),
            ("sb_publishable_abc".to_owned(), Undecodable::Parts(1)),
            ("a.b".to_owned(), Undecodable::Parts(2)),
            (format!("{good}.more"), Undecodable::Parts(4)),
            ("a.b.c".to_owned(), Undecodable::Malformed),
            ("..".to_owned(), Undecodable::Malformed),
            (good.replace('.', "=."), Undecodable::Malformed),
            (format!("{good}="), Undecodable::Malformed),
            (token(json!({"alg": "none"})), Undecodable::Unsecured),
            (token(json!({"alg": "None"})), Undecodable::Malformed),
            (token(json!({"alg": "XX256"})), Undecodable::Malformed),
            (token(json!({"typ": "JWT"})), Undecodable::Malformed),
            (token(json!(["HS256"])), Undecodable::Malformed),
            (
                token(json!({"alg": "HS256", "crit": ["b64"]})),
                Undecodable::Malformed,
            ),
            (token(json!({"alg": "HS512"})), Undecodable::NoSuchKey),
            (token(json!({"alg": "RS256"})), Undecodable::NoSuchKey),
            (good.replace(signature, ""), Undecodable::BadSignature),
            (
                good.replace(signature, &signature[..42]),
                Undecodable::Malformed,
            ),
            (
                good.replace(signature, &signature[..40]),
                Undecodable::BadSignature,
            ),
            (
                good.replace("eyJyb2xlIjoic2VydmljZSJ9", "eyJyb2xlIjoiYWRtaW4ifQ"),
                Undecodable::BadSignature,
            ),
        ] {
            assert_eq!(keys().open(&bearer), Err(wanted), "{bearer}");
        }
        let other = Keys::read(&SECRET.to_uppercase()).expect("a secret");
        assert_eq!(other.open(&good), Err(Undecodable::BadSignature));
    }

    #[test]
    fn a_token_is_proved_with_the_key_it_names() {
        let k = |letter: &str| URL_SAFE_NO_PAD.encode(letter.repeat(32));
        let set = |keys: Json| Keys::read(&json!({"keys": keys}).to_string());
        let old = set(json!([{"kty": "oct", "kid": "old", "k": k("o")}])).expect("a key");
        let both = json!([{"kty": "oct", "kid": "new", "k": k("n"), "alg": "HS256", "use": "sig"}, {"kty": "oct", "kid": "old", "k": k("o")}]);
        let both = set(both).expect("two keys");
        for keys in [&old, &both] {
            assert_eq!(
                both.open(&keys.sign(claims()).expect("a key")),
                Ok(claims())
            );
        }
        assert_eq!(
            old.open(&both.sign(claims()).expect("a key")),
            Err(Undecodable::NoSuchKey)
        );
        // A plain secret has no name, so any is its.
        assert_eq!(
            keys().open(&token(json!({"alg": "HS256", "kid": "any"}))),
            Ok(claims())
        );
    }

    #[test]
    fn a_weak_or_foreign_key_is_refused_and_never_shown() {
        for (secret, wanted) in [
            ("31 characters are not enough...", NoKey::Short),
            (&" ".repeat(32), NoKey::Short),
            ("   31 characters are not enough...   ", NoKey::Short),
            (&"abcdefg".repeat(9), NoKey::Dull),
            (
                "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
                NoKey::Pem,
            ),
            (
                "@/run/secrets/the-jwt-secret-of-this-server",
                NoKey::FileName,
            ),
            (
                "{not json, and longer than thirty-two characters}",
                NoKey::NotAJwk,
            ),
            (r#"{"keys": []}"#, NoKey::NotAJwk),
            (r#"{"kty": "oct"}"#, NoKey::NotOct),
            (r#"{"kty": "oct", "k": "c2hvcnQ"}"#, NoKey::NotOct),
            (r#"{"kty": "RSA", "n": "AQAB", "e": "AQAB"}"#, NoKey::NotOct),
            (
                r#"{"kty": "oct", "alg": "HS512", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4h"}"#,
                NoKey::NotOct,
            ),
        ] {
            assert_eq!(Keys::read(secret).expect_err(secret), wanted);
        }
        let shown = format!("{:?}", keys());
        assert!(
            !shown.contains("example")
                && !shown.contains(&format!("{:?}", SECRET.as_bytes()[..4].to_vec())),
            "{shown}"
        );
    }
}
