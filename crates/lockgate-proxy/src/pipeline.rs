//! The life of a request, top to bottom: the order, and the one function that
//! keeps it.

use std::future::{poll_fn, Future};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::task::Poll;

use aws_lc_rs::digest::{digest, SHA1_FOR_LEGACY_USE_ONLY};
use http::header::{
    HeaderValue, CONNECTION, CONTENT_LENGTH, HOST, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SET_COOKIE, UPGRADE,
};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, Method, Request, StatusCode, Version};
use lockgate_policy::grpc::DEADLINE;
use lockgate_policy::inflate::Plan;
use lockgate_policy::mtls::ClientCertificate;
use lockgate_policy::{Answers, Denial, Edit, Need, ReasonRef, POLICY_FAILED};
use lockgate_wire::coding::Packer;
use lockgate_wire::grpc::Protocol;
use lockgate_wire::headers::trace::{continue_or_begin, TraceParent, TRACEPARENT, TRACESTATE};
use lockgate_wire::headers::{remove_hop_by_hop, remove_look_alikes};
use lockgate_wire::websocket::{reasons as websocket, Offer};
use tokio::time::timeout_at;

use crate::body::{AnswerBody, Broken, Packing, RequestBody, Unpacking};
use crate::bundle;
use crate::client::{Kept, Tunnel, Upload};
use crate::clock::wall_ms;
use crate::content;
use crate::decisions;
use crate::edits;
use crate::exchange::Exchange;
use crate::grpc;
use crate::hops;
use crate::http1::Lines;
use crate::inspect;
use crate::judge::{Arrival, End, Judging, Progress};
use crate::mirror::Copied;
use crate::net::ConnectionState;
use crate::plugins;
use crate::program;
use crate::reasons;
use crate::respond::{edited, refuse, respond, Answer, Fields};
use crate::snapshot::{CompiledApi, CompiledListener, CompiledUpstream, Policy};
use crate::tls::reasons::{CERTIFICATE_EXPIRED, CERTIFICATE_REFUSED, HTTPS_REQUIRED, MISDIRECTED};
use crate::tls::{Secured, Tls};
use crate::upstream::{Head, Upgrading};
use crate::worker::{Origin, Shared, Worker};

mod order;
mod own_lines;

pub use order::*;
use own_lines::OwnLines;

