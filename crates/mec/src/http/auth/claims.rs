//! What a token says once its signature is known to be right: whether it holds now and here, and
//! for which role.
//!
//! The order of the refusals and their words are PostgREST's.

use mec_kernel::Time;
use serde_json::{Map, Value as Json};

/// How far the clocks of whoever signs and of this server may be apart, in seconds.
const SKEW_SECONDS: i64 = 30;

/// The claims of a token.
pub(super) type Claims = Map<String, Json>;

/// Why claims are not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unacceptable {
    /// What is wrong.
    pub(super) message: String,
    /// By how many seconds, where it is a matter of time.
    pub(super) off_by_seconds: Option<i64>,
}

impl Unacceptable {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            off_by_seconds: None,
        }
    }
}

/// Judges `exp`, `nbf`, `iat` and `aud`, in this order. A claim that is absent or null is not
/// judged; an empty list of audiences is for everybody.
///
/// # Errors
/// The first claim that is of the wrong type, not true at `now`, or for another audience.
pub(super) fn check(
    claims: &Claims,
    audience: Option<&str>,
    now: Time,
) -> Result<(), Unacceptable> {
    let now = now.micros().div_euclid(1_000_000);
    let past = |at: i64| now.saturating_sub(at);
    let future = |at: i64| at.saturating_sub(now);
    for (name, message, seconds_off) in [
        ("exp", "JWT expired", &past as &dyn Fn(i64) -> i64),
        ("nbf", "JWT not yet valid", &future),
        ("iat", "JWT issued at future", &future),
    ] {
        let Some(claim) = given(claims, name) else {
            continue;
        };
        let at = seconds(claim)
            .ok_or_else(|| Unacceptable::new(format!("The JWT '{name}' claim must be a number")))?;
        let off_by = seconds_off(at);
        if off_by > SKEW_SECONDS {
            return Err(Unacceptable {
                message: message.to_owned(),
                off_by_seconds: Some(off_by),
            });
        }
    }
    let Some(claim) = given(claims, "aud") else {
        return Ok(());
    };
    let wrong_type =
        || Unacceptable::new("The JWT 'aud' claim must be a string or an array of strings");
    let named: Vec<&str> = match claim {
        Json::String(one) => vec![one],
        Json::Array(several) if several.is_empty() => return Ok(()),
        Json::Array(several) => several
            .iter()
            .map(Json::as_str)
            .collect::<Option<_>>()
            .ok_or_else(wrong_type)?,
        _ => return Err(wrong_type()),
    };
    match audience {
        Some(ours) if !named.contains(&ours) => Err(Unacceptable::new("JWT not in audience")),
        _ => Ok(()),
    }
}

fn given<'a>(claims: &'a Claims, name: &str) -> Option<&'a Json> {
    claims.get(name).filter(|claim| !claim.is_null())
}

/// Whole seconds of a NumericDate, cut; beyond what the clock can count, its end.
fn seconds(claim: &Json) -> Option<i64> {
    let number = claim.as_number()?;
    number
        .as_i64()
        .or_else(|| number.as_f64().map(|seconds| seconds.floor() as i64))
}

/// Where a token names its role: `$.role`, `$.app["roles"][0]`, `$["https://example.com/role"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RolePath {
    first: String,
    rest: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
}

impl RolePath {
    /// Reads a path of names, quoted names and positions.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('$')?;
        let mut steps = vec![];
        while !rest.is_empty() {
            let (step, behind) = step(rest)?;
            steps.push(step);
            rest = behind;
        }
        let mut steps = steps.into_iter();
        match steps.next()? {
            Step::Name(first) => Some(Self {
                first,
                rest: steps.collect(),
            }),
            // Claims are an object.
            Step::Index(_) => None,
        }
    }

    /// The role that is named there; what is no text is taken as its JSON.
    pub(super) fn find(&self, claims: &Claims) -> Option<String> {
        let mut found = claims.get(&self.first)?;
        for step in &self.rest {
            found = match step {
                Step::Name(name) => found.get(name)?,
                Step::Index(place) => found.get(place)?,
            };
        }
        Some(
            found
                .as_str()
                .map_or_else(|| found.to_string(), str::to_owned),
        )
    }

    /// Names a role there.
    pub(super) fn place(&self, claims: &mut Claims, role: &str) {
        let wrap = |inner: Json, step: &Step| match step {
            Step::Name(name) => Json::Object(Map::from_iter([(name.clone(), inner)])),
            Step::Index(place) => {
                let mut list = vec![Json::Null; *place];
                list.push(inner);
                Json::Array(list)
            }
        };
        claims.insert(
            self.first.clone(),
            self.rest.iter().rev().fold(role.into(), wrap),
        );
    }
}

/// A list longer than this is not what a role is in.
const PLACE_MAX: usize = 1_000;

fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(name) = text.strip_prefix('.') {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (name, rest) = name.split_at(end);
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
        return (!name.is_empty() && name.chars().all(is_plain))
            .then(|| (Step::Name(name.to_owned()), rest));
    }
    let inside = text.strip_prefix('[')?;
    if let Some(quote) = inside
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))
    {
        let (name, rest) = inside[1..].split_once(quote)?;
        let rest = rest.strip_prefix(']')?;
        return (!name.is_empty() && !name.contains('\\'))
            .then(|| (Step::Name(name.to_owned()), rest));
    }
    let (place, rest) = inside.split_once(']')?;
    let is_digits = place.bytes().all(|byte| byte.is_ascii_digit());
    let place = place
        .parse()
        .ok()
        .filter(|place| is_digits && *place <= PLACE_MAX)?;
    Some((Step::Index(place), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_796_000_000;

    fn judged(claims: Json, audience: Option<&str>) -> Result<(), Unacceptable> {
        let Json::Object(claims) = claims else {
            panic!("claims are an object")
        };
        check(
            &claims,
            audience,
            Time::from_micros(NOW * 1_000_000 + 999_999),
        )
    }

    #[test]
    fn a_token_holds_within_thirty_seconds_of_its_times() {
        for (claims, wanted) in [
            (json!({}), None),
            (
                json!({"exp": null, "nbf": null, "iat": null, "aud": null}),
                None,
            ),
            (json!({"exp": NOW - 30}), None),
            (json!({"exp": NOW - 31}), Some(("JWT expired", Some(31)))),
            (json!({"exp": 0}), Some(("JWT expired", Some(NOW)))),
            (json!({"exp": 1e300}), None),
            (json!({"nbf": NOW + 30}), None),
            (
                json!({"nbf": NOW + 31}),
                Some(("JWT not yet valid", Some(31))),
            ),
            (json!({"iat": NOW + 30}), None),
            (
                json!({"iat": NOW + 31}),
                Some(("JWT issued at future", Some(31))),
            ),
            (
                json!({"nbf": 1e300}),
                Some(("JWT not yet valid", Some(i64::MAX - NOW))),
            ),
            // The first that is wrong is told.
            (
                json!({"iat": NOW + 31, "exp": NOW - 31}),
                Some(("JWT expired", Some(31))),
            ),
            (
                json!({"exp": "soon"}),
                Some(("The JWT 'exp' claim must be a number", None)),
            ),
            (
                json!({"nbf": true}),
                Some(("The JWT 'nbf' claim must be a number", None)),
            ),
            (
                json!({"iat": [1]}),
                Some(("The JWT 'iat' claim must be a number", None)),
            ),
        ] {
            let found = judged(claims.clone(), None);
            let found = found
                .err()
                .map(|refused| (refused.message, refused.off_by_seconds));
            assert_eq!(
                found,
                wanted.map(|(message, off_by)| (message.to_owned(), off_by)),
                "{claims}"
            );
        }
        let part: Json =
            serde_json::from_str(&format!(r#"{{"exp": {}.9}}"#, NOW - 31)).expect("JSON");
        assert!(
            judged(part, None).is_err(),
            "a part of a second counts for nothing"
        );
    }

    #[test]
    fn a_token_for_others_is_refused_where_an_audience_is_set() {
        let wrong_type = "The JWT 'aud' claim must be a string or an array of strings";
        for (aud, wanted) in [
            (json!("mec"), None),
            (json!(["other", "mec"]), None),
            (json!([]), None),
            (json!("other"), Some("JWT not in audience")),
            (json!(""), Some("JWT not in audience")),
            (json!(["other", "MEC"]), Some("JWT not in audience")),
            (json!(5), Some(wrong_type)),
            (json!({"mec": true}), Some(wrong_type)),
            (json!(["mec", 5]), Some(wrong_type)),
        ] {
            let found = judged(json!({"aud": aud}), Some("mec"))
                .err()
                .map(|refused| refused.message);
            assert_eq!(found.as_deref(), wanted, "{aud}");
            let found = judged(json!({"aud": aud}), None)
                .err()
                .map(|refused| refused.message);
            assert_eq!(
                found.as_deref(),
                wanted.filter(|message| *message == wrong_type),
                "{aud} without an audience"
            );
        }
    }

    #[test]
    fn a_role_is_found_where_the_path_leads() {
        let Json::Object(claims) = json!({
            "role": "reader",
            "app": {"user-role": "service", "roles": ["admin", "reader"], "level": 5},
            "https://example.com/role": "admin",
        }) else {
            panic!("claims are an object")
        };
        for (path, found) in [
            ("$.role", Some("reader")),
            (" $['role'] ", Some("reader")),
            ("$.app.user-role", Some("service")),
            (r#"$.app["user-role"]"#, Some("service")),
            ("$.app.roles[1]", Some("reader")),
            ("$.app.roles[2]", None),
            ("$.app.level", Some("5")),
            ("$.role.more", None),
            ("$.nothing", None),
            (r#"$["https://example.com/role"]"#, Some("admin")),
        ] {
            let path = RolePath::read(path).unwrap_or_else(|| panic!("{path} is a path"));
            assert_eq!(path.find(&claims).as_deref(), found, "{path:?}");
            let mut placed = Claims::new();
            path.place(&mut placed, "admin");
            assert_eq!(path.find(&placed).as_deref(), Some("admin"), "{path:?}");
        }
        for wrong in [
            "",
            "role",
            ".role",
            "$",
            "$role",
            "$.",
            "$..role",
            "$[0]",
            "$.a[-1]",
            "$.a[",
            "$.a[x]",
            "$.a['b]",
            "$.a[*]",
            "$.a[9999]",
        ] {
            assert_eq!(RolePath::read(wrong), None, "{wrong}");
        }
    }
}
