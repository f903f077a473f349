//! What a decision point answered, and how much of it is believed.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::{Asked, Point, Silent, MALFORMED, UNAVAILABLE};
use crate::verdict;

/// Fields of an answer that are believed, lines counted one by one.
const MOST_LINES: usize = 64;
/// Bytes of a field's value.
const MOST_VALUE: usize = 8192;
/// Characters of a reason.
const MOST_REASON: usize = 500;
/// Bytes of a refusal's body that go to a client.
const MOST_BODY: usize = 16 * 1024;
/// What a refusal that comes with a status of its own goes by.
const OWN_CODE: &str = "decision-point";

/// Fields with their values.
pub type Lines = Vec<(HeaderName, HeaderValue)>;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Go on.
    Allow {
        /// Why.
        reason: Option<Box<str>>,
        /// Fields for the upstream.
        fields: Lines,
    },
    /// It ends here.
    Deny {
        /// Why.
        reason: Option<Box<str>>,
        /// How the client is answered, where the decision point says that.
        own: Option<Own>,
    },
    /// OPA knows of no such document.
    Undefined,
}

/// How a decision point has a client answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The status.
    pub status: u16,
    /// The fields that may go to clients.
    pub fields: Lines,
    /// The body and what it is, where that may.
    pub body: Option<(HeaderValue, Bytes)>,
}

impl Own {
    pub(super) fn told(&self) -> verdict::Own {
        verdict::Own {
            code: OWN_CODE.into(),
            status: self.status,
            body: self.body.clone(),
        }
    }
}

impl Said {
    /// What remembering it takes, bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let lines = |lines: &Lines| {
            let bytes =
                |(name, value): &(HeaderName, HeaderValue)| name.as_str().len() + value.len() + 64;
            lines.iter().map(bytes).sum::<usize>()
        };
        let own = match self {
            Self::Allow { reason, fields } => lines(fields) + reason.as_deref().map_or(0, str::len),
            Self::Deny { reason, own } => {
                let own = own.as_ref().map_or(0, |own| {
                    lines(&own.fields) + own.body.as_ref().map_or(0, |(_, body)| body.len())
                });
                own + reason.as_deref().map_or(0, str::len)
            }
            Self::Undefined => 0,
        };
        256 + own
    }
}

