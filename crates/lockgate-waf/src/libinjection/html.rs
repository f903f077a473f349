//! Cuts a value into pieces of HTML, as browsers of old did too.

use memchr::memchr;

/// A piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text between tags.
    Text(&'a [u8]),
    /// The name of a tag that opens; or that closes, if attributes follow.
    Tag(&'a [u8]),
    /// `>`.
    TagEnd(&'a [u8]),
    /// `/>`.
    SelfClosing(&'a [u8]),
    /// The name of a tag that closes.
    Closing(&'a [u8]),
    /// An attribute's name.
    Name(&'a [u8]),
    /// An attribute's value, without its quotes.
    Value(&'a [u8]),
    /// A comment, or what browsers take for one.
    Comment(&'a [u8]),
    /// `<!DOCTYPE`.
    Doctype(&'a [u8]),
}

/// What is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    TagOpen,
    TagName,
    TagEnd,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    /// The quote that ends it, and whether that stands before it too.
    Quoted(u8, bool),
    Unquoted,
    Markup,
    Dashed,
    Bogus,
    Percent,
    Done,
}

/// Where the value stands in a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// Between tags.
    Text,
    /// Within a tag.
    Tag,
    /// Within an attribute's value that this byte ends.
    Quoted(u8),
}

/// A value that is cut into pieces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Html<'a> {
    text: &'a [u8],
    at: usize,
    state: State,
    closing: bool,
}

/// White space, to which a zero byte belongs.
fn is_white(byte: u8) -> bool {
    matches!(byte, 0 | b' ' | b'\t' | b'\n' | 11 | 12 | b'\r')
}

impl<'a> Html<'a> {
    pub(super) fn new(text: &'a [u8], context: Context) -> Self {
        let state = match context {
            Context::Text => State::Text,
            Context::Tag => State::BeforeName,
            Context::Quoted(quote) => State::Quoted(quote, false),
        };
        Self {
            text,
            at: 0,
            state,
            closing: false,
        }
    }

    /// How far it was read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether what is left will be cut as by the other, of the same value.
    pub(super) fn goes_on_as(&self, other: &Self) -> bool {
        (self.at, self.state, self.closing) == (other.at, other.state, other.closing)
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// `len` bytes, and goes on `skip` bytes behind them.
    fn take(&mut self, len: usize, skip: usize, then: State) -> &'a [u8] {
        let rest = self.rest();
        self.at += len + skip;
        self.state = then;
        rest.get(..len).unwrap_or(rest)
    }

    /// The next piece, if one is left.
    pub(super) fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            match self.state {
                State::Text => {
                    let rest = self.rest();
                    match memchr(b'<', rest) {
                        Some(0) => {
                            self.at += 1;
                            self.state = State::TagOpen;
                        }
                        Some(len) => return Some(Piece::Text(self.take(len, 1, State::TagOpen))),
                        None if rest.is_empty() => return None,
                        None => return Some(Piece::Text(self.take(rest.len(), 0, State::Done))),
                    }
                }
                State::TagOpen => {
                    if let Some(piece) = self.tag_open(self.peek()?) {
                        return Some(piece);
                    }
                }
                State::TagName => return Some(self.tag_name()),
                State::TagEnd => {
                    self.closing = false;
                    let then = if self.at + 1 < self.text.len() {
                        State::Text
                    } else {
                        State::Done
                    };
                    return Some(Piece::TagEnd(self.take(1, 0, then)));
                }
                State::BeforeName => match self.skip_white()? {
                    b'/' => {
                        self.at += 1;
                        if self.peek()? == b'>' {
                            self.at -= 1;
                            return Some(Piece::SelfClosing(self.take(2, 0, State::Text)));
                        }
                    }
                    b'>' => return Some(Piece::TagEnd(self.take(1, 0, State::Text))),
                    _ => self.state = State::Name,
                },
                State::Name => return Some(self.name()),
                State::AfterName => match self.skip_white()? {
                    b'/' => self.state = State::BeforeName,
                    b'=' => {
                        self.at += 1;
                        self.state = State::BeforeValue;
                    }
                    b'>' => self.state = State::TagEnd,
                    _ => self.state = State::Name,
                },
                State::BeforeValue => {
                    self.state = match self.skip_white()? {
                        quote @ (b'"' | b'\'' | b'`') => State::Quoted(quote, true),
                        _ => State::Unquoted,
                    }
                }
                State::Quoted(quote, opened) => {
                    self.at += usize::from(opened);
                    let rest = self.rest();
                    return Some(Piece::Value(match memchr(quote, rest) {
                        Some(len) => self.take(len, 1, State::BeforeName),
                        None => self.take(rest.len(), 0, State::Done),
                    }));
                }
                State::Unquoted => {
                    let rest = self.rest();
                    let end = rest
                        .iter()
                        .position(|byte| *byte == b'>' || is_white(*byte));
                    return Some(Piece::Value(match end {
                        Some(len) if rest.get(len) == Some(&b'>') => {
                            self.take(len, 0, State::TagEnd)
                        }
                        Some(len) => self.take(len, 1, State::BeforeName),
                        None => self.take(rest.len(), 0, State::Done),
                    }));
                }
                State::Markup => {
                    if let Some(piece) = self.markup() {
                        return Some(piece);
                    }
                }
                State::Dashed => return Some(self.comment()),
                State::Bogus => return Some(Piece::Comment(self.until(b'>'))),
                State::Percent => return Some(self.percent()),
                State::Done => return None,
            }
        }
    }

    /// The next byte that is not white, where it stands.
    fn skip_white(&mut self) -> Option<u8> {
        let rest = self.rest();
        let skip = rest.iter().position(|byte| !is_white(*byte));
        self.at += skip.unwrap_or(rest.len());
        self.peek()
    }

    /// Up to this byte, which is read over, or the end.
    fn until(&mut self, end: u8) -> &'a [u8] {
        let rest = self.rest();
        match memchr(end, rest) {
            Some(len) => self.take(len, 1, State::Text),
            None => self.take(rest.len(), 0, State::Done),
        }
    }

    fn tag_open(&mut self, byte: u8) -> Option<Piece<'a>> {
        match byte {
            b'!' => self.state = State::Markup,
            b'/' => {
                self.at += 1;
                self.closing = true;
                self.state = match self.peek() {
                    None => State::Done,
                    Some(b'>') => State::Text,
                    Some(letter) if letter.is_ascii_alphabetic() => State::TagName,
                    Some(_) => {
                        self.closing = false;
                        State::Bogus
                    }
                };
                return None;
            }
            b'?' => self.state = State::Bogus,
            // Internet Explorer's.
            b'%' => self.state = State::Percent,
            0 | b'a'..=b'z' | b'A'..=b'Z' => {
                self.state = State::TagName;
                return None;
            }
            _ => {
                self.at -= 1;
                return Some(Piece::Text(self.take(1, 0, State::Text)));
            }
        }
        self.at += 1;
        None
    }

    fn tag_name(&mut self) -> Piece<'a> {
        let rest = self.rest();
        // A zero byte is part of the name.
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'/' | b'>') || *byte != 0 && is_white(*byte));
        let Some(len) = end else {
            return Piece::Tag(self.take(rest.len(), 0, State::Done));
        };
        match rest.get(len) {
            Some(b'>') if self.closing => {
                self.closing = false;
                Piece::Closing(self.take(len, 1, State::Text))
            }
            Some(b'>') => Piece::Tag(self.take(len, 0, State::TagEnd)),
            Some(b'/') => Piece::Tag(self.take(len, 0, State::BeforeName)),
            _ => Piece::Tag(self.take(len, 1, State::BeforeName)),
        }
    }

    fn name(&mut self) -> Piece<'a> {
        let rest = self.rest();
        let end = rest
            .iter()
            .skip(1)
            .position(|byte| matches!(byte, b'/' | b'=' | b'>') || is_white(*byte));
        let Some(len) = end.map(|end| end + 1) else {
            return Piece::Name(self.take(rest.len(), 0, State::Done));
        };
        Piece::Name(match rest.get(len) {
            Some(b'/') => self.take(len, 0, State::BeforeName),
            Some(b'=') => self.take(len, 1, State::BeforeValue),
            Some(b'>') => self.take(len, 0, State::TagEnd),
            _ => self.take(len, 1, State::AfterName),
        })
    }

    /// What follows `<!`.
    fn markup(&mut self) -> Option<Piece<'a>> {
        let rest = self.rest();
        if rest
            .get(..7)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"DOCTYPE"))
        {
            return Some(Piece::Doctype(self.until(b'>')));
        }
        if rest.starts_with(b"[CDATA[") {
            self.at += 7;
            return Some(self.cdata());
        }
        if rest.starts_with(b"--") {
            self.at += 2;
            self.state = State::Dashed;
        } else {
            self.state = State::Bogus;
        }
        None
    }

    fn cdata(&mut self) -> Piece<'a> {
        let rest = self.rest();
        Piece::Text(match memchr::memmem::find(rest, b"]]>") {
            Some(len) => self.take(len, 3, State::Text),
            None => self.take(rest.len(), 0, State::Done),
        })
    }

    /// A comment that begins with `<!--`: it ends with `-->` or `-!>`, and zero
    /// bytes behind the first dash do not count.
    fn comment(&mut self) -> Piece<'a> {
        let rest = self.rest();
        let end = memchr::memchr_iter(b'-', rest).find_map(|at| {
            let behind = rest.get(at + 1..)?;
            let zeros = behind.iter().take_while(|byte| **byte == 0).count();
            matches!(behind.get(zeros..), Some([b'-' | b'!', b'>', ..])).then_some((at, zeros + 3))
        });
        Piece::Comment(match end {
            Some((len, skip)) => self.take(len, skip, State::Text),
            None => self.take(rest.len(), 0, State::Done),
        })
    }

    /// `<% … %>`.
    fn percent(&mut self) -> Piece<'a> {
        let rest = self.rest();
        Piece::Comment(match memchr::memmem::find(rest, b"%>") {
            Some(len) => self.take(len, 2, State::Text),
            None => self.take(rest.len(), 0, State::Done),
        })
    }
}
