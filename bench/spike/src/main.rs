//! The least that a proxy of hyper can do: one thread, one pool, no policy, no
//! checks, no events. What Lockgate costs above this is Lockgate's own.
//!
//! `lockgate-spike LISTEN ORIGIN`

use hyper::body::Incoming;
use hyper::client::conn::http1::{handshake, SendRequest};
use hyper::header::{CONNECTION, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{spawn_local, LocalSet};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Pool = Rc<RefCell<VecDeque<SendRequest<Incoming>>>>;

fn main() -> Result<(), Error> {
    let mut words = std::env::args().skip(1);
    let first = words.next().ok_or("LISTEN is missing")?;
    if first == "--version" {
        println!("{}", env!("CARGO_PKG_VERSION"));
        return Ok(());
    }
    let listen: SocketAddr = first.parse()?;
    let origin: SocketAddr = words.next().ok_or("ORIGIN is missing")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, serve(listen, origin))
}

async fn serve(listen: SocketAddr, origin: SocketAddr) -> Result<(), Error> {
    let listener = TcpListener::bind(listen).await?;
    let pool = Pool::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let pool = pool.clone();
        let service = service_fn(move |request| forward(request, origin, pool.clone()));
        spawn_local(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn forward(
    mut request: Request<Incoming>,
    origin: SocketAddr,
    pool: Pool,
) -> Result<Response<Incoming>, Error> {
    request.headers_mut().remove(CONNECTION);
    // Used in turn, the one that waited longest has long since taken its last answer's end.
    let pooled = pool.borrow_mut().pop_front();
    let mut sender = match pooled {
        Some(sender) if sender.is_ready() => sender,
        _ => connect(origin).await?,
    };
    let mut response = sender.send_request(request).await?;
    response.headers_mut().remove(CONNECTION);
    response.headers_mut().remove(TRANSFER_ENCODING);
    pool.borrow_mut().push_back(sender);
    Ok(response)
}

async fn connect(origin: SocketAddr) -> Result<SendRequest<Incoming>, Error> {
    let stream = TcpStream::connect(origin).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    spawn_local(connection);
    Ok(sender)
}