/// Serves one request.
pub async fn serve_request(
    worker: &Rc<Worker>,
    origin: &Origin,
    state: &Rc<ConnectionState>,
    mut parts: Box<Parts>,
    (mut upload, lines): (Option<Upload>, Option<Lines>),
) -> Answer {
    let (snapshot, listener) = worker.snapshot(origin);
    let listener = state.source.believing(listener);
    // An empty path is `/` (RFC 9110 section 4.2.3); only the absolute form can have one.
    if let Some(query) = parts
        .uri
        .query()
        .filter(|_| !arrived(&parts.uri).starts_with('/'))
    {
        parts.uri = format!("/?{query}").parse().unwrap_or_default();
    }
    let mut exchange = Exchange::begin(
        Rc::clone(worker),
        snapshot,
        Rc::clone(state),
        listener,
        (&parts.method, &parts.uri, &parts.headers),
    );

    // Before anything is changed of its fields; most often nobody asks.
    if exchange.snapshot.programs {
        let ordered = exchange.snapshot.header_orders;
        let seen = program::of(state, &parts, lines.as_ref(), ordered);
        exchange.judgement.program = Some(Box::new(seen));
    }

    // Whose connection it is.
    let listener = &exchange.listener;
    inquire(&worker.shared, listener, state).await;
    if let Some(reason) = misdirected(&worker.shared, listener, state, &parts.headers) {
        // A revoked certificate ends its connection; one for another host goes on with its own.
        let ends = reason != &MISDIRECTED;
        state.retiring.set(state.retiring.get() || ends);
        return refuse(exchange, reason.into(), ends);
    }
    // An authority asks for a proof over plain HTTP, and before anything else holds.
    if let Some(proof) = worker.shared.managed.http_answer(parts.uri.path()) {
        return respond(exchange, http::Response::new(proof.into_bytes()));
    }
    // Normal form, route, policies.
    if let Err(Broken) = judge(&mut exchange, &parts, &mut upload).await {
        let denial = rescue(&mut exchange, None);
        return refuse(exchange, denial, true);
    }
    for error in std::mem::take(&mut exchange.judgement.errors) {
        worker.report(&exchange, &error);
    }
    match std::mem::replace(&mut exchange.judgement.end, End::Forward) {
        End::Forward => {}
        End::Refuse(denial) => return refuse(exchange, denial, false),
        End::Respond(answer) => return respond(exchange, *answer),
    }
    let snapshot = Rc::clone(&exchange.snapshot);
    let api = exchange
        .judgement
        .matched
        .and_then(|matched| snapshot.apis.get(matched.api));
    let upstream = exchange
        .judgement
        .upstream
        .and_then(|upstream| snapshot.upstreams.get(upstream));
    let (Some(api), Some(upstream)) = (api, upstream) else {
        return refuse(exchange, Denial::new(&reasons::NO_ROUTE), false);
    };

    // Who may ask is known, and no upstream is to be asked.
    if matches!(parts.method, Method::OPTIONS | Method::TRACE)
        && hops::ends_here(&mut parts.headers)
    {
        return respond(exchange, hops::last_word(&parts.method));
    }
    if exchange.judgement.websocket.is_some() && parts.version == Version::HTTP_10 {
        // RFC 6455 section 4.1 wants HTTP/1.1.
        return refuse(exchange, (&websocket::CONNECTION).into(), true);
    }
    if exchange.judgement.websocket.is_some() {
        if let Some(reason) = exchange.judgement.looks_at_whole() {
            let denial =
                Denial::new(reason).detail("a WebSocket is no answer that could be looked at");
            return refuse(exchange, denial, false);
        }
    }
    if api.suggest.is_some() {
        inspect::note_request(&mut exchange, parts.uri.query());
    }
    let over_http2 = parts.version == Version::HTTP_2;
    let websocket = exchange.judgement.websocket.is_some();
    exchange.continuous.keep(&parts, upload.is_some(), lines);
    // In a box, so that requests without it carry nothing of it along.
    let token = match &upstream.token {
        Some(token) => {
            let by = (api, exchange.judgement.identified);
            let now_ms = exchange.started_ms();
            match Box::pin(token.get(&worker.shared, by, &parts.headers, now_ms)).await {
                Ok(value) => Some((token, value)),
                Err(denial) => return refuse(exchange, denial, false),
            }
        }
        None => None,
    };
    // Transform.
    let terms = grpc::outgoing(&exchange, &mut parts.headers, upstream);
    let own = terms.and_then(|terms| {
        let own = outgoing(&mut exchange, &mut parts, (api, upstream))?;
        if let Some((token, value)) = token {
            token.write(&mut parts.headers, value);
        }
        Ok((own, terms))
    });
    let (own, terms) = match own {
        Ok(own) => own,
        Err(denial) => return refuse(exchange, denial, false),
    };
    let plan = exchange.judgement.inflate.take();
    let begun = plan.map(|plan| Unpacking::begin(&exchange, plan.0, &plan.1));
    let unpacking = match begun.transpose() {
        Ok(unpacking) => unpacking,
        Err(denial) => return refuse(exchange, denial, false),
    };
    let body = upload.map_or_else(RequestBody::empty, |upload| {
        let watchers = std::mem::take(&mut exchange.judgement.watchers);
        let body = RequestBody::arriving(
            upload,
            watchers,
            Rc::clone(state),
            worker.clock.clone(),
            upstream.timeouts.first_byte_ms,
            Rc::clone(&snapshot),
        );
        let settled = edits::settled(api, &exchange.judgement);
        body.unpacked(unpacking).without(settled)
    });
    let copied = Copied::of(&exchange, &parts, (&own.0, !body.is_empty()), upstream);
    let body = match &copied {
        Some(copied) => body.shown_to(copied.keeper()),
        None => body,
    };
    let body = match inspect::request(&mut exchange, body).await {
        Ok(body) => body,
        Err(Broken) => {
            let denial = rescue(&mut exchange, None);
            return refuse(exchange, denial, true);
        }
    };
    // What came in chunks, and was kept, has a length.
    if let Some(length) = body.kept_bytes() {
        parts.headers.insert(CONTENT_LENGTH, length.into());
    }

    // Upstream.
    let request = Request::from_parts(*parts, body);
    let client = exchange.judgement.client;
    let pools = &worker.pools;
    let answer = {
        // In a box, so that connections that wait for a request carry nothing of it along.
        let asking = Box::pin(pools.exchange(upstream, state, request, own.0, client));
        match terms.deadline {
            None => while_allowed(&mut exchange, asking).await,
            Some(until) => {
                let asking = while_allowed(&mut exchange, asking);
                match Box::pin(timeout_at(until, asking)).await {
                    Ok(answer) => answer,
                    Err(_) => return refuse(exchange, (&DEADLINE).into(), true),
                }
            }
        }
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(denial) => return refuse(exchange, denial, true),
    };
    let (mut head, mut link) = match answer {
        Ok(answer) => answer,
        Err(failure) => {
            exchange.target = failure.target;
            if let Some(why) = failure.why {
                let code = if failure.reason == Some(&reasons::CONNECT_FAILED) {
                    "upstream-socket-failed"
                } else {
                    "upstream-tls-failed"
                };
                worker.tell(code, &why);
            }
            let mut denial = rescue(&mut exchange, failure.reason);
            if exchange.api().is_some_and(|api| api.own) {
                denial = Denial::new(&reasons::PAGES_AWAY).header(RETRY_AFTER, 5.into());
            }
            if let Some(seconds) = failure.retry_after_s {
                denial = denial.header(RETRY_AFTER, seconds.into());
            }
            // Who was turned away, before a byte of it was sent, may come back on its connection.
            return refuse(exchange, denial, failure.retry_after_s.is_none());
        }
    };
    exchange.answered();
    if let Some(copied) = copied {
        copied.send(&exchange);
    }

    if let (true, Some(offered)) = (websocket, exchange.judgement.websocket.take()) {
        let stream = upstream.protocol == bundle::Protocol::Http2;
        match granted(&offered.0, &mut head, stream) {
            Ok(Some(deflate)) => {
                exchange.target = Some(Arc::clone(link.target()));
                exchange.status = head.status.as_u16();
                let Some(fields) = edited(&exchange, head.fields) else {
                    return refuse(exchange, Denial::new(&reasons::GARBAGE), true);
                };
                let tunnel = Tunnel::new(link, exchange, offered.1, deflate);
                return Answer {
                    status: head.status,
                    fields,
                    close: true,
                    body: AnswerBody::Tunnel(Some(Box::new(tunnel))),
                };
            }
            // A client of HTTP/2 would take it for a tunnel (RFC 8441 section 4).
            Ok(None) if over_http2 && head.status.is_success() => {
                return refuse(exchange, (&websocket::UPSTREAM_UPGRADE).into(), true);
            }
            Ok(None) => {}
            Err(reason) => return refuse(exchange, reason.into(), true),
        }
    }
    // Response.
    exchange.target = Some(Arc::clone(link.target()));
    if let Some(cookie) = link.lease.as_mut().and_then(|lease| lease.cookie.take()) {
        let edits = &mut exchange.judgement.answer_edits;
        edits.push(Edit::Add(SET_COOKIE, cookie));
    }
    if exchange.judgement.shown.is_some() {
        // In a box, so that requests without plugins carry nothing of it along.
        let judged = Box::pin(plugins::judge_answer(&mut exchange, &mut head));
        if let Some(denial) = judged.await {
            return refuse(exchange, denial, true);
        }
    }
    if exchange.judgement.noted.is_some() {
        let noted = Box::pin(inspect::note_answer(&mut exchange, &mut head, &mut link));
        if let Err(denial) = noted.await {
            return refuse(exchange, denial, true);
        }
    }
    if exchange.judgement.owned.is_some() || exchange.judgement.minimised.is_some() {
        let judged = Box::pin(inspect::whole(&mut exchange, &mut head, &mut link));
        if let Err(denial) = judged.await {
            return refuse(exchange, denial, true);
        }
    }
    if exchange.judgement.inspecting.is_some() {
        let looked = Box::pin(inspect::answer(&mut exchange, &mut head, &mut link));
        if let Err(denial) = looked.await {
            return refuse(exchange, denial, true);
        }
    }
    // Whatever it was held for may have taken its time.
    if let Some(denial) = exchange.ended() {
        return refuse(exchange, denial, true);
    }
    if exchange.grpc == Some(Protocol::Grpc) || terms.web.is_some() {
        return grpc::answer(exchange, head, link, &terms);
    }
    let Some(fields) = edited(&exchange, head.fields) else {
        return refuse(exchange, Denial::new(&reasons::GARBAGE), true);
    };
    let (fields, packing) = match packed(&exchange, head.status, fields) {
        Ok(packed) => packed,
        Err(reason) => return refuse(exchange, Denial::new(reason), true),
    };
    exchange.status = head.status.as_u16();
    Answer {
        status: head.status,
        fields,
        close: false,
        body: AnswerBody::upstream(link, exchange).packed(packing),
    }
}

