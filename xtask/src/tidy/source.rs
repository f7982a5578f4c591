//! A source file taken apart into code, comments and string literals, and into what is test and
//! what is not.

use std::ops::Range;

use super::Finding;

/// One file of Rust or SQL.
pub(crate) struct Source {
    /// Relative to the workspace, with `/`.
    pub(crate) path: String,
    text: String,
    /// The text with spaces for comments and for what is inside literals; of SQL nothing is left.
    code: String,
    comments: Vec<Range<usize>>,
    literals: Vec<Range<usize>>,
    /// Items under `#[cfg(test)]` or `#[test]`; in a test file, everything.
    tests: Vec<Range<usize>>,
}

/// A piece of a file, with its place.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    pub(crate) at: usize,
}

impl Source {
    pub(crate) fn read(path: &str, text: String) -> Source {
        let mut source = Source {
            path: path.to_owned(),
            code: text.clone(),
            comments: Vec::new(),
            literals: Vec::new(),
            tests: Vec::new(),
            text,
        };
        if path.ends_with(".sql") {
            // A statement in a file is no different from one in a string.
            source.literals.push(0..source.text.len());
        } else {
            (source.comments, source.literals) = split(&source.text);
        }
        source.code = blank(&source.text, source.comments.iter().chain(&source.literals));
        source.tests = match is_test_path(path) {
            true => vec![Range {
                start: 0,
                end: source.text.len(),
            }],
            false => test_items(&source.code),
        };
        source
    }

    /// Every place in the code where the words stand, as whole words.
    pub(crate) fn code_places<'a>(&'a self, words: &'a str) -> impl Iterator<Item = usize> + 'a {
        word_places(&self.code, words)
    }

    /// Code with spaces for comments and for what literals hold.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    pub(crate) fn literals(&self) -> impl Iterator<Item = Piece<'_>> {
        self.pieces(&self.literals)
    }

    pub(crate) fn comments(&self) -> impl Iterator<Item = Piece<'_>> {
        self.pieces(&self.comments)
    }

    pub(crate) fn is_test(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    pub(crate) fn is_in(&self, directory: &str) -> bool {
        self.path.starts_with(directory)
    }

    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// A finding at a place in the text.
    pub(crate) fn finding(&self, at: usize, what: impl Into<String>) -> Finding {
        Finding {
            path: self.path.clone(),
            line: self.text[..at].matches('\n').count() + 1,
            what: what.into(),
        }
    }

    fn pieces<'a>(&'a self, ranges: &'a [Range<usize>]) -> impl Iterator<Item = Piece<'a>> {
        ranges.iter().map(|range| Piece {
            text: &self.text[range.clone()],
            at: range.start,
        })
    }
}

/// Where `words` stands in `text` with no letter, digit or `_` on either side.
pub(crate) fn word_places<'a>(text: &'a str, words: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(words)
        .map(|(at, _)| at)
        .filter(move |&at| {
            let before = text[..at].chars().next_back().is_some_and(is_word);
            let after = text[at + words.len()..].chars().next().is_some_and(is_word);
            let (first, last) = (words.starts_with(is_word), words.ends_with(is_word));
            !(first && before || last && after)
        })
}

fn is_test_path(path: &str) -> bool {
    let directories = path
        .split('/')
        .any(|part| part == "tests" || part == "benches");
    directories || path.ends_with("/tests.rs")
}

fn blank<'a>(text: &str, ranges: impl Iterator<Item = &'a Range<usize>>) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for byte in ranges.flat_map(|range| range.clone()) {
        if bytes[byte] != b'\n' {
            bytes[byte] = b' ';
        }
    }
    // Comments and literals begin and end between characters, so nothing is replaced here.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The comments and the insides of the string and character literals of Rust.
fn split(text: &str) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    let (mut comments, mut literals) = (Vec::new(), Vec::new());
    let mut at = 0;
    let mut before = ' ';
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let in_word = before.is_alphanumeric() || before == '_';
        let length = if rest.starts_with("//") {
            let length = rest.find('\n').unwrap_or(rest.len());
            comments.push(at..at + length);
            length
        } else if rest.starts_with("/*") {
            let length = block_comment(rest);
            comments.push(at..at + length);
            length
        } else if let Some((open, inside, close)) = literal(rest, in_word) {
            literals.push(at + open..at + open + inside);
            // A file that ends within a literal has no closing quote.
            rest.len().min(open + inside + close)
        } else {
            c.len_utf8()
        };
        at += length;
        before = text[..at].chars().next_back().unwrap_or(' ');
    }
    (comments, literals)
}

