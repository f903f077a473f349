use std::net::{Ipv4Addr, TcpListener};
use std::time::Instant;

use super::*;

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// An address at which nobody listens.
fn closed() -> SocketAddr {
    listener().1
}

#[tokio::test]
async fn an_address_that_refuses_costs_nothing() {
    let (_kept, open) = listener();
    let begun = Instant::now();
    let socket = Socket::tcp(&[closed(), closed(), open])
        .await
        .expect("one listens");
    assert_eq!(socket.peer(), Some(open));
    assert!(begun.elapsed() < STAGGER);
}

#[tokio::test]
async fn an_address_that_says_nothing_keeps_the_next_waiting_for_a_moment_only() {
    // A backlog that is full takes no connection and refuses none.
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
        .expect("there is a socket");
    let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    silent.bind(&any.into()).expect("a port is free");
    silent.listen(0).expect("it listens");
    let full = silent
        .local_addr()
        .ok()
        .and_then(|own| own.as_socket())
        .expect("it is bound");
    let fillers: Vec<_> = (0..4)
        .map(|_| {
            let filler = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
                .expect("a socket");
            filler.set_nonblocking(true).expect("it is a socket");
            let _ = filler.connect(&full.into());
            filler
        })
        .collect();
    let (_kept, open) = listener();
    let socket = Socket::tcp(&[full, open]).await.expect("one listens");
    assert_eq!(socket.peer(), Some(open));
    drop(fillers);
}

#[tokio::test]
async fn the_last_refusal_is_told() {
    let error = Socket::tcp(&[closed(), closed()])
        .await
        .expect_err("nobody listens");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(Socket::tcp(&[]).await.is_err());
}
