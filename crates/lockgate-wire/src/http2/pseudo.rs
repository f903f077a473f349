//! In which order a client's first request names its pseudo-headers: the library
//! keeps them, and not their order.

/// Letters that are kept. A request has four, five with `:protocol`.
const MOST: usize = 8;
/// Bits of a number beyond which nothing in a header block is.
const MAX_SHIFT: u32 = 21;

/// Reads a connection's first header block (HPACK, RFC 7541) up to its first
/// field that is no pseudo-header. No table was filled before it, so that every
/// pseudo-header is one of the static table's; values are passed over, unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pseudo {
    letters: [u8; MOST],
    count: usize,
    /// Bytes before the block: of what a frame says of its priority.
    skip: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A field begins.
    Field,
    /// More of a number comes.
    Number { of: Of, value: u32, shift: u32 },
    /// How long a value is comes.
    Length,
    /// So much of a value is to come.
    Value { left: u32 },
    /// All is known that will be.
    Over,
}

/// What a number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// A field that the table has whole.
    Field,
    /// A name of the table; a value follows.
    Name,
    /// The size of the table.
    Table,
    /// The length of a value.
    Value,
}

impl Default for Pseudo {
    fn default() -> Self {
        Self {
            letters: [0; MOST],
            count: 0,
            skip: 0,
            state: State::Field,
        }
    }
}

impl Pseudo {
    /// So many bytes come before the block.
    pub(super) fn skip(&mut self, bytes: u32) {
        self.skip = bytes;
    }

    /// Whether all is known that will be.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// The block is over.
    pub(super) fn end(&mut self) {
        self.state = State::Over;
    }

    /// The letters in their order, such as `m,a,s,p`.
    pub(super) fn text(&self) -> String {
        let letters = self.letters[..self.count].iter();
        let letters: Vec<String> = letters.map(|letter| char::from(*letter).into()).collect();
        letters.join(",")
    }

    /// Reads on.
    pub(super) fn feed(&mut self, mut input: &[u8]) {
        let skipped = input.len().min(self.skip as usize);
        input = &input[skipped..];
        // Not more than `skip`, so the cast loses nothing.
        self.skip -= skipped as u32;
        while let Some((byte, rest)) = input.split_first() {
            match self.state {
                State::Over => return,
                State::Value { left } => {
                    let here = input.len().min(left as usize);
                    input = &input[here..];
                    // Not more than `left`.
                    self.value(left - here as u32);
                    continue;
                }
                State::Field => {
                    // RFC 7541, 6.1 to 6.3: the first bits say what it is, and how many follow.
                    let (of, bits) = match byte {
                        0x80.. => (Of::Field, 7),
                        0x40..=0x7f => (Of::Name, 6),
                        0x20..=0x3f => (Of::Table, 5),
                        _ => (Of::Name, 4),
                    };
                    self.prefix(of, *byte, bits);
                }
                State::Length => self.prefix(Of::Value, *byte, 7),
                State::Number { of, value, shift } => {
                    let value = value + (u32::from(byte & 0x7f) << shift);
                    match byte {
                        0x80.. if shift >= MAX_SHIFT => self.state = State::Over,
                        0x80.. => {
                            let shift = shift + 7;
                            self.state = State::Number { of, value, shift };
                        }
                        _ => self.number(of, value),
                    }
                }
            }
            input = rest;
        }
    }

    /// The first byte of a number (RFC 7541, 5.1).
    fn prefix(&mut self, of: Of, byte: u8, bits: u32) {
        let most = (1 << bits) - 1;
        match u32::from(byte) & most {
            value if value == most => {
                let shift = 0;
                self.state = State::Number { of, value, shift };
            }
            value => self.number(of, value),
        }
    }

    fn number(&mut self, of: Of, value: u32) {
        match of {
            Of::Table => self.state = State::Field,
            Of::Value => self.value(value),
            Of::Field | Of::Name => {
                // RFC 7541, appendix A. A name that is spelled out is none of these.
                let letter = match value {
                    1 => b'a',
                    2 | 3 => b'm',
                    4 | 5 => b'p',
                    6 | 7 => b's',
                    _ => return self.end(),
                };
                if self.count == MOST {
                    return self.end();
                }
                self.letters[self.count] = letter;
                self.count += 1;
                self.state = if of == Of::Name {
                    State::Length
                } else {
                    State::Field
                };
            }
        }
    }

    fn value(&mut self, left: u32) {
        self.state = match left {
            0 => State::Field,
            left => State::Value { left },
        };
    }
}
