//! Where a value stands, as exclusions say it.

use super::except::{Part, Steps};
use super::members::{Base, Members, ValueId, Way};
use crate::bytes::Arena;

/// Writes `body/items/0/note`. What cannot be shown of a name is a `*`, which
/// stands for anything there; nothing, where the value has no place.
#[must_use]
pub fn place(id: ValueId, members: &Members, arena: &Arena) -> Option<String> {
    let mut out = Part::of(id)?.word().to_owned();
    // The text of a document of XML is one value: the body's, or a part's.
    let text = id.base() == Base::XmlText as usize && members.get(id).way == Way::Name;
    if id.base() == Base::Single as usize || text {
        return Some(out);
    }
    for step in Steps::to(id, members, arena) {
        out.push('/');
        for chunk in step.utf8_chunks() {
            for letter in chunk.valid().chars() {
                match letter {
                    '~' => out.push_str("~0"),
                    '/' => out.push_str("~1"),
                    '*' => out.push_str("~2"),
                    letter if letter.is_control() => out.push('*'),
                    letter => out.push(letter),
                }
            }
            if !chunk.invalid().is_empty() {
                out.push('*');
            }
        }
    }
    Some(out)
}

/// The same in so many bytes at most: where it would be longer, its last steps
/// are any.
#[must_use]
pub fn fitting(mut place: String, most: usize) -> String {
    const ANY: &str = "/**";
    if place.len() <= most {
        return place;
    }
    let mut end = most.saturating_sub(ANY.len());
    while !place.is_char_boundary(end) {
        end -= 1;
    }
    place.truncate(end);
    if let Some(slash) = place.rfind('/') {
        place.truncate(slash);
    }
    place.push_str(ANY);
    place
}
