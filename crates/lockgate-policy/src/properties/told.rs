//! What of a body is not open to its sender.

use lockgate_wire::json::{Holders, Leaves, Open};
use serde_json::Value;

use super::{quoted, CLOSED};
use crate::fields::Rule;
use crate::Denial;

/// Most pointers that are told; more is no help.
const MOST: usize = 5;

/// Names by which JavaScript reaches what all objects have (CVE-2019-10744, CVE-2018-3721).
const PROTOTYPE: &str = "__proto__";
const CONSTRUCTOR: [&str; 2] = ["constructor", "prototype"];

/// What is not open, as far as it is told.
#[derive(Debug)]
pub struct Told<'r> {
    rule: &'r Rule,
    held: Holders,
    pointers: Vec<(String, Holders)>,
    count: usize,
    poison: bool,
}

impl<'r> Told<'r> {
    pub const fn new(rule: &'r Rule, held: Holders) -> Self {
        Self {
            rule,
            held,
            pointers: Vec::new(),
            count: 0,
            poison: false,
        }
    }

    /// Judges a value of which so much is open.
    pub fn value(&mut self, value: &Value, open: Open, leaves: Leaves) {
        self.within(value, open, leaves, &mut Vec::new());
    }

    fn within(&mut self, value: &Value, open: Open, leaves: Leaves, at: &mut Vec<String>) {
        if let (Value::Object(all), Open::Within(_) | Open::Whole) = (value, open) {
            for (name, value) in all {
                at.push(name.clone());
                let steps = || at.iter().map(String::as_str);
                if is_poison(steps()) {
                    self.poison = true;
                    self.note(at, |_| 0);
                } else {
                    let open = self.rule.fields().member(open, name, self.held);
                    self.within(value, open, leaves, at);
                }
                at.pop();
            }
        } else if let (Value::Array(all), Open::Within(_) | Open::Whole) = (value, open) {
            for (place, value) in all.iter().enumerate() {
                at.push(place.to_string());
                let open = self.rule.fields().item(open, self.held);
                self.within(value, open, leaves, at);
                at.pop();
            }
        }
        let stays = match (open, value) {
            (Open::Whole, _) => true,
            (Open::Within(node), Value::Object(_)) => self.rule.fields().has_members(node),
            (Open::Within(node), Value::Array(_)) => {
                leaves != Leaves::Nothing { lists: false } && self.rule.fields().has_items(node)
            }
            _ => false,
        };
        if !stays {
            self.note(at, |rule| {
                rule.fields().holders(at.iter().map(String::as_str))
            });
        }
    }

    /// Judges what steps lead to, of which all is set.
    pub fn whole(&mut self, steps: &[String]) {
        let all = || steps.iter().map(String::as_str);
        if is_poison(all()) {
            self.poison = true;
            return self.note(steps, |_| 0);
        }
        let holders = self.rule.fields().holders(all());
        if holders & self.held == 0 {
            self.note(steps, |_| holders);
        }
    }

    /// Looks at the steps on the way to something. The first that nobody means well by is enough.
    pub fn on_the_way(&mut self, steps: &[String]) {
        let all = |length: usize| steps[..length].iter().map(String::as_str);
        if let Some(length) = (1..steps.len()).find(|length| is_poison(all(*length))) {
            self.poison = true;
            self.note(&steps[..length], |_| 0);
        }
    }

    /// Looks for names that nobody means well by in a value whose place is judged.
    pub fn poisoned(&mut self, value: &Value) {
        self.within(value, Open::Whole, Leaves::Single, &mut Vec::new());
    }

    /// How much is not open.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Whether a name is there that nobody means well by.
    pub const fn is_poison(&self) -> bool {
        self.poison
    }

    /// Counts one; what is told of it is made for the first few alone.
    fn note(&mut self, steps: &[String], holders: impl FnOnce(&Rule) -> Holders) {
        self.count += 1;
        if self.pointers.len() < MOST {
            self.pointers.push((pointer(steps), holders(self.rule)));
        }
    }

    /// The pointers, as a message quotes them.
    pub fn pointers(&self) -> String {
        let all = self.pointers.iter();
        let mut words: Vec<String> = all
            .map(|(pointer, _)| quoted(pointer).into_owned())
            .collect();
        if self.count > words.len() {
            words.push(format!("and {} more", self.count - words.len()));
        }
        words.join(", ")
    }

    /// The refusal, if something is not open.
    pub fn denial(&self) -> Option<Denial> {
        (self.count > 0).then(|| {
            let words = self.pointers.iter().map(|(pointer, holders)| {
                let who = match holders {
                    0 => "nobody".to_owned(),
                    _ => self.rule.words(*holders),
                };
                match &**pointer {
                    "" => format!("the body as a whole may be set by {who}"),
                    pointer => format!("`{}` may be set by {who}", quoted(pointer)),
                }
            });
            let mut words: Vec<String> = words.collect();
            if self.count > words.len() {
                words.push(format!("and {} more", self.count - words.len()));
            }
            Denial::new(&CLOSED).detail(words.join("; "))
        })
    }

    /// The same with why nothing is left out.
    pub fn because(&self, why: &str) -> Denial {
        let said = self.denial().and_then(|denial| denial.detail);
        let said = said.unwrap_or_default();
        Denial::new(&CLOSED).detail(format!("{said}; {why}"))
    }
}

/// The pointer that leads there.
fn pointer(steps: &[String]) -> String {
    let escaped = |step: &String| format!("/{}", step.replace('~', "~0").replace('/', "~1"));
    steps.iter().map(escaped).collect()
}

/// Whether steps end in a name by which JavaScript reaches what all objects have.
fn is_poison<'s>(steps: impl DoubleEndedIterator<Item = &'s str>) -> bool {
    let mut back = steps.rev();
    match back.next() {
        Some(PROTOTYPE) => true,
        Some(last) if last == CONSTRUCTOR[1] => back.next() == Some(CONSTRUCTOR[0]),
        _ => false,
    }
}
