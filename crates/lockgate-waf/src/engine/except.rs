//! Which values an operator's exclusion means.

use super::members::{Base, ValueId};
use crate::rule::Collection;

/// Some values of a request, by where they stand and their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// Where.
    pub part: Part,
    /// Their name, in lower case; `*` stands for anything but a `.` or a `/`,
    /// `**` for anything. Any name, where there is none.
    pub name: Option<Box<[u8]>>,
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A parameter of the query.
    Query,
    /// A member of the body: a parameter, a JSON value, a part, an element.
    Body,
    /// A header field.
    Header,
    /// A cookie.
    Cookie,
    /// The path.
    Path,
    /// A file's name, or what is in it.
    File,
}

impl At {
    /// Whether the value, of a member of this name, is meant.
    #[must_use]
    pub fn means(&self, id: ValueId, name: &[u8]) -> bool {
        let single = id.base() == Base::Single as usize;
        let there = match self.part {
            Part::Path => {
                single
                    && [
                        Collection::RequestFilename as usize,
                        Collection::RequestBasename as usize,
                    ]
                    .contains(&id.place())
            }
            _ if single => false,
            Part::Query => id.base() == Base::ArgsGet as usize,
            Part::Body => [
                Base::ArgsPost,
                Base::XmlText,
                Base::XmlAttributes,
                Base::PartHeaders,
            ]
            .iter()
            .any(|base| *base as usize == id.base()),
            Part::Header => id.base() == Base::RequestHeaders as usize,
            Part::Cookie => id.base() == Base::Cookies as usize,
            Part::File => [Base::Files, Base::FileContents, Base::FileSizes]
                .iter()
                .any(|base| *base as usize == id.base()),
        };
        there
            && self
                .name
                .as_ref()
                .is_none_or(|wanted| matches(wanted, name))
    }
}

/// Most steps of one comparison: what goes beyond does not match, so that the
/// value is judged.
const MAX_STEPS: usize = 10_000;

/// Whether a name is of this form, without case.
fn matches(form: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where the last star stands, whether it crosses borders, and what it has taken.
    let mut star: Option<(usize, bool, usize)> = None;
    for _ in 0..MAX_STEPS {
        if form.get(at) == Some(&b'*') {
            let crosses = form.get(at + 1) == Some(&b'*');
            at += if crosses { 2 } else { 1 };
            star = Some((at, crosses, seen));
            continue;
        }
        match (form.get(at), name.get(seen)) {
            (None, None) => return true,
            (Some(wanted), Some(byte)) if wanted.eq_ignore_ascii_case(byte) => {
                at += 1;
                seen += 1;
                continue;
            }
            _ => {}
        }
        let Some((back, crosses, taken)) = star else {
            return false;
        };
        match name.get(taken) {
            Some(b'.' | b'/') if !crosses => return false,
            Some(_) => {
                star = Some((back, crosses, taken + 1));
                at = back;
                seen = taken + 1;
            }
            None => return false,
        }
    }
    false
}