/// Waits for an answer, for as long as who asks is let in.
async fn while_allowed<T>(
    exchange: &mut Exchange,
    mut asking: Pin<Box<impl Future<Output = T>>>,
) -> Result<T, Denial> {
    poll_fn(|cx| match asking.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Ok(answer)),
        Poll::Pending => exchange
            .ended()
            .map_or(Poll::Pending, |denial| Poll::Ready(Err(denial))),
    })
    .await
}

/// An answer's fields as they are once it is packed, and what packs it, where
/// the API packs answers, the client asked for it, and there is memory for it.
fn packed(
    exchange: &Exchange,
    status: StatusCode,
    fields: Fields,
) -> Result<(Fields, Option<Box<Packing>>), ReasonRef> {
    let Some((step, asked)) = exchange.judgement.packing else {
        return Ok((fields, None));
    };
    let step = exchange.api().and_then(|api| api.steps.get(step));
    let Some(Policy::Compress(policy)) = step.map(|step| &step.policy) else {
        return Ok((fields, None));
    };
    let mut headers = fields.map().ok_or(&reasons::GARBAGE)?;
    let certified = exchange
        .state
        .source
        .tls()
        .and_then(Secured::client)
        .is_some();
    let mut charge = None;
    let room = |coding| {
        let shared = &exchange.worker().shared;
        let most = exchange.listener.limits.compress_memory;
        let bytes = Packer::most(coding, policy.levels());
        charge = shared.memory.packing.take_for(exchange, bytes, most);
        if charge.is_none() {
            shared.metrics.left_unpacked.fetch_add(1, Ordering::Relaxed);
        }
        charge.is_some()
    };
    let coding = policy.make_of((asked, certified), status, &mut headers, room);
    let packing = coding.zip(charge).map(|(coding, charge)| {
        let packer = Packer::new(coding, policy.levels())?;
        Ok(Box::new(Packing::new(packer, charge)))
    });
    // It fails for want of memory alone.
    let packing = packing.transpose();
    let packing = packing.map_err(|_: io::Error| &POLICY_FAILED)?;
    Ok((Fields::Own(headers), packing))
}

