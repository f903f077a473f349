//! A part of a directive that knows where it stands.

/// Some bytes of a directive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    /// What they are.
    pub bytes: &'a [u8],
    /// Where they begin in the directive.
    pub at: usize,
}

impl<'a> Text<'a> {
    /// What comes after the first `count` bytes.
    pub fn after(self, count: usize) -> Self {
        let count = count.min(self.bytes.len());
        Self {
            bytes: self.bytes.get(count..).unwrap_or_default(),
            at: self.at + count,
        }
    }

    /// The first `count` bytes.
    pub fn first(self, count: usize) -> Self {
        Self {
            bytes: self.bytes.get(..count).unwrap_or(self.bytes),
            at: self.at,
        }
    }

    /// Without the white space at its beginning.
    pub fn trim_start(self) -> Self {
        self.after(self.bytes.len() - self.bytes.trim_ascii_start().len())
    }

    /// Without the white space at either end.
    pub fn trim(self) -> Self {
        let start = self.trim_start();
        start.first(start.bytes.trim_ascii_end().len())
    }

    /// What stands before the first such byte, and what after it.
    pub fn split_at_byte(self, byte: u8) -> Option<(Self, Self)> {
        let found = memchr::memchr(byte, self.bytes)?;
        Some((self.first(found), self.after(found + 1)))
    }

    /// What stands between such bytes, without white space around it.
    pub fn split(self, is_separator: impl Fn(u8) -> bool) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut start = 0;
        for (index, byte) in self.bytes.iter().enumerate() {
            if is_separator(*byte) {
                parts.push(self.first(index).after(start).trim());
                start = index + 1;
            }
        }
        parts.push(self.after(start).trim());
        parts.retain(|part| !part.bytes.is_empty());
        parts
    }

    /// Whether it is this, without ASCII case.
    pub fn is(self, word: &str) -> bool {
        self.bytes.eq_ignore_ascii_case(word.as_bytes())
    }

    /// As a decimal number.
    pub fn number(self) -> Option<u64> {
        if !self.bytes.iter().all(u8::is_ascii_digit) {
            return None;
        }
        std::str::from_utf8(self.bytes).ok()?.parse().ok()
    }

    /// To be shown in a message.
    pub fn shown(self) -> String {
        /// More than a name has.
        const MOST: usize = 60;
        let text = String::from_utf8_lossy(self.first(4 * MOST).bytes).into_owned();
        match text.char_indices().nth(MOST) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text,
        }
    }

    /// To be kept.
    pub fn kept(self) -> Box<str> {
        String::from_utf8_lossy(self.bytes).into()
    }

    /// Without the quotes `quote` around it, and without the backslashes before
    /// such quotes in it.
    pub fn unquoted(self, quote: u8) -> (Self, Vec<u8>) {
        let inner = match self.bytes {
            [first, .., last] if *first == quote && *last == quote => {
                self.after(1).first(self.bytes.len() - 2)
            }
            _ => self,
        };
        (inner, unescaped(inner.bytes, &[quote]))
    }
}

/// Without the backslashes that stand before one of `quotes`.
pub(super) fn unescaped(bytes: &[u8], quotes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().peekable();
    while let Some(byte) = rest.next() {
        match rest.peek() {
            Some(next) if *byte == b'\\' && quotes.contains(next) => {
                out.push(**next);
                rest.next();
            }
            _ => out.push(*byte),
        }
    }
    out
}
