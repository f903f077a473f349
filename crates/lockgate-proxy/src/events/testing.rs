//! What several tests of the log share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{AccessRecord, Body, Event, Filter, Options, Reader};

/// A directory that goes when the test ends.
#[derive(Debug)]
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "lockgate-events-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl std::ops::Deref for Dir {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn options() -> Options {
    Options {
        node: "node-1".to_owned(),
        ..Options::default()
    }
}

/// A request's event with this id.
pub(crate) fn record(id: &str) -> AccessRecord<'_> {
    AccessRecord {
        at_ms: 1_700_000_000_000,
        id,
        method: "GET",
        host: "shop.example.com",
        path: "/products/1",
        listener: "public",
        api: Some("shop"),
        route: Some("/"),
        version: None,
        own: None,
        operation: None,
        peer: [127, 0, 0, 1].into(),
        key: Some("key_1"),
        identity: None,
        secret: None,
        country: None,
        network: None,
        status: 200,
        reason: None,
        room: None,
        span: None,
        verdicts: &[],
        bytes_in: 0,
        bytes_out: 5,
        took_us: 9,
        upstream_us: None,
        upstream: None,
        target: None,
        bundle: "b",
        trace: None,
        worker: 0,
        user_agent: None,
        protocol: None,
        tls: None,
        ja4: None,
        http2: None,
        header_order: None,
        waf: None,
        device: None,
        app: None,
        grounds: &[],
        dropped: None,
        noted: None,
        ended: None,
        risk: None,
    }
}

/// All events of a directory, page by page.
pub(crate) fn read_all(dir: &Path) -> Vec<Event> {
    let mut reader = Reader::new(dir, None);
    let mut events = Vec::new();
    loop {
        let page = reader.page(&Filter::default(), 100).unwrap();
        events.extend(page.events);
        if !page.more {
            return events;
        }
    }
}

/// The ids of the requests among some events.
pub(crate) fn request_ids(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter(|event| matches!(event.body, Body::Access(_) | Body::Security(_)))
        .map(|event| event.id.clone())
        .collect()
}

/// The system events' codes.
pub(crate) fn system_codes(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| match &event.body {
            Body::System(system) => Some(system.code.clone()),
            _ => None,
        })
        .collect()
}

/// The directory's segments, oldest first.
pub(crate) fn segment_files(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    paths.sort();
    paths
}
