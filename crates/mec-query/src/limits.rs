//! The bounds of one request, so that none costs more than it should. Beyond each is a clear error.

/// Parameters in one query string.
pub const MAX_PARAMETERS: usize = 256;
/// Conditions of one request, counting each item of an `any`/`all` list.
pub const MAX_CONDITIONS: usize = 512;
/// Values of one `in` list.
pub const MAX_LIST: usize = 5_000;
/// Levels of `and`/`or` within each other.
pub const MAX_LOGIC_DEPTH: usize = 16;
/// Levels of embedding within each other.
pub const MAX_EMBED_DEPTH: usize = 8;
/// Embeds of one request.
pub const MAX_EMBEDS: usize = 32;
/// Columns of one `select` (all levels), `order` terms, and steps of one JSON path.
pub const MAX_ITEMS: usize = 256;
/// Rows of one request body.
pub const MAX_BODY_ROWS: usize = 100_000;
/// Values, keys and separators of one request body: read, each takes up to about 200 bytes.
pub const MAX_BODY_VALUES: usize = 500_000;
