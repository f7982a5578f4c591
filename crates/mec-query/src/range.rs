//! Which part of the rows a request asks for, and how the answer says which part it is.

use crate::{Query, QueryError};

/// A part of the rows, counted from 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Page {
    /// Rows left out at the beginning.
    pub offset: u64,
    /// The most rows wanted; `None` is all.
    pub limit: Option<u64>,
}

/// What a read answers about its part of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageAnswer {
    /// 200, or 206 when a count was asked for and there are more rows.
    pub status: u16,
    /// The value of `Content-Range`.
    pub content_range: String,
}

impl Page {
    /// All rows.
    pub const ALL: Self = Self {
        offset: 0,
        limit: None,
    };

    /// The page of `limit`, `offset` and, for GET (not HEAD), the `Range` header: their
    /// intersection.
    ///
    /// # Errors
    /// PGRST103 for a limit below zero (of the rows or an embed), a reversed range, or an empty
    /// intersection.
    pub fn of_request(query: &Query, range_header: Option<&str>) -> Result<Self, QueryError> {
        if query.limits.iter().any(|limit| limit.item < 0) {
            return Err(QueryError::negative_limit());
        }
        let limit = query
            .limits
            .iter()
            .rev()
            .find(|limit| limit.path.is_empty());
        let limit = limit.and_then(|limit| u64::try_from(limit.item).ok());
        let offset = query
            .offsets
            .iter()
            .rev()
            .find(|offset| offset.path.is_empty())
            .map_or(0, |found| found.item);
        let asked = Self { offset, limit };
        let Some((first, last)) = range_header.and_then(bounds) else {
            return Ok(asked);
        };
        if last.is_some_and(|last| last < first) {
            return Err(QueryError::range_reversed());
        }
        if limit == Some(0) {
            return Ok(asked);
        }
        let end = [
            limit.map(|limit| offset.saturating_add(limit)),
            last.map(|last| last.saturating_add(1)),
        ];
        let end = end.into_iter().flatten().min();
        let offset = offset.max(first);
        match end {
            Some(end) if end <= offset => Err(QueryError::negative_limit()),
            Some(end) => Ok(Self {
                offset,
                limit: Some(end - offset),
            }),
            None => Ok(Self {
                offset,
                limit: None,
            }),
        }
    }

    /// The same page with at most `max_rows` rows.
    #[must_use]
    pub fn capped(self, max_rows: u64) -> Self {
        Self {
            limit: Some(self.limit.map_or(max_rows, |limit| limit.min(max_rows))),
            ..self
        }
    }

    /// Status and `Content-Range` of a read (or of a function's rows) that found `returned` rows of
    /// `total`, where `total` is known only if a count was asked for.
    ///
    /// # Errors
    /// PGRST103 when the page begins behind the last row counted; the answer then has the
    /// `Content-Range` of [`content_range_of_total`].
    pub fn answer(self, returned: usize, total: Option<u64>) -> Result<PageAnswer, QueryError> {
        let returned = returned as u64;
        let end = self.offset.saturating_add(returned);
        let status = match total {
            Some(total) if self.offset > total => {
                return Err(QueryError::offset_beyond(self.offset, total));
            }
            Some(total) if returned < total => 206,
            _ => 200,
        };
        let rows = if returned == 0 {
            "*".to_owned()
        } else {
            format!("{}-{}", self.offset, end - 1)
        };
        Ok(PageAnswer {
            status,
            content_range: format!("{rows}/{}", total_text(total)),
        })
    }
}

/// `Content-Range` of an insert, a delete or a refused page: only the total, if it is known.
pub fn content_range_of_total(total: Option<u64>) -> String {
    format!("*/{}", total_text(total))
}

/// `Content-Range` of an update of `rows` rows.
pub fn content_range_of_update(rows: u64, total: Option<u64>) -> String {
    if rows == 0 {
        content_range_of_total(total)
    } else {
        format!("0-{}/{}", rows - 1, total_text(total))
    }
}

fn total_text(total: Option<u64>) -> String {
    total.map_or_else(|| "*".to_owned(), |total| total.to_string())
}

/// `first-last` or `first-`; anything else is ignored.
fn bounds(header: &str) -> Option<(u64, Option<u64>)> {
    let (first, last) = header.trim_ascii().split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let last = if last.is_empty() {
        None
    } else {
        Some(number(last)?)
    };
    Some((number(first)?, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    fn page(query: &str, range: Option<&str>) -> Result<(u64, Option<u64>), String> {
        let query = Query::parse(query, Target::Rows).expect("a query");
        let page = Page::of_request(&query, range);
        page.map(|page| (page.offset, page.limit))
            .map_err(|error| format!("{} {}", error.status, error.code))
    }

    #[test]
    fn limit_offset_and_range_are_intersected() {
        let refused = Err("416 PGRST103".to_owned());
        for (query, range, wanted) in [
            ("", None, Ok((0, None))),
            ("limit=2&offset=1", None, Ok((1, Some(2)))),
            ("limit=x&offset=-1", None, Ok((0, None))),
            ("limit=0", None, Ok((0, Some(0)))),
            ("limit=0", Some("5-9"), Ok((0, Some(0)))),
            ("limit=-1", None, refused.clone()),
            ("entitlements.limit=-1", None, refused.clone()),
            (
                "limit=99999999999999999999",
                None,
                Ok((0, Some(i64::MAX as u64))),
            ),
            ("", Some("0-1"), Ok((0, Some(2)))),
            ("", Some("10-"), Ok((10, None))),
            ("", Some("items=0-1"), Ok((0, None))),
            ("", Some("a-b"), Ok((0, None))),
            ("", Some("5-2"), refused.clone()),
            ("limit=5&offset=2", Some("3-100"), Ok((3, Some(4)))),
            ("limit=5", Some("10-20"), refused),
            ("", Some("0-99999999999999999999"), Ok((0, Some(u64::MAX)))),
        ] {
            assert_eq!(page(query, range), wanted, "{query} {range:?}");
        }
    }

    #[test]
    fn content_range_says_which_rows_these_are() {
        for (offset, returned, total, status, text) in [
            (0, 4, None, 200, "0-3/*"),
            (1, 2, None, 200, "1-2/*"),
            (1, 2, Some(4), 206, "1-2/4"),
            (0, 4, Some(4), 200, "0-3/4"),
            (0, 0, None, 200, "*/*"),
            (0, 0, Some(0), 200, "*/0"),
            (4, 0, Some(4), 206, "*/4"),
            (100, 0, None, 200, "*/*"),
        ] {
            let answer = Page {
                offset,
                limit: None,
            }
            .answer(returned, total)
            .expect("satisfiable");
            assert_eq!(
                (answer.status, answer.content_range.as_str()),
                (status, text)
            );
        }
        let beyond = Page {
            offset: 100,
            limit: None,
        }
        .answer(0, Some(4))
        .expect_err("beyond");
        assert_eq!(beyond.status, 416);
        assert_eq!(
            beyond.body()["details"],
            "An offset of 100 was requested, but there are only 4 rows."
        );
        assert_eq!(content_range_of_total(Some(4)), "*/4");
        assert_eq!(content_range_of_update(3, None), "0-2/*");
        assert_eq!(content_range_of_update(0, None), "*/*");
    }
}
