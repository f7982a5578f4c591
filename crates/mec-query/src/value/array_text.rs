//! PostgreSQL's text of an array of one dimension, read and written.

/// The items of a PostgreSQL array literal of one dimension, `None` for the word `NULL`.
pub(crate) fn read_array(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(Vec::new());
    }
    let mut items = Vec::new();
    let mut rest = inner;
    loop {
        rest = rest.trim_start();
        let item = if let Some(after) = rest.strip_prefix('"') {
            let (text, after) = quoted(after)?;
            rest = after.trim_start();
            Some(text)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let raw = rest[..end].trim();
            if raw.is_empty() || raw.contains(['{', '}', '"']) {
                return None;
            }
            rest = &rest[end..];
            if raw.eq_ignore_ascii_case("null") {
                None
            } else {
                Some(raw.replace('\\', ""))
            }
        };
        items.push(item);
        if rest.is_empty() {
            return Some(items);
        }
        rest = rest.strip_prefix(',')?;
    }
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut item = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((item, &text[at + 1..])),
            '\\' => item.push(characters.next()?.1),
            other => item.push(other),
        }
    }
    None
}

/// PostgreSQL's text of an array: quotes only where an item needs them.
pub(crate) fn array_text(items: &[String]) -> String {
    let texts = items.iter().map(|item| {
        let special = |character: char| {
            matches!(character, '{' | '}' | ',' | '"' | '\\') || character.is_whitespace()
        };
        if item.is_empty() || item.eq_ignore_ascii_case("null") || item.contains(special) {
            format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))
        } else {
            item.clone()
        }
    });
    format!("{{{}}}", texts.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_text_reads_back() {
        let items: Vec<String> = ["a", "", "null", "b c", "q\"\\", "{}", ","]
            .map(String::from)
            .to_vec();
        let back = read_array(&array_text(&items)).expect("our own text");
        assert_eq!(back, items.into_iter().map(Some).collect::<Vec<_>>());
        assert_eq!(
            read_array("{NULL,a}"),
            Some(vec![None, Some("a".to_owned())])
        );
        assert_eq!(read_array("{\"a\"b}"), None);
    }
}
