//! A watcher of what a client sends on an HTTP/2 connection.
//!
//! HTTP/2 lets a client make a server work with frames of a few bytes. The
//! library behind the gate counts some of them; this watcher counts all, on
//! the raw bytes before the library sees them, so that each flood has a limit
//! and a name. It reads the frames' headers and passes over what they carry:
//! it keeps nine bytes of a header, or [`Fingerprint`]'s part of a payload,
//! and never alters or holds back anything.
//!
//! The verdict depends on the bytes and the clock, never on how they were cut.

pub(crate) mod budgets;
mod fingerprint;
mod frame;
mod pseudo;
pub mod reasons;
#[cfg(test)]
mod tests;

pub use budgets::{Budget, Budgets};
pub use fingerprint::Fingerprint;
pub use frame::Kind;

use crate::reason::ReasonRef;
use budgets::Bucket;
use frame::{Frame, HEADER, KEPT, KINDS};

/// What every client sends first (RFC 9113, 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Sent bytes that buy the client one WINDOW_UPDATE more. Go's client sends
/// two for each 4 KiB, and no common one sends more.
const BYTES_PER_WINDOW_UPDATE: u64 = 2048;

const PROTOCOL_ERROR: u32 = 1;
const FRAME_SIZE_ERROR: u32 = 6;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Why the connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breach {
    /// What is wrong.
    pub reason: ReasonRef,
    /// The code for GOAWAY (RFC 9113, 7).
    pub error_code: u32,
}

impl Breach {
    const fn new(reason: ReasonRef, error_code: u32) -> Self {
        Self { reason, error_code }
    }
}

impl From<ReasonRef> for Breach {
    /// A budget is used up.
    fn from(reason: ReasonRef) -> Self {
        Self::new(reason, ENHANCE_YOUR_CALM)
    }
}

/// Watches the bytes that a client sends.
#[derive(Debug)]
pub struct Watcher {
    state: State,
    /// The part of a header or payload that has come.
    held: [u8; KEPT],
    filled: usize,
    /// A header block that is not over.
    block: Option<Block>,
    limits: Budgets,
    buckets: Buckets,
    counts: [u64; KINDS],
    fingerprint: Fingerprint,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Preface {
        matched: usize,
    },
    Header {
        first: bool,
    },
    /// So many bytes of the payload must be seen.
    Kept {
        frame: Frame,
        wanted: usize,
    },
    /// So many bytes pass unseen.
    Passing {
        left: u32,
    },
    Failed(Breach),
}

#[derive(Debug, Clone, Copy)]
struct Block {
    stream: u32,
    continuations: u32,
    bytes: u32,
}

#[derive(Debug)]
struct Buckets {
    settings: Bucket,
    ping: Bucket,
    rst_stream: Bucket,
    induced_resets: Bucket,
    priority: Bucket,
    window_update: Bucket,
    empty_data: Bucket,
    empty_headers: Bucket,
    unknown: Bucket,
}

impl Watcher {
    /// A watcher for a new connection, whose first bytes are the preface.
    /// `now_ms` is any clock in milliseconds that only goes forward.
    #[must_use]
    pub fn new(budgets: Budgets, now_ms: u64) -> Self {
        let full = |budget| Bucket::full(budget, now_ms);
        Self {
            state: State::Preface { matched: 0 },
            held: [0; KEPT],
            filled: 0,
            block: None,
            limits: budgets,
            buckets: Buckets {
                settings: full(budgets.settings),
                ping: full(budgets.ping),
                rst_stream: full(budgets.rst_stream),
                induced_resets: full(budgets.induced_resets),
                priority: full(budgets.priority),
                window_update: full(budgets.window_update),
                empty_data: full(budgets.empty_data),
                empty_headers: full(budgets.empty_headers),
                unknown: full(budgets.unknown),
            },
            counts: [0; KINDS],
            fingerprint: Fingerprint::default(),
        }
    }

    /// As [`Watcher::new`], where another reader took the preface.
    #[must_use]
    pub fn after_preface(budgets: Budgets, now_ms: u64) -> Self {
        Self {
            state: State::Header { first: true },
            ..Self::new(budgets, now_ms)
        }
    }

