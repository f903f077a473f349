//! Which of several upstreams a request goes to: by what it carries, then by
//! weight. A pure function; which target of the upstream is asked is decided
//! elsewhere.
//!
//! Weights are kept by weighted rendezvous hashing (Thaler and Ravishankar,
//! 1998): every upstream draws a number from the request's own key, and the
//! best one has it. So no order decides, every gate decides alike, and where a
//! weight grows, the clients that move all move to that upstream.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use lockgate_policy::conditions::{self, Conditions, Held};
use lockgate_policy::{ConfigError, Identity};

use crate::bundle::{Split as Config, SplitBy};

/// Most upstreams of one split: each draws a number for each request.
const MAX_SHARES: usize = 16;
/// Largest weight; a thousandth of a percent can still be said.
const MAX_WEIGHT: u32 = 1_000_000;

/// Several upstreams, and how to choose.
#[derive(Debug)]
pub struct Split {
    shares: Box<[Share]>,
    by: By,
}

#[derive(Debug)]
struct Share {
    upstream: usize,
    /// Of the upstream's name: the same on every gate.
    seed: u64,
    weight: u32,
    when: Conditions,
}

#[derive(Debug)]
enum By {
    Request,
    Client,
    Address,
    Header(HeaderName),
    Cookie(Box<str>),
}

/// What decided which upstream it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChosenBy {
    /// The API has this one and no other.
    #[default]
    Api,
    /// What the request carries.
    Condition,
    /// The weights.
    Weight,
}

impl ChosenBy {
    /// In a word, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Condition => "when",
            Self::Weight => "weight",
        }
    }
}

/// What of a request may decide.
pub struct Chooser<'a> {
    /// Its headers, as they arrived.
    pub headers: &'a HeaderMap,
    /// Its query.
    pub query: Option<&'a str>,
    /// Who calls.
    pub identity: Option<&'a Identity>,
    /// The client's address.
    pub client: IpAddr,
    /// Something that no other request has, such as its id.
    pub request: &'a str,
}

impl Split {
    /// Compiles a split; `upstream` finds an upstream by its name.
    ///
    /// # Errors
    /// Where the shares make no sense.
    pub fn new(
        config: &Config,
        upstream: impl Fn(&str) -> Option<usize>,
    ) -> Result<Self, ConfigError> {
        let wrong = |code, pointer: String, message| Err(ConfigError::new(code, pointer, message));
        if config.to.is_empty() || config.to.len() > MAX_SHARES {
            let message = format!("a split is between 1 and {MAX_SHARES} upstreams");
            return wrong("split-size", "/to".to_owned(), message);
        }
        let mut shares = Vec::with_capacity(config.to.len());
        for (place, share) in config.to.iter().enumerate() {
            let at = format!("/to/{place}");
            let name = &share.upstream;
            let Some(index) = upstream(name) else {
                let message = format!("there is no upstream `{name}`");
                return wrong("no-upstream", format!("{at}/upstream"), message);
            };
            if config.to[..place]
                .iter()
                .any(|other| other.upstream == *name)
            {
                let message = format!("`{name}` has a share already");
                return wrong("share-repeated", format!("{at}/upstream"), message);
            }
            if share.weight > MAX_WEIGHT {
                let message = format!("weights go from 0 to {MAX_WEIGHT}");
                return wrong("weight-too-large", format!("{at}/weight"), message);
            }
            let when = Conditions::new(&share.when).map_err(|error| ConfigError {
                pointer: format!("{at}/when{}", error.pointer),
                ..error
            })?;
            shares.push(Share {
                upstream: index,
                seed: hash(0, name.as_bytes()),
                weight: share.weight,
                when,
            });
        }
        if shares.iter().all(|share| share.weight == 0) {
            let message = "the weights sum to nothing, so no upstream would get a request";
            return wrong(
                "weights-sum-to-nothing",
                "/to".to_owned(),
                message.to_owned(),
            );
        }
        let by = match &config.by {
            SplitBy::Request {} => By::Request,
            SplitBy::Client {} => By::Client,
            SplitBy::Address {} => By::Address,
            SplitBy::Cookie(name) => By::Cookie(name.as_str().into()),
            SplitBy::Header(name) => {
                By::Header(HeaderName::try_from(name.as_str()).map_err(|_| {
                    let message = format!("`{name}` is not a header name");
                    ConfigError::new("not-a-header", "/by/header", message)
                })?)
            }
        };
        Ok(Self {
            shares: shares.into(),
            by,
        })
    }

    /// The upstreams that may be chosen, each with its weight.
    pub fn shares(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        self.shares
            .iter()
            .map(|share| (share.upstream, share.weight))
    }

    /// Chooses.
    #[must_use]
    pub fn choose(&self, from: &Chooser<'_>) -> (usize, ChosenBy) {
        let named = self.shares.iter().find(|share| {
            // What readers could differ on decides nothing; both ways are the API's own.
            !share.when.is_empty() && share.when.hold(from.headers, from.query) == Held::Yes
        });
        if let Some(share) = named {
            return (share.upstream, ChosenBy::Condition);
        }
        let key = self.key(from);
        let mut best = (f64::INFINITY, 0);
        for share in self.shares.iter().filter(|share| share.weight > 0) {
            let drawn = -unit(hash(key, &share.seed.to_le_bytes())).ln() / f64::from(share.weight);
            if drawn < best.0 {
                best = (drawn, share.upstream);
            }
        }
        (best.1, ChosenBy::Weight)
    }

    fn key(&self, from: &Chooser<'_>) -> u64 {
        let said = match &self.by {
            By::Request => Some(hash(0, from.request.as_bytes())),
            By::Address => None,
            By::Client => from
                .identity
                .map(|identity| hash(1, identity.credential.as_bytes())),
            By::Header(name) => from
                .headers
                .get(name)
                .map(|value| hash(2, value.as_bytes())),
            By::Cookie(name) => conditions::cookies(from.headers, name)
                .next()
                .map(|value| hash(3, value.as_bytes())),
        };
        said.unwrap_or_else(|| match from.client {
            IpAddr::V4(address) => hash(4, &address.octets()),
            // One network of 64 bits is one client.
            IpAddr::V6(address) => hash(5, &address.octets()[..8]),
        })
    }
}

/// FNV-1a with `splitmix64`'s finish: the same on every gate and in every
/// version, which a hash for tables does not promise.
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325 ^ seed;
    for byte in bytes {
        state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// A number between 0 and 1, neither of them.
pub(crate) fn unit(hash: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)] // 52 bits fit.
    let bits = (hash >> 12) as f64;
    (bits + 0.5) / (1_u64 << 52) as f64
}

#[cfg(test)]
mod tests;
