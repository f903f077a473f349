//! A request's event as the request path writes it: borrowed, straight into a
//! buffer, no allocation.
//!
//! It gives the bytes that the owned form gives, but for indefinite-length
//! maps, which save counting the present fields; a test holds the two
//! together. Every text has a limit, because most of them come from a
//! stranger; a longer one is cut and ends in `…`.

use std::net::IpAddr;

use lockgate_policy::objects::{Noted, MAX_TOLD, MAX_TOLD_BYTES};
use lockgate_policy::Grounds;
use serde::Serialize;

use super::cbor::key;
use super::compact::Compact;
use super::schema::{Outcome, EVENT_VERSION};

/// Longest path kept, bytes. Whole heads may be 32 KiB and more; four are
/// enough to tell what was asked.
pub const PATH_MAX: usize = 4096;
/// Longest of any other text, bytes: the length of a domain name (RFC 1035),
/// and more than browsers send as `User-Agent`.
pub const TEXT_MAX: usize = 256;
/// Most verdicts kept of one request; the pipeline has fewer policies.
pub const VERDICTS_MAX: usize = 32;
/// Most grounds kept of one request: a program, a role, and the scopes of one
/// alternative, from which it is told later what the program has need of.
pub const GROUNDS_MAX: usize = 32;
/// No record is longer than this, frame included: path, texts, grounds, the
/// verdicts with two texts each, three lists of places, and room for keys and numbers.
pub const RECORD_MAX: usize = PATH_MAX
    + (27 + GROUNDS_MAX + 2 * VERDICTS_MAX) * (TEXT_MAX + 4)
    + 3 * MAX_TOLD * (MAX_TOLD_BYTES + 3)
    + FOUND_MAX * (3 * TEXT_MAX + 2 * FOUND_TEXT_MAX + 3 * PLACES_MAX + 40)
    + 1024;
/// Most findings kept of one request: those of the whole Core Rule Set on the
/// worst of its own cases are fewer.
pub const FOUND_MAX: usize = 48;
/// Longest name of a rule or a detector, and longest masked value, bytes.
pub const FOUND_TEXT_MAX: usize = 96;

/// Most places that one finding tells; together they are no longer than one text.
pub const PLACES_MAX: usize = 8;

/// A request and what became of it; each field as in
/// [`Exchange`](super::Exchange).
#[derive(Debug, Clone, Copy)]
pub struct AccessRecord<'a> {
    /// When the request began, milliseconds since the epoch.
    pub at_ms: u64,
    /// Request id.
    pub id: &'a str,
    /// HTTP method.
    pub method: &'a str,
    /// Host in normal form.
    pub host: &'a str,
    /// Path in normal form, without the query.
    pub path: &'a str,
    /// Name of the listener.
    pub listener: &'a str,
    /// The API that the request was routed to.
    pub api: Option<&'a str>,
    /// The matching route's pattern.
    pub route: Option<&'a str>,
    /// The version of the API that it asks for.
    pub version: Option<&'a str>,
    /// The operation of the API's document that it is.
    pub operation: Option<&'a str>,
    /// What a plugin calls its refusal.
    pub own: Option<&'a str>,
    /// Address of the caller.
    pub peer: IpAddr,
    /// Key id.
    pub key: Option<&'a str>,
    /// Which of the key's secrets it was, where not the newest.
    pub secret: Option<&'a str>,
    /// Who was identified.
    pub identity: Option<&'a str>,
    /// Status of the answer; 0 where none could be sent.
    pub status: u16,
    /// Reason code of an answer that the gate made itself.
    pub reason: Option<&'a str>,
    /// The room that gave the reason.
    pub room: Option<&'a str>,
    /// Where the configuration says what decided.
    pub span: Option<SpanRecord<'a>>,
    /// Each policy that was asked, in the pipeline's order.
    pub verdicts: &'a [VerdictRecord<'a>],
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// From the request's first byte to the answer's last, microseconds.
    pub took_us: u64,
    /// From sending to the upstream to its answer's first byte, microseconds.
    pub upstream_us: Option<u64>,
    /// The upstream that was asked, where the API has more than one.
    pub upstream: Option<&'a str>,
    /// The target of it that was asked.
    pub target: Option<&'a str>,
    /// Hash of the bundle that judged it.
    pub bundle: &'a str,
    /// Trace id of `traceparent`.
    pub trace: Option<&'a str>,
    /// Number of the worker.
    pub worker: u16,
    /// `User-Agent` as it came.
    pub user_agent: Option<&'a [u8]>,
    /// What the connection speaks, where it is not HTTP/1.
    pub protocol: Option<&'a str>,
    /// The version of TLS.
    pub tls: Option<&'a str>,
    /// The fingerprint of the client's TLS.
    pub ja4: Option<&'a str>,
    /// The fingerprint of its HTTP/2.
    pub http2: Option<&'a str>,
    /// That of how it writes fields.
    pub header_order: Option<&'a str>,
    /// What looked for attacks, and found something.
    pub waf: Option<InspectedRecord<'a>>,
    /// The country that the caller is in.
    pub country: Option<&'a str>,
    /// The autonomous system that its address belongs to.
    pub network: Option<u32>,
    /// The caller's device, where the API asks.
    pub device: Option<DeviceRecord<'a>>,
    /// The program that called.
    pub app: Option<&'a str>,
    /// What entitled the caller, step by step.
    pub grounds: &'a [(usize, Grounds)],
    /// What was left out of the body.
    pub dropped: Option<&'a str>,
    /// Where it says what is verified of its caller.
    pub noted: Option<&'a Noted>,
    /// Why it was ended while it was under way.
    pub ended: Option<&'a str>,
    /// What speaks against it, added up.
    pub risk: Option<u8>,
}

