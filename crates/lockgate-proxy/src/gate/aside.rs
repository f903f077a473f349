//! Work in a thread that ends with it.

use std::panic::resume_unwind;
use std::thread;

/// Does work that uses much more memory than it leaves behind. The allocator keeps
/// what a thread has used for that thread; what one that has ended used and freed
/// goes back to the machine (see `ALLOCATOR` in the supervisor). For compiling
/// rules that is a third of all.
pub fn aside<T: Send>(work: impl Fn() -> T + Sync) -> T {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("lockgate-load".into());
        match builder.spawn_scoped(scope, &work) {
            Ok(working) => working.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // No thread is to be had: the work matters more than the memory.
            Err(_) => work(),
        }
    })
}
