//! Writes texts with `%{…}` out.

use crate::bytes::Span;
use crate::rule::Collection;

use super::evaluate::Evaluation;
use super::members::{views, ValueId};
use super::names::Held;
use super::spelling;
use super::template::{Part, Text};
use super::transaction::Subject;

/// Most bytes of a text that is written out.
pub const MAX_TEXT: usize = 64 * 1024;

impl Evaluation<'_> {
    /// The text, written out.
    pub(super) fn written(&mut self, text: &Text) -> Span {
        if let Some(constant) = text.constant() {
            return self.tx.arena.keep(constant);
        }
        let mut out = std::mem::take(&mut self.tx.room.text);
        out.clear();
        self.write(text, &mut out);
        let span = self.tx.arena.keep(&out);
        self.tx.room.text = out;
        span
    }

    /// Writes the text at the end of `out`.
    pub(super) fn write(&self, text: &Text, out: &mut Vec<u8>) {
        for part in &*text.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Variable(name) => self.write_held(self.tx.variables.get(*name), out),
                Part::Member(collection, key) => {
                    self.write_member(*collection, key.as_deref(), out);
                }
            }
            if out.len() > MAX_TEXT {
                out.truncate(MAX_TEXT);
                return;
            }
        }
    }

    fn write_held(&self, held: Held, out: &mut Vec<u8>) {
        match held {
            Held::Absent => {}
            Held::Number(number) => {
                let mut buffer = itoa::Buffer::new();
                out.extend_from_slice(buffer.format(number).as_bytes());
            }
            Held::Text(text) => out.extend_from_slice(self.tx.arena.get(text)),
        }
    }

    /// Writes a member of a collection: the first of its name.
    pub(super) fn write_member(
        &self,
        collection: Collection,
        key: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        let arena = &self.tx.arena;
        match collection {
            Collection::MatchedVar | Collection::MatchedVars => {
                if let Some(subject) = self.tx.found.last() {
                    out.extend_from_slice(arena.get(subject.value));
                }
            }
            Collection::MatchedVarName | Collection::MatchedVarsNames => {
                if let Some(subject) = self.tx.found.last() {
                    self.write_name(subject, out);
                }
            }
            Collection::HighestSeverity => {
                let worst = self.tx.found.worst.map_or(255, |worst| worst as u8);
                let mut buffer = itoa::Buffer::new();
                out.extend_from_slice(buffer.format(worst).as_bytes());
            }
            Collection::Rule => self.write_rule(key.unwrap_or(b"id"), out),
            Collection::Tx => {
                if let Some(key) = key {
                    self.write_held(self.tx.variables.find_made(key, arena), out);
                }
            }
            Collection::Ip
            | Collection::Global
            | Collection::Resource
            | Collection::Session
            | Collection::User => {
                if let Some(key) = key {
                    self.write_kept(collection, key, out);
                }
            }
            _ => {
                if let Some(value) = self.tx.members.single(collection) {
                    out.extend_from_slice(arena.get(value));
                    return;
                }
                for view in views(collection, false) {
                    for place in self.tx.members.range(view.base) {
                        let id = ValueId::new(view.base, place, view.names);
                        let name = arena.get(self.tx.members.get(id).name);
                        if key.is_none_or(|key| key.eq_ignore_ascii_case(name)) {
                            out.extend_from_slice(arena.get(self.tx.members.value(id)));
                            return;
                        }
                    }
                }
            }
        }
    }

    fn write_rule(&self, key: &[u8], out: &mut Vec<u8>) {
        let Some(rule) = self.program.rules.get(self.index) else {
            return;
        };
        let mut buffer = itoa::Buffer::new();
        match key {
            b"id" => out.extend_from_slice(buffer.format(rule.id).as_bytes()),
            b"severity" => {
                if let Some(severity) = rule.severity {
                    out.extend_from_slice(buffer.format(severity as u8).as_bytes());
                }
            }
            b"msg" => {
                if let Some(text) = &rule.message {
                    self.write(text, out);
                }
            }
            _ => {}
        }
    }

    fn write_name(&self, subject: Subject, out: &mut Vec<u8>) {
        spelling::write_name(subject, self.tx.arena.get(subject.name), out);
    }

    /// A value's name with its collection's, such as `ARGS:id`.
    pub(super) fn full_name(&mut self, subject: Subject) -> Span {
        let mut out = std::mem::take(&mut self.tx.room.text);
        out.clear();
        self.write_name(subject, &mut out);
        let span = self.tx.arena.keep(&out);
        self.tx.room.text = out;
        span
    }
}
