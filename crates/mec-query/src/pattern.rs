//! Text patterns, compiled once and the same on every database: SQL's LIKE and regular expressions.
//!
//! What a pattern costs is bounded twice: all regular expressions of a request have one budget of
//! bytes, and none works on a text that is too long for its size.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use regex::{Regex, RegexBuilder};

use crate::{Budget, Excess, QueryError};

/// A compiled pattern; a clone is the same one.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: Arc<str>,
    ignore_case: bool,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Like(Arc<[Token]>),
    /// With the bytes its program was allowed.
    Regex(Regex, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    AnyCharacter,
    AnyText,
}

/// Bytes that the compiled regular expressions of a request can take together.
const REGEXES_BYTES: usize = 1 << 20;
/// The sizes that are tried, so that a small expression costs little of it.
const REGEX_BYTES: [usize; 5] = [1 << 10, 1 << 12, 1 << 15, 1 << 18, REGEXES_BYTES];
/// The least that the states of a running expression are kept in.
const REGEX_STATES_BYTES: usize = 1 << 16;
/// The product of a text's length and a program's size that one search can have: at worst about a
/// second.
const SEARCH_MAX: usize = 1 << 32;
/// Steps of LIKE between two looks at the budget.
const STEPS: u32 = 1 << 16;

/// Two patterns of one text mean the same.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.ignore_case) == (&other.text, other.ignore_case)
            && std::mem::discriminant(&self.kind) == std::mem::discriminant(&other.kind)
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// SQL's LIKE over the whole text: `%` is any text, `_` any character, a backslash makes the
    /// next one literal. Without regard to case text and pattern count as their lower-case forms,
    /// beyond ASCII too.
    ///
    /// # Errors
    /// 22025 for a pattern that ends with a single backslash.
    pub fn like(pattern: &str, ignore_case: bool) -> Result<Self, QueryError> {
        // As a whole: a sigma's lower-case form depends on what stands around it.
        let lowered = if ignore_case {
            Some(pattern.to_lowercase())
        } else {
            None
        };
        let mut tokens = Vec::with_capacity(pattern.len());
        let mut characters = lowered.as_deref().unwrap_or(pattern).chars();
        while let Some(character) = characters.next() {
            match character {
                '%' => {
                    if tokens.last() != Some(&Token::AnyText) {
                        tokens.push(Token::AnyText);
                    }
                }
                '_' => tokens.push(Token::AnyCharacter),
                '\\' => match characters.next() {
                    Some(escaped) => tokens.push(Token::Literal(escaped)),
                    None => {
                        return Err(QueryError::sqlstate(
                            "22025",
                            "LIKE pattern must not end with escape character",
                        ));
                    }
                },
                other => tokens.push(Token::Literal(other)),
            }
        }
        Ok(Self {
            text: pattern.into(),
            ignore_case,
            kind: Kind::Like(tokens.into()),
        })
    }

    /// A regular expression found anywhere in the text, in time linear in the text. A dot is any
    /// character, as PostgreSQL has it.
    ///
    /// # Errors
    /// 2201B for an expression that is none, needs look-around or back references, or is too large.
    pub fn regex(pattern: &str, ignore_case: bool) -> Result<Self, QueryError> {
        Self::regex_within(pattern, ignore_case, REGEXES_BYTES)
    }

    fn regex_within(
        pattern: &str,
        ignore_case: bool,
        bytes_max: usize,
    ) -> Result<Self, QueryError> {
        for bytes in REGEX_BYTES {
            let size = bytes.min(bytes_max);
            let compiled = RegexBuilder::new(pattern)
                .case_insensitive(ignore_case)
                .dot_matches_new_line(true)
                .size_limit(size)
                .dfa_size_limit(size.max(REGEX_STATES_BYTES))
                .build();
            match compiled {
                Ok(regex) => {
                    return Ok(Self {
                        text: pattern.into(),
                        ignore_case,
                        kind: Kind::Regex(regex, size),
                    });
                }
                Err(regex::Error::CompiledTooBig(_)) if size < bytes_max => {}
                Err(regex::Error::CompiledTooBig(_)) if bytes_max < REGEXES_BYTES => {
                    return Err(too_many());
                }
                Err(error) => {
                    return Err(QueryError::invalid_regex(
                        error.to_string().lines().last().unwrap_or_default(),
                    ));
                }
            }
        }
        Err(too_many())
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether letter case does not matter.
    pub const fn ignores_case(&self) -> bool {
        self.ignore_case
    }

    const fn bytes(&self) -> usize {
        match self.kind {
            Kind::Like(_) => 0,
            Kind::Regex(_, bytes) => bytes,
        }
    }

    /// Whether `text` matches.
    ///
    /// # Errors
    /// It takes more than the budget has, or more than one search can.
    pub fn is_match(&self, text: &str, budget: &Budget) -> Result<bool, Excess> {
        match &self.kind {
            Kind::Regex(_, bytes) if text.len().saturating_mul(*bytes) > SEARCH_MAX => {
                Err(Excess::Pattern)
            }
            Kind::Regex(regex, _) => Ok(regex.is_match(text)),
            Kind::Like(tokens) if self.ignore_case => like(
                tokens,
                &text.to_lowercase().chars().collect::<Vec<_>>(),
                budget,
            ),
            Kind::Like(tokens) => like(tokens, &text.chars().collect::<Vec<_>>(), budget),
        }
    }
}

