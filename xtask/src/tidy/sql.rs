//! Where SQL may stand, and what it may do to the ledger.

use super::Finding;
use super::source::{Piece, Source};

const STORE: &str = "crates/mec-store/";
const LEDGER: &str = "consumption_ledger";
const ANY_WORD: &str = "*";

/// SQL is written in one room. Tests may hold it, as hostile input.
pub(crate) fn no_statement_outside_the_store(source: &Source) -> Vec<Finding> {
    if !source.is_in("crates/") || source.is_in(STORE) {
        return Vec::new();
    }
    let code = source.literals().filter(|piece| !source.is_test(piece.at));
    let statements = code.filter_map(|piece| Some((piece, statement(&words(piece.text))?)));
    let finding = |(piece, statement): (Piece<'_>, &str)| {
        let what = format!("{statement} outside {STORE}: ask the store with a verb of its own");
        source.finding(piece.at, what)
    };
    statements.map(finding).collect()
}

/// Ledger rows are corrected by further rows. A trigger's own text may name what it refuses.
pub(crate) fn no_change_to_the_ledger(source: &Source) -> Vec<Finding> {
    if !source.is_in(STORE) {
        return Vec::new();
    }
    let code = source.literals().filter(|piece| !source.is_test(piece.at));
    let changes = code.filter(|piece| changes_ledger(&words(piece.text)));
    let what = "the ledger is append-only: write a correcting event instead";
    changes
        .map(|piece| source.finding(piece.at, what))
        .collect()
}

/// The words and names of a statement, without comments, quotes and punctuation.
fn words(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join(" ").replace("\\n", " ");
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words = text
        .split(|c: char| !is_word(c))
        .filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// The kind of statement that these words make. Keywords in capitals anywhere, in small letters
/// only at the beginning, because prose may go on with "delete from".
fn statement(words: &[String]) -> Option<&'static str> {
    const KINDS: [(&str, &[&str]); 6] = [
        ("SELECT", &["SELECT"]),
        ("INSERT INTO", &["INSERT", "INTO"]),
        ("INSERT OR … INTO", &["INSERT", "OR", ANY_WORD, "INTO"]),
        ("REPLACE INTO", &["REPLACE", "INTO"]),
        ("DELETE FROM", &["DELETE", "FROM"]),
        ("CREATE TABLE", &["CREATE", "TABLE"]),
    ];
    let stands = |words: &[String], keywords: &[&str], same: fn(&str, &str) -> bool| {
        let mut pairs = words.iter().zip(keywords);
        words.len() >= keywords.len()
            && pairs.all(|(word, keyword)| *keyword == ANY_WORD || same(word, keyword))
    };
    for (kind, keywords) in KINDS {
        let begins = keywords.len() > 1 && stands(words, keywords, str::eq_ignore_ascii_case);
        let holds = (0..words.len()).any(|from| stands(&words[from..], keywords, str::eq));
        if begins || holds {
            return Some(kind);
        }
    }
    let mut rest = words.iter().skip_while(|word| *word != "UPDATE");
    rest.any(|word| word == "SET").then_some("UPDATE … SET")
}

fn changes_ledger(words: &[String]) -> bool {
    let mut in_trigger = false;
    for (index, word) in words.iter().enumerate() {
        let next = |offset: usize| words.get(index + offset).map_or("", String::as_str);
        let is = |word: &str, keyword: &str| word.eq_ignore_ascii_case(keyword);
        if is(word, "create") && (is(next(1), "trigger") || is(next(3), "trigger")) {
            in_trigger = true;
        } else if is(word, "end") {
            in_trigger = false;
        }
        let changed = if is(word, "update") && is(next(1), "or") {
            next(3)
        } else if is(word, "update") || is(word, "truncate") {
            if is(next(1), "only") || is(next(1), "table") {
                next(2)
            } else {
                next(1)
            }
        } else if is(word, "delete") && is(next(1), "from") {
            if is(next(2), "only") {
                next(3)
            } else {
                next(2)
            }
        } else if is(word, "replace") && is(next(1), "into") {
            next(2)
        } else {
            ""
        };
        if is(changed, LEDGER) && !in_trigger {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(check: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
        let source = Source::read(path, text.to_owned());
        check(&source).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn statements_are_told_from_prose() {
        let rows = [
            ("SELECT 1", true),
            ("  SELECT *\\n FROM x", true),
            ("WITH x AS (SELECT 1) TABLE x", true),
            ("INSERT INTO x VALUES (1)", true),
            ("INSERT OR IGNORE INTO x", true),
            ("insert into x values (1)", true),
            ("UPDATE x SET y = 1", true),
            ("DELETE FROM x", true),
            ("delete from x", true),
            ("CREATE TABLE x (y)", true),
            ("UPDATE requires a WHERE clause", false),
            ("SELECTED plans", false),
            ("select a plan from the list", false),
            ("insert or update on table x violates a constraint", false),
            ("you cannot delete from here", false),
            ("Consumption ledger is append-only. Cannot update.", false),
        ];
        for (text, is_statement) in rows {
            assert_eq!(statement(&words(text)).is_some(), is_statement, "{text}");
        }
    }

    #[test]
    fn sql_stands_in_the_store_and_in_tests_only() {
        let text = "fn a() {}\n// SELECT 1\nfn b() { q(\"SELECT 1\") }\n#[test]\nfn c() { q(\"SELECT 1\") }";
        let check = no_statement_outside_the_store;
        assert_eq!(found(check, "crates/mec/src/a.rs", text), [3]);
        assert_eq!(found(check, "crates/mec/a.sql", "SELECT 1;"), [1]);
        assert_eq!(
            found(check, "crates/mec-store/src/a.rs", text),
            [] as [usize; 0]
        );
        assert_eq!(
            found(check, "crates/mec/tests/it/a.rs", text),
            [] as [usize; 0]
        );
    }

    #[test]
    fn the_ledger_is_only_appended_to() {
        let rows = [
            ("UPDATE consumption_ledger SET quantity = 1", true),
            ("update \\\"consumption_ledger\\\" set quantity = 1", true),
            ("UPDATE OR IGNORE consumption_ledger SET quantity = 1", true),
            ("DELETE\n  FROM consumption_ledger", true),
            ("DELETE FROM ONLY consumption_ledger", true),
            ("TRUNCATE TABLE consumption_ledger", true),
            ("REPLACE INTO consumption_ledger VALUES (1)", true),
            ("INSERT INTO consumption_ledger VALUES (1)", false),
            ("SELECT 1 FROM consumption_ledger", false),
            ("UPDATE consumption_ledgers SET x = 1", false),
            ("-- never UPDATE consumption_ledger", false),
            (
                "CREATE TRIGGER t BEFORE UPDATE ON consumption_ledger BEGIN SELECT 1; END",
                false,
            ),
            (
                "CREATE TRIGGER t BEGIN DELETE FROM consumption_ledger; END",
                false,
            ),
            (
                "CREATE TRIGGER t BEGIN SELECT 1; END; DELETE FROM consumption_ledger",
                true,
            ),
        ];
        for (sql, is_change) in rows {
            assert_eq!(changes_ledger(&words(sql)), is_change, "{sql}");
        }
        let check = no_change_to_the_ledger;
        let text = "fn a() {\n q(\"DELETE FROM consumption_ledger\") }\n#[cfg(test)]\nmod tests { const A: &str = \"DELETE FROM consumption_ledger\"; }";
        assert_eq!(found(check, "crates/mec-store/src/a.rs", text), [2]);
        assert_eq!(
            found(check, "crates/mec-store/tests/a.rs", text),
            [] as [usize; 0]
        );
    }
}
