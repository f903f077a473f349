//! `compress`: answers packed for clients that ask for it.
//!
//! # Description
//! An answer of a named type, large enough, goes out in the coding that the
//! client likes best of those that are offered. What is packed already, is part
//! of something, or may not be transformed goes on as it is; so does what a
//! page of another site could make a browser ask for with its user's
//! credentials, since the size of a packed answer tells of secrets in it
//! (BREACH).
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! None: it refuses nothing.
//!
//! # Example
//! ```yaml
//! compress: {codings: [br, gzip], min_bytes: 2KiB}
//! ```

use http::header::{
    HeaderMap, HeaderName, HeaderValue, ACCEPT_RANGES, AUTHORIZATION, CACHE_CONTROL,
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, COOKIE, ETAG, SET_COOKIE, VARY,
};
use http::{Method, StatusCode};
use lockgate_wire::coding::{preferred, Coding, Levels};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ConfigError, RequestView, Verdict};

/// The room's name everywhere.
pub const NAME: &str = "compress";

/// What says that the bytes are these and no others.
const SUMS: [HeaderName; 4] = [
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
];

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const ACCEPT_ENCODING_NAME: &str = "accept-encoding";

/// A coding as the configuration names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// RFC 1952.
    Gzip,
    /// RFC 1950.
    Deflate,
    /// RFC 7932.
    Br,
    /// RFC 8878.
    Zstd,
}

impl From<Named> for Coding {
    fn from(named: Named) -> Self {
        match named {
            Named::Gzip => Self::Gzip,
            Named::Deflate => Self::Deflate,
            Named::Br => Self::Br,
            Named::Zstd => Self::Zstd,
        }
    }
}

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Codings that are offered; the first is taken where a client likes several alike.
    pub codings: Vec<Named>,
    /// Media types that are packed; `text/*` for all of a kind, `application/*+json` for all of a suffix.
    pub types: Vec<String>,
    /// Least length of an answer that is packed, bytes, where the length is told.
    pub min_bytes: u64,
    /// How hard gzip tries, 1 to 9.
    pub gzip_level: u32,
    /// How hard brotli tries, 0 to 11.
    pub br_level: u32,
    /// How hard zstd tries, 1 to 19.
    pub zstd_level: u32,
    /// Also packs what other sites' pages could ask for with a user's credentials.
    pub unsafe_with_cookies: bool,
}

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct Compress {
    offered: Box<[Coding]>,
    types: Box<[Kind]>,
    min_bytes: u64,
    levels: Levels,
    unsafe_with_cookies: bool,
}

/// Media types that are packed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Exact(Box<str>),
    /// All that begins so and ends so.
    Between(Box<str>, Box<str>),
}

/// What a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    coding: Option<Coding>,
    /// Its answer goes without its body.
    head: bool,
    /// A browser adds credentials to it, whichever page asks.
    ambient: bool,
    /// A browser says that the page which asks is the API's own.
    own: bool,
}

