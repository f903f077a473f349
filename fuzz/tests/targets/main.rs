//! Fuzz targets. `cargo test` runs each with random inputs for about a second, after what is kept
//! under `__fuzz__/NAME/{corpus,crashes}`; `BOLERO_RANDOM_TEST_TIME_MS` gives it longer, and
//! `cargo bolero test NAME` runs a coverage-guided engine.

mod codings;
mod connections;
mod content;
mod detect;
mod seclang;
mod signed;
mod transform;
mod watchers;
mod wire;
