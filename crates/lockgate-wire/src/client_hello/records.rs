//! The first handshake message out of TLS records (RFC 8446, 5.1).

/// Bytes of a ClientHello with its header. 16 KiB, which fits one record;
/// with post-quantum keys browsers send about 2 KiB.
pub const MAX_MESSAGE: usize = 16 * 1024;
/// Records that a ClientHello may be cut into. Two are usual for large ones;
/// tools against censorship make some tens.
const MAX_RECORDS: usize = 64;
/// The most that a record may hold.
const MAX_RECORD: usize = 1 << 14;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const RECORD_HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;

/// How far a [`Reader`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// More bytes must come.
    Need,
    /// The whole message, with its four bytes of header: for
    /// [`super::ClientHello::parse`].
    Done(&'a [u8]),
    /// It is not TLS, or not within the bounds, and never will be.
    NotTls,
}

/// Collects a ClientHello from the first bytes of a connection. It copies:
/// the bytes are still to be given to the TLS library.
#[derive(Debug, Default)]
pub struct Reader {
    pub(super) message: Vec<u8>,
    header: [u8; RECORD_HEADER],
    filled: usize,
    /// Bytes of the current record to come.
    left: usize,
    records: usize,
    not_tls: bool,
}

impl Reader {
    /// Reads on. After the end it may be called again, and does nothing.
    pub fn feed(&mut self, mut input: &[u8]) -> Progress<'_> {
        while !input.is_empty() && !self.not_tls && self.missing() > 0 {
            input = if self.left > 0 {
                self.body(input)
            } else {
                self.header(input)
            };
        }
        if self.not_tls {
            return Progress::NotTls;
        }
        match self.missing() {
            0 => Progress::Done(&self.message),
            _ => Progress::Need,
        }
    }

    /// Bytes of the message that are missing, as far as is known.
    fn missing(&self) -> usize {
        match self.message[..] {
            [_, a, b, c, ..] => {
                let length = u32::from_be_bytes([0, a, b, c]) as usize;
                (MESSAGE_HEADER + length).saturating_sub(self.message.len())
            }
            _ => MESSAGE_HEADER - self.message.len(),
        }
    }

    fn header<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        let (here, rest) = input.split_at(input.len().min(RECORD_HEADER - self.filled));
        self.header[self.filled..][..here.len()].copy_from_slice(here);
        self.filled += here.len();
        // What is wrong is told at once: an HTTP client's few bytes must not
        // be waited on.
        let wrong = match self.header[..self.filled] {
            [HANDSHAKE] | [HANDSHAKE, 3] | [HANDSHAKE, 3, _] | [HANDSHAKE, 3, _, _] => false,
            [HANDSHAKE, 3, _, high, low] => {
                self.left = usize::from(u16::from_be_bytes([high, low]));
                self.filled = 0;
                self.records += 1;
                // Empty ones may not be handshakes (RFC 8446, 5.1).
                self.left == 0 || self.left > MAX_RECORD || self.records > MAX_RECORDS
            }
            _ => true,
        };
        self.not_tls = wrong;
        rest
    }

    fn body<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        let count = input.len().min(self.left).min(self.missing());
        let (here, rest) = input.split_at(count);
        self.message.extend_from_slice(here);
        self.left -= count;
        let too_long = self.message.len() >= MESSAGE_HEADER
            && self.message.len() + self.missing() > MAX_MESSAGE;
        self.not_tls = self.message.first() != Some(&CLIENT_HELLO) || too_long;
        rest
    }
}
