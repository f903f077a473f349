//! Which certificates open an API.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::certificate::{pin, ClientCertificate};
use super::name::attributes;
use crate::pattern::Pattern;
use crate::{ConfigError, Ranges};

/// What a name must be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Like {
    /// A text in which `*` stands for a part, and `**` for any number of them.
    Text(String),
    /// An expression that matches the whole name.
    Regex(String),
}

/// What one certificate must be; all that is said must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Its SPIFFE ID.
    pub spiffe: Option<Like>,
    /// One of its URIs.
    pub uri: Option<Like>,
    /// One of its DNS names.
    pub dns: Option<Like>,
    /// One of its addresses of e-mail.
    pub email: Option<Like>,
    /// The network (CIDR) that one of its IP addresses is of.
    pub ip: Option<String>,
    /// Attributes of its subject, by their short names.
    pub subject: BTreeMap<String, Like>,
    /// SHA-256 of its public key, hexadecimal.
    pub spki: Option<String>,
}

/// The same, compiled.
#[derive(Debug)]
pub(super) struct Rule {
    spiffe: Option<Pattern>,
    uri: Option<Pattern>,
    dns: Option<Pattern>,
    email: Option<Pattern>,
    ip: Option<Ranges>,
    subject: Vec<(Box<str>, Pattern)>,
    spki: Option<String>,
}

/// What stands between the parts of a name: a `*` does not go over it.
#[derive(Clone, Copy)]
enum Parts {
    Dots,
    Slashes,
    At,
    None,
}

impl Rule {
    pub(super) fn new(wanted: &Wanted) -> Result<Self, ConfigError> {
        if *wanted == Wanted::default() {
            let told = "this entry wants nothing, so it would be every certificate: name what it must be, or leave `allow` out";
            return Err(ConfigError::new("certificate-rule-empty", "", told));
        }
        for name in wanted.subject.keys() {
            if !attributes().any(|known| known == name) {
                let known: Vec<_> = attributes().collect();
                let told = format!(
                    "`{name}` is no attribute of a subject; there are {}",
                    known.join(", ")
                );
                return Err(ConfigError::new(
                    "subject-attribute-unknown",
                    "/subject",
                    told,
                ));
            }
        }
        let ip = wanted.ip.as_ref().map(|network| {
            Ranges::new(&[network])
                .map_err(|(_, told)| ConfigError::new("network-malformed", "/ip", told))
        });
        if let Some(spki) = &wanted.spki {
            if spki.len() != 64 || !spki.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let told = format!("`{spki}` is no SHA-256");
                return Err(ConfigError::new("pin-malformed", "/spki", told));
            }
        }
        let subject = wanted.subject.iter().map(|(name, like)| {
            let pattern = compiled(Some(like), "/subject", Parts::None)?;
            Ok(pattern.map(|pattern| (name.as_str().into(), pattern)))
        });
        Ok(Self {
            spiffe: compiled(wanted.spiffe.as_ref(), "/spiffe", Parts::Slashes)?,
            uri: compiled(wanted.uri.as_ref(), "/uri", Parts::Slashes)?,
            dns: compiled(wanted.dns.as_ref(), "/dns", Parts::Dots)?,
            email: compiled(wanted.email.as_ref(), "/email", Parts::At)?,
            ip: ip.transpose()?,
            subject: subject
                .filter_map(Result::transpose)
                .collect::<Result<_, ConfigError>>()?,
            spki: wanted.spki.as_ref().map(|spki| spki.to_ascii_lowercase()),
        })
    }

    /// Whether the certificate is one of these.
    pub(super) fn takes(&self, certificate: &ClientCertificate) -> bool {
        let one_of = |pattern: &Option<Pattern>, names: &[Box<str>]| {
            pattern
                .as_ref()
                .is_none_or(|pattern| names.iter().any(|name| pattern.matches(name)))
        };
        let key = || {
            use std::fmt::Write as _;
            certificate
                .key
                .iter()
                .fold(String::new(), |mut text, byte| {
                    let _ = write!(text, "{byte:02x}");
                    text
                })
        };
        one_of(&self.uri, &certificate.uris)
            && one_of(&self.dns, &certificate.dns)
            && one_of(&self.email, &certificate.emails)
            && self.spiffe.as_ref().is_none_or(|pattern| {
                let id = certificate.spiffe.as_deref();
                id.is_some_and(|id| pattern.matches(id))
            })
            && self.ip.as_ref().is_none_or(|network| {
                let mut addresses = certificate.addresses.iter();
                addresses.any(|address| network.contains(*address))
            })
            && self.spki.as_ref().is_none_or(|spki| *spki == key())
            && self.subject.iter().all(|(name, pattern)| {
                alone(certificate, name).is_some_and(|it| pattern.matches(it))
            })
    }
}

