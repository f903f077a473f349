//! One limit: for which requests, and what they are counted under.

use std::net::IpAddr;

use http::HeaderName;
use serde_json::Value;

use super::config::{By, Config, Count, Tell};
use super::counters::Charge;
use super::gcra::Quota;
use super::key::{CounterKey, Seed, Sip};
use super::Asked;
use crate::only::Meant;
use crate::{ConfigError, Ranges, Span};

/// More than any gate serves on one core, and what keeps rounding below a thousandth.
const MOST_EACH_SECOND: u64 = 1_000_000;
/// As long as a counter can take to be whole again: a leap year.
const LONGEST_WINDOW_MS: u64 = 366 * 86_400_000;

/// A compiled limit.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    pub(super) name: Box<str>,
    pub(super) quota: Quota,
    pub(super) tell: Tell,
    pub(super) legacy: bool,
    pub(super) span: Span,
    /// `"NAME"`, and what of `RateLimit-Policy` belongs to it.
    pub(super) policy: String,
    /// What a refusal says.
    pub(super) said: String,
    counting: Counting,
    only: Meant,
}

/// What it counts by.
#[derive(Debug, Clone)]
pub(super) struct Counting {
    by: Vec<Compiled>,
    /// The limit's own part of every key; enforced, and observed.
    begun: [Sip; 2],
    /// The counter of all who find no room for their own; enforced, and observed.
    shared: [CounterKey; 2],
    /// Whether callers choose what they are counted by: whoever has a network
    /// of IPv6 has many addresses, and a header says what its sender likes.
    chosen: bool,
    ipv4: u32,
    ipv6: u32,
    exempt: Ranges,
}

#[derive(Debug, Clone)]
enum Compiled {
    Address,
    Client,
    App,
    Route,
    Operation,
    Api,
    Claim(Box<str>),
    Header(HeaderName),
}

impl Limit {
    pub(super) fn new(config: &Config, span: Span, seed: Seed) -> Result<Self, ConfigError> {
        let quota = quota(config)?;
        let window_s = quota.window_ns().div_ceil(super::SECOND_NS);
        Ok(Self {
            counting: Counting::new(config, seed)?,
            only: Meant::new(&config.only)?,
            policy: format!("\"{}\";q={};w={window_s}", config.name, quota.burst()),
            said: format!("The limit \"{}\" is used up.", config.name),
            name: config.name.as_str().into(),
            tell: config.tell,
            legacy: config.legacy,
            quota,
            span,
        })
    }

    pub(super) fn needs_headers_or_claims(&self) -> bool {
        let needs = |part: &Compiled| {
            matches!(
                part,
                Compiled::Header(_) | Compiled::Claim(_) | Compiled::App
            )
        };
        self.counting.by.iter().any(needs)
    }

    pub(super) fn is_for(&self, asked: &Asked<'_>) -> bool {
        self.only.hold(asked.view) && !self.counting.is_exempt(asked)
    }

    pub(super) fn charge(&self, limit: usize, asked: &Asked<'_>) -> Charge {
        let key = self.counting.key(asked);
        Charge {
            key,
            slot: key,
            shared: self.counting.shared[usize::from(asked.shadow)],
            quota: self.quota,
            cost: 1,
            chosen: self.counting.chosen,
            limit,
            due_ns: 0,
        }
    }
}

