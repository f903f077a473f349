//! Tokens that were revoked before their time, told by what they say: by their
//! `jti`, by whom, by what program, in what session or for what device they
//! were issued.
//!
//! One for the process, sharded, 16 bytes of a hash each: a million of them is
//! nothing that a request notices. What was revoked once stays so: there is no
//! filter here that forgets, or that takes one token for another.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::cache::Already;
use super::claims::instant_ms;

/// Parts with a lock of their own.
const SHARDS: usize = 64;
/// How many a shard holds at least before it looks for those that have had their time.
const FEW: usize = 64;

/// By what tokens are told that were revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// `jti`: one token.
    Token,
    /// `sub`: what a person or service has.
    Subject,
    /// What the program is called that has it.
    Client,
    /// `sid`: what was issued within one sign-in (OpenID Connect Back-Channel Logout 1.0).
    Session,
    /// A session's `device`, a key (`cnf.jkt`, RFC 9449 section 6) or a certificate (`cnf["x5t#S256"]`,
    /// RFC 8705 section 3.1): what a device has. Who says several is refused for any of them.
    Device,
    /// All that the issuer has issued.
    Issuer,
}

/// All of them, the widest last: the narrowest is what a refusal tells of.
const ALL: [By; 6] = [
    By::Token,
    By::Session,
    By::Device,
    By::Subject,
    By::Client,
    By::Issuer,
];

impl By {
    /// What the claims say of it.
    fn read(self, claims: &Map<String, Value>) -> impl Iterator<Item = &str> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let bound = |name: &str| claims.get("cnf").and_then(|cnf| cnf.get(name)?.as_str());
        match self {
            Self::Token => [text("jti"), None, None],
            Self::Subject => [text("sub"), None, None],
            Self::Client => [super::claims::program(claims), None, None],
            Self::Session => [text("sid"), None, None],
            Self::Device => [text("device"), bound("jkt"), bound("x5t#S256")],
            Self::Issuer => [Some(""), None, None],
        }
        .into_iter()
        .flatten()
    }

    /// What a refusal says; the token's own words are not repeated.
    const fn words(self) -> &'static str {
        match self {
            Self::Token => "its `jti` was revoked",
            Self::Session => "the session of its `sid` was ended",
            Self::Device => {
                "the device that it was issued for, or whose key it is bound to, was revoked"
            }
            Self::Subject => "what was issued for its `sub` until then was revoked",
            Self::Client => "what was issued for its client until then was revoked",
            Self::Issuer => "what its issuer had issued until then was revoked",
        }
    }
}

/// Which tokens are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meant {
    /// The claim `iss`, letter by letter.
    pub issuer: String,
    /// By what they are told.
    pub by: By,
    /// What the claim says; empty where all of the issuer's are meant.
    #[serde(default)]
    pub value: String,
}

impl Meant {
    /// Every way of telling a token that says this: its issuer's claims, not yet verified.
    #[must_use]
    pub fn all(claims: &Map<String, Value>) -> Vec<Self> {
        let Some(issuer) = claims.get("iss").and_then(Value::as_str) else {
            return Vec::new();
        };
        let told = |by: By| {
            by.read(claims).map(move |value| Self {
                issuer: issuer.to_owned(),
                by,
                value: value.to_owned(),
            })
        };
        ALL.into_iter().flat_map(told).collect()
    }
}

/// Which of them, and for how long: seconds since the epoch, which is what tokens say. Small:
/// there may be a million of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    /// Those that were issued until then, that second included.
    before_s: u32,
    /// From when on there can be no such token.
    until_s: u32,
}

/// A hash of what is meant; its last byte is the [`By`].
type Mark = [u8; 16];
const KIND: usize = 15;

type Cuts = HashMap<Mark, Cut, BuildHasherDefault<Already>>;

/// All that was revoked.
#[derive(Debug)]
pub struct Revoked {
    shards: Vec<RwLock<Cuts>>,
    /// How many there are of each [`By`].
    counts: [AtomicUsize; ALL.len()],
    generation: AtomicU64,
}

impl Default for Revoked {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            counts: Default::default(),
            generation: AtomicU64::new(next_generation()),
        }
    }
}