/// An attribute that is there once: of several it is not known which a reader takes.
fn alone<'c>(certificate: &'c ClientCertificate, name: &str) -> Option<&'c str> {
    let mut found = certificate
        .subject
        .iter()
        .filter(|(known, _)| *known == name);
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value.as_deref()).flatten()
}

fn compiled(
    like: Option<&Like>,
    pointer: &'static str,
    parts: Parts,
) -> Result<Option<Pattern>, ConfigError> {
    let text = match like {
        None => return Ok(None),
        Some(Like::Regex(text)) => text.clone(),
        Some(Like::Text(text)) => glob(text, parts),
    };
    match Pattern::new(&text) {
        Ok(pattern) => Ok(Some(pattern)),
        Err(fault) => Err(ConfigError::new(fault.code, pointer, fault.message)),
    }
}

/// The expression that a text with stars stands for.
fn glob(text: &str, parts: Parts) -> String {
    let (star, stars) = match parts {
        Parts::Dots => ("[^.]+", ".+"),
        Parts::Slashes => ("[^/]+", ".+"),
        Parts::At => ("[^@]+", ".+"),
        Parts::None => ("(?s:.*)", "(?s:.*)"),
    };
    let text = match parts {
        Parts::Dots => text.to_ascii_lowercase(),
        Parts::At => match text.rsplit_once('@') {
            Some((local, host)) => format!("{local}@{}", host.to_ascii_lowercase()),
            None => text.to_owned(),
        },
        Parts::Slashes | Parts::None => text.to_owned(),
    };
    let mut made = String::new();
    for (number, piece) in text.split("**").enumerate() {
        if number > 0 {
            made.push_str(stars);
        }
        let pieces: Vec<String> = piece.split('*').map(regex::escape).collect();
        made.push_str(&pieces.join(star));
    }
    made
}

/// By what the caller is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KnownBy {
    /// The first that it has: SPIFFE ID, DNS name, e-mail, URI, subject, public key.
    #[default]
    Any,
    /// Its SPIFFE ID.
    Spiffe,
    /// Its first URI.
    Uri,
    /// Its first DNS name.
    Dns,
    /// Its first address of e-mail.
    Email,
    /// Its whole subject.
    Subject,
    /// The common name of its subject.
    CommonName,
    /// Its public key.
    Spki,
}

impl KnownBy {
    /// The kind of name, and the name; none where the certificate has none that could be counted
    /// by and written down.
    pub(super) fn name(self, certificate: &ClientCertificate) -> Option<(&'static str, String)> {
        /// Longest name, bytes, as of a token's `sub`.
        const NAME_BYTES: usize = 256;
        let fits = |text: &&str| (1..=NAME_BYTES).contains(&text.len());
        let first = |names: &[Box<str>]| {
            let name = names.first().map(|name| &**name);
            name.filter(fits).map(str::to_owned)
        };
        let plain =
            |text: &&str| fits(text) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let found = match self {
            Self::Any => {
                return [
                    Self::Spiffe,
                    Self::Dns,
                    Self::Email,
                    Self::Uri,
                    Self::Subject,
                    Self::Spki,
                ]
                .into_iter()
                .find_map(|kind| kind.name(certificate));
            }
            Self::Spiffe => {
                let id = certificate.spiffe.as_deref();
                ("uri", id.filter(fits).map(str::to_owned))
            }
            Self::Uri => ("uri", first(&certificate.uris)),
            Self::Dns => ("dns", first(&certificate.dns)),
            Self::Email => ("email", first(&certificate.emails)),
            Self::Subject => {
                let text = Some(&*certificate.subject_text);
                ("subject", text.filter(plain).map(str::to_owned))
            }
            Self::CommonName => {
                let name = alone(certificate, "CN");
                ("cn", name.filter(plain).map(str::to_owned))
            }
            Self::Spki => ("spki", Some(pin(&certificate.key))),
        };
        found.1.map(|name| (found.0, name))
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Any => "name",
            Self::Spiffe => "SPIFFE ID",
            Self::Uri => "URI",
            Self::Dns => "DNS name",
            Self::Email => "address of e-mail",
            Self::Subject => "subject",
            Self::CommonName => "common name",
            Self::Spki => "public key",
        }
    }
}
