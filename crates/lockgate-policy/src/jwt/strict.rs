//! JSON as a token may hold it. Two readers must not be able to see different
//! values: a name that occurs twice in an object is refused, wherever it stands
//! (RFC 7519 section 4, RFC 8725 section 2.4). Depth and number of values are bounded.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Objects and arrays within each other. Keycloak's roles take 4, rich
/// authorization requests (RFC 9396) seldom more than 8.
pub const DEPTH: usize = 16;
/// Values in all. A token of 8 KiB with 500 groups has about as many.
pub const VALUES: usize = 2_048;

/// Why it is no JSON that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It is not JSON, or not in UTF-8.
    Json,
    /// It is not an object.
    NotObject,
    /// A name occurs twice in one object.
    Duplicate,
    /// Deeper than [`DEPTH`].
    Deep,
    /// More values than [`VALUES`].
    Many,
}

impl Flaw {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Json => "is not JSON",
            Self::NotObject => "is not a JSON object",
            Self::Duplicate => "has a name twice in one object",
            Self::Deep => "is nested too deeply",
            Self::Many => "holds too many values",
        }
    }
}

/// Reads an object.
///
/// # Errors
/// What is wrong with it.
pub fn object(text: &[u8]) -> Result<Map<String, Value>, Flaw> {
    let budget = Budget {
        left: Cell::new(VALUES),
        flaw: Cell::new(Flaw::Json),
    };
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = Reader {
        budget: &budget,
        depth: 0,
    }
    .deserialize(&mut reader)
    .and_then(|value| reader.end().map(|()| value));
    match read {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Flaw::NotObject),
        Err(_) => Err(budget.flaw.get()),
    }
}

/// What may still be read, and why reading ended.
struct Budget {
    left: Cell<usize>,
    flaw: Cell<Flaw>,
}

#[derive(Clone, Copy)]
struct Reader<'b> {
    budget: &'b Budget,
    depth: usize,
}

impl Reader<'_> {
    fn fail<E: Error>(self, flaw: Flaw) -> E {
        self.budget.flaw.set(flaw);
        E::custom(flaw.words())
    }

    /// One level down, where there is one left.
    fn below<E: Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH {
            return Err(self.fail(Flaw::Deep));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.budget.left.get();
        if left == 0 {
            return Err(self.fail(Flaw::Many));
        }
        self.budget.left.set(left - 1);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element_seed(below)? {
            list.push(entry);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(self.fail(Flaw::Duplicate));
            }
            let value = entries.next_value_seed(below)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}
