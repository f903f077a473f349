//! What a plugin answered, and how much of it is believed.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use lockgate_wire::headers::look_alikes;
use serde::Deserialize;

use super::DENIED;
use crate::headers::{may_change_answer, may_change_request, Verb};
use crate::verdict::Own;
use crate::{Denial, Edit, Edits, Verdict};

/// Changes that one answer may ask for.
const MAX_CHANGES: usize = 64;
/// Bytes of a value.
const MAX_VALUE: usize = 8192;
/// Characters of a plugin's own reason.
const MAX_CODE: usize = 64;
/// Characters of a detail.
const MAX_DETAIL: usize = 500;

/// A plugin's answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Go on, with changes to the request and to its answer.
    Allow {
        /// To the request.
        request: Vec<Change>,
        /// To the answer.
        answer: Vec<Change>,
    },
    /// End it here.
    Deny {
        /// The plugin's own reason.
        reason: String,
        /// The status.
        status: u16,
        /// What is particular to this request.
        detail: Option<String>,
    },
    /// The plugin raised this.
    Error(String),
}

/// What is done, the field's name, and its value.
type Change = (String, String, String);

impl Said {
    /// The verdict; `fields` are those of a request that can still be changed.
    ///
    /// # Errors
    /// What makes no sense in it.
    pub(super) fn verdict(
        &self,
        credentials: &[HeaderName],
        fields: Option<&HeaderMap>,
    ) -> Result<Verdict, String> {
        match self {
            Self::Allow { request, answer } => {
                if fields.is_none() && !request.is_empty() {
                    return Err("it would change a request that was sent already".into());
                }
                if request.len() + answer.len() > MAX_CHANGES {
                    return Err(format!("it would make more than {MAX_CHANGES} changes"));
                }
                let of_request = |name: &str, verb| may_change_request(name, credentials, verb);
                Ok(Verdict::Allow(Edits {
                    request: edits(request, fields, &of_request)?,
                    answer: edits(answer, None, &may_change_answer)?,
                }))
            }
            Self::Deny {
                reason,
                status,
                detail,
            } => Ok(Verdict::Deny(denial(reason, *status, detail.as_deref())?)),
            Self::Error(cause) => Err(format!("it raised {cause}")),
        }
    }
}

fn edits(
    changes: &[Change],
    fields: Option<&HeaderMap>,
    may: &dyn Fn(&str, Verb) -> Result<HeaderName, String>,
) -> Result<Vec<Edit>, String> {
    let mut made = Vec::with_capacity(changes.len());
    for (verb, name, value) in changes {
        let verb = match verb.as_str() {
            "set" => Verb::Set,
            "add" => Verb::Add,
            "remove" => Verb::Remove,
            _ => return Err(format!("there is no change {verb:?}")),
        };
        let name = may(name, verb)?;
        // As in `headers`: a spelling that servers read as the same field, and
        // that only the client sent, must not stand beside the plugin's.
        if let Some(fields) = fields {
            made.extend(look_alikes(fields, &name).map(|name| Edit::Remove(name.clone())));
        }
        if verb == Verb::Remove {
            made.push(Edit::Remove(name));
            continue;
        }
        // Line ends first of all: a control character ends no line here.
        let fit = value.len() <= MAX_VALUE && !value.chars().any(char::is_control);
        let value = HeaderValue::from_bytes(value.as_bytes())
            .ok()
            .filter(|_| fit)
            .ok_or_else(|| format!("the value for `{name}` fits into no field"))?;
        made.push(if verb == Verb::Set {
            Edit::Set(name, value)
        } else {
            Edit::Add(name, value)
        });
    }
    Ok(made)
}

fn denial(reason: &str, status: u16, detail: Option<&str>) -> Result<Denial, String> {
    let kebab = !reason.is_empty()
        && reason.len() <= MAX_CODE
        && reason.split('-').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
    if !kebab {
        return Err("its reason is not kebab-case".into());
    }
    let may = matches!(status, 400..=498 | 503) && !matches!(status, 401 | 407);
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|_| may)
        .ok_or_else(|| format!("it may not answer with {status}"))?;
    let mut denial = Denial::new(&DENIED);
    denial.own = Some(Box::new(Own {
        code: reason.into(),
        status: status.as_u16(),
        body: None,
    }));
    match detail {
        Some(text) if text.chars().count() > MAX_DETAIL || text.chars().any(char::is_control) => {
            Err("its detail is no single line".into())
        }
        Some(text) => Ok(denial.detail(text.to_owned())),
        None => Ok(denial),
    }
}
