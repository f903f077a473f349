//! A real socket, and a client at its other end, for the tests of several rooms.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream as Socket};

use tokio::net::TcpStream;

use super::*;
use crate::net::Incoming;
use crate::testing::{bundle, snapshot};

/// A connection over which a client says `raw`; then it waits, or `goes` away.
pub(crate) async fn connected(raw: Vec<u8>, goes: bool) -> (Client, Rc<ConnectionState>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        let mut client = Socket::connect(address).expect("somebody listens");
        // The gate may have heard enough before all was said.
        let _ = client.write_all(&raw);
        if goes {
            let _ = client.shutdown(Shutdown::Write);
        }
        let _ = client.read_to_end(&mut Vec::new());
    });
    let (stream, _) = listener.accept().expect("somebody comes");
    stream.set_nonblocking(true).expect("a socket can wait");
    let listener = &snapshot(bundle(Vec::new())).listeners[0];
    let state = ConnectionState::new([127, 0, 0, 1].into(), listener, 80, 0);
    let client = Client::new(
        Stream::Plain(Incoming::Tcp(
            TcpStream::from_std(stream).expect("a runtime is here"),
        )),
        HeadLimits::default(),
        Rc::clone(&state),
        Clock::default(),
        Rc::new(RefCell::new(vec![0; 64 * 1024].into())),
        Default::default(),
    );
    (client, state)
}

/// What `serve` makes of the body of the request that `raw` begins with.
pub(crate) fn said<F: Future>(
    raw: &[u8],
    goes: bool,
    serve: impl FnOnce(Upload, Rc<ConnectionState>) -> F,
) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime is to be had");
    runtime.block_on(async {
        let (mut client, state) = connected(raw.to_vec(), goes).await;
        let next = std::future::poll_fn(|cx| client.poll_next(cx)).await;
        assert!(matches!(next, Next::Request(_)), "a request was said");
        serve(Upload::Http1(Rc::new(RefCell::new(client))), state).await
    })
}
