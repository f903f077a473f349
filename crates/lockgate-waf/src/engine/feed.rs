//! Fills a transaction with what arrived.

use std::net::{IpAddr, SocketAddr};

use crate::bytes::Span;
use crate::rule::Collection;
use crate::transform::Transformation;

use super::chains;
use super::kinds;
use super::members::{Base, Member};
use super::program::{Program, Values};
use super::transaction::{Control, Position, Transaction, KEPT_BYTES};

/// What arrived of a request, beside its header fields.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The target, as it arrived.
    pub target: &'a [u8],
    /// The path, as routes are found by it; what an exclusion says of requests
    /// is held against it.
    pub path: &'a [u8],
    /// The protocol, such as `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// Where it came from.
    pub remote: SocketAddr,
    /// Where it came in.
    pub server: SocketAddr,
    /// Its id.
    pub id: &'a [u8],
    /// Milliseconds since the epoch.
    pub now_ms: u64,
}

/// What arrived of an answer, beside its header fields.
#[derive(Debug, Clone, Copy)]
pub struct AnswerHead<'a> {
    /// The status.
    pub status: u16,
    /// The protocol, such as `HTTP/1.1`.
    pub protocol: &'a [u8],
}

pub(super) fn begin<'a>(
    program: &Program,
    tx: &mut Transaction,
    head: &RequestHead<'a>,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) {
    tx.arena.clear(KEPT_BYTES);
    tx.members.clear();
    tx.arena.keep(&program.start.bytes);
    tx.variables.begin(&program.start.variables);
    tx.control = Control {
        now_ms: head.now_ms,
        ..std::mem::take(&mut tx.control).emptied()
    };
    for number in &program.start.exceptions {
        let Some(exception) = program.exceptions.get(*number as usize) else {
            continue;
        };
        let on = exception.on.as_ref();
        if head.now_ms >= exception.until_ms
            || on.is_some_and(|on| !on.means(head.method, head.path))
        {
            continue;
        }
        match exception.values {
            Values::All => tx.control.removed.extend(&exception.rules),
            _ => tx.control.exceptions.push(*number),
        }
    }
    if let Some(native) = &program.native {
        tx.control.left_out_here.extend(native.holding(head));
    }
    tx.found.clear();
    tx.reading.clear();
    tx.sifted.clear();
    tx.formed.clear();
    tx.slices = None;
    tx.native.found.clear();
    tx.native.doubts = 0;
    tx.native.allowance = Default::default();
    tx.native.spared.clear();
    tx.native.lists = [0; 2];
    tx.native.added = false;
    tx.place = Position::default();
    line(program, tx, head);
    peers(tx, head);
    for (name, value) in headers {
        field(tx, Base::RequestHeaders, name, value);
    }
    cookies(tx);
    let processor = kinds::declared(tx);
    tx.control.processor = processor;
    kinds::name_processor(tx);
    times(program, tx, head.now_ms);
    super::body::begin(program, tx);
    arguments_size(program, tx);
}

/// The request line and its parts, which share its bytes.
fn line(program: &Program, tx: &mut Transaction, head: &RequestHead<'_>) {
    let arena = &mut tx.arena;
    let method = arena.keep(head.method);
    arena.keep(b" ");
    let target = arena.keep(head.target);
    arena.keep(b" ");
    let protocol = arena.keep(head.protocol);
    let line = arena.since(method.at as usize);
    let members = &mut tx.members;
    members.set(Collection::RequestLine, line);
    members.set(Collection::RequestMethod, method);
    members.set(Collection::RequestProtocol, protocol);
    members.set(Collection::RequestUriRaw, target);
    // Without scheme and authority, which only a proxy is told (RFC 9112 section 3.2.2).
    let origin = origin(head.target);
    let uri = part(target, origin..head.target.len());
    members.set(Collection::RequestUri, uri);
    let rest = &head.target[origin..];
    // What stands behind a `#` is no part of a target, yet some servers cut it off.
    let query = memchr::memchr(b'?', rest);
    let path = part(uri, 0..query.unwrap_or(rest.len()));
    // Rules ask for the path as ModSecurity 3 has it, decoded once.
    let path = chains::step(Transformation::UrlDecode, path, arena, &mut tx.room.made);
    members.set(Collection::RequestFilename, path);
    let bytes = arena.get(path);
    let base = memchr::memrchr2(b'/', b'\\', bytes).map_or(0, |at| at + 1);
    members.set(Collection::RequestBasename, part(path, base..bytes.len()));
    let query = query.map_or(rest.len()..rest.len(), |at| at + 1..rest.len());
    let text = &rest[query.clone()];
    members.set(Collection::QueryString, part(uri, query));
    super::body::arguments(program, tx, text);
}

