//! Sockets: who gets one, and that nobody holds one for longer than the
//! configuration says.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::net::TcpStream;

mod deadline;
mod endpoint;
mod listen;
mod proxied;
mod received;
mod reserve;
mod source;
mod stream;
mod unix;

pub use deadline::{ConnectionState, Overdue, Trip, Waiting, Watch};
pub use endpoint::{socket_path, Endpoint, MAX_SOCKET_PATH, NO_ADDRESS, UNIX};
pub use listen::{
    bind, bind_datagrams, holder, share, share_datagrams, Admission, Each, Full, ListeningSocket,
    Permit,
};
pub use proxied::client_of;
pub use received::{BodyRefusal, RequestBody};
pub use reserve::{out_of_descriptors, Reserve};
pub use source::{Ends, Source};
pub use stream::{Acceptor, Incoming, Stream};
pub use unix::{bind_unix, Door, SocketFile};

/// Acknowledges what has come, at once. Whoever sends head and body apart with
/// Nagle's algorithm on holds the body back until then, and the kernel puts it
/// off for some 40 ms (RFC 1122 section 4.2.3.2).
pub fn acknowledge(stream: &TcpStream) {
    // Only a matter of speed, and elsewhere there is no way to ask for it.
    #[cfg(target_os = "linux")]
    let _ = stream.set_quickack(true);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

/// One read buffer for all connections of a worker: nothing stays in it.
pub type Scratch = Rc<RefCell<Box<[u8]>>>;
