//! Ways to authenticate that must all hold (`all`): the first of them says who calls.

use lockgate_policy::ways::Ways;
use lockgate_policy::{Denial, Identity};

use super::Judging;
use crate::bundle::Joined;

/// Told of what is missing where something else was good.
const TOGETHER: &str = "it is wanted together with the credential that was sent";

/// How far those have come that must hold together.
#[derive(Debug)]
pub(super) enum Together {
    /// All that were asked hold; who the first of them says it is, and which that was.
    Holding(Option<(Identity, usize)>, Ways),
    /// One of them does not, or none was asked.
    Broken,
}

impl Judging<'_, '_, '_> {
    /// A way to authenticate is to be asked, or looked at.
    pub(super) fn approach(&mut self, joined: Joined) {
        if joined == Joined::First {
            self.together = Together::Holding(None, Ways::default());
        }
    }

    /// Whether it need not be asked.
    pub(super) fn is_idle(&self, joined: Joined) -> bool {
        let waits = matches!(joined, Joined::Next | Joined::Last);
        self.judgement.identity.is_some() || (waits && matches!(self.together, Together::Broken))
    }

    /// Somebody is known, or would be if what follows holds.
    pub(super) fn identify(&mut self, joined: Joined, identity: Identity) {
        let mut alone = Ways::default();
        let ways = match &mut self.together {
            Together::Holding(_, ways) if joined != Joined::Alone => ways,
            _ => &mut alone,
        };
        ways.add(identity.proved_by);
        let known = (identity, self.next);
        if joined == Joined::Alone {
            self.is(known, alone);
        } else if let Together::Holding(first, _) = &mut self.together {
            first.get_or_insert(known);
        }
    }

    /// One that must hold does not.
    pub(super) fn break_up(&mut self, joined: Joined, mut denial: Denial) -> Denial {
        let before = std::mem::replace(&mut self.together, Together::Broken);
        let held = matches!(before, Together::Holding(Some(_), _));
        if joined != Joined::Alone && held && denial.absent && denial.detail.is_none() {
            denial.detail = Some(TOGETHER.into());
        }
        denial
    }

    /// After the last of them: who calls is known, if all hold.
    pub(super) fn settle(&mut self, joined: Joined) {
        if joined == Joined::Last {
            let all = std::mem::replace(&mut self.together, Together::Broken);
            if let Together::Holding(Some(known), ways) = all {
                self.is(known, ways);
            }
        }
    }

    fn is(&mut self, (identity, step): (Identity, usize), ways: Ways) {
        if self.judgement.identity.is_none() {
            self.judgement.ways = ways;
            self.judgement.identified = Some(step);
            self.judgement.identity = Some(identity);
        }
    }
}
