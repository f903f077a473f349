//! What a request must carry for a route, or for a share of it, to be chosen:
//! headers, parameters of the query, cookies.
//!
//! All conditions must hold. Where readers could differ on what was sent (a
//! parameter or header that stands there twice), neither yes nor no is an
//! answer that is safe for both, so it is a third one.

use http::{HeaderMap, HeaderName};
use lockgate_wire::headers::{cookies as wire, look_alikes};
use lockgate_wire::query;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pattern::Pattern;
use crate::ConfigError;

/// Most conditions of one route. Precedent: the Gateway API allows 16 headers
/// and 16 parameters.
pub const MAX: usize = 16;
/// Longest name or value, bytes.
pub const MAX_TEXT: usize = 1024;

/// One condition, as a bundle has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Condition")]
pub struct Config {
    /// Where it looks.
    pub part: Part,
    /// The name of the header, parameter or cookie.
    pub name: String,
    /// What must be there.
    pub test: Test,
}

/// Where a condition looks.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ConditionPart")]
pub enum Part {
    /// A header.
    Header,
    /// A parameter of the query.
    Query,
    /// A cookie.
    Cookie,
}

/// What must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "ConditionTest")]
pub enum Test {
    /// Whether it is there, with any value, or is not.
    Present(bool),
    /// This value.
    Exact(String),
    /// A value that this expression matches whole.
    Regex(String),
}

/// Whether conditions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// All do.
    Yes,
    /// One does not.
    No,
    /// Readers could differ on it.
    Ambiguous,
}

/// Conditions that must all hold.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    all: Box<[Condition]>,
    text: Box<str>,
}

#[derive(Debug, Clone)]
struct Condition {
    part: Part,
    name: Box<str>,
    header: Option<HeaderName>,
    test: Compiled,
}

#[derive(Debug, Clone)]
enum Compiled {
    Present(bool),
    Exact(Box<str>),
    Regex(Pattern),
}

