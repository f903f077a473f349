//! Parameters of one name as some applications have them: ASP.NET, and Express where a
//! list is written out, join them by commas. So `q=1' union/*&q=*/select 1` is
//! `1' union/*,*/select 1`.

use crate::bytes::ByteSet;
use lockgate_wire::content::layers::Unwrapper;

use super::super::members::{Base, Member, ValueId, Way};
use super::super::transaction::Transaction;
use super::{hits, stood, Native, Seen};

impl Native {
    /// Looks at parameters that have one name, as one, before a rule is overruled: each
    /// once in a request, so that all that is looked at is no longer than all parameters.
    /// Nothing is told of it, since the rule counts where there is a doubt.
    pub(in crate::engine) fn read_lists(&self, tx: &mut Transaction, unwrapper: &mut Unwrapper) {
        for (which, base) in [Base::ArgsGet, Base::ArgsPost].into_iter().enumerate() {
            let count = tx.members.of(base).len();
            let read = tx.native.lists.get_mut(which);
            let known = read.is_none_or(|read| std::mem::replace(read, count) == count);
            if known || count < 2 {
                continue;
            }
            for list in lists(tx, base) {
                self.read_list(tx, unwrapper, base, &list);
            }
        }
    }

    fn read_list(&self, tx: &mut Transaction, unwrapper: &mut Unwrapper, base: Base, list: &[u32]) {
        let Some(id) = list.first().map(|first| ValueId::new(base, *first, false)) else {
            return;
        };
        let Some(stood) = stood(id) else {
            return;
        };
        let mut text = Vec::new();
        for (number, place) in list.iter().enumerate() {
            if number > 0 {
                text.push(b',');
            }
            let value = tx.members.value(ValueId::new(base, *place, false));
            text.extend_from_slice(tx.arena.get(value));
        }
        let began = tx.arena.len();
        let span = tx.arena.keep(&text);
        let place = &self.places[stood as usize];
        let seen = Seen {
            tx: &*tx,
            id,
            span,
            unnumbered: None,
        };
        let mut allowance = tx.native.allowance;
        let to = (unwrapper, &mut allowance);
        let (hits, whole) = hits(place, stood, seen, to, &ByteSet::of(&text));
        tx.native.allowance = allowance;
        tx.native.doubts |= self.doubts(place, &hits, whole);
        tx.arena.cut(began);
    }
}

/// The members that share a name, in their order.
fn lists(tx: &Transaction, base: Base) -> Vec<Vec<u32>> {
    let members = (0..).zip(tx.members.of(base));
    let mut named: Vec<(&[u8], u32)> = members
        .filter_map(|(place, member)| Some((list_name(tx.arena.get(member.name), member)?, place)))
        .collect();
    named.sort_unstable();
    let same = named.chunk_by(|one, next| one.0 == next.0);
    same.filter(|list| list.len() > 1)
        .map(|list| list.iter().map(|(_, place)| *place).collect())
        .collect()
}

/// What the list is called that a parameter is of: `q`, `q[]` and `q[0]` are one, and so are
/// elements of an array in JSON. Nothing for what cannot be in one.
fn list_name<'n>(name: &'n [u8], member: &Member) -> Option<&'n [u8]> {
    let digits = |text: &[u8]| text.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    if member.way == Way::Name {
        let Some(inner) = name.strip_suffix(b"]") else {
            return Some(name);
        };
        let (inner, _) = inner.split_at(inner.len() - digits(inner));
        return Some(inner.strip_suffix(b"[").unwrap_or(name));
    }
    let (array, _) = name.split_at(name.len() - digits(name));
    array.ends_with(b".array_").then_some(array)
}
