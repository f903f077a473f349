//! What a decision point is asked: a request's head and what is known of its caller, without credentials.

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use lockgate_wire::headers::{is_identity, remove_hop_by_hop};
use lockgate_wire::query;
use serde_json::{json, Map, Value};

use super::{Around, Asked, Decide, Point, Question, Silent, MALFORMED};
use crate::{remove_cookies, scopes, session, Identity, RequestView};

/// How the gate's own keys begin: one that was sent in a place where it opens
/// nothing is a secret all the same.
const OWN_KEY: &[u8] = b"lg_";
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

impl Decide {
    /// The question that a request comes to.
    ///
    /// # Errors
    /// If it can be told in no request.
    pub(super) fn question(
        &self,
        view: &RequestView<'_>,
        around: &Around<'_>,
    ) -> Result<Question, Silent> {
        // What a client's `Connection` names, the API does not get: nothing goes by it.
        let mut fields = view.headers.clone();
        remove_hop_by_hop(&mut fields);
        let view = &RequestView {
            headers: &fields,
            ..*view
        };
        let (method, target, headers, body) = match &self.point.way {
            Asked::Opa(path) => {
                let json = HeaderValue::from_static("application/json");
                let input = json!({ "input": self.input(view, around) });
                let headers = HeaderMap::from_iter([(CONTENT_TYPE, json)]);
                (
                    Method::POST,
                    path.clone(),
                    headers,
                    input.to_string().into(),
                )
            }
            Asked::ExtAuthz { path, prefix, .. } => {
                let headers = self.forwarded(view, around)?;
                let (method, target) = match path {
                    Some(path) => (Method::GET, path.clone()),
                    None => (view.method.clone(), own_target(prefix, view)?),
                };
                (method, target, headers, Bytes::new())
            }
        };
        Ok(Question {
            mark: mark(
                &self.point,
                (&method, &target),
                &headers,
                (&body, around.identity),
            ),
            point: self.point.clone(),
            method,
            target,
            headers,
            body,
            identity: around.identity.cloned(),
        })
    }

    /// OPA's `input`.
    fn input(&self, view: &RequestView<'_>, around: &Around<'_>) -> Value {
        let place = around.place;
        json!({
            "method": view.method.as_str(),
            "host": view.host,
            "path": segments(view.path),
            "target": view.path,
            "query": parameters(view.query),
            "headers": self.fields(view.headers),
            "api": view.api,
            "operation": view.operation,
            "caller": around.identity.map(|identity| self.caller(identity)),
            "client": {
                "address": around.client,
                "country": place.and_then(|place| place.code()),
                "network": place.and_then(|place| place.network),
            },
            "device": around.device.map(|device| json!({
                "id": &*device.id,
                "new": device.new,
                "approved": device.approved,
                "changed": device.changed,
                "travel": device.travel,
            })),
            "risk": around.risk.map(|risk| risk.points),
        })
    }

    fn caller(&self, identity: &Identity) -> Value {
        json!({
            "id": &*identity.credential,
            "owner": &*identity.owner,
            "way": identity.proved_by,
            "app": identity.app.as_deref(),
            "issuer": identity.issuer(),
            "scopes": scopes::all(identity).collect::<Vec<_>>(),
            "roles": self.book.all_of(identity).collect::<Vec<_>>(),
            "claims": identity.claims.as_deref(),
        })
    }

    /// Fields by name, the lines of one name joined as RFC 9110, 5.3 allows.
    fn fields(&self, headers: &HeaderMap) -> Value {
        let mut made = Map::new();
        for (name, value) in headers {
            if !self.shows(name, value) {
                continue;
            }
            let text = String::from_utf8_lossy(value.as_bytes());
            match made.get_mut(name.as_str()) {
                Some(Value::String(before)) => {
                    before.push_str(", ");
                    before.push_str(&text);
                }
                _ => {
                    made.insert(name.as_str().to_owned(), text.into());
                }
            }
        }
        Value::Object(made)
    }

    fn shows(&self, name: &HeaderName, value: &HeaderValue) -> bool {
        let named = self.shown.as_ref().is_none_or(|shown| shown.contains(name));
        // Clients write what they like of who calls and from where: whoever decides must not hear it.
        let forged = is_identity(&name.as_str().replace('_', "-"));
        let withheld = forged || self.withheld.contains(name);
        named && !withheld && !has_own_key(value.as_bytes())
    }

