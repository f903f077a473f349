//! Forms: each name is a place. `a[b]` is `/a/b` to many frameworks, and `a[]` an item of a list.

use lockgate_wire::query;

use super::told::Told;
use super::UNREADABLE;
use crate::Denial;

/// Judges a form's body; the pairs of it that are open.
pub fn judge(body: &[u8], told: &mut Told<'_>) -> Result<Vec<u8>, Denial> {
    let unreadable = |words: &'static str| Denial::new(&UNREADABLE).detail(words);
    let text = std::str::from_utf8(body).map_err(|_| unreadable("its form is no text"))?;
    if text.contains(';') {
        return Err(unreadable(
            "its form has a `;`, which some take for a separator",
        ));
    }
    Ok(pairs_of(text, told).join("&").into_bytes())
}

/// The pairs that are open; what is not is told.
pub fn pairs_of<'t>(text: &'t str, told: &mut Told<'_>) -> Vec<&'t str> {
    let mut kept = Vec::new();
    for pair in query::pairs(text) {
        let before = told.count();
        let steps = steps(&query::decoded(pair.name));
        told.on_the_way(&steps);
        told.whole(&steps);
        if told.count() == before {
            kept.push(pair.text);
        }
    }
    kept
}

/// What a name leads to; one that is not written as such is a name.
fn steps(name: &str) -> Vec<String> {
    let plain = || vec![name.to_owned()];
    let Some((first, rest)) = name.split_once('[') else {
        return plain();
    };
    let Some(rest) = rest.strip_suffix(']') else {
        return plain();
    };
    let within: Vec<&str> = rest.split("][").collect();
    if first.is_empty() || within.iter().any(|one| one.contains(['[', ']'])) {
        return plain();
    }
    let item = |one: &&str| if one.is_empty() { "-" } else { *one }.to_owned();
    std::iter::once(first.to_owned())
        .chain(within.iter().map(item))
        .collect()
}
