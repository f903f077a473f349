//! What hyper does with bytes that no guard has looked at.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Bytes, body::Incoming, service::service_fn, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How many bytes the pipe between the two ends holds: more than any vector.
const PIPE: usize = 1 << 20;

/// What a hyper server made of a stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Served {
    /// One line per request that the service saw: method, target, fate of the body.
    pub requests: Vec<String>,
    /// Requests whose body was whole.
    pub whole: usize,
    /// Status codes that came back, in order.
    pub statuses: Vec<String>,
    /// hyper gave the connection up, and not because more was to come.
    pub gave_up: bool,
}

/// Gives `input` to a hyper server that answers 200 to whatever it reads whole.
pub fn serve(input: &[u8]) -> Served {
    runtime().block_on(async {
        let (mut client, server) = tokio::io::duplex(PIPE);
        let seen = Arc::new(Mutex::new(Served::default()));
        let service = service_fn(|request: Request<Incoming>| {
            let seen = Arc::clone(&seen);
            async move {
                let line = format!("{} {}", request.method(), request.uri());
                let whole = request.into_body().collect().await.is_ok();
                let mut seen = seen.lock().unwrap();
                seen.requests.push(line);
                seen.whole += usize::from(whole);
                drop(seen);
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .serve_connection(TokioIo::new(server), service);
        let talk = async {
            client.write_all(input).await.unwrap();
            // The end of the stream: hyper answers what it can, and closes.
            client.shutdown().await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let (result, answer) = tokio::join!(connection, talk);
        let mut served = seen.lock().unwrap().clone();
        served.gave_up = result.is_err_and(|error| !error.is_incomplete_message());
        served.statuses = String::from_utf8_lossy(&answer)
            .split("HTTP/1.")
            .filter_map(|part| part.get(2..5).map(str::to_owned))
            .filter(|status| status != "100")
            .collect();
        served
    })
}

/// What a hyper client made of an answer to its GET: the status, or the error.
pub fn ask(answer: &[u8]) -> Result<u16, String> {
    runtime().block_on(async {
        let (client, mut server) = tokio::io::duplex(PIPE);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client))
            .await
            .unwrap();
        let request = Request::get("/")
            .header("host", "a")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let exchange = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| error.to_string())?;
            let status = response.status().as_u16();
            response
                .into_body()
                .collect()
                .await
                .map_err(|error| error.to_string())?;
            Ok(status)
        };
        let serve = async {
            let mut head = [0; 1024];
            assert!(
                server.read(&mut head).await.unwrap() > 0,
                "the client must ask"
            );
            server.write_all(answer).await.unwrap();
            drop(server);
        };
        let (_, result, ()) = tokio::join!(connection, exchange, serve);
        result
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}
