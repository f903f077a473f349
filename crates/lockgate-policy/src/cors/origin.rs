//! Origins, as browsers write them (RFC 6454, 6.2): `scheme://host` and the
//! port where it is not the scheme's own. Compared byte by byte.

use std::collections::HashSet;

use crate::ConfigError;

/// The origins that may read.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    any: bool,
    exact: HashSet<Box<[u8]>>,
    below: Vec<Below>,
}

/// All hosts below a domain: `https://*.example.com`.
#[derive(Debug, Clone)]
struct Below {
    /// `https://`
    scheme: Box<[u8]>,
    /// `.example.com`, with `:port` where there is one.
    rest: Box<[u8]>,
}

impl Origins {
    pub(crate) fn new(texts: &[String]) -> Result<Self, ConfigError> {
        let mut origins = Self {
            any: false,
            exact: HashSet::new(),
            below: Vec::new(),
        };
        if texts.is_empty() {
            let message = "the list of origins is empty, so no page could call; name one, or leave `cors` out";
            return Err(ConfigError::new("origins-empty", "/origins", message));
        }
        for (place, text) in texts.iter().enumerate() {
            let at = |message: String| {
                ConfigError::new("origin-malformed", format!("/origins/{place}"), message)
            };
            if text == "*" {
                if texts.len() > 1 {
                    return Err(at("`*` stands alone: it means every page there is".into()));
                }
                origins.any = true;
                continue;
            }
            origins.add(text).map_err(at)?;
        }
        Ok(origins)
    }

    pub(crate) const fn any(&self) -> bool {
        self.any
    }

    /// Whether a page of this origin may read.
    pub(crate) fn contain(&self, origin: &[u8]) -> bool {
        self.any || self.exact.contains(origin) || self.below.iter().any(|below| below.has(origin))
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let wrong = |why: &str| format!("`{text}` is not an origin as browsers send it: {why}");
        if text == "null" {
            return Err(wrong("`null` is what any sandboxed page of anybody sends"));
        }
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| wrong("it begins with a scheme, as in `https://shop.example.com`"))?;
        let letters = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'.' | b'-');
        if scheme.is_empty() || !scheme.bytes().all(letters) {
            return Err(wrong("its scheme is written in small letters"));
        }
        if rest.contains(['/', '?', '#', '@']) {
            return Err(wrong("it ends with host and port, without a path or a `/`"));
        }
        let (host, port) = split(rest);
        if let Some(port) = port {
            let number: Option<u16> = port.parse().ok().filter(|number| *number > 0);
            let own = matches!((scheme, port), ("https", "443") | ("http", "80"));
            if own {
                return Err(wrong("browsers leave the scheme's own port out"));
            }
            if number.is_none() || port.starts_with(['0', '+']) {
                return Err(wrong("its port is a number from 1 to 65535"));
            }
        }
        let Some(domain) = host.strip_prefix("*.") else {
            let address = host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'));
            let named = address.map_or_else(
                || labels(host.as_bytes()),
                |address| address.parse::<std::net::Ipv6Addr>().is_ok(),
            );
            if !named {
                return Err(wrong(NO_HOST));
            }
            self.exact.insert(text.as_bytes().into());
            return Ok(());
        };
        if !labels(domain.as_bytes()) || !domain.contains('.') {
            return Err(wrong(
                "`*.` stands before a domain of at least two labels, as in `https://*.example.com`",
            ));
        }
        self.below.push(Below {
            scheme: format!("{scheme}://").into_bytes().into(),
            rest: rest.as_bytes()[1..].into(),
        });
        Ok(())
    }
}

const NO_HOST: &str = "its host is written in small letters and ASCII (`xn--…` for others); `*` stands alone, or as the first label";

impl Below {
    fn has(&self, origin: &[u8]) -> bool {
        origin
            .strip_prefix(&*self.scheme)
            .and_then(|origin| origin.strip_suffix(&*self.rest))
            .is_some_and(labels)
    }
}

/// Host and port. A colon within brackets is an address's.
fn split(rest: &str) -> (&str, Option<&str>) {
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (rest, None),
    }
}

/// Whether these are labels of a host name with dots between: nothing that
/// could end the host, and no empty label.
fn labels(host: &[u8]) -> bool {
    let letter = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    !host.is_empty()
        && host
            .split(|byte| *byte == b'.')
            .all(|label| !label.is_empty() && label.iter().all(letter))
}