/// A device, and what speaks against it.
#[derive(Debug, Clone, Copy)]
pub struct DeviceRecord<'a> {
    /// Its public id.
    pub id: &'a str,
    /// What speaks against it.
    pub signals: &'a [&'static str],
}

/// What rules and detectors found.
#[derive(Debug, Clone, Copy)]
pub struct InspectedRecord<'a> {
    /// What it all adds up to.
    pub score: u32,
    /// The score from which on it is refused.
    pub threshold: u32,
    /// What was found, in order.
    pub found: &'a [Finding],
    /// The rule that refused it by itself, or added the scores up.
    pub by: Option<&'a str>,
    /// How much more was found than is told.
    pub left_out: u32,
}

/// What one rule or detector found. Few requests have any, so that these own
/// what they hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's id, or the detector's name.
    pub rule: String,
    /// Where, as rules write it.
    pub at: String,
    /// What it is about.
    pub message: String,
    /// What was found, letters and digits masked.
    pub masked: String,
    /// What it adds to the score of its level.
    pub score: u32,
    /// Where, as exclusions say it.
    pub places: Vec<String>,
    /// Its level of paranoia, where it adds to that level's score.
    pub level: u8,
    /// Whether that level counts.
    pub counts: bool,
    /// Whether it counts nothing, since detectors read the same and found nothing.
    pub overruled: bool,
}

/// A place in a configuration file.
#[derive(Debug, Clone, Copy)]
pub struct SpanRecord<'a> {
    /// The file as the configuration names it.
    pub file: &'a str,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// What one policy said.
#[derive(Debug, Clone, Copy)]
pub struct VerdictRecord<'a> {
    /// The policy's room name.
    pub policy: &'a str,
    /// What it said.
    pub outcome: Outcome,
    /// Reason code of a refusal.
    pub reason: Option<&'a str>,
}

impl<'a> AccessRecord<'a> {
    /// A connection of this protocol over which no request came that the gate would judge.
    pub fn of_connection(protocol: &'a str, id: &'a str, peer: IpAddr) -> Self {
        Self {
            at_ms: 0,
            id,
            method: "",
            host: "",
            path: "",
            listener: "",
            api: None,
            route: None,
            version: None,
            operation: None,
            own: None,
            peer,
            key: None,
            secret: None,
            identity: None,
            status: 0,
            reason: None,
            room: None,
            span: None,
            verdicts: &[],
            bytes_in: 0,
            bytes_out: 0,
            took_us: 0,
            upstream_us: None,
            upstream: None,
            target: None,
            bundle: "",
            trace: None,
            worker: 0,
            user_agent: None,
            protocol: Some(protocol),
            tls: None,
            ja4: None,
            http2: None,
            header_order: None,
            waf: None,
            country: None,
            network: None,
            device: None,
            app: None,
            grounds: &[],
            dropped: None,
            noted: None,
            ended: None,
            risk: None,
        }
    }
}

