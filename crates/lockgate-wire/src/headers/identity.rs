//! Headers that say who is calling, or from where. Upstreams believe them
//! because a gate sets them; so nobody outside may.

use http::{HeaderMap, HeaderName};

/// Names, and beginnings of names (those that end with `*`), in lower case.
/// Where one comes from stands behind it; the gate's own come last.
pub(super) const IDENTITY: &[&str] = &[
    // Where the request came from.
    "forwarded",                // RFC 7239
    "x-forwarded*", // -For, -Proto, -Host, -Port, -Prefix, -User, -Client-Cert (Envoy), -Access-Token
    "x-original-forwarded-for", // ingress-nginx
    "x-real-ip",    // nginx
    "x-client-ip",
    "x-cluster-client-ip",
    "x-originating-ip",
    "x-remote*", // -IP, -Addr, -User, -Group (Kubernetes' authenticating proxy)
    "x-azure-clientip",
    "x-appengine-user-ip",
    "x-scheme",
    "x-url-scheme",
    "front-end-https",
    "true-client-ip", // Akamai, Cloudflare
    "cf-connecting*", // Cloudflare
    "fly-client-ip",
    "client-ip",       // PHP reads HTTP_CLIENT_IP
    "proxy-client-ip", // WebLogic
    "wl-proxy-client-ip",
    "x-forward-for",
    "x-proxyuser-ip",
    "x-host",
    // CGI makes HTTP_PROXY of it (CVE-2016-5385).
    "proxy",
    "fastly-client-ip",
    // What was asked for, in place of the request line: Symfony, IIS.
    "x-original-url",
    "x-original-uri",
    "x-original-method",
    "x-original-host",
    "x-http-method*", // -Override: Rails, Express, Spring
    "x-method-override",
    "x-rewrite-url",
    // Who is calling.
    "x-user*", // -Id, -Name, -Email, X-Username
    "x-authenticated*",
    "x-auth-request*", // oauth2-proxy
    "x-webauth*",      // Grafana
    "x-consumer*",     // Kong
    "x-anonymous-consumer",
    "x-credential*", // Kong
    "x-goog-authenticated*",
    "x-ms-client-principal*",
    "x-amzn-oidc*",
    "x-envoy*",
    "cf-access*",
    "impersonate-*", // Kubernetes
    "x-apigateway-api-userinfo",
    "x-auth-user*",
    "x-authentik*",
    "x-email",
    "x-goog-iap*",
    "x-groups",
    "x-jwt-payload",
    "x-ms-token*",
    "x-pomerium*",
    "x-roles",
    "x-teleport*",
    "x-vouch*",
    "remote-*", // -User, -Groups, -Name, -Email (Authelia)
    "tailscale-user*",
    // Which certificate it showed.
    "client-cert*", // RFC 9440
    "x-client-cert*",
    "x-clientcert*",
    "x-client-dn",
    "x-client-s-dn",
    "x-client-cn",
    "x-amzn-mtls*",    // AWS's balancers
    "cf-client-cert*", // Cloudflare
    "cf-cert*",
    "x-spiffe*",
    "x-ssl*",
    "ssl-client*",
    "x-arr-clientcert",
    "x-client-verify",
    "x-tls-client*",
    // Ours.
    "x-lockgate*",
];

/// Begins like `x-user*`, and is what gRPC-Web calls itself by.
const NO_IDENTITY: &str = "x-user-agent";

/// Fields whose `_` spelling is removed too, besides those of [`IDENTITY`] and
/// those that the gate writes.
const STANDARD: &[&str] = &[
    "host",
    "cookie",
    "x-api-key",
    "content-type",
    "authorization",
    "content-length",
    "transfer-encoding",
    "proxy-authorization",
];

