//! Encodings within a value, taken off one after another: what is behind them
//! is what some reader further on will see.
//!
//! A value that holds none costs one look at its bytes. Each form is told with
//! the layers that were taken off. The depth, and the bytes that are looked at
//! and written for one value, are bounded.

mod base64;
mod entities;
mod escapes;
mod unicode;

use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;

use super::json;

/// An encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// `%XX`, and `+` beside it.
    Url,
    /// `%uXXXX`.
    PercentU,
    /// `\uXXXX`, `\u{X}`, `\xXX` and a backslash before a letter.
    Escapes,
    /// `&lt;`, `&#60;`, `&#x3c;`.
    Html,
    /// UTF-8 in more bytes than a character needs.
    Overlong,
    /// Letters, digits and signs in their wide forms (U+FF01 to U+FF5E).
    Wide,
    /// Base64 in either alphabet, with padding or without.
    Base64,
    /// JSON, of which each text and name is a form.
    Json,
}

impl Layer {
    /// Its name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::PercentU => "percent-u",
            Self::Escapes => "escapes",
            Self::Html => "html",
            Self::Overlong => "overlong",
            Self::Wide => "wide",
            Self::Base64 => "base64",
            Self::Json => "json",
        }
    }
}

/// How far values are unwrapped.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Layers within each other. 8: real clients nest three; who hides something nests more, and each layer by which
    /// a value grows costs him, not us: what is looked at is bounded by `work`.
    pub depth: usize,
    /// Bytes that are looked at and written for one value, beside eight times
    /// its length, and twice what it has beyond 64 KiB: a long text is seldom wrapped
    /// as a whole. 16 KiB: a short value in every combination.
    pub work: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 8,
            work: 16 << 10,
        }
    }
}

/// What may be spent on the values of one request, in bytes of forms: beyond that only
/// one way is gone with each, so that many short values cost no more than a long one.
#[derive(Debug, Clone, Copy)]
pub struct Allowance(usize);

impl Default for Allowance {
    fn default() -> Self {
        Self(256 << 10)
    }
}

impl Allowance {
    /// How much each byte of a value adds.
    const EACH: usize = 4;
    /// What a form costs beside its bytes.
    const FORM: usize = 64;

    fn add(&mut self, value: &[u8]) {
        self.0 = self.0.saturating_add(value.len() * Self::EACH);
    }

    fn spend(&mut self, form: &[u8]) {
        self.0 = self.0.saturating_sub(form.len() + Self::FORM);
    }
}

/// Takes layers off; keeps its buffers from value to value.
#[derive(Debug, Default)]
pub struct Unwrapper {
    limits: Limits,
    buffers: Vec<Vec<u8>>,
    readers: Vec<json::Reader>,
    /// Forms that were told, by a hash that nobody outside can foresee.
    told: HashSet<u64>,
    hashes: RandomState,
    work_left: usize,
}

/// A form of a value, whose own layers are still to be taken off.
#[derive(Debug)]
struct Form {
    bytes: Vec<u8>,
    taken: Vec<Layer>,
    /// How many layers are around it; several that are taken off at once count as one.
    level: usize,
    /// What it is told from others by.
    hash: u64,
}

/// How the forms of a value are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// At each level all layers, one upon the other: what was wrapped comes out,
    /// whatever else is wrapped beside it.
    Together,
    /// Each layer by itself, in every order.
    Apart,
}

/// Which layers a byte may be a part of.
const PERCENT: u8 = 1;
const BACKSLASH: u8 = 2;
const AMPERSAND: u8 = 4;
const OVERLONG: u8 = 8;
const WIDE: u8 = 16;
const BRACKET: u8 = 32;
const TRIGGERS: [u8; 256] = triggers();

const fn triggers() -> [u8; 256] {
    let mut table = [0; 256];
    table[b'%' as usize] = PERCENT;
    table[b'\\' as usize] = BACKSLASH;
    table[b'&' as usize] = AMPERSAND;
    table[0xc0] = OVERLONG;
    table[0xc1] = OVERLONG;
    table[0xe0] = OVERLONG;
    table[0xf0] = OVERLONG;
    table[0xef] = WIDE;
    table[b'{' as usize] = BRACKET;
    table[b'[' as usize] = BRACKET;
    table
}

impl Unwrapper {
    /// Bytes that every layer but base64 has one of.
    pub const TRIGGERS: [u8; 10] = [b'%', b'\\', b'&', 0xc0, 0xc1, 0xe0, 0xf0, 0xef, b'{', b'['];

    /// Whether there may be a layer in `value`: for those who know already
    /// whether it has one of [`Unwrapper::TRIGGERS`].
    #[must_use]
    pub fn may_hold(value: &[u8], triggered: bool) -> bool {
        triggered || base64::may_be(value)
    }