/// No two states of any [`Revoked`] of the process have one number.
fn next_generation() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Revoked {
    /// Another number after each change. What was checked under one need not be
    /// checked again until there is another.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let counts = self.counts.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Whether nothing was revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Revokes what is meant and was issued until `before_ms`, or ever; from `until_ms` on,
    /// where it is said, nothing is left of it. `now_ms` is when that was decided. All
    /// three are milliseconds since the epoch.
    pub fn put(&self, meant: &Meant, before_ms: Option<u64>, until_ms: Option<u64>, now_ms: u64) {
        let cut = Cut {
            before_s: before_ms.map_or(u32::MAX, |ms| seconds(ms / 1000)),
            until_s: until_ms.map_or(u32::MAX, |ms| seconds(ms.div_ceil(1000))),
        };
        let mark = mark(meant.by, &meant.issuer, &meant.value);
        {
            let mut cuts = self.shard(&mark);
            if cuts.len() >= FEW && cuts.len() == cuts.capacity() {
                // Before it grows.
                cuts.retain(|mark, cut| {
                    let stays = !cut.is_over(now_ms);
                    if !stays {
                        self.count(mark).fetch_sub(1, Ordering::Relaxed);
                    }
                    stays
                });
            }
            if cuts.insert(mark, cut).is_none() {
                self.count(&mark).fetch_add(1, Ordering::Relaxed);
            }
        }
        self.changed();
    }

    /// Takes a revocation back.
    pub fn lift(&self, meant: &Meant) {
        let mark = mark(meant.by, &meant.issuer, &meant.value);
        if self.shard(&mark).remove(&mark).is_some() {
            self.count(&mark).fetch_sub(1, Ordering::Relaxed);
        }
        self.changed();
    }

    /// Why a token with these claims was revoked, if it was.
    #[must_use]
    pub fn refuses(
        &self,
        issuer: &str,
        claims: &Map<String, Value>,
        now_ms: u64,
    ) -> Option<&'static str> {
        ALL.into_iter()
            .filter(|by| self.counts[*by as usize].load(Ordering::Relaxed) > 0)
            .find(|by| {
                by.read(claims)
                    .filter_map(|value| self.cut(&mark(*by, issuer, value)))
                    .any(|cut| !cut.is_over(now_ms) && cut.meets(claims))
            })
            .map(By::words)
    }

    fn count(&self, mark: &Mark) -> &AtomicUsize {
        &self.counts[usize::from(mark[KIND])]
    }

    fn cut(&self, mark: &Mark) -> Option<Cut> {
        let shard = &self.shards[usize::from(mark[0]) % SHARDS];
        let cuts = shard.read().unwrap_or_else(PoisonError::into_inner);
        cuts.get(mark).copied()
    }

    fn shard(&self, mark: &Mark) -> std::sync::RwLockWriteGuard<'_, Cuts> {
        let shard = &self.shards[usize::from(mark[0]) % SHARDS];
        shard.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// After what it tells of: who has seen the number before has not looked before.
    fn changed(&self) {
        self.generation.store(next_generation(), Ordering::Release);
    }
}

