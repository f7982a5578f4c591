//! Points in time as PostgreSQL reads and this product prints them: microseconds of UTC since 1970.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use crate::QueryError;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Reads RFC 3339 and the usual PostgreSQL forms: `2026-11-24`, `2026-11-24 02:12:09.88+00`,
/// `20261124T021209Z`, offsets `Z`, `UTC`, `+HH`, `+HHMM`, `+HH:MM[:SS]`; without an offset it is
/// UTC. `now`, `today`, `tomorrow`, `yesterday` and `epoch` are read against `now`. More than six
/// decimals are rounded.
///
/// # Errors
/// 22007 for another form, 22008 for a date or time that does not exist.
pub(crate) fn read(text: &str, now: i64) -> Result<i64, QueryError> {
    let trimmed = text.trim_ascii();
    if let Some(micros) = special(trimmed, now) {
        return Ok(micros);
    }
    let mut cursor = Cursor { rest: trimmed };
    let parts = cursor
        .parts()
        .ok_or_else(|| QueryError::invalid_timestamp(text))?;
    parts
        .micros()
        .ok_or_else(|| QueryError::timestamp_out_of_range(text))
}

fn special(text: &str, now: i64) -> Option<i64> {
    let day = SECONDS_PER_DAY * MICROS_PER_SECOND;
    let midnight = now - now.rem_euclid(day);
    Some(match text.to_ascii_lowercase().as_str() {
        "now" | "now()" => now,
        "today" => midnight,
        "tomorrow" => midnight + day,
        "yesterday" => midnight - day,
        "epoch" => 0,
        _ => return None,
    })
}

#[derive(Default)]
struct Parts {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    offset_seconds: i64,
}

impl Parts {
    fn micros(&self) -> Option<i64> {
        let date = Date::new(
            self.year.try_into().ok()?,
            self.month.try_into().ok()?,
            self.day.try_into().ok()?,
        )
        .ok()?;
        // 24:00 and a second of 60 are read as PostgreSQL reads them: the next day, the next
        // minute.
        let in_day = self.hour * 3600 + self.minute * 60 + self.second;
        if self.year < 1
            || self.hour > 24
            || self.minute > 59
            || self.second > 60
            || in_day > SECONDS_PER_DAY
            || (in_day == SECONDS_PER_DAY && self.micros > 0)
            || self.offset_seconds.abs() > 15 * 3600 + 59 * 60 + 59
        {
            return None;
        }
        let midnight = Offset::UTC
            .to_timestamp(DateTime::from_parts(date, Time::midnight()))
            .ok()?
            .as_second();
        let seconds = midnight + in_day - self.offset_seconds;
        let micros = seconds * MICROS_PER_SECOND + self.micros;
        Timestamp::from_microsecond(micros).ok().map(|_| micros)
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl Cursor<'_> {
    fn parts(&mut self) -> Option<Parts> {
        let mut parts = Parts::default();
        (parts.year, parts.month, parts.day) = self.date()?;
        if self.rest.is_empty() {
            return Some(parts);
        }
        let separated = self.take('T') || self.take('t') || self.spaces();
        if !separated {
            return None;
        }
        if self.rest.starts_with(|first: char| first.is_ascii_digit()) {
            self.time(&mut parts)?;
        }
        self.spaces();
        parts.offset_seconds = self.offset()?;
        self.rest.is_empty().then_some(parts)
    }

    fn date(&mut self) -> Option<(i64, i64, i64)> {
        let digits = self.digit_count();
        if digits == 8 {
            return Some((self.number(4)?, self.number(2)?, self.number(2)?));
        }
        if !(4..=5).contains(&digits) {
            return None;
        }
        let year = self.number(digits)?;
        let month = self.dashed()?;
        let day = self.dashed()?;
        Some((year, month, day))
    }

    fn dashed(&mut self) -> Option<i64> {
        if !self.take('-') && !self.take('/') {
            return None;
        }
        let digits = self.digit_count();
        if (1..=2).contains(&digits) {
            self.number(digits)
        } else {
            None
        }
    }

    fn time(&mut self, parts: &mut Parts) -> Option<()> {
        let digits = self.digit_count();
        match digits {
            1 | 2 => {
                parts.hour = self.number(digits)?;
                if !self.take(':') {
                    return None;
                }
                parts.minute = self.number(2)?;
                if self.take(':') {
                    parts.second = self.number(2)?;
                }
            }
            4 | 6 => {
                parts.hour = self.number(2)?;
                parts.minute = self.number(2)?;
                if digits == 6 {
                    parts.second = self.number(2)?;
                }
            }
            _ => return None,
        }
        if self.take('.') || self.take(',') {
            parts.micros = self.fraction()?;
            if parts.micros == MICROS_PER_SECOND {
                parts.micros = 0;
                parts.second += 1;
            }
        }
        Some(())
    }

    fn fraction(&mut self) -> Option<i64> {
        let digits = self.digit_count();
        if digits == 0 {
            return None;
        }
        let text = &self.rest[..digits];
        let round_up = text.as_bytes().get(6).is_some_and(|digit| *digit >= b'5');
        let kept: i64 = format!("{:0<6}", &text[..digits.min(6)]).parse().ok()?;
        self.rest = &self.rest[digits..];
        Some(kept + i64::from(round_up))
    }

    fn offset(&mut self) -> Option<i64> {
        for name in ["Z", "UTC", "GMT"] {
            if self.rest.eq_ignore_ascii_case(name) {
                self.rest = "";
                return Some(0);
            }
        }
        let sign = if self.take('+') {
            1
        } else if self.take('-') {
            -1
        } else {
            return Some(0);
        };
        let digits = self.digit_count();
        let (hours, mut minutes, mut seconds) = match digits {
            1 | 2 => (self.number(digits)?, 0, 0),
            4 => (self.number(2)?, self.number(2)?, 0),
            _ => return None,
        };
        if digits <= 2 && self.take(':') {
            minutes = self.number(2)?;
            if self.take(':') {
                seconds = self.number(2)?;
            }
        }
        if minutes > 59 || seconds > 59 {
            return None;
        }
        Some(sign * (hours * 3600 + minutes * 60 + seconds))
    }

    fn digit_count(&self) -> usize {
        self.rest.bytes().take_while(u8::is_ascii_digit).count()
    }

    fn number(&mut self, digits: usize) -> Option<i64> {
        let text = self.rest.get(..digits)?;
        if digits == 0 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.rest = &self.rest[digits..];
        text.parse().ok()
    }

    fn take(&mut self, token: char) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn spaces(&mut self) -> bool {
        let rest = self.rest.trim_ascii_start();
        let any = rest.len() < self.rest.len();
        self.rest = rest;
        any
    }
}

fn civil(micros: i64) -> DateTime {
    // A stored value outside jiff's years (-9999 … 9999) is shown as the nearest one it has.
    let nearest = if micros < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Offset::UTC.to_datetime(Timestamp::from_microsecond(micros).unwrap_or(nearest))
}

fn fraction_text(at: DateTime) -> String {
    let micros = at.subsec_nanosecond() / 1000;
    if micros == 0 {
        String::new()
    } else {
        format!(".{micros:06}").trim_end_matches('0').to_owned()
    }
}

/// RFC 3339 in UTC with `Z`, a fraction only when it is not zero: `2026-11-24T02:12:09.88Z`.
pub(crate) fn rfc3339(micros: i64) -> String {
    let at = civil(micros);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        fraction_text(at)
    )
}

