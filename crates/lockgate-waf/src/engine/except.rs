//! Which values an operator's exclusion means, and of which requests.

mod steps;

use std::fmt;

use super::members::{Base, Members, ValueId};
use crate::bytes::Arena;
use crate::rule::Collection;
use steps::Form;
pub(super) use steps::Steps;

/// Some values of a request, by where they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// Where.
    pub part: Part,
    /// The way to them; any, where there is none.
    way: Option<Form>,
}

/// A part of a request, or its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A parameter of the query.
    Query,
    /// A member of the body: a parameter, a JSON value, a part, an element.
    Body,
    /// A header field.
    Header,
    /// A cookie.
    Cookie,
    /// The path.
    Path,
    /// Path and query as one, as they arrived.
    Target,
    /// A file's name, or what is in it, by the name of its field.
    File,
    /// The answer: a header field of it by its name, or all of it.
    Answer,
}

/// Some requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct On {
    method: Option<Box<[u8]>>,
    path: Form,
}

/// What is no place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadPlace {
    /// There is no such part.
    Part(String),
    /// The part has no names.
    Nameless(&'static str),
    /// A `~` is not followed by 0, 1 or 2.
    Escape,
    /// Not a path, or a method and a path.
    Request,
}

impl fmt::Display for BadPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(part) => match of_rules(part) {
                Some(meant) => write!(
                    f,
                    "`{part}` is how rules name it; here it is {}",
                    meant.join(" or ")
                ),
                None => write!(
                    f,
                    "`{part}` is no part of a request; take `query/NAME`, `body/NAME`, `header/NAME`, \
                     `cookie/NAME`, `file/NAME`, `path`, `target` or `answer`"
                ),
            },
            Self::Nameless(part) => write!(f, "`{part}` has no names in it; take `{part}` alone"),
            Self::Escape => f.write_str(
                "`~` begins an escape in a place: `~0` is a `~`, `~1` a `/`, `~2` a `*`",
            ),
            Self::Request => f.write_str(
                "requests are named by a path, or a method and a path: `/notes/*`, `POST /notes`",
            ),
        }
    }
}

impl std::error::Error for BadPlace {}

/// What a target of the rule language is called here: `ARGS:note` is `query/note`
/// or `body/note`.
fn of_rules(text: &str) -> Option<Vec<String>> {
    let text = text.strip_prefix('!').unwrap_or(text);
    let (collection, name) = text.split_once(':').unwrap_or((text, ""));
    let parts: &[&str] = match collection.to_ascii_uppercase().as_str() {
        "ARGS" | "ARGS_NAMES" => &["query", "body"],
        "ARGS_GET" | "ARGS_GET_NAMES" => &["query"],
        "ARGS_POST" | "ARGS_POST_NAMES" | "XML" => &["body"],
        "REQUEST_HEADERS" | "REQUEST_HEADERS_NAMES" => &["header"],
        "REQUEST_COOKIES" | "REQUEST_COOKIES_NAMES" => &["cookie"],
        "FILES" | "FILES_NAMES" => &["file"],
        "REQUEST_FILENAME" | "REQUEST_BASENAME" => return Some(vec!["`path`".into()]),
        "REQUEST_URI" | "REQUEST_URI_RAW" | "REQUEST_LINE" => return Some(vec!["`target`".into()]),
        "REQUEST_BODY" => return Some(vec!["`body`".into()]),
        "RESPONSE_BODY" | "RESPONSE_HEADERS" => return Some(vec!["`answer`".into()]),
        _ => return None,
    };
    // Rules call a member of a JSON document `json.items.0.note`.
    let json = name.strip_prefix("json.");
    let said = |part: &&str| match (*part, json, name) {
        ("body", Some(way), _) => format!("`body/{}`", way.replace('.', "/")),
        (part, _, "") => format!("`{part}`"),
        (part, _, name) => format!("`{part}/{}`", name.replace('~', "~0").replace('/', "~1")),
    };
    let query = |part: &&&str| json.is_none() || **part != "query";
    Some(parts.iter().filter(query).map(said).collect())
}

