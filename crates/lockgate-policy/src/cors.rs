//! `cors`: which web pages of other origins may call, and read the answers.
//!
//! # Description
//! Speaks the CORS protocol of the Fetch standard for the API: answers a
//! browser's preflight before anybody is asked who they are, since browsers
//! send no credential with it, and says on every answer, refusals among them,
//! which origin may read it. What the upstream says of CORS is taken off.
//!
//! A page that may not read an answer can still cause the request: this is no
//! access control, and an origin that is not listed passes on without a word.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`ORIGIN`], [`METHOD`], [`HEADER`], [`NETWORK`]: of preflights alone.
//!
//! # Example
//! ```yaml
//! cors: {origins: ["https://shop.example.com", "https://*.preview.example.com"], credentials: true}
//! ```

pub(crate) mod origin;

use http::header::{
    HeaderMap, HeaderName, HeaderValue, ACCESS_CONTROL_ALLOW_CREDENTIALS as ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS as ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS as ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN as ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS as EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE as MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS as REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD as REQUEST_METHOD, ORIGIN as FROM, VARY,
};
use http::{Method, Response, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ConfigError, Denial, Edit, Edits, ReasonRef, RequestView, Verdict};
use origin::Origins;

/// The room's name everywhere.
pub const NAME: &str = "cors";

/// Header names that a preflight may ask for: as many as a head may have lines.
const MAX_ASKED: usize = 100;
/// Entries of one list.
pub const MAX_ENTRIES: usize = 1_000;

const ALLOW_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");
const REQUEST_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const ANY: HeaderValue = HeaderValue::from_static("*");
/// What a preflight's answer depends on.
const VARIES: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network",
);

/// What an upstream may say of CORS; the gate alone does.
const TAKEN_OFF: [HeaderName; 7] = [
    ALLOW_ORIGIN,
    ALLOW_CREDENTIALS,
    EXPOSE_HEADERS,
    ALLOW_METHODS,
    ALLOW_HEADERS,
    MAX_AGE,
    ALLOW_NETWORK,
];

lockgate_wire::reasons! { "cors", Client:
    ORIGIN = "cors-origin-not-allowed", 403,
        "Pages of this origin may not call this API.",
        "A browser asked whether a page of this origin may call. The operator adds the origin, with scheme and port as the browser sends it, to `cors.origins`.";
    METHOD = "cors-method-not-allowed", 403,
        "Pages may not use this method here.",
        "A browser asked whether a page may use this method. The operator adds it to `cors.methods`.";
    HEADER = "cors-header-not-allowed", 403,
        "Pages may not send this header here.",
        "A browser asked whether a page may send the header that the detail names. The operator adds it to `cors.headers`.";
    NETWORK = "cors-private-network", 403,
        "Pages of public sites may not call this API.",
        "A browser asked whether a page from the internet may call into this network. The operator says so with `cors.private_network: true`.";
}

/// The room's config.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `https://shop.example.com`, `https://*.example.com`, or `*` alone.
    pub origins: Vec<String>,
    /// Methods that pages may use; empty means those that the API answers to.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Headers that pages may send, or `*` alone.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Headers of answers that pages may read.
    #[serde(default)]
    pub expose: Vec<String>,
    /// Whether cookies and the like may come along.
    #[serde(default)]
    pub credentials: bool,
    /// How long a browser may remember a preflight's answer, seconds.
    #[serde(default)]
    pub max_age_s: u32,
    /// Whether pages of public sites may call into a private network.
    #[serde(default)]
    pub private_network: bool,
}

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct Cors {
    origins: Origins,
    methods: Option<(Vec<Method>, HeaderValue)>,
    /// None means any.
    headers: Option<(Vec<HeaderName>, HeaderValue)>,
    credentials: bool,
    max_age: HeaderValue,
    private_network: bool,
    /// Changes to every answer.
    always: Vec<Edit>,
    /// Changes to an answer for an origin that may read it, besides its name.
    allowed: Vec<Edit>,
}