/// PostgreSQL's own text, used in CSV and by `::text`: `2026-11-24 02:12:09.88+00`.
pub(crate) fn sql_text(micros: i64) -> String {
    let at = civil(micros);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}{}+00",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        fraction_text(at)
    )
}

/// The date alone, used by `::date`: `2026-11-24`.
pub(crate) fn date_text(micros: i64) -> String {
    let at = civil(micros);
    format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24T02:12:09Z.
    const BASE: i64 = 1_795_486_329_000_000;

    #[test]
    fn the_usual_forms_name_the_same_instant() {
        for text in [
            "2026-11-24T02:12:09Z",
            "2026-11-24t02:12:09z",
            "2026-11-24 02:12:09+00",
            "2026-11-24 02:12:09 +00:00",
            "2026-11-24 02:12:09",
            "2026-11-24 03:12:09+01",
            "2026-11-24 07:42:09+0530",
            "2026-11-24 07:42:09+05:30",
            "2026-11-23T18:12:09-08:00",
            "20261124T021209Z",
            "2026/11/24 2:12:09 UTC",
            "  2026-11-24 02:12:09 gmt ",
            "2026-11-24 02:12:08.9999999",
        ] {
            assert_eq!(read(text, 0), Ok(BASE), "{text}");
        }
    }

    #[test]
    fn dates_and_words_are_read() {
        assert_eq!(read("2026-11-24", 0), Ok(BASE - 7_929_000_000));
        assert_eq!(read("2026-11-24 02:12", 0), Ok(BASE - 9_000_000));
        assert_eq!(read("2026-11-24 24:00", 0), read("2026-11-25", 0));
        assert_eq!(read("now", BASE), Ok(BASE));
        assert_eq!(read("Today", BASE), read("2026-11-24", 0));
        assert_eq!(read("tomorrow", BASE), read("2026-11-25", 0));
        assert_eq!(read("yesterday", BASE), read("2026-11-23", 0));
        assert_eq!(read("epoch", BASE), Ok(0));
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_right_code() {
        for (text, code) in [
            ("", "22007"),
            ("x", "22007"),
            ("2026", "22007"),
            ("2026-11", "22007"),
            ("2026-11-24x", "22007"),
            ("2026-11-24 02", "22007"),
            ("2026-11-24 02:12:09+1:2", "22007"),
            ("2026-11-24 02:12:09 Mars/Base", "22007"),
            ("infinity", "22007"),
            ("2026-13-01", "22008"),
            ("2026-02-30", "22008"),
            ("0000-01-01", "22008"),
            ("12026-01-01", "22008"),
            ("2026-01-01 25:00", "22008"),
            ("2026-01-01 24:00:01", "22008"),
            ("2026-01-01 00:61", "22008"),
        ] {
            assert_eq!(
                read(text, 0).map_err(|error| error.code.into_owned()),
                Err(code.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn a_fraction_is_printed_only_when_it_is_not_zero() {
        assert_eq!(rfc3339(BASE), "2026-11-24T02:12:09Z");
        assert_eq!(rfc3339(BASE + 880_000), "2026-11-24T02:12:09.88Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(sql_text(BASE + 880_000), "2026-11-24 02:12:09.88+00");
        assert_eq!(date_text(BASE), "2026-11-24");
        assert_eq!(rfc3339(i64::MAX).len(), "9999-12-30T22:00:00.999999Z".len());
    }
}
