//! Engines, shared by all APIs and by one configuration after another: to
//! compile rules takes a good part of a second, and most reloads do not change them.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use lockgate_waf::detect;
use lockgate_waf::engine::{Detectors, Engine, Options};
use lockgate_waf::rule::Rules;

use super::exclude::Excluded;
use super::rule_set::Source;
use super::{setup, Config};
use crate::ConfigError;

/// The variable of the Core Rule Set that its first level's rules add up in.
const SCORE: &[u8] = b"inbound_anomaly_score_pl1";

/// The one that its rules compare the sum with.
const THRESHOLD: &str = "inbound_anomaly_score_threshold";

/// An engine, and what it was made of.
struct Made {
    digest: Option<[u8; 32]>,
    config: Config,
    engine: Weak<Engine>,
}

static MADE: Mutex<Vec<Made>> = Mutex::new(Vec::new());

/// The engine of these rules and settings.
///
/// # Errors
/// All that is wrong: with the rules, with exceptions, with what is set.
pub fn engine(
    config: &Config,
    source: Option<&Source<'_>>,
) -> Result<Arc<Engine>, Vec<ConfigError>> {
    let config = decisive(config);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.retain(|made| made.engine.strong_count() > 0);
    let digest = source.map(|source| source.digest);
    let known = made
        .iter()
        .find(|made| made.digest == digest && made.config == config);
    if let Some(engine) = known.and_then(|made| made.engine.upgrade()) {
        return Ok(engine);
    }
    let none = Rules::default();
    let rules = source.map(Source::rules).transpose().map_err(|error| {
        let mut errors = vec![error];
        errors.extend(Excluded::faults(&config.exclude));
        errors
    })?;
    let engine = Engine::new(rules.unwrap_or(&none), &options(&config, rules)?);
    let engine = engine.map_err(|error| {
        let files = rules
            .map(|rules| rules.files.as_slice())
            .unwrap_or_default();
        let file = files.get(error.place.file as usize).map_or("", |file| file);
        let told = format!("{file}:{}: {error}", error.place.line);
        vec![ConfigError::new("waf-rule-unfit", "/set", told)]
    })?;
    let engine = Arc::new(engine);
    made.push(Made {
        digest,
        config,
        engine: Arc::downgrade(&engine),
    });
    Ok(engine)
}

/// What of the config an engine is made of.
fn decisive(config: &Config) -> Config {
    Config {
        inspect_bytes: 0,
        longer: super::Longer::Refuse,
        answers: None,
        scan: None,
        ..config.clone()
    }
}

fn options(config: &Config, rules: Option<&Rules>) -> Result<Options, Vec<ConfigError>> {
    let mut errors = setup::faults(config, rules);
    let excluded = Excluded::new(&config.exclude, rules);
    let excluded = excluded.unwrap_or_else(|more| {
        errors.extend(more);
        Excluded::default()
    });
    if !errors.is_empty() {
        return Err(errors);
    }
    // Where rules add up and decide by that, what detectors found goes into their sum.
    let adds = config.variables.contains_key(THRESHOLD);
    let variables = config.variables.iter();
    Ok(Options {
        variables: variables
            .map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into()))
            .collect(),
        exclusions: excluded.rules,
        native: config.native.then(|| Detectors {
            detectors: detect::ALL.to_vec(),
            exclusions: excluded.detectors,
            threshold: (!adds).then_some(config.threshold),
            adds_to: adds.then(|| SCORE.into()),
            overrules: adds && config.overrule,
        }),
        plain: false,
    })
}
