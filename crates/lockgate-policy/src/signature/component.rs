//! What a signature can cover of a request (RFC 9421 section 2), and its value.

use std::fmt::Write as _;

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use http::header::{HeaderName, COOKIE};
use http::{HeaderMap, Method};
use lockgate_wire::query;
use sfv::{BareItem, Dictionary, FieldType, Item, ItemSerializer, List, ListSerializer, Parser};

use crate::jwt::refusal::quoted;

/// A request as it arrived, whatever the gate makes of it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// Whether the client spoke TLS.
    pub secure: bool,
    /// The host in lower case, and its port where that is not the scheme's.
    pub authority: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The fields.
    pub headers: &'a HeaderMap,
}

/// One thing that is covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    what: What,
    /// The identifier, serialized.
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Method,
    TargetUri,
    Authority,
    Scheme,
    RequestTarget,
    Path,
    Query,
    QueryParam(String),
    Field(HeaderName, How),
}

/// How a field's value is written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum How {
    Plain,
    /// Read as a structured field and written anew (`sf`).
    Structured(Kind),
    /// One member of a dictionary (`key`).
    Member(String),
    /// Each line as bytes (`bs`).
    Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dictionary,
    List,
    Item,
}

/// Fields of which the type is known: without it nobody can write one anew (RFC 9421 section 2.1.1).
const STRUCTURED: &[(&str, Kind)] = &[
    ("accept-ch", Kind::List),
    ("accept-signature", Kind::Dictionary),
    ("cache-control", Kind::Dictionary),
    ("cdn-cache-control", Kind::Dictionary),
    ("client-cert", Kind::Item),
    ("client-cert-chain", Kind::List),
    ("content-digest", Kind::Dictionary),
    ("dictionary-id", Kind::Item),
    ("idempotency-key", Kind::Item),
    ("priority", Kind::Dictionary),
    ("repr-digest", Kind::Dictionary),
    ("signature", Kind::Dictionary),
    ("signature-input", Kind::Dictionary),
    ("want-content-digest", Kind::Dictionary),
    ("want-repr-digest", Kind::Dictionary),
];

impl Component {
    /// Reads a component's identifier.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(item: &Item) -> Result<Self, String> {
        let BareItem::String(name) = &item.bare_item else {
            return Err("a component's name stands in quotation marks".to_owned());
        };
        let name = name.as_str();
        let text = ItemSerializer::new();
        let text = text
            .bare_item(&item.bare_item)
            .parameters(&item.params)
            .finish();
        let what = if name.starts_with('@') {
            derived(name, item)?
        } else {
            field(name, item)?
        };
        Ok(Self { what, text })
    }

    /// Reads an identifier as the configuration says it: serialized.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let item = Parser::new(text).parse::<Item>();
        Self::read(&item.map_err(|_| "this is no component".to_owned())?)
    }

    /// The identifier, as it stands in the signature base.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is the field of this name, all of it.
    #[must_use]
    pub fn is_field(&self, wanted: &HeaderName) -> bool {
        let whole = |how: &How| !matches!(how, How::Member(_));
        matches!(&self.what, What::Field(name, how) if name == wanted && whole(how))
    }

    /// The field that it is, or is of.
    #[must_use]
    pub const fn field(&self) -> Option<&HeaderName> {
        match &self.what {
            What::Field(name, _) => Some(name),
            _ => None,
        }
    }

    /// Whether who signs this signs `other` with it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        if self.text == other.text {
            return true;
        }
        match (&self.what, &other.what) {
            (
                What::TargetUri,
                What::Scheme
                | What::Authority
                | What::RequestTarget
                | What::Path
                | What::Query
                | What::QueryParam(_),
            )
            | (What::RequestTarget, What::Path | What::Query | What::QueryParam(_))
            | (What::Query, What::QueryParam(_)) => true,
            // Another way to write the same value down.
            (What::Field(mine, how), What::Field(theirs, How::Plain | How::Structured(_))) => {
                mine == theirs && !matches!(how, How::Member(_))
            }
            _ => false,
        }
    }

    /// Writes its line of the signature base, without what it begins with.
    ///
    /// # Errors
    /// Why the request has no such value, in words.
    pub fn write(&self, request: &Request<'_>, base: &mut Vec<u8>) -> Result<(), String> {
        let (path, query) = match request.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (request.target, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        let scheme = if request.secure { "https" } else { "http" };
        match &self.what {
            What::Method => base.extend_from_slice(request.method.as_str().as_bytes()),
            What::TargetUri => {
                for part in [scheme, "://", request.authority, path] {
                    base.extend_from_slice(part.as_bytes());
                }
                if let Some(query) = query {
                    base.push(b'?');
                    base.extend_from_slice(query.as_bytes());
                }
            }
            What::Authority => base.extend_from_slice(request.authority.as_bytes()),
            What::Scheme => base.extend_from_slice(scheme.as_bytes()),
            What::RequestTarget => base.extend_from_slice(request.target.as_bytes()),
            What::Path => base.extend_from_slice(path.as_bytes()),
            What::Query => {
                base.push(b'?');
                base.extend_from_slice(query.unwrap_or_default().as_bytes());
            }
            What::QueryParam(name) => {
                base.extend_from_slice(parameter(query.unwrap_or_default(), name)?.as_bytes());
            }
            What::Field(name, how) => written(name, how, request.headers, base)?,
        }
        Ok(())
    }
}