    /// The fields of a question by HTTP: those that are named, and what the request was.
    fn forwarded(&self, view: &RequestView<'_>, around: &Around<'_>) -> Result<HeaderMap, Silent> {
        let mut made = HeaderMap::new();
        for (name, value) in view.headers {
            // How the body comes, and the connection's own, are another message's.
            if self.shows(name, value) && !is_of_message(name) {
                made.append(name.clone(), value.clone());
            }
        }
        if made.contains_key(COOKIE) {
            let ours = session::COOKIE_PREFIX.as_bytes();
            remove_cookies(&mut made, &|cookie| cookie.starts_with(ours));
        }
        let uri = match view.query {
            Some(query) => format!("{}?{query}", view.path),
            None => view.path.to_owned(),
        };
        let proto = if around.secure { "https" } else { "http" };
        for (name, value) in [
            (FORWARDED_METHOD, view.method.as_str()),
            (FORWARDED_PROTO, proto),
            (FORWARDED_HOST, around.authority),
            (FORWARDED_URI, &uri),
            (FORWARDED_FOR, &around.client.to_string()),
        ] {
            let value = HeaderValue::from_str(value).map_err(|_| {
                Silent::new(&MALFORMED, format!("{name} cannot be told of the request"))
            })?;
            made.insert(name, value);
        }
        Ok(made)
    }
}

/// Whether one of the gate's own keys may stand somewhere in a value.
fn has_own_key(value: &[u8]) -> bool {
    let mut places = (0..value.len()).filter(|at| value[*at..].starts_with(OWN_KEY));
    places.any(|at| at == 0 || !value[at - 1].is_ascii_alphanumeric())
}

/// Fields that say how a message is sent, or to whom, or which form of an answer is wanted: that
/// of the API's is not that of the decision point's.
fn is_of_message(name: &HeaderName) -> bool {
    const NAMES: [&str; 19] = [
        "accept-encoding",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "range",
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    ];
    *name == HOST || NAMES.contains(&name.as_str())
}

/// The request's own target, behind a prefix.
fn own_target(prefix: &str, view: &RequestView<'_>) -> Result<PathAndQuery, Silent> {
    let text = match view.query {
        Some(query) => format!("{prefix}{}?{query}", view.path),
        None => format!("{prefix}{}", view.path),
    };
    PathAndQuery::try_from(text)
        .map_err(|_| Silent::new(&MALFORMED, "the target cannot be asked about"))
}

/// The segments of a path, decoded; the root has none.
fn segments(path: &str) -> Vec<String> {
    let rest = path.strip_prefix('/').unwrap_or(path);
    if rest.is_empty() {
        return Vec::new();
    }
    let segments = rest.split('/').map(query::decoded_segment);
    segments.map(|segment| segment.into_owned()).collect()
}

/// The parameters of a query by name, each with all its values.
fn parameters(text: Option<&str>) -> Value {
    let mut made = Map::new();
    for pair in text.into_iter().flat_map(query::pairs) {
        let name = query::decoded(pair.name).into_owned();
        let value = Value::from(query::decoded(pair.value));
        if let Value::Array(values) = made.entry(name).or_insert_with(|| json!([])) {
            values.push(value);
        }
    }
    Value::Object(made)
}

/// What a question is known again by: all that is asked, of whom, and about whom.
fn mark(
    point: &Point,
    (method, target): (&Method, &PathAndQuery),
    headers: &HeaderMap,
    (body, identity): (&Bytes, Option<&Identity>),
) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_le_bytes());
        context.update(bytes);
    };
    part(&point.upstream.to_le_bytes());
    part(format!("{:?}{:?}", point.way, point.to_upstream).as_bytes());
    part(method.as_str().as_bytes());
    part(target.as_str().as_bytes());
    part(body);
    for (name, value) in headers {
        part(name.as_str().as_bytes());
        part(value.as_bytes());
    }
    // An upstream may be told by an assertion who calls, whatever else it is told.
    if let Some(identity) = identity {
        part(identity.proved_by.as_bytes());
        part(identity.credential.as_bytes());
        part(identity.owner.as_bytes());
        part(identity.app.as_deref().unwrap_or_default().as_bytes());
        let claims = identity
            .claims
            .as_deref()
            .map(|claims| json!(claims).to_string());
        part(claims.unwrap_or_default().as_bytes());
    }
    let mut mark = [0; 32];
    mark.copy_from_slice(context.finish().as_ref());
    mark
}