/// The method that a preflight asks about; none where the request is no preflight.
#[must_use]
pub fn preflight<'h>(method: &Method, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
    if *method != Method::OPTIONS || !headers.contains_key(FROM) {
        return None;
    }
    headers.get(REQUEST_METHOD)
}

impl Cors {
    /// Compiles the config. `keys` are the headers that carry the API's keys:
    /// a page that may call may send them.
    ///
    /// # Errors
    /// The first value that makes no sense.
    pub fn new(config: &Config, keys: &[HeaderName]) -> Result<Self, ConfigError> {
        for (name, list) in [
            ("origins", &config.origins),
            ("methods", &config.methods),
            ("headers", &config.headers),
            ("expose", &config.expose),
        ] {
            if list.len() > MAX_ENTRIES {
                let message = format!("the list has more than {MAX_ENTRIES} entries");
                return Err(ConfigError::new(
                    "cors-too-many",
                    format!("/{name}"),
                    message,
                ));
            }
        }
        let origins = Origins::new(&config.origins)?;
        let any_header = config.headers.iter().any(|header| header == "*");
        if config.credentials && (origins.any() || any_header) {
            let place = if origins.any() {
                "/origins"
            } else {
                "/headers"
            };
            let message = "`*` and `credentials: true` exclude each other: any page at all could act as its visitor; name the ones that may";
            return Err(ConfigError::new("cors-credentials-any", place, message));
        }
        let headers = if any_header {
            if config.headers.len() > 1 {
                let message = "`*` stands alone";
                return Err(ConfigError::new("header-malformed", "/headers", message));
            }
            None
        } else {
            let mut names = names("headers", &config.headers)?;
            names.extend(keys.iter().cloned());
            let list = list(names.iter().map(HeaderName::as_str));
            Some((names, list))
        };
        let expose = names("expose", &config.expose)?;
        let mut always: Vec<Edit> = TAKEN_OFF.map(Edit::Remove).into();
        let mut allowed = Vec::new();
        if !origins.any() {
            always.push(Edit::Add(VARY, HeaderValue::from_static("Origin")));
        }
        if config.credentials {
            allowed.push(Edit::Set(ALLOW_CREDENTIALS, TRUE));
        }
        if !expose.is_empty() {
            let expose = list(expose.iter().map(HeaderName::as_str));
            allowed.push(Edit::Set(EXPOSE_HEADERS, expose));
        }
        Ok(Self {
            origins,
            methods: methods(&config.methods)?,
            headers,
            credentials: config.credentials,
            max_age: config.max_age_s.into(),
            private_network: config.private_network,
            always,
            allowed,
        })
    }

    /// Answers a preflight, and says who may read any other answer.
    #[must_use]
    pub fn decide(&self, view: &RequestView<'_>) -> Verdict {
        let origin = self.origin(view.headers);
        if let Some(asked) = preflight(view.method, view.headers) {
            return match self.preflight(view.headers, asked, origin) {
                Ok(answer) => Verdict::Respond(Box::new(answer)),
                Err(denial) => Verdict::Deny(denial.header(VARY, VARIES)),
            };
        }
        let mut answer = self.always.clone();
        if let Some(origin) = origin {
            answer.push(Edit::Set(ALLOW_ORIGIN, origin));
            answer.extend_from_slice(&self.allowed);
        }
        Verdict::Allow(Edits {
            request: Vec::new(),
            answer,
        })
    }

