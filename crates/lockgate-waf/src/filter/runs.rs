//! What can be looked for in a sequence of parts.

use std::rc::Rc;

use super::facts::Facts;
use super::found::{least_price, Found, RARE};
use super::literals::Bounds;
use super::texts::{nothing, product, Texts};

/// What can be beside the texts of the parts from `from` to `to`, as the other
/// parts tell.
pub fn beside(texts: &mut Texts, facts: &[&Facts], from: usize, to: usize) {
    for text in texts {
        let near = text.bytes.first().copied();
        for part in facts[..from].iter().rev() {
            if text.before.is_closed() {
                break;
            }
            let through = part.through.as_ref().map(|(left, _)| left);
            text.before = text.before.beside(&part.last, through, near);
        }
        let near = text.bytes.last().copied();
        for part in &facts[to..] {
            if text.after.is_closed() {
                break;
            }
            let through = part.through.as_ref().map(|(_, right)| right);
            text.after = text.after.beside(&part.first, through, near);
        }
    }
}

/// A set, or several, found in the parts from `from` to `to`.
pub struct Run {
    from: usize,
    to: usize,
    found: Found,
}

/// What can be looked for in a sequence.
pub fn runs(facts: &[&Facts], bounds: &Bounds) -> Vec<Run> {
    let mut out = Vec::new();
    let add = |texts: &Texts, from: usize, to: usize, best: &mut Option<Run>| {
        let least = least_price(texts);
        if best
            .as_ref()
            .is_some_and(|best| best.found.price() <= least)
        {
            return;
        }
        let mut texts = texts.clone();
        beside(&mut texts, facts, from, to);
        if let Some(found) = Found::of(texts) {
            if best
                .as_ref()
                .is_none_or(|best| found.price() < best.found.price())
            {
                *best = Some(Run { from, to, found });
            }
        }
    };
    // Runs that end at the same place as one that began earlier say less.
    let mut covered = 0;
    for (at, first) in facts.iter().enumerate() {
        if let Some(found) = &first.best {
            let mut found = found.clone();
            for texts in &mut found.steps {
                beside(texts, facts, at, at + 1);
            }
            found.weigh();
            out.push(Run {
                from: at,
                to: at + 1,
                found,
            });
        }
        let mut best = None;
        let mut run = match &first.exact {
            Some(exact) => exact.clone(),
            None => {
                add(&first.prefix, at, at + 1, &mut best);
                first.suffix.clone()
            }
        };
        if at < covered && first.exact.is_some() {
            continue;
        }
        add(&run, at, at + 1, &mut best);
        let mut to = at + 1;
        let mut limited = false;
        for next in &facts[at + 1..] {
            let (texts, goes_on) = match &next.exact {
                Some(exact) => (exact, true),
                None => (&next.prefix, false),
            };
            let Some((longer, cut)) = product(&run, texts, true, bounds) else {
                limited = true;
                break;
            };
            run = longer;
            to += 1;
            add(&run, at, to, &mut best);
            if cut || !goes_on {
                limited = cut;
                break;
            }
        }
        if !limited {
            covered = to;
        }
        out.extend(best);
    }
    out
}

/// The best of the runs between two parts, with what is best before and behind it.
pub fn chosen(runs: &[Run], from: usize, to: usize, steps: usize) -> Option<Found> {
    let best = runs
        .iter()
        .filter(|run| run.from >= from && run.to <= to)
        .min_by(|a, b| a.found.price().total_cmp(&b.found.price()))?;
    let mut found = best.found.clone();
    if found.price() < RARE || found.steps.len() >= steps {
        return Some(found);
    }
    if let Some(before) = chosen(runs, from, best.from, steps - found.steps.len()) {
        found = before.and(found);
    }
    if found.steps.len() < steps {
        if let Some(behind) = chosen(runs, best.to, to, steps - found.steps.len()) {
            found = found.and(behind);
        }
    }
    Some(found)
}

/// What a sequence begins with, and at which part that ends; none, where it is
/// all that the sequence matches.
pub fn ends(facts: &[&Facts], bounds: &Bounds) -> (Rc<Texts>, Option<usize>) {
    let mut run = Rc::new(nothing());
    for (at, next) in facts.iter().enumerate() {
        let (texts, goes_on) = match &next.exact {
            Some(exact) => (exact, true),
            None => (&next.prefix, false),
        };
        match product(&run, texts, true, bounds) {
            Some((longer, cut)) => {
                run = longer;
                if cut || !goes_on {
                    return (run, Some(at + 1));
                }
            }
            None => return (run, Some(at)),
        }
    }
    (run, None)
}

/// What a sequence ends with, and at which part that begins.
pub fn ends_backwards(facts: &[&Facts], bounds: &Bounds) -> (Rc<Texts>, usize) {
    let mut run = Rc::new(nothing());
    for (at, before) in facts.iter().enumerate().rev() {
        let (texts, goes_on) = match &before.exact {
            Some(exact) => (exact, true),
            None => (&before.suffix, false),
        };
        match product(texts, &run, false, bounds) {
            Some((longer, cut)) => {
                run = longer;
                if cut || !goes_on {
                    return (run, at);
                }
            }
            None => return (run, at + 1),
        }
    }
    (run, 0)
}