fn derived(name: &str, item: &Item) -> Result<What, String> {
    let mut parameter = None;
    for (key, value) in &item.params {
        match (name, key.as_str(), value) {
            ("@query-param", "name", BareItem::String(value)) => {
                parameter = Some(value.as_str().to_owned());
            }
            (_, "req", _) => return Err(of_answers("req")),
            (_, key, _) => {
                return Err(format!(
                    "`{}` has no parameter `{}`",
                    quoted(name),
                    quoted(key)
                ))
            }
        }
    }
    Ok(match (name, parameter) {
        ("@method", _) => What::Method,
        ("@target-uri", _) => What::TargetUri,
        ("@authority", _) => What::Authority,
        ("@scheme", _) => What::Scheme,
        ("@request-target", _) => What::RequestTarget,
        ("@path", _) => What::Path,
        ("@query", _) => What::Query,
        ("@query-param", Some(name)) => What::QueryParam(name),
        ("@query-param", None) => return Err("`@query-param` wants a `name`".to_owned()),
        ("@status", _) => return Err("`@status` is of answers; this is a request".to_owned()),
        _ => {
            return Err(format!(
                "`{}` is no derived component that is known",
                quoted(name)
            ))
        }
    })
}

fn field(name: &str, item: &Item) -> Result<What, String> {
    // Names in lower case alone: another spelling would be another line of the base.
    let header = HeaderName::from_lowercase(name.as_bytes())
        .map_err(|_| format!("`{}` is no field's name in lower case", quoted(name)))?;
    let (mut structured, mut bytes, mut member) = (false, false, None);
    for (key, value) in &item.params {
        match (key.as_str(), value) {
            ("sf", BareItem::Boolean(true)) => structured = true,
            ("bs", BareItem::Boolean(true)) => bytes = true,
            ("key", BareItem::String(key)) => member = Some(key.as_str().to_owned()),
            ("req", _) => return Err(of_answers("req")),
            ("tr", _) => {
                return Err(
                    "`;tr`: trailers come when a signature has been judged already".to_owned(),
                )
            }
            (key, _) => return Err(format!("`{name}` has no parameter `{}`", quoted(key))),
        }
    }
    let how = match (structured, bytes, member) {
        (false, false, None) => How::Plain,
        (false, true, None) => How::Bytes,
        (_, false, Some(key)) => How::Member(key),
        (true, false, None) => {
            let known = STRUCTURED.iter().find(|(known, _)| *known == name);
            How::Structured(known.map(|(_, kind)| *kind).ok_or_else(|| {
                format!("`{name}` is no structured field that is known; leave `;sf` out")
            })?)
        }
        // RFC 9421 section 2.1: they exclude each other.
        (_, true, _) => return Err(format!("`{name}`: `;bs` stands alone")),
    };
    Ok(What::Field(header, how))
}

