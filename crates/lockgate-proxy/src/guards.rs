//! How well each API is guarded: the policy `waf` of each, and what becomes of
//! attacks that it must refuse. They are judged by the compiled policy that
//! judges requests, so that nothing but it can pass them.

use lockgate_policy::waf::{Fate, Waf, CANARIES};
use lockgate_policy::Mode;
use serde::Serialize;

use crate::metrics::{head, line};
use crate::snapshot::{CompiledApi, Policy, Snapshot};

/// The guard of an API or of one of its routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guard {
    /// The API.
    pub api: String,
    /// The route of it.
    pub route: Option<String>,
    /// Whether its verdict holds now.
    pub enforced: bool,
    /// Rules in SecLang.
    pub rules: usize,
    /// Those of them that the configuration leaves to run.
    pub running: usize,
    /// Up to which level of paranoia rules count, where they count by levels.
    pub paranoia: Option<u8>,
    /// Attacks that it let through: none, where all is well.
    pub passed: Vec<Passed>,
}

/// An attack that was let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Passed {
    /// What it is.
    pub canary: &'static str,
    /// Where it stood.
    pub place: &'static str,
    /// Whether the configuration wants it so.
    pub meant: bool,
    /// Why, in words.
    pub why: String,
}

impl Guard {
    fn new(api: &CompiledApi, waf: &Waf, enforced: bool, now_ms: u64) -> Self {
        let (rules, running) = waf.rules();
        let tried = CANARIES.iter().filter_map(|canary| {
            let (meant, why) = explained(waf.try_canary(canary, now_ms))?;
            Some(Passed {
                canary: canary.name,
                place: canary.place,
                meant,
                why,
            })
        });
        Self {
            api: api.name.to_string(),
            route: api.route.as_deref().map(str::to_owned),
            enforced,
            rules,
            running,
            paranoia: waf.paranoia(now_ms),
            passed: tried.collect(),
        }
    }

    /// What is to be said of it, and whether it is meant so; nothing where all is well.
    #[must_use]
    pub fn told(&self) -> Option<(bool, String)> {
        let first = self.passed.iter().find(|passed| !passed.meant);
        let first = first.or_else(|| self.passed.first())?;
        let what: Vec<String> = self
            .passed
            .iter()
            .filter(|passed| passed.meant == first.meant)
            .map(|passed| format!("{} in the {}", passed.canary, passed.place))
            .collect();
        let at = self.route.as_ref();
        let at = at.map_or_else(String::new, |route| format!(", route `{route}`"));
        let words = format!(
            "the `waf` of the API `{}`{at} lets attacks through that it was tried with ({}): {}",
            self.api,
            what.join(", "),
            first.why
        );
        Some((first.meant, words))
    }
}

/// Every API and route that has a `waf`, tried at `now_ms`. One that is not
/// enforced is not tried: it lets everything through.
#[must_use]
pub fn guards(snapshot: &Snapshot, now_ms: u64) -> Vec<Guard> {
    let mut found = Vec::new();
    for api in &snapshot.apis {
        for step in &api.steps {
            let Policy::Waf(waf) = &step.policy else {
                continue;
            };
            let mode = step.mode_at(now_ms);
            if mode == Mode::Off {
                continue;
            }
            found.push(Guard::new(api, waf, mode == Mode::Enforce, now_ms));
        }
    }
    found
}

/// What is to be said of guards that hold: where attacks pass that must not, and
/// where the configuration lets them.
#[must_use]
pub fn told(guards: &[Guard]) -> (Vec<String>, Vec<String>) {
    let enforced = guards.iter().filter(|guard| guard.enforced);
    let (meant, wrong): (Vec<_>, Vec<_>) = enforced
        .filter_map(Guard::told)
        .partition(|(meant, _)| *meant);
    let words = |told: Vec<(bool, String)>| told.into_iter().map(|(_, words)| words).collect();
    (words(wrong), words(meant))
}

/// Writes what became of the canaries of each guard that holds.
pub fn write(guards: &[Guard], out: &mut String) {
    const METRIC: &str = "lockgate_waf_canaries";
    let help = "Attacks that each `waf` that is enforced was tried with at the last load: refused, passed, \
                or passed because the configuration wants it so.";
    head(out, METRIC, "gauge", &["api", "route", "fate"], help);
    for guard in guards.iter().filter(|guard| guard.enforced) {
        let meant = guard.passed.iter().filter(|passed| passed.meant).count();
        let passed = guard.passed.len() - meant;
        let refused = CANARIES.len().saturating_sub(guard.passed.len());
        let route = guard.route.as_deref().unwrap_or_default();
        for (fate, count) in [
            ("refused", refused),
            ("passed", passed),
            ("told-to-pass", meant),
        ] {
            let labels = [
                ("api", guard.api.as_str()),
                ("route", route),
                ("fate", fate),
            ];
            line(out, METRIC, &labels, count as u64);
        }
    }
}

/// Whether it is meant so, and why; nothing where it was refused.
fn explained(fate: Fate) -> Option<(bool, String)> {
    Some(match fate {
        Fate::Refused => return None,
        Fate::Below { score, threshold } => (
            true,
            format!("they score {score}, and `threshold` refuses from {threshold} on"),
        ),
        Fate::Excluded(rules) => (
            true,
            format!(
                "`exclude` has {} leave it alone; a narrower `at` or `request` would not",
                rules.join(", ")
            ),
        ),
        Fate::Sampled(share) => (
            true,
            format!("`sampling` has {share} of 100 requests looked at"),
        ),
        Fate::Missed => (
            false,
            "nothing was found in them, and no exclusion is to blame. Look at what rule files switch off (`SecRuleRemoveById`, `ctl:ruleRemoveById`, `ctl:ruleEngine`), and at `setup` where the API says one; `lockgate waf status` tells which rules there are".to_owned(),
        ),
    })
}

#[cfg(test)]
mod tests;
