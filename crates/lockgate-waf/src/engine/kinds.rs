//! How bodies are read, by what they say they are.

use lockgate_wire::grpc::{ContentType, Protocol};

use crate::rule::{Collection, Processor};

use super::feed;
use super::members::Base;
use super::transaction::Transaction;

/// Types of JSON values, one to a line. No registry has them; these are in use.
const LINES: &[&[u8]] = &[
    b"application/x-ndjson",
    b"application/ndjson",
    b"application/jsonl",
    b"application/x-jsonl",
    b"application/jsonlines",
    b"application/x-jsonlines",
    b"application/stream+json",
    b"application/x-json-stream",
];

/// Types of one message of Protocol Buffers, without any call.
const MESSAGES: &[&[u8]] = &[
    b"application/protobuf",
    b"application/x-protobuf",
    b"application/vnd.google.protobuf",
];

/// Whether a length stands before each of several messages, which are text to us.
fn is_delimited(kind: &[u8]) -> bool {
    memchr::memmem::find(&kind.to_ascii_lowercase(), b"delimited").is_some()
}

/// How the body says that it is to be read.
pub(super) fn declared(tx: &Transaction) -> Option<Processor> {
    let value = feed::header(tx, Base::RequestHeaders, b"content-type")?;
    of_type(tx.arena.get(value))
}

