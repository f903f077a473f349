//! Listeners of a bundle: where they are, whom they believe, and that nothing is
//! served in the clear unawares.

use std::sync::Arc;

use lockgate_policy::{ConfigError, Ranges};

use super::{at, passthrough, Surroundings};
use crate::bundle::{Listener, Protocol, UnixSocket, Upstream};
use crate::net::Endpoint;
use crate::snapshot::{CompiledListener, CompiledUpstream};

/// Among trusted proxies: whoever may connect to the socket in the file system.
const ANY_CALLER: &str = "unix";

pub(super) fn listener(
    index: usize,
    listener: &Listener,
    upstreams: (&[Upstream], &[Arc<CompiledUpstream>]),
    around: &Surroundings<'_>,
) -> Result<CompiledListener, Vec<ConfigError>> {
    let at = at(format!("/listeners/{index}"), listener.span);
    let address: Endpoint = listener
        .address
        .parse()
        .map_err(|message| vec![at(ConfigError::new("not-an-address", "/address", message))])?;
    let on_path = address.network().is_none();
    if let Some(error) = wrong_socket(listener, on_path) {
        return Err(vec![at(error)]);
    }
    let redirects = listener.redirect_port != 0;
    let safe = listener.tls.is_some() || redirects || listener.insecure.is_some();
    if !address.is_local() && !safe {
        let message = format!("plain HTTP on {address} wants `tls`, `redirect_to` a listener with TLS, `insecure: {{owner, reason, until}}`, or an address on loopback");
        return Err(vec![at(ConfigError::new(
            "insecure-listener",
            "/address",
            message,
        ))]);
    }
    if redirects && listener.tls.is_some() {
        let message = "a listener speaks TLS, or sends its clients to one that does";
        return Err(vec![at(ConfigError::new(
            "redirects-from-tls",
            "/redirect_port",
            message,
        ))]);
    }
    if listener.protocols.is_empty() {
        let message = "a listener without a protocol serves nobody";
        return Err(vec![at(ConfigError::new(
            "no-protocol",
            "/protocols",
            message,
        ))]);
    }
    let (trusted, trusts_callers) =
        trusted(&listener.trusted_proxies, on_path).map_err(|(place, message)| {
            vec![at(ConfigError::new(
                "not-a-network",
                format!("/trusted_proxies/{place}"),
                message,
            ))]
        })?;
    if listener.proxy_protocol && trusted.is_empty() && !trusts_callers {
        let message = "`proxy_protocol` is believed of `trusted_proxies` alone, and there are none";
        return Err(vec![at(ConfigError::new(
            "proxy-protocol-untrusted",
            "/proxy_protocol",
            message,
        ))]);
    }
    if listener.protocols.contains(&Protocol::Http3) {
        let message = if listener.tls.is_none() {
            Some("HTTP/3 is spoken over TLS: give the listener `tls`")
        } else if on_path {
            Some("HTTP/3 is spoken over UDP, which no socket in the file system is: take `h3` out")
        } else if listener.proxy_protocol {
            Some("over UDP nobody says by the PROXY protocol for whom he speaks: take `h3` out")
        } else {
            None
        };
        if let Some(message) = message {
            return Err(vec![at(ConfigError::new(
                "http3-impossible",
                "/protocols",
                message,
            ))]);
        }
    }
    let passthrough = passthrough::entries(listener.tls.as_ref(), upstreams)
        .map_err(|wrong| wrong.into_iter().map(&at).collect::<Vec<_>>())?;
    let tls = match (&listener.tls, around.tls) {
        (Some(wanted), Some(source)) => Some(
            source
                .tls(&listener.address, wanted, &listener.protocols)
                .map_err(|wrong| wrong.into_iter().map(at).collect::<Vec<_>>())?,
        ),
        _ => None,
    };
    Ok(CompiledListener {
        name: listener.name.as_str().into(),
        address,
        socket: listener.socket.clone(),
        trusted,
        trusts_callers,
        proxy_protocol: listener.proxy_protocol,
        secure: listener.tls.is_some(),
        tls,
        passthrough,
        protocols: listener.protocols.clone(),
        redirect_port: listener.redirect_port,
        public_port: listener.public_port,
        limits: Arc::new(listener.limits.clone()),
        insecure: listener.insecure.clone(),
    })
}

/// What is wrong with who may connect to a socket in the file system.
fn wrong_socket(listener: &Listener, on_path: bool) -> Option<ConfigError> {
    let socket = &listener.socket;
    if !on_path && *socket != UnixSocket::default() {
        let message = "who may connect is said of a socket in the file system alone";
        return Some(ConfigError::new("socket-needless", "/socket", message));
    }
    if socket.mode > 0o777 || socket.mode & 0o222 == 0 {
        let message = "a mode goes up to 0777, and lets somebody write: nobody else could connect";
        return Some(ConfigError::new("mode-malformed", "/socket/mode", message));
    }
    None
}

/// Networks that are believed, and whether the callers of a socket in the file system are.
fn trusted(said: &[String], on_path: bool) -> Result<(Ranges, bool), (usize, String)> {
    let mut networks = Vec::new();
    let mut places = Vec::new();
    for (place, network) in said.iter().enumerate() {
        if network != ANY_CALLER {
            networks.push(network.as_str());
            places.push(place);
        } else if !on_path {
            let message = "only the callers of a socket in the file system are `unix`";
            return Err((place, message.to_owned()));
        }
    }
    let ranges = Ranges::new(&networks).map_err(|(at, message)| (places[at], message))?;
    Ok((ranges, networks.len() < said.len()))
}
