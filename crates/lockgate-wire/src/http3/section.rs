//! The fields of one HEADERS frame, as far as it has to be known which
//! pseudo-header fields there are, and where.

/// Names that the gate knows of requests, each as it stands and in Huffman's
/// code (RFC 7541 appendix B). The place in the list is a bit of [`Section::seen`].
const PSEUDO: [(&[u8], &[u8]); 5] = [
    (b":authority", b"\xb8\x3b\x53\x39\xec\x32\x7d\x7f"),
    (b":path", b"\xb9\x58\xd3\x3f"),
    (b":method", b"\xb9\x49\x53\x39\xe4"),
    (b":scheme", b"\xb8\x82\x4e\x5a\x4b"),
    (b":protocol", b"\xb9\x5d\x87\x49\xc8\x7a\x3f"),
];
const AUTHORITY: u8 = 0;
const PATH: u8 = 1;
const METHOD: u8 = 2;
const SCHEME: u8 = 3;
/// None of a request.
const STATUS: u8 = 7;

/// The code of a colon, in the first seven bits of a name.
const COLON: u8 = 0b101_1100;

/// The longest of the names.
const NAME: usize = 10;

/// Follows a field section (RFC 9204 section 4.5) without keeping it.
///
/// The library takes the last of several pseudo-header fields, takes them behind
/// other fields, and leaves out those that a request has no use for. Whoever
/// stands before the gate may have read the first; RFC 9114 section 4.3 wants
/// the request refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    state: State,
    number: u32,
    shift: u32,
    huffman: bool,
    name: [u8; NAME],
    filled: usize,
    seen: u8,
    /// No pseudo-header field may come any more.
    late: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// The first byte of an integer of so many bits.
    First(u32, Whole),
    /// A further byte of one.
    More(Whole),
    /// No further byte of one.
    Done(Whole),
    Line,
    Name(u32),
    Value(u32),
}

/// What an integer is, once it is whole.
#[derive(Debug, Clone, Copy)]
enum Whole {
    InsertCount,
    Base,
    Indexed,
    NamedByIndex,
    NameLength,
    ValueLength,
}

impl Section {
    /// Of a request's head, or of its trailers.
    pub const fn new(trailers: bool) -> Self {
        Self {
            state: State::First(8, Whole::InsertCount),
            number: 0,
            shift: 0,
            huffman: false,
            name: [0; NAME],
            filled: 0,
            seen: 0,
            late: trailers,
        }
    }

    /// Reads on; false once a pseudo-header field is where it may not be, or what
    /// comes is no field line that the gate can have been sent.
    pub fn take(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((byte, rest)) = bytes.split_first() {
            match self.state {
                State::Value(left) => {
                    let passed = (left as usize).min(bytes.len());
                    bytes = &bytes[passed..];
                    self.state = match left as usize - passed {
                        0 => State::Line,
                        // It is less than `left`.
                        more => State::Value(u32::try_from(more).unwrap_or(left)),
                    };
                    continue;
                }
                State::Name(left) => {
                    if let Some(room) = self.name.get_mut(self.filled) {
                        *room = *byte;
                    }
                    self.filled += 1;
                    self.state = State::Name(left - 1);
                    if left == 1 {
                        self.state = State::First(7, Whole::ValueLength);
                        if !self.named() {
                            return false;
                        }
                    }
                }
                State::Line => {
                    // Out of a dynamic table, which the gate does not have.
                    if !self.line(*byte) {
                        return false;
                    }
                }
                // It was read as soon as it was whole.
                State::Done(_) => {}
                State::First(bits, whole) => self.first(*byte, bits, whole),
                State::More(whole) => {
                    self.number += u32::from(byte & 0x7f) << self.shift;
                    self.shift += 7;
                    self.state = match byte >> 7 {
                        // Zeros could follow for ever (RFC 7541 section 5.1).
                        1 if self.shift > 21 => return false,
                        1 => State::More(whole),
                        _ => State::Done(whole),
                    };
                }
            }
            if let State::Done(whole) = self.state {
                if !self.whole(whole) {
                    return false;
                }
            }
            bytes = rest;
        }
        true
    }

    /// The first byte of a field line says what it is.
    fn line(&mut self, byte: u8) -> bool {
        match byte {
            0b1100_0000.. => self.first(byte, 6, Whole::Indexed),
            0b0101_0000..=0b0101_1111 | 0b0111_0000..=0b0111_1111 => {
                self.first(byte, 4, Whole::NamedByIndex);
            }
            0b0010_0000..=0b0011_1111 => {
                self.huffman = byte & 0b1000 != 0;
                self.first(byte, 3, Whole::NameLength);
            }
            _ => return false,
        }
        true
    }

    fn first(&mut self, byte: u8, bits: u32, whole: Whole) {
        let most = (1_u32 << bits) - 1;
        self.number = u32::from(byte) & most;
        self.shift = 0;
        self.state = if self.number == most {
            State::More(whole)
        } else {
            State::Done(whole)
        };
    }

    fn whole(&mut self, whole: Whole) -> bool {
        let number = self.number;
        match whole {
            Whole::InsertCount => self.state = State::First(7, Whole::Base),
            Whole::Base => self.state = State::Line,
            Whole::Indexed => {
                self.state = State::Line;
                return self.field(of_index(number));
            }
            Whole::NamedByIndex => {
                self.state = State::First(7, Whole::ValueLength);
                return self.field(of_index(number));
            }
            Whole::NameLength if number == 0 => return false,
            Whole::NameLength => {
                self.filled = 0;
                self.state = State::Name(number);
            }
            Whole::ValueLength if number == 0 => self.state = State::Line,
            Whole::ValueLength => self.state = State::Value(number),
        }
        true
    }

    /// A name was written out.
    fn named(&mut self) -> bool {
        let name = self.name.get(..self.filled);
        let pseudo = match (self.huffman, self.name[0]) {
            (true, first) => first >> 1 == COLON,
            (false, first) => first == b':',
        };
        if !pseudo {
            return self.field(None);
        }
        let known = PSEUDO
            .iter()
            .position(|(plain, coded)| name == Some(if self.huffman { coded } else { plain }));
        // Nobody knows another (RFC 9114 section 4.3), and no name has two spellings.
        self.field(Some(
            known.and_then(|at| u8::try_from(at).ok()).unwrap_or(STATUS),
        ))
    }

    fn field(&mut self, pseudo: Option<u8>) -> bool {
        let Some(number) = pseudo else {
            self.late = true;
            return true;
        };
        let bit = 1_u8 << number;
        let first = self.seen & bit == 0;
        self.seen |= bit;
        first && !self.late && number != STATUS
    }
}

/// The pseudo-header field of a line of the static table (RFC 9204 appendix A).
const fn of_index(index: u32) -> Option<u8> {
    match index {
        0 => Some(AUTHORITY),
        1 => Some(PATH),
        15..=21 => Some(METHOD),
        22 | 23 => Some(SCHEME),
        24..=28 | 63..=71 => Some(STATUS),
        _ => None,
    }
}
