//! Which events a reader wants, asked of their bytes before any is decoded: a
//! filter that few events pass reads a gigabyte in about a second.

use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};
use serde::Deserialize;

use super::cbor::key;
use super::frame::Frame;
use super::schema::{Class, Outcome};

/// What is wanted; empty and absent fields want everything. A field of
/// requests (`api`, `status`, …) leaves out all events that are none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Any of these classes.
    pub classes: Vec<Class>,
    /// This API.
    pub api: Option<String>,
    /// This reason code: what refused, what a policy that only observes would have
    /// refused with, or why one could not tell and let pass.
    pub reason: Option<String>,
    /// This key id.
    pub key: Option<String>,
    /// This program.
    pub app: Option<String>,
    /// Statuses from here.
    pub status_min: Option<u16>,
    /// Statuses up to here.
    pub status_max: Option<u16>,
    /// Events from this moment, milliseconds since the epoch.
    pub since_ms: Option<u64>,
    /// Events up to this moment, milliseconds since the epoch.
    pub until_ms: Option<u64>,
}

/// Keys of the exchange that a filter looks at.
mod field {
    pub const API: u32 = 4;
    pub const KEY: u32 = 7;
    pub const STATUS: u32 = 9;
    pub const REASON: u32 = 10;
    pub const VERDICTS: u32 = 13;
    pub const APP: u32 = 37;
}

impl Filter {
    /// Whether the frame holds a wanted event. One that cannot be read is not.
    pub(crate) fn wants(&self, frame: &Frame<'_>) -> bool {
        let Some(class) = frame.class() else {
            return false;
        };
        if !self.classes.is_empty() && !self.classes.contains(&class) {
            return false;
        }
        if !self.wants_time() && !self.wants_request() {
            return true;
        }
        if self.wants_request() && !matches!(class, Class::Access | Class::Security) {
            return false;
        }
        self.envelope(frame.payload()).unwrap_or(false)
    }

    /// Whether events of segments that ended at or before `end_ms` may be wanted.
    pub(crate) fn wants_segment_until(&self, end_ms: u64) -> bool {
        self.since_ms.is_none_or(|since| end_ms > since)
    }

    const fn wants_time(&self) -> bool {
        self.since_ms.is_some() || self.until_ms.is_some()
    }

    const fn wants_request(&self) -> bool {
        self.api.is_some()
            || self.reason.is_some()
            || self.key.is_some()
            || self.app.is_some()
            || self.status_min.is_some()
            || self.status_max.is_some()
    }

    fn envelope(&self, payload: &[u8]) -> Result<bool, Error> {
        let mut d = Decoder::new(payload);
        let mut left = d.map()?;
        while next(&d, &mut left)? {
            match d.u32()? {
                key if key == u32::from(key::AT_MS) => {
                    let at = d.u64()?;
                    if self.since_ms.is_some_and(|since| at < since)
                        || self.until_ms.is_some_and(|until| at > until)
                    {
                        return Ok(false);
                    }
                    if !self.wants_request() {
                        return Ok(true);
                    }
                }
                key if key == u32::from(key::EXCHANGE) => return self.exchange(&mut d),
                _ => d.skip()?,
            }
        }
        Ok(false)
    }

    /// Fields come in the order of their keys, and an absent one is no match,
    /// so each wanted field must be met and agree.
    fn exchange(&self, d: &mut Decoder<'_>) -> Result<bool, Error> {
        let mut wanted = u32::from(self.api.is_some())
            + u32::from(self.reason.is_some())
            + u32::from(self.key.is_some())
            + u32::from(self.app.is_some())
            + u32::from(self.status_min.is_some() || self.status_max.is_some());
        let mut left = d.map()?;
        let mut refused_so = false;
        while next(d, &mut left)? {
            let agrees = match (d.u32()?, self) {
                (field::API, Self { api: Some(api), .. }) => text(d)? == Some(api),
                (field::KEY, Self { key: Some(key), .. }) => text(d)? == Some(key),
                (field::APP, Self { app: Some(app), .. }) => text(d)? == Some(app),
                (
                    field::REASON,
                    Self {
                        reason: Some(reason),
                        ..
                    },
                ) => {
                    if text(d)? != Some(reason) {
                        // What was observed is said among the verdicts.
                        continue;
                    }
                    refused_so = true;
                    true
                }
                (
                    field::VERDICTS,
                    Self {
                        reason: Some(reason),
                        ..
                    },
                ) if !refused_so => observed(d, reason)?,
                (field::STATUS, _) if self.status_min.is_some() || self.status_max.is_some() => {
                    let status = d.u16()?;
                    self.status_min.is_none_or(|min| status >= min)
                        && self.status_max.is_none_or(|max| status <= max)
                }
                _ => {
                    d.skip()?;
                    continue;
                }
            };
            if !agrees {
                return Ok(false);
            }
            wanted -= 1;
            if wanted == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether the map has one more pair.
fn next(d: &Decoder<'_>, left: &mut Option<u64>) -> Result<bool, Error> {
    match left {
        Some(0) => Ok(false),
        Some(left) => {
            *left -= 1;
            Ok(true)
        }
        None => Ok(d.datatype()? != Type::Break),
    }
}

/// A text; absent fields may be written as null.
fn text<'a>(d: &mut Decoder<'a>) -> Result<Option<&'a str>, Error> {
    if d.datatype()? == Type::Null {
        d.skip()?;
        return Ok(None);
    }
    d.str().map(Some)
}

/// Whether a policy that only observes would have refused with this reason, or one
/// that could not tell did not: it lets pass what it cannot judge.
fn observed(d: &mut Decoder<'_>, reason: &str) -> Result<bool, Error> {
    for _ in 0..d.array()?.unwrap_or(0) {
        let parts = d.array()?.unwrap_or(0);
        d.skip()?; // The policy.
        let outcome = d.u64()?;
        let said = if parts > 2 { text(d)? } else { None };
        for _ in 3..parts {
            d.skip()?;
        }
        let passed = [Outcome::ObserveDeny, Outcome::Error];
        if said == Some(reason) && passed.iter().any(|known| *known as u64 == outcome) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
