//! JSON Patch (RFC 6902): steps, each of which sets, takes away or looks at what a pointer names.

use serde_json::Value;

use super::told::Told;
use super::UNREADABLE;
use crate::Denial;

/// What a step says (RFC 6902 section 4).
const MEMBERS: [&str; 4] = ["op", "path", "from", "value"];

/// Judges a patch. All of what a step touches must be open: it may put anything in its place.
pub fn judge(document: &Value, told: &mut Told<'_>) -> Result<(), Denial> {
    let unreadable = |words: &'static str| Denial::new(&UNREADABLE).detail(words);
    let steps = document
        .as_array()
        .ok_or_else(|| unreadable("a JSON Patch is a list of steps"))?;
    for step in steps {
        let members = step.as_object().into_iter().flatten();
        let mut foreign = members.filter(|(name, _)| !MEMBERS.contains(&name.as_str()));
        // RFC 6902 lets them be ignored; who takes the list for something else does not.
        if foreign.next().is_some() {
            return Err(unreadable(
                "a step of it has a member that JSON Patch does not know",
            ));
        }
        let text = |name: &str| step.get(name).and_then(Value::as_str);
        let source = match text("op") {
            Some("add" | "replace" | "remove" | "test") => None,
            // What is moved is taken away where it was; what is copied is shown where it goes.
            Some("move" | "copy") => Some("from"),
            _ => return Err(unreadable("a step of it is none that JSON Patch knows")),
        };
        for name in std::iter::once("path").chain(source) {
            let pointer = text(name).ok_or_else(|| unreadable("a step of it names no place"))?;
            let steps = read(pointer).ok_or_else(|| unreadable("a step of it names no place"))?;
            // A step on the way may be one that nobody means well by.
            told.on_the_way(&steps);
            told.whole(&steps);
        }
        if let Some(value) = step.get("value") {
            told.poisoned(value);
        }
    }
    Ok(())
}

/// The steps of a pointer.
fn read(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let steps = pointer.strip_prefix('/')?.split('/');
    steps
        .map(|step| {
            let escaped = step.replace("~0", "").replace("~1", "");
            (!escaped.contains('~')).then(|| step.replace("~1", "/").replace("~0", "~"))
        })
        .collect()
}
