//! Keys, ready to verify with.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;

use super::algorithm::Algorithm;

/// Keys that a token without a `kid` is tried with. Sets have one or two for an
/// algorithm; each costs a verification.
pub const TRIES: usize = 4;

/// An issuer's keys. Immutable; a new set takes its place.
#[derive(Debug)]
pub struct KeySet {
    /// From where they were fetched, as [`super::KeySource::Published`] names it.
    pub source: Box<str>,
    /// Tells this set from every other: what was verified with one is not
    /// believed of another.
    pub generation: u64,
    /// When the issuer last confirmed it, milliseconds since the epoch.
    pub confirmed_ms: u64,
    keys: std::sync::Arc<[Key]>,
}

/// One key, under the name that tokens call it by.
#[derive(Debug)]
pub struct Key {
    pub(super) kid: Option<Box<str>>,
    /// By algorithm: an RSA key may serve six, every other one.
    pub(super) verifiers: Vec<(Algorithm, Verifier)>,
}

/// A key for one algorithm, and no other.
#[derive(Debug)]
pub enum Verifier {
    /// A public key.
    Public(ParsedPublicKey),
    /// A shared secret.
    Shared(Box<hmac::Key>),
}

impl Verifier {
    /// Whether the signature over `signed` is this key's.
    #[must_use]
    pub fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => key.verify_sig(signed, signature).is_ok(),
            // Compares in constant time.
            Self::Shared(key) => hmac::verify(key, signed, signature).is_ok(),
        }
    }
}

impl KeySet {
    pub(super) fn new(source: &str, generation: u64, confirmed_ms: u64, keys: Vec<Key>) -> Self {
        Self {
            source: source.into(),
            generation,
            confirmed_ms,
            keys: keys.into(),
        }
    }

    /// A set of a shared secret. A secret that is missing, or shorter than RFC
    /// 7518 section 3.2 demands, makes one that verifies nothing.
    pub(super) fn shared(algorithms: &[Algorithm], secret: Option<&[u8]>) -> Self {
        let secret = secret.unwrap_or_default();
        let verifiers: Vec<_> = algorithms
            .iter()
            .filter_map(|alg| {
                let (kind, least) = match alg {
                    Algorithm::HS256 => (hmac::HMAC_SHA256, 32),
                    Algorithm::HS384 => (hmac::HMAC_SHA384, 48),
                    Algorithm::HS512 => (hmac::HMAC_SHA512, 64),
                    _ => return None,
                };
                (secret.len() >= least).then(|| {
                    (
                        *alg,
                        Verifier::Shared(Box::new(hmac::Key::new(kind, secret))),
                    )
                })
            })
            .collect();
        let keys = if verifiers.is_empty() {
            Vec::new()
        } else {
            vec![Key {
                kid: None,
                verifiers,
            }]
        };
        // What it was verified with must tell one secret from the next, and not tell the secret.
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"generation");
        let mut first = [0; 8];
        first.copy_from_slice(&tag.as_ref()[..8]);
        Self::new("", u64::from_le_bytes(first), u64::MAX, keys)
    }

    /// For how many algorithms there are keys of a shared secret.
    pub(super) fn shared_count(&self) -> usize {
        self.keys.iter().map(|key| key.verifiers.len()).sum()
    }

    /// The same keys, confirmed at another time.
    #[must_use]
    pub fn confirmed(&self, confirmed_ms: u64) -> Self {
        Self {
            source: self.source.clone(),
            keys: std::sync::Arc::clone(&self.keys),
            confirmed_ms,
            ..*self
        }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether there is a key of that name; of no name, whether there is any.
    #[must_use]
    pub fn knows(&self, kid: &str) -> bool {
        self.keys
            .iter()
            .any(|key| kid.is_empty() || key.kid.as_deref() == Some(kid))
    }

    /// Keys that may have signed: those of that name, where one is named. `None`
    /// where there is none such.
    pub(crate) fn candidates<'k>(
        &'k self,
        kid: Option<&'k str>,
    ) -> Option<impl Iterator<Item = &'k Key>> {
        // A shared secret has no name of its own; a token may give it any.
        let named = move |key: &&Key| match (kid, &key.kid) {
            (Some(kid), Some(name)) => **name == *kid,
            (Some(_), None) => self.source.is_empty(),
            (None, _) => true,
        };
        self.keys
            .iter()
            .any(|key| named(&key))
            .then(|| self.keys.iter().filter(named))
    }
}

impl Key {
    /// The key, ready for this algorithm; `None` where it is for others.
    pub(crate) fn verifier(&self, alg: Algorithm) -> Option<&Verifier> {
        let mut all = self.verifiers.iter();
        all.find(|(own, _)| *own == alg).map(|(_, key)| key)
    }

    /// The same, and nothing else of it.
    pub(crate) fn into_verifier(self, alg: Algorithm) -> Option<Verifier> {
        let mut all = self.verifiers.into_iter();
        all.find(|(own, _)| *own == alg).map(|(_, key)| key)
    }
}