    /// Within these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Calls `visit` with each form that is within `value`, once, and the layers that
    /// were taken off, outermost first; `value` itself is not told. First those behind
    /// all layers of each level, level by level, then those behind other orders, as far
    /// as `allowance` goes. Ends when `visit` says false, or a limit is reached.
    ///
    /// Returns false if something was left out for a limit's sake.
    pub fn unwrap(
        &mut self,
        value: &[u8],
        allowance: &mut Allowance,
        visit: &mut impl FnMut(&[u8], &[Layer]) -> bool,
    ) -> bool {
        allowance.add(value);
        if !may_hold(value) {
            return true;
        }
        let short = value.len().min(SHORT);
        let beyond = value.len() - short;
        self.work_left = (short * 8)
            .saturating_add(beyond.saturating_mul(2))
            .saturating_add(self.limits.work);
        self.told.clear();
        let mut search = Search {
            unwrapper: self,
            allowance,
            visit,
            way: Way::Together,
            several: false,
            found: VecDeque::new(),
            walk: Walk::On,
        };
        search.all(value);
        if search.walk == Walk::On && search.several {
            search.way = Way::Apart;
            search.all(value);
        }
        let whole = search.walk != Walk::Limited;
        for buffer in &mut self.buffers {
            buffer.shrink_to(KEPT);
        }
        whole
    }

    /// Takes so much of what may be looked at, if there is as much.
    fn pay(&mut self, bytes: usize) -> bool {
        let left = self.work_left.checked_sub(bytes);
        self.work_left = left.unwrap_or(self.work_left);
        left.is_some()
    }

    fn give_back(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        if self.buffers.len() < BUFFERS {
            self.buffers.push(buffer);
        }
    }
}

/// A search for the forms of one value.
struct Search<'u, V> {
    unwrapper: &'u mut Unwrapper,
    allowance: &'u mut Allowance,
    visit: &'u mut V,
    way: Way,
    /// Whether some form had several layers side by side.
    several: bool,
    found: VecDeque<Form>,
    walk: Walk,
}

impl<V: FnMut(&[u8], &[Layer]) -> bool> Search<'_, V> {
    /// Goes through all forms, breadth first.
    fn all(&mut self, value: &[u8]) {
        let mut expanded: HashSet<u64> = HashSet::new();
        self.open(value, &[], 0);
        while let Some(form) = self.found.pop_front() {
            let spent = self.way == Way::Apart && self.allowance.0 == 0;
            if self.walk == Walk::Over || spent {
                self.found.push_front(form);
                break;
            }
            if expanded.insert(form.hash) {
                self.open(&form.bytes, &form.taken, form.level);
            }
            self.unwrapper.give_back(form.bytes);
        }
        if !self.found.is_empty() {
            self.walk = self.walk.and(Walk::Limited);
            self.found.clear();
        }
    }

    /// Takes the layers off one form.
    fn open(&mut self, form: &[u8], taken: &[Layer], level: usize) {
        let own = triggers_in(form);
        if own == 0 && !base64::may_be(form) {
            return;
        }
        if level >= self.unwrapper.limits.depth {
            self.walk = self.walk.and(Walk::Limited);
            return;
        }
        if looks_like_json(form) {
            self.json(form, taken, level);
        }
        let mut together = Form {
            bytes: self.unwrapper.buffers.pop().unwrap_or_default(),
            taken: taken.to_vec(),
            level: level + 1,
            hash: 0,
        };
        let mut out = self.unwrapper.buffers.pop().unwrap_or_default();
        let mut count = 0;
        let mut left = own;
        for (layer, decode) in DECODERS {
            if self.walk == Walk::Over {
                return;
            }
            let alone = self.way == Way::Apart || *layer == Layer::Base64 || count == 0;
            let (from, triggers) = match alone {
                true => (form, own),
                false => (&together.bytes[..], left),
            };
            if trigger(*layer).is_some_and(|bit| triggers & bit == 0) {
                continue;
            }
            // It costs a look, and at most as many bytes as there are.
            if self.unwrapper.work_left < from.len() {
                self.walk = self.walk.and(Walk::Limited);
                break;
            }
            out.clear();
            if !decode(from, &mut out) {
                continue;
            }
            self.unwrapper.work_left -= from.len();
            if self.way == Way::Apart || *layer == Layer::Base64 {
                let taken = [taken, &[*layer]].concat();
                let hash = self.unwrapper.hashes.hash_one(&out);
                self.tell(&out, hash, &taken);
                self.found.push_back(Form {
                    bytes: out.clone(),
                    taken,
                    level: level + 1,
                    hash,
                });
                continue;
            }
            count += 1;
            std::mem::swap(&mut together.bytes, &mut out);
            left = triggers_in(&together.bytes);
            together.taken.push(*layer);
            together.hash = self.unwrapper.hashes.hash_one(&together.bytes);
            // Where much was spent only what stands behind all of them is told.
            if self.allowance.0 > 0 {
                self.tell(&together.bytes, together.hash, &together.taken);
            }
        }
        self.several |= count > 1;
        if count > 0 {
            self.tell(&together.bytes, together.hash, &together.taken);
            self.found.push_back(together);
        } else {
            self.unwrapper.give_back(together.bytes);
        }
        self.unwrapper.give_back(out);
    }

    /// Tells a form, unless it was told before.
    fn tell(&mut self, form: &[u8], hash: u64, taken: &[Layer]) {
        if self.walk == Walk::Over || !self.unwrapper.told.insert(hash) {
            return;
        }
        self.allowance.spend(form);
        if !(self.visit)(form, taken) {
            self.walk = Walk::Over;
        }
    }

    fn json(&mut self, form: &[u8], taken: &[Layer], level: usize) {
        if !self.unwrapper.pay(form.len()) {
            self.walk = self.walk.and(Walk::Limited);
            return;
        }
        let made = || json::Reader::new(json::Limits::default());
        let mut reader = self.unwrapper.readers.pop().unwrap_or_else(made);
        reader.reset(KEPT);
        let taken = [taken, &[Layer::Json]].concat();
        let mut leaves = Leaves {
            search: self,
            taken,
            level: level + 1,
        };
        // What is broken was told as far as it could be read.
        let _ = reader.run(form, usize::MAX, &mut leaves);
        self.unwrapper.readers.push(reader);
    }
}
/// Bytes of a value of which all layers are taken off.
const SHORT: usize = 64 << 10;

