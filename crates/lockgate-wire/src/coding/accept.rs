//! Which coding a client wants (RFC 9110 section 12.5.3).

use http::header::ACCEPT_ENCODING;
use http::HeaderMap;

use super::Coding;

/// Weights are compared in thousandths.
const WHOLE: u16 = 1000;

/// Most entries that are looked at: browsers send four. What is behind is as if not said.
const MAX_ENTRIES: usize = 32;

/// The coding of `offered` that the client likes best, the earlier one where
/// it likes several alike. None where it likes the answer better as it is, has
/// not said, or said it in a way that can be taken for several.
#[must_use]
pub fn preferred(headers: &HeaderMap, offered: &[Coding]) -> Option<Coding> {
    let said = said(headers)?;
    let weight = |coding: Option<Coding>| -> Option<u16> {
        let named = said.iter().find(|(what, _)| *what == What::Named(coding));
        named.map(|(_, weight)| *weight)
    };
    let any = said.iter().find(|(what, _)| *what == What::Any);
    let any = any.map(|(_, weight)| *weight);
    let mut best: Option<(Coding, u16)> = None;
    for coding in offered {
        let weight = weight(Some(*coding)).or(any).unwrap_or(0);
        if weight > best.map_or(0, |(_, best)| best) {
            best = Some((*coding, weight));
        }
    }
    let (coding, liked) = best?;
    // The answer as it is has the least weight, where none is said of it.
    let plain = weight(None).unwrap_or(0);
    (liked >= plain).then_some(coding)
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    /// A coding; none for `identity`.
    Named(Option<Coding>),
    Any,
    Other,
}

fn said(headers: &HeaderMap) -> Option<Vec<(What, u16)>> {
    let mut said: Vec<(What, u16)> = Vec::new();
    for line in headers.get_all(ACCEPT_ENCODING) {
        for entry in line.as_bytes().split(|byte| *byte == b',') {
            let entry = entry.trim_ascii();
            if entry.is_empty() {
                continue;
            }
            if said.len() == MAX_ENTRIES {
                return Some(said);
            }
            let mut parts = entry.splitn(2, |byte| *byte == b';');
            let name = parts.next()?.trim_ascii();
            let weight = parts.next().map_or(Some(WHOLE), weight)?;
            let what = match name {
                b"*" => What::Any,
                name if name.eq_ignore_ascii_case(b"identity") => What::Named(None),
                name => Coding::named(name).map_or(What::Other, |coding| What::Named(Some(coding))),
            };
            // Said twice in different ways is not said.
            let before = said.iter().find(|(before, _)| *before == what);
            match before {
                Some((What::Other, _)) => {}
                Some((_, before)) if *before != weight => return None,
                Some(_) => {}
                None => said.push((what, weight)),
            }
        }
    }
    Some(said)
}

/// `q=0.5` in thousandths (RFC 9110 section 12.4.2): at most three digits
/// behind the point, and never above one.
fn weight(parameter: &[u8]) -> Option<u16> {
    let parameter = parameter.trim_ascii();
    let value = parameter
        .strip_prefix(b"q=")
        .or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, rest) = value.split_first()?;
    let digits = match rest {
        [] => rest,
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let mut thousandths = match whole {
        b'0' => 0,
        b'1' => WHOLE,
        _ => return None,
    };
    let mut place = 100;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        thousandths += u16::from(digit - b'0') * place;
        place /= 10;
    }
    (thousandths <= WHOLE).then_some(thousandths)
}
