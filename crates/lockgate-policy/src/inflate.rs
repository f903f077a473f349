//! `inflate`: packed request bodies unpacked within bounds, before anything
//! inspects or counts them.
//!
//! # Description
//! A body in a content coding hides what is in it from whatever looks at
//! bodies, and may become a thousand times its size. Where this is said, the
//! gate takes the codings off: the API gets the content as it is, and what
//! inspects or counts bodies sees what comes out. A body in another coding, a
//! broken one and one that becomes too much are refused.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! Those of [`lockgate_wire::coding::reasons`].
//!
//! # Example
//! ```yaml
//! inflate: {codings: [gzip], ratio: 50}
//! ```

use http::header::{
    HeaderMap, HeaderName, HeaderValue, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH,
};
use lockgate_wire::coding::{codings, reasons, Bounds, Coding, Inflater};
use lockgate_wire::reason::ReasonRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compress::Named;
use crate::{ConfigError, Denial, RequestView, Verdict};

/// The room's name everywhere.
pub const NAME: &str = "inflate";

/// Every reason that the room can give.
pub use lockgate_wire::coding::reasons::REASONS;

/// Most codings of one body: each is a decoder with a window of its own.
pub const MAX_LAYERS: u32 = 4;

/// The smallest window: that of gzip, which has no other.
pub const MIN_WINDOW: u64 = 32 * 1024;

/// The largest window that RFC 7932 knows is 16 MiB; RFC 9659 takes 8 MiB of zstd.
pub const MAX_WINDOW: u64 = 128 * 1024 * 1024;

/// What tells of the bytes that came, and not of those that go on.
const OF_THE_PACKED: [HeaderName; 6] = [
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
];

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Codings that are taken off.
    pub codings: Vec<Named>,
    /// How many times its size a body may become; 64 KiB are always allowed.
    pub ratio: u32,
    /// Most codings that one body may have.
    pub layers: u32,
    /// Most bytes that a coding may look back at, which is what a body costs.
    pub window: u64,
}

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct Inflate {
    taken: Box<[Coding]>,
    layers: usize,
    bounds: Bounds,
    /// What the client is told that may come.
    told: HeaderValue,
}

/// What a body is to be unpacked by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    codings: Vec<Coding>,
    bounds: Bounds,
}

impl Plan {
    /// Begins to unpack.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn begin(&self) -> Result<Inflater, ReasonRef> {
        Inflater::new(&self.codings, self.bounds)
    }

    /// Takes off the fields that told of the packed body.
    pub fn make_of(headers: &mut HeaderMap) {
        for name in &OF_THE_PACKED {
            headers.remove(name);
        }
    }
}

impl Inflate {
    /// Compiles the config.
    ///
    /// # Errors
    /// If no coding is named, or a bound is none.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let malformed =
            |pointer: &str, told: &str| Err(ConfigError::new("inflate-malformed", pointer, told));
        if config.codings.is_empty() {
            return malformed("/codings", "name at least one coding");
        }
        if config.ratio == 0 {
            return malformed("/ratio", "a body becomes at least its size");
        }
        if config.layers == 0 || config.layers > MAX_LAYERS {
            return malformed("/layers", "a body has one to four codings");
        }
        if config.window < MIN_WINDOW || config.window > MAX_WINDOW {
            return malformed("/window", "a window has 32 KiB to 128 MiB");
        }
        let taken: Box<[Coding]> = config.codings.iter().map(|named| (*named).into()).collect();
        let names: Vec<&str> = taken.iter().map(|coding| coding.name()).collect();
        let told = HeaderValue::try_from(names.join(", "));
        Ok(Self {
            taken,
            layers: config.layers as usize,
            bounds: Bounds {
                ratio: config.ratio.into(),
                window: config.window,
            },
            told: told.unwrap_or(HeaderValue::from_static("identity")),
        })
    }

    /// Judges by the head alone.
    #[must_use]
    pub fn decide(&self, view: &RequestView<'_>) -> Verdict {
        match self.plan(view) {
            Ok(_) => Verdict::allow(),
            Err(denial) => Verdict::Deny(denial),
        }
    }

    /// How the body is to be unpacked; none where it is not packed.
    ///
    /// # Errors
    /// If it is packed in a way that is not taken (RFC 9110 section 15.5.16,
    /// RFC 7694).
    pub fn plan(&self, view: &RequestView<'_>) -> Result<Option<Plan>, Denial> {
        let refuse = |reason| Denial::new(reason).header(ACCEPT_ENCODING, self.told.clone());
        let codings = codings(view.headers).map_err(|_| refuse(&reasons::NOT_TAKEN))?;
        if codings.is_empty() {
            return Ok(None);
        }
        if codings.len() > self.layers {
            return Err(refuse(&reasons::LAYERS));
        }
        if codings.iter().any(|coding| !self.taken.contains(coding)) {
            return Err(refuse(&reasons::NOT_TAKEN));
        }
        Ok(Some(Plan {
            codings,
            bounds: self.bounds,
        }))
    }
}

#[cfg(test)]
mod tests;
