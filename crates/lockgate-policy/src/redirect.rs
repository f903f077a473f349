//! `redirect`: the gate answers with another place, and asks no upstream.
//!
//! # Description
//! A route that has moved is answered with 301, 302, 303, 307 or 308 and a
//! `Location`, which may be written from what the route's path captured. Where
//! it leads to is the configuration's to say: the host is never taken from the
//! request, unless it is one of `hosts`, and what is captured can begin no
//! other host.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`UNSAFE`], [`HOST`], [`LOOP`].
//!
//! # Example
//! ```yaml
//! redirect: {status: 308, to: "https://shop.example.com/items/{id}"}
//! ```

use http::header::{HeaderValue, LOCATION};
use http::uri::{Authority, Scheme, Uri};
use http::StatusCode;
use lockgate_wire::target::{self, normalize_host, Odd, TargetSwitches};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rewrite::rooted;
use crate::template::{self, known, plain, Captures, Template};
use crate::{ConfigError, Denial, Verdict};

/// The room's name everywhere.
pub const NAME: &str = "redirect";

/// The statuses that a redirect may have (RFC 9110, 15.4). 300 and 304 to 306
/// redirect nobody.
pub const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];
/// Most hosts that may be taken from a request.
const MAX_HOSTS: usize = 256;

lockgate_wire::reasons! { "redirect", Client:
    UNSAFE = "redirect-unsafe", 400,
        "The path has no safe form to be sent to.",
        "Written from this path, the new place would hold `..`, or lead to another host. Send another path; the operator looks at `redirect` of the API.";
    HOST = "redirect-host", 400,
        "Nobody is redirected to this host.",
        "The redirect takes the host from the request, and this one is none of `redirect.hosts`. Ask under a host that is.";

    "redirect", Gate:
    LOOP = "redirect-loop", 508,
        "The new place is the old one.",
        "The redirect leads to the very URL that was asked for, so a client would go round in circles. The operator looks at `redirect` of the API.";
}

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// A template: a path, or a URL.
    pub to: String,
    /// Hosts that `{host}` may be.
    pub hosts: Vec<String>,
    /// Whether the request's query goes along.
    pub query: bool,
}

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct Redirect {
    status: StatusCode,
    /// `https://host`, with `{host}` or without; none stays at the same host.
    origin: Option<Template>,
    path: Template,
    hosts: Vec<Box<str>>,
    query: bool,
    switches: TargetSwitches,
}

impl Redirect {
    /// Compiles the config of a route whose path gives the names that `own`
    /// tells, and which keeps of unusual paths what `switches` say.
    ///
    /// # Errors
    /// What makes no sense.
    pub fn new(
        config: &Config,
        own: &dyn Fn(&str) -> bool,
        switches: TargetSwitches,
    ) -> Result<Self, ConfigError> {
        let wrong = |code, pointer: &str, message: String| ConfigError::new(code, pointer, message);
        let status = StatusCode::from_u16(config.status)
            .ok()
            .filter(|_| STATUSES.contains(&config.status))
            .ok_or_else(|| {
                let message = format!(
                    "{} is no redirect: 301, 302, 303, 307 or 308",
                    config.status
                );
                wrong("not-a-redirect", "/status", message)
            })?;
        let to = |error: ConfigError| ConfigError {
            pointer: "/to".to_owned(),
            ..error
        };
        let (origin, path) = split_origin(&config.to).map_err(to)?;
        rooted(path, own).map_err(to)?;
        let path =
            Template::new(path, &|name| name != template::HOST && known(name, own)).map_err(to)?;
        let origin = origin
            .map(|origin| Template::new(origin, &|name| name == template::HOST).map_err(to))
            .transpose()?;
        let takes_host = origin
            .as_ref()
            .is_some_and(|origin| origin.has(template::HOST));
        if takes_host && config.hosts.is_empty() {
            let message = "`{host}` is what the client says it is: name the hosts that it may be under `hosts`";
            return Err(wrong("redirect-any-host", "/to", message.to_owned()));
        }
        if config.hosts.len() > MAX_HOSTS {
            let message = format!("at most {MAX_HOSTS} hosts");
            return Err(wrong("too-many-hosts", "/hosts", message));
        }
        let mut hosts = Vec::new();
        for (place, host) in config.hosts.iter().enumerate() {
            let name = normalize_host(host).map_err(|reason| {
                let message = format!("`{host}`: {}", reason.title);
                wrong("not-a-host", &format!("/hosts/{place}"), message)
            })?;
            hosts.push(name.name.into());
        }
        Ok(Self {
            status,
            origin,
            path,
            hosts,
            query: config.query,
            switches: TargetSwitches {
                dot_segments: Odd::Reject,
                ..switches
            },
        })
    }

