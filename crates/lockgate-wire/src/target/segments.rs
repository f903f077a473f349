//! The structure of a path: dot-segments, empty segments, parameters.

use super::{reasons, Odd, TargetSwitches};
use crate::reason::ReasonRef;

/// Removes dot-segments (RFC 3986, 5.2.4) and treats the rest as switched.
/// `path` begins with `/` and has one spelling for each character.
pub(super) fn normalize(path: &str, switches: &TargetSwitches) -> Result<String, ReasonRef> {
    let mut out = String::with_capacity(path.len());
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        let segment = without_parameters(segment, switches)?;
        if matches!(segment, "." | "..") && switches.dot_segments == Odd::Reject {
            return Err(&reasons::DOT_SEGMENT);
        }
        match segment {
            "." if last => out.push('/'),
            "." => {}
            ".." => {
                // RFC 3986 would stay at the root. Whoever climbs above it is
                // up to something, or reads paths differently than we do.
                let parent = out.rfind('/').ok_or(&reasons::ABOVE_ROOT)?;
                out.truncate(parent);
                if last {
                    out.push('/');
                }
            }
            "" if !last => match switches.double_slash {
                Odd::Reject => return Err(&reasons::DOUBLE_SLASH),
                Odd::Normalize => {}
                Odd::Keep => out.push('/'),
            },
            segment => {
                refuse_hidden_dots(segment)?;
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    Ok(out)
}

fn without_parameters<'a>(
    segment: &'a str,
    switches: &TargetSwitches,
) -> Result<&'a str, ReasonRef> {
    // `/..;/` climbs in Tomcat and nowhere else, and `/..%3B/` where a path is
    // decoded before its parameters are cut off; nobody means well by either.
    if is_dots_and_more(segment) {
        return Err(&reasons::HIDDEN_DOTS);
    }
    let Some((name, _)) = segment.split_once(';') else {
        return Ok(segment);
    };
    match switches.path_parameters {
        Odd::Reject => Err(&reasons::PATH_PARAMETER),
        Odd::Normalize => Ok(name),
        Odd::Keep => Ok(segment),
    }
}

/// Where encoded slashes or backslashes are kept, an upstream that takes them
/// for slashes must not find dot-segments between them.
fn refuse_hidden_dots(segment: &str) -> Result<(), ReasonRef> {
    if !segment.contains(['%', '\\']) {
        return Ok(());
    }
    let parts = segment
        .replace("%2F", "/")
        .replace("%5C", "/")
        .replace('\\', "/");
    let hidden = parts.contains('/')
        && parts
            .split('/')
            .any(|part| matches!(part, "." | "..") || is_dots_and_more(part));
    if hidden {
        Err(&reasons::HIDDEN_DOTS)
    } else {
        Ok(())
    }
}

/// Whether a part is a dot-segment with a parameter behind it. It has one
/// spelling for each character, so `%3B` stands for both of the semicolon's.
fn is_dots_and_more(part: &str) -> bool {
    let rest = part.strip_prefix('.').unwrap_or_default();
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    part.starts_with('.')
        && [";", "%3B", "%00"]
            .iter()
            .any(|more| rest.starts_with(more))
}
