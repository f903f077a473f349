//! A pattern that names of members are held against (`TX:/^header_name_/`): most are
//! but a beginning, or hold a text that few names have.

use regex_automata::meta::{BuildError, Regex};
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// A pattern of names.
#[derive(Debug)]
pub struct NamePattern {
    /// What each name that it means holds, in any case of its letters; maybe nothing.
    text: Box<[u8]>,
    /// Whether that is how the name begins.
    first: bool,
    /// What is asked beside that, if that is not all.
    regex: Option<Regex>,
}

impl NamePattern {
    /// Of an expression that was read.
    ///
    /// # Errors
    /// If it is too large.
    pub fn new(
        hir: &Hir,
        regex: impl FnOnce() -> Result<Regex, Box<BuildError>>,
    ) -> Result<Self, Box<BuildError>> {
        let mut parts = match hir.kind() {
            HirKind::Concat(parts) => parts.as_slice(),
            _ => std::slice::from_ref(hir),
        };
        let mut first = false;
        if let [anchor, rest @ ..] = parts {
            if matches!(anchor.kind(), HirKind::Look(Look::Start)) {
                (first, parts) = (true, rest);
            }
        }
        let mut text = Vec::new();
        let all = parts.iter().all(|part| spelled(part, &mut text));
        Ok(Self {
            text: text.into(),
            first,
            regex: if all { None } else { Some(regex()?) },
        })
    }

    /// Whether it means a name.
    #[must_use]
    pub fn is_match(&self, name: &[u8]) -> bool {
        let is_here = |part: &[u8]| part.eq_ignore_ascii_case(&self.text);
        let held = match (self.text.len(), self.first) {
            (0, _) => true,
            (len, true) => name.get(..len).is_some_and(is_here),
            (len, false) => name.windows(len).any(is_here),
        };
        held && self.regex.as_ref().is_none_or(|regex| regex.is_match(name))
    }
}

/// Whether a part is one text whatever the case of its letters, which is added then.
fn spelled(part: &Hir, text: &mut Vec<u8>) -> bool {
    let letters = match part.kind() {
        // A letter that minds its case is none of these.
        HirKind::Literal(literal) if !literal.0.iter().any(u8::is_ascii_alphabetic) => &*literal.0,
        HirKind::Class(class) => match both_cases(class) {
            Some(letter) => &[letter][..],
            None => return false,
        },
        _ => return false,
    };
    text.extend_from_slice(letters);
    true
}

/// The letter whose two cases a class is.
fn both_cases(class: &Class) -> Option<u8> {
    let ends = |one: (u32, u32), two: (u32, u32)| {
        let ((upper, a), (lower, b)) = (one, two);
        let letter = u8::try_from(upper).ok().filter(u8::is_ascii_uppercase)?;
        let same = upper == a && lower == b && lower == u32::from(letter.to_ascii_lowercase());
        same.then_some(letter.to_ascii_lowercase())
    };
    match class {
        Class::Bytes(class) => match class.ranges() {
            [one, two] => ends(
                (one.start().into(), one.end().into()),
                (two.start().into(), two.end().into()),
            ),
            _ => None,
        },
        Class::Unicode(class) => match class.ranges() {
            [one, two] => ends(
                (one.start().into(), one.end().into()),
                (two.start().into(), two.end().into()),
            ),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests;
