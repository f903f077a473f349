//! What a match does to the transaction.

use crate::bytes::Span;
use crate::rule::Collection;

use super::evaluate::Evaluation;
use super::names::Held;
use super::program::{Change, Effect, Values};
use super::template::Text;
use super::transaction::MadeName;

impl Evaluation<'_> {
    /// Does what the effect says.
    pub(super) fn effect(&mut self, effect: &Effect) {
        match effect {
            Effect::SetVariable(name, change) => {
                let old = self.tx.variables.get(*name);
                let new = self.changed(old, change);
                let level = self.program.scores.level(*name);
                let level = level.filter(|_| matches!(change, Change::Add(_)));
                let overruled = level.is_some() && self.overruled();
                if !overruled {
                    self.tx.variables.set(*name, new);
                    self.note_made(MadeName::Named(*name));
                }
                if let Some(level) = level {
                    let arena = &self.tx.arena;
                    let score = new.number(arena).saturating_sub(old.number(arena));
                    self.tx.found.added.count(score, level, overruled);
                }
            }
            Effect::SetNamed(collection, name, change) => self.set_named(*collection, name, change),
            Effect::Expire(collection, name, seconds) => {
                let name = self.written(name);
                let seconds = self.number_of(seconds);
                self.expire(*collection, name, seconds);
            }
            Effect::InitCollection(collection, key) => {
                let key = self.written(key);
                self.tx.control.keys.set(*collection, key);
            }
            Effect::Except(number) => self.except(*number),
            Effect::Mode(mode) => self.tx.control.mode = Some(*mode),
            Effect::Processor(processor) => self.tx.control.processor = Some(*processor),
            Effect::ForceBody(force) => self.tx.control.force_body = *force,
            Effect::RequestBody(read) => self.tx.control.request_body = Some(*read),
            Effect::ResponseBody(read) => self.tx.control.response_body = Some(*read),
        }
    }

    fn overruled(&mut self) -> bool {
        let Some(native) = &self.program.native else {
            return false;
        };
        native.overrule.as_ref().is_some_and(|overrule| {
            native.read_lists(self.tx, &mut self.desk.sieve.unwrapper);
            overrule.holds(self.tx, self.index)
        })
    }

    fn except(&mut self, number: u32) {
        let Some(exception) = self.program.exceptions.get(number as usize) else {
            return;
        };
        let control = &mut self.tx.control;
        if matches!(exception.values, Values::All) {
            control.removed.extend(&exception.rules);
        } else if !control.exceptions.contains(&number) {
            control.exceptions.push(number);
        }
    }

    fn set_named(&mut self, collection: Collection, name: &Text, change: &Change) {
        let mut text = std::mem::take(&mut self.tx.room.made);
        text.clear();
        self.write(name, &mut text);
        text.make_ascii_lowercase();
        if collection == Collection::Tx {
            match self.program.names.find(&text) {
                Some(number) => {
                    let new = self.changed(self.tx.variables.get(number), change);
                    self.tx.variables.set(number, new);
                    self.note_made(MadeName::Named(number));
                }
                None => {
                    let old = self.tx.variables.find_made(&text, &self.tx.arena);
                    let new = self.changed(old, change);
                    let tx = &mut *self.tx;
                    let name = tx.variables.set_made(&text, new, &mut tx.arena);
                    if let Some(name) = name {
                        self.note_made(MadeName::Written(name));
                    }
                }
            }
        } else {
            let old = self.kept_value(collection, &text);
            let new = self.changed(old, change);
            self.keep_value(collection, &text, new);
        }
        self.tx.room.made = text;
    }

    fn changed(&mut self, old: Held, change: &Change) -> Held {
        match change {
            Change::Remove => Held::Absent,
            Change::Add(by) => {
                let by = self.number_of(by);
                Held::Number(old.number(&self.tx.arena).saturating_add(by))
            }
            Change::Subtract(by) => {
                let by = self.number_of(by);
                Held::Number(old.number(&self.tx.arena).saturating_sub(by))
            }
            Change::Set(text) => match text.variable() {
                Some(name) if self.tx.variables.get(name).exists() => self.tx.variables.get(name),
                _ => {
                    let text = self.written(text);
                    self.held(text)
                }
            },
        }
    }

    /// A text that is just a number is one, so that it need not be read again.
    fn held(&self, text: Span) -> Held {
        let bytes = self.tx.arena.get(text);
        plain_number(bytes).map_or(Held::Text(text), Held::Number)
    }

    /// The number that a text says; 0 where it says none.
    pub(super) fn number_of(&mut self, text: &Text) -> i64 {
        if let Some(name) = text.variable() {
            return self.tx.variables.get(name).number(&self.tx.arena);
        }
        if let Some(text) = text.constant() {
            return crate::operators::leading(text);
        }
        let text = self.written(text);
        crate::operators::leading(self.tx.arena.get(text))
    }
}

/// The number that a text is, if writing that number gives the text again.
pub(super) fn plain_number(text: &[u8]) -> Option<i64> {
    let plain = match text {
        b"0" => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 18 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    plain.then(|| crate::operators::leading(text))
}
