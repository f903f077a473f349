//! What policies cost for each request.

// A measurement reads the clock; the crate itself may not.
#![allow(clippy::disallowed_methods)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![cfg(target_os = "linux")]

mod device;
mod entitled;
mod owned;
mod place;
mod token;
