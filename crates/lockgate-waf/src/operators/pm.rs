//! `@pm`, `@pmFromFile`: any of many phrases, without ASCII case.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::Unfit;

/// Up to so many bytes of phrases an automaton has a row for each state, a
/// quarter of a MiB at most; of more, its rows are packed.
const ROWS_UP_TO: usize = 1024;

/// A list of phrases.
#[derive(Debug)]
pub struct Phrases {
    automaton: AhoCorasick,
}

impl Phrases {
    /// Of these; empty ones are passed over.
    ///
    /// # Errors
    /// Where there are too many for numbers of 32 bits.
    pub fn new(phrases: &[Box<[u8]>]) -> Result<Self, Unfit> {
        let phrases = phrases.iter().filter(|phrase| !phrase.is_empty());
        let bytes: usize = phrases.clone().map(|phrase| phrase.len()).sum();
        let kind = if bytes <= ROWS_UP_TO {
            AhoCorasickKind::DFA
        } else {
            AhoCorasickKind::ContiguousNFA
        };
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(kind))
            .build(phrases)
            .map_err(Unfit::Phrases)?;
        Ok(Self { automaton })
    }

    /// Whether one of them stands in `value`.
    #[must_use]
    pub fn is_match(&self, value: &[u8]) -> bool {
        self.automaton.is_match(value)
    }

    /// Where the one stands that ends first.
    #[must_use]
    pub fn find(&self, value: &[u8]) -> Option<Range<usize>> {
        self.automaton.find(value).map(|found| found.range())
    }

    /// How much memory it takes, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.automaton.memory_usage()
    }
}