/// Bytes of a buffer that are kept from one value to the next, and how many buffers.
const KEPT: usize = 16 << 10;
const BUFFERS: usize = 16;

/// Takes off one layer: writes what is behind it, and says whether that differs.
type Decode = fn(&[u8], &mut Vec<u8>) -> bool;

/// How many kinds of layers there are that do not part a value.
pub const KINDS: usize = DECODERS.len();

const DECODERS: &[(Layer, Decode)] = &[
    (Layer::Url, escapes::url),
    (Layer::PercentU, escapes::percent_u),
    (Layer::Escapes, escapes::backslashes),
    (Layer::Html, entities::decode),
    (Layer::Overlong, unicode::overlong),
    (Layer::Wide, unicode::wide),
    (Layer::Base64, base64::decode),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    On,
    /// Something was left out.
    Limited,
    /// Nothing more is wanted.
    Over,
}

impl Walk {
    const fn and(self, next: Self) -> Self {
        match (self, next) {
            (_, Self::Over) => Self::Over,
            (Self::On, next) => next,
            _ => self,
        }
    }
}

/// The texts and names in JSON.
struct Leaves<'s, 'u, V> {
    search: &'s mut Search<'u, V>,
    taken: Vec<Layer>,
    level: usize,
}

impl<V: FnMut(&[u8], &[Layer]) -> bool> super::Sink for Leaves<'_, '_, V> {
    fn pair(&mut self, _: &[u8], value: &[u8]) -> bool {
        let hash = self.search.unwrapper.hashes.hash_one(value);
        self.search.tell(value, hash, &self.taken);
        if may_hold(value) {
            self.search.found.push_back(Form {
                bytes: value.to_vec(),
                taken: self.taken.clone(),
                level: self.level,
                hash,
            });
        }
        self.search.walk != Walk::Over
    }

    fn leaf(&mut self, leaf: &json::Leaf<'_>) -> bool {
        if !self.search.unwrapper.pay(leaf.name.len()) {
            self.search.walk = self.search.walk.and(Walk::Limited);
            return false;
        }
        if leaf.kind == json::Kind::Text {
            return self.pair(leaf.name, leaf.value);
        }
        true
    }
}

/// Without which byte there is none of a layer.
const fn trigger(layer: Layer) -> Option<u8> {
    match layer {
        Layer::Url | Layer::PercentU => Some(PERCENT),
        Layer::Escapes => Some(BACKSLASH),
        Layer::Html => Some(AMPERSAND),
        Layer::Overlong => Some(OVERLONG),
        Layer::Wide => Some(WIDE),
        Layer::Base64 | Layer::Json => None,
    }
}

fn triggers_in(value: &[u8]) -> u8 {
    value
        .iter()
        .fold(0, |all, byte| all | TRIGGERS[usize::from(*byte)])
}

/// Whether there may be a layer in it.
fn may_hold(value: &[u8]) -> bool {
    triggers_in(value) != 0 || base64::may_be(value)
}

fn looks_like_json(value: &[u8]) -> bool {
    matches!(value.trim_ascii(), [b'{', .., b'}'] | [b'[', .., b']'])
}
