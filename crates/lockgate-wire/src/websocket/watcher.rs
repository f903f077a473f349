//! Frames as they pass in one direction.

use super::{
    close::{self, CONTROL_BYTES},
    flaw::Flaw,
    frame::{Opcode, Start, MAX_HEAD},
    mask,
    utf8::{Invalid, Utf8},
    Breach, Counts, Rules, Sender,
};

/// Text is unmasked in pieces of this size, on the stack.
const UNMASKED: usize = 512;
/// What is kept: a frame's head, or a close frame's payload.
const HELD: usize = if MAX_HEAD > CONTROL_BYTES {
    MAX_HEAD
} else {
    CONTROL_BYTES
};

/// Watches the bytes of one direction after the handshake. It never changes,
/// copies or holds back any. The verdict depends on the bytes alone, never on
/// how they were cut.
#[derive(Debug)]
pub struct Watcher {
    sender: Sender,
    rules: Rules,
    state: State,
    held: [u8; HELD],
    filled: usize,
    /// The data message that is not over.
    message: Option<Message>,
    utf8: Utf8,
    counts: Counts,
    closed: bool,
    close_code: Option<u16>,
    at_boundary: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Before the first two bytes of a head.
    Start,
    /// In the rest of a head.
    Head(Start),
    Payload(Payload),
    Failed(Breach),
}

#[derive(Debug, Clone, Copy)]
struct Payload {
    opcode: Opcode,
    last: bool,
    key: [u8; 4],
    length: u64,
    left: u64,
    role: Role,
}

/// What is done with a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Pass,
    Text,
    Close,
}

#[derive(Debug, Clone, Copy)]
struct Message {
    text: bool,
    bytes: u64,
}

impl Watcher {
    /// A watcher for what `sender` sends from now on.
    #[must_use]
    pub fn new(sender: Sender, rules: Rules) -> Self {
        Self {
            sender,
            rules,
            state: State::Start,
            held: [0; HELD],
            filled: 0,
            message: None,
            utf8: Utf8::default(),
            counts: Counts::default(),
            closed: false,
            close_code: None,
            at_boundary: true,
        }
    }

    /// Looks at newly read bytes, which may then go on.
    ///
    /// # Errors
    /// What is wrong, again at every later call; then none of `input` may go on.
    pub fn feed(&mut self, input: &[u8]) -> Result<(), Breach> {
        if let State::Failed(breach) = self.state {
            return Err(breach);
        }
        self.read(input).map_err(|flaw| {
            let breach = flaw.by(self.sender);
            self.state = State::Failed(breach);
            breach
        })?;
        self.at_boundary = self.filled == 0 && matches!(self.state, State::Start);
        Ok(())
    }

    /// Whether all that was let on ends with a whole frame, so that a control
    /// frame of the gate's own may follow now. It may follow between the
    /// fragments of a message, too (RFC 6455, 5.4).
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.at_boundary
    }

    /// What has passed so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether a whole close frame passed: the sender will send no more messages.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The code in the close frame that passed, if it had one.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        self.close_code
    }

    fn read(&mut self, mut input: &[u8]) -> Result<(), Flaw> {
        while !input.is_empty() {
            match self.state {
                State::Start => {
                    input = self.hold(input, 2);
                    if self.filled == 2 {
                        let start = Start::parse([self.held[0], self.held[1]])?;
                        self.check(&start)?;
                        self.state = State::Head(start);
                        self.head_if_whole(start)?;
                    }
                }
                State::Head(start) => {
                    input = self.hold(input, start.head());
                    self.head_if_whole(start)?;
                }
                State::Payload(payload) => input = self.payload(payload, input)?,
                State::Failed(_) => return Ok(()),
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

    /// What the first two bytes may say here.
    fn check(&self, start: &Start) -> Result<(), Flaw> {
        let begins = matches!(start.opcode, Opcode::Text | Opcode::Binary);
        // RFC 7692, 6.1: the bit stands on a message's first frame alone.
        if start.compressed && !(self.rules.deflate && begins) {
            return Err(Flaw::Reserved);
        }
        if start.masked != (self.sender == Sender::Client) {
            return Err(Flaw::Mask);
        }
        if start.opcode.is_control() {
            return Ok(());
        }
        if self.closed {
            return Err(Flaw::AfterClose);
        }
        if begins == self.message.is_some() {
            return Err(Flaw::Fragments);
        }
        Ok(())
    }

    fn head_if_whole(&mut self, start: Start) -> Result<(), Flaw> {
        let head = start.head();
        if self.filled < head {
            return Ok(());
        }
        self.filled = 0;
        let length = start.length(&self.held[..head])?;
        if length > self.rules.frame_bytes {
            return Err(Flaw::FrameTooLarge);
        }
        self.counts.frames += 1;
        let role = match start.opcode {
            Opcode::Close => Role::Close,
            Opcode::Ping | Opcode::Pong => Role::Pass,
            opcode => {
                let message = self.message.get_or_insert(Message {
                    text: opcode == Opcode::Text && !start.compressed && self.rules.check_utf8,
                    bytes: 0,
                });
                message.bytes = message.bytes.saturating_add(length);
                if message.bytes > self.rules.message_bytes {
                    return Err(Flaw::MessageTooLarge);
                }
                if message.text {
                    Role::Text
                } else {
                    Role::Pass
                }
            }
        };
        if start.opcode.is_control() {
            self.counts.control_frames += 1;
        }
        let key = match self.held[..head] {
            [.., a, b, c, d] if start.masked => [a, b, c, d],
            _ => [0; 4],
        };
        let payload = Payload {
            opcode: start.opcode,
            last: start.last,
            key,
            length,
            left: length,
            role,
        };
        self.state = State::Payload(payload);
        if length == 0 {
            self.payload(payload, b"")?;
        }
        Ok(())
    }

    fn payload<'a>(&mut self, mut payload: Payload, input: &'a [u8]) -> Result<&'a [u8], Flaw> {
        // Not more than the input's length, so the cast loses nothing.
        let here = payload.left.min(input.len() as u64) as usize;
        let (piece, rest) = input.split_at(here);
        match payload.role {
            Role::Pass => {}
            Role::Text => self.text(piece, &payload)?,
            Role::Close => {
                self.hold(piece, CONTROL_BYTES);
            }
        }
        payload.left -= here as u64;
        self.counts.payload_bytes += here as u64;
        self.state = State::Payload(payload);
        if payload.left == 0 {
            self.end(&payload)?;
        }
        Ok(rest)
    }

    fn text(&mut self, piece: &[u8], payload: &Payload) -> Result<(), Flaw> {
        if self.sender == Sender::Server {
            return Ok(self.utf8.feed(piece)?);
        }
        let mut unmasked = [0; UNMASKED];
        let mut at = payload.length - payload.left;
        for part in piece.chunks(UNMASKED) {
            let here = &mut unmasked[..part.len()];
            here.copy_from_slice(part);
            mask::apply(here, payload.key, at);
            self.utf8.feed(here)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    /// A frame is over.
    fn end(&mut self, payload: &Payload) -> Result<(), Flaw> {
        self.state = State::Start;
        if payload.role == Role::Close {
            let filled = std::mem::take(&mut self.filled);
            let text = &mut self.held[..filled];
            mask::apply(text, payload.key, 0);
            self.close_code = close::check(text)?;
            self.closed = true;
        } else if payload.last && !payload.opcode.is_control() {
            self.message = None;
            self.counts.messages += 1;
            self.utf8.end()?;
        }
        Ok(())
    }
}

impl From<Invalid> for Flaw {
    fn from(Invalid: Invalid) -> Self {
        Self::Utf8
    }
}
