//! Which normal form a target has, where APIs differ on it.
//!
//! A path that all readers take alike has one form, and the API is found by
//! it. What they take differently (`//`, `%2F`, `\`, `;`, `%00`) is refused,
//! unless an API has a switch for it. But which API it is, is only known from
//! the form. So the target is brought into the form of each set of switches
//! that there is, and the one is taken whose own API is found by it. That form
//! is judged, and sent.
//!
//! Nobody may walk around another API's rules so: however a reader might fold
//! what was kept, no other API may be found by it than one that the path as it
//! stands belongs to as well. Within its API, what it might be taken for goes
//! along: see [`lockgate_policy::Reading`].

use std::borrow::Cow;

use lockgate_policy::Denial;
use lockgate_wire::target::{self, Normal, Odd, TargetSwitches};

use crate::reasons;
use crate::route::{Asked, Found, Matched};
use crate::snapshot::Snapshot;

/// Most different sets of switches in one bundle: an unusual path is looked at
/// with each of them.
pub const MAX_SETS: usize = 16;

/// A semicolon that is data to all but those who decode before they take parameters off.
const SEMICOLON: &str = "%3B";

/// A target in its normal form, and what is found by it.
pub struct Located<'s, 'a> {
    /// The form.
    pub normal: Normal<'a>,
    /// What is found by it.
    pub found: Found<'s>,
    /// The other paths that a reader might take it for, in the form that is
    /// matched. Nearly always none.
    pub readings: Vec<String>,
}

/// Brings a target into the normal form of the API that it belongs to, and
/// finds that.
///
/// # Errors
/// Why it has none.
pub fn find<'s, 'a>(
    snapshot: &'s Snapshot,
    host: &str,
    raw: &'a str,
    asked: &Asked<'_>,
) -> Result<Located<'s, 'a>, Denial> {
    match target::normalize(raw, &TargetSwitches::default()) {
        Ok(normal) => {
            let found = snapshot.router.find(host, &normal.match_path(), asked);
            let mut readings = Vec::new();
            if let Found::Route(matched) = &found {
                let set = switches(snapshot, *matched);
                if set != TargetSwitches::default() {
                    // Nothing unusual is in it, but this API may not even want dots resolved.
                    if normal.changed {
                        target::normalize(raw, &set)?;
                    }
                    if set.path_parameters == Odd::Keep && normal.path.contains(SEMICOLON) {
                        readings = self::readings(snapshot, host, &normal, asked, *matched, &set)?;
                    }
                }
            }
            Ok(Located {
                normal,
                found,
                readings,
            })
        }
        Err(reason) if snapshot.switches.is_empty() => Err(reason.into()),
        Err(reason) => unusual(snapshot, host, raw, asked).unwrap_or_else(|| Err(reason.into())),
    }
}

/// The form of an unusual target; `None` where no API wants it.
#[cold]
fn unusual<'s, 'a>(
    snapshot: &'s Snapshot,
    host: &str,
    raw: &'a str,
    asked: &Asked<'_>,
) -> Option<Result<Located<'s, 'a>, Denial>> {
    let ambiguous = || Some(Err(Denial::new(&reasons::TARGET_AMBIGUOUS)));
    let mut kept: Option<(Normal<'a>, Matched, TargetSwitches)> = None;
    for set in &snapshot.switches {
        let Ok(normal) = target::normalize(raw, set) else {
            continue;
        };
        let found = snapshot.router.find(host, &normal.match_path(), asked);
        match found {
            Found::Route(matched) if switches(snapshot, matched) == *set => {
                if kept.is_some() {
                    return ambiguous();
                }
                kept = Some((normal, matched, *set));
            }
            _ => {}
        }
    }
    let (normal, matched, set) = kept?;
    let located = readings(snapshot, host, &normal, asked, matched, &set).map(|readings| Located {
        found: Found::Route(matched),
        readings,
        normal,
    });
    Some(located)
}

/// What readers who fold some of what was kept would take a path for, besides
/// what it is.
///
/// # Errors
/// One of them would refuse it, or find another API by it.
fn readings(
    snapshot: &Snapshot,
    host: &str,
    normal: &Normal<'_>,
    asked: &Asked<'_>,
    matched: Matched,
    set: &TargetSwitches,
) -> Result<Vec<String>, Denial> {
    let ambiguous = || Denial::new(&reasons::TARGET_AMBIGUOUS);
    let here = normal.match_path();
    let readings = folds(&normal.path, &here, set).ok_or_else(ambiguous)?;
    let elsewhere = |there: &String| leads_elsewhere(snapshot, host, &here, there, asked, matched);
    if readings.iter().any(elsewhere) {
        return Err(ambiguous());
    }
    Ok(readings)
}

/// The path in every form that a reader may bring it into, if it is not this
/// one; `None` where one of them would refuse it.
fn folds(path: &str, here: &str, set: &TargetSwitches) -> Option<Vec<String>> {
    // Who takes parameters off after decoding takes both spellings for one.
    let path = if set.path_parameters == Odd::Keep && path.contains(SEMICOLON) {
        Cow::Owned(path.replace(SEMICOLON, ";"))
    } else {
        Cow::Borrowed(path)
    };
    let mut folds = Vec::new();
    for fold in folded(set) {
        let there = target::normalize(&path, &fold)
            .ok()?
            .match_path()
            .into_owned();
        if there != here && !folds.contains(&there) {
            folds.push(there);
        }
    }
    Some(folds)
}

/// Whether a reading finds another API than the path does.
fn leads_elsewhere(
    snapshot: &Snapshot,
    host: &str,
    here: &str,
    there: &str,
    asked: &Asked<'_>,
    matched: Matched,
) -> bool {
    match snapshot.router.pattern_of(host, there) {
        None => false,
        // The less specific one that the path belongs to as it stands takes nothing from anybody.
        Some(pattern) if snapshot.router.covers(pattern, here) => false,
        Some(_) => match snapshot.router.find(host, there, asked) {
            Found::Route(found) => found.api != matched.api,
            _ => true,
        },
    }
}

/// Every way to fold what a set of switches keeps.
fn folded(set: &TargetSwitches) -> impl Iterator<Item = TargetSwitches> + '_ {
    (1..1_u8 << KINDS).filter_map(move |mask| {
        let mut fold = *set;
        for kind in 0..KINDS {
            if mask & 1 << kind != 0 {
                let switch = kind_of(&mut fold, kind);
                if *switch != Odd::Keep {
                    return None;
                }
                *switch = Odd::Normalize;
            }
        }
        Some(fold)
    })
}

const KINDS: u8 = 5;

fn kind_of(set: &mut TargetSwitches, kind: u8) -> &mut Odd {
    match kind {
        0 => &mut set.double_slash,
        1 => &mut set.encoded_slash,
        2 => &mut set.backslash,
        3 => &mut set.path_parameters,
        _ => &mut set.nul,
    }
}

fn switches(snapshot: &Snapshot, matched: Matched) -> TargetSwitches {
    snapshot
        .apis
        .get(matched.api)
        .map(|api| api.switches)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
