//! A JSON document that policies judge by: read so that no other reader can take it for another.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::HeaderMap;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::{Content, Denial, ReasonRef};

/// Why a document is not judged by.
#[derive(Debug)]
pub enum Unfit {
    /// It cannot be had.
    Refused(Denial),
    /// It can be read in more ways than one, or in none.
    Told(Cow<'static, str>),
}

impl Unfit {
    /// The refusal, for this reason where it is the document's fault.
    #[must_use]
    pub fn denial(self, reason: ReasonRef) -> Denial {
        match self {
            Self::Refused(denial) => denial,
            Self::Told(told) => Denial::new(reason).detail(told),
        }
    }
}

/// What a request's body is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// JSON.
    Json,
    /// A JSON Merge Patch (RFC 7396).
    MergePatch,
    /// A JSON Patch (RFC 6902).
    Patch,
    /// A form.
    Form,
}

/// The document that a request's body is; none where there is no body. `most` is how many bytes were asked for.
///
/// # Errors
/// If it is packed, too long, no JSON, or has a name twice in one object (RFC 8259 section 4: what
/// a reader makes of that is its own affair).
pub fn read(content: &Content, headers: &HeaderMap, most: u64) -> Result<Option<Value>, Unfit> {
    let bytes = bytes(content, most)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if !matches!(
        kind(headers),
        Some(Kind::Json | Kind::MergePatch | Kind::Patch)
    ) {
        return Err(Unfit::Told(
            "its `Content-Type` does not say that its body is JSON".into(),
        ));
    }
    let bytes = plain(content, headers, most)?;
    match parse(bytes) {
        Ok(value) => Ok(Some(value)),
        Err(wrong) => Err(Unfit::Told(
            format!("its body is no plain JSON: {wrong}").into(),
        )),
    }
}

fn bytes(content: &Content, most: u64) -> Result<&[u8], Unfit> {
    match content {
        Content::Whole(bytes) => Ok(bytes),
        Content::TooLong => {
            let told = format!("its body has more than the {most} bytes that are looked at");
            Err(Unfit::Told(told.into()))
        }
        Content::Refused(denial) => Err(Unfit::Refused(denial.clone())),
        Content::Gone => Ok(&[]),
    }
}

/// A request's body, which is there, whole and not packed. `most` is how many bytes were asked for.
///
/// # Errors
/// If it is not.
pub fn plain<'c>(content: &'c Content, headers: &HeaderMap, most: u64) -> Result<&'c [u8], Unfit> {
    let bytes = bytes(content, most)?;
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let packed = codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if packed && !bytes.is_empty() {
        return Err(Unfit::Told("its body is packed".into()));
    }
    Ok(bytes)
}

/// What a body is said to be, once and in one way: what is called a form is read as one, whatever it looks like.
#[must_use]
pub fn kind(headers: &HeaderMap) -> Option<Kind> {
    let mut said = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (said.next(), said.next()) else {
        return None;
    };
    let kind = kind.to_str().ok()?;
    let mut parts = kind.split(';').map(|part| part.trim().to_ascii_lowercase());
    let kind = match &*parts.next().unwrap_or_default() {
        "application/x-www-form-urlencoded" => Kind::Form,
        "application/json-patch+json" => Kind::Patch,
        "application/merge-patch+json" => Kind::MergePatch,
        "application/json" => Kind::Json,
        other => {
            let json = other.starts_with("application/") && other.ends_with("+json");
            (json && !other.contains(',')).then_some(Kind::Json)?
        }
    };
    let plain = parts.all(|part| match part.split_once('=') {
        Some(("charset", charset)) => ["utf-8", "\"utf-8\""].contains(&charset),
        _ => !part.starts_with("charset"),
    });
    plain.then_some(kind)
}

/// A name as readers take it who do not tell letters apart by their case (Go's `encoding/json`).
#[must_use]
pub fn folded(name: &str) -> Cow<'_, str> {
    if name
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
    {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.to_uppercase().to_lowercase())
}

/// Reads a JSON document in which no object has a name twice.
///
/// # Errors
/// What is wrong with it. It holds nothing of the document but a name.
pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a JSON document")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = seq.next_element_seed(Strict)? {
            all.push(one);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(folded(&name).into_owned()) {
                return Err(A::Error::custom("a name is there twice in one object"));
            }
            all.insert(name, map.next_value_seed(Strict)?);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests;
