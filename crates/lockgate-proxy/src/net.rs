//! Sockets: who gets one, and that nobody holds one for longer than the
//! configuration says.

use std::cell::RefCell;
use std::rc::Rc;

mod deadline;
mod listen;
mod reserve;

pub use deadline::{BodyRefusal, ConnectionState, Trip, Waiting, Watch};
pub use listen::{bind, Admission, Permit};
pub use reserve::{out_of_descriptors, Reserve};

/// One read buffer for all connections of a worker: nothing stays in it.
pub type Scratch = Rc<RefCell<Box<[u8]>>>;