/// Where path and query begin.
fn origin(target: &[u8]) -> usize {
    let Some(at) = memchr::memmem::find(target, b"://") else {
        return 0;
    };
    let scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    if at == 0 || !target[..at].iter().all(scheme) {
        return 0;
    }
    let authority = at + 3;
    memchr::memchr2(b'/', b'?', &target[authority..]).map_or(target.len(), |at| authority + at)
}

/// A part of some bytes.
pub(super) fn part(of: Span, range: std::ops::Range<usize>) -> Span {
    Span {
        at: of.at + u32::try_from(range.start).unwrap_or(0),
        len: u32::try_from(range.len()).unwrap_or(0),
    }
}

fn peers(tx: &mut Transaction, head: &RequestHead<'_>) {
    let mut text = std::mem::take(&mut tx.room.text);
    for (collection, address) in [
        (Collection::RemoteAddr, head.remote),
        (Collection::ServerAddr, head.server),
    ] {
        text.clear();
        write_address(&mut text, address.ip().to_canonical());
        let span = tx.arena.keep(&text);
        tx.members.set(collection, span);
        if collection == Collection::RemoteAddr {
            tx.members.set(Collection::RemoteHost, span);
        }
    }
    tx.room.text = text;
    number(tx, Collection::RemotePort, head.remote.port().into());
    number(tx, Collection::ServerPort, head.server.port().into());
    let id = tx.arena.keep(head.id);
    tx.members.set(Collection::UniqueId, id);
}

fn field(tx: &mut Transaction, base: Base, name: &[u8], value: &[u8]) {
    if base == Base::RequestHeaders {
        tx.members.presence.name(name);
    }
    let name = tx.arena.keep(name);
    let value = tx.arena.keep(value);
    tx.members.push(
        base,
        Member {
            name,
            value,
            ..Member::default()
        },
    );
}

fn write_address(text: &mut Vec<u8>, address: IpAddr) {
    use std::io::Write;
    match address {
        // As `Display` does, at a tenth of its cost: each request writes two.
        IpAddr::V4(address) => {
            for (place, part) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    text.push(b'.');
                }
                text.extend_from_slice(itoa::Buffer::new().format(part).as_bytes());
            }
        }
        // Writing to memory does not fail.
        IpAddr::V6(address) => {
            let _ = write!(text, "{address}");
        }
    }
}

/// Says a number that there is but one of.
pub(super) fn number(tx: &mut Transaction, collection: Collection, number: i64) {
    let mut buffer = itoa::Buffer::new();
    let span = tx.arena.keep(buffer.format(number).as_bytes());
    tx.members.set(collection, span);
}

/// The first header field of this name.
pub(super) fn header(tx: &Transaction, base: Base, name: &[u8]) -> Option<Span> {
    let members = tx.members.of(base).iter();
    let mut named = members.filter(|member| tx.arena.get(member.name).eq_ignore_ascii_case(name));
    named.next().map(|member| member.value)
}