impl Point {
    /// Reads an answer.
    ///
    /// # Errors
    /// Why it is none that could be believed.
    pub fn read(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Result<Said, Silent> {
        match &self.way {
            Asked::Opa(_) => self.of_opa(status, body),
            Asked::ExtAuthz {
                to_client,
                body: passes,
                ..
            } => self.of_http(status, headers, (to_client, body, *passes)),
        }
    }

    /// Reads what somebody takes it to say, in the form of OPA's `result`.
    ///
    /// # Errors
    /// Why it could not be said.
    pub fn stated(&self, text: &str) -> Result<Said, Silent> {
        let result = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        self.result(&result)
    }

    fn of_opa(&self, status: u16, body: &[u8]) -> Result<Said, Silent> {
        if status != 200 {
            // Its own errors say what is wrong, and are for those who run it.
            let told = String::from_utf8_lossy(&body[..body.len().min(300)]);
            let told: String = told.chars().filter(|one| !one.is_control()).collect();
            return Err(Silent::new(
                if status >= 500 {
                    &UNAVAILABLE
                } else {
                    &MALFORMED
                },
                format!("it answered with the status {status}: {told}"),
            ));
        }
        let answer: Value =
            serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
        let Value::Object(answer) = answer else {
            return Err(malformed("it is no object"));
        };
        match answer.get("result") {
            None => Ok(Said::Undefined),
            Some(result) => self.result(result),
        }
    }

    fn result(&self, result: &Value) -> Result<Said, Silent> {
        let none = serde_json::Map::new();
        let (allow, more) = match result {
            Value::Bool(allow) => (*allow, &none),
            Value::Object(more) => match more.get("allow") {
                Some(Value::Bool(allow)) => (*allow, more),
                // A document without the rule: OPA leaves out what is undefined.
                None => return Ok(Said::Undefined),
                Some(_) => return Err(malformed("`allow` is neither true nor false")),
            },
            _ => return Err(malformed("`result` is neither true, false nor an object")),
        };
        let reason = match more.get("reason") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(line(text)?),
            Some(_) => return Err(malformed("`reason` is no text")),
        };
        if !allow {
            return Ok(Said::Deny { reason, own: None });
        }
        let fields = match more.get("headers") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Object(fields)) => self.fields(fields)?,
            Some(_) => return Err(malformed("`headers` is no object")),
        };
        Ok(Said::Allow { reason, fields })
    }

    /// Fields for the upstream, each of which the configuration names.
    fn fields(&self, said: &serde_json::Map<String, Value>) -> Result<Lines, Silent> {
        if said.len() > MOST_LINES {
            return Err(malformed(format!("it names more than {MOST_LINES} fields")));
        }
        let field = |(name, value): (&String, &Value)| {
            let named = HeaderName::try_from(name.as_str()).ok();
            let named = named.filter(|name| self.to_upstream.contains(name));
            let Some(named) = named else {
                let shown: String = name
                    .chars()
                    .filter(|one| !one.is_control())
                    .take(64)
                    .collect();
                return Err(malformed(format!(
                    "`to_upstream` does not name the field `{shown}`"
                )));
            };
            let value = value.as_str().and_then(field_value);
            let value = value
                .ok_or_else(|| malformed(format!("the value for `{named}` fits into no field")))?;
            Ok((named, value))
        };
        said.iter().map(field).collect()
    }

    fn of_http(
        &self,
        status: u16,
        headers: &HeaderMap,
        (to_client, body, passes): (&[HeaderName], &[u8], bool),
    ) -> Result<Said, Silent> {
        match status {
            200..=299 => Ok(Said::Allow {
                reason: None,
                fields: picked(headers, &self.to_upstream)?,
            }),
            301..=303 | 307 | 308 | 400..=406 | 408..=499 => Ok(Said::Deny {
                reason: None,
                own: Some(Own {
                    status,
                    fields: picked(headers, to_client)?,
                    body: match passes && !body.is_empty() {
                        false => None,
                        true if body.len() > MOST_BODY => {
                            let cause =
                                format!("the body of its refusal is longer than {MOST_BODY} bytes");
                            return Err(malformed(cause));
                        }
                        true => {
                            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
                            let kind = headers.get(CONTENT_TYPE).cloned().unwrap_or(plain);
                            Some((kind, Bytes::copy_from_slice(body)))
                        }
                    },
                }),
            }),
            500.. => Err(Silent::new(
                &UNAVAILABLE,
                format!("it answered with the status {status}"),
            )),
            _ => Err(malformed(format!("it answered with the status {status}"))),
        }
    }
}

/// The lines of an answer that are named.
fn picked(headers: &HeaderMap, names: &[HeaderName]) -> Result<Lines, Silent> {
    let mut lines = Vec::new();
    for name in names {
        for value in headers.get_all(name) {
            if lines.len() == MOST_LINES || value.len() > MOST_VALUE {
                let cause = format!(
                    "more than {MOST_LINES} fields, or a value of more than {MOST_VALUE} bytes"
                );
                return Err(malformed(cause));
            }
            lines.push((name.clone(), value.clone()));
        }
    }
    Ok(lines)
}

fn malformed(cause: impl Into<String>) -> Silent {
    Silent::new(&MALFORMED, cause)
}

fn line(text: &str) -> Result<Box<str>, Silent> {
    if text.chars().count() > MOST_REASON || text.chars().any(char::is_control) {
        return Err(malformed(format!(
            "`reason` is no single line of at most {MOST_REASON} characters"
        )));
    }
    Ok(text.into())
}

/// A value for a field. Line ends first of all: a control character ends no line here.
fn field_value(text: &str) -> Option<HeaderValue> {
    let fit = text.len() <= MOST_VALUE && !text.chars().any(char::is_control);
    HeaderValue::from_bytes(text.as_bytes())
        .ok()
        .filter(|_| fit)
}
