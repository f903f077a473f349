//! A TLS client's first message, and the fingerprint JA4 that is made of it.
//!
//! Programs differ in what their TLS libraries offer, and a bot that calls
//! itself a browser in User-Agent seldom offers what that browser does. JA4
//! (by FoxIO, BSD-licensed) writes the offer in a short text such as
//! `t13d1516h2_8daaf6152771_e5627efa2ab1`.
//!
//! Nothing here refuses anything: the TLS library judges the same bytes. What
//! is not understood has no fingerprint.

mod ja4;
mod parse;
mod records;
#[cfg(test)]
mod tests;

pub use ja4::{Ja4, Parts};
pub use parse::ClientHello;
pub use records::{Progress, Reader, MAX_MESSAGE};