/// Whether the upstream grants the WebSocket that was offered, and whether its
/// messages may be compressed. Without one its answer is as any other. A
/// `stream` of HTTP/2 has no key, and says the same with another status.
fn granted(offer: &Offer, head: &mut Head, stream: bool) -> Result<Option<bool>, ReasonRef> {
    let fields = std::mem::replace(&mut head.fields, Fields::Own(HeaderMap::new()));
    let mut headers = fields.map().ok_or(&reasons::GARBAGE)?;
    if stream && head.status.is_success() {
        head.status = StatusCode::SWITCHING_PROTOCOLS;
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let accept = HeaderValue::try_from(offer.accept(sha1));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept.map_err(|_| &reasons::GARBAGE)?);
    }
    let agreed = offer.check_answer(head.status, &headers, sha1)?;
    remove_hop_by_hop(&mut headers);
    head.fields = Fields::Own(headers);
    Ok(agreed.map(|agreed| agreed.deflate))
}

/// RFC 6455 asks for it, and nothing leans on its strength.
fn sha1(bytes: &[u8]) -> [u8; 20] {
    let mut sum = [0; 20];
    sum.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref());
    sum
}

/// Refuses a head that broke the framing: what it meant to ask is not known.
#[must_use]
pub fn refuse_head(
    worker: &Rc<Worker>,
    origin: &Origin,
    state: &Rc<ConnectionState>,
    reason: ReasonRef,
) -> Answer {
    let (snapshot, listener) = worker.snapshot(origin);
    let unknown = (&Method::default(), &Uri::default(), &HeaderMap::new());
    let (worker, state) = (Rc::clone(worker), Rc::clone(state));
    let mut exchange = Exchange::begin(worker, snapshot, state, listener, unknown);
    exchange.malformed = true;
    refuse(exchange, reason.into(), true)
}