fn cookies(tx: &mut Transaction) {
    let fields = tx.members.of(Base::RequestHeaders);
    let cookie = |member: &Member| tx.arena.get(member.name).eq_ignore_ascii_case(b"cookie");
    let lines: Vec<(usize, Span)> = fields
        .iter()
        .enumerate()
        .filter(|(_, member)| cookie(member))
        .map(|(place, member)| (place, member.value))
        .collect();
    for (place, line) in lines {
        let first = tx.members.of(Base::Cookies).len();
        super::body::cookies(tx, line);
        // Some read on to the closing quote, past a semicolon.
        let opens = |member: &Member| {
            let value = tx.arena.get(member.value);
            value.starts_with(b"\"") && (value.len() == 1 || !value.ends_with(b"\""))
        };
        let cookies = tx.members.of(Base::Cookies).get(first..);
        if !cookies.unwrap_or_default().iter().any(opens) {
            tx.members.part(Base::RequestHeaders, place);
        }
    }
}

/// How many parameters there are.
pub(super) fn arguments(tx: &Transaction) -> usize {
    tx.members.of(Base::ArgsGet).len() + tx.members.of(Base::ArgsPost).len()
}

/// How long all arguments are together.
pub(super) fn arguments_size(program: &Program, tx: &mut Transaction) {
    if !program.used.contains(Collection::ArgsCombinedSize as usize) {
        return;
    }
    let bases = [Base::ArgsGet, Base::ArgsPost];
    let members = bases.iter().flat_map(|base| tx.members.of(*base));
    let size = members
        .map(|member| i64::from(member.name.len) + i64::from(member.value.len))
        .sum();
    number(tx, Collection::ArgsCombinedSize, size);
}

fn times(program: &Program, tx: &mut Transaction, now_ms: u64) {
    let seconds = i64::try_from(now_ms / 1000).unwrap_or(0);
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, date) = spelling_of_day(day);
    let parts = [
        (Collection::TimeEpoch, seconds),
        (Collection::TimeYear, year),
        (Collection::TimeMon, month - 1),
        (Collection::TimeDay, date),
        (Collection::TimeWday, (day + 4).rem_euclid(7)),
        (Collection::TimeHour, second / 3600),
        (Collection::TimeMin, second / 60 % 60),
        (Collection::TimeSec, second % 60),
        (Collection::Duration, 0),
    ];
    for (collection, value) in parts {
        if program.used.contains(collection as usize) {
            number(tx, collection, value);
        }
    }
    if program.used.contains(Collection::Time as usize) {
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let text = format!("{hour:02}:{minute:02}:{:02}", second % 60);
        let text = tx.arena.keep(text.as_bytes());
        tx.members.set(Collection::Time, text);
    }
}

/// Year, month from 1 and day of a day since 1970, in the Gregorian calendar
/// (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn spelling_of_day(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
}

pub(super) fn answer<'a>(
    program: &Program,
    tx: &mut Transaction,
    head: &AnswerHead<'a>,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) {
    for (name, value) in headers {
        field(tx, Base::ResponseHeaders, name, value);
    }
    number(tx, Collection::ResponseStatus, head.status.into());
    let protocol = tx.arena.keep(head.protocol);
    tx.members.set(Collection::ResponseProtocol, protocol);
    if program.used.contains(Collection::StatusLine as usize) {
        let at = tx.arena.len();
        tx.arena.keep(head.protocol);
        tx.arena.keep(format!(" {}", head.status).as_bytes());
        let line = tx.arena.since(at);
        tx.members.set(Collection::StatusLine, line);
    }
    let parts = [
        (Collection::ResponseContentType, &b"content-type"[..]),
        (Collection::ResponseContentLength, b"content-length"),
    ];
    for (collection, name) in parts {
        if let Some(value) = header(tx, Base::ResponseHeaders, name) {
            tx.members.set(collection, value);
        }
    }
}

pub(super) fn answer_body(program: &Program, tx: &mut Transaction, body: &[u8]) {
    if !program.used.contains(Collection::ResponseBody as usize) {
        return;
    }
    let body = tx.arena.keep(body);
    tx.members.set(Collection::ResponseBody, body);
}