    /// Where the request is sent.
    #[must_use]
    pub fn decide(&self, captures: &Captures<'_>, query: Option<&str>) -> Verdict {
        match self.location(captures, query) {
            Ok(location) => {
                let mut response = http::Response::new(Vec::new());
                *response.status_mut() = self.status;
                response.headers_mut().insert(LOCATION, location);
                Verdict::Respond(Box::new(response))
            }
            Err(denial) => Verdict::Deny(denial),
        }
    }

    fn location(
        &self,
        captures: &Captures<'_>,
        asked: Option<&str>,
    ) -> Result<HeaderValue, Denial> {
        let origin = match &self.origin {
            None => String::new(),
            Some(origin) => {
                let taken = origin.has(template::HOST);
                if taken && !self.hosts.iter().any(|host| **host == *captures.host) {
                    return Err(Denial::new(&HOST));
                }
                // A piece of the path that is called `host` is no host.
                let host = Captures {
                    named: &[],
                    ..*captures
                };
                origin.fill(&host, plain)
            }
        };
        let path = self.path.fill(captures, plain);
        // Behind the whole prefix there is no rest.
        let path = if path.is_empty() { "/" } else { &path };
        // A second slash at the beginning would make a host of what follows, and so would `\`:
        // both have no normal form, unless the API keeps them; at the beginning nobody may.
        let normal = target::normalize(path, &self.switches).map_err(|_| Denial::new(&UNSAFE))?;
        let leads_away = normal.path[1..].starts_with(['/', '\\']);
        // `OPTIONS *` asks of no path, and behind a host the star would be a part of its name.
        let no_path = !normal.path.starts_with('/');
        if no_path || leads_away || normal.query.is_some() {
            return Err(Denial::new(&UNSAFE));
        }
        let query = asked.filter(|_| self.query);
        // Another scheme or port is another place, and which one this is, is not known here.
        let same = self.origin.is_none() && normal.path == captures.path;
        if same && (self.query || asked.is_none()) {
            return Err(Denial::new(&LOOP));
        }
        let text = match query {
            Some(query) => format!("{origin}{}?{query}", normal.path),
            None => format!("{origin}{}", normal.path),
        };
        HeaderValue::try_from(text).map_err(|_| Denial::new(&UNSAFE))
    }
}

/// Origin and path of where it leads to.
fn split_origin(to: &str) -> Result<(Option<&str>, &str), ConfigError> {
    let Some((scheme, rest)) = to.split_once("://") else {
        return Ok((None, to));
    };
    let wrong = |what: &str| {
        let message = format!("`{to}` {what}");
        Err(ConfigError::new("not-a-location", "", message))
    };
    if !matches!(scheme, "http" | "https") {
        return wrong("is neither a path nor a URL that begins with `https://` or `http://`");
    }
    let end = rest
        .find('/')
        .or_else(|| {
            let mut rooted = template::ROOTED.iter();
            rooted.find_map(|name| rest.find(&format!("{{{name}}}")))
        })
        .unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let plain = authority.replace("{host}", "a.example");
    let parsed = Uri::builder()
        .scheme(if scheme == "http" {
            Scheme::HTTP
        } else {
            Scheme::HTTPS
        })
        .authority(plain.as_str())
        .path_and_query("/")
        .build();
    let host = parsed
        .as_ref()
        .ok()
        .and_then(Uri::authority)
        .map(Authority::host);
    if plain.contains(['@', '{', '}', '?', '#']) || host.is_none_or(str::is_empty) {
        return wrong("has no host that it could lead to");
    }
    let origin = &to[..to.len() - path.len()];
    Ok((Some(origin), if path.is_empty() { "/" } else { path }))
}

#[cfg(test)]
mod tests;
