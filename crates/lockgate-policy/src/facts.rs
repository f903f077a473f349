//! What a policy may want from outside, and the answers once obtained.

use std::sync::Arc;

use bytes::Bytes;

use crate::api_key::KeyRecord;
use crate::apps::Apps;
use crate::broker::{Brought, Order};
use crate::decide::{Heard as Decision, Question as DecisionQuestion};
use crate::enumeration::{Flag, Sighting};
use crate::introspection::{Heard, Question};
use crate::jwt::{KeySet, ProofMark, Revoked};
use crate::limits::{CounterKey, Strike, Take};
use crate::plugins::{Call, Said, Silent};
use crate::signature::Pending;
use crate::users::{Full, Seats};
use crate::{Denial, Grounds, Identity};

/// HMAC-SHA256 of a key under the installation's pepper.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(bytes.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high << 4 | low).ok()?;
        }
        Some(Self(digest))
    }

    /// Writes 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl std::fmt::Debug for Digest {
    // A digest is not the key, but it finds its record: keep it out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// Something from outside that a policy wants before it decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// The record of the key with this digest.
    Key(Digest),
    /// Counters to be taken from, all or none.
    Take(Take),
    /// What a key's own limit allows is to be taken from.
    Spend(Box<Spend>),
    /// Whether there is a penalty.
    Standing(CounterKey),
    /// Whether one of these counters of failures is half used up; nothing is counted.
    Failing(Vec<Strike>),
    /// A failure is to be counted; nothing is answered.
    Strike(Vec<Strike>),
    /// What is known of the issuer of this name.
    Issuer(Arc<str>),
    /// The same, after the issuer was asked for a key of this name; no name where
    /// there is no set at all.
    Refetch {
        /// The issuer's name.
        issuer: Arc<str>,
        /// The wanted key's.
        kid: Box<str>,
    },
    /// What an issuer says of a token, asked now.
    Ask(Box<Question>),
    /// What the control process is to get from an identity provider.
    Order(Box<Order>),
    /// Whether a proof is seen for the first time; it is remembered.
    First(Box<Proved>),
    /// Whether a caller goes through all there is; what they ask for is remembered.
    Sight(Box<Sighting>),
    /// Places are to be taken, all or none.
    Seat(Box<Seats>),
    /// What a plugin says.
    Plugin(Box<Call>),
    /// What a decision point says.
    Decision(Box<DecisionQuestion>),
    /// What is known of programs.
    Apps,
    /// The whole body of the request, before anything of it goes on.
    Content(Box<Gather>),
}

/// A body that is wanted whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    /// Most bytes that it may have.
    pub most: u64,
    /// Who calls, if the body is the one that was signed.
    pub pending: Option<Pending>,
}

/// A body, as it arrived: with its content codings, without its transfer coding.
#[derive(Clone)]
pub enum Content {
    /// All of it.
    Whole(Bytes),
    /// It is longer than was wanted.
    TooLong,
    /// It cannot be had, and this is said in place of it.
    Refused(Denial),
    /// All of it was judged when it came, and is there no more.
    Gone,
}

impl std::fmt::Debug for Content {
    // What is in a body is nobody's business but its reader's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole(..)",
            Self::TooLong => "TooLong",
            Self::Refused(_) => "Refused(..)",
            Self::Gone => "Gone",
        })
    }
}

/// Who calls by a key that has a limit of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// Who calls.
    pub identity: Identity,
    /// The counter.
    pub take: Take,
    /// What explanations say of them.
    pub grounds: Option<Grounds>,
}

/// Who calls, if the proof of it was not used before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// Who calls.
    pub identity: Identity,
    /// What the proof is known again by.
    pub mark: ProofMark,
    /// From when on it would not hold any more, milliseconds since the epoch.
    pub until_ms: u64,
}

/// Whether a proof was seen for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// It was.
    Yes,
    /// It was used before.
    No,
    /// There is no room to remember it, so that nobody could say the next time.
    Full,
}

/// What is known of an issuer.
#[derive(Debug, Clone, Default)]
pub struct IssuerFacts {
    /// Its keys, where any were ever fetched.
    pub keys: Option<Arc<KeySet>>,
    /// What was revoked, of all issuers.
    pub revoked: Arc<Revoked>,
}

/// Answers to needs, for the second asking.
#[derive(Debug, Default)]
pub enum Answers {
    /// Nothing was asked yet.
    #[default]
    None,
    /// The key's record, if there is one.
    Key(Digest, Option<Arc<KeyRecord>>),
    /// What is known of the issuer.
    Issuer(IssuerFacts),
    /// The same, after asking for its keys anew: there is no more to be had.
    Refetched(IssuerFacts),
    /// What an issuer says of the token, and what was revoked besides.
    Asked(Heard, IssuerFacts),
    /// What came of an order.
    Brought(Brought),
    /// Facts are too old to be believed, and the configuration says to deny.
    Stale,
    /// Whether the proof was seen for the first time.
    First(Box<Proved>, First),
    /// The counters as they stand then, and whether they were taken.
    Taken(Take),
    /// The same of a key's own.
    Spent(Box<Spend>),
    /// Until when there is a penalty, nanoseconds since the epoch.
    Standing(Option<u64>),
    /// Whether too many failed lately.
    Failing(bool),
    /// Whether the caller is refused for what they have asked for.
    Sighted(Box<Sighting>, Option<Flag>),
    /// The places that were wanted, and which of them there is not.
    Seated(Box<Seats>, Option<Full>),
    /// What a plugin said, or why it said nothing.
    Plugin(Result<Said, Silent>),
    /// What a decision point said, or why it said nothing.
    Decision(Decision),
    /// What is known of programs.
    Apps(Arc<Apps>),
    /// The body.
    Content(Box<Gather>, Content),
}

impl Answers {
    /// The body that a policy asked for, where all of it is at hand.
    #[must_use]
    pub fn content(gather: Box<Gather>, body: Option<&[u8]>) -> Self {
        let body = body.unwrap_or_default();
        let content = match body.len() as u64 > gather.most {
            true => Content::TooLong,
            false => Content::Whole(Bytes::copy_from_slice(body)),
        };
        Self::Content(gather, content)
    }
}
