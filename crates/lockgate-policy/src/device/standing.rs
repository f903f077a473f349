//! What the control process says of a device, and what it is told of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{introspection, jwt, mtls, session, Identity};

/// Longest `User-Agent` that is told, bytes: browsers' have some two hundred.
const AGENT_BYTES: usize = 256;
/// Longest mark of a device, bytes: thumbprints have 43.
const MARK_BYTES: usize = 128;
/// Longest identifier of an issuer, bytes.
const ISSUER_BYTES: usize = 1_024;
/// Longest `sub`, bytes: OpenID Connect Core section 2 has no more.
const SUBJECT_BYTES: usize = 255;
/// Longest text of how HTTP/2 begins that is told, bytes: browsers' have some 60.
const LOOK_BYTES: usize = 200;
/// Longest public id, bytes.
const ID_BYTES: usize = 64;
/// Whom certificates without a token are counted to: no issuer's identifier is so short.
pub const CERTIFICATES: &str = "mtls";

/// By what a device is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The sealed cookie of a browser.
    Browser,
    /// The key of proofs (RFC 9449).
    Dpop,
    /// The certificate of a connection (RFC 8705, or by itself).
    Certificate,
}

/// A device as its credential tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told<'i> {
    /// Who vouches for the owner.
    pub issuer: &'i str,
    /// The owner.
    pub subject: &'i str,
    /// By what it is known.
    pub kind: Kind,
    /// What it is known again by.
    pub mark: &'i str,
}

impl<'i> Told<'i> {
    /// The device of who calls, where the credential is bound to one.
    #[must_use]
    pub fn by(identity: &'i Identity) -> Option<Self> {
        let claims = identity.claims.as_deref()?;
        let text = |claims: &'i Map<String, Value>, name: &str| {
            let text = claims.get(name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty() && text.len() <= MARK_BYTES)
        };
        let owner = || {
            let (issuer, subject) = (claims.get("iss")?.as_str()?, claims.get("sub")?.as_str()?);
            let fits = |text: &str, most| (1..=most).contains(&text.len());
            (fits(issuer, ISSUER_BYTES) && fits(subject, SUBJECT_BYTES))
                .then_some((issuer, subject))
        };
        let (issuer, subject, kind, mark) = match identity.proved_by {
            session::NAME => {
                let (issuer, subject) = owner()?;
                (issuer, subject, Kind::Browser, text(claims, "device")?)
            }
            jwt::NAME | introspection::NAME => {
                let (issuer, subject) = owner()?;
                let bound = claims.get("cnf")?.as_object()?;
                let (kind, mark) = match (text(bound, "jkt"), text(bound, "x5t#S256")) {
                    (Some(key), _) => (Kind::Dpop, key),
                    (None, Some(certificate)) => (Kind::Certificate, certificate),
                    (None, None) => return None,
                };
                (issuer, subject, kind, mark)
            }
            mtls::NAME => {
                let mark = text(claims, "x5t#S256")?;
                let owner = &*identity.owner;
                if owner.is_empty() || owner.len() > SUBJECT_BYTES {
                    return None;
                }
                (CERTIFICATES, owner, Kind::Certificate, mark)
            }
            _ => return None,
        };
        Some(Self {
            issuer,
            subject,
            kind,
            mark,
        })
    }
}

/// What is seen of a device with a request.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Where it is.
    pub address: IpAddr,
    /// JA4 of its TLS.
    pub ja4: Option<&'a str>,
    /// How it begins HTTP/2.
    pub http2: Option<&'a str>,
    /// Its country (ISO 3166-1 alpha-2), where a database tells.
    pub country: Option<&'a str>,
    /// Its network's number, where a database tells.
    pub network: Option<u32>,
    /// Degrees north and east, where a database tells.
    pub location: Option<(f64, f64)>,
}

/// What the control process is told.
#[derive(Serialize)]
struct Sighting<'a> {
    issuer: &'a str,
    subject: &'a str,
    kind: Kind,
    mark: &'a str,
    address: IpAddr,
    agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja4: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http2: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<(f64, f64)>,
    /// When its owner last gave the proof that confirms it, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    proved_s: Option<u64>,
    /// Signals that the gate lets nobody through with: it is told again soon.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    heeds: &'a [&'static str],
}

impl<'s> Seen<'s> {
    /// What is ordered an answer for. `proved_s` is when the owner gave the proof that confirms a device;
    /// `heeds` are signals that nobody is let through with.
    #[must_use]
    pub fn sighting(
        &self,
        told: &Told<'_>,
        agent: Option<&[u8]>,
        (proved_s, heeds): (Option<u64>, &[&'static str]),
    ) -> Vec<u8> {
        // Whoever says nothing does not look like whoever said something.
        let agent = agent.unwrap_or(b"-");
        let agent = String::from_utf8_lossy(&agent[..agent.len().min(AGENT_BYTES)]);
        let cut = |text: &'s str| text.get(..LOOK_BYTES).unwrap_or(text);
        let said = Sighting {
            issuer: told.issuer,
            subject: told.subject,
            kind: told.kind,
            mark: told.mark,
            address: area(self.address),
            agent: &agent,
            ja4: self.ja4.map(cut),
            http2: self.http2.map(cut),
            country: self.country,
            network: self.network,
            location: self.location,
            proved_s,
            heeds,
        };
        // Numbers and texts alone: it cannot fail.
        serde_json::to_vec(&said).unwrap_or_default()
    }
}

/// Where something is, less what tells one home from the next: who roams within it is not new at every step.
fn area(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0xff).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80)).into(),
    }
}

/// What is known of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What people call it by: `dev_…`.
    pub id: Box<str>,
    /// Whether it was taken out.
    #[serde(default)]
    pub revoked: bool,
    /// Whether neither its owner nor an operator has said that it is theirs.
    #[serde(default)]
    pub new: bool,
    /// Whether an operator has approved it.
    #[serde(default)]
    pub approved: bool,
    /// Whether it looks otherwise than it did.
    #[serde(default)]
    pub changed: bool,
    /// Whether its owner was elsewhere a moment ago.
    #[serde(default)]
    pub travel: bool,
    /// How many devices its owner uses.
    #[serde(default)]
    pub at_once: u32,
    /// The second since which something speaks against it that a newer proof takes away; else 0.
    #[serde(default)]
    pub since_s: u64,
}

impl Standing {
    /// Reads what the control process says.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let said: Self = serde_json::from_str(text).ok()?;
        (!said.id.is_empty() && said.id.len() <= ID_BYTES).then_some(said)
    }

    /// What speaks against it, in words that events and `explain` show.
    pub fn signals(&self) -> impl Iterator<Item = &'static str> {
        let known = [
            (self.revoked, "revoked"),
            (!self.approved, "unapproved"),
            (self.new, "new"),
            (self.changed, "changed"),
            (self.travel, "travel"),
        ];
        known
            .into_iter()
            .filter_map(|(is, word)| is.then_some(word))
    }
}
