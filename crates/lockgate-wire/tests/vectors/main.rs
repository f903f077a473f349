//! Every case of `tests/vectors/framing.yaml` and `tests/vectors/target.yaml`, and what must hold
//! for any bytes at all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
// The crate is pure; the test that writes its page is not.
#![allow(clippy::disallowed_methods)]

mod framing;
mod properties;
mod support;
mod table;
mod target;