fn too_many() -> QueryError {
    QueryError::new(
        400,
        "MEC_PATTERN_TOO_LARGE",
        "The regular expressions of the request are too large together",
    )
    .with_hint("Use fewer or shorter expressions, or like, which has no such limit")
}

/// The regular expressions of one request, each compiled once, all of them within one budget.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patterns(Arc<Mutex<HashMap<(String, bool), Pattern>>>);

impl Patterns {
    /// The compiled expression.
    ///
    /// # Errors
    /// As [`Pattern::regex`]; `MEC_PATTERN_TOO_LARGE` where it does not fit beside the others.
    pub(crate) fn regex(&self, text: &str, ignore_case: bool) -> Result<Pattern, QueryError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pattern) = known.get(&(text.to_owned(), ignore_case)) {
            return Ok(pattern.clone());
        }
        let taken: usize = known.values().map(Pattern::bytes).sum();
        let pattern =
            Pattern::regex_within(text, ignore_case, REGEXES_BYTES.saturating_sub(taken))?;
        known.insert((text.to_owned(), ignore_case), pattern.clone());
        Ok(pattern)
    }
}

/// Only the last `%` is ever tried again, so the time is at most the product of the lengths.
fn like(tokens: &[Token], text: &[char], budget: &Budget) -> Result<bool, Excess> {
    let (mut token, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    let mut steps = 0_u32;
    while at < text.len() {
        steps = steps.wrapping_add(1);
        if steps.is_multiple_of(STEPS) {
            budget.check()?;
        }
        let fits = match tokens.get(token) {
            Some(Token::AnyText) => {
                retry = Some((token + 1, at));
                token += 1;
                continue;
            }
            Some(Token::AnyCharacter) => true,
            Some(Token::Literal(wanted)) => *wanted == text[at],
            None => false,
        };
        if fits {
            token += 1;
            at += 1;
            continue;
        }
        match retry {
            Some((after, from)) => {
                retry = Some((after, from + 1));
                (token, at) = (after, from + 1);
            }
            None => return Ok(false),
        }
    }
    Ok(tokens[token..].iter().all(|token| *token == Token::AnyText))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_is_sqls_like() {
        for (pattern, ignore_case, text, wanted) in [
            ("%", false, "", true),
            ("", false, "", true),
            ("", false, "a", false),
            ("a%c", false, "abbbc", true),
            ("a%c", false, "abbbcd", false),
            ("a_c", false, "abc", true),
            ("a_c", false, "ac", false),
            ("%b%b%", false, "abab", true),
            ("%b%b%", false, "ab", false),
            ("A%", false, "abc", false),
            ("A%", true, "abc", true),
            ("%ÄÖ%", true, "xäöy", true),
            ("%ς", true, "ΑΣ", true),
            ("%σ", true, "ΑΣ", false),
            ("i%", true, "İ", true),
            ("_", true, "İ", false),
            ("100\\%", false, "100%", true),
            ("100\\%", false, "1000", false),
            ("a\\_b", false, "axb", false),
            ("%%%a", false, "bbba", true),
        ] {
            let compiled = Pattern::like(pattern, ignore_case).expect("a pattern");
            assert_eq!(
                compiled.is_match(text, &Budget::unlimited()),
                Ok(wanted),
                "{pattern} on {text}"
            );
        }
        assert_eq!(
            Pattern::like("a\\", false)
                .map(|_| ())
                .map_err(|error| error.code),
            Err("22025".into())
        );
    }

    #[test]
    fn a_search_takes_no_more_than_its_budget() {
        let text = "ab".repeat(1 << 17);
        let like = Pattern::like("%a_a%b_b%x", false).expect("a pattern");
        assert_eq!(
            like.is_match(&text, &Budget::new(0, 0, || Some(Excess::Time))),
            Err(Excess::Time)
        );
        let regex = Pattern::regex("\\w{10}x", false).expect("an expression");
        assert_eq!(
            regex.is_match(&text, &Budget::unlimited()),
            Err(Excess::Pattern)
        );
        assert_eq!(
            regex.is_match(&text[..1_000], &Budget::unlimited()),
            Ok(false)
        );
    }

    #[test]
    fn a_regular_expression_is_found_anywhere() {
        for (pattern, ignore_case, text, wanted) in [
            ("^pro", false, "pro-plan", true),
            ("^PRO", false, "pro-plan", false),
            ("^PRO", true, "pro-plan", true),
            ("\\d+", false, "plan 14", true),
            ("a.b", false, "a\nb", true),
            ("a$", false, "a\n", false),
        ] {
            assert_eq!(
                Pattern::regex(pattern, ignore_case)
                    .expect("one")
                    .is_match(text, &Budget::unlimited()),
                Ok(wanted),
                "{pattern}"
            );
        }
        for pattern in ["(", "a{5000}{5000}"] {
            assert_eq!(
                Pattern::regex(pattern, false)
                    .map(|_| ())
                    .map_err(|error| error.code),
                Err("2201B".into())
            );
        }
    }
}
