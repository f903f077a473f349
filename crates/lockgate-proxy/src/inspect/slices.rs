//! Answers that go on: each piece is judged as it comes, and goes on.

use lockgate_policy::waf;
use lockgate_waf::engine::Progress;

use crate::exchange::Exchange;
use crate::net::BodyRefusal;

/// An answer whose length nobody told is held back until nothing came for so
/// long: from then on it is judged piece by piece. Pages are there by then, and a
/// client that waits for news does not notice.
pub const PAUSE_MS: u64 = 1000;

/// Bytes before a piece that are judged with it, since what is looked for may
/// stand across.
const BEFORE: usize = 1024;

/// The type of an answer that tells events as they happen (HTML, 9.2).
const STREAM: &[u8] = b"text/event-stream";

/// Whether it is a stream of events.
pub fn is_stream(kind: &[u8]) -> bool {
    let end = memchr::memchr(b';', kind).unwrap_or(kind.len());
    let kind = kind.get(..end).unwrap_or_default().trim_ascii();
    kind.eq_ignore_ascii_case(STREAM)
}

/// An answer that is judged piece by piece.
#[derive(Debug)]
pub struct Slices {
    /// The end of what was judged.
    before: Vec<u8>,
    /// Bytes that are looked at yet; of a stream, of each piece.
    left: u64,
    /// Bytes that come once more, since they were judged before they went on.
    judged: usize,
    stream: bool,
}

impl Slices {
    /// Of events: `most` bytes of each piece are looked at.
    pub const fn of_stream(most: u64) -> Self {
        Self {
            before: Vec::new(),
            left: most,
            judged: 0,
            stream: true,
        }
    }

    /// Behind what was judged, of an answer of which `most` bytes are.
    pub fn behind(judged: &[u8], most: u64) -> Self {
        Self {
            before: tail(judged).to_vec(),
            left: most.saturating_sub(judged.len() as u64),
            judged: judged.len(),
            stream: false,
        }
    }

    /// What is to be judged now that this piece came, if anything.
    fn take(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        let again = self.judged.min(piece.len());
        self.judged -= again;
        let piece = piece.get(again..).unwrap_or_default();
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let piece = piece.get(..piece.len().min(most)).unwrap_or_default();
        if piece.is_empty() {
            return None;
        }
        if !self.stream {
            self.left = self.left.saturating_sub(piece.len() as u64);
        }
        let mut both = std::mem::take(&mut self.before);
        both.extend_from_slice(piece);
        self.before.extend_from_slice(tail(&both));
        Some(both)
    }
}

fn tail(bytes: &[u8]) -> &[u8] {
    let from = bytes.len().saturating_sub(BEFORE);
    bytes.get(from..).unwrap_or_default()
}

/// Judges a piece of an answer that goes on. False if it must not go on.
pub fn slice(exchange: &mut Exchange, piece: &[u8]) -> bool {
    let Some(inspecting) = &mut exchange.judgement.inspecting else {
        return true;
    };
    let Some(slices) = &mut inspecting.slices else {
        return true;
    };
    let inspection = &mut inspecting.inspection;
    let taken = slices
        .take(piece)
        .filter(|_| inspection.wants_answer_body());
    let Some(bytes) = taken else {
        return true;
    };
    inspection.answer_slice(&bytes);
    while inspection.answer_end() == Progress::More {}
    let Err(denial) = waf::answer_verdict(inspection) else {
        return true;
    };
    let (step, enforced) = (inspecting.step, inspecting.enforced);
    exchange.state.body.refused.replace(Some(BodyRefusal {
        step,
        enforced,
        denial,
    }));
    match exchange.hear_body() {
        None => true,
        Some(denial) => {
            exchange.broke_off(denial.reason);
            false
        }
    }
}

#[cfg(test)]
mod tests;
