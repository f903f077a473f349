//! Exceptions, as the configuration says them.

mod which;

use lockgate_waf::detect;
use lockgate_waf::engine::{At, BadPlace, Exclusion, NativeExclusion, On};
use lockgate_waf::rule::Rules;

use super::scan::{LeftOut, SCANNER};
use super::Exclude;
use crate::ConfigError;
use which::{backwards, which};

/// Exceptions, for rules and for detectors.
#[derive(Debug, Default)]
pub struct Excluded {
    /// For rules.
    pub rules: Vec<Exclusion>,
    /// For detectors.
    pub detectors: Vec<NativeExclusion>,
}

/// Which values, and of which requests.
struct Places {
    at: Option<At>,
    on: Option<On>,
}

impl Places {
    fn read(exclude: &Exclude, number: usize) -> Result<Self, ConfigError> {
        let bad = |field: &str, bad: BadPlace| {
            let pointer = format!("/exclude/{number}/{field}");
            let told = bad.to_string();
            ConfigError::new("waf-exclude-place", pointer, told).at(exclude.waiver.span)
        };
        let at = exclude.at.as_deref().map(At::read).transpose();
        let on = exclude.request.as_deref().map(On::read).transpose();
        Ok(Self {
            at: at.map_err(|told| bad("at", told))?,
            on: on.map_err(|told| bad("request", told))?,
        })
    }
}

/// Files that no scanner is asked about.
///
/// # Errors
/// If one names no place.
pub fn unscanned(exclude: &[Exclude]) -> Result<Vec<LeftOut>, ConfigError> {
    let all = exclude.iter().enumerate();
    let scanner = all.filter(|(_, exclude)| exclude.rule == SCANNER);
    scanner
        .map(|(number, exclude)| {
            let Places { at, on } = Places::read(exclude, number)?;
            Ok(LeftOut {
                at,
                on,
                until_ms: exclude.waiver.until_ms,
            })
        })
        .collect()
}

impl Excluded {
    /// Reads them.
    ///
    /// # Errors
    /// Of each that names no rule and no detector, or no place.
    pub fn new(exclude: &[Exclude], rules: Option<&Rules>) -> Result<Self, Vec<ConfigError>> {
        let (mut excluded, mut errors) = (Self::default(), Vec::new());
        for (number, exclude) in exclude.iter().enumerate() {
            let places = Places::read(exclude, number).map_err(|error| errors.push(error));
            let places = places.unwrap_or(Places { at: None, on: None });
            if exclude.rule == SCANNER {
                continue;
            }
            if let Err(told) = excluded.add(exclude, places, rules) {
                let pointer = format!("/exclude/{number}/rule");
                let error = ConfigError::new("waf-exclude-rule", pointer, told);
                errors.push(error.at(exclude.waiver.span));
            }
        }
        if errors.is_empty() {
            Ok(excluded)
        } else {
            Err(errors)
        }
    }

    /// What is wrong with them whatever the rules are.
    pub fn faults(exclude: &[Exclude]) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        for (number, exclude) in exclude.iter().enumerate() {
            errors.extend(Places::read(exclude, number).err());
            if let Some(told) = backwards(&exclude.rule) {
                let pointer = format!("/exclude/{number}/rule");
                let error = ConfigError::new("waf-exclude-rule", pointer, told);
                errors.push(error.at(exclude.waiver.span));
            }
        }
        errors
    }

    fn add(
        &mut self,
        exclude: &Exclude,
        Places { at, on }: Places,
        rules: Option<&Rules>,
    ) -> Result<(), String> {
        let name = exclude.rule.as_str();
        let until_ms = exclude.waiver.until_ms;
        if detect::ALL.iter().any(|detector| detector.name == name) {
            self.detectors.push(NativeExclusion {
                detector: Some(name.into()),
                at,
                on,
                until_ms,
            });
            return Ok(());
        }
        let which = which(name, rules)?;
        self.rules.push(Exclusion {
            rules: which,
            at,
            on,
            until_ms,
        });
        Ok(())
    }
}