/// Removes what says who is calling or from where, `_` spellings included:
/// CGI, WSGI, PHP and Rack read `X_User_Id` and `X-User-Id` as one variable.
///
/// With `keep_forwarded`, for a peer among the trusted proxies, `Forwarded`
/// and the five `X-Forwarded-*` that are read and written here stay.
pub fn strip_identity(headers: &mut HeaderMap, keep_forwarded: bool) {
    let mut doomed: Vec<HeaderName> = Vec::new();
    for name in headers.keys() {
        if is_doomed(name.as_str(), keep_forwarded) {
            doomed.push(name.clone());
        }
    }
    for name in doomed {
        headers.remove(name);
    }
}

/// Removes every spelling of `name` that a CGI-like upstream would read as
/// `name`, but not `name` itself: before the gate sets a header of its own.
pub fn remove_look_alikes(headers: &mut HeaderMap, name: &HeaderName) {
    let doomed: Vec<HeaderName> = look_alikes(headers, name).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

/// Every spelling of `name` among `headers` that a CGI-like upstream would read
/// as `name`, but not `name` itself.
pub fn look_alikes<'h>(
    headers: &'h HeaderMap,
    name: &'h HeaderName,
) -> impl Iterator<Item = &'h HeaderName> {
    headers.keys().filter(move |other| {
        other.as_str().len() == name.as_str().len()
            && *other != name
            && other
                .as_str()
                .bytes()
                .zip(name.as_str().bytes())
                .all(|(a, b)| dashed(a) == dashed(b))
    })
}

/// Whether a lower-case name says who is calling or from where.
#[must_use]
pub fn is_identity(name: &str) -> bool {
    may_be_identity(name.as_bytes()) && in_list(name)
}

fn is_doomed(name: &str, keep_forwarded: bool) -> bool {
    // Names are short: a loop without a branch beats a call of `memchr`.
    if name.bytes().fold(false, |found, byte| {
        found | !(byte.is_ascii_alphanumeric() || byte == b'-')
    }) {
        let dashed = name.replace(|byte: char| !byte.is_ascii_alphanumeric(), "-");
        let named = |list: &[&str]| list.contains(&dashed.as_str());
        return is_identity(&dashed) || named(STANDARD) || named(super::reserved::WRITTEN);
    }
    is_identity(name) && !(keep_forwarded && super::forwarding::WRITTEN.contains(&name))
}

/// The first two letters tell nearly every other field apart.
#[inline]
fn may_be_identity(name: &[u8]) -> bool {
    matches!(
        name,
        [b'x', b'-', ..]
            | [b'f', b'o' | b'r' | b'a' | b'l', ..]
            | [b'i', b'm', b'p', ..]
            | [b'p', b'r', b'o', b'x', ..]
            | [b'w', b'l', ..]
            | [b'c', b'l' | b'f', ..]
            | [b't', b'r' | b'a', ..]
            | [b'r', b'e', b'm', ..]
            | [b's', b's', ..]
    )
}

/// The first four bytes of each entry as one number: comparing strings one by one would be a call each.
const BEGINNINGS: [u32; IDENTITY.len()] = {
    let mut beginnings = [0; IDENTITY.len()];
    let mut at = 0;
    while at < IDENTITY.len() {
        if let Some(first) = IDENTITY[at].as_bytes().first_chunk() {
            beginnings[at] = u32::from_ne_bytes(*first);
        }
        at += 1;
    }
    beginnings
};

fn in_list(name: &str) -> bool {
    let Some(first) = name.as_bytes().first_chunk() else {
        return false;
    };
    let first = u32::from_ne_bytes(*first);
    // A loop that does not stop early looks at many at once.
    if !BEGINNINGS
        .iter()
        .fold(false, |found, entry| found | (*entry == first))
    {
        return false;
    }
    let listed = IDENTITY.iter().any(|entry| match entry.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == *entry,
    });
    listed && name != NO_IDENTITY
}

fn dashed(byte: u8) -> u8 {
    if byte == b'_' {
        b'-'
    } else {
        byte
    }
}
