//! Where the cookie stands, and where a person wanted to go.

use std::fmt::Write;

use http::header::{HeaderMap, HOST, REFERER};
use lockgate_wire::headers::cookies::cookies;

use crate::RequestView;

/// What was found of a cookie.
pub enum Found<'h> {
    /// It is not there.
    None,
    /// The one.
    One(&'h [u8]),
    /// It is there more than once: the gate and a browser could mean different ones.
    Several,
}

/// The value of the cookie of this name.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Found<'h> {
    let mut found = cookies(headers, name);
    match (found.next(), found.next()) {
        (None, _) => Found::None,
        (Some(one), None) => Found::One(one),
        (Some(_), Some(_)) => Found::Several,
    }
}

/// Path and query of the request, as a parameter of a query; the root where that would be longer than `most` bytes.
pub fn target(view: &RequestView<'_>, most: usize) -> String {
    let query = view.query.unwrap_or_default();
    let mark = if query.is_empty() { "" } else { "?" };
    let whole = format!("{}{mark}{query}", view.path);
    let text = escaped(&whole);
    if text.len() > most {
        "/".into()
    } else {
        text
    }
}

/// The page of this host from which a form was sent (`Referer`), as a parameter of a query; else the root.
pub fn before(view: &RequestView<'_>, most: usize) -> String {
    let text = |name: http::header::HeaderName| view.headers.get(name)?.to_str().ok();
    let page = text(REFERER).zip(text(HOST)).and_then(|(page, host)| {
        let rest = page.split_once("://")?.1.strip_prefix(host)?;
        rest.starts_with('/')
            .then(|| rest.split('#').next().unwrap_or_default())
    });
    page.map(escaped)
        .filter(|page| page.len() <= most)
        .unwrap_or_else(|| "/".into())
}

/// A text as a parameter of a query has it.
pub fn escaped(whole: &str) -> String {
    let mut text = String::with_capacity(whole.len());
    for byte in whole.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
