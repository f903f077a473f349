//! Who wanted the request: the API's own pages, or another site that has the
//! browser send its cookies along (cross-site request forgery).
//!
//! Browsers say it by themselves (Fetch Metadata, `Origin` of RFC 6454), and
//! scripts cannot change what they say. `SameSite=Lax` stands before it; this
//! also holds against other hosts of the same site, and older browsers.

use http::header::{HeaderValue, HOST, ORIGIN, UPGRADE};
use http::Method;

use crate::RequestView;

/// Nothing where the request may be believed to be the caller's own; else what is wrong.
pub fn wanted(view: &RequestView<'_>, origins: &[String]) -> Result<(), &'static str> {
    let safe = matches!(*view.method, Method::GET | Method::HEAD | Method::OPTIONS);
    // What opens a WebSocket is a GET, and reads and writes as its opener likes (RFC 6455 section 10.2).
    if safe && !view.headers.contains_key(UPGRADE) && *view.method != Method::CONNECT {
        return Ok(());
    }
    let origin = view.headers.get(ORIGIN).map(HeaderValue::as_bytes);
    let named = |origin: &[u8]| origins.iter().any(|known| known.as_bytes() == origin);
    if origin.is_some_and(named) {
        return Ok(());
    }
    if let Some(site) = view.headers.get("sec-fetch-site") {
        return match site.as_bytes() {
            b"same-origin" | b"none" => Ok(()),
            _ => Err("its `Sec-Fetch-Site` says that another origin wanted it"),
        };
    }
    match origin {
        None => Err("it says neither by `Sec-Fetch-Site` nor by `Origin` who wanted it"),
        Some(origin) if own(origin, view.headers.get(HOST)) => Ok(()),
        Some(_) => Err("its `Origin` is another than the API's"),
    }
}

/// Whether an origin is that of the host that is asked.
fn own(origin: &[u8], host: Option<&HeaderValue>) -> bool {
    let text = std::str::from_utf8(origin).unwrap_or_default();
    let named = text
        .strip_prefix("https://")
        .map(|host| (host, ":443"))
        .or_else(|| text.strip_prefix("http://").map(|host| (host, ":80")));
    let asked = host.and_then(|host| host.to_str().ok());
    let (Some((named, port)), Some(asked)) = (named, asked) else {
        return false;
    };
    let plain = |name: &'_ str| name.strip_suffix(port).unwrap_or(name).to_ascii_lowercase();
    plain(named) == plain(asked)
}
