//! The event log: what happened, written down without ever holding up a request.
//!
//! ```text
//! worker ─ Sink ─┐ chunks of frames        fdatasync, at most every 200 ms
//! worker ─ Sink ─┼──────────▶ writer ──▶ <start_ms>-<seq>.seg ──▶ watermark
//! anyone ─ append┘ ◀───────── thread
//!                empty chunks
//! ```
//!
//! One [`EventLog`] per process and directory. Each worker takes a [`Sink`] and
//! writes one [`AccessRecord`] per request into it, by [`Sink::access`] or, if
//! the gate refused the request, by [`Sink::security`]; from a tick of about
//! 50 ms it calls [`Sink::flush`]. Rare events go through [`EventLog::append`]
//! from any thread, and those that must survive (audit) through
//! [`EventLog::append_durable`].
//!
//! Memory is fixed ([`Options::pool_bytes`]). While the disk is slow, full or
//! broken, events wait in it; beyond that they are dropped, access events
//! first, and counted by class in [`EventLog::counters`] and in the log itself
//! (a system event `events-dropped`). No request waits and none fails for it.
//!
//! ```no_run
//! # use lockgate_proxy::events::{EventLog, Options};
//! # fn main() -> std::io::Result<()> {
//! let log = EventLog::start("gate/events".as_ref(), Options::default())?;
//! let sink = log.sink(); // one per worker
//! // … sink.access(&record); … sink.flush(); …
//! drop(sink);
//! log.close();
//! # Ok(())
//! # }
//! ```

mod blot;
mod bound;
pub(crate) mod cbor;
pub mod chain;
mod clock;
mod compact;
mod counters;
mod cursor;
mod export;
#[cfg(test)]
mod faults;
mod filter;
mod frame;
mod log;
mod pool;
mod reader;
mod record;
mod recovery;
mod scan;
mod schema;
mod search;
mod segment;
mod sink;
mod store;
#[cfg(test)]
mod testing;
mod watermark;
mod writer;

pub use blot::{blotted, blotted_text};
pub use counters::{Counters, PerClass};
pub use cursor::{BadCursor, Cursor};
pub use export::{export, Exported};
pub use filter::Filter;
pub use log::{AppendError, EventLog, Options, Receipt};
pub use reader::{durable_until, Page, Reader, PAGE_MAX};
pub use record::{
    AccessRecord, DeviceRecord, Finding, InspectedRecord, SpanRecord, VerdictRecord, FOUND_MAX,
    FOUND_TEXT_MAX, PLACES_MAX, RECORD_MAX, TEXT_MAX,
};
pub use schema::{
    json_schema, Audit, Body, Class, Event, Exchange, Found, Inspected, Outcome, Span, System,
    Verdict, EVENT_VERSION,
};
pub use search::{find, last};
pub use sink::Sink;