impl AccessRecord<'_> {
    /// Appends the record's disk form to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut c = Compact(out);
        c.map(4);
        c.key(key::ID);
        c.text(self.id, TEXT_MAX);
        c.key(key::VERSION);
        c.number(EVENT_VERSION.into());
        c.key(key::AT_MS);
        c.number(self.at_ms);
        c.key(key::EXCHANGE);
        self.exchange(&mut c);
    }

    /// At least the bytes that [`Self::encode`] writes, cheaply.
    pub(crate) fn size_bound(&self) -> usize {
        // Keys, lengths and numbers of all fields: 36 × 4 + 11 × 9 and more.
        const FIXED: usize = 360;
        const EACH: usize = 8;
        let option = |text: Option<&str>| text.map_or(0, str::len);
        let verdicts: usize = self
            .verdicts
            .iter()
            .map(|verdict| verdict.policy.len() + option(verdict.reason) + EACH)
            .sum();
        let texts = self.id.len()
            + self.method.len()
            + self.host.len()
            + self.path.len()
            + self.listener.len()
            + self.bundle.len()
            + option(self.api)
            + option(self.route)
            + option(self.version)
            + option(self.operation)
            + option(self.own)
            + option(self.key)
            + option(self.identity)
            + option(self.secret)
            + option(self.reason)
            + option(self.room)
            + option(self.span.map(|span| span.file))
            + option(self.upstream)
            + option(self.target)
            + option(self.trace)
            + self.user_agent.map_or(0, <[u8]>::len)
            + option(self.protocol)
            + option(self.tls)
            + option(self.ja4)
            + option(self.http2)
            + option(self.header_order)
            + option(self.country)
            + self
                .device
                .map_or(0, |device| 16 + device.id.len() + 12 * device.signals.len())
            + option(self.app)
            + option(self.dropped)
            + self.noted.map_or(0, noted_size)
            + option(self.ended)
            + self.grounds().map(|ground| ground.len() + 3).sum::<usize>()
            + self
                .waf
                .as_ref()
                .map_or(0, |waf| waf.found.iter().map(Finding::size).sum());
        (FIXED + texts + verdicts).min(RECORD_MAX)
    }

    /// The keys are those of [`Exchange`](super::Exchange)'s derived form.
    fn exchange(&self, c: &mut Compact<'_>) {
        c.open_map();
        field(c, 0, Some(self.method));
        field(c, 1, Some(self.host));
        c.key(2);
        c.text(self.path, PATH_MAX);
        field(c, 3, Some(self.listener));
        field(c, 4, self.api);
        field(c, 5, self.route);
        c.key(6);
        match self.peer {
            IpAddr::V4(v4) => c.bytes(&v4.octets()),
            IpAddr::V6(v6) => c.bytes(&v6.octets()),
        }
        field(c, 7, self.key);
        field(c, 8, self.identity);
        number(c, 9, Some(self.status.into()));
        field(c, 10, self.reason);
        field(c, 11, self.room);
        if let Some(span) = self.span {
            c.key(12);
            c.array(3);
            c.text(span.file, TEXT_MAX);
            c.number(span.line.into());
            c.number(span.column.into());
        }
        self.verdicts(c);
        number(c, 14, Some(self.bytes_in));
        number(c, 15, Some(self.bytes_out));
        number(c, 16, Some(self.took_us));
        number(c, 17, self.upstream_us);
        field(c, 18, self.target);
        field(c, 19, Some(self.bundle));
        field(c, 20, self.trace);
        number(c, 21, Some(self.worker.into()));
        if let Some(user_agent) = self.user_agent {
            c.key(22);
            c.printable(user_agent, TEXT_MAX);
        }
        field(c, 23, self.upstream);
        field(c, 24, self.operation);
        field(c, 25, self.version);
        field(c, 26, self.own);
        field(c, 27, self.protocol);
        field(c, 28, self.tls);
        field(c, 29, self.ja4);
        field(c, 30, self.http2);
        field(c, 31, self.header_order);
        if let Some(waf) = &self.waf {
            c.key(32);
            waf.encode(c);
        }
        field(c, 33, self.secret);
        field(c, 34, self.country);
        number(c, 35, self.network.map(Into::into));
        if let Some(device) = &self.device {
            c.key(36);
            c.array(2);
            c.text(device.id, TEXT_MAX);
            c.array(device.signals.len());
            for signal in device.signals {
                c.text(signal, TEXT_MAX);
            }
        }
        field(c, 37, self.app);
        let count = self.grounds().count();
        if count > 0 {
            c.key(38);
            c.array(count);
            self.grounds().for_each(|ground| c.text(ground, TEXT_MAX));
        }
        field(c, 40, self.dropped);
        if let Some(noted) = self.noted {
            texts(c, 41, &noted.own);
            texts(c, 42, &noted.partly);
            texts(c, 43, &noted.empty);
            field(c, 44, Some(looked(noted)));
        }
        field(c, 45, self.ended);
        number(c, 46, self.risk.map(Into::into));
        c.end();
    }

    fn grounds(&self) -> impl Iterator<Item = &str> {
        let all = self.grounds.iter().flat_map(|(_, grounds)| grounds.iter());
        all.map(|ground| &**ground).take(GROUNDS_MAX)
    }

    fn verdicts(&self, c: &mut Compact<'_>) {
        let kept = &self.verdicts[..self.verdicts.len().min(VERDICTS_MAX)];
        c.key(13);
        c.array(kept.len());
        for verdict in kept {
            c.array(if verdict.reason.is_some() { 3 } else { 2 });
            c.text(verdict.policy, TEXT_MAX);
            c.number(verdict.outcome as u64);
            if let Some(reason) = verdict.reason {
                c.text(reason, TEXT_MAX);
            }
        }
    }
}

