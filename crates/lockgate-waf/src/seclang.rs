//! The rule language: rule files are read into [`Rules`], or it is said what is
//! wrong with them and where.
//!
//! The language is ModSecurity's, as its version 3 reads it; where version 2 and
//! the Core Rule Set's own cases say otherwise, they are followed, and the place
//! says so. Nothing is passed over: a directive that something else of Lockgate
//! decides becomes a [`Notice`](crate::rule::Notice), and what cannot be done is
//! an error.
//!
//! The caller hands over what may be read ([`Files`]); nothing here opens a file.

mod actions;
mod assembly;
mod codes;
mod defaults;
mod directives;
mod errors;
mod exclusions;
mod files;
mod language;
mod lines;
mod nearest;
mod operators;
mod patterns;
mod reader;
mod targets;
mod templates;
mod text;

pub use codes::Code;
pub use errors::LoadError;
pub use files::{Files, Folder};
pub use language::{language, Entry, Kind, Support};
pub use nearest::nearest;

use crate::rule::Rules;

/// How much rule files may ask for. The Core Rule Set 4 with its plugins stays
/// far below each of them; the words give what its version 4.25 needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file (163 KiB).
    pub file_bytes: usize,
    /// Bytes of all files, each as often as it is read (1 MiB).
    pub total_bytes: usize,
    /// Files, each as often as it is read (50).
    pub files: usize,
    /// How deep files include files (1).
    pub include_depth: usize,
    /// Bytes of a directive with its continuation lines (9 KiB).
    pub directive_bytes: usize,
    /// Rules, each link of a chain counted (703).
    pub rules: usize,
    /// Targets of all rules, with those that updates add (2,000).
    pub targets: usize,
    /// Words and addresses of all operators' lists together (6,200).
    pub words: usize,
    /// Directives that change rules which stand before them (60).
    pub updates: usize,
    /// States of one compiled pattern, as they are estimated before it is compiled (6,000).
    pub pattern_states: usize,
    /// How deep groups of a pattern nest (20).
    pub pattern_depth: u32,
    /// Errors that are told; of the rest, the number.
    pub errors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 4 << 20,
            total_bytes: 64 << 20,
            files: 1_000,
            include_depth: 16,
            directive_bytes: 256 << 10,
            rules: 20_000,
            targets: 500_000,
            words: 500_000,
            updates: 2_000,
            pattern_states: 50_000,
            pattern_depth: 100,
            errors: 100,
        }
    }
}

/// Reads `entries` one after the other, with all that they include.
///
/// Each entry is a file's name in `files`; `*`, `?` and `[…]` stand for several,
/// in the order of their names.
///
/// # Errors
///
/// Every error of all files at once, in the order in which they were found; more
/// than [`Limits::errors`] are only counted.
pub fn read(files: &dyn Files, entries: &[&str], limits: &Limits) -> Result<Rules, Vec<LoadError>> {
    reader::Reader::new(files, limits).read(entries)
}

#[cfg(test)]
pub(crate) mod tests;
