//! One record of a database. Makers of databases name things differently: by
//! `MaxMind` a country is `country.iso_code`, in the files of ip-location-db it
//! is `country_code`, and `IPinfo` writes `asn: AS64500`. What is of no use here
//! is passed over, whatever it is.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Country, MAX_NAME};

/// What a record tells of its addresses.
#[derive(Debug, Default, PartialEq)]
pub struct Record {
    pub country: Option<Country>,
    pub network: Option<u32>,
    pub organization: Option<Box<str>>,
    pub location: Option<(f64, f64)>,
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let (mut record, mut registered, mut code) = (Record::default(), None, None);
        let (mut latitude, mut longitude) = (None, None);
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "country" => record.country = map.next_value::<Value>()?.country(),
                "registered_country" => registered = map.next_value::<Value>()?.country(),
                "country_code" => code = map.next_value::<Value>()?.country(),
                "location" => record.location = map.next_value::<Value>()?.location(),
                "latitude" => latitude = map.next_value::<Leaf>()?.degrees(),
                "longitude" => longitude = map.next_value::<Leaf>()?.degrees(),
                "autonomous_system_number" | "asn" => {
                    record.network = map.next_value::<Leaf>()?.network().or(record.network);
                }
                "autonomous_system_organization" | "as_name" => {
                    record.organization = map.next_value::<Leaf>()?.name();
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        record.country = record.country.or(registered).or(code);
        record.location = record.location.or(point(latitude, longitude));
        Ok(record)
    }
}

fn point(latitude: Option<f64>, longitude: Option<f64>) -> Option<(f64, f64)> {
    let (latitude, longitude) = (latitude?, longitude?);
    let there = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
    there.then_some((latitude, longitude))
}

/// A value, or a map whose values are looked at.
enum Value<'a> {
    Leaf(Leaf<'a>),
    Map {
        code: Leaf<'a>,
        latitude: Leaf<'a>,
        longitude: Leaf<'a>,
    },
}

impl Value<'_> {
    fn country(&self) -> Option<Country> {
        match self {
            Self::Leaf(Leaf::Text(text))
            | Self::Map {
                code: Leaf::Text(text),
                ..
            } => Country::read(text),
            _ => None,
        }
    }

    fn location(&self) -> Option<(f64, f64)> {
        match self {
            Self::Map {
                latitude,
                longitude,
                ..
            } => point(latitude.degrees(), longitude.degrees()),
            Self::Leaf(_) => None,
        }
    }
}

/// A text or a number; of all else only that it is there.
#[derive(Default)]
enum Leaf<'a> {
    #[default]
    Other,
    Text(&'a str),
    Whole(u64),
    Real(f64),
}

impl Leaf<'_> {
    fn degrees(&self) -> Option<f64> {
        match self {
            Self::Real(real) => Some(*real),
            Self::Whole(whole) => u32::try_from(*whole).ok().map(f64::from),
            _ => None,
        }
    }

    fn network(&self) -> Option<u32> {
        let number = match self {
            Self::Whole(whole) => u32::try_from(*whole).ok(),
            Self::Text(text) => text.strip_prefix("AS").unwrap_or(text).parse().ok(),
            _ => None,
        };
        // Nobody has the number 0 (RFC 7607).
        number.filter(|number| *number != 0)
    }

    fn name(&self) -> Option<Box<str>> {
        let Self::Text(text) = self else { return None };
        let fits = |end: &usize| text.is_char_boundary(*end);
        let end = (0..=text.len().min(MAX_NAME)).rev().find(fits)?;
        (end > 0).then(|| text[..end].into())
    }
}

/// Reads a [`Leaf`], or with `DEEP` a [`Value`].
struct Any<const DEEP: bool>;

impl<'de> Deserialize<'de> for Leaf<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(Any::<false>)? {
            Value::Leaf(leaf) => Ok(leaf),
            Value::Map { .. } => Ok(Self::Other),
        }
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any::<true>)
    }
}

impl<'de, const DEEP: bool> Visitor<'de> for Any<DEEP> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Leaf(Leaf::Text(text)))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Value::Leaf(Leaf::Other))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Self::Value, E> {
        Ok(Value::Leaf(Leaf::Other))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Value::Leaf(Leaf::Other))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        // A latitude may be a whole number below zero.
        let real = i32::try_from(number).map(f64::from);
        Ok(Value::Leaf(real.map_or(Leaf::Other, Leaf::Real)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value::Leaf(Leaf::Whole(number)))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Self::Value, E> {
        Ok(Value::Leaf(Leaf::Other))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Value::Leaf(Leaf::Real(number)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Leaf(Leaf::Other))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut code, mut latitude, mut longitude) = Default::default();
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "iso_code" if DEEP => code = map.next_value()?,
                "latitude" if DEEP => latitude = map.next_value()?,
                "longitude" if DEEP => longitude = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Map {
            code,
            latitude,
            longitude,
        })
    }
}