/// The length of a block comment; they nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The lengths of a literal's opening, inside and closing, if one begins here.
fn literal(rest: &str, in_word: bool) -> Option<(usize, usize, usize)> {
    if let Some(inside) = rest.strip_prefix('"') {
        return Some((1, escaped_length(inside, '"'), 1));
    }
    if let Some(inside) = rest.strip_prefix('\'') {
        let first = inside.chars().next()?;
        let is_char = first == '\\' || inside[first.len_utf8()..].starts_with('\'');
        // Otherwise it is a lifetime.
        return is_char.then(|| (1, escaped_length(inside, '\''), 1));
    }
    if in_word {
        return None;
    }
    let prefix = ["br", "cr", "r"]
        .into_iter()
        .find(|prefix| rest.starts_with(prefix))?;
    let hashes = rest[prefix.len()..]
        .bytes()
        .take_while(|&b| b == b'#')
        .count();
    let open = prefix.len() + hashes + 1;
    if !rest[open - 1..].starts_with('"') {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let inside = rest[open..].find(&close).unwrap_or(rest.len() - open);
    Some((open, inside, close.len()))
}

/// The length up to a closing quote that no backslash precedes.
fn escaped_length(inside: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = inside.find(|c| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.unwrap_or(inside.len())
}

/// The items under a test attribute, each with its attribute.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items = Vec::new();
    for attribute in ["#[cfg(test)]", "#[test]", "#[tokio::test"] {
        for (start, _) in code.match_indices(attribute) {
            items.push(start..item_end(code, start + attribute.len()));
        }
    }
    items
}

/// The end of the item whose attributes or head stand at `from`.
fn item_end(code: &str, from: usize) -> usize {
    let (mut braces, mut brackets) = (0, 0);
    for (offset, c) in code[from..].char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            // An attribute that was entered half-way closes more than it opens.
            ')' | ']' => brackets = i32::max(0, brackets - 1),
            '{' => braces += 1,
            '}' => braces -= 1,
            _ => {}
        }
        let body_ends = c == '}' && braces == 0;
        let has_no_body = c == ';' && braces == 0 && brackets == 0;
        if body_ends || has_no_body {
            return from + offset + 1;
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Vec<&str>, Vec<&str>) {
        let (comments, literals) = split(text);
        let cut = |ranges: Vec<Range<usize>>| {
            ranges
                .into_iter()
                .map(|range| &text[range])
                .collect::<Vec<_>>()
        };
        (cut(comments), cut(literals))
    }

    #[test]
    fn comments_and_literals_are_told_from_code() {
        let rows: [(&str, &[&str], &[&str]); 13] = [
            ("let a = 1;", &[], &[]),
            ("a // b \"c\"\nd", &["// b \"c\""], &[]),
            ("a /* b /* c */ d */ e", &["/* b /* c */ d */"], &[]),
            ("f(\"a // b\")", &[], &["a // b"]),
            (r#"f("say \"hi\" \\", 1)"#, &[], &[r#"say \"hi\" \\"#]),
            (r###"r#"a "b" c"# + r"d\""###, &[], &["a \"b\" c", "d\\"]),
            ("br\"x\" cr\"y\" b\"z\"", &[], &["x", "y", "z"]),
            ("fn f<'a>(x: &'a str) { 'b' }", &[], &["b"]),
            (
                r"('\'', '\\', '\u{1F600}')",
                &[],
                &[r"\'", r"\\", r"\u{1F600}"],
            ),
            ("('é', \"ü\") // ö", &["// ö"], &["é", "ü"]),
            ("r#type.bar(\"x\")", &[], &["x"]),
            ("for\"x\"", &[], &["x"]),
            ("\"no end", &[], &["no end"]),
        ];
        for (text, comments, literals) in rows {
            assert_eq!(
                parts(text),
                (comments.to_vec(), literals.to_vec()),
                "{text}"
            );
        }
    }

    #[test]
    fn code_keeps_its_lines_and_loses_the_rest() {
        let source = Source::read("src/a.rs", "a(\"b\nc\"); // d\ne".to_owned());
        assert_eq!(source.code(), "a(\" \n \");     \ne");
        assert_eq!(source.finding(source.text.len(), "x").line, 3);
    }

    #[test]
    fn items_under_a_test_attribute_are_tests() {
        let text = "fn a() { x() }\n#[cfg(test)]\nuse b::[c; 2];\nfn d() { x() }\n\
            #[cfg(test)]\nmod e {\n  #[test]\n  fn f(g: [u8; 2]) { { x() } x() }\n}\nfn h() { x() }\n\
            #[tokio::test(start_paused = true)]\nasync fn i() { x() }\nfn j() { x() }";
        let source = Source::read("src/a.rs", text.to_owned());
        let tests = source.code_places("x").map(|at| source.is_test(at));
        assert_eq!(
            tests.collect::<Vec<_>>(),
            [false, false, true, true, false, true, false]
        );
    }

    #[test]
    fn a_file_of_tests_is_all_test() {
        let rows = [
            ("crates/mec/tests/it/main.rs", true),
            ("crates/mec/src/check/tests.rs", true),
            ("crates/mec/benches/check.rs", true),
            ("crates/mec/src/contests.rs", false),
            ("crates/mec/src/main.rs", false),
        ];
        for (path, is_test) in rows {
            let source = Source::read(path, "x".to_owned());
            assert_eq!(source.is_test(0), is_test, "{path}");
        }
    }

    #[test]
    fn words_are_whole() {
        let places = |text, words| word_places(text, words).collect::<Vec<_>>();
        assert_eq!(places("f64 xf64 f64x f64", "f64"), [0, 14]);
        assert_eq!(places("a.unwrap().b", ".unwrap()"), [1]);
        assert_eq!(places("x::env::var", "env::var"), [3]);
        assert_eq!(places("my_env::var", "env::var"), [] as [usize; 0]);
    }
}
