//! Which rules an exception means.

use lockgate_waf::detect;
use lockgate_waf::rule::{Item, Rule, Rules, Which};
use lockgate_waf::seclang::nearest;

use crate::waf::scan::SCANNER;

/// The rules of an id, of a range of ids or of a tag.
///
/// # Errors
/// If there is none.
pub fn which(name: &str, rules: Option<&Rules>) -> Result<Which, String> {
    if let Some(told) = backwards(name) {
        return Err(told);
    }
    let known = rules.map(|rules| rules.items.iter()).into_iter().flatten();
    let mut known = known.filter_map(|item| match item {
        Item::Rule(rule) => Some(&**rule),
        Item::Marker(_) => None,
    });
    let Some((from, to)) = ids(name) else {
        return tagged(name, &known.collect::<Vec<_>>());
    };
    if rules.is_none() {
        return Err(format!(
            "no rule has the id {name}: only detectors look here, since `rules` has no `core` and there are no `files`"
        ));
    }
    if known.any(|rule| (from..=to).contains(&rule.id)) {
        return Ok(Which::Ids(vec![(from, to)]));
    }
    Err(if from == to {
        format!("no rule has the id {name}")
    } else {
        format!("no rule has an id from {from} to {to}")
    })
}

fn tagged(name: &str, rules: &[&Rule]) -> Result<Which, String> {
    let tagged: Vec<(u64, u64)> = rules
        .iter()
        .filter(|rule| rule.tags.iter().any(|tag| **tag == *name))
        .map(|rule| (rule.id, rule.id))
        .collect();
    if !tagged.is_empty() {
        return Ok(Which::Ids(tagged));
    }
    let mut names: Vec<&str> = detect::ALL.iter().map(|known| known.name).collect();
    names.push(SCANNER);
    let tags = rules.iter().flat_map(|rule| &rule.tags).map(|tag| &**tag);
    let near = nearest(name.as_bytes(), names.iter().copied().chain(tags));
    let near = near.map_or_else(
        || {
            let all = names.join(", ");
            format!("detectors are {all}, the last of them the virus scanner")
        },
        |near| format!("did you mean `{near}`?"),
    );
    Err(format!(
        "`{name}` is no rule's id, no tag and no detector; {near}"
    ))
}

/// What to say of a range that ends before it begins.
pub fn backwards(text: &str) -> Option<String> {
    let (from, to) = ids(text)?;
    (from > to).then(|| format!("`{text}` runs backwards: write `{to}-{from}`"))
}

/// `942100`, or `942100-942199`.
fn ids(text: &str) -> Option<(u64, u64)> {
    match text.split_once('-') {
        Some((from, to)) => Some((from.parse().ok()?, to.parse().ok()?)),
        None => text.parse().ok().map(|id| (id, id)),
    }
}
