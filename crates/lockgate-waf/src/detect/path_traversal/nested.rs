//! Paths within the one that a request asks for.

use super::secrets::Secret;
use super::walk::{Room, Walk};
use super::SECRET;
use crate::detect::{Finding, Value, Where};
use crate::rule::Severity;

/// A path of the system's within the one that was asked for: `/items//etc/passwd`, `/items/C:\windows\x`.
pub(super) fn path(value: &Value<'_>) -> Option<Finding> {
    /// Segments that are looked at, and bytes behind each.
    const MOST: usize = 64;
    const NEAR: usize = 128;
    if value.stood != Where::Path {
        return None;
    }
    let slashes = memchr::memchr_iter(b'/', value.bytes).take(MOST);
    let mut rooted = slashes.filter_map(|slash| {
        let rest = value.bytes.get(slash + 1..)?;
        let rest = rest.get(..NEAR).unwrap_or(rest);
        let root = match rest {
            [b'/' | b'\\', ..] => true,
            [letter, b':', b'/' | b'\\', ..] => letter.is_ascii_alphabetic(),
            _ => false,
        };
        let mut room = Room::default();
        let walk = Walk::next(rest, 0, &mut room).filter(|_| root)?;
        (walk.secret() == Secret::System).then(|| slash + 1..slash + 1 + walk.end)
    });
    Some(Finding {
        at: rooted.next()?,
        what: SECRET,
        severity: Some(Severity::Critical),
    })
}