/// The quota of a limit, or why there is none.
pub(super) fn quota(config: &Config) -> Result<Quota, ConfigError> {
    let wrong = |pointer: &str, message: String| ConfigError::new("not-a-limit", pointer, message);
    if config.allow == 0 || config.per_ms == 0 {
        return Err(wrong("/allow", "a limit allows at least one".to_owned()));
    }
    if config.allow > MOST_EACH_SECOND.saturating_mul(config.per_ms) / 1000 {
        let message = format!("a limit allows at most {MOST_EACH_SECOND} a second");
        return Err(wrong("/allow", message));
    }
    let longest = LONGEST_WINDOW_MS.saturating_mul(config.allow) / config.per_ms;
    if config.burst == 0 || config.burst > longest {
        let message = "a burst is at least 1, and takes a year at most to be there again";
        return Err(wrong("/burst", message.to_owned()));
    }
    if !(1..=32).contains(&config.ipv4_prefix) || !(1..=128).contains(&config.ipv6_prefix) {
        let message = "a prefix has from 1 to 32 bits of IPv4, or 128 of IPv6";
        return Err(wrong("/ipv4_prefix", message.to_owned()));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if config.name.is_empty() || config.name.len() > 64 || !config.name.bytes().all(plain) {
        let message = format!("`{}` is not a name", config.name);
        return Err(wrong("/name", message));
    }
    if (config.count == Count::Failures) != config.penalty.is_some() {
        let message = "a penalty is for failures, and failures have one".to_owned();
        return Err(wrong("/penalty", message));
    }
    Quota::new(
        config.allow,
        config.per_ms.saturating_mul(1_000_000),
        config.burst,
    )
    .ok_or_else(|| wrong("/allow", "this is beyond what can be counted".to_owned()))
}

impl Counting {
    pub(super) fn new(config: &Config, seed: Seed) -> Result<Self, ConfigError> {
        if config.by.is_empty() {
            let message = "a limit counts by something";
            return Err(ConfigError::new("not-a-limit", "/by", message));
        }
        let by = config.by.iter().enumerate().map(|(place, by)| {
            compiled(by).map_err(|message| {
                ConfigError::new("not-a-header", format!("/by/{place}"), message)
            })
        });
        let by = by.collect::<Result<Vec<_>, _>>()?;
        let exempt = Ranges::new(&config.exempt).map_err(|(place, message)| {
            ConfigError::new("not-a-network", format!("/exempt/{place}"), message)
        })?;
        let begun = [0, 1].map(|shadow| {
            let mut sip = seed.begin();
            sip.part(config.scope.as_bytes());
            sip.part(config.name.as_bytes());
            sip.word(shadow);
            sip
        });
        let chosen = |part: &Compiled| matches!(part, Compiled::Address | Compiled::Header(_));
        Ok(Self {
            chosen: by.iter().any(chosen),
            by,
            shared: begun.clone().map(Sip::end),
            begun,
            ipv4: u32::from(config.ipv4_prefix),
            ipv6: u32::from(config.ipv6_prefix),
            exempt,
        })
    }

    pub(super) fn is_exempt(&self, asked: &Asked<'_>) -> bool {
        !self.exempt.is_empty() && self.exempt.contains(asked.address)
    }

    pub(super) fn key(&self, asked: &Asked<'_>) -> CounterKey {
        let mut sip = self.begun[usize::from(asked.shadow)].clone();
        for part in &self.by {
            self.part(&mut sip, part, asked);
        }
        sip.end()
    }

    fn part(&self, sip: &mut Sip, part: &Compiled, asked: &Asked<'_>) {
        let identity = asked.identity;
        match part {
            Compiled::Address => self.address(sip, asked.address),
            Compiled::Client => self.client(sip, asked),
            Compiled::App => match identity.and_then(|identity| identity.app.as_deref()) {
                Some(app) => named(sip, 3, app.as_bytes()),
                None => self.client(sip, asked),
            },
            Compiled::Route => named(sip, 4, asked.route.as_bytes()),
            Compiled::Operation => match asked.view.operation {
                Some(operation) => named(sip, 5, operation.as_bytes()),
                None => named(sip, 4, asked.route.as_bytes()),
            },
            Compiled::Api => named(sip, 6, asked.view.api.as_bytes()),
            Compiled::Claim(name) => {
                let claims = identity.and_then(|identity| identity.claims.as_deref());
                match claims.and_then(|claims| claims.get(&**name)) {
                    None | Some(Value::Null) => self.client(sip, asked),
                    Some(Value::String(text)) => named(sip, 7, text.as_bytes()),
                    Some(other) => named(sip, 8, other.to_string().as_bytes()),
                }
            }
            Compiled::Header(name) => {
                let values = asked.view.headers.get_all(name);
                let count = values.iter().count() as u64;
                if count == 0 {
                    self.client(sip, asked);
                    return;
                }
                // Else the last of one header could be the first of the next.
                sip.word(count);
                for value in values {
                    named(sip, 9, value.as_bytes());
                }
            }
        }
    }

    fn client(&self, sip: &mut Sip, asked: &Asked<'_>) {
        match asked.identity {
            Some(identity) => named(sip, 2, identity.credential.as_bytes()),
            // Who is not known is told from others by the address alone.
            None => self.address(sip, asked.address),
        }
    }

    fn address(&self, sip: &mut Sip, address: IpAddr) {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - self.ipv4).unwrap_or(0);
                sip.word(0);
                sip.word(u64::from(u32::from(v4) & mask));
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - self.ipv6).unwrap_or(0);
                let network = (u128::from(v6) & mask).to_be_bytes();
                named(sip, 1, &network);
            }
        }
    }
}

/// A value of a kind, in such a way that no two lists of them read the same.
fn named(sip: &mut Sip, kind: u64, value: &[u8]) {
    // Nothing that can be counted by is as long as 2^56 bytes.
    sip.word(kind << 56 | value.len() as u64);
    sip.bytes(value);
}

fn compiled(by: &By) -> Result<Compiled, String> {
    Ok(match by {
        By::Address => Compiled::Address,
        By::Client => Compiled::Client,
        By::App => Compiled::App,
        By::Route => Compiled::Route,
        By::Operation => Compiled::Operation,
        By::Api => Compiled::Api,
        By::Claim(name) => Compiled::Claim(name.as_str().into()),
        By::Header(name) => {
            let header = HeaderName::try_from(name.as_str())
                .map_err(|_| format!("`{name}` is not a header name such as X-Tenant"))?;
            Compiled::Header(header)
        }
    })
}
