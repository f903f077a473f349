//! Operators: what is asked of a value.
//!
//! [`Compiled`] is made of a rule's [`Operator`] once, at load, and asked without
//! I/O and without allocation but for the room that regular expressions work in
//! ([`Caches`]).

mod address;
mod encoding;
mod number;
mod pm;
mod rx;
mod text;
mod verify;

use std::fmt;
use std::ops::Range;

pub use address::Networks;
pub use number::{leading, Number};
pub use pm::Phrases;
pub use rx::{Caches, Rx};
pub use text::Text;
pub use verify::{Numbers, Verify};

use crate::bytes::{ByteSet, Span};
use crate::libinjection;
use crate::rule::{Operator, Template};

/// How many groups of a match are kept: the whole of it, and `TX:1` to `TX:9`.
pub const GROUPS: usize = 10;

/// Where a match and its groups stand in a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Captures {
    groups: [Option<Span>; GROUPS],
}

impl Captures {
    /// Where a group stands: 0 is the whole match. `None` where it took no part,
    /// and for all of them where the operator finds nothing in particular.
    #[must_use]
    pub fn get(&self, group: usize) -> Option<Span> {
        self.groups.get(group).copied().flatten()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Keeps where a group stands. Values are shorter than 4 GiB.
    fn set(&mut self, group: usize, at: Range<usize>) {
        if let Some(place) = self.groups.get_mut(group) {
            *place = Some(Span {
                at: u32::try_from(at.start).unwrap_or(u32::MAX),
                len: u32::try_from(at.len()).unwrap_or(u32::MAX),
            });
        }
    }
}

/// An operator that can be asked.
#[derive(Debug)]
pub enum Compiled {
    /// `@unconditionalMatch`.
    Always,
    /// `@noMatch`.
    Never,
    /// `@rx`.
    Rx(Rx),
    /// `@pm`, `@pmFromFile`.
    Phrases(Phrases),
    /// `@contains`, `@streq` and their like.
    Text(Text),
    /// `@eq`, `@ge` and their like.
    Number(Number),
    /// `@ipMatch`, `@ipMatchFromFile`.
    Networks(Networks),
    /// `@validateByteRange`: the bytes that are allowed.
    ByteRange(ByteSet),
    /// `@validateUrlEncoding`.
    UrlEncoding,
    /// `@validateUtf8Encoding`.
    Utf8Encoding,
    /// `@detectSQLi`. What it finds has no place in the value: whoever wants the
    /// fingerprint asks [`libinjection`].
    DetectSqli,
    /// `@detectXSS`.
    DetectXss,
    /// `@verifyCC` and its like.
    Verify(Verify),
}

/// Why an operator cannot be had.
#[derive(Debug)]
pub enum Unfit {
    /// The regular expression is too large, or not to be had at all.
    Rx(Box<regex_automata::meta::BuildError>),
    /// There are too many phrases.
    Phrases(aho_corasick::BuildError),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rx(error) => match error.size_limit() {
                Some(limit) => write!(
                    f,
                    "the regular expression needs more than {limit} bytes when compiled"
                ),
                None => write!(f, "the regular expression cannot be compiled: {error}"),
            },
            Self::Phrases(error) => write!(f, "the phrases cannot be compiled: {error}"),
        }
    }
}

impl std::error::Error for Unfit {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Rx(error) => Some(error.as_ref()),
            Self::Phrases(error) => Some(error),
        }
    }
}

