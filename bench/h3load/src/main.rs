//! Load generator over HTTP/3: few connections with many requests under way on each, as h2load does over HTTP/2.
//!
//! `lockgate-h3load TARGET AUTHORITY_FILE HOST PATH CONNECTIONS STREAMS COUNT BODY_BYTES` makes COUNT requests, each of
//! which must be answered with 200 and so many bytes, and prints one line of JSON. A connection counts from its
//! handshake on.

use bytes::Buf;
use http::Request;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, TransportConfig};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::CertificateDer;
use rustls::RootCertStore;
use std::cell::Cell;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

const PATIENCE: Duration = Duration::from_secs(10);
const USAGE: &str = "TARGET AUTHORITY_FILE HOST PATH CONNECTIONS STREAMS COUNT BODY_BYTES";

type Sender = h3::client::SendRequest<h3_quinn::OpenStreams, bytes::Bytes>;

struct Run {
    target: SocketAddr,
    authority: String,
    host: String,
    path: String,
    connections: usize,
    streams: usize,
    count: u64,
    body_bytes: usize,
}

impl Run {
    fn parse(words: &[String]) -> Result<Self, String> {
        let [target, authority, host, path, connections, streams, count, body_bytes] = words else {
            return Err(format!("usage: lockgate-h3load {USAGE}"));
        };
        let target: SocketAddr = target.parse().map_err(told)?;
        if !matches!(target.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
            return Err(format!("{target} is not in 127.0.0.0/8"));
        }
        Ok(Self {
            target,
            authority: authority.clone(),
            host: host.clone(),
            path: path.clone(),
            connections: connections.parse().map_err(told)?,
            streams: streams.parse().map_err(told)?,
            count: count.parse().map_err(told)?,
            body_bytes: body_bytes.parse().map_err(told)?,
        })
    }

    fn client(&self) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        for each in CertificateDer::pem_file_iter(&self.authority).map_err(told)? {
            roots.add(each.map_err(told)?).map_err(told)?;
        }
        let mut tls = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let quic = QuicClientConfig::try_from(tls).map_err(told)?;
        let mut client = ClientConfig::new(Arc::new(quic));
        let mut transport = TransportConfig::default();
        transport.mtu_discovery_config(None);
        client.transport_config(Arc::new(transport));
        Ok(client)
    }
}

fn told(error: impl Display) -> String {
    error.to_string()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match LocalSet::new().run_until(run(&words)).await {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("lockgate-h3load: {message}");
            ExitCode::from(2)
        }
    }
}

async fn run(words: &[String]) -> Result<String, String> {
    let run = Rc::new(Run::parse(words)?);
    let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).map_err(told)?;
    endpoint.set_default_client_config(run.client()?);
    let mut senders = Vec::with_capacity(run.connections);
    for _ in 0..run.connections {
        senders.push(connect(&endpoint, &run).await?);
    }
    let left = Rc::new(Cell::new(run.count));
    let start = Instant::now();
    let mut tasks = Vec::with_capacity(run.connections * run.streams);
    for sender in &senders {
        for _ in 0..run.streams {
            let work = requests(sender.clone(), Rc::clone(&run), Rc::clone(&left));
            tasks.push(tokio::task::spawn_local(work));
        }
    }
    let mut made = 0;
    for task in tasks {
        made += task.await.map_err(told)??;
    }
    let seconds = start.elapsed().as_secs_f64();
    drop(senders);
    endpoint.close(0u32.into(), b"");
    Ok(format!("{{\"requests\":{made},\"seconds\":{seconds:.6}}}"))
}

async fn connect(endpoint: &Endpoint, run: &Run) -> Result<Sender, String> {
    let connecting = endpoint.connect(run.target, &run.host).map_err(told)?;
    let connection = tokio::time::timeout(PATIENCE, connecting)
        .await
        .map_err(told)?
        .map_err(told)?;
    // A frame of no meaning after the head would make the request one with a body to whoever reads it as it comes.
    let (mut driver, sender) = h3::client::builder()
        .send_grease(false)
        .build(h3_quinn::Connection::new(connection))
        .await
        .map_err(told)?;
    tokio::task::spawn_local(async move { driver.wait_idle().await });
    Ok(sender)
}

/// One request after the other until enough have been made; gives how many were made here.
async fn requests(mut sender: Sender, run: Rc<Run>, left: Rc<Cell<u64>>) -> Result<u64, String> {
    let url = format!("https://{}{}", run.host, run.path);
    let mut made = 0;
    while let Some(rest) = left.get().checked_sub(1) {
        left.set(rest);
        let request = Request::get(&url)
            .header("accept", "application/json")
            .body(())
            .map_err(told)?;
        let answered = tokio::time::timeout(PATIENCE, request_one(&mut sender, request)).await;
        let (status, bytes) = answered.map_err(told)??;
        if status != 200 || bytes != run.body_bytes {
            return Err(format!("answered {status} with {bytes} bytes"));
        }
        made += 1;
    }
    Ok(made)
}

async fn request_one(sender: &mut Sender, request: Request<()>) -> Result<(u16, usize), String> {
    let mut stream = sender.send_request(request).await.map_err(told)?;
    stream.finish().await.map_err(told)?;
    let status = stream
        .recv_response()
        .await
        .map_err(told)?
        .status()
        .as_u16();
    let mut bytes = 0;
    while let Some(part) = stream.recv_data().await.map_err(told)? {
        bytes += part.remaining();
    }
    Ok((status, bytes))
}
