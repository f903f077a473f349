//! Origin and load generator of the benchmark: one program, one thread, one epoll.
//!
//! It answers every request that a proxy sends it with the same JSON, and
//! reads orders on standard input, one a line, words between tabs:
//! `closed` keeps a number of connections busy, each sending its next request
//! when it has its answer; `messages` does the same with messages over WebSockets; `open` sends at a fixed rate whatever the answers
//! do; `handshakes` makes new ones, one
//! after the other; `idle` opens connections, uses each once, and holds them until `release`.
//! Each order is answered by one line of JSON.
//!
//! While a run lasts it polls without ever sleeping. A process that sleeps must
//! be woken by the one that writes to it, and that costs the writer an interrupt
//! to the other core: under a hypervisor more than the whole rest of a request,
//! and the more often the slower the proxy is. Real clients are on another
//! machine and cost a proxy nothing of the kind.

mod args;
mod calls;
mod client;
mod closed;
mod frames;
mod handshakes;
mod histogram;
mod http;
mod idle;
mod open;
mod origin;
mod poller;
mod stage;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words = std::env::args().skip(1);
    match args::Args::parse(words).and_then(|args| stage::Stage::new(&args)?.serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("lockgate-load: {message}");
            ExitCode::from(2)
        }
    }
}
