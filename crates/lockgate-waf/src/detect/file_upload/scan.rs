//! What an outside scanner of viruses would be asked, and what it answers.
//!
//! Whoever holds the connection asks; here is only which files are worth asking
//! about, in which words, and how an answer of ClamAV's `clamd` reads (its
//! `INSTREAM` command).

use super::kind::Kind;

/// A file about which a scanner can be asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The file's name.
    pub name: &'a [u8],
    /// The type that it was sent with.
    pub declared: Option<&'a [u8]>,
    /// What its first bytes are of.
    pub kind: Kind,
    /// Its length in bytes.
    pub len: u64,
}

impl<'a> Question<'a> {
    /// The question about a file, by its first bytes and its length.
    #[must_use]
    pub fn new(name: &'a [u8], declared: Option<&'a [u8]>, first: &[u8], len: u64) -> Self {
        Self {
            name,
            declared,
            kind: Kind::of(first),
            len,
        }
    }

    /// Whether a scanner is likely to know more: what can carry code, and what is unknown.
    /// A picture of points or a film is told by its bytes alone.
    #[must_use]
    pub const fn is_worth_asking(&self) -> bool {
        !(self.kind.picture() || matches!(self.kind, Kind::Media)) && self.len > 0
    }
}

/// What a scanner says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// It found nothing.
    Clean,
    /// It found what it calls so.
    Infected(&'a str),
    /// It could not look, and says why.
    Failed(&'a str),
}

/// How a piece of a file is announced to `clamd` after `zINSTREAM\0`: its length, as
/// four bytes in the network's order. A length of zero ends the file.
#[must_use]
pub fn clamd_piece(len: u32) -> [u8; 4] {
    len.to_be_bytes()
}

/// Reads an answer of `clamd`: `stream: OK`, `stream: NAME FOUND`, `… ERROR`.
#[must_use]
pub fn clamd_answer(line: &str) -> Answer<'_> {
    let line = line.trim_end_matches(['\0', '\n', '\r']);
    let said = line.strip_prefix("stream: ").unwrap_or(line);
    if said == "OK" {
        Answer::Clean
    } else if let Some(name) = said.strip_suffix(" FOUND") {
        Answer::Infected(name)
    } else {
        Answer::Failed(said)
    }
}

#[cfg(test)]
mod tests {
    use super::{clamd_answer, clamd_piece, Answer, Question};

    #[test]
    fn answers_of_clamd_are_read() {
        assert_eq!(clamd_answer("stream: OK\0"), Answer::Clean);
        assert_eq!(
            clamd_answer("stream: Win.Test.EICAR_HDB-1 FOUND\n"),
            Answer::Infected("Win.Test.EICAR_HDB-1")
        );
        assert_eq!(
            clamd_answer("INSTREAM size limit exceeded. ERROR"),
            Answer::Failed("INSTREAM size limit exceeded. ERROR")
        );
        assert_eq!(clamd_piece(258), [0, 0, 1, 2]);
    }

    #[test]
    fn pictures_need_no_scanner() {
        assert!(!Question::new(b"a.gif", None, b"GIF89a", 100).is_worth_asking());
        assert!(Question::new(b"a.docm", None, b"PK\x03\x04", 100).is_worth_asking());
        assert!(Question::new(b"a", None, b"?", 100).is_worth_asking());
        assert!(!Question::new(b"a", None, b"", 0).is_worth_asking());
    }
}
