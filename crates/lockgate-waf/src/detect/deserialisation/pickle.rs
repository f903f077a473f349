//! What Python's `pickle` writes, walked as its machine does.

use super::Found;
use crate::rule::Severity;

/// Whether the text is a pickle in which something is called.
pub(super) fn calls(text: &[u8]) -> Option<Found> {
    // Pickles begin with their version, with a name, with what is given to a call, or with what is filled later.
    let begins = match text {
        [0x80, 0..=5, ..] => true,
        [b'}' | b']' | b')', b'q' | b'r' | b'(' | b'c', ..] => true,
        [b'c', name, ..] => name.is_ascii_alphabetic() || *name == b'_',
        [b'(', next, ..] => matches!(
            next,
            b'd' | b'l' | b'i' | b'c' | b'S' | b'V' | b't' | b'I' | b'X'
        ),
        _ => false,
    };
    if !begins {
        return None;
    }
    let mut machine = Machine {
        text,
        at: 0,
        named: false,
        called: false,
    };
    let ended = machine.run();
    let found = machine.named && machine.called && (ended || text.first() == Some(&0x80));
    found.then_some((0, "is a pickle that calls a function", Severity::Critical))
}

struct Machine<'a> {
    text: &'a [u8],
    at: usize,
    /// A function or a class was named.
    named: bool,
    /// Something was called, or built.
    called: bool,
}

impl Machine<'_> {
    /// Walks to the end, and says whether the pickle ended well.
    fn run(&mut self) -> bool {
        while let Some(opcode) = self.text.get(self.at).copied() {
            self.at += 1;
            let walked = match opcode {
                b'.' => return true,
                // GLOBAL, INST: two lines that are a module and a name.
                b'c' | b'i' => {
                    self.named = true;
                    self.called |= opcode == b'i';
                    self.name() && self.name()
                }
                0x93 => {
                    self.named = true;
                    true
                }
                b'R' | b'o' | 0x81 | 0x92 | b'b' => {
                    self.called = true;
                    true
                }
                // Texts and numbers that end with their line.
                b'S' | b'V' | b'I' | b'L' | b'F' | b'p' | b'g' | b'P' => self.line(),
                // Bytes that follow.
                b'h' | b'q' | b'K' | 0x80 | 0x82 => self.skip(1),
                b'M' | 0x83 => self.skip(2),
                b'J' | b'j' | b'r' | 0x84 => self.skip(4),
                b'G' | 0x95 => self.skip(8),
                // Lengths, and as many bytes.
                b'U' | b'C' | 0x8A | 0x8C => self.counted(1),
                b'T' | b'B' | b'X' | 0x8B => self.counted(4),
                0x8D | 0x8E | 0x96 => self.counted(8),
                // Those that stand alone.
                b'('
                | b'0'
                | b'1'
                | b'2'
                | b'N'
                | b'Q'
                | b'a'
                | b'd'
                | b'e'
                | b'l'
                | b's'
                | b't'
                | b'u'
                | b'}'
                | b']'
                | b')'
                | 0x85..=0x89
                | 0x8F..=0x91
                | 0x94
                | 0x97
                | 0x98 => true,
                _ => false,
            };
            if !walked {
                return false;
            }
        }
        // Cut off at the end of what was given: as good as ended, where it is said to go on.
        self.called
    }

    fn skip(&mut self, count: usize) -> bool {
        self.at = self.at.saturating_add(count);
        self.at <= self.text.len()
    }

    fn line(&mut self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        match memchr::memchr(b'\n', rest) {
            Some(length) => self.skip(length + 1),
            None => false,
        }
    }

    /// A line that is a name.
    fn name(&mut self) -> bool {
        const LONGEST: usize = 128;
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .take(LONGEST)
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
            .count();
        let end = match rest.get(length) {
            Some(b'\n') => 1,
            Some(b'\r') => 2,
            _ => return false,
        };
        length > 0 && self.skip(length + end)
    }

    fn counted(&mut self, bytes: usize) -> bool {
        let length = self.text.get(self.at..self.at.saturating_add(bytes));
        let Some(length) = length else { return false };
        let length = length
            .iter()
            .rev()
            .fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        self.skip(bytes.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)))
    }
}
