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

/// Takes layers off; keeps its buffers from value to value.
#[derive(Debug, Default)]
pub struct Unwrapper {
    limits: Limits,
    buffers: Vec<Vec<u8>>,
    readers: Vec<json::Reader>,
    taken: Vec<Layer>,
    work_left: usize,
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

    /// Calls `visit` with each form that is within `value`, and the layers that
    /// were taken off, outermost first; `value` itself is not told. A form may
    /// come more than once, by different ways. Ends when `visit` says false,
    /// or a limit is reached.
    ///
    /// Returns false if something was left out for a limit's sake.
    pub fn unwrap(
        &mut self,
        value: &[u8],
        visit: &mut impl FnMut(&[u8], &[Layer]) -> bool,
    ) -> bool {
        if !may_hold(value) {
            return true;
        }
        let short = value.len().min(SHORT);
        let beyond = value.len() - short;
        self.work_left = (short * 8)
            .saturating_add(beyond.saturating_mul(2))
            .saturating_add(self.limits.work);
        self.taken.clear();
        !matches!(self.walk(value, visit), Walk::Limited)
    }

    fn walk(&mut self, value: &[u8], visit: &mut impl FnMut(&[u8], &[Layer]) -> bool) -> Walk {
        if !may_hold(value) {
            return Walk::On;
        }
        if self.taken.len() >= self.limits.depth {
            return Walk::Limited;
        }
        let mut out = self.buffers.pop().unwrap_or_default();
        let mut walk = Walk::On;
        let triggers = triggers_in(value);
        for (layer, decode) in DECODERS {
            if trigger(*layer).is_some_and(|bit| triggers & bit == 0) {
                continue;
            }
            // It costs a look, and at most as many bytes as there are.
            let Some(left) = self.work_left.checked_sub(value.len()) else {
                walk = Walk::Limited;
                break;
            };
            out.clear();
            if !decode(value, &mut out) {
                continue;
            }
            self.work_left = left;
            walk = walk.and(self.told(*layer, &out, visit));
            if walk == Walk::Over {
                break;
            }
        }
        out.clear();
        self.buffers.push(out);
        if walk == Walk::Over || !looks_like_json(value) {
            return walk;
        }
        walk.and(self.json(value, visit))
    }

    /// Tells a form, and goes on within it.
    fn told(
        &mut self,
        layer: Layer,
        form: &[u8],
        visit: &mut impl FnMut(&[u8], &[Layer]) -> bool,
    ) -> Walk {
        self.taken.push(layer);
        let walk = match visit(form, &self.taken) {
            true => self.walk(form, visit),
            false => Walk::Over,
        };
        self.taken.pop();
        walk
    }

    fn json(&mut self, value: &[u8], visit: &mut impl FnMut(&[u8], &[Layer]) -> bool) -> Walk {
        let Some(left) = self.work_left.checked_sub(value.len()) else {
            return Walk::Limited;
        };
        self.work_left = left;
        let made = || json::Reader::new(json::Limits::default());
        let mut reader = self.readers.pop().unwrap_or_else(made);
        reader.reset(KEPT);
        let mut leaves = Leaves {
            unwrapper: self,
            visit,
            walk: Walk::On,
        };
        // What is broken was told as far as it could be read.
        let _ = reader.run(value, usize::MAX, &mut leaves);
        let walk = leaves.walk;
        self.readers.push(reader);
        walk
    }
}

/// Bytes of a value of which all layers are taken off.
const SHORT: usize = 64 << 10;

/// Bytes of a buffer that are kept from one value to the next.
const KEPT: usize = 16 << 10;

/// Takes off one layer: writes what is behind it, and says whether that differs.
type Decode = fn(&[u8], &mut Vec<u8>) -> bool;

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
struct Leaves<'a, V> {
    unwrapper: &'a mut Unwrapper,
    visit: &'a mut V,
    walk: Walk,
}

impl<V: FnMut(&[u8], &[Layer]) -> bool> super::Sink for Leaves<'_, V> {
    fn pair(&mut self, _: &[u8], value: &[u8]) -> bool {
        let walk = self.unwrapper.told(Layer::Json, value, self.visit);
        self.walk = self.walk.and(walk);
        self.walk != Walk::Over
    }

    fn leaf(&mut self, leaf: &json::Leaf<'_>) -> bool {
        let Some(left) = self.unwrapper.work_left.checked_sub(leaf.name.len()) else {
            self.walk = Walk::Limited;
            return false;
        };
        self.unwrapper.work_left = left;
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
