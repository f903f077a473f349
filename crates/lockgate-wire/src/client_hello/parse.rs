//! The fields of a ClientHello (RFC 8446, 4.1.2).

use super::{ja4::Parts, records::MAX_MESSAGE};

const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
/// Bytes of a host's name (RFC 1035, 2.3.4).
const MAX_NAME: usize = 253;

/// What a client offers, in its order and with GREASE (RFC 8701).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// The version beside the random; not the true one since TLS 1.3.
    pub legacy_version: u16,
    /// Cipher suites.
    pub ciphers: Vec<u16>,
    /// Types of the extensions.
    pub extensions: Vec<u16>,
    /// From supported_versions.
    pub versions: Vec<u16>,
    /// From signature_algorithms.
    pub signature_algorithms: Vec<u16>,
    /// The first protocol of ALPN.
    pub alpn: Option<&'a [u8]>,
    /// The name of the server as it is written there, not checked.
    pub server_name: Option<&'a [u8]>,
    /// Whether that is all that the client says of whom it asks for.
    only_name: bool,
}

impl<'a> ClientHello<'a> {
    /// Reads a whole message with its four bytes of header. `None` if it is
    /// not right, or longer than [`MAX_MESSAGE`]: each of its numbers stands
    /// in two bytes, so that bounds every list.
    #[must_use]
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(message.strip_prefix(&[CLIENT_HELLO])?);
        let length = fields.length(3)?;
        if length != fields.0.len() || message.len() > MAX_MESSAGE {
            return None;
        }
        let legacy_version = fields.number()?;
        let _random = fields.take(32)?;
        let _session = fields.vector(1)?;
        let mut hello = Self {
            legacy_version,
            ciphers: numbers(fields.vector(2)?)?,
            extensions: Vec::new(),
            versions: Vec::new(),
            signature_algorithms: Vec::new(),
            alpn: None,
            server_name: None,
            only_name: true,
        };
        let _compressions = fields.vector(1)?;
        // TLS 1.2 and older may have none (RFC 5246, 7.4.1.2).
        if fields.0.is_empty() {
            return Some(hello);
        }
        let mut extensions = Fields(fields.vector(2)?);
        if !fields.0.is_empty() {
            return None;
        }
        let mut seen = 0;
        while !extensions.0.is_empty() {
            let kind = extensions.number()?;
            let body = Fields(extensions.vector(2)?);
            let bit = bit(kind);
            // A repeated one is an error that the TLS library reports.
            if seen & bit == 0 {
                hello.extension(kind, body)?;
            } else if kind == SERVER_NAME {
                hello.only_name = false;
            }
            seen |= bit;
            hello.extensions.push(kind);
        }
        Some(hello)
    }

    /// The name of the server in lower case, where the hello can be read in one
    /// way alone: one name, and a host's. Who reads it next must not find another.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        let name = std::str::from_utf8(self.server_name.filter(|_| self.only_name)?).ok()?;
        let host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let whole = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(host);
        whole.then(|| name.to_ascii_lowercase())
    }

    /// Whether every version that is offered is older than this one.
    #[must_use]
    pub fn is_older_than(&self, version: u16) -> bool {
        match &*self.versions {
            [] => self.legacy_version < version,
            // Others are no versions of TLS, as GREASE is none (RFC 8701).
            offered => {
                let mut known = offered.iter().filter(|each| **each >> 8 == 3);
                known.all(|each| *each < version)
            }
        }
    }

    /// What JA4 is made of. `quic` says that it came over QUIC.
    #[must_use]
    pub fn parts(&self, quic: bool) -> Parts<'_> {
        Parts {
            quic,
            legacy_version: self.legacy_version,
            versions: &self.versions,
            ciphers: &self.ciphers,
            extensions: &self.extensions,
            server_name: self.extensions.contains(&SERVER_NAME),
            alpn: self.alpn,
            signature_algorithms: &self.signature_algorithms,
        }
    }

    fn extension(&mut self, kind: u16, mut body: Fields<'a>) -> Option<()> {
        match kind {
            SERVER_NAME => {
                // RFC 6066, 3: a list, of which the only kind is a host's name.
                let mut names = Fields(body.vector(2)?);
                if names.take(1)? == [0] {
                    self.server_name = Some(names.vector(2)?);
                }
                self.only_name &= names.0.is_empty() && body.0.is_empty();
            }
            SIGNATURE_ALGORITHMS => self.signature_algorithms = numbers(body.vector(2)?)?,
            // JA4 wants the first, and takes an empty list for none.
            ALPN => self.alpn = Fields(body.vector(2)?).vector(1),
            SUPPORTED_VERSIONS => self.versions = numbers(body.vector(1)?)?,
            _ => {}
        }
        Some(())
    }
}

/// One for each kind that is read.
fn bit(kind: u16) -> u8 {
    match kind {
        SERVER_NAME => 1,
        SIGNATURE_ALGORITHMS => 2,
        ALPN => 4,
        SUPPORTED_VERSIONS => 8,
        _ => 0,
    }
}

/// What is left to be read.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*taken))
    }

    /// A length of so many bytes, three at most.
    fn length(&mut self, bytes: usize) -> Option<usize> {
        let taken = self.take(bytes)?;
        Some(
            taken
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        )
    }

    fn vector(&mut self, length_bytes: usize) -> Option<&'a [u8]> {
        let length = self.length(length_bytes)?;
        self.take(length)
    }
}

fn numbers(bytes: &[u8]) -> Option<Vec<u16>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
}
