//! Secrets that a bundle refers to. They are read here, kept in memory, and
//! never written anywhere.

use std::fs::File;
use std::io::Read;

/// Longest secret, bytes: header values are shorter.
const MAX_SECRET: u64 = 64 * 1024;

/// Reads `env:NAME` or `file:/path`; `None` where there is no such secret.
pub fn resolve(reference: &str) -> Option<Vec<u8>> {
    if let Some(name) = reference.strip_prefix("env:") {
        return std::env::var(name)
            .ok()
            .filter(|value| !value.is_empty())
            .map(String::into_bytes);
    }
    let path = reference.strip_prefix("file:")?;
    // A pipe would make the load wait for whoever writes to it, and a device has no end.
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path)
        .ok()?
        .take(MAX_SECRET)
        .read_to_end(&mut bytes)
        .ok()?;
    (!bytes.is_empty()).then_some(bytes)
}