impl Finding {
    fn size(&self) -> usize {
        const EACH: usize = 40;
        let places: usize = self.places.iter().map(|place| place.len() + 3).sum();
        self.rule.len() + self.at.len() + self.message.len() + self.masked.len() + places + EACH
    }
}

impl InspectedRecord<'_> {
    fn encode(&self, c: &mut Compact<'_>) {
        c.array(5);
        c.number(self.score.into());
        c.number(self.threshold.into());
        let kept = &self.found[..self.found.len().min(FOUND_MAX)];
        c.array(kept.len());
        for found in kept {
            c.array(9);
            c.text(&found.rule, FOUND_TEXT_MAX);
            c.text(&found.at, TEXT_MAX);
            c.text(&found.message, TEXT_MAX);
            c.text(&found.masked, FOUND_TEXT_MAX);
            c.number(found.score.into());
            let mut told = 0;
            let fits = |place: &&String| {
                told += place.len();
                told <= TEXT_MAX
            };
            let places = found.places.iter().take(PLACES_MAX).take_while(fits);
            let places = &found.places[..places.count()];
            c.array(places.len());
            for place in places {
                c.text(place, TEXT_MAX);
            }
            c.number(found.level.into());
            c.number(found.counts.into());
            c.number(found.overruled.into());
        }
        c.text(self.by.unwrap_or_default(), FOUND_TEXT_MAX);
        c.number(self.left_out.into());
    }
}

fn noted_size(noted: &Noted) -> usize {
    const EACH: usize = 3;
    const KEYS: usize = 24;
    let lists = [&noted.own, &noted.partly, &noted.empty];
    let all = lists.into_iter().flatten();
    all.map(|text| text.len() + EACH).sum::<usize>() + KEYS
}

/// What was looked at of a request.
fn looked(noted: &Noted) -> &'static str {
    if noted.answer {
        "answer"
    } else {
        "request"
    }
}

fn texts(c: &mut Compact<'_>, key: u8, all: &[String]) {
    if !all.is_empty() {
        c.key(key);
        c.array(all.len());
        all.iter().for_each(|text| c.text(text, MAX_TOLD_BYTES));
    }
}

#[inline]
fn field(c: &mut Compact<'_>, key: u8, value: Option<&str>) {
    if let Some(value) = value {
        c.key(key);
        c.text(value, TEXT_MAX);
    }
}

#[inline]
fn number(c: &mut Compact<'_>, key: u8, value: Option<u64>) {
    if let Some(value) = value {
        c.key(key);
        c.number(value);
    }
}

#[cfg(test)]
mod tests;
