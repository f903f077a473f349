//! The frames of one stream.

use super::section::Section;
use super::{reasons, Breach, Counters, FRAME_ERROR};

const DATA: u64 = 0;
const HEADERS: u64 = 1;
/// The control stream's type (RFC 9114, 6.2.1).
const CONTROL: u64 = 0;
/// MAX_PUSH_ID, after which all types are unknown (RFC 9114, 7.2.7).
const LAST_KNOWN: u64 = 0xd;
/// The longest integer (RFC 9000, 16).
const INTEGER: usize = 8;

/// Bytes of a frame that is neither DATA nor HEADERS. SETTINGS hold a handful of
/// numbers, all others one; frames of unknown kinds are there to be passed over.
const SMALL: u64 = 4096;

/// What a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// A request: frames from its first byte on.
    Request,
    /// One direction: its type first, and frames only in the control stream.
    OneWay,
}

/// What is to be done with what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is kept until there is more of it.
    Held,
    /// With it the head of a frame, or a stream's type, is whole: [`Frames::head`].
    Head,
    /// It goes on.
    Pass,
    /// It carries nothing.
    Drop,
    /// The request is malformed ([`reasons::PSEUDO_FIELDS`]), and is not to be passed on.
    Malformed,
}

/// Follows the frames of one stream, and cuts them from each other.
///
/// The library reads once for a frame's head and once for what follows: with many
/// small frames in one read it would gather more than it takes. It also takes a DATA
/// frame of nothing for the body's end. So it is given a head, then its payload, and
/// frames that carry nothing not at all.
#[derive(Debug)]
pub struct Frames {
    state: State,
    held: [u8; 2 * INTEGER],
    filled: usize,
    /// Where the integer begins that is being read.
    begun: usize,
    header_bytes: u64,
    /// Whether a frame of an unknown kind costs nothing yet.
    free: bool,
    /// The fields that are being read.
    section: Option<Section>,
    /// Whether HEADERS have come.
    headed: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    StreamType,
    FrameType,
    Length(u64),
    Payload {
        left: u64,
        known: bool,
    },
    /// No frames, or none that matter any more.
    Unwatched,
}

impl Frames {
    /// A stream's beginning; its HEADERS may have so many bytes.
    #[must_use]
    pub const fn new(kind: StreamKind, header_bytes: u64) -> Self {
        Self {
            state: match kind {
                StreamKind::Request => State::FrameType,
                StreamKind::OneWay => State::StreamType,
            },
            held: [0; 2 * INTEGER],
            filled: 0,
            begun: 0,
            header_bytes,
            free: matches!(kind, StreamKind::Request),
            section: None,
            headed: false,
        }
    }

    /// The head that was found last, or what of one there is.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.held[..self.filled]
    }

    /// Whether the stream may not end here.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        match self.state {
            State::Length(_) => true,
            State::StreamType | State::FrameType => !self.is_whole(),
            State::Payload { .. } | State::Unwatched => false,
        }
    }

    /// That the stream may end here, as far as the frame goes whose head was whole.
    ///
    /// # Errors
    /// [`reasons::FRAME_CUT`].
    pub const fn end(&self) -> Result<(), Breach> {
        match self.state {
            State::Payload { .. } => Err(Breach {
                reason: &reasons::FRAME_CUT,
                error_code: FRAME_ERROR,
            }),
            _ => Ok(()),
        }
    }

    /// Lets go of what was held.
    pub const fn forget(&mut self) {
        self.filled = 0;
        self.begun = 0;
        self.state = State::Unwatched;
    }

    const fn is_whole(&self) -> bool {
        self.begun == self.filled
    }

    /// Looks at what came next, which is not nothing: how many bytes of it, and what
    /// is to be done with them.
    ///
    /// # Errors
    /// Why the connection must end.
    pub fn step(
        &mut self,
        bytes: &[u8],
        counters: &mut Counters,
        now_ms: u64,
    ) -> Result<(usize, Step), Breach> {
        match self.state {
            State::Unwatched => Ok((bytes.len(), Step::Pass)),
            State::Payload { left, known } => {
                let passed = left.min(bytes.len() as u64);
                self.state = match left - passed {
                    0 => State::FrameType,
                    left => State::Payload { left, known },
                };
                // It is no longer than what came.
                let passed = usize::try_from(passed).unwrap_or(bytes.len());
                let fit = match &mut self.section {
                    Some(section) => section.take(&bytes[..passed]),
                    None => true,
                };
                let step = match (fit, known) {
                    (false, _) => Step::Malformed,
                    (true, true) => Step::Pass,
                    (true, false) => Step::Drop,
                };
                Ok((passed, step))
            }
            State::StreamType | State::FrameType | State::Length(_) => {
                if self.is_whole() && !matches!(self.state, State::Length(_)) {
                    (self.filled, self.begun) = (0, 0);
                }
                let (count, number) = self.integer(bytes);
                let step = match number {
                    Some(number) => self.next(number, counters, now_ms)?,
                    None => Step::Held,
                };
                Ok((count, step))
            }
        }
    }

    fn next(&mut self, number: u64, counters: &mut Counters, now_ms: u64) -> Result<Step, Breach> {
        self.begun = self.filled;
        match self.state {
            State::StreamType => {
                self.state = match number {
                    CONTROL => State::FrameType,
                    _ => State::Unwatched,
                };
                Ok(Step::Head)
            }
            State::Length(kind) => {
                let length = number;
                let known = self.judge(kind, length, counters, now_ms)?;
                self.section = (kind == HEADERS).then(|| Section::new(self.headed));
                self.headed |= kind == HEADERS;
                self.state = match length {
                    0 => State::FrameType,
                    left => State::Payload { left, known },
                };
                Ok(if known { Step::Head } else { Step::Drop })
            }
            // A frame's type, then.
            _ => {
                self.state = State::Length(number);
                Ok(Step::Held)
            }
        }
    }

    /// Whether the library has to know of a frame.
    fn judge(
        &mut self,
        kind: u64,
        length: u64,
        counters: &mut Counters,
        now_ms: u64,
    ) -> Result<bool, Breach> {
        match kind {
            DATA if length == 0 => {
                counters.empty(now_ms)?;
                Ok(false)
            }
            DATA => Ok(true),
            HEADERS if length > self.header_bytes => Err((&reasons::HEADER_BLOCK_TOO_LARGE).into()),
            HEADERS => Ok(true),
            _ if length > SMALL => Err(Breach {
                reason: &reasons::FRAME_TOO_LARGE,
                error_code: FRAME_ERROR,
            }),
            // RFC 9114 section 7.2.8 lets a client send frames of no meaning with its requests, and h3's sends one
            // with each: one is covered by what bounds requests.
            kind if kind > LAST_KNOWN && std::mem::take(&mut self.free) => Ok(false),
            kind => {
                counters.control(now_ms)?;
                // All that RFC 9114 knows, and refuses where they do not belong.
                Ok(kind <= LAST_KNOWN)
            }
        }
    }

    /// An integer of variable length, once it is whole, and how many bytes were read.
    fn integer(&mut self, bytes: &[u8]) -> (usize, Option<u64>) {
        for (count, byte) in bytes.iter().enumerate() {
            self.held[self.filled] = *byte;
            self.filled += 1;
            let read = &self.held[self.begun..self.filled];
            if read.len() == 1 << (read[0] >> 6) {
                let value = read[1..]
                    .iter()
                    .fold(u64::from(read[0] & 0x3f), |value, byte| {
                        value << 8 | u64::from(*byte)
                    });
                return (count + 1, Some(value));
            }
        }
        (bytes.len(), None)
    }
}
