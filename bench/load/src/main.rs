//! Origin and load generator of the benchmark, in one small program.
//!
//! `lockgate-load origin` answers every request with the same JSON;
//! `closed` keeps a number of connections busy, each sending its next request
//! when it has its answer; `open` sends at a fixed rate whatever the answers
//! do; `idle` opens connections, uses each once, and holds them.
//!
//! Each is one thread on one epoll, so that on a machine of two cores the
//! proxy in the middle is what is measured. Results are one line of JSON.

mod args;
mod client;
mod closed;
mod histogram;
mod http;
mod idle;
mod open;
mod origin;
mod poller;

use std::process::ExitCode;

const USAGE: &str = "usage: lockgate-load MODE [--option value ...]
  origin  --body-bytes N                                     prints its address; ends when stdin closes
  closed  --target ADDR --requests FILE --connections N --seconds S --body-bytes N [--count N]
  open    --target ADDR --requests FILE --connections N --seconds S --body-bytes N --rate R
  idle    --target ADDR --requests FILE --connections N --body-bytes N    holds until stdin closes";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let mode = words.next().unwrap_or_default();
    let outcome = args::Args::parse(words).and_then(|args| match mode.as_str() {
        "origin" => origin::run(&args),
        "closed" => closed::run(&args),
        "open" => open::run(&args),
        "idle" => idle::run(&args),
        other => Err(format!("unknown mode {other:?}\n{USAGE}")),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("lockgate-load: {message}");
            ExitCode::from(2)
        }
    }
}
