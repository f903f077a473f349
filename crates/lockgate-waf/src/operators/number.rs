//! Numbers: `@eq`, `@ge`, `@gt`, `@le`, `@lt`.

use crate::rule::Template;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// `@eq`.
    Equal,
    /// `@ge`.
    NotLess,
    /// `@gt`.
    Greater,
    /// `@le`.
    NotGreater,
    /// `@lt`.
    Less,
}

/// A comparison with a number.
#[derive(Debug)]
pub struct Number {
    order: Order,
    argument: Argument,
}

#[derive(Debug)]
enum Argument {
    Fixed(i64),
    Expanded(Template),
}

impl Number {
    pub(super) fn new(order: Order, argument: &Template) -> Self {
        let argument = match argument.constant() {
            Some(text) => Argument::Fixed(leading(text)),
            None => Argument::Expanded(argument.clone()),
        };
        Self { order, argument }
    }

    /// What the caller has to expand.
    pub(super) fn argument(&self) -> Option<&Template> {
        match &self.argument {
            Argument::Fixed(_) => None,
            Argument::Expanded(template) => Some(template),
        }
    }

    pub(super) fn holds(&self, value: &[u8], expanded: &[u8]) -> bool {
        let expanded = match &self.argument {
            Argument::Fixed(_) => 0,
            Argument::Expanded(_) => leading(expanded),
        };
        self.compares(leading(value), expanded)
    }

    /// Whether it holds for a number; `expanded` is the argument's, where that
    /// has to be expanded.
    #[must_use]
    pub const fn compares(&self, value: i64, expanded: i64) -> bool {
        let argument = match &self.argument {
            Argument::Fixed(number) => *number,
            Argument::Expanded(_) => expanded,
        };
        match self.order {
            Order::Equal => value == argument,
            Order::NotLess => value >= argument,
            Order::Greater => value > argument,
            Order::NotGreater => value <= argument,
            Order::Less => value < argument,
        }
    }
}

/// The number that text begins with, as C's `atoll` reads it: white space, a
/// sign, decimal digits. 0 where there is none; what does not fit is the
/// greatest, or the least, that does.
#[must_use]
pub fn leading(text: &[u8]) -> i64 {
    let mut rest = text;
    while let [b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r', after @ ..] = rest {
        rest = after;
    }
    let (negative, digits) = match rest {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let mut number = 0_i64;
    for byte in digits {
        let digit @ 0..=9 = byte.wrapping_sub(b'0') else {
            break;
        };
        let digit = if negative {
            -i64::from(digit)
        } else {
            i64::from(digit)
        };
        number = number.saturating_mul(10).saturating_add(digit);
    }
    number
}
