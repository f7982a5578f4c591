//! Text patterns, compiled once and the same on every database: SQL's LIKE and regular expressions.

use regex::{Regex, RegexBuilder};

use crate::QueryError;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Like { tokens: Vec<Token>, ignore_case: bool },
    Regex(Regex),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    AnyCharacter,
    AnyText,
}

/// Bytes a compiled regular expression may take.
const REGEX_BYTES: usize = 1 << 20;

impl Pattern {
    /// SQL's LIKE over the whole text: `%` is any text, `_` any character, a backslash makes the next one literal.
    /// Without regard to case text and pattern count as their lower-case forms, beyond ASCII too.
    ///
    /// # Errors
    /// 22025 for a pattern that ends with a single backslash.
    pub fn like(pattern: &str, ignore_case: bool) -> Result<Self, QueryError> {
        // As a whole: a sigma's lower-case form depends on what stands around it.
        let lowered = if ignore_case { Some(pattern.to_lowercase()) } else { None };
        let pattern = lowered.as_deref().unwrap_or(pattern);
        let mut tokens = Vec::with_capacity(pattern.len());
        let mut characters = pattern.chars();
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
                        return Err(QueryError::sqlstate("22025", "LIKE pattern must not end with escape character"));
                    }
                },
                other => tokens.push(Token::Literal(other)),
            }
        }
        Ok(Self(Kind::Like { tokens, ignore_case }))
    }

    /// A regular expression found anywhere in the text, in time linear in the text. A dot is any character, as PostgreSQL
    /// has it.
    ///
    /// # Errors
    /// 2201B for an expression that is none, needs look-around or back references, or is too large.
    pub fn regex(pattern: &str, ignore_case: bool) -> Result<Self, QueryError> {
        RegexBuilder::new(pattern)
            .case_insensitive(ignore_case)
            .dot_matches_new_line(true)
            .size_limit(REGEX_BYTES)
            .dfa_size_limit(REGEX_BYTES)
            .build()
            .map(|regex| Self(Kind::Regex(regex)))
            .map_err(|error| QueryError::invalid_regex(error.to_string().lines().last().unwrap_or_default()))
    }

    /// Whether `text` matches.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.0 {
            Kind::Regex(regex) => regex.is_match(text),
            Kind::Like { tokens, ignore_case: false } => like(tokens, &text.chars().collect::<Vec<_>>()),
            Kind::Like { tokens, ignore_case: true } => like(tokens, &text.to_lowercase().chars().collect::<Vec<_>>()),
        }
    }
}

/// Only the last `%` is ever tried again, so the time is at most the product of the lengths.
fn like(tokens: &[Token], text: &[char]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
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
            None => return false,
        }
    }
    tokens[token..].iter().all(|token| *token == Token::AnyText)
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
            assert_eq!(compiled.is_match(text), wanted, "{pattern} on {text}");
        }
        assert_eq!(Pattern::like("a\\", false).map(|_| ()).map_err(|error| error.code), Err("22025".into()));
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
            assert_eq!(Pattern::regex(pattern, ignore_case).expect("one").is_match(text), wanted, "{pattern}");
        }
        for pattern in ["(", "a{5000}{5000}"] {
            assert_eq!(Pattern::regex(pattern, false).map(|_| ()).map_err(|error| error.code), Err("2201B".into()));
        }
    }
}
