//! DNS messages (RFC 1035 section 4): one question, and the answer to it. What
//! arrives is a stranger's; every loop here has a bound.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Service;

/// There is no such name (NXDOMAIN).
pub const NO_SUCH_NAME: u8 = 3;
/// Bytes of a name on the wire (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;
/// Pointers followed within one name: each leads backwards, but a chain of them is slow.
const MAX_JUMPS: usize = 16;
/// Names that one name may stand for in turn; BIND follows 16.
const MAX_ALIASES: usize = 16;
/// Records of a message that are read: more than fit in 64 KiB are none.
const MAX_RECORDS: usize = 6_000;

const CLASS_INTERNET: u16 = 1;
const TYPE_CNAME: u16 = 5;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Servers of a service.
    Srv,
}

impl Kind {
    const fn code(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Aaaa => 28,
            Self::Srv => 33,
        }
    }
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was asked for.
    pub records: Vec<Held>,
    /// It did not fit: the question is to be asked over TCP.
    pub cut_off: bool,
}

/// A record, and for how long it holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    /// Seconds.
    pub ttl: u32,
    /// The record.
    pub what: Record,
}

/// A record of a kind that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Record {
    /// An address.
    Address(IpAddr),
    /// A server of a service.
    Service(Service),
}

/// The question, as it is sent; `None` if the name cannot be one.
#[must_use]
pub fn query(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(name.len() + 18);
    out.extend_from_slice(&id.to_be_bytes());
    // Recursion desired; one question.
    out.extend_from_slice(&[0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    let begun = out.len();
    for label in name.trim_end_matches('.').split('.') {
        if label.is_empty() || label.len() > 63 {
            return None;
        }
        out.push(u8::try_from(label.len()).ok()?);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    if out.len() - begun > MAX_NAME {
        return None;
    }
    out.extend_from_slice(&kind.code().to_be_bytes());
    out.extend_from_slice(&CLASS_INTERNET.to_be_bytes());
    Some(out)
}

/// Reads what answers the question. `None` if it answers another one or is no
/// message; an error is the server's code.
#[must_use]
pub fn read_answer(bytes: &[u8], id: u16, name: &str, kind: Kind) -> Option<Result<Answer, u8>> {
    let mut reader = Reader { bytes, at: 0 };
    let told = reader.u16()?;
    let flags = reader.u16()?;
    let (questions, answers) = (reader.u16()?, usize::from(reader.u16()?));
    reader.skip(4)?;
    if told != id || flags & 0x8000 == 0 || questions != 1 {
        return None;
    }
    let asked = name.trim_end_matches('.').to_ascii_lowercase();
    let same =
        reader.name()? == asked && reader.u16()? == kind.code() && reader.u16()? == CLASS_INTERNET;
    if !same {
        return None;
    }
    let code = u8::try_from(flags & 0x000f).unwrap_or(u8::MAX);
    if code != 0 {
        return Some(Err(code));
    }
    if flags & 0x0200 != 0 {
        return Some(Ok(Answer {
            records: Vec::new(),
            cut_off: true,
        }));
    }
    let mut read = Vec::new();
    for _ in 0..answers.min(MAX_RECORDS) {
        read.push(reader.record()?);
    }
    Some(Ok(Answer {
        records: pertinent(read, asked, kind),
        cut_off: false,
    }))
}

/// Records of the name that was asked for, or of one that it stands for. They
/// hold no longer than the names on the way.
fn pertinent(read: Vec<Raw>, asked: String, kind: Kind) -> Vec<Held> {
    let mut name = asked;
    let mut ttl = u32::MAX;
    // Bounded, so that names which stand for each other end.
    for _ in 0..MAX_ALIASES {
        let alias = read.iter().find_map(|raw| match &raw.what {
            What::Alias(of) if raw.owner == name => Some((raw.ttl, of)),
            _ => None,
        });
        let Some((holds, of)) = alias else { break };
        ttl = ttl.min(holds);
        name.clone_from(of);
    }
    let wanted = |what: &Record| {
        matches!(
            (kind, what),
            (Kind::A, Record::Address(IpAddr::V4(_)))
                | (Kind::Aaaa, Record::Address(IpAddr::V6(_)))
                | (Kind::Srv, Record::Service(_))
        )
    };
    let held = read.into_iter().filter_map(|raw| match raw.what {
        What::Record(what) if raw.owner == name && wanted(&what) => Some(Held {
            ttl: raw.ttl.min(ttl),
            what,
        }),
        _ => None,
    });
    held.collect()
}

struct Raw {
    owner: String,
    ttl: u32,
    what: What,
}

enum What {
    Record(Record),
    Alias(String),
    Other,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn u8(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.u8()?, self.u8()?]))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.at = self.at.checked_add(bytes)?;
        (self.at <= self.bytes.len()).then_some(())
    }

    fn array<const N: usize>(&self) -> Option<[u8; N]> {
        self.bytes.get(self.at..self.at + N)?.try_into().ok()
    }

    /// A name in lower case, without the last dot. Bytes that no host's name has make it none.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut at = self.at;
        let mut jumps = 0;
        let mut after = None;
        loop {
            let length = *self.bytes.get(at)?;
            match length >> 6 {
                0 if length == 0 => {
                    self.at = after.unwrap_or(at + 1);
                    return Some(name);
                }
                0 => {
                    let label = self.bytes.get(at + 1..at + 1 + usize::from(length))?;
                    if name.len() + label.len() + 1 > MAX_NAME {
                        return None;
                    }
                    if !name.is_empty() {
                        name.push('.');
                    }
                    for byte in label {
                        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*')) {
                            return None;
                        }
                        name.push(char::from(byte.to_ascii_lowercase()));
                    }
                    at += 1 + usize::from(length);
                }
                3 => {
                    jumps += 1;
                    let to =
                        usize::from(length & 0x3f) << 8 | usize::from(*self.bytes.get(at + 1)?);
                    // Backwards alone, so that it ends.
                    if jumps > MAX_JUMPS || to >= at {
                        return None;
                    }
                    after = after.or(Some(at + 2));
                    at = to;
                }
                _ => return None,
            }
        }
    }

    fn record(&mut self) -> Option<Raw> {
        let owner = self.name()?;
        let (kind, class) = (self.u16()?, self.u16()?);
        let ttl = self.u32()?;
        let length = usize::from(self.u16()?);
        let end = self.at.checked_add(length)?;
        if end > self.bytes.len() {
            return None;
        }
        let what = if class == CLASS_INTERNET {
            self.data(kind, length)?
        } else {
            What::Other
        };
        self.at = end;
        // The topmost bit is no part of the number (RFC 2181 section 8).
        let ttl = if ttl > i32::MAX as u32 { 0 } else { ttl };
        Some(Raw { owner, ttl, what })
    }

    fn data(&mut self, kind: u16, length: usize) -> Option<What> {
        Some(match (kind, length) {
            (1, 4) => What::Record(Record::Address(Ipv4Addr::from(self.array::<4>()?).into())),
            (28, 16) => What::Record(Record::Address(Ipv6Addr::from(self.array::<16>()?).into())),
            (TYPE_CNAME, _) => What::Alias(self.name()?),
            (33, 7..) => What::Record(Record::Service(Service {
                priority: self.u16()?,
                weight: self.u16()?,
                port: self.u16()?,
                host: self.name()?,
            })),
            _ => What::Other,
        })
    }
}

#[cfg(test)]
mod tests;
