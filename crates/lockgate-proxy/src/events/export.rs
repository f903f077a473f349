//! Events as lines of JSON, for whoever keeps them in another form.

use std::io::{self, Write};

use super::cursor::Cursor;
use super::filter::Filter;
use super::reader::{Reader, PAGE_MAX};

/// What was written, and where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Events written.
    pub events: u64,
    /// Where to go on; none if the log has no segment yet.
    pub cursor: Option<Cursor>,
    /// There is more to read now.
    pub more: bool,
    /// Bytes that were passed over because they are no good frame.
    pub damaged_bytes: u64,
    /// Events that were passed over because this version cannot read them.
    pub unreadable: u64,
    /// Events may have been deleted unread.
    pub gap: bool,
}

/// Writes what `reader` reads, each event a line, until there are `limit` or
/// no more. One page is held in memory.
///
/// # Errors
/// If the log cannot be read, or `out` not written.
pub fn export(
    reader: &mut Reader,
    filter: &Filter,
    limit: u64,
    out: &mut impl Write,
) -> io::Result<Exported> {
    let mut told = Exported {
        more: true,
        ..Exported::default()
    };
    while told.more && told.events < limit {
        let left = usize::try_from(limit - told.events).unwrap_or(PAGE_MAX);
        let page = reader.page(filter, left.min(PAGE_MAX))?;
        for event in &page.events {
            serde_json::to_writer(&mut *out, event)?;
            out.write_all(b"\n")?;
        }
        told.events += page.events.len() as u64;
        told.cursor = page.cursor;
        told.more = page.more;
        told.damaged_bytes += page.damaged_bytes;
        told.unreadable += page.unreadable;
        told.gap |= page.gap;
    }
    Ok(told)
}

#[cfg(test)]
mod tests;
