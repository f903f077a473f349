//! Text against text: `@contains`, `@containsWord`, `@beginsWith`, `@endsWith`,
//! `@streq`, `@strmatch`, `@within`. All of them mind case.

use std::ops::Range;

use memchr::memmem::{self, Finder};

use crate::rule::Template;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// The argument stands in the value.
    Contains,
    /// It stands there, and no letter beside it.
    ContainsWord,
    /// The value begins with it.
    BeginsWith,
    /// The value ends with it.
    EndsWith,
    /// The value is it.
    Equals,
    /// The value stands in the argument.
    Within,
}

/// A comparison with text.
#[derive(Debug)]
pub struct Text {
    how: How,
    argument: Argument,
}

/// What is compared with.
#[derive(Debug)]
enum Argument {
    /// Always the same.
    Fixed(Box<Finder<'static>>),
    /// What the caller expands it to.
    Expanded(Template),
}

impl Text {
    pub(super) fn new(how: How, argument: &Template) -> Self {
        let argument = match argument.constant() {
            Some(text) => Argument::Fixed(Box::new(Finder::new(text).into_owned())),
            None => Argument::Expanded(argument.clone()),
        };
        Self { how, argument }
    }

    /// What the caller has to expand.
    pub(super) fn argument(&self) -> Option<&Template> {
        match &self.argument {
            Argument::Fixed(_) => None,
            Argument::Expanded(template) => Some(template),
        }
    }

    /// What was found in the value, where it holds.
    /// An empty argument stands in every value, and an empty value in every argument.
    pub(super) fn find(&self, value: &[u8], expanded: &[u8]) -> Option<Range<usize>> {
        let (text, finder) = match &self.argument {
            Argument::Fixed(finder) => (finder.needle(), Some(finder.as_ref())),
            Argument::Expanded(_) => (expanded, None),
        };
        let start = match self.how {
            How::Contains => match finder {
                Some(finder) => finder.find(value)?,
                None => memmem::find(value, text)?,
            },
            How::ContainsWord => word(value, text)?,
            How::BeginsWith => value.starts_with(text).then_some(0)?,
            How::EndsWith => value.strip_suffix(text)?.len(),
            How::Equals => (value == text).then_some(0)?,
            How::Within => {
                memmem::find(text, value)?;
                return Some(0..value.len());
            }
        };
        Some(start..start + text.len())
    }
}

/// Where `word` stands in `value` without a letter before or behind it.
fn word(value: &[u8], word: &[u8]) -> Option<usize> {
    if word.is_empty() {
        return Some(0);
    }
    let finder = Finder::new(word);
    let letter = |at: Option<usize>| {
        at.and_then(|at| value.get(at))
            .is_some_and(u8::is_ascii_alphabetic)
    };
    let mut from = 0;
    // Not `find_iter`: a word may overlap with itself.
    while let Some(found) = value.get(from..).and_then(|rest| finder.find(rest)) {
        let at = from + found;
        if !letter(at.checked_sub(1)) && !letter(Some(at + word.len())) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}