impl Compress {
    /// Compiles the config.
    ///
    /// # Errors
    /// If nothing is offered, or a type is none.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let malformed = |pointer: String, told: &str| {
            Err(ConfigError::new("compress-malformed", pointer, told))
        };
        if config.codings.is_empty() || config.codings.contains(&Named::Deflate) {
            let told =
                "offer one or more of `zstd`, `br` and `gzip`; `deflate` is read in two ways";
            return malformed("/codings".into(), told);
        }
        let mut types = Vec::with_capacity(config.types.len());
        for (at, text) in config.types.iter().enumerate() {
            match kind(text) {
                Some(kind) => types.push(kind),
                None => {
                    let told = "a type is written `type/subtype`, `type/*` or `type/*+suffix`; gRPC packs its own messages";
                    return malformed(format!("/types/{at}"), told);
                }
            }
        }
        let levels = Levels {
            gzip: config.gzip_level,
            br: config.br_level,
            zstd: config.zstd_level,
        };
        if !(1..=9).contains(&levels.gzip) || levels.br > 11 || !(1..=19).contains(&levels.zstd) {
            return malformed(
                String::new(),
                "gzip has levels 1 to 9, br 0 to 11, zstd 1 to 19",
            );
        }
        Ok(Self {
            offered: config.codings.iter().map(|named| (*named).into()).collect(),
            types: types.into(),
            min_bytes: config.min_bytes,
            levels,
            unsafe_with_cookies: config.unsafe_with_cookies,
        })
    }

    /// Lets every request through.
    #[must_use]
    pub const fn decide(&self) -> Verdict {
        Verdict::allow()
    }

    /// How hard each coding tries.
    #[must_use]
    pub const fn levels(&self) -> Levels {
        self.levels
    }

    /// What the client asks for; none where nothing may be changed.
    #[must_use]
    pub fn asked(&self, view: &RequestView<'_>) -> Option<Asked> {
        if view.method == Method::CONNECT || is_said(view.headers, "no-transform") {
            return None;
        }
        Some(Asked {
            coding: preferred(view.headers, &self.offered),
            head: view.method == Method::HEAD,
            ambient: is_ambient(view.headers),
            own: is_own(view.headers),
        })
    }

    /// Makes of an answer's fields what they are once it is packed, in the
    /// coding that comes back; none where its body stays as it is. `certified` is
    /// whether the client showed a certificate, which a browser does for any page.
    /// `room` says whether there is memory to pack in a coding; it is asked last.
    pub fn make_of(
        &self,
        (asked, certified): (Asked, bool),
        status: StatusCode,
        headers: &mut HeaderMap,
        room: impl FnOnce(Coding) -> bool,
    ) -> Option<Coding> {
        if status == StatusCode::NOT_MODIFIED {
            // As of the answer that it stands for (RFC 9110 section 15.4.5), whose
            // type is not told: a weak tag is right for both.
            if asked.coding.is_some() && !headers.contains_key(CONTENT_ENCODING) {
                weaken(headers);
            }
            vary(headers);
            return None;
        }
        if !self.suits(status, headers) {
            return None;
        }
        vary(headers);
        let exposed =
            (asked.ambient || certified || headers.contains_key(SET_COOKIE)) && !asked.own;
        if exposed && !self.unsafe_with_cookies {
            return None;
        }
        let coding = asked.coding?;
        if !asked.head && !room(coding) {
            return None;
        }
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        headers.remove(CONTENT_LENGTH);
        // Ranges would be of the bytes before they are packed.
        headers.remove(ACCEPT_RANGES);
        weaken(headers);
        (!asked.head).then_some(coding)
    }

    /// Whether an answer is one that is packed for whoever wants it.
    fn suits(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let whole = !status.is_informational()
            && !matches!(status.as_u16(), 204..=206)
            && !headers.contains_key(CONTENT_RANGE);
        let length = headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        whole
            && length.is_none_or(|length: u64| length >= self.min_bytes.max(1))
            && !headers.contains_key(CONTENT_ENCODING)
            && !SUMS.iter().any(|sum| headers.contains_key(sum))
            && !is_said(headers, "no-transform")
            && self.is_packed(headers)
    }

    fn is_packed(&self, headers: &HeaderMap) -> bool {
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let (Some(Ok(told)), None) = (types.next().map(HeaderValue::to_str), types.next()) else {
            return false;
        };
        let essence = told.split(';').next().unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        self.types.iter().any(|kind| match kind {
            Kind::Exact(exact) => **exact == *essence,
            // Who reads events wants each at once; that is said by name.
            Kind::Between(before, after) => {
                essence.len() >= before.len() + after.len()
                    && essence.starts_with(&**before)
                    && essence.ends_with(&**after)
                    && essence != "text/event-stream"
            }
        })
    }
}

/// Reads `type/subtype`, `type/*` or `type/*+suffix`.
fn kind(text: &str) -> Option<Kind> {
    let text = text.to_ascii_lowercase();
    let (kind, subtype) = text.split_once('/')?;
    let token = |part: &str| {
        let tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !part.is_empty() && part.bytes().all(tchar)
    };
    if !token(kind) || (kind == "application" && subtype.starts_with("grpc")) {
        return None;
    }
    match subtype.strip_prefix('*') {
        Some("") => Some(Kind::Between(format!("{kind}/").into(), "".into())),
        Some(suffix) if suffix.starts_with('+') && token(suffix) => {
            Some(Kind::Between(format!("{kind}/").into(), suffix.into()))
        }
        Some(_) => None,
        None => token(subtype).then(|| Kind::Exact(text.as_str().into())),
    }
}

/// Whether `Cache-Control` says so.
fn is_said(headers: &HeaderMap, directive: &str) -> bool {
    let lines = headers.get_all(CACHE_CONTROL).iter();
    let mut said = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    said.any(|said| said.trim_ascii().eq_ignore_ascii_case(directive.as_bytes()))
}

/// Whether a request carries what a browser adds to it, whichever page asks:
/// cookies, and credentials of schemes that it keeps itself.
fn is_ambient(headers: &HeaderMap) -> bool {
    let kept = |value: &HeaderValue| {
        let scheme = value.as_bytes().split(|byte| *byte == b' ').next();
        let scheme = scheme.unwrap_or_default();
        [&b"basic"[..], b"digest", b"negotiate", b"ntlm"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
    };
    headers.contains_key(COOKIE) || headers.get_all(AUTHORIZATION).iter().any(kept)
}

/// Whether a browser says that the page which asks is the API's own; no page
/// can make it say so (Fetch Metadata).
fn is_own(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(SEC_FETCH_SITE).iter();
    let own = said.next().is_some_and(|said| said == "same-origin");
    own && said.next().is_none()
}

/// Says that the answer depends on what the client accepts, once.
fn vary(headers: &mut HeaderMap) {
    let lines = headers.get_all(VARY).iter();
    let mut named = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let is_named = named.any(|name| {
        let name = name.trim_ascii();
        name == b"*" || name.eq_ignore_ascii_case(ACCEPT_ENCODING_NAME.as_bytes())
    });
    if !is_named {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// Bytes that differ may not have one strong tag (RFC 9110 section 8.8.3.3).
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG) else {
        return;
    };
    if tag.as_bytes().starts_with(b"\"") {
        match HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
            Ok(weak) => headers.insert(ETAG, weak),
            Err(_) => headers.remove(ETAG),
        };
    }
}

#[cfg(test)]
mod tests;