/// Why the request failed on the way, where it was not the upstream's doing.
fn rescue(exchange: &mut Exchange, reason: Option<ReasonRef>) -> Denial {
    if let Some(denial) = exchange.hear_body() {
        return denial;
    }
    let told = exchange.state.body.broken.get().or(reason);
    told.unwrap_or(&reasons::CLIENT_GONE).into()
}

/// Why a request may not come over its connection: that was made for another
/// host, in the clear, or by a client whose certificate is not good any more.
pub(crate) fn misdirected(
    shared: &Shared,
    listener: &CompiledListener,
    state: &ConnectionState,
    headers: &HeaderMap,
) -> Option<ReasonRef> {
    let Some(secured) = state.source.tls() else {
        // The listener was changed after the connection was made.
        return listener.secure.then_some(&HTTPS_REQUIRED);
    };
    let Some(tls) = &listener.tls else {
        // The listener is plain by now, and nobody vouches for the client.
        return secured.client().is_some().then_some(&CERTIFICATE_REFUSED);
    };
    let refused = distrusted(tls, secured);
    if let Some(reason) = refused.or_else(|| shared.inquiries.refuses(tls, secured)) {
        return Some(reason);
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let serves = match host {
        Some(host) => tls.serves(secured, host),
        None => tls.serves_nameless(secured),
    };
    (!serves).then_some(&MISDIRECTED)
}

/// Has the client's issuer asked whether it was revoked, where that is to be known and is not.
/// Whom nobody vouches for any more is not asked about.
async fn inquire(shared: &Shared, listener: &CompiledListener, state: &ConnectionState) {
    if let (Some(tls), Some(secured)) = (&listener.tls, state.source.tls()) {
        if shared.inquiries.due(tls, secured) && distrusted(tls, secured).is_none() {
            let silent_ms = wall_ms().saturating_sub(shared.facts.heard_ms());
            // In a box, so that requests without it carry nothing of it along.
            Box::pin(shared.inquiries.hear(tls, secured, silent_ms)).await;
        }
    }
}

/// Why the client's certificate is not good any more.
fn distrusted(tls: &Arc<Tls>, secured: &Secured) -> Option<ReasonRef> {
    // Who showed none has none that could run out.
    let now_ms = secured.client().map_or(0, |_| wall_ms());
    if !secured.was_good_by(tls, now_ms) {
        if let Err(reason) = tls.still_trusts(secured) {
            return Some(reason);
        }
        secured.is_good_by(tls, now_ms);
    }
    let ended = |client: &ClientCertificate| !client.holds(now_ms);
    secured
        .client()
        .is_some_and(ended)
        .then_some(&CERTIFICATE_EXPIRED)
}

/// Whether a connection of many requests is to end, for all that comes over it will be refused.
pub(crate) fn outlived(worker: &Worker, origin: &Origin, state: &ConnectionState) -> bool {
    let Some(secured) = state
        .source
        .tls()
        .filter(|secured| secured.client().is_some())
    else {
        return false;
    };
    let (_, listener) = worker.snapshot(origin);
    let tls = listener.tls.as_ref();
    let inquiries = &worker.shared.inquiries;
    tls.is_none_or(|tls| distrusted(tls, secured).is_some() || inquiries.shuts_out(tls, secured))
}

/// The target as it arrived, without scheme and authority.
fn arrived(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", PathAndQuery::as_str)
}

async fn judge(
    exchange: &mut Exchange,
    parts: &Parts,
    upload: &mut Option<Upload>,
) -> Result<(), Broken> {
    #[cfg(test)]
    assert_ne!(arrived(&parts.uri), crate::testing::PANICS, "on demand");
    let worker = Rc::clone(exchange.worker());
    let now_ms = exchange.started_ms();
    let Exchange {
        judgement,
        snapshot,
        listener,
        state,
        id,
        ..
    } = exchange;
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let length = parts.headers.get(CONTENT_LENGTH);
    let arrival = Arrival {
        version: parts.version,
        method: &parts.method,
        target: arrived(&parts.uri),
        host: host.unwrap_or(""),
        headers: &parts.headers,
        content_length: length.and_then(|length| length.to_str().ok()?.parse().ok()),
        body: upload.is_some(),
        peer: state.source.peer,
        id: id.as_str(),
        certificate: state.source.tls().and_then(Secured::client),
        listener,
    };
    let mut judging = Judging::new(snapshot, arrival, now_ms, judgement);
    let mut answers = Answers::None;
    while let Progress::Need(need) = judging.run(&answers) {
        answers = match need {
            Need::Content(gather) => {
                let whose = (&*worker, &**state, &**listener);
                // In a box, so that requests without it carry nothing of it along.
                let reading = content::whole(upload, gather.most, whose, judging.holder());
                match Box::pin(reading).await {
                    Ok(content) => Answers::Content(gather, content),
                    Err(broken) => {
                        judging.abandon();
                        return Err(broken);
                    }
                }
            }
            Need::Decision(question) => {
                let from = (&**state, &*listener);
                let asking = decisions::ask(&worker, snapshot, from, *question);
                // In a box, for the same reason.
                Answers::Decision(Box::pin(asking).await)
            }
            need => worker.obtain(need, snapshot, now_ms).await,
        };
    }
    if let (End::Forward, Some(cut)) = (&judgement.end, judgement.cut.take()) {
        *upload = Some(Upload::Kept(Box::new(Kept::whole(cut, true))));
    }
    // What was counted when it was read is counted when it goes on.
    if matches!(judgement.end, End::Forward) {
        state.body.bytes.set(0);
    }
    Ok(())
}

/// Makes of the request what the upstream gets.
fn outgoing(
    exchange: &mut Exchange,
    parts: &mut Parts,
    (api, upstream): (&CompiledApi, &CompiledUpstream),
) -> Result<OwnLines, Denial> {
    // Origin form (RFC 9112 section 3.2.1), also of what arrived in absolute form.
    let arrived = || {
        parts
            .uri
            .authority()
            .and(parts.uri.path_and_query())
            .cloned()
    };
    if let Some(outgoing) = exchange.judgement.outgoing.take().or_else(arrived) {
        parts.uri = outgoing.into();
    }
    // What a GET would show is what is looked at; the client gets its head.
    if exchange.judgement.looks_at_whole().is_some() && parts.method == Method::HEAD {
        parts.method = Method::GET;
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let headers = &mut parts.headers;
    remove_hop_by_hop(headers);
    // What a trusted proxy told is in the judgement, and written anew from there.
    edits::make_of_request(
        headers,
        (api, &exchange.judgement),
        &exchange.snapshot,
        false,
    );
    if exchange.judgement.inflate.is_some() {
        Plan::make_of(headers);
    }
    let mut own = OwnLines::new(exchange.worker());
    own.line(b"x-request-id", exchange.id.as_str().as_bytes());
    own.line(b"via", b"1.1 lockgate");
    let hop = &exchange.state.source.hop;
    match &exchange.judgement.told {
        Some(told) => hop.write(headers, told),
        None => hop.write_lines(headers, &mut own.0),
    }
    // HTTP/1.0 may come without a Host; what goes on is HTTP/1.1, and may not.
    if !headers.contains_key(HOST) {
        let host = upstream
            .targets
            .first()
            .map(|target| HeaderValue::try_from(target.authority()));
        if let Some(Ok(host)) = host {
            headers.insert(HOST, host);
        }
    }
    if let Some(offered) = &exchange.judgement.websocket {
        if upstream.protocol == bundle::Protocol::Http1 {
            own.line(b"connection", b"upgrade");
            own.line(b"upgrade", b"websocket");
        }
        headers.remove(SEC_WEBSOCKET_EXTENSIONS);
        if let Some(known) = offered.0.known_extensions() {
            own.line(b"sec-websocket-extensions", known.as_bytes());
        }
        parts.extensions.insert(Upgrading);
    }
    let random = exchange.worker().ids.bytes();
    let trace = if headers.contains_key(TRACEPARENT) {
        continue_or_begin(headers, random)
    } else {
        headers.remove(TRACESTATE);
        let trace = TraceParent::begin(random);
        own.line(
            TRACEPARENT.as_str().as_bytes(),
            trace.to_header().as_bytes(),
        );
        trace
    };
    exchange.trace = Some(trace);
    if let Some(assertion) = &upstream.assertion {
        let identity = exchange.judgement.identity.as_ref();
        if !assertion.make(headers, identity, exchange.started_ms() / 1000) {
            return Err((&reasons::ASSERTION_FAILED).into());
        }
    }
    if let Some(secret) = &upstream.credential {
        let value = secret.value.clone().ok_or(&reasons::SECRET_UNRESOLVED)?;
        remove_look_alikes(headers, &secret.header);
        headers.insert(secret.header.clone(), value);
    }
    Ok(own)
}
