//! A field's value with variables. It is parsed once, at load; what fills it is
//! checked byte by byte, so that no value can end a line.

use std::borrow::Cow;
use std::fmt::Write;

use http::HeaderValue;
use serde_json::Value;

use super::Subject;

/// Bytes of a value as the configuration writes it.
const MAX_TEXT: usize = 4096;
/// Bytes of a value once filled. Servers bound a field at 8 KiB (nginx, Apache).
const MAX_FILLED: usize = 8192;
/// Bytes of a claim's name; some are URLs.
const MAX_CLAIM: usize = 256;

const KNOWN: &str = "`{request_id}`, `{client_address}`, `{credential}`, `{owner}`, `{app}`, `{claim:NAME}`, `{api}`, `{operation}`, `{device}`, `{ja4}`, `{http2}`, `{header_order}`, `{country}`, `{network}`";

/// A value, ready to be filled.
#[derive(Debug, Clone)]
pub struct Template {
    /// The whole value, where nothing is to be filled in.
    fixed: Option<HeaderValue>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    RequestId,
    ClientAddress,
    Credential,
    Owner,
    App,
    Claim(Box<str>),
    Api,
    Operation,
    Device,
    Ja4,
    Http2,
    HeaderOrder,
    Country,
    Network,
}

impl Template {
    /// Reads a value. `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > MAX_TEXT {
            return Err(format!("a field's value has 1 to {MAX_TEXT} characters"));
        }
        if let Some(odd) = text.chars().find(|char| !matches!(char, ' '..='~')) {
            return Err(format!(
                "a field's value is printable ASCII on one line; `{}` is not",
                odd.escape_default()
            ));
        }
        if text.trim() != text {
            return Err("a field's value neither begins nor ends with a space".into());
        }
        let parts = parts(text)?;
        let fixed = match parts.as_slice() {
            [Part::Text(text)] => HeaderValue::from_str(text).ok(),
            _ => None,
        };
        Ok(Self { fixed, parts })
    }

    /// Whether it tells what the client's program looks like.
    #[must_use]
    pub fn tells_program(&self) -> bool {
        let tells = |part: &Part| matches!(part, Part::Ja4 | Part::Http2 | Part::HeaderOrder);
        self.parts.iter().any(tells)
    }

    /// Whether it tells how the client's program writes the fields of a request.
    #[must_use]
    pub fn tells_header_order(&self) -> bool {
        self.parts.contains(&Part::HeaderOrder)
    }

    /// Whether it tells in which country the client is.
    #[must_use]
    pub fn tells_country(&self) -> bool {
        self.parts.contains(&Part::Country)
    }

    /// Whether it tells in which network the client is.
    #[must_use]
    pub fn tells_network(&self) -> bool {
        self.parts.contains(&Part::Network)
    }

    /// The value for a request; none where a variable has none, or one that
    /// no field can carry.
    #[must_use]
    pub fn fill(&self, subject: &Subject<'_>) -> Option<HeaderValue> {
        if let Some(fixed) = &self.fixed {
            return Some(fixed.clone());
        }
        let mut filled = String::new();
        for part in &self.parts {
            filled.push_str(&part.of(subject)?);
            if filled.len() > MAX_FILLED {
                return None;
            }
        }
        // Control characters, line ends first of all, are refused; the rest is UTF-8.
        if filled.chars().any(char::is_control) || filled.trim().is_empty() {
            return None;
        }
        HeaderValue::from_bytes(filled.as_bytes()).ok()
    }
}

fn parts(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(at);
        plain.push_str(before);
        if let Some(after) = after
            .strip_prefix("{{")
            .or_else(|| after.strip_prefix("}}"))
        {
            plain.push_str(&rest[at..=at]);
            rest = after;
            continue;
        }
        let named = after
            .strip_prefix('{')
            .and_then(|after| after.split_once('}'));
        let Some((name, after)) = named else {
            return Err("a brace stands alone; `{{` and `}}` stand for braces themselves".into());
        };
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain).into()));
        }
        parts.push(variable(name)?);
        rest = after;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain.into()));
    }
    Ok(parts)
}

fn variable(name: &str) -> Result<Part, String> {
    Ok(match name {
        "request_id" => Part::RequestId,
        "client_address" => Part::ClientAddress,
        "credential" => Part::Credential,
        "owner" => Part::Owner,
        "app" => Part::App,
        "api" => Part::Api,
        "operation" => Part::Operation,
        "device" => Part::Device,
        "ja4" => Part::Ja4,
        "http2" => Part::Http2,
        "header_order" => Part::HeaderOrder,
        "country" => Part::Country,
        "network" => Part::Network,
        _ => match name.strip_prefix("claim:") {
            Some(claim) if !claim.is_empty() && claim.len() <= MAX_CLAIM && !claim.contains('{') => {
                Part::Claim(claim.into())
            }
            _ => {
                return Err(format!(
                    "there is no variable `{{{name}}}`; there are {KNOWN}, and `{{{{` stands for a brace"
                ))
            }
        },
    })
}

impl Part {
    fn of<'a>(&'a self, subject: &Subject<'a>) -> Option<Cow<'a, str>> {
        let known = |text: &'a str| (!text.is_empty()).then_some(Cow::Borrowed(text));
        let identity = subject.identity;
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::RequestId => known(subject.request_id),
            Self::ClientAddress => Some(Cow::Owned(subject.client.to_string())),
            Self::Credential => known(&identity?.credential),
            Self::Owner => known(&identity?.owner),
            Self::App => known(identity?.app.as_deref()?),
            Self::Claim(name) => said(identity?.claims.as_ref()?.get(&**name)?),
            Self::Api => known(subject.api),
            Self::Operation => known(subject.operation?),
            Self::Device => known(subject.device?),
            Self::Ja4 => known(subject.program?.ja4.as_deref()?),
            Self::Http2 => known(subject.program?.http2.as_deref()?),
            Self::HeaderOrder => known(subject.program?.header_order.as_deref()?),
            Self::Country => known(subject.place?.country.as_ref()?.as_str()),
            Self::Network => Some(Cow::Owned(subject.place?.network?.to_string())),
        }
    }
}

/// A claim as text: a text, a number, a truth value, or a list of these with
/// commas between. A comma within an element would make two of it.
fn said(claim: &Value) -> Option<Cow<'_, str>> {
    match claim {
        Value::Array(elements) => {
            let mut list = String::new();
            for element in elements {
                let text = scalar(element)?;
                if text.contains(',') || list.len() > MAX_FILLED {
                    return None;
                }
                let comma = if list.is_empty() { "" } else { "," };
                write!(list, "{comma}{text}").ok()?;
            }
            (!list.is_empty()).then_some(Cow::Owned(list))
        }
        one => scalar(one),
    }
}

fn scalar(claim: &Value) -> Option<Cow<'_, str>> {
    match claim {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        _ => None,
    }
}
