//! Whether a value is SQL or HTML that somebody slipped in: the method of libinjection.
//!
//! [`sqli`] reads a value as pieces of SQL, as it stands and as what follows an open
//! quote, folds what says the same into one, and looks the first five token types up
//! in a table of what attacks come to. [`xss`] reads it as HTML, as it stands and as
//! what follows an attribute's open quote, and asks for tags, attributes and
//! addresses that run code.
//!
//! The verdict is that of the C library which ModSecurity 3.0.15 carries (its version
//! 4), on every byte string, with one exception: where a byte 0xFF stands before an
//! attribute's name or value, the C library takes it for the end of the value if the
//! platform's `char` is signed, and misses what follows. Here it never is the end.
//!
//! The tables are libinjection's and stand under its licence (`NOTICE`); the code is
//! ours. Nothing here allocates, calls itself or takes more than linear time.

mod fold;
mod html;
mod names;
mod sql;
mod sqli;
mod token;
mod words;
mod xss;

pub use sqli::{cannot_be_sqli, sqli, Fingerprint, SQLI_NEEDS};
pub use xss::{cannot_be_xss, xss, XSS_NEEDS};

#[cfg(test)]
mod tests;
