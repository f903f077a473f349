//! `@verifyCC`, `@verifyCPF`, `@verifySSN`, `@verifySVNR`: numbers that a pattern
//! finds, and whose digits agree with each other.

use std::ops::Range;

use super::{Caches, Rx};

/// Which numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// Payment cards (ISO/IEC 7812, annex B: Luhn's sum).
    Card,
    /// Brazil's Cadastro de Pessoas Físicas.
    Cpf,
    /// Social security numbers of the United States.
    Ssn,
    /// Austria's Sozialversicherungsnummer.
    Svnr,
}

/// A search for numbers.
#[derive(Debug)]
pub struct Verify {
    numbers: Numbers,
    rx: Rx,
}

/// How many times the value's length is searched at most with candidates that
/// overlap; then each search begins where the last candidate ended. So the cost
/// stays linear whatever the pattern.
const OVERLAPS: usize = 16;

impl Verify {
    pub(super) fn new(numbers: Numbers, rx: Rx) -> Self {
        Self { numbers, rx }
    }

    /// The first candidate that holds. A candidate may begin within another one.
    pub(super) fn find(&self, value: &[u8], caches: &mut Caches) -> Option<Range<usize>> {
        if !self.rx.is_match(value, caches) {
            return None;
        }
        let mut budget = value.len().saturating_mul(OVERLAPS);
        let mut from = 0;
        while from < value.len() {
            let found = self.rx.find_from(value, from, caches)?;
            if self.holds(value.get(found.clone()).unwrap_or_default()) {
                return Some(found);
            }
            let searched = found.end.saturating_sub(from);
            from = if budget >= searched {
                budget -= searched;
                found.start + 1
            } else {
                found.end.max(found.start + 1)
            };
        }
        None
    }

    /// Whether the digits of a candidate agree with each other.
    fn holds(&self, candidate: &[u8]) -> bool {
        let digits = candidate
            .iter()
            .filter(|byte| byte.is_ascii_digit())
            .map(|byte| u32::from(byte - b'0'));
        match self.numbers {
            Numbers::Card => luhn(digits),
            Numbers::Cpf => first_of(digits).is_some_and(cpf),
            Numbers::Ssn => exactly(digits).is_some_and(ssn),
            Numbers::Svnr => first_of(digits).is_some_and(svnr),
        }
    }
}

/// The first so many digits; more may follow.
fn first_of<const N: usize>(mut digits: impl Iterator<Item = u32>) -> Option<[u32; N]> {
    let mut first = [0; N];
    for place in &mut first {
        *place = digits.next()?;
    }
    Some(first)
}

/// So many digits, and no more.
fn exactly<const N: usize>(mut digits: impl Iterator<Item = u32>) -> Option<[u32; N]> {
    first_of(&mut digits).filter(|_| digits.next().is_none())
}

/// Luhn's sum: every second digit from the end counts twice, by its own digits.
fn luhn(digits: impl Iterator<Item = u32>) -> bool {
    let double = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    // Both ways at once: which one it is, is known at the end.
    let (mut even, mut odd, mut count) = (0, 0, 0_usize);
    for digit in digits {
        (even, odd) = (odd + double(digit), even + digit);
        count += 1;
    }
    count > 0 && odd % 10 == 0
}

/// Whether all are the same, or each is one more than the last.
fn is_run(digits: &[u32]) -> bool {
    digits.windows(2).all(|two| two[0] == two[1])
        || digits.windows(2).all(|two| (two[0] + 1) % 10 == two[1])
}

/// Two check digits, modulo 11.
fn cpf(digits: [u32; 11]) -> bool {
    let check = |count: u32| {
        let weights = (2..=count + 1).rev();
        let sum: u32 = digits
            .iter()
            .zip(weights)
            .map(|(digit, weight)| digit * weight)
            .sum();
        match sum % 11 {
            0 | 1 => 0,
            rest => 11 - rest,
        }
    };
    !is_run(&digits) && check(9) == digits[9] && check(10) == digits[10]
}

/// Area, group and serial number; none of them zero, no area that is not given out.
fn ssn(digits: [u32; 9]) -> bool {
    let number = |part: &[u32]| part.iter().fold(0, |number, digit| number * 10 + digit);
    let same = digits.windows(2).all(|two| two[0] == two[1]);
    let rising = digits.windows(2).all(|two| two[0] + 1 == two[1]);
    let (area, rest) = digits.split_at(3);
    let (group, serial) = rest.split_at(2);
    let area = number(area);
    !same
        && !rising
        && (1..740).contains(&area)
        && area != 666
        && number(group) != 0
        && number(serial) != 0
}

/// The fourth digit is the check digit, modulo 11.
fn svnr(digits: [u32; 10]) -> bool {
    let weights = [3, 7, 9, 0, 5, 8, 4, 2, 1, 6];
    let sum: u32 = digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum();
    !is_run(&digits) && sum % 11 % 10 == digits[3]
}
