//! Exceptions, as the configuration says them.

use lockgate_waf::detect;
use lockgate_waf::engine::{At, Exclusion, NativeExclusion, Part};
use lockgate_waf::rule::{Item, Rules, Which};

use super::Exclude;
use crate::ConfigError;

/// Exceptions, for rules and for detectors.
#[derive(Debug, Default)]
pub struct Excluded {
    /// For rules.
    pub rules: Vec<Exclusion>,
    /// For detectors.
    pub detectors: Vec<NativeExclusion>,
}

impl Excluded {
    /// Reads them.
    ///
    /// # Errors
    /// If one names no rule and no detector, or no place.
    pub fn new(exclude: &[Exclude], rules: Option<&Rules>) -> Result<Self, ConfigError> {
        let mut excluded = Self::default();
        for (number, exclude) in exclude.iter().enumerate() {
            let at = exclude
                .at
                .as_deref()
                .map(place)
                .transpose()
                .map_err(|told| {
                    let pointer = format!("/exclude/{number}/at");
                    ConfigError::new("waf-exclude-place", pointer, told).at(exclude.waiver.span)
                })?;
            excluded.add(exclude, at, rules).map_err(|told| {
                let pointer = format!("/exclude/{number}/rule");
                ConfigError::new("waf-exclude-rule", pointer, told).at(exclude.waiver.span)
            })?;
        }
        Ok(excluded)
    }

    fn add(
        &mut self,
        exclude: &Exclude,
        at: Option<At>,
        rules: Option<&Rules>,
    ) -> Result<(), String> {
        let name = exclude.rule.as_str();
        let until_ms = exclude.waiver.until_ms;
        if detect::ALL.iter().any(|detector| detector.name == name) {
            self.detectors.push(NativeExclusion {
                detector: Some(name.into()),
                at,
                until_ms,
            });
            return Ok(());
        }
        let known = rules.map(|rules| rules.items.iter()).into_iter().flatten();
        let mut known = known.filter_map(|item| match item {
            Item::Rule(rule) => Some(rule),
            Item::Marker(_) => None,
        });
        let which = match ids(name) {
            Some((from, to)) => {
                if !known.any(|rule| (from..=to).contains(&rule.id)) {
                    return Err(format!("no rule has the id {name}"));
                }
                Which::Ids(vec![(from, to)])
            }
            None => {
                let tagged: Vec<(u64, u64)> = known
                    .filter(|rule| rule.tags.iter().any(|tag| **tag == *name))
                    .map(|rule| (rule.id, rule.id))
                    .collect();
                if tagged.is_empty() {
                    let names: Vec<&str> = detect::ALL.iter().map(|known| known.name).collect();
                    return Err(format!(
                        "`{name}` is no rule's id, no tag and no detector; detectors are {}",
                        names.join(", ")
                    ));
                }
                Which::Ids(tagged)
            }
        };
        self.rules.push(Exclusion {
            rules: which,
            at,
            until_ms,
        });
        Ok(())
    }
}

/// `942100`, or `942100-942199`.
fn ids(text: &str) -> Option<(u64, u64)> {
    match text.split_once('-') {
        Some((from, to)) => Some((from.parse().ok()?, to.parse().ok()?)),
        None => text.parse().ok().map(|id| (id, id)),
    }
}

/// `body/items.*.note`, `query/q`, `path`.
fn place(text: &str) -> Result<At, String> {
    let (part, name) = match text.split_once('/') {
        Some((part, name)) => (part, Some(name)),
        None => (text, None),
    };
    let part = match part {
        "query" => Part::Query,
        "body" => Part::Body,
        "header" => Part::Header,
        "cookie" => Part::Cookie,
        "path" => Part::Path,
        "file" => Part::File,
        _ => {
            return Err(format!(
                "`{part}` is no part of a request; take `query/NAME`, `body/NAME`, `header/NAME`, `cookie/NAME`, `file` or `path`"
            ))
        }
    };
    let name = name.filter(|name| !name.is_empty());
    if name.is_some() && part == Part::Path {
        return Err("the path has no names; take `path`".into());
    }
    Ok(At {
        part,
        name: name.map(|name| name.to_ascii_lowercase().into_bytes().into()),
    })
}
