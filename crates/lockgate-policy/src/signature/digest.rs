//! `Content-Digest` (RFC 9530): what the body has to be.

use aws_lc_rs::digest::{digest, SHA256, SHA512};
use http::header::HeaderName;
use http::HeaderMap;
use sfv::{BareItem, Dictionary, ListEntry, Parser, Version};

/// The digest of a message's content.
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
/// Bytes of the field: all digests that are registered have 400 together.
const FIELD_BYTES: usize = 1024;

/// Digests that a body has to have, all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    sha256: Option<Vec<u8>>,
    sha512: Option<Vec<u8>>,
}

impl Digests {
    /// What the field says. Digests that are not known, or not trusted any more, count for nothing.
    ///
    /// # Errors
    /// Why it says nothing, in words.
    pub fn read(headers: &HeaderMap) -> Result<Self, &'static str> {
        let lines: Vec<&[u8]> = headers
            .get_all(CONTENT_DIGEST)
            .iter()
            .map(|line| line.as_bytes())
            .collect();
        let text = lines.join(&b", "[..]);
        if text.len() > FIELD_BYTES {
            return Err("it is too long");
        }
        let parser = Parser::new(&text).with_version(Version::Rfc8941);
        let members = parser.parse::<Dictionary>();
        let members = members.map_err(|_| "it is no dictionary of structured fields")?;
        let known = |name: &str, length: usize| {
            let Some(member) = members.get(name) else {
                return Ok(None);
            };
            match member {
                ListEntry::Item(item) => match &item.bare_item {
                    BareItem::ByteSequence(bytes) if bytes.len() == length => {
                        Ok(Some(bytes.clone()))
                    }
                    _ => Err("a digest in it is not as long as its kind's, between colons"),
                },
                ListEntry::InnerList(_) => Err("a digest in it is a list"),
            }
        };
        let read = Self {
            sha256: known("sha-256", SHA256.output_len)?,
            sha512: known("sha-512", SHA512.output_len)?,
        };
        if read.sha256.is_none() && read.sha512.is_none() {
            return Err("it has neither `sha-256` nor `sha-512`");
        }
        Ok(read)
    }

    /// Whether they are this body's. They are no secret, and compared as such.
    #[must_use]
    pub fn are_of(&self, body: &[u8]) -> bool {
        let is = |wanted: &Option<Vec<u8>>, kind| {
            let wanted = wanted.as_deref();
            wanted.is_none_or(|wanted| digest(kind, body).as_ref() == wanted)
        };
        is(&self.sha256, &SHA256) && is(&self.sha512, &SHA512)
    }
}
