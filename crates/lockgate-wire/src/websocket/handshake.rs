//! The HTTP request that asks for a WebSocket, and the answer that grants it
//! (RFC 6455, 4).

use http::{
    header::{self, HeaderName},
    HeaderMap, HeaderValue, Method, StatusCode,
};

use super::reasons;
use crate::{base64, chars, reason::ReasonRef};

/// Subprotocols or extensions that a client may offer. Browsers offer what
/// the page says, which is one or two; Autobahn's largest offer is ten.
const MAX_OFFERS: usize = 32;
/// RFC 6455, 1.3: what the key is joined with.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_LENGTH: usize = 24;
const DEFLATE: &str = "permessage-deflate";

/// What a client offers in a right handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    key: [u8; KEY_LENGTH],
    protocols: Vec<String>,
    /// Each with its parameters, as it was written.
    extensions: Vec<String>,
}

/// What client and upstream agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// The subprotocol.
    pub protocol: Option<String>,
    /// Whether messages may be compressed (RFC 7692).
    pub deflate: bool,
    /// Whether an extension was agreed on that the watcher does not know, and
    /// whose bits it refuses. [`Offer::known_extensions`] prevents that.
    pub unknown_extension: bool,
}

/// The key of a handshake, of sixteen random bytes.
#[must_use]
pub fn key(random: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(KEY_LENGTH);
    base64::encode(random, &mut text);
    text
}

/// Whether a request asks for a WebSocket, rightly or not.
#[must_use]
pub fn is_handshake(headers: &HeaderMap) -> bool {
    names(headers, &header::UPGRADE, "websocket")
}

/// Checks a request that asks for a WebSocket over HTTP/1.1.
///
/// # Errors
/// What is wrong with it. An answer with `websocket-version` must carry
/// `Sec-WebSocket-Version: 13`.
pub fn check_handshake(method: &Method, headers: &HeaderMap) -> Result<Offer, ReasonRef> {
    if *method != Method::GET {
        return Err(&reasons::METHOD);
    }
    if !is_handshake(headers) || !names(headers, &header::CONNECTION, "upgrade") {
        return Err(&reasons::CONNECTION);
    }
    if only(headers, &header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(&reasons::VERSION);
    }
    let key = only(headers, &header::SEC_WEBSOCKET_KEY).and_then(read_key);
    let has_length = headers.get_all(header::CONTENT_LENGTH).iter();
    if headers.contains_key(header::TRANSFER_ENCODING)
        || has_length.into_iter().any(|length| length != "0")
    {
        return Err(&reasons::BODY);
    }
    Ok(Offer {
        key: key.ok_or(&reasons::KEY)?,
        protocols: protocols(headers).ok_or(&reasons::OFFER)?,
        extensions: extensions(headers).ok_or(&reasons::OFFER)?,
    })
}

impl Offer {
    /// The subprotocols, in the client's order.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        self.protocols.iter().map(String::as_str)
    }

    /// `Sec-WebSocket-Extensions` with those alone that the watcher knows, to
    /// be sent on in place of the client's; `None` if there are none.
    #[must_use]
    pub fn known_extensions(&self) -> Option<String> {
        let known = self.extensions.iter().filter(|text| name(text) == DEFLATE);
        let known: Vec<&str> = known.map(String::as_str).collect();
        (!known.is_empty()).then(|| known.join(", "))
    }

    /// The value of Sec-WebSocket-Accept that fits the key.
    pub fn accept(&self, sha1: impl Fn(&[u8]) -> [u8; 20]) -> String {
        let mut text = Vec::new();
        base64::encode(&sha1(&[&self.key, GUID].concat()), &mut text);
        text.into_iter().map(char::from).collect()
    }

    /// Checks the upstream's answer. `None` if it did not grant the WebSocket
    /// and answered as HTTP does, which may go on to the client.
    ///
    /// # Errors
    /// An `upstream-websocket-…` reason.
    pub fn check_answer(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        sha1: impl Fn(&[u8]) -> [u8; 20],
    ) -> Result<Option<Agreement>, ReasonRef> {
        if status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(None);
        }
        if !is_handshake(headers) || !names(headers, &header::CONNECTION, "upgrade") {
            return Err(&reasons::UPSTREAM_UPGRADE);
        }
        let accept = only(headers, &header::SEC_WEBSOCKET_ACCEPT);
        if accept.is_none_or(|accept| *accept != self.accept(sha1)) {
            return Err(&reasons::UPSTREAM_ACCEPT);
        }
        let chosen = protocols(headers).ok_or(&reasons::UPSTREAM_CHOICE)?;
        let granted = extensions(headers).ok_or(&reasons::UPSTREAM_CHOICE)?;
        let offered = |granted: &String| {
            let mut offers = self.extensions.iter();
            offers.any(|offer| name(offer) == name(granted))
        };
        if chosen.len() > 1
            || !chosen.iter().all(|choice| self.protocols.contains(choice))
            || !granted.iter().all(offered)
        {
            return Err(&reasons::UPSTREAM_CHOICE);
        }
        Ok(Some(Agreement {
            protocol: chosen.into_iter().next(),
            deflate: granted.iter().any(|text| name(text) == DEFLATE),
            unknown_extension: granted.iter().any(|text| name(text) != DEFLATE),
        }))
    }
}

/// Whether a list of tokens names one, in any case of letters.
fn names(headers: &HeaderMap, field: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(field).iter();
    let mut tokens = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    tokens.any(|found| found.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// The field's value, if the field stands there once.
fn only<'a>(headers: &'a HeaderMap, field: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(field).iter();
    values.next().filter(|_| values.next().is_none())
}

fn read_key(value: &HeaderValue) -> Option<[u8; KEY_LENGTH]> {
    let key: [u8; KEY_LENGTH] = value.as_bytes().try_into().ok()?;
    let (quads, _) = key.as_chunks::<4>();
    let mut length = 0;
    for quad in quads {
        // Padding may stand at the end alone.
        let (_, count) = base64::decode(*quad).filter(|_| length % 3 == 0)?;
        length += count;
    }
    (length == 16).then_some(key)
}

fn protocols(headers: &HeaderMap) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for value in headers.get_all(header::SEC_WEBSOCKET_PROTOCOL) {
        for text in value.as_bytes().split(|byte| *byte == b',') {
            let protocol = token(text.trim_ascii())?.to_owned();
            if found.contains(&protocol) || found.len() == MAX_OFFERS {
                return None;
            }
            found.push(protocol);
        }
    }
    Some(found)
}

fn extensions(headers: &HeaderMap) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for value in headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS) {
        // RFC 6455, 9.1: a quoted parameter must be a token too, so that a
        // comma always ends an extension.
        for text in value.to_str().ok()?.split(',') {
            let mut parts = text.split(';');
            token(parts.next()?.trim().as_bytes())?;
            if !parts.all(is_parameter) || found.len() == MAX_OFFERS {
                return None;
            }
            found.push(text.trim().to_owned());
        }
    }
    Some(found)
}

fn is_parameter(text: &str) -> bool {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.trim())),
        None => (text, None),
    };
    let value = value.map(|value| match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').unwrap_or_default(),
        None => value,
    });
    token(name.trim().as_bytes()).is_some()
        && value.is_none_or(|value| token(value.as_bytes()).is_some())
}

fn name(extension: &str) -> &str {
    extension.split(';').next().unwrap_or_default().trim()
}

fn token(bytes: &[u8]) -> Option<&str> {
    let right = !bytes.is_empty() && chars::all(bytes, chars::TOKEN);
    std::str::from_utf8(bytes).ok().filter(|_| right)
}
