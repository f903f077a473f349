//! The way to a value, step by step, and forms that such ways are held against.

use std::borrow::Cow;

use super::BadPlace;
use crate::bytes::{Arena, Span};
use crate::engine::members::{Base, Members, ValueId, Way};

/// Most comparisons of one form with one way: what goes beyond does not match,
/// so that the value is judged.
const MAX_COMPARISONS: usize = 10_000;

/// What a way has to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    steps: Vec<Step>,
    any_case: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// One step: what stands around its stars.
    One(Vec<Vec<u8>>),
    /// Any number of steps.
    Any,
}

impl Form {
    pub(super) fn read(text: &str, any_case: bool) -> Result<Self, BadPlace> {
        let steps = text.split('/').map(|step| {
            if step == "**" {
                return Ok(Step::Any);
            }
            let pieces = step.split('*').map(|piece| {
                let mut rest = piece.as_bytes();
                let mut out = Vec::with_capacity(rest.len());
                while let [first, tail @ ..] = rest {
                    let (byte, tail) = match (first, tail) {
                        (b'~', [b'0', tail @ ..]) => (b'~', tail),
                        (b'~', [b'1', tail @ ..]) => (b'/', tail),
                        (b'~', [b'2', tail @ ..]) => (b'*', tail),
                        (b'~', _) => return Err(BadPlace::Escape),
                        _ => (*first, tail),
                    };
                    out.push(byte);
                    rest = tail;
                }
                Ok(out)
            });
            Ok(Step::One(pieces.collect::<Result<_, _>>()?))
        });
        Ok(Self {
            steps: steps.collect::<Result<_, _>>()?,
            any_case,
        })
    }

    /// Of a path, which has no escapes of ours.
    pub(super) fn of_path(text: &str) -> Self {
        let one = |step: &str| Step::One(step.split('*').map(|piece| piece.into()).collect());
        let steps = text.split('/').map(|step| match step {
            "**" => Step::Any,
            step => one(step),
        });
        Self {
            steps: steps.collect(),
            any_case: false,
        }
    }

    /// Whether the way is like that.
    pub(super) fn matches(&self, way: Steps<'_>) -> bool {
        let mut way = way;
        let mut form = self.steps.as_slice();
        // Behind the last `**`: what is left of the form, and of the way.
        let mut back: Option<(&[Step], Steps<'_>)> = None;
        for _ in 0..MAX_COMPARISONS {
            if let [Step::Any, rest @ ..] = form {
                form = rest;
                back = Some((rest, way.clone()));
                continue;
            }
            match (form, way.next()) {
                ([], None) => return true,
                ([Step::One(pieces), rest @ ..], Some(name)) if self.like(pieces, &name) => {
                    form = rest;
                    continue;
                }
                _ => {}
            }
            let Some((rest, from)) = &mut back else {
                return false;
            };
            if from.next().is_none() {
                return false;
            }
            form = rest;
            way = from.clone();
        }
        false
    }

    /// Whether a name has these pieces, in order, and nothing before or behind them.
    fn like(&self, pieces: &[Vec<u8>], name: &[u8]) -> bool {
        let same = |one: &[u8], other: &[u8]| match self.any_case {
            true => one.eq_ignore_ascii_case(other),
            false => one == other,
        };
        let (first, last, between) = match pieces {
            [] => return name.is_empty(),
            [only] => return same(only, name),
            [first, between @ .., last] => (first, last, between),
        };
        if name.len() < first.len() + last.len() {
            return false;
        }
        let (begins, rest) = name.split_at(first.len());
        let (mut rest, ends) = rest.split_at(rest.len() - last.len());
        if !same(first, begins) || !same(last, ends) {
            return false;
        }
        for piece in between.iter().filter(|piece| !piece.is_empty()) {
            let at = rest
                .windows(piece.len())
                .position(|there| same(piece, there));
            match at {
                Some(at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        true
    }
}

/// The steps to a value.
#[derive(Debug, Clone)]
pub struct Steps<'a> {
    rest: Option<&'a [u8]>,
    between: Option<u8>,
    way: Way,
}

impl<'a> Steps<'a> {
    /// To a value of a request.
    pub fn to(id: ValueId, members: &Members, arena: &'a Arena) -> Self {
        let mut member = members.get(id);
        if id.base() == Base::FileContents as usize {
            // It goes by its file's name; who sends it chooses that.
            let file = ValueId::new(Base::Files, u32::try_from(id.place()).unwrap_or(0), false);
            member = members.get(file);
        }
        let name = arena.get(member.name);
        let bytes = [Base::Octets, Base::OctetTexts, Base::BodyFile];
        if name.is_empty() && bytes.iter().any(|base| id.base() == *base as usize) {
            // The body is all bytes.
            return Self::none();
        }
        let (rest, between) = match member.way {
            Way::Name => (Some(name), None),
            Way::Json => (name.strip_prefix(b"json."), Some(b'.')),
            Way::Pointer(pointer) => (arena.get(pointer).strip_prefix(b"/"), Some(b'/')),
            Way::Path => (name.strip_prefix(b"/"), Some(b'/')),
        };
        Self {
            rest,
            between,
            way: member.way,
        }
    }

    /// To what was told of, behind its part.
    pub fn told(way: &'a [u8]) -> Self {
        Self {
            rest: Some(way),
            between: Some(b'/'),
            way: Way::Pointer(Span::default()),
        }
    }

    /// To the whole.
    pub const fn none() -> Self {
        Self {
            rest: None,
            between: None,
            way: Way::Name,
        }
    }

    /// Of a path.
    pub fn of_path(path: &'a [u8]) -> Self {
        Self {
            rest: path.strip_prefix(b"/"),
            between: Some(b'/'),
            way: Way::Path,
        }
    }
}

impl<'a> Iterator for Steps<'a> {
    type Item = Cow<'a, [u8]>;

    fn next(&mut self) -> Option<Cow<'a, [u8]>> {
        let rest = self.rest.take()?;
        let end = self.between.and_then(|byte| memchr::memchr(byte, rest));
        let step = match end {
            Some(end) => {
                self.rest = rest.get(end + 1..);
                rest.get(..end).unwrap_or_default()
            }
            None => rest,
        };
        Some(match self.way {
            Way::Json => Cow::Borrowed(step.strip_prefix(b"array_").unwrap_or(step)),
            Way::Pointer(_) if step.contains(&b'~') => Cow::Owned(unescaped(step)),
            _ => Cow::Borrowed(step),
        })
    }
}

/// What a step of a JSON pointer stands for.
fn unescaped(step: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(step.len());
    let mut bytes = step.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'~' => match bytes.next() {
                Some(b'1') => b'/',
                Some(b'2') => b'*',
                _ => b'~',
            },
            other => *other,
        });
    }
    out
}