/// How what is of this type is read: a body, or a part of one.
pub(super) fn of_type(value: &[u8]) -> Option<Processor> {
    let end = memchr::memchr2(b';', b',', value).unwrap_or(value.len());
    let kind = value.get(..end).unwrap_or_default().trim_ascii();
    let is = |name: &[u8]| kind.eq_ignore_ascii_case(name);
    let starts = |prefix: &[u8]| {
        let start = kind.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let ends = |suffix: &[u8]| {
        let cut = kind.len().checked_sub(suffix.len()).filter(|cut| *cut > 0);
        let end = cut.and_then(|cut| kind.get(cut..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    if is(b"application/x-www-form-urlencoded") {
        Some(Processor::UrlEncoded)
    } else if starts(b"multipart/") {
        Some(Processor::Multipart)
    } else if LINES.iter().any(|name| is(name)) {
        Some(Processor::JsonLines)
    } else if is(b"application/json") || is(b"text/json") || (ends(b"+json") && !is_grpc(kind)) {
        Some(Processor::Json)
    } else if is(b"application/json-seq") || ends(b"+json-seq") {
        Some(Processor::JsonSequence)
    } else if is(b"application/xml") || is(b"text/xml") || ends(b"+xml") {
        Some(Processor::Xml)
    } else if is(b"application/graphql") {
        Some(Processor::GraphQl)
    } else if MESSAGES.iter().any(|name| is(name)) && !is_delimited(value) {
        Some(Processor::Protobuf)
    } else {
        call(kind)
    }
}

/// Character sets of forms in which ASCII is what it is everywhere, beside the
/// families of ISO 8859 and of Windows.
const CHARSETS: &[&[u8]] = &[b"utf-8", b"utf8", b"us-ascii", b"ascii", b"latin1"];

/// Whether ASCII in the body stays ASCII in the character set that it says. .NET
/// and Java read forms as UTF-16 or EBCDIC where that is said.
pub(super) fn is_text_of_ascii(tx: &Transaction) -> bool {
    !says_charset(tx, |name| {
        let family = |prefix: &[u8]| name.starts_with(prefix);
        !(CHARSETS.contains(&name) || family(b"iso-8859-") || family(b"windows-125"))
    })
}

/// Code pages of EBCDIC, by their numbers, in which no letter is what it is in ASCII.
const EBCDIC: &[&[u8]] = &[
    b"37", b"273", b"277", b"278", b"280", b"284", b"285", b"290", b"297", b"420", b"423", b"424",
    b"500", b"833", b"838", b"870", b"871", b"875", b"880", b"905", b"918", b"924", b"930", b"931",
    b"933", b"935", b"937", b"939", b"1025", b"1026", b"1047", b"1112", b"1122", b"1123", b"1140",
    b"1141", b"1142", b"1143", b"1144", b"1145", b"1146", b"1147", b"1148", b"1149", b"1364",
    b"1371", b"1388", b"1390", b"1399",
];

/// Whether the body says that it is in EBCDIC, which Java decodes wherever it is said.
pub(super) fn is_ebcdic(tx: &Transaction) -> bool {
    says_charset(tx, |name| {
        let number = name.iter().position(u8::is_ascii_digit);
        let (word, number) = name.split_at(number.unwrap_or(name.len()));
        let number = number.split(|byte| !byte.is_ascii_digit()).next();
        let paged = [
            &b"ibm"[..],
            b"ibm-",
            b"cp",
            b"cp-",
            b"x-ibm",
            b"csibm",
            b"ccsid",
        ];
        memchr::memmem::find(name, b"ebcdic").is_some()
            || paged.contains(&word) && number.is_some_and(is_page)
    })
}

/// Whether a number is one of [`EBCDIC`], with or without zeros before it.
fn is_page(number: &[u8]) -> bool {
    let zeros = number.iter().take_while(|digit| **digit == b'0').count();
    EBCDIC.contains(&number.get(zeros..).unwrap_or_default())
}

/// Whether a character set that the body says it is in, in small letters, is such a one.
fn says_charset(tx: &Transaction, is: impl Fn(&[u8]) -> bool) -> bool {
    let value = feed::header(tx, Base::RequestHeaders, b"content-type").unwrap_or_default();
    let value = tx.arena.get(value).to_ascii_lowercase();
    let said = memchr::memmem::find_iter(&value, b"charset");
    said.filter_map(|at| {
        let rest = value.get(at + b"charset".len()..)?.trim_ascii_start();
        let rest = rest.strip_prefix(b"=")?.trim_ascii_start();
        let end = rest.iter().position(|byte| b";, \t".contains(byte));
        rest.get(..end.unwrap_or(rest.len()))
    })
    .any(|name| {
        let name: &[u8] = name.strip_prefix(b"\"").unwrap_or(name);
        is(name.strip_suffix(b"\"").unwrap_or(name))
    })
}

fn parsed(kind: &[u8]) -> Option<ContentType<'_>> {
    std::str::from_utf8(kind).ok().and_then(ContentType::parse)
}

fn is_grpc(kind: &[u8]) -> bool {
    parsed(kind).is_some()
}

/// How the messages of a call are written; Protocol Buffers, where nothing is said.
fn format<'a>(kind: &ContentType<'a>) -> &'a str {
    let end = kind.suffix.find([';', ' ']).unwrap_or(kind.suffix.len());
    kind.suffix.get(..end).unwrap_or_default()
}

/// A call's whole body; none where its messages are written in another way.
fn call(kind: &[u8]) -> Option<Processor> {
    let kind = parsed(kind)?;
    let known = matches!(format(&kind), "" | "+proto");
    known.then_some(match kind.protocol {
        Protocol::WebText => Processor::GrpcText,
        Protocol::Grpc | Protocol::Web => Processor::Grpc,
    })
}

/// How one message of a call is read, without what stands before it.
pub(super) fn of_message(tx: &Transaction) -> Option<Processor> {
    let value = feed::header(tx, Base::RequestHeaders, b"content-type");
    let kind = value.and_then(|value| parsed(tx.arena.get(value)));
    match kind.as_ref().map(format) {
        None | Some("" | "+proto") => Some(Processor::Message),
        Some("+json") => Some(Processor::Json),
        Some(_) => None,
    }
}

/// Says how the body is read, to rules: as far as they have a name for it.
pub(super) fn name_processor(tx: &mut Transaction) {
    let name: &[u8] = match tx.control.processor {
        None
        | Some(
            Processor::Raw
            | Processor::GraphQl
            | Processor::Grpc
            | Processor::GrpcText
            | Processor::Message
            | Processor::Protobuf,
        ) => b"",
        Some(Processor::UrlEncoded) => b"URLENCODED",
        Some(Processor::Multipart) => b"MULTIPART",
        Some(Processor::Json | Processor::JsonLines | Processor::JsonSequence) => b"JSON",
        Some(Processor::Xml) => b"XML",
    };
    let span = tx.arena.keep(name);
    tx.members.set(Collection::ReqbodyProcessor, span);
}
