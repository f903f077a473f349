//! Looks back from the newest event: one event by its id, or the last few.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use super::cbor;
use super::cursor::Cursor;
use super::filter::Filter;
use super::frame::{Frame, SEGMENT_HEADER};
use super::reader::{event_of, node_of, Page, PAGE_MAX};
use super::scan::Scan;
use super::schema::Event;
use super::segment::{self, Listed};

/// The newest event of this id. Only ids are compared, and only the event
/// found is decoded.
pub fn find(dir: &Path, id: &str) -> io::Result<Option<Event>> {
    for listed in segment::list(dir)?.into_iter().rev() {
        let mut newest: Option<Event> = None;
        walk(dir, listed, |frame, node| {
            if cbor::id_of(frame.payload()) == Some(id) {
                newest = event_of(frame, node);
            }
        })?;
        if newest.is_some() {
            return Ok(newest);
        }
    }
    Ok(None)
}

/// The last `count` events that `filter` wants, oldest first, and the cursor
/// from which to follow.
pub fn last(dir: &Path, filter: &Filter, count: usize) -> io::Result<Page> {
    let count = count.min(PAGE_MAX);
    let mut page = Page::default();
    let mut events: VecDeque<Event> = VecDeque::new();
    let mut segments = segment::list(dir)?;
    while let Some(listed) = segments.pop() {
        let wanted = count - events.len();
        let mut newest: VecDeque<(Vec<u8>, String)> = VecDeque::new();
        let walked = walk(dir, listed, |frame, node| {
            if wanted > 0 && filter.wants(frame) {
                if newest.len() == wanted {
                    newest.pop_front();
                }
                newest.push_back((frame.bytes().to_vec(), node.to_owned()));
            }
        })?;
        page.cursor.get_or_insert(Cursor {
            name: listed.name,
            offset: walked.end,
        });
        page.damaged_bytes += walked.damaged;
        for (bytes, node) in newest.into_iter().rev() {
            match event_of(&Frame::of(&bytes), &node) {
                Some(event) => events.push_front(event),
                None => page.unreadable += 1,
            }
        }
        // The segments before this one ended when it began.
        if events.len() >= count || !filter.wants_segment_until(listed.name.start_ms) {
            break;
        }
    }
    page.events = events.into();
    Ok(page)
}

struct Walked {
    end: u64,
    damaged: u64,
}

/// Shows `visit` every event frame of a segment. One that retention has just
/// deleted is as good as empty.
fn walk(dir: &Path, listed: Listed, mut visit: impl FnMut(&Frame<'_>, &str)) -> io::Result<Walked> {
    let path = listed.name.path(dir);
    let mut scan = match Scan::open(&path, 0) {
        Ok(scan) => scan,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Walked { end: 0, damaged: 0 });
        }
        Err(error) => return Err(error),
    };
    let node = node_of(&mut scan)?;
    if node.is_none() {
        // The header is damaged; the events after it need not be.
        scan = Scan::open(&path, 0)?;
    }
    let node = node.unwrap_or_default();
    while let Some(found) = scan.next()? {
        if found.frame.class_code() != SEGMENT_HEADER {
            visit(&found.frame, &node);
        }
    }
    Ok(Walked {
        end: scan.offset(),
        damaged: scan.damaged,
    })
}

#[cfg(test)]
mod tests;