    /// Looks at newly read bytes, which may then go on.
    ///
    /// # Errors
    /// Why the connection must end, before the library reads `input`; again
    /// at every later call.
    pub fn feed(&mut self, input: &[u8], now_ms: u64) -> Result<(), Breach> {
        self.read(input, now_ms).inspect_err(|breach| {
            self.state = State::Failed(*breach);
        })
    }

    /// The server sent so many bytes of DATA, which the client may grant anew
    /// with WINDOW_UPDATE frames.
    pub fn sent_data(&mut self, bytes: u64) {
        let earned = bytes.saturating_mul(1000) / BYTES_PER_WINDOW_UPDATE;
        self.buckets.window_update.add(earned);
    }

    /// Frames of a kind so far.
    #[must_use]
    pub fn count(&self, kind: Kind) -> u64 {
        self.counts[kind as usize]
    }

    /// What tells this client from others; complete with the first request.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn read(&mut self, mut input: &[u8], now_ms: u64) -> Result<(), Breach> {
        if let State::Failed(breach) = self.state {
            return Err(breach);
        }
        while !input.is_empty() {
            match self.state {
                State::Failed(breach) => return Err(breach),
                State::Preface { matched } => {
                    let due = &PREFACE[matched..];
                    let here = due.len().min(input.len());
                    if due[..here] != input[..here] {
                        return Err(Breach::new(&reasons::NOT_HTTP2, PROTOCOL_ERROR));
                    }
                    input = &input[here..];
                    self.state = match matched + here {
                        matched if matched < PREFACE.len() => State::Preface { matched },
                        _ => State::Header { first: true },
                    };
                }
                State::Header { first } => {
                    input = self.hold(input, HEADER);
                    if self.filled == HEADER {
                        self.filled = 0;
                        self.header(first, now_ms)?;
                    }
                }
                State::Kept { frame, wanted } => {
                    input = self.hold(input, wanted);
                    if self.filled == wanted {
                        self.filled = 0;
                        self.payload(frame, wanted, now_ms)?;
                    }
                }
                State::Passing { left } => {
                    // Not more than `left`, so the casts lose nothing.
                    let here = input.len().min(left as usize);
                    if self.fingerprint.wants_block() {
                        self.fingerprint.block(&input[..here]);
                    }
                    input = &input[here..];
                    self.pass(left - here as u32);
                }
            }
        }
        Ok(())
    }

    /// Copies until `wanted` bytes are held, and gives the rest.
    fn hold<'a>(&mut self, input: &'a [u8], wanted: usize) -> &'a [u8] {
        let (here, rest) = input.split_at(input.len().min(wanted - self.filled));
        self.held[self.filled..][..here.len()].copy_from_slice(here);
        self.filled += here.len();
        rest
    }

    fn pass(&mut self, left: u32) {
        if left == 0 && self.block.is_none() && self.fingerprint.wants_block() {
            self.fingerprint.block_over();
        }
        self.state = match left {
            0 => State::Header { first: false },
            left => State::Passing { left },
        };
    }

    /// A frame's header is whole.
    fn header(&mut self, first: bool, now_ms: u64) -> Result<(), Breach> {
        let header = self.held.first_chunk::<HEADER>();
        let frame = Frame::parse(header.unwrap_or(&[0; HEADER]));
        self.counts[frame.kind as usize] += 1;
        if first && (frame.kind != Kind::Settings || frame.is_ack()) {
            return Err(Breach::new(&reasons::NOT_HTTP2, PROTOCOL_ERROR));
        }
        if frame.length > self.limits.frame_bytes {
            return Err(Breach::new(&reasons::FRAME_TOO_LARGE, FRAME_SIZE_ERROR));
        }
        self.in_order(&frame)?;
        frame.check_length()?;
        self.pay(&frame, now_ms)?;
        match frame.kept() {
            0 => self.payload(frame, 0, now_ms),
            wanted => {
                self.state = State::Kept { frame, wanted };
                Ok(())
            }
        }
    }

    /// RFC 9113, 6.10: nothing may come between the frames of a header block.
    fn in_order(&mut self, frame: &Frame) -> Result<(), Breach> {
        let in_order = match (self.block, frame.kind) {
            (_, Kind::PushPromise) => false,
            (Some(block), Kind::Continuation) => block.stream == frame.stream,
            (Some(_), _) => false,
            (None, kind) => kind != Kind::Continuation,
        };
        if !in_order {
            return Err(Breach::new(&reasons::FRAME_ORDER, PROTOCOL_ERROR));
        }
        let mut block = match (self.block, frame.kind) {
            (Some(block), _) => Block {
                continuations: block.continuations + 1,
                ..block
            },
            (None, Kind::Headers) => Block {
                stream: frame.stream,
                continuations: 0,
                bytes: 0,
            },
            (None, _) => return Ok(()),
        };
        self.fingerprint.begin_block(frame.before_block());
        block.bytes = block.bytes.saturating_add(frame.length);
        if block.continuations > self.limits.continuations {
            return Err(ReasonRef::from(&reasons::HEADER_BLOCK_FRAMES).into());
        }
        if block.bytes > self.limits.header_block_bytes {
            return Err(ReasonRef::from(&reasons::HEADER_BLOCK_TOO_LARGE).into());
        }
        self.block = (!frame.ends_headers()).then_some(block);
        Ok(())
    }

    /// Takes from the budget of the frame's kind.
    fn pay(&mut self, frame: &Frame, now_ms: u64) -> Result<(), Breach> {
        let buckets = &mut self.buckets;
        let (bucket, reason) = match frame.kind {
            Kind::Settings if frame.length as usize > KEPT => {
                return Err(ReasonRef::from(&reasons::SETTINGS_TOO_MANY).into());
            }
            Kind::Settings => (&mut buckets.settings, &reasons::SETTINGS_FLOOD),
            Kind::Ping => (&mut buckets.ping, &reasons::PING_FLOOD),
            Kind::RstStream => (&mut buckets.rst_stream, &reasons::RESET_FLOOD),
            Kind::Priority => (&mut buckets.priority, &reasons::PRIORITY_FLOOD),
            Kind::WindowUpdate => (&mut buckets.window_update, &reasons::WINDOW_UPDATE_FLOOD),
            Kind::Unknown => (&mut buckets.unknown, &reasons::UNKNOWN_FRAMES_FLOOD),
            _ => return Ok(()),
        };
        Ok(bucket.take(now_ms, reason)?)
    }

    /// As much of the payload as must be seen is there.
    fn payload(&mut self, frame: Frame, wanted: usize, now_ms: u64) -> Result<(), Breach> {
        let kept = &self.held[..wanted];
        let buckets = &mut self.buckets;
        match frame.kind {
            Kind::Data | Kind::Headers | Kind::Continuation => {
                let empty = frame.content(kept)? == 0 && !frame.ends_stream();
                let bucket = match frame.kind {
                    Kind::Data => &mut buckets.empty_data,
                    _ => &mut buckets.empty_headers,
                };
                if empty {
                    bucket.take(now_ms, &reasons::EMPTY_FRAMES_FLOOD)?;
                }
            }
            Kind::Settings if !frame.is_ack() => self.fingerprint.settings(kept),
            Kind::WindowUpdate => {
                let increment = be32(kept) & 0x7fff_ffff;
                if increment == 0 {
                    buckets
                        .induced_resets
                        .take(now_ms, &reasons::INDUCED_RESETS)?;
                }
                if frame.stream == 0 {
                    self.fingerprint.window_update(increment);
                }
            }
            Kind::Priority => self.priority(&frame, wanted, now_ms)?,
            _ => {}
        }
        // What is kept is a part of the payload, so the cast loses nothing.
        self.pass(frame.length - wanted as u32);
        Ok(())
    }

    /// RFC 7540, 6.3 and 5.3.1: a wrong length or a stream that depends on
    /// itself is an error of the stream, which is then reset.
    fn priority(&mut self, frame: &Frame, wanted: usize, now_ms: u64) -> Result<(), Breach> {
        // PRIORITY_UPDATE has stream 0 and text of any length.
        if frame.stream == 0 {
            return Ok(());
        }
        let dependency = be32(&self.held[..wanted]);
        if frame.length != 5 || dependency & 0x7fff_ffff == frame.stream {
            let bucket = &mut self.buckets.induced_resets;
            return Ok(bucket.take(now_ms, &reasons::INDUCED_RESETS)?);
        }
        self.fingerprint
            .priority(frame.stream, dependency, self.held[4]);
        Ok(())
    }
}

/// The first four bytes as a number; missing ones are zeroes.
fn be32(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |four| u32::from_be_bytes(*four))
}
