//! What a URL must not hold is percent-encoded on its way to the HTTP library, which would refuse
//! it: people type `select=metadata->x` and `in.("a")`, and curl sends that as it is.
//!
//! Only bytes of a request line's target are changed, and a target ends at its first blank, so
//! nothing that decides where a request ends is ever touched. Where a head begins is known by
//! counting: behind a body of a length that the HTTP library itself has read. Where it is not
//! certain (a chunked body), nothing is changed for the rest of the connection.

/// Where in a request the next byte of the wire stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the method, or in it.
    Method,
    Target,
    /// Behind the target, in the request line or in a header line that has begun.
    Line,
    /// At the beginning of a header line.
    LineStart,
    /// Behind a carriage return at the beginning of a header line.
    LastReturn,
    /// Behind a head; the HTTP library has not said yet how long the body is.
    Untold,
    /// In a body, with so many bytes to come.
    Body(u64),
    /// Nothing is known any more, and nothing is changed.
    Unknown,
}

/// Follows the requests of a connection.
#[derive(Debug)]
pub(super) struct HeadMender {
    place: Place,
}

impl HeadMender {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Method,
        }
    }

    /// The HTTP library has read a head, and its body has this length; `None`: it is chunked.
    pub(super) fn body_told(&mut self, length: Option<u64>) {
        self.place = match (self.place, length) {
            (Place::Untold, Some(0)) => Place::Method,
            (Place::Untold, Some(length)) => Place::Body(length),
            _ => Place::Unknown,
        };
    }

    /// Takes bytes as they came: how many of them may be handed on now, and what to hand on instead
    /// of these where they cannot stay as they are.
    pub(super) fn take(&mut self, came: &[u8]) -> (usize, Option<Vec<u8>>) {
        if self.place == Place::Untold {
            // The library asks for more than the head that ended here: it reads heads in another
            // way.
            self.place = Place::Unknown;
        }
        let (mut at, mut mended) = (0, None::<Vec<u8>>);
        while at < came.len() {
            match self.place {
                Place::Unknown => {
                    if let Some(mended) = &mut mended {
                        mended.extend_from_slice(&came[at..]);
                    }
                    at = came.len();
                }
                Place::Body(left) => {
                    let here = left.min((came.len() - at) as u64);
                    let end = at + usize::try_from(here).unwrap_or(came.len() - at);
                    if let Some(mended) = &mut mended {
                        mended.extend_from_slice(&came[at..end]);
                    }
                    at = end;
                    self.place = if left == here {
                        Place::Method
                    } else {
                        Place::Body(left - here)
                    };
                }
                Place::Untold => break,
                place => {
                    let byte = came[at];
                    if place == Place::Target && is_mended(byte) {
                        push_encoded(mended.get_or_insert_with(|| came[..at].to_vec()), byte);
                    } else if let Some(mended) = &mut mended {
                        mended.push(byte);
                    }
                    self.place = after(place, byte);
                    at += 1;
                }
            }
        }
        (at, mended)
    }
}

/// Where the byte behind this one of a head stands.
fn after(place: Place, byte: u8) -> Place {
    match (place, byte) {
        (Place::Method, b' ') => Place::Target,
        // Empty lines before a request are skipped.
        (Place::Method, b'\r' | b'\n') => Place::Method,
        (Place::Target, b' ') => Place::Line,
        (Place::Target | Place::Line, b'\n') => Place::LineStart,
        (Place::LineStart, b'\r') => Place::LastReturn,
        (Place::LineStart | Place::LastReturn, b'\n') => Place::Untold,
        (Place::LineStart | Place::LastReturn, _) => Place::Line,
        (place, _) => place,
    }
}

/// Whether it is none of RFC 3986's characters although people write it, and harmless: blanks and
/// control characters stay an error.
fn is_mended(byte: u8) -> bool {
    matches!(
        byte,
        b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80..
    )
}

fn push_encoded(text: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.extend([
        b'%',
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the library would read of these pieces, told the lengths of the bodies one after the
    /// other.
    fn read(pieces: &[&[u8]], lengths: &[Option<u64>]) -> String {
        let (mut mender, mut lengths) = (HeadMender::new(), lengths.iter());
        let mut out = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (taken, mended) = mender.take(rest);
                out.extend(mended.as_deref().unwrap_or(&rest[..taken]));
                rest = &rest[taken..];
                if mender.place == Place::Untold
                    && let Some(length) = lengths.next()
                {
                    mender.body_told(*length);
                }
            }
        }
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn a_target_is_encoded_and_nothing_else() {
        let sent = b"\r\nGET /a>\"\xc3\xbc HTTP/1.1\r\nX: >\r\n\r\n>body>POST /> H>\n\r\n>";
        let wanted = "\r\nGET /a%3E%22%C3%BC HTTP/1.1\r\nX: >\r\n\r\n>body>POST /%3E H>\n\r\n>";
        assert_eq!(read(&[sent], &[Some(6), Some(1)]), wanted);
        // However it is cut into pieces.
        let bytes: Vec<&[u8]> = sent.chunks(1).collect();
        assert_eq!(read(&bytes, &[Some(6), Some(1)]), wanted);
    }

    #[test]
    fn nothing_is_changed_where_it_is_not_certain_what_is_a_head() {
        let sent = b"GET /> HTTP/1.1\r\n\r\nGET /> HTTP/1.1\r\n\r\n";
        let wanted = "GET /%3E HTTP/1.1\r\n\r\nGET /> HTTP/1.1\r\n\r\n";
        assert_eq!(read(&[sent], &[None]), wanted);
        assert_eq!(read(&[sent], &[]), wanted);
        let mut early = HeadMender::new();
        early.take(b"GET /");
        early.body_told(Some(0));
        assert_eq!(early.place, Place::Unknown);
    }
}
