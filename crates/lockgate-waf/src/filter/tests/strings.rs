//! Strings that patterns match, and strings near them.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Random numbers, the same in every run.
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// Writes what the expression matches, but for its conditions between bytes.
pub fn matched(hir: &Hir, dice: &mut Dice, out: &mut Vec<u8>) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(Class::Bytes(class)) => {
            let bytes: Vec<u8> = class
                .ranges()
                .iter()
                .flat_map(|range| range.start()..=range.end())
                .collect();
            let plain: Vec<u8> = bytes
                .iter()
                .copied()
                .filter(|byte| byte.is_ascii_alphanumeric() || b" ._-,".contains(byte))
                .collect();
            let from = if !plain.is_empty() && !dice.one_in(3) {
                &plain
            } else {
                &bytes
            };
            if !from.is_empty() {
                out.push(from[dice.below(from.len())]);
            }
        }
        HirKind::Class(Class::Unicode(_)) => unreachable!("patterns are over bytes"),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(repetition.min + 4);
            let more = (most - repetition.min).min(4) as usize;
            let more = if dice.one_in(2) {
                0
            } else {
                dice.below(more + 1)
            };
            for _ in 0..repetition.min as usize + more {
                matched(&repetition.sub, dice, out);
            }
        }
        HirKind::Capture(capture) => matched(&capture.sub, dice, out),
        HirKind::Concat(parts) => {
            for part in parts {
                matched(part, dice, out);
            }
        }
        HirKind::Alternation(branches) => matched(&branches[dice.below(branches.len())], dice, out),
    }
}

/// Something to stand before or behind.
pub fn surroundings(dice: &mut Dice) -> &'static [u8] {
    const SOME: [&[u8]; 12] = [
        b"",
        b"",
        b"",
        b"",
        b" ",
        b"foo ",
        b"id=1 ",
        b"'",
        b"O'Brien (",
        b"{\"a\": ",
        b"\n",
        b"\xc3\xa9;$",
    ];
    SOME[dice.below(SOME.len())]
}

/// Changes a byte or several, or the case of letters.
pub fn mutated(text: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(3) {
        if text.is_empty() {
            return;
        }
        let at = dice.below(text.len());
        match dice.below(6) {
            0 => {
                text.remove(at);
            }
            1 => text.insert(at, b"'\"\\^$ ;(/"[dice.below(9)]),
            2 => text[at] = dice.next() as u8,
            3 => text[at] ^= 0x20,
            4 => text.make_ascii_uppercase(),
            _ => {
                let byte = text[at];
                text.insert(at, byte);
            }
        }
    }
}

/// An expression of few bytes, so that what it asks is often nearly met.
pub fn expression(dice: &mut Dice, depth: usize) -> String {
    const LEAVES: [&str; 22] = [
        "a", "b", "A", "ab", "ba", "cab", ";", "'", "\\\\", " ", "\\$", "[ab]", "[a-c]", "[^a]",
        "[;' ]", ".", "\\w", "\\W", "\\b", "\\B", "^", "$",
    ];
    if depth == 0 || dice.one_in(4) {
        return LEAVES[dice.below(LEAVES.len())].into();
    }
    let part = expression(dice, depth - 1);
    match dice.below(8) {
        0 => format!("(?:{part}|{})", expression(dice, depth - 1)),
        1 => format!(
            "(?:{part}|{}|{})",
            expression(dice, depth - 1),
            expression(dice, depth - 1)
        ),
        2 => format!("(?:{part})?"),
        3 => format!(
            "(?:{part}){}",
            ["*", "+", "{2}", "{1,3}", "{2,}"][dice.below(5)]
        ),
        4 => format!("(?i:{part}){}", expression(dice, depth - 1)),
        _ => format!("{part}{}", expression(dice, depth - 1)),
    }
}

/// Some bytes of those that [`expression`] speaks of.
pub fn few(dice: &mut Dice) -> Vec<u8> {
    (0..dice.below(14))
        .map(|_| b"aabbcABab;' \\$_<"[dice.below(16)])
        .collect()
}