impl Compiled {
    /// Makes ready what a rule asks.
    ///
    /// # Errors
    /// Where a regular expression or a list of phrases is too large.
    pub fn compile(operator: &Operator) -> Result<Self, Unfit> {
        use text::How;
        let text = |how, argument: &Template| Self::Text(Text::new(how, argument));
        let number = |ordering, argument: &Template| Self::Number(Number::new(ordering, argument));
        let verify =
            |numbers, pattern| Rx::new(pattern).map(|rx| Self::Verify(Verify::new(numbers, rx)));
        Ok(match operator {
            Operator::UnconditionalMatch => Self::Always,
            Operator::NoMatch => Self::Never,
            Operator::Rx(pattern) => Self::Rx(Rx::new(pattern)?),
            Operator::Pm(phrases) => Self::Phrases(Phrases::new(phrases)?),
            Operator::Contains(argument) | Operator::StrMatch(argument) => {
                text(How::Contains, argument)
            }
            Operator::ContainsWord(argument) => text(How::ContainsWord, argument),
            Operator::BeginsWith(argument) => text(How::BeginsWith, argument),
            Operator::EndsWith(argument) => text(How::EndsWith, argument),
            Operator::Streq(argument) => text(How::Equals, argument),
            Operator::Within(argument) => text(How::Within, argument),
            Operator::Eq(argument) => number(number::Order::Equal, argument),
            Operator::Ge(argument) => number(number::Order::NotLess, argument),
            Operator::Gt(argument) => number(number::Order::Greater, argument),
            Operator::Le(argument) => number(number::Order::NotGreater, argument),
            Operator::Lt(argument) => number(number::Order::Less, argument),
            Operator::IpMatch(networks) => Self::Networks(Networks::new(networks)),
            Operator::ValidateByteRange(allowed) => Self::ByteRange(*allowed),
            Operator::ValidateUrlEncoding => Self::UrlEncoding,
            Operator::ValidateUtf8Encoding => Self::Utf8Encoding,
            Operator::DetectSqli => Self::DetectSqli,
            Operator::DetectXss => Self::DetectXss,
            Operator::VerifyCc(pattern) => verify(Numbers::Card, pattern)?,
            Operator::VerifyCpf(pattern) => verify(Numbers::Cpf, pattern)?,
            Operator::VerifySsn(pattern) => verify(Numbers::Ssn, pattern)?,
            Operator::VerifySvnr(pattern) => verify(Numbers::Svnr, pattern)?,
        })
    }

    /// What the caller has to expand and hand in with each value; `None` where
    /// nothing depends on the transaction.
    #[must_use]
    pub fn argument(&self) -> Option<&Template> {
        match self {
            Self::Text(text) => text.argument(),
            Self::Number(number) => number.argument(),
            _ => None,
        }
    }

    /// Whether it holds for `value`. `argument` is what [`Self::argument`]
    /// expanded to, and not looked at where that is `None`.
    pub fn matches(&self, value: &[u8], argument: &[u8], caches: &mut Caches) -> bool {
        match self {
            Self::Rx(rx) => rx.is_match(value, caches),
            Self::Phrases(phrases) => phrases.is_match(value),
            _ => self.find(value, argument, caches, &mut Captures::default()),
        }
    }

    /// Like [`Self::matches`]; where it holds, `captures` says what was found.
    pub fn find(
        &self,
        value: &[u8],
        argument: &[u8],
        caches: &mut Caches,
        captures: &mut Captures,
    ) -> bool {
        captures.clear();
        let found = match self {
            Self::Always => return true,
            Self::Never => return false,
            Self::Rx(rx) => return rx.captures(value, caches, captures),
            Self::Phrases(phrases) => phrases.find(value),
            Self::Text(text) => text.find(value, argument),
            Self::Number(number) => return number.holds(value, argument),
            Self::Networks(networks) => return networks.contain(value),
            Self::ByteRange(allowed) => encoding::outside(value, allowed),
            Self::UrlEncoding => encoding::not_url(value),
            Self::Utf8Encoding => encoding::not_utf8(value),
            Self::DetectSqli => return libinjection::sqli(value).is_some(),
            Self::DetectXss => return libinjection::xss(value),
            Self::Verify(verify) => verify.find(value, caches),
        };
        match found {
            Some(at) => {
                captures.set(0, at);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests;
