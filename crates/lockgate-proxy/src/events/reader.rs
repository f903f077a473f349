//! Reads a log in order, page by page, from a cursor; also while it is written.
//!
//! A reader sees events as soon as they are written, which may be a moment
//! before they are on disk; [`durable_until`] says how far that is. It never
//! writes, takes no lock, and holds one window of one segment in memory.

use std::io;
use std::path::{Path, PathBuf};

use super::cbor;
use super::chain::Hash;
use super::cursor::Cursor;
use super::filter::Filter;
use super::frame::{Frame, SEGMENT_HEADER};
use super::scan::Scan;
use super::schema::{Body, Event};
use super::segment::{self, Header, Listed, Name};
use super::watermark;

/// Most events of one page: with the largest events some tens of megabytes.
pub const PAGE_MAX: usize = 10_000;

/// Bytes read for one page, so that a call ends even if the filter wants nothing.
const PAGE_SCAN_BYTES: u64 = 64 << 20;

/// Some events and where to go on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// Where to go on; none if the log has no segment yet.
    pub cursor: Option<Cursor>,
    /// There is more to read now, even if `events` is empty or short.
    pub more: bool,
    /// Bytes that were passed over because they are no good frame.
    pub damaged_bytes: u64,
    /// Events that were passed over because this version cannot read them.
    pub unreadable: u64,
    /// The cursor's segment is gone: events may have been deleted unread.
    pub gap: bool,
}

/// Everything below this place survives a crash; none before the first sync.
pub fn durable_until(dir: &Path) -> io::Result<Option<Cursor>> {
    watermark::read(dir)
}

/// A reader of one directory.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    cursor: Option<Cursor>,
    /// Where to stop, as if the log ended there.
    until: Option<Cursor>,
    current: Option<Current>,
}

/// The segment that is being read.
#[derive(Debug)]
struct Current {
    name: Name,
    node: String,
    scan: Scan,
    /// A newer segment was seen: nothing will be appended to this one.
    sealed: bool,
}

impl Reader {
    /// Reads after `cursor`, or from the beginning.
    #[must_use]
    pub fn new(dir: &Path, cursor: Option<Cursor>) -> Self {
        Self {
            dir: dir.to_owned(),
            cursor,
            until: None,
            current: None,
        }
    }

    /// Reads no further than `until`, as if the log ended there.
    #[must_use]
    pub const fn until(mut self, until: Option<Cursor>) -> Self {
        self.until = until;
        self
    }

    /// The next events that `filter` wants, at most `limit`. A page that is not
    /// `more` has reached the end of what is written so far.
    pub fn page(&mut self, filter: &Filter, limit: usize) -> io::Result<Page> {
        let limit = limit.clamp(1, PAGE_MAX);
        let mut page = Page {
            more: true,
            ..Page::default()
        };
        let mut budget = PAGE_SCAN_BYTES;
        let until = self.until;
        while page.events.len() < limit && budget > 0 {
            let Some(current) = &mut self.current else {
                if self.open_next(filter, &mut page)? {
                    continue;
                }
                page.more = false;
                break;
            };
            let before = current.scan.offset();
            if until.is_some_and(|until| until.reached(current.name, before)) {
                page.more = false;
                break;
            }
            if let Some(found) = current.scan.next()? {
                budget = budget.saturating_sub(found.end() - before);
                if found.frame.class_code() != SEGMENT_HEADER {
                    take(&found.frame, &current.node, filter, &mut page);
                }
            } else if !self.leave(&mut page)? {
                page.more = false;
                break;
            }
        }
        if let Some(current) = &mut self.current {
            page.damaged_bytes += std::mem::take(&mut current.scan.damaged);
            self.cursor = Some(Cursor {
                name: current.name,
                offset: current.scan.offset(),
            });
        }
        page.cursor = self.cursor;
        Ok(page)
    }

    /// Opens the segment of the cursor, or the first after it.
    fn open_next(&mut self, filter: &Filter, page: &mut Page) -> io::Result<bool> {
        let segments = segment::list(&self.dir)?;
        let Some(name) = self.choose(&segments, filter) else {
            return Ok(false);
        };
        let offset = match self.cursor {
            Some(cursor) if cursor.name == name => cursor.offset,
            Some(_) => {
                page.gap = true;
                0
            }
            None => 0,
        };
        let path = name.path(&self.dir);
        let opened = Scan::open(&path, 0).and_then(|mut scan| {
            let node = node_of(&mut scan)?;
            if offset > 0 || node.is_none() {
                scan = Scan::open(&path, offset)?;
            }
            Ok(Current {
                name,
                node: node.unwrap_or_default(),
                scan,
                sealed: false,
            })
        });
        match opened {
            Ok(current) => self.current = Some(current),
            // Retention was quicker.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                page.gap = true;
                self.cursor = Some(Cursor { name, offset: 0 });
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn choose(&self, segments: &[Listed], filter: &Filter) -> Option<Name> {
        if let Some(cursor) = self.cursor {
            return segments
                .iter()
                .map(|it| it.name)
                .find(|name| name.seq >= cursor.name.seq);
        }
        // A segment ends when the next begins, and an event is written after
        // it happened: what ended before `since` holds nothing wanted.
        let ended = |pair: &&[Listed]| !filter.wants_segment_until(pair[1].name.start_ms);
        let skipped = segments.windows(2).take_while(ended).count();
        segments.get(skipped).map(|listed| listed.name)
    }

    /// At the end of what is written: goes to the next segment if there is
    /// one; false if this is the end of the log.
    fn leave(&mut self, page: &mut Page) -> io::Result<bool> {
        let Some(current) = &mut self.current else {
            return Ok(false);
        };
        let segments = segment::list(&self.dir)?;
        let Some(next) = segments.iter().find(|it| it.name.seq > current.name.seq) else {
            return Ok(false);
        };
        if !current.sealed {
            // It was sealed before the next began, but perhaps after it was
            // last looked at: look once more.
            current.sealed = true;
            return Ok(true);
        }
        let size = segments
            .iter()
            .find(|it| it.name == current.name)
            .map_or(0, |it| it.bytes);
        page.damaged_bytes += size.saturating_sub(current.scan.offset());
        page.damaged_bytes += current.scan.damaged;
        page.gap |= next.name.seq > current.name.seq + 1;
        self.cursor = Some(Cursor {
            name: next.name,
            offset: 0,
        });
        self.current = None;
        Ok(true)
    }
}

/// Puts the frame's event into the page if it is wanted.
fn take(frame: &Frame<'_>, node: &str, filter: &Filter, page: &mut Page) {
    if frame.class().is_none() {
        page.unreadable += 1;
    } else if filter.wants(frame) {
        match event_of(frame, node) {
            Some(event) => page.events.push(event),
            None => page.unreadable += 1,
        }
    }
}

/// The frame's event.
pub(crate) fn event_of(frame: &Frame<'_>, node: &str) -> Option<Event> {
    let mut event = cbor::decode(frame.class()?, frame.payload(), node).ok()?;
    if let Body::Audit(audit) = &mut event.body {
        audit.hash = Hash::of_payload(frame.payload()).to_hex();
    }
    Some(event)
}

/// The node of a segment's header, if the scan, at the beginning, finds it.
pub(crate) fn node_of(scan: &mut Scan) -> io::Result<Option<String>> {
    let Some(found) = scan.next()? else {
        return Ok(None);
    };
    if found.frame.class_code() != SEGMENT_HEADER {
        return Ok(None);
    }
    Ok(Header::read(found.frame.payload()).map(|header| header.node))
}

#[cfg(test)]
mod tests;
