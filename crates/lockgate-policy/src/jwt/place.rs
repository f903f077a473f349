//! Where on a request the token stands.

use http::header::{HeaderMap, HeaderName, AUTHORIZATION, COOKIE};
use lockgate_wire::headers::cookies::cookies;
use lockgate_wire::headers::reserved;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bound::Binding;
use super::refusal::{missing, repeated};
use crate::{ConfigError, Denial, Edit};

/// Where the token is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Place {
    /// A header. `Authorization` wants the scheme `Bearer`; another may hold the token alone.
    Header(String),
    /// A cookie.
    Cookie(String),
}

impl Place {
    /// The header that carries the token, where its name is one.
    #[must_use]
    pub fn header(&self) -> Option<HeaderName> {
        match self {
            Self::Header(name) => HeaderName::try_from(name.as_str()).ok(),
            Self::Cookie(_) => Some(COOKIE),
        }
    }
}

/// How a token came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// As a bearer's.
    Bearer,
    /// With a proof (RFC 9449 section 7.1).
    Dpop,
    /// Alone.
    None,
}

/// The same, parsed.
#[derive(Debug, Clone)]
pub enum Reader {
    /// See [`Place::Header`].
    Header(HeaderName),
    /// See [`Place::Cookie`].
    Cookie(Box<str>),
}

impl Reader {
    pub fn new(place: &Place) -> Result<Self, ConfigError> {
        match place {
            Place::Header(name) => {
                let header = HeaderName::try_from(name.as_str()).map_err(|_| {
                    let message = format!("`{name}` is not a header name such as Authorization");
                    ConfigError::new("not-a-header", "/place", message)
                })?;
                if header == COOKIE {
                    let message = "to read a token from a cookie, write `cookie: NAME`";
                    return Err(ConfigError::new("header-reserved", "/place", message));
                }
                if reserved(header.as_str()).is_some() {
                    let message = format!("the gate itself writes `{header}` or takes it off, so it can carry no token; leave `header` out for Authorization");
                    return Err(ConfigError::new("header-reserved", "/place", message));
                }
                Ok(Self::Header(header))
            }
            Place::Cookie(name) => {
                let token =
                    |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
                if name.is_empty() || !name.bytes().all(token) {
                    let message = format!("`{name}` is not a cookie's name");
                    return Err(ConfigError::new("not-a-cookie", "/place", message));
                }
                Ok(Self::Cookie(name.as_str().into()))
            }
        }
    }

    /// The one token that stands there. `ways` are those of which it has to be bound in one.
    pub fn read<'h>(
        &self,
        headers: &'h HeaderMap,
        ways: &[Binding],
    ) -> Result<(&'h [u8], Scheme), Denial> {
        let mut found = match self {
            Self::Header(name) => {
                let mut values = headers.get_all(name).iter().map(|value| value.as_bytes());
                let Some(first) = values.next() else {
                    return Err(missing(ways));
                };
                // Two would let the gate and the API believe different ones.
                if values.next().is_some() {
                    return Err(repeated());
                }
                return match schemed(first) {
                    Some(found) => Ok(found),
                    // Another scheme is another way to prove who calls.
                    None if *name == AUTHORIZATION => Err(missing(ways)),
                    None => Ok((first, Scheme::None)),
                };
            }
            Self::Cookie(name) => cookies(headers, name),
        };
        match (found.next(), found.next()) {
            (None, _) => Err(missing(ways)),
            (Some(token), None) => Ok((token, Scheme::None)),
            (Some(_), Some(_)) => Err(repeated()),
        }
    }

    /// The token's bytes, where there is one.
    pub fn shown<'h>(&self, headers: &'h HeaderMap) -> Option<&'h [u8]> {
        self.read(headers, &[]).ok().map(|(token, _)| token)
    }

    /// What takes it off.
    pub fn edit(&self) -> Edit {
        match self {
            Self::Header(name) => Edit::Remove(name.clone()),
            Self::Cookie(name) => Edit::RemoveCookie(name.clone()),
        }
    }
}

/// The token behind a scheme, whose case does not count (RFC 9110 section 11.1).
fn schemed(value: &[u8]) -> Option<(&[u8], Scheme)> {
    // The scheme alone brings an empty token.
    let blank = value.iter().position(|byte| *byte == b' ');
    let (scheme, token) = blank.map_or((value, &b""[..]), |at| (&value[..at], &value[at + 1..]));
    let scheme = match scheme {
        bearer if bearer.eq_ignore_ascii_case(b"bearer") => Scheme::Bearer,
        dpop if dpop.eq_ignore_ascii_case(b"dpop") => Scheme::Dpop,
        _ => return None,
    };
    Some((token.trim_ascii(), scheme))
}
