//! What tells one HTTP/2 client from another, in the form that Akamai
//! published ("Passive Fingerprinting of HTTP/2 Clients", 2017).

use std::fmt::Write;

use super::pseudo::Pseudo;

/// Settings in one SETTINGS frame. 32 as nghttp2 has it since CVE-2020-11080.
pub(super) const MAX_SETTINGS: usize = 32;
/// PRIORITY frames that are remembered. Firefox sent six; a fingerprint needs no more.
const MAX_PRIORITIES: usize = 16;

/// What a client sent before its first request.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    settings: Option<Vec<(u16, u32)>>,
    window_increment: Option<u32>,
    priorities: Vec<Priority>,
    /// The first request came.
    complete: bool,
    pseudo: Pseudo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Priority {
    stream: u32,
    exclusive: bool,
    on: u32,
    weight: u16,
}

impl Fingerprint {
    /// Whether the first request came, so that no more will be added.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete && self.pseudo.is_over()
    }

    /// The text `SETTINGS|WINDOW_UPDATE|PRIORITY|pseudo-headers`, such as
    /// `1:65536;4:131072|12517377|3:0:0:201|m,p,a,s`. The last are the first
    /// request's, by their letters in the order that they came.
    #[must_use]
    pub fn akamai(&self) -> String {
        let mut text = String::new();
        for (at, (id, value)) in self.settings.iter().flatten().enumerate() {
            let between = if at == 0 { "" } else { ";" };
            // Writing to a string cannot fail.
            let _ = write!(text, "{between}{id}:{value}");
        }
        match self.window_increment {
            Some(increment) => {
                let _ = write!(text, "|{increment}|");
            }
            None => text.push_str("|00|"),
        }
        if self.priorities.is_empty() {
            text.push('0');
        }
        for (at, priority) in self.priorities.iter().enumerate() {
            let between = if at == 0 { "" } else { "," };
            let Priority {
                stream, on, weight, ..
            } = priority;
            let exclusive = u8::from(priority.exclusive);
            let _ = write!(text, "{between}{stream}:{exclusive}:{on}:{weight}");
        }
        text.push('|');
        text.push_str(&self.pseudo.text());
        text
    }

    /// A SETTINGS frame's payload; the first counts.
    pub(super) fn settings(&mut self, payload: &[u8]) {
        if self.complete || self.settings.is_some() {
            return;
        }
        let (entries, _) = payload.as_chunks::<6>();
        let entry = |entry: &[u8; 6]| {
            let [i, d, a, b, c, e] = *entry;
            (u16::from_be_bytes([i, d]), u32::from_be_bytes([a, b, c, e]))
        };
        self.settings = Some(entries.iter().take(MAX_SETTINGS).map(entry).collect());
    }

    /// What a WINDOW_UPDATE grants the connection; the first counts.
    pub(super) fn window_update(&mut self, increment: u32) {
        if !self.complete && self.window_increment.is_none() {
            self.window_increment = Some(increment);
        }
    }

    /// A PRIORITY frame.
    pub(super) fn priority(&mut self, stream: u32, dependency: u32, weight: u8) {
        if !self.complete && self.priorities.len() < MAX_PRIORITIES {
            self.priorities.push(Priority {
                stream,
                exclusive: dependency >> 31 == 1,
                on: dependency & 0x7fff_ffff,
                // On the wire stands one less (RFC 7540, 6.3).
                weight: u16::from(weight) + 1,
            });
        }
    }

    /// A header block begins, or goes on; the first request's has so many bytes before it.
    pub(super) fn begin_block(&mut self, before: u32) {
        if !std::mem::replace(&mut self.complete, true) {
            self.pseudo.skip(before);
        }
    }

    /// Whether something is to be seen of the first request's header block.
    pub(super) fn wants_block(&self) -> bool {
        self.complete && !self.pseudo.is_over()
    }

    /// Some of it.
    pub(super) fn block(&mut self, bytes: &[u8]) {
        self.pseudo.feed(bytes);
    }

    /// It is over.
    pub(super) fn block_over(&mut self) {
        self.pseudo.end();
    }
}
