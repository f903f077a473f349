//! Lockgate's rule engine. No I/O, no clock of its own.
//!
//! | module | what it does |
//! |---|---|
//! | [`seclang`] | reads rule files into [`rule::Rules`], or says what is wrong with them and where |
//! | [`rule`] | what rules say, once they are read |
//! | [`transform`] | what is made of a value before an operator looks at it |
//! | [`operators`] | what is asked of a value |
//! | [`filter`] | which of all patterns may match a value at all |
//! | [`libinjection`] | whether a value is SQL or HTML that somebody slipped in, as libinjection tells it |
//! | [`detect`] | detectors of our own, which understand what they read |
//! | [`wide`] | texts in UTF-16 and UTF-32 as UTF-8 |

pub mod bytes;
pub mod detect;
pub mod engine;
pub mod filter;
pub mod libinjection;
pub mod operators;
pub mod rule;
pub mod seclang;
pub mod transform;
pub mod wide;
