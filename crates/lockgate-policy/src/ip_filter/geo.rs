//! Which countries and networks may call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{COUNTRY_DENIED, COUNTRY_NOT_ALLOWED, NAME, NETWORK_DENIED};
use crate::geo::Kind;
use crate::{ConfigError, Country, Place, PolicyError, ReasonRef};

/// The rules as the bundle has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceRules {
    /// Countries that may call, by their two letters; empty means all.
    #[serde(default)]
    pub allow_countries: Vec<String>,
    /// Countries that may not.
    #[serde(default)]
    pub deny_countries: Vec<String>,
    /// Numbers of autonomous systems that may not.
    #[serde(default)]
    pub deny_networks: Vec<u32>,
}

impl PlaceRules {
    /// A rule that wants a database of this kind, where there is one.
    #[must_use]
    pub fn wants(&self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Countries if !self.allow_countries.is_empty() => Some("allow_countries"),
            Kind::Countries if !self.deny_countries.is_empty() => Some("deny_countries"),
            Kind::Networks if !self.deny_networks.is_empty() => Some("deny_networks"),
            Kind::Countries | Kind::Networks => None,
        }
    }
}

/// The same, sorted.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    allow_countries: Box<[Country]>,
    deny_countries: Box<[Country]>,
    deny_networks: Box<[u32]>,
}

impl Rules {
    pub fn new(config: &PlaceRules) -> Result<Self, ConfigError> {
        let countries = |list: &str, said: &[String]| {
            let mut read = Vec::with_capacity(said.len());
            for (index, text) in said.iter().enumerate() {
                read.push(Country::read(text).ok_or_else(|| {
                    let message = format!("`{text}` is not a country's code of two letters");
                    ConfigError::new("not-a-country", format!("/geo/{list}/{index}"), message)
                })?);
            }
            read.sort_unstable();
            Ok(read.into_boxed_slice())
        };
        let mut networks = config.deny_networks.clone();
        networks.sort_unstable();
        Ok(Self {
            allow_countries: countries("allow_countries", &config.allow_countries)?,
            deny_countries: countries("deny_countries", &config.deny_countries)?,
            deny_networks: networks.into(),
        })
    }

    /// Whether only some countries may call.
    pub fn are_closed(&self) -> bool {
        !self.allow_countries.is_empty()
    }

    /// Why a place is refused by what is denied.
    pub fn denies(&self, place: Option<&Place>) -> Result<Option<ReasonRef>, PolicyError> {
        if !self.deny_countries.is_empty() {
            let country = country(place)?;
            if country.is_some_and(|code| self.deny_countries.binary_search(&code).is_ok()) {
                return Ok(Some(&COUNTRY_DENIED));
            }
        }
        if !self.deny_networks.is_empty() {
            let place = place.filter(|place| !place.networks_unread);
            let network = place.ok_or_else(|| unread(Kind::Networks))?.network;
            if network.is_some_and(|number| self.deny_networks.binary_search(&number).is_ok()) {
                return Ok(Some(&NETWORK_DENIED));
            }
        }
        Ok(None)
    }

    /// Why a place is refused by what is allowed. One of which nothing is known is in no country.
    pub fn allows(&self, place: Option<&Place>) -> Result<Option<ReasonRef>, PolicyError> {
        let country = country(place)?;
        let allowed = country.is_some_and(|code| self.allow_countries.binary_search(&code).is_ok());
        Ok((!allowed).then_some(&COUNTRY_NOT_ALLOWED))
    }
}

fn country(place: Option<&Place>) -> Result<Option<Country>, PolicyError> {
    let place = place.filter(|place| !place.countries_unread);
    Ok(place.ok_or_else(|| unread(Kind::Countries))?.country)
}

/// An address is not let in because nobody can tell where it is.
fn unread(kind: Kind) -> PolicyError {
    let cause = format!("the database of {} could not be read", kind.name());
    PolicyError::new(NAME, cause)
}