/// What does not fit is the end of time, in the year 2106.
fn seconds(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Cut {
    const fn is_over(self, now_ms: u64) -> bool {
        self.until_s != u32::MAX && self.until_s as u64 * 1000 <= now_ms
    }

    /// A token that does not say when it was issued may be from before.
    fn meets(&self, claims: &Map<String, Value>) -> bool {
        match instant_ms(claims, "iat") {
            Ok(Some(issued)) => seconds(issued / 1000) <= self.before_s,
            _ => true,
        }
    }
}

/// Lengths stand before the texts, so that no two things meant are hashed alike.
fn mark(by: By, issuer: &str, value: &str) -> Mark {
    let mut hash = Context::new(&SHA256);
    for text in [issuer, value] {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    let mut mark = [0; 16];
    mark[..KIND].copy_from_slice(&hash.finish().as_ref()[..KIND]);
    mark[KIND] = by as u8;
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    fn meant(by: By, value: &str) -> Meant {
        Meant {
            issuer: "https://a".to_owned(),
            by,
            value: value.to_owned(),
        }
    }

    const TOKEN: &str =
        r#"{"jti":"t1","sub":"ann","client_id":"shop","sid":"s1","device":"d1","iat":100}"#;

    #[test]
    fn each_way_of_telling_tokens_tells_its_own() {
        let token = claims(TOKEN);
        for (by, value) in [
            (By::Token, "t1"),
            (By::Subject, "ann"),
            (By::Client, "shop"),
            (By::Session, "s1"),
            (By::Device, "d1"),
            (By::Issuer, ""),
        ] {
            let revoked = Revoked::default();
            assert_eq!(revoked.refuses("https://a", &token, 0), None);
            revoked.put(&meant(by, value), Some(100_000), None, 0);
            assert_eq!(revoked.refuses("https://a", &token, 0), Some(by.words()));
            assert_eq!(revoked.refuses("https://b", &token, 0), None, "{by:?}");
            // What is said of one claim says nothing of another that reads alike.
            let other = claims(
                r#"{"jti":"ann","sub":"t1","client_id":"d1","sid":"shop","device":"s1","iat":100}"#,
            );
            let said = revoked.refuses("https://a", &other, 0);
            assert_eq!(said.is_some(), by == By::Issuer, "{by:?}");
            revoked.lift(&meant(by, value));
            assert_eq!(revoked.refuses("https://a", &token, 0), None);
            assert!(revoked.is_empty());
        }
    }

    #[test]
    fn what_was_issued_later_is_not_meant() {
        let revoked = Revoked::default();
        revoked.put(&meant(By::Subject, "ann"), Some(100_500), Some(200_000), 0);
        let of = |iat: &str| claims(&format!(r#"{{"sub":"ann"{iat}}}"#));
        assert!(revoked
            .refuses("https://a", &of(r#","iat":100"#), 0)
            .is_some());
        assert!(revoked
            .refuses("https://a", &of(r#","iat":101"#), 0)
            .is_none());
        assert!(
            revoked.refuses("https://a", &of(""), 0).is_some(),
            "it does not say when"
        );
        assert!(revoked
            .refuses("https://a", &of(r#","iat":"x""#), 0)
            .is_some());
        assert!(
            revoked.refuses("https://a", &of(""), 200_000).is_none(),
            "all are over by then"
        );
    }

    #[test]
    fn an_authorized_party_is_the_client_where_no_client_is_named() {
        let revoked = Revoked::default();
        revoked.put(&meant(By::Client, "shop"), None, None, 0);
        let said = |text| revoked.refuses("https://a", &claims(text), 0).is_some();
        assert!(said(r#"{"azp":"shop"}"#));
        assert!(!said(r#"{"client_id":"crm","azp":"shop"}"#));
    }

    #[test]
    fn a_device_is_told_by_every_mark_of_it_whenever_the_token_was_issued() {
        let revoked = Revoked::default();
        revoked.put(&meant(By::Device, "m"), None, None, 0);
        let said = |text| revoked.refuses("https://a", &claims(text), 0);
        for of_it in [
            r#"{"device":"m","iat":4000000000}"#,
            r#"{"cnf":{"jkt":"m"},"iat":4000000000}"#,
            r#"{"cnf":{"x5t#S256":"m"}}"#,
            // Nobody hides a key behind a claim that an issuer lets them choose.
            r#"{"device":"other","cnf":{"jkt":"m"}}"#,
        ] {
            assert_eq!(said(of_it), Some(By::Device.words()), "{of_it}");
        }
        for other in [
            r#"{"device":"n","cnf":{"jkt":"n"}}"#,
            r#"{"device":["m"],"cnf":"m","sub":"m","jti":"m"}"#,
            r#"{"device":{"m":"m"},"cnf":{"jkt":["m"],"kid":"m"}}"#,
        ] {
            assert_eq!(said(other), None, "{other}");
        }
    }

    #[test]
    fn every_way_of_telling_a_token_is_told() {
        let mut token = claims(TOKEN);
        assert!(Meant::all(&token).is_empty(), "nobody issued it");
        token.insert("iss".to_owned(), "https://a".into());
        let told = Meant::all(&token);
        let values: Vec<_> = told.iter().map(|meant| &*meant.value).collect();
        assert_eq!(values, ["t1", "s1", "d1", "ann", "shop", ""]);
        let revoked = Revoked::default();
        for meant in &told {
            revoked.put(meant, None, None, 0);
            assert!(revoked.refuses("https://a", &token, 0).is_some());
            revoked.lift(meant);
        }
    }

    #[test]
    fn what_is_over_makes_room() {
        let revoked = Revoked::default();
        for number in 0..20_000 {
            let until_ms = Some(1000 * (number + 10));
            revoked.put(
                &meant(By::Token, &number.to_string()),
                None,
                until_ms,
                1000 * number,
            );
        }
        assert!(revoked.len() < SHARDS * FEW * 4, "{}", revoked.len());
        let last = claims(r#"{"jti":"19999"}"#);
        assert!(revoked.refuses("https://a", &last, 20_000_000).is_some());
    }

    #[test]
    fn every_change_has_a_number_of_its_own() {
        let (one, other) = (Revoked::default(), Revoked::default());
        let mut seen = vec![one.generation(), other.generation()];
        one.put(&meant(By::Token, "a"), None, None, 0);
        seen.push(one.generation());
        one.lift(&meant(By::Token, "a"));
        seen.push(one.generation());
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 4);
    }
}