impl Part {
    /// All of them, as they are written.
    pub const ALL: [(&'static str, Self); 8] = [
        ("query", Self::Query),
        ("body", Self::Body),
        ("header", Self::Header),
        ("cookie", Self::Cookie),
        ("path", Self::Path),
        ("target", Self::Target),
        ("file", Self::File),
        ("answer", Self::Answer),
    ];

    /// Where a value stands.
    #[must_use]
    pub fn of(id: ValueId) -> Option<Self> {
        if id.base() == Base::Single as usize {
            return Self::of_single(id.place());
        }
        Some(match Base::ALL.get(id.base())? {
            Base::ArgsGet => Self::Query,
            Base::ArgsPost
            | Base::XmlText
            | Base::XmlAttributes
            | Base::XmlNodes
            | Base::XmlElements
            | Base::Octets
            | Base::OctetTexts
            | Base::BodyFile
            | Base::PartHeaders
            | Base::PartNames => Self::Body,
            Base::RequestHeaders => Self::Header,
            Base::Cookies => Self::Cookie,
            Base::Files | Base::FileContents | Base::FileSizes => Self::File,
            Base::ResponseHeaders => Self::Answer,
            Base::Single => return None,
        })
    }

    /// Of what there is but one of.
    fn of_single(collection: usize) -> Option<Self> {
        use Collection as C;
        let parts: [(&[C], Self); 5] = [
            (&[C::RequestFilename, C::RequestBasename], Self::Path),
            (&[C::QueryString], Self::Query),
            (
                &[C::RequestUri, C::RequestUriRaw, C::RequestLine],
                Self::Target,
            ),
            (&[C::RequestBody, C::FullRequest], Self::Body),
            (&[C::ResponseBody], Self::Answer),
        ];
        let holds = |known: &&C| **known as usize == collection;
        let part = parts
            .iter()
            .find(|(known, _)| known.iter().any(|c| holds(&c)));
        part.map(|(_, part)| *part)
    }

    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, part)| *part == self);
        known.map_or("", |(word, _)| word)
    }
}

impl At {
    /// Reads `query/q`, `body/items/*/note` (a JSON pointer behind `body`),
    /// `header/X-Name`, `path`. In a name `*` stands for anything, as a step
    /// `**` for any number of steps; `~0`, `~1` and `~2` are `~`, `/` and `*`.
    ///
    /// # Errors
    /// If it names no place.
    pub fn read(text: &str) -> Result<Self, BadPlace> {
        let (word, way) = match text.split_once('/') {
            Some((word, way)) => (word, Some(way)),
            None => (text, None),
        };
        let known = Part::ALL.iter().find(|(known, _)| *known == word);
        let Some((word, part)) = known else {
            return Err(BadPlace::Part(word.into()));
        };
        if way.is_some() && matches!(part, Part::Path | Part::Target) {
            return Err(BadPlace::Nameless(word));
        }
        // Names of fields are the same in any case (RFC 9110 section 5.1).
        let any_case = matches!(part, Part::Header | Part::Answer);
        let way = way.map(|way| Form::read(way, any_case)).transpose()?;
        Ok(Self { part: *part, way })
    }

    /// Whether what stands at a place that was told (`body/items/0/note`) is meant.
    #[must_use]
    pub fn covers(&self, place: &str) -> bool {
        let (word, way) = match place.split_once('/') {
            Some((word, way)) => (word, Some(way)),
            None => (place, None),
        };
        word == self.part.word()
            && match (&self.way, way) {
                (None, _) => true,
                (Some(wanted), Some(way)) => wanted.matches(Steps::told(way.as_bytes())),
                (Some(wanted), None) => wanted.matches(Steps::none()),
            }
    }

    /// Whether the value is meant.
    #[must_use]
    pub(super) fn means(&self, id: ValueId, members: &Members, arena: &Arena) -> bool {
        if Part::of(id) != Some(self.part) {
            return false;
        }
        match &self.way {
            None => true,
            Some(_) if id.base() == Base::Single as usize => false,
            Some(way) => way.matches(Steps::to(id, members, arena)),
        }
    }
}

impl On {
    /// Reads `/notes/*` or `POST /notes`, where `*` stands for one step of the
    /// path, or for a part of one, and `**` for any number of steps.
    ///
    /// # Errors
    /// If it names no requests.
    pub fn read(text: &str) -> Result<Self, BadPlace> {
        let (method, path) = match text.split_once(' ') {
            Some((method, path)) => (Some(method), path.trim_start()),
            None => (None, text),
        };
        let path = path.strip_prefix('/').ok_or(BadPlace::Request)?;
        if method.is_some_and(|method| !method.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            return Err(BadPlace::Request);
        }
        Ok(Self {
            method: method.map(|method| method.as_bytes().into()),
            path: Form::of_path(path),
        })
    }

    /// Whether a request with this method and path is meant.
    #[must_use]
    pub fn means(&self, method: &[u8], path: &[u8]) -> bool {
        let same = |wanted: &[u8]| wanted == method;
        self.method.as_deref().is_none_or(same) && self.path.matches(Steps::of_path(path))
    }
}

#[cfg(test)]
mod tests;
