//! Sockets, guarded: nothing reaches hyper that the framing guard did not pass,
//! and nobody holds a connection for longer than the configuration says.

mod client_io;
mod deadline;
mod listen;
mod reserve;

pub use client_io::{ClientIo, Scratch};
pub use deadline::{BodyRefusal, ConnectionState, Refusal, Trip, Watch};
pub use listen::{bind, Admission, Permit};
pub use reserve::{out_of_descriptors, Reserve};