impl Conditions {
    /// Compiles conditions. Their order has no meaning.
    ///
    /// # Errors
    /// The first that cannot be one, its pointer the place in the list.
    pub fn new(configs: &[Config]) -> Result<Self, ConfigError> {
        if configs.len() > MAX {
            let message = format!(
                "there are {} conditions; at most {MAX} are taken",
                configs.len()
            );
            return Err(ConfigError::new("too-many-conditions", "", message));
        }
        let mut all = Vec::with_capacity(configs.len());
        for (place, config) in configs.iter().enumerate() {
            let condition = Condition::new(config).map_err(|error| ConfigError {
                pointer: format!("/{place}"),
                ..error
            })?;
            all.push((condition.describe(), condition));
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let texts: Vec<&str> = all.iter().map(|(text, _)| text.as_str()).collect();
        let text = texts.join(", ").into();
        Ok(Self {
            all: all.into_iter().map(|(_, condition)| condition).collect(),
            text,
        })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// In words that are the same for the same conditions.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How much they ask for: their number, then how exactly. The larger wins.
    #[must_use]
    pub fn rank(&self) -> (usize, usize) {
        let exactness = |condition: &Condition| match condition.test {
            Compiled::Exact(_) => 3,
            Compiled::Regex(_) => 2,
            Compiled::Present(_) => 1,
        };
        (self.all.len(), self.all.iter().map(exactness).sum())
    }

    /// Whether all hold of a request.
    #[must_use]
    pub fn hold(&self, headers: &HeaderMap, query: Option<&str>) -> Held {
        let mut held = Held::Yes;
        for condition in &self.all {
            match condition.holds(headers, query) {
                Held::Yes => {}
                Held::No => return Held::No,
                Held::Ambiguous => held = Held::Ambiguous,
            }
        }
        held
    }
}

impl Condition {
    fn new(config: &Config) -> Result<Self, ConfigError> {
        let wrong = |code, message| Err(ConfigError::new(code, "", message));
        if config.name.is_empty() || config.name.len() > MAX_TEXT {
            return wrong(
                "not-a-name",
                "a condition needs a name of at most 1024 bytes".to_owned(),
            );
        }
        let header = match config.part {
            Part::Header => match HeaderName::try_from(config.name.as_str()) {
                Ok(name) => Some(name),
                Err(_) => {
                    return wrong(
                        "not-a-header",
                        format!("`{}` is not a header name", config.name),
                    )
                }
            },
            _ => None,
        };
        let test = match &config.test {
            Test::Present(present) => Compiled::Present(*present),
            Test::Exact(value) if value.len() > MAX_TEXT => {
                return wrong(
                    "value-too-long",
                    "a value has at most 1024 bytes".to_owned(),
                )
            }
            Test::Exact(value) => Compiled::Exact(value.as_str().into()),
            Test::Regex(text) => Compiled::Regex(Pattern::new(text).map_err(|fault| {
                ConfigError::new(
                    fault.code,
                    "",
                    format!("{}; {}", fault.message, fault.advice),
                )
            })?),
        };
        Ok(Self {
            part: config.part,
            name: config.name.as_str().into(),
            header,
            test,
        })
    }

    fn describe(&self) -> String {
        let part = match self.part {
            Part::Header => "header",
            Part::Query => "query",
            Part::Cookie => "cookie",
        };
        // Header names are compared without regard to case, the others as they are.
        let name = self.header.as_ref().map_or(&*self.name, HeaderName::as_str);
        match &self.test {
            Compiled::Present(true) => format!("{part} {name}"),
            Compiled::Present(false) => format!("no {part} {name}"),
            Compiled::Exact(value) => format!("{part} {name} = {value}"),
            Compiled::Regex(pattern) => format!("{part} {name} ~ {}", pattern.text()),
        }
    }

    fn holds(&self, headers: &HeaderMap, query: Option<&str>) -> Held {
        match self.part {
            Part::Query => match query::find(query, &self.name) {
                query::Found::Absent => self.judge(None),
                query::Found::Once(value) => self.judge(Some(&value)),
                query::Found::Ambiguous => Held::Ambiguous,
            },
            Part::Cookie => self.judge_one(cookies(headers, &self.name)),
            Part::Header => {
                let Some(name) = &self.header else {
                    return Held::No;
                };
                // `X_View` is `X-View` to a server that makes variables of names (RFC 3875 section 4.1.18).
                if look_alikes(headers, name).next().is_some() {
                    return Held::Ambiguous;
                }
                // Bytes that are no text equal nothing that a configuration says.
                self.judge_one(headers.get_all(name).iter().map(|value| {
                    value
                        .to_str()
                        .unwrap_or("\u{fffd}")
                        .trim_matches([' ', '\t'])
                }))
            }
        }
    }

    fn judge_one<'v>(&self, mut values: impl Iterator<Item = &'v str>) -> Held {
        let first = values.next();
        if first.is_some() && values.next().is_some() {
            // That it is there is certain.
            return match self.test {
                Compiled::Present(true) => Held::Yes,
                Compiled::Present(false) => Held::No,
                _ => Held::Ambiguous,
            };
        }
        self.judge(first)
    }

    fn judge(&self, value: Option<&str>) -> Held {
        let holds = match (&self.test, value) {
            (Compiled::Present(wanted), value) => *wanted == value.is_some(),
            (Compiled::Exact(wanted), Some(value)) => **wanted == *value,
            (Compiled::Regex(pattern), Some(value)) => pattern.matches(value),
            (_, None) => false,
        };
        if holds {
            Held::Yes
        } else {
            Held::No
        }
    }
}

/// The values of a cookie (RFC 6265, 5.4), without the quotes that some write.
pub fn cookies<'h, 'n>(
    headers: &'h HeaderMap,
    name: &'n str,
) -> impl Iterator<Item = &'h str> + use<'h, 'n> {
    wire::cookies(headers, name).map(|value| {
        let plain = value
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        // Bytes that are no text equal nothing that a configuration says.
        std::str::from_utf8(plain.unwrap_or(value)).unwrap_or("\u{fffd}")
    })
}

#[cfg(test)]
mod tests;
