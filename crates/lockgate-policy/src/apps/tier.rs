//! How far programs are trusted, and what that bounds.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::Quota;
use crate::ConfigError;

/// How far a program is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Nobody has looked at it.
    Unreviewed,
    /// Somebody has, and answers for it.
    Reviewed,
    /// It is one's own.
    Trusted,
}

impl Tier {
    /// As the configuration calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreviewed => "unreviewed",
            Self::Reviewed => "reviewed",
            Self::Trusted => "trusted",
        }
    }
}

/// What bounds the programs of each tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tiers {
    /// Those that nobody has looked at.
    pub unreviewed: Bound,
    /// Those that somebody answers for.
    pub reviewed: Bound,
    /// One's own.
    pub trusted: Bound,
}

/// What bounds the programs of a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TierBound")]
pub struct Bound {
    /// How much each of them may send; as much as others allow where it is left out.
    pub rate: Option<Rate>,
    /// Methods that they may use; all where it is left out. GET brings HEAD.
    pub methods: Option<Vec<String>>,
    /// Whether they may read in bulk.
    pub bulk: bool,
    /// Scopes that they never have, whoever gave them; `*` stands for anything.
    pub never: Vec<String>,
}

/// `allow` in each `per_ms`, and `burst` of them at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TierRate")]
pub struct Rate {
    /// How many.
    pub allow: u64,
    /// In how many milliseconds.
    pub per_ms: u64,
    /// How many at once.
    pub burst: u64,
}

/// The same, compiled.
#[derive(Debug, Default)]
pub struct Compiled {
    pub rate: Option<Quota>,
    methods: Option<Box<[Method]>>,
    pub bulk: bool,
    never: Box<[Box<str>]>,
}

impl Compiled {
    pub fn new(bound: &Bound) -> Result<Self, ConfigError> {
        let rate = bound.rate.map(|rate| {
            let per_ns = rate.per_ms.saturating_mul(1_000_000);
            let quota = Quota::new(rate.allow, per_ns, rate.burst);
            quota.ok_or_else(|| {
                ConfigError::new("not-a-rate", "/rate", "this is none that can be counted")
            })
        });
        let methods = bound.methods.as_ref().map(|methods| {
            let method = |(place, name): (usize, &String)| {
                Method::from_bytes(name.as_bytes()).map_err(|_| {
                    let message = format!("`{name}` is not a method such as GET");
                    ConfigError::new("not-a-method", format!("/methods/{place}"), message)
                })
            };
            methods.iter().enumerate().map(method).collect()
        });
        Ok(Self {
            rate: rate.transpose()?,
            methods: methods.transpose()?,
            bulk: bound.bulk,
            never: bound.never.iter().map(|one| one.as_str().into()).collect(),
        })
    }

    /// Whether a method may be used. A HEAD shows no more than a GET does (RFC 9110 section 9.3.2).
    pub fn takes(&self, method: &Method) -> bool {
        self.methods.as_ref().is_none_or(|all| {
            all.contains(method) || (*method == Method::HEAD && all.contains(&Method::GET))
        })
    }

    /// Whether a scope is one that programs of the tier never have.
    pub fn withholds(&self, scope: &str) -> bool {
        self.never.iter().any(|pattern| matches(pattern, scope))
    }
}

/// Whether a text is what a pattern says, in whatever letters: `*` stands for any number of characters.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let same = |one: &[u8], other: &[u8]| one.eq_ignore_ascii_case(other);
    let (text, first) = (text.as_bytes(), parts.next().unwrap_or_default().as_bytes());
    let Some(last) = parts.next_back().map(str::as_bytes) else {
        return same(first, text);
    };
    if text.len() < first.len() + last.len()
        || !same(first, &text[..first.len()])
        || !same(last, &text[text.len() - last.len()..])
    {
        return false;
    }
    let mut rest = &text[first.len()..text.len() - last.len()];
    parts.map(str::as_bytes).all(|part| {
        let found = part.is_empty()
            || rest.windows(part.len()).enumerate().any(|(at, window)| {
                let here = same(part, window);
                if here {
                    rest = &rest[at + part.len()..];
                }
                here
            });
        found
    })
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, is) in [
            ("admin", "admin", true),
            ("admin", "Admin", true),
            ("admin", "administer", false),
            ("admin*", "admin:users", true),
            ("*:admin", "orders:admin", true),
            ("*:admin", ":admin", true),
            ("*:admin", "admin", false),
            ("*admin*", "superadmin.write", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*bb*b", "abb", false),
            ("*", "", true),
            ("**", "x", true),
            ("aa*aa", "aaa", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), is, "{pattern} {text}");
        }
    }
}
