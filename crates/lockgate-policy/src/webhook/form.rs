//! How senders sign: one declaration for all of them, and no code for any of them by name.

use std::borrow::Cow;

use http::header::HeaderName;
use http::HeaderMap;
use lockgate_wire::headers::disturbed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reasons::{MALFORMED, MISSING};
use crate::{ConfigError, ReasonRef};

/// Bytes of the field that carries signatures. Two of them in hexadecimal have 150.
const FIELD_BYTES: usize = 4096;
/// Signatures of one webhook: two while a secret is changed.
pub const SIGNATURES: usize = 8;
/// Bytes of an id. Real ones are UUIDs.
const ID_BYTES: usize = 256;
/// Digits of a time in seconds: enough for 30,000 years.
const DIGITS: usize = 12;

/// How a sender signs what it sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// The field that carries signatures.
    pub header: String,
    /// What stands between several of them; none where there is but one.
    pub separator: Option<String>,
    /// What stands before each that was made with a secret (HMAC with SHA-256).
    pub prefix: String,
    /// What stands before each that was made with a private key (Ed25519), if there are such.
    pub public_prefix: Option<String>,
    /// How a signature's bytes are written.
    pub encoding: Written,
    /// What stands before a secret; the rest of it is base64. None where its bytes are the secret.
    pub secret_prefix: Option<String>,
    /// The field that carries the webhook's id.
    pub id: Option<String>,
    /// The field that carries the time.
    pub timestamp: Option<String>,
    /// What stands before the time, where it stands among the signatures.
    pub timestamp_prefix: Option<String>,
    /// What is signed, in order.
    pub signed: Vec<Part>,
}

/// A part of what is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    /// The webhook's id.
    Id,
    /// The time.
    Timestamp,
    /// The body.
    Body,
    /// This.
    Text(String),
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Written {
    /// In hexadecimal digits.
    Hex,
    /// In base64.
    Base64,
}

/// A form, compiled.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    form: Form,
    pub header: HeaderName,
    id: Option<HeaderName>,
    timestamp: Option<HeaderName>,
}

/// A signature, and whether a private key made it.
pub(super) type Signed = (Vec<u8>, bool);

/// What the head of a webhook says.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub id: Option<&'a str>,
    /// As it was written: so it was signed.
    pub timestamp: Option<&'a str>,
    pub signatures: Vec<Signed>,
}

