//! The messages in a body: before each stand a flag and its length.

use super::prefix::Prefix;
use super::{reasons, Protocol};
use crate::reason::ReasonRef;

/// gRPC-Web's flag for trailers.
const TRAILERS: u8 = 0x80;
/// Bytes of gRPC-Web's trailers. 64 KiB: more than any head may have here.
const MAX_TRAILERS: u32 = 64 * 1024;

/// Watches the messages of one body as they pass; keeps five bytes at most.
/// In base64, watch what [`super::TextDecoder`] gives.
#[derive(Debug)]
pub struct Messages {
    from_upstream: bool,
    /// Whether trailers may stand in the body.
    web: bool,
    message_bytes: u32,
    prefix: [u8; Prefix::LEN],
    filled: usize,
    left: u32,
    messages: u64,
    after_trailers: bool,
    failed: Option<ReasonRef>,
}

impl Messages {
    /// gRPC's own bound for a message: 4 MiB.
    pub const DEFAULT_MESSAGE_BYTES: u32 = 4 << 20;

    /// For a request's body, with messages of at most so many bytes.
    #[must_use]
    pub fn of_client(message_bytes: u32) -> Self {
        Self {
            from_upstream: false,
            web: false,
            message_bytes,
            prefix: [0; Prefix::LEN],
            filled: 0,
            left: 0,
            messages: 0,
            after_trailers: false,
            failed: None,
        }
    }

    /// For an answer's body.
    #[must_use]
    pub fn of_upstream(protocol: Protocol, message_bytes: u32) -> Self {
        Self {
            from_upstream: true,
            web: protocol != Protocol::Grpc,
            ..Self::of_client(message_bytes)
        }
    }

    /// Looks at a piece of the body, which may then go on.
    ///
    /// # Errors
    /// What is wrong with it, again at every later call.
    pub fn feed(&mut self, input: &[u8]) -> Result<(), ReasonRef> {
        match self.failed {
            Some(reason) => Err(reason),
            None => self
                .read(input)
                .inspect_err(|reason| self.failed = Some(reason)),
        }
    }

    /// The body is over.
    ///
    /// # Errors
    /// If it ends within a message, or was wrong before.
    pub fn end(&self) -> Result<(), ReasonRef> {
        match self.failed {
            Some(reason) => Err(reason),
            None if self.filled == 0 => Ok(()),
            None => Err(self.fault(&reasons::INCOMPLETE, &reasons::UPSTREAM_MESSAGE)),
        }
    }

    /// Whether nothing of a message was cut off here.
    #[must_use]
    pub const fn at_boundary(&self) -> bool {
        self.filled == 0
    }

    /// Messages that began and whose length is right.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    fn read(&mut self, mut input: &[u8]) -> Result<(), ReasonRef> {
        while !input.is_empty() {
            if self.filled < Prefix::LEN {
                let (here, rest) = input.split_at(input.len().min(Prefix::LEN - self.filled));
                self.prefix[self.filled..][..here.len()].copy_from_slice(here);
                self.filled += here.len();
                input = rest;
                // The flag is judged first, so that cuts make no difference.
                if self.filled == Prefix::LEN || !self.is_flag_right() {
                    self.begin()?;
                }
            } else {
                // Not more than `left`, so the casts lose nothing.
                let here = input.len().min(self.left as usize);
                self.left -= here as u32;
                input = &input[here..];
            }
            if self.filled == Prefix::LEN && self.left == 0 {
                self.filled = 0;
            }
        }
        Ok(())
    }

    fn is_flag_right(&self) -> bool {
        match self.prefix[0] {
            _ if self.after_trailers => false,
            0 | 1 => true,
            // PROTOCOL-WEB.md lets trailers be compressed, as messages may be.
            flag => self.web && flag & !1 == TRAILERS,
        }
    }

    fn begin(&mut self) -> Result<(), ReasonRef> {
        if !self.is_flag_right() {
            return Err(self.fault(&reasons::FLAG, &reasons::UPSTREAM_MESSAGE));
        }
        let Prefix { flag, length } = Prefix::of(self.prefix);
        self.left = length;
        let most = if flag & TRAILERS == 0 {
            self.messages += 1;
            self.message_bytes
        } else {
            self.after_trailers = true;
            MAX_TRAILERS
        };
        if self.left > most {
            let client = &reasons::MESSAGE_TOO_LARGE;
            return Err(self.fault(client, &reasons::UPSTREAM_TOO_LARGE));
        }
        Ok(())
    }

    fn fault(&self, client: ReasonRef, upstream: ReasonRef) -> ReasonRef {
        if self.from_upstream {
            upstream
        } else {
            client
        }
    }
}
