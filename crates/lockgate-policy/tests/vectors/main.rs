//! Every case of the policies' files in `tests/vectors`, against the policies
//! themselves. Python runs the same cases against the whole engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod basic;
mod introspection;
mod limits;
mod rooms;
mod signature;
mod signed;
mod token;
mod waf;
mod webhook;
