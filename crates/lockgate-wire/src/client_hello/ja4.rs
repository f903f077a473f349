//! JA4 of a TLS client, by FoxIO's `technical_details/JA4.md`.

use std::fmt::Write;

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
/// Counts are written in two digits.
const MAX_COUNT: usize = 99;
/// Stands for the hash of nothing.
const NOTHING: &str = "000000000000";

/// What a fingerprint is made of, each list in the client's order. GREASE may
/// be among them.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// Whether the client came over QUIC.
    pub quic: bool,
    /// The version beside the random; counts where `versions` is not offered.
    pub legacy_version: u16,
    /// From supported_versions.
    pub versions: &'a [u16],
    /// Cipher suites.
    pub ciphers: &'a [u16],
    /// Types of all extensions.
    pub extensions: &'a [u16],
    /// Whether the server's name is among the extensions.
    pub server_name: bool,
    /// The first protocol of ALPN.
    pub alpn: Option<&'a [u8]>,
    /// From signature_algorithms.
    pub signature_algorithms: &'a [u16],
}

/// A fingerprint before it is shortened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ja4 {
    /// The first of the three, such as `t13d1516h2`.
    pub start: String,
    /// What the second is the hash of: the cipher suites, sorted.
    pub ciphers: String,
    /// What the third is the hash of: the extensions without SNI and ALPN,
    /// sorted, then the signature algorithms in the client's order.
    pub extensions: String,
}

impl Ja4 {
    /// Writes the parts down.
    #[must_use]
    pub fn new(parts: &Parts<'_>) -> Self {
        let ciphers = sorted(parts.ciphers);
        let mut extensions = sorted(parts.extensions);
        let start = format!(
            "{}{}{}{:02}{:02}{}",
            if parts.quic { 'q' } else { 't' },
            version(parts),
            if parts.server_name { 'd' } else { 'i' },
            ciphers.len().min(MAX_COUNT),
            extensions.len().min(MAX_COUNT),
            alpn(parts.alpn.unwrap_or_default()),
        );
        // They are in the first part, or differ between the sites visited.
        extensions.retain(|kind| ![SERVER_NAME, ALPN].contains(kind));
        let algorithms: Vec<u16> = without_grease(parts.signature_algorithms).collect();
        let mut text = list(&extensions);
        if !algorithms.is_empty() {
            text.push('_');
            text.push_str(&list(&algorithms));
        }
        Self {
            start,
            ciphers: list(&ciphers),
            extensions: text,
        }
    }

    /// The fingerprint: 36 characters.
    pub fn fingerprint(&self, sha256: impl Fn(&[u8]) -> [u8; 32]) -> String {
        let ciphers = short(&self.ciphers, &sha256);
        let extensions = short(&self.extensions, &sha256);
        format!("{}_{ciphers}_{extensions}", self.start)
    }

    /// `JA4_r`, which shows the lists themselves. Its length is bounded by the
    /// client's message only: some 5 characters for each 2 bytes of it.
    #[must_use]
    pub fn raw(&self) -> String {
        format!("{}_{}_{}", self.start, self.ciphers, self.extensions)
    }
}

/// RFC 8701: `0x?a?a` with both the same. They are random, and mean nothing.
fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 15 == 10
}

fn without_grease(values: &[u16]) -> impl Iterator<Item = u16> + '_ {
    values.iter().copied().filter(|value| !is_grease(*value))
}

fn sorted(values: &[u16]) -> Vec<u16> {
    let mut values: Vec<u16> = without_grease(values).collect();
    values.sort_unstable();
    values
}

fn version(parts: &Parts<'_>) -> &'static str {
    let highest = without_grease(parts.versions).max();
    match highest.unwrap_or(parts.legacy_version) {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        0xfeff => "d1",
        0xfefd => "d2",
        0xfefc => "d3",
        _ => "00",
    }
}

/// The first and the last character; where one of the two is no letter or
/// digit, the first and the last of the whole in hexadecimal.
fn alpn(protocol: &[u8]) -> String {
    let (Some(first), Some(last)) = (protocol.first(), protocol.last()) else {
        return "00".to_owned();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [*first, *last].map(char::from).iter().collect();
    }
    format!("{:x}{:x}", first >> 4, last & 15)
}

fn list(values: &[u16]) -> String {
    let mut text = String::with_capacity(values.len() * 5);
    for (at, value) in values.iter().enumerate() {
        let between = if at == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(text, "{between}{value:04x}");
    }
    text
}

fn short(text: &str, sha256: impl Fn(&[u8]) -> [u8; 32]) -> String {
    if text.is_empty() {
        return NOTHING.to_owned();
    }
    let mut hash = String::with_capacity(NOTHING.len());
    for byte in sha256(text.as_bytes()).iter().take(NOTHING.len() / 2) {
        let _ = write!(hash, "{byte:02x}");
    }
    hash
}