    /// What `Access-Control-Allow-Origin` says to the page that asks.
    fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.origins.any() {
            return Some(ANY);
        }
        let mut said = headers.get_all(FROM).iter();
        match (said.next(), said.next()) {
            (Some(one), None) if self.origins.contain(one.as_bytes()) => Some(one.clone()),
            _ => None,
        }
    }

    fn preflight(
        &self,
        headers: &HeaderMap,
        asked: &HeaderValue,
        origin: Option<HeaderValue>,
    ) -> Result<Response<Vec<u8>>, Denial> {
        let origin = origin.ok_or_else(|| Denial::new(&ORIGIN))?;
        let one = headers.get_all(REQUEST_METHOD).iter().count() == 1;
        let method = Method::from_bytes(asked.as_bytes()).ok().filter(|_| one);
        let methods = match (&self.methods, &method) {
            // The route was found by this method.
            (None, Some(_)) => asked.clone(),
            (Some((methods, list)), Some(method)) if methods.contains(method) => list.clone(),
            _ => return Err(Denial::new(&METHOD)),
        };
        let sent = self.asked(headers)?;
        let network = headers.contains_key(REQUEST_NETWORK);
        if network && !self.private_network {
            return Err(Denial::new(&NETWORK));
        }
        let mut response = Response::new(Vec::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let fields = response.headers_mut();
        fields.insert(ALLOW_ORIGIN, origin);
        fields.insert(ALLOW_METHODS, methods);
        fields.insert(VARY, VARIES);
        fields.insert(MAX_AGE, self.max_age.clone());
        if let Some(sent) = sent {
            fields.insert(ALLOW_HEADERS, sent);
        }
        if self.credentials {
            fields.insert(ALLOW_CREDENTIALS, TRUE);
        }
        if network {
            fields.insert(ALLOW_NETWORK, TRUE);
        }
        Ok(response)
    }

    /// The headers that a page may send, where it asked for some.
    fn asked(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, Denial> {
        let refused = |reason: ReasonRef, name: &str| {
            // A name is a token, so what is shown is safe.
            Err(Denial::new(reason).detail(format!("The header is `{name}`.")))
        };
        let mut names = Vec::new();
        for value in headers.get_all(REQUEST_HEADERS) {
            let parts = value.as_bytes().split(|byte| *byte == b',');
            for part in parts
                .map(<[u8]>::trim_ascii)
                .filter(|part| !part.is_empty())
            {
                let Ok(name) = HeaderName::from_bytes(part) else {
                    return Err(Denial::new(&HEADER));
                };
                if names.len() == MAX_ASKED {
                    return Err(Denial::new(&HEADER));
                }
                let known = self.headers.as_ref();
                if known.is_some_and(|(known, _)| !known.contains(&name)) {
                    return refused(&HEADER, name.as_str());
                }
                names.push(name);
            }
        }
        Ok(match &self.headers {
            _ if names.is_empty() => None,
            Some((_, list)) => Some(list.clone()),
            // `*` does not cover `Authorization`; the names do.
            None => Some(list(names.iter().map(HeaderName::as_str))),
        })
    }
}

fn names(field: &str, texts: &[String]) -> Result<Vec<HeaderName>, ConfigError> {
    let named = texts.iter().enumerate().map(|(place, text)| {
        HeaderName::try_from(text.as_str())
            .ok()
            .filter(|_| text != "*")
            .ok_or_else(|| {
                let message = format!("`{text}` is not a header's name");
                ConfigError::new("header-malformed", format!("/{field}/{place}"), message)
            })
    });
    named.collect()
}

fn methods(texts: &[String]) -> Result<Option<(Vec<Method>, HeaderValue)>, ConfigError> {
    let mut methods = Vec::with_capacity(texts.len());
    for (place, text) in texts.iter().enumerate() {
        let method = Method::from_bytes(text.as_bytes()).ok();
        // Fetch compares methods letter by letter, and forbids these three to pages.
        let forbidden = matches!(text.as_str(), "CONNECT" | "TRACE" | "TRACK");
        let upper = !text.bytes().any(|byte| byte.is_ascii_lowercase()) && text != "*";
        match method.filter(|_| upper && !forbidden) {
            Some(method) => methods.push(method),
            None => {
                let message =
                    format!("`{text}` is not a method that a page may use, such as `PUT`");
                return Err(ConfigError::new(
                    "method-malformed",
                    format!("/methods/{place}"),
                    message,
                ));
            }
        }
    }
    let all = list(methods.iter().map(Method::as_str));
    Ok((!methods.is_empty()).then_some((methods, all)))
}

/// A list of tokens as a field says it.
fn list<'t>(tokens: impl Iterator<Item = &'t str>) -> HeaderValue {
    let text = tokens.collect::<Vec<_>>().join(", ");
    // Tokens are visible ASCII.
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;
