//! What is found in texts of XML, of which some hold others: a text by itself, that of an
//! element, and all of a document.

use crate::bytes::Span;
use crate::detect::Detector;

use super::super::members::{Base, ValueId};
use super::super::transaction::Transaction;
use super::{Found, Hit};

/// Most names that are known as spared. Beyond that an exclusion holds for the text itself.
const MAX_SPARED: usize = 64;

/// A text in which an exclusion has left something out.
#[derive(Debug, Clone, Copy)]
pub struct Spared {
    /// Whose finding.
    detector: &'static Detector,
    /// The text's name: the way to it.
    name: Span,
}

fn is(id: ValueId, bases: &[Base]) -> bool {
    bases.iter().any(|base| id.base() == *base as usize)
}

/// Drops what the same detector has told of a text within this one, and what is worse
/// takes the place of what was told of these.
pub(super) fn count_once(hits: &mut Vec<Hit>, id: ValueId, tx: &mut Transaction) {
    if !is(id, &[Base::XmlElements, Base::XmlText]) {
        return;
    }
    let of_text = |found: &Found| is(found.value, &[Base::XmlNodes, Base::XmlElements]);
    let native = &tx.native;
    hits.retain(|hit| {
        let told = |found: &Found| {
            of_text(found)
                && std::ptr::eq(found.detector, hit.detector)
                && found.severity <= hit.severity
        };
        !native.found.iter().any(told)
    });
    let mut found = std::mem::take(&mut tx.native.found);
    found.retain(|found| {
        let same = |hit: &Hit| std::ptr::eq(found.detector, hit.detector);
        !(of_text(found) && hits.iter().any(same) && is_within(found.value, id, tx))
    });
    tx.native.found = found;
}

/// Whether a text is in another, by their names.
fn is_within(id: ValueId, around: ValueId, tx: &Transaction) -> bool {
    names_within(tx.members.get(id).name, around, tx)
}

fn names_within(name: Span, around: ValueId, tx: &Transaction) -> bool {
    let around = tx.arena.get(tx.members.get(around).name);
    let rest = tx.arena.get(name).strip_prefix(around);
    rest.is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
}

/// Notes that something was left out here.
pub(super) fn spare(detector: &'static Detector, id: ValueId, tx: &mut Transaction) {
    if !is(id, &[Base::XmlNodes, Base::XmlElements]) {
        return;
    }
    let name = tx.members.get(id).name;
    let text = tx.arena.get(name);
    let known = |spared: &Spared| {
        std::ptr::eq(spared.detector, detector) && tx.arena.get(spared.name) == text
    };
    if tx.native.spared.len() < MAX_SPARED && !tx.native.spared.iter().any(known) {
        tx.native.spared.push(Spared { detector, name });
    }
}

/// Whether something was left out in a text within this one: an exclusion has a detector
/// leave a text alone, also as a part of others.
pub(super) fn is_spared(detector: &Detector, id: ValueId, tx: &Transaction) -> bool {
    if !is(id, &[Base::XmlElements, Base::XmlText]) {
        return false;
    }
    let mut spared = tx.native.spared.iter();
    spared
        .any(|spared| std::ptr::eq(spared.detector, detector) && names_within(spared.name, id, tx))
}
