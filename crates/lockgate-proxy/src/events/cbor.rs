//! How an event stands on disk where the derived form would not do, and the
//! envelope around each class's body.
//!
//! The envelope's first key is the id: a look-up by id compares bytes at a
//! known place and decodes only what matches.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::{Decode, Encode};

use super::schema::{Audit, Body, Class, Event, Exchange, System};

/// Those of the envelope's keys that `record.rs` writes by hand.
pub(crate) mod key {
    pub const ID: u8 = 0;
    pub const VERSION: u8 = 1;
    pub const AT_MS: u8 = 2;
    pub const EXCHANGE: u8 = 4;
}

/// The envelope, read.
#[derive(Decode)]
#[cbor(map)]
struct Stored {
    #[n(0)]
    id: String,
    #[n(1)]
    v: u32,
    #[n(2)]
    at_ms: u64,
    #[n(3)]
    node: Option<String>,
    #[n(4)]
    exchange: Option<Box<Exchange>>,
    #[n(5)]
    audit: Option<Audit>,
    #[n(6)]
    system: Option<System>,
}

/// The envelope, written.
#[derive(Encode)]
#[cbor(map)]
struct Storing<'a> {
    #[n(0)]
    id: &'a str,
    #[n(1)]
    v: u32,
    #[n(2)]
    at_ms: u64,
    #[n(3)]
    node: Option<&'a str>,
    #[n(4)]
    exchange: Option<&'a Exchange>,
    #[n(5)]
    audit: Option<&'a Audit>,
    #[n(6)]
    system: Option<&'a System>,
}

/// Appends `event`'s disk form to `out`.
///
/// The same value always gives the same bytes: keys ascend, lengths are
/// definite, integers are shortest; the audit chain hashes them.
pub(crate) fn encode(event: &Event, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut storing = Storing {
        id: &event.id,
        v: event.v,
        at_ms: event.at_ms,
        node: (!event.node.is_empty()).then_some(event.node.as_str()),
        exchange: None,
        audit: None,
        system: None,
    };
    match &event.body {
        Body::Access(exchange) | Body::Security(exchange) => storing.exchange = Some(exchange),
        Body::Audit(audit) => storing.audit = Some(audit),
        Body::System(system) => storing.system = Some(system),
    }
    minicbor::encode(storing, out)
}

pub(crate) type EncodeError = minicbor::encode::Error<std::convert::Infallible>;

/// Reads the disk form of an event of `class`; `node` is the segment's, for
/// events that do not say their own.
pub(crate) fn decode(class: Class, payload: &[u8], node: &str) -> Result<Event, DecodeError> {
    let stored: Stored = minicbor::decode(payload)?;
    let missing = || DecodeError::message("the body of the event's class is missing");
    let body = match class {
        Class::Access => Body::Access(stored.exchange.ok_or_else(missing)?),
        Class::Security => Body::Security(stored.exchange.ok_or_else(missing)?),
        Class::Audit => Body::Audit(stored.audit.ok_or_else(missing)?),
        Class::System => Body::System(stored.system.ok_or_else(missing)?),
    };
    Ok(Event {
        v: stored.v,
        at_ms: stored.at_ms,
        id: stored.id,
        node: stored.node.unwrap_or_else(|| node.to_owned()),
        body,
    })
}

/// The id of the event in `payload`, without decoding the rest.
pub(crate) fn id_of(payload: &[u8]) -> Option<&str> {
    let mut decoder = Decoder::new(payload);
    decoder.map().ok()?;
    (decoder.u8().ok()? == key::ID).then(|| decoder.str().ok())?
}

/// An address is its 4 or 16 bytes.
pub(crate) mod address {
    use std::net::IpAddr;

    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};

    pub fn encode<C, W: Write>(
        address: &IpAddr,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        match address {
            IpAddr::V4(v4) => e.bytes(&v4.octets())?.ok(),
            IpAddr::V6(v6) => e.bytes(&v6.octets())?.ok(),
        }
    }

    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<IpAddr, DecodeError> {
        let bytes = d.bytes()?;
        if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
            return Ok(v4.into());
        }
        <[u8; 16]>::try_from(bytes)
            .map(Into::into)
            .map_err(|_| DecodeError::message("an address has 4 or 16 bytes"))
    }
}

/// An outcome is its number; one that a later version added reads as `other`.
pub(crate) mod outcome {
    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};

    use super::super::schema::Outcome;

    pub fn encode<C, W: Write>(
        outcome: &Outcome,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.u8(*outcome as u8)?.ok()
    }

    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Outcome, DecodeError> {
        Ok(Outcome::from_code(d.u8()?))
    }
}

/// A detail is its JSON text: it is for people, and its shape is the writer's.
pub(crate) mod detail {
    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};
    use serde_json::Value;

    pub fn encode<C, W: Write>(
        detail: &Value,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.str(&detail.to_string())?.ok()
    }

    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Value, DecodeError> {
        serde_json::from_str(d.str()?).map_err(|_| DecodeError::message("a detail is JSON text"))
    }

    pub fn is_nil(detail: &Value) -> bool {
        detail.is_null()
    }

    pub fn nil() -> Option<Value> {
        Some(Value::Null)
    }
}

/// A hash is 32 bytes on disk and 64 hex digits in JSON.
pub(crate) mod hash {
    use minicbor::decode::{Decoder, Error as DecodeError};
    use minicbor::encode::{Encoder, Error as EncodeError, Write};

    use super::super::chain::Hash;

    pub fn encode<C, W: Write>(
        hash: &str,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        let hash =
            Hash::from_hex(hash).ok_or_else(|| EncodeError::message("a hash has 64 hex digits"))?;
        e.bytes(hash.as_bytes())?.ok()
    }

    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<String, DecodeError> {
        let bytes = d.bytes()?;
        <[u8; 32]>::try_from(bytes)
            .map(|bytes| Hash::from_bytes(bytes).to_hex())
            .map_err(|_| DecodeError::message("a hash has 32 bytes"))
    }
}
