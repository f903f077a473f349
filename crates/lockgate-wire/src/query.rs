//! Names and values in a query, as forms write them (WHATWG URL, 5.1): pairs
//! between `&`, a name before the first `=`, `+` for a space.
//!
//! The gate forwards a query as it came. Where something is decided by a
//! parameter, it is looked for in the decoded form, and whatever two readers
//! could take differently is told as [`Found::Ambiguous`].

use std::borrow::Cow;

use crate::target::triplet;

/// One `name=value`, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The whole pair.
    pub text: &'a str,
    /// Before the first `=`.
    pub name: &'a str,
    /// Behind it; empty where there is none.
    pub value: &'a str,
}

/// What was found of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// It is not there.
    Absent,
    /// It is there once, with this value, decoded.
    Once(Cow<'a, str>),
    /// Readers differ on what it is: it is there more than once, or behind a
    /// `;`, which some take for a separator (CVE-2021-23336).
    Ambiguous,
}

/// The pairs of a query, in order; empty ones are left out. All of them: the bound on heads
/// (`head_bytes`) is theirs as well, and one that was not looked at would still arrive.
pub fn pairs(query: &str) -> impl Iterator<Item = Pair<'_>> {
    query
        .split('&')
        .filter(|text| !text.is_empty())
        .map(|text| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            Pair { text, name, value }
        })
}

/// Looks for a parameter; `name` is in its decoded form.
#[must_use]
pub fn find<'a>(query: Option<&'a str>, name: &str) -> Found<'a> {
    let mut found = Found::Absent;
    for pair in query.into_iter().flat_map(pairs) {
        let hidden = pair.text.contains(';') && behind_semicolon(pair.text, name);
        if hidden {
            return Found::Ambiguous;
        }
        if is_named(pair.name, name) {
            if found != Found::Absent || pair.value.contains(';') {
                return Found::Ambiguous;
            }
            found = Found::Once(decoded(pair.value));
        }
    }
    found
}

/// The same for rules that somebody's words must not slip by: a name that frameworks make the same of, in other letters,
/// as a list (`name[]`) or with what stands for `_` to some (`.`, a blank, `[`), makes it ambiguous.
#[must_use]
pub fn find_strictly<'a>(query: Option<&'a str>, name: &str) -> Found<'a> {
    if has_like(query, name) {
        return Found::Ambiguous;
    }
    find(query, name)
}

/// Whether a parameter is there that frameworks may take for one of this name, and that is none.
#[must_use]
pub fn has_like(query: Option<&str>, name: &str) -> bool {
    let plain = |text: &str| {
        text.to_uppercase()
            .to_lowercase()
            .replace(['.', ' ', '['], "_")
    };
    let wanted = plain(name);
    let mut pairs = query.into_iter().flat_map(pairs);
    pairs.any(|pair| {
        let given = decoded(pair.name);
        let base = given.split('[').next().unwrap_or_default();
        given != name && (plain(&given) == wanted || plain(base) == wanted)
    })
}

/// Whether a name, as it came, is `name`.
#[must_use]
pub fn is_named(raw: &str, name: &str) -> bool {
    raw == name || (raw.contains(['%', '+']) && decoded(raw) == name)
}

/// A name or value with its triplets and plus signs decoded. Bytes that are no
/// UTF-8 become U+FFFD, which equals nothing that a configuration says.
#[must_use]
pub fn decoded(raw: &str) -> Cow<'_, str> {
    without_triplets(raw, true)
}

/// A segment of a path with its triplets decoded: a plus sign is one there (RFC 3986 section 3.3).
#[must_use]
pub fn decoded_segment(raw: &str) -> Cow<'_, str> {
    without_triplets(raw, false)
}

fn without_triplets(raw: &str, blanks: bool) -> Cow<'_, str> {
    if !raw.contains(['%', '+']) {
        return Cow::Borrowed(raw);
    }
    let bytes = raw.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, triplet(&bytes[at..])) {
            (_, Some(decoded)) => {
                out.push(decoded);
                at += 2;
            }
            (b'+', _) if blanks => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// The first name that stands in the query twice, decoded.
#[must_use]
pub fn duplicate(query: &str) -> Option<String> {
    // A handful of pairs is the rule; sorting keeps many from costing their square.
    let mut names: Vec<Cow<'_, str>> = pairs(query).flat_map(names).collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|two| two[0] == two[1])?;
    Some(twice[0].clone().into_owned())
}

/// The names that readers may take a pair to have: also those behind a `;`.
fn names(pair: Pair<'_>) -> impl Iterator<Item = Cow<'_, str>> {
    let pieces = pair.text.split(';').enumerate();
    pieces.filter_map(|(number, piece)| {
        let name = piece.split_once('=').map_or(piece, |(name, _)| name);
        (number == 0 || !name.is_empty()).then(|| decoded(name))
    })
}

/// The query with one pair of each name: the first, or the last. What is behind
/// a `;` is not looked at: see [`duplicate`] for what is left.
#[must_use]
pub fn without_duplicates(query: &str, last: bool) -> String {
    let all: Vec<Pair<'_>> = pairs(query).collect();
    let mut order: Vec<usize> = (0..all.len()).collect();
    let names: Vec<Cow<'_, str>> = all.iter().map(|pair| decoded(pair.name)).collect();
    order.sort_by(|a, b| names[*a].cmp(&names[*b]).then(a.cmp(b)));
    let mut kept = vec![true; all.len()];
    for two in order
        .windows(2)
        .filter(|two| names[two[0]] == names[two[1]])
    {
        kept[if last { two[0] } else { two[1] }] = false;
    }
    let texts: Vec<&str> = all
        .iter()
        .zip(&kept)
        .filter_map(|(pair, kept)| kept.then_some(pair.text))
        .collect();
    texts.join("&")
}

/// Whether a pair holds the name behind a `;`, which some readers take for a separator.
#[must_use]
pub fn behind_semicolon(text: &str, name: &str) -> bool {
    text.split(';')
        .skip(1)
        .any(|piece| is_named(piece.split_once('=').map_or(piece, |(name, _)| name), name))
}

#[cfg(test)]
mod tests;
