//! What is wanted of a signature, as an answer says it (RFC 9421 section 5.1).

use super::{Component, Config, CONTENT_DIGEST};

/// What `Accept-Signature` says.
pub(super) fn accept(config: &Config, components: &[Component], digest: bool) -> String {
    let mut wanted: Vec<&str> = components.iter().map(Component::text).collect();
    if digest && !components.iter().any(|one| one.is_field(&CONTENT_DIGEST)) {
        wanted.push("\"content-digest\"");
    }
    let label = config.label.as_deref().unwrap_or("sig");
    let mut text = format!("{label}=({});created", wanted.join(" "));
    if config.expires {
        text.push_str(";expires");
    }
    if let Some(tag) = &config.tag {
        text.push_str(";tag=\"");
        text.push_str(&tag.replace('\\', "\\\\").replace('"', "\\\""));
        text.push('"');
    }
    text
}
