//! What kinds of values a request and a caller have: from an `OpenAPI` document and from what is
//! said of an issuer's claims, to Cedar's schema and to Cedar's values.

use std::borrow::Cow;

use cedar_policy_core::ast::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{json, Map, Value as Json};

use crate::document::folded;

/// Most values of one request that become Cedar's; more than any document names for one operation.
pub const MAX_VALUES: usize = 10_000;

/// A kind of value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Shape {
    /// One without parts.
    One(Scalar),
    /// A list of them. Cedar has sets.
    Many(Scalar),
    /// Several by name.
    Record(Vec<Field>),
}

/// Kinds without parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scalar {
    /// A text.
    Text,
    /// A whole number.
    Whole,
    /// Yes or no.
    Truth,
}

/// A value with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it is.
    pub shape: Shape,
    /// Whether it is always there.
    pub required: bool,
}

impl Scalar {
    fn schema(self) -> Json {
        json!({"type": match self {
            Self::Text => "String",
            Self::Whole => "Long",
            Self::Truth => "Boolean",
        }})
    }

    fn of_json(self, value: &Json) -> Option<Value> {
        match (self, value) {
            (Self::Text, Json::String(text)) => Some(text.as_str().into()),
            (Self::Whole, Json::Number(number)) => number.as_i64().map(Value::from),
            (Self::Truth, Json::Bool(truth)) => Some((*truth).into()),
            _ => None,
        }
    }

    /// A text of a path or a query, where it can be nothing else.
    pub fn of_text(self, text: &str) -> Option<Value> {
        match self {
            Self::Text => Some(text.into()),
            // `+7`, ` 7` and `07` are numbers to some readers and not to others.
            Self::Whole => text
                .parse::<i64>()
                .ok()
                .filter(|number| number.to_string() == text)
                .map(Value::from),
            Self::Truth => match text {
                "true" => Some(true.into()),
                "false" => Some(false.into()),
                _ => None,
            },
        }
    }
}

impl Shape {
    /// As Cedar's JSON schema writes it.
    pub fn schema(&self) -> Json {
        match self {
            Self::One(scalar) => scalar.schema(),
            Self::Many(scalar) => json!({"type": "Set", "element": scalar.schema()}),
            Self::Record(fields) => record(fields),
        }
    }
}

/// A record, as Cedar's JSON schema writes it.
pub fn record(fields: &[Field]) -> Json {
    let fields = fields.iter().map(|field| {
        let mut schema = field.shape.schema();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("required".to_owned(), field.required.into());
        }
        (field.name.clone(), schema)
    });
    json!({"type": "Record", "attributes": Json::Object(fields.collect())})
}

/// Why values are not what they should be: where, and what is wrong there.
pub type Wrong = Cow<'static, str>;

/// The values of a JSON document, as far as they have a shape; `left` is how many more are taken.
/// What is not of its shape is told, and so is what is missing.
pub fn values(
    fields: &[Field],
    found: &Map<String, Json>,
    at: &str,
    left: &mut usize,
) -> Result<Value, Wrong> {
    let mut made = Vec::with_capacity(fields.len());
    for field in fields {
        let place = || format!("{at}/{}", field.name);
        // Some readers take another name for this one.
        let like = |name: &&String| **name != field.name && folded(name) == folded(&field.name);
        if found.keys().any(|name| like(&name)) {
            return Err(format!("`{}` is there in other letters", place()).into());
        }
        match found.get(&field.name).filter(|value| !value.is_null()) {
            None if field.required => return Err(format!("`{}` is missing", place()).into()),
            None => {}
            Some(value) => {
                let value = of_json(&field.shape, value, &place, left)?;
                made.push((&*field.name, value));
            }
        }
    }
    Ok(Value::record(made, None))
}

fn of_json(
    shape: &Shape,
    value: &Json,
    place: &dyn Fn() -> String,
    left: &mut usize,
) -> Result<Value, Wrong> {
    let wrong = || format!("`{}` is not of the type that is said", place());
    let mut count = |more: usize| {
        *left = left.checked_sub(more)?;
        Some(())
    };
    match (shape, value) {
        (Shape::One(scalar), value) => {
            count(1).ok_or("it has too many values")?;
            scalar.of_json(value).ok_or_else(|| wrong().into())
        }
        (Shape::Many(scalar), Json::Array(all)) => {
            count(all.len()).ok_or("it has too many values")?;
            let all = all.iter().map(|one| scalar.of_json(one));
            let all = all.collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
            Ok(Value::set(all, None))
        }
        (Shape::Record(fields), Json::Object(found)) => values(fields, found, &place(), left),
        _ => Err(wrong().into()),
    }
}