fn of_answers(parameter: &str) -> String {
    format!("`;{parameter}` is of answers; this is a request")
}

fn written(
    name: &HeaderName,
    how: &How,
    headers: &HeaderMap,
    base: &mut Vec<u8>,
) -> Result<(), String> {
    let lines = || {
        headers
            .get_all(name)
            .iter()
            .map(|line| line.as_bytes().trim_ascii())
    };
    if lines().next().is_none() {
        return Err(format!("there is no field `{name}`"));
    }
    let separator: &[u8] = match name {
        // HTTP/2 sends cookies in pieces, which are one line (RFC 9113 section 8.2.3).
        &COOKIE => b"; ",
        _ => b", ",
    };
    match how {
        How::Plain => join(base, separator, lines(), |base, line| {
            base.extend_from_slice(line)
        }),
        How::Bytes => join(base, b", ", lines(), |base, line| {
            base.push(b':');
            base.extend_from_slice(STANDARD.encode(line).as_bytes());
            base.push(b':');
        }),
        How::Structured(kind) => {
            let text = anew(*kind, &joined(lines()));
            let text =
                text.ok_or_else(|| format!("`{name}` cannot be read as a structured field"))?;
            base.extend_from_slice(text.as_bytes());
        }
        How::Member(key) => {
            let read = Parser::new(&joined(lines())).parse::<Dictionary>();
            let read = read.map_err(|_| format!("`{name}` cannot be read as a dictionary"))?;
            let member = read.get(key.as_str());
            let member =
                member.ok_or_else(|| format!("`{name}` has no member `{}`", quoted(key)))?;
            let mut list = ListSerializer::new();
            list.members([member]);
            base.extend_from_slice(list.finish().unwrap_or_default().as_bytes());
        }
    }
    Ok(())
}

fn join<'l>(
    base: &mut Vec<u8>,
    separator: &[u8],
    lines: impl Iterator<Item = &'l [u8]>,
    write: impl Fn(&mut Vec<u8>, &[u8]),
) {
    for (number, line) in lines.enumerate() {
        if number > 0 {
            base.extend_from_slice(separator);
        }
        write(base, line);
    }
}

fn joined<'l>(lines: impl Iterator<Item = &'l [u8]>) -> Vec<u8> {
    lines.collect::<Vec<_>>().join(&b", "[..])
}

/// A structured field's value, written as RFC 8941 section 4.1 says. An empty one has none.
fn anew(kind: Kind, text: &[u8]) -> Option<String> {
    let parser = Parser::new(text);
    match kind {
        Kind::Dictionary => parser.parse::<Dictionary>().ok()?.serialize(),
        Kind::List => parser.parse::<List>().ok()?.serialize(),
        Kind::Item => Some(parser.parse::<Item>().ok()?.serialize()),
    }
}

/// The value of a query's parameter, encoded anew (RFC 9421 section 2.2.8).
fn parameter(query: &str, name: &str) -> Result<String, String> {
    let mut found = query::pairs(query).filter(|pair| encoded(&query::decoded(pair.name)) == name);
    let pair = found.next();
    let pair = pair.ok_or_else(|| format!("the query has no parameter `{}`", quoted(name)))?;
    if found.next().is_some() {
        // Which of them was meant nobody can say.
        return Err(format!(
            "the query has the parameter `{}` twice",
            quoted(name)
        ));
    }
    Ok(encoded(&query::decoded(pair.value)))
}

/// As a form is encoded, with `%20` for a blank.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