/// Why there is nothing to verify.
pub(super) type Flaw = (ReasonRef, Cow<'static, str>);

impl Reader {
    pub fn new(form: &Form) -> Result<Self, ConfigError> {
        let wrong = |place: &str, told: &str| {
            ConfigError::new("webhook-form", format!("/form{place}"), told)
        };
        let named = |place: &str, name: &str| {
            HeaderName::try_from(name).map_err(|_| wrong(place, "this is not a header name"))
        };
        let optional = |place, name: &Option<String>| {
            name.as_deref().map(|name| named(place, name)).transpose()
        };
        let timed = form.timestamp.is_some() || form.timestamp_prefix.is_some();
        if form.timestamp.is_some() && form.timestamp_prefix.is_some() {
            return Err(wrong(
                "/timestamp",
                "the time stands in a field, or among the signatures",
            ));
        }
        if form.timestamp_prefix.is_some() && form.separator.is_none() {
            return Err(wrong(
                "/separator",
                "what stands among signatures wants a separator",
            ));
        }
        if form.separator.as_deref().is_some_and(str::is_empty) {
            return Err(wrong("/separator", "an empty separator separates nothing"));
        }
        let count = |wanted: &Part| form.signed.iter().filter(|part| *part == wanted).count();
        if count(&Part::Body) != 1 || form.signed.last() != Some(&Part::Body) {
            return Err(wrong("/signed", "the body is signed once, and last"));
        }
        // A time that is not signed is whatever the sender of a recorded webhook makes of it.
        if count(&Part::Timestamp) != usize::from(timed)
            || count(&Part::Id) > usize::from(form.id.is_some())
        {
            return Err(wrong(
                "/signed",
                "what is signed has the time once where there is one, and an id that there is",
            ));
        }
        let ends = form.signed.windows(2).all(|two| match two {
            [Part::Id | Part::Timestamp, next] => {
                matches!(next, Part::Text(text) if !text.is_empty())
            }
            _ => true,
        });
        if !ends {
            return Err(wrong(
                "/signed",
                "a text has to tell where an id or a time ends",
            ));
        }
        Ok(Self {
            header: named("/header", &form.header)?,
            id: optional("/id", &form.id)?,
            timestamp: optional("/timestamp", &form.timestamp)?,
            form: form.clone(),
        })
    }

    /// Whether it tells when a webhook was signed.
    pub const fn timed(&self) -> bool {
        self.form.timestamp.is_some() || self.form.timestamp_prefix.is_some()
    }

    /// What is signed, in order.
    pub fn signed(&self) -> &[Part] {
        &self.form.signed
    }

    /// The secret's bytes; `None` where it is not written as the form says.
    pub fn secret(&self, text: &[u8]) -> Option<Vec<u8>> {
        match &self.form.secret_prefix {
            None => Some(text.to_vec()),
            Some(prefix) => super::base64(text.strip_prefix(prefix.as_bytes()).unwrap_or(text)),
        }
    }

    /// Reads a webhook's head.
    pub fn read<'a>(&self, headers: &'a HeaderMap) -> Result<Head<'a>, Flaw> {
        let Some(value) = one(headers, &self.header)? else {
            return Err((
                &MISSING,
                format!("there is no field `{}`", self.header).into(),
            ));
        };
        if value.len() > FIELD_BYTES {
            return Err((&MALFORMED, format!("`{}` is too long", self.header).into()));
        }
        for name in [&self.id, &self.timestamp].into_iter().flatten() {
            if let Some(why) = disturbed(headers, name) {
                return Err((&MALFORMED, format!("`{name}`: {why}").into()));
            }
        }
        let text = |name: &Option<HeaderName>| match name {
            None => Ok(None),
            Some(name) => match one(headers, name)? {
                Some(value) => Ok(Some(value)),
                None => Err((&MALFORMED, format!("there is no field `{name}`").into())),
            },
        };
        let (id, mut timestamp) = (text(&self.id)?, text(&self.timestamp)?);
        let mut signatures = Vec::new();
        let items = match &self.form.separator {
            Some(separator) => value.split(separator.as_str()).collect(),
            None => vec![value],
        };
        for item in items.into_iter().map(str::trim) {
            if let Some(prefix) = &self.form.timestamp_prefix {
                if let Some(told) = item.strip_prefix(prefix.as_str()) {
                    if timestamp.replace(told).is_some() {
                        return Err((&MALFORMED, "the time is there twice".into()));
                    }
                    continue;
                }
            }
            signatures.extend(self.signature(item));
            if signatures.len() > SIGNATURES {
                return Err((
                    &MALFORMED,
                    format!("there are more than {SIGNATURES} signatures").into(),
                ));
            }
        }
        if signatures.is_empty() {
            let told = format!(
                "`{}` has no signature of the kind `{}`",
                self.header, self.form.prefix
            );
            return Err((&MALFORMED, told.into()));
        }
        if self.timed() && !timestamp.is_some_and(is_time) {
            return Err((&MALFORMED, "there is no time in seconds".into()));
        }
        if id.is_some_and(|id| !self.is_id(id)) {
            return Err((
                &MALFORMED,
                "the id is empty, too long, or has what ends it in it".into(),
            ));
        }
        Ok(Head {
            id,
            timestamp,
            signatures,
        })
    }

    /// What is of no known kind is a newer one's, and not looked at.
    fn signature(&self, item: &str) -> Option<Signed> {
        let bytes = |text: &str| match self.form.encoding {
            Written::Hex => super::hexadecimal(text.as_bytes()),
            Written::Base64 => super::base64(text.as_bytes()),
        };
        let public = self.form.public_prefix.as_deref();
        if let Some(text) = public.and_then(|prefix| item.strip_prefix(prefix)) {
            return Some((bytes(text)?, true));
        }
        Some((bytes(item.strip_prefix(self.form.prefix.as_str())?)?, false))
    }

    /// An id that held what ends it could take over a part of the body, and leave the signature as it is.
    fn is_id(&self, id: &str) -> bool {
        let mut after = self.form.signed.windows(2);
        let end = after.find_map(|two| match two {
            [Part::Id, Part::Text(text)] => Some(text.as_str()),
            _ => None,
        });
        (1..=ID_BYTES).contains(&id.len()) && !end.is_some_and(|end| id.contains(end))
    }
}

fn is_time(text: &str) -> bool {
    (1..=DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The field's only value.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Flaw> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    // Of two, the gate and the application might take different ones.
    if values.next().is_some() {
        return Err((
            &MALFORMED,
            format!("the field `{name}` is there twice").into(),
        ));
    }
    let text = value.to_str();
    let text = text.map_err(|_| {
        (
            &MALFORMED as ReasonRef,
            format!("`{name}` is no plain text").into(),
        )
    })?;
    Ok(Some(text))
}
