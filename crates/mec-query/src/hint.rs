//! "Perhaps you meant …": the nearest known name to one that was mistyped.

/// Names that a hint lists; more would not be read.
const LISTED_MAX: usize = 40;

/// `what`: all of `names`, where there are few enough to be read.
pub(crate) fn all_of(what: &str, names: &[&str]) -> Option<String> {
    (names.len() <= LISTED_MAX).then(|| format!("{what}: {}", names.join(", ")))
}

/// Similarity a table or function must reach to be suggested, in percent.
const SIMILAR_PERCENT: usize = 75;

/// The most similar of `names` at 75 % or more, as PostgREST suggests tables and functions.
pub fn similar<'a>(asked: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    similar_at(SIMILAR_PERCENT, asked, names)
}

/// The most similar of `names` at `percent` or more; the first of equals.
pub(crate) fn similar_at<'a>(
    percent: usize,
    asked: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let asked = asked.to_lowercase();
    let length = asked.chars().count();
    let mut best: Option<(usize, &str)> = None;
    for name in names {
        let longest = length.max(name.chars().count());
        if longest == 0 || longest > MAX_NAME {
            continue;
        }
        let score = (longest - distance(&asked, &name.to_lowercase())) * 100 / longest;
        if score >= percent && best.is_none_or(|(top, _)| score > top) {
            best = Some((score, name));
        }
    }
    best.map(|(_, name)| name)
}

/// The column PostgreSQL would suggest: at most three edits and at most half of the name away.
pub(crate) fn similar_column<'a>(
    asked: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let length = asked.chars().count();
    if length > MAX_NAME {
        return None;
    }
    names
        .into_iter()
        .map(|name| (distance(asked, name), name))
        .filter(|(edits, _)| *edits <= 3 && *edits * 2 <= length)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// Longer names are not compared: the distance costs their product.
const MAX_NAME: usize = 256;

/// The Levenshtein distance in characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, left) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, right) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
        let tables = ["plans", "accounts", "entitlements"];
        assert_eq!(similar("plan", tables), Some("plans"));
        assert_eq!(similar("acounts", tables), Some("accounts"));
        assert_eq!(similar("nope", tables), None);
        assert_eq!(similar("", tables), None);
        assert_eq!(
            similar_column("plan_nam", ["plan_id", "plan_name"]),
            Some("plan_name")
        );
        assert_eq!(similar_column("xyz", ["plan_id", "plan_name"]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
