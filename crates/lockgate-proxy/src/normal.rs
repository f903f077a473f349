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
    /// The other paths that a reader might take it for. Nearly always none.
    pub readings: Vec<Fold>,
}

/// A path that a reader who folds might take another for.
#[derive(Debug)]
pub struct Fold {
    /// In the form that is matched.
    pub path: String,
    /// Bytes of it that matched, where it would be of the same API; none where nothing would have it.
    pub prefix: Option<usize>,
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
) -> Result<Vec<Fold>, Denial> {
    let ambiguous = || Denial::new(&reasons::TARGET_AMBIGUOUS);
    let here = normal.match_path();
    let readings = folds(&normal.path, &here, set).ok_or_else(ambiguous)?;
    let placed = readings.into_iter().map(|path| {
        let prefix = prefix_of(snapshot, host, &here, &path, asked, matched)?;
        Ok(Fold { path, prefix })
    });
    placed
        .collect::<Result<_, Elsewhere>>()
        .map_err(|Elsewhere| ambiguous())
}

/// Readings that are looked at, and bytes of paths that are folded to find
/// them. A path that can be read in more ways is nobody's identifier.
const MAX_READINGS: usize = 64;
const MAX_FOLDED: usize = 512 * 1024;

/// The path in every form that a reader may bring it into, if it is not this
/// one; `None` where one of them would refuse it, or they are too many.
///
/// Readers fold one spelling and keep another (`\` and not `%5C`), and in orders
/// of their own: Tomcat takes parameters off before it decodes, others behind.
/// So each spelling is folded by itself, and what comes of it again.
fn folds(path: &str, here: &str, set: &TargetSwitches) -> Option<Vec<String>> {
    let mut seen = vec![path.to_owned()];
    let mut folds = Vec::new();
    let (mut next, mut work) = (0, 0);
    while let Some(path) = seen.get(next).cloned() {
        next += 1;
        for (text, fold) in steps(&path, set) {
            work += text.len();
            let normal = target::normalize(&text, &fold).ok()?;
            let there = normal.match_path();
            if there != here && !folds.iter().any(|known| *known == there) {
                folds.push(there.into_owned());
            }
            let new = !seen.iter().any(|known| *known == normal.path);
            if new {
                seen.push(normal.path.into_owned());
            }
            if seen.len() > MAX_READINGS || work > MAX_FOLDED {
                return None;
            }
        }
    }
    Some(folds)
}

/// Each way to fold one spelling of what is kept: the text, and how it is brought into normal form.
fn steps<'p>(
    path: &'p str,
    set: &'p TargetSwitches,
) -> impl Iterator<Item = (Cow<'p, str>, TargetSwitches)> + 'p {
    let kinds = (0..KINDS).filter_map(|kind| {
        let mut fold = *set;
        let switch = kind_of(&mut fold, kind);
        if *switch != Odd::Keep {
            return None;
        }
        *switch = Odd::Normalize;
        Some((Cow::Borrowed(path), fold))
    });
    let spellings = [
        (set.backslash, "\\", "/"),
        (set.backslash, "%5C", "/"),
        // Who takes parameters off after decoding takes both spellings for one.
        (set.path_parameters, SEMICOLON, ";"),
    ];
    let spellings = spellings
        .into_iter()
        .filter(|(switch, spelling, _)| *switch == Odd::Keep && path.contains(spelling))
        .map(|(_, spelling, means)| (Cow::Owned(path.replace(spelling, means)), *set));
    kinds.chain(spellings)
}

/// A reading would be another API's.
struct Elsewhere;

/// How much of a reading matches, where the same API would have it.
fn prefix_of(
    snapshot: &Snapshot,
    host: &str,
    here: &str,
    there: &str,
    asked: &Asked<'_>,
    matched: Matched,
) -> Result<Option<usize>, Elsewhere> {
    let Some(pattern) = snapshot.router.pattern_of(host, there) else {
        return Ok(None);
    };
    match snapshot.router.find(host, there, asked) {
        Found::Route(found) if found.api == matched.api => Ok(Some(found.prefix)),
        // The less specific one that the path belongs to as it stands takes nothing from anybody.
        _ if snapshot.router.covers(pattern, here) => Ok(None),
        _ => Err(Elsewhere),
    }
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
