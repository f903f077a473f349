//! Bodies that rules have no name for: GraphQL, lines of JSON, messages of gRPC.

use lockgate_wire::content::{graphql, json, ndjson, protobuf, reasons, Flaw, Progress, Sink};
use lockgate_wire::grpc::TextDecoder;

use super::super::transaction::KEPT_BYTES;
use super::super::SLICE_BYTES;
use crate::rule::Processor;

/// Of documents: their bytes and their number are bounded by the body's, and
/// reading them costs its length.
const DOCUMENTS: graphql::Limits = graphql::Limits {
    bytes: usize::MAX,
    depth: 64,
    tokens: 15_000,
    documents: u32::MAX,
};

/// What reads them.
#[derive(Debug, Default)]
pub struct More {
    lines: Option<ndjson::Reader>,
    call: Option<protobuf::Reader>,
    /// A body in base64, as it is without.
    plain: Option<Vec<u8>>,
    /// What is wrong with a document of GraphQL in JSON.
    document: Option<Flaw>,
}

impl More {
    /// Forgets everything, and keeps its room.
    pub fn clear(&mut self) {
        if let Some(lines) = &mut self.lines {
            lines.reset(KEPT_BYTES);
        }
        self.call = None;
        self.plain = None;
        self.document = None;
    }

    /// To read another part of a form: what is wrong with those before stays.
    pub fn begin(&mut self) {
        if let Some(lines) = &mut self.lines {
            lines.reset(KEPT_BYTES);
        }
        self.call = None;
        self.plain = None;
    }

    /// What readers could take differently.
    pub fn strict(&self) -> Option<Flaw> {
        let lines = self.lines.as_ref().and_then(ndjson::Reader::strict);
        lines.or(self.document)
    }

    /// Reads JSON, and the documents of GraphQL in it. A text named `query` that
    /// is no GraphQL is one like others.
    pub fn json<S: Sink + ?Sized>(
        &mut self,
        json: &mut json::Reader,
        body: &[u8],
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        let mut envelope = graphql::Envelope::new(sink, DOCUMENTS);
        let read = json.run(body, SLICE_BYTES, &mut envelope);
        let limit = |flaw: &Flaw| flaw.reason.code != reasons::GRAPHQL_SYNTAX.code;
        self.document = self.document.or(envelope.outcome().2.filter(limit));
        read
    }

    /// Reads on, about a slice.
    pub fn run<S: Sink + ?Sized>(
        &mut self,
        processor: Processor,
        body: &[u8],
        limits: json::Limits,
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        match processor {
            Processor::GraphQl => {
                graphql::read(body, &DOCUMENTS, sink).map(|(_, progress)| progress)
            }
            Processor::JsonLines | Processor::JsonSequence => {
                let lines = self
                    .lines
                    .get_or_insert_with(|| ndjson::Reader::new(limits));
                lines.split_at(match processor {
                    Processor::JsonLines => ndjson::LINE_END,
                    _ => ndjson::RECORD_BEGIN,
                });
                lines.run(body, SLICE_BYTES, sink)
            }
            Processor::Grpc => self.call(body, sink),
            Processor::GrpcText => {
                let plain = match self.plain.take() {
                    Some(plain) => plain,
                    None => decoded(body)?,
                };
                let read = self.call(&plain, sink);
                self.plain = Some(plain);
                read
            }
            Processor::Message => self
                .call
                .get_or_insert_with(|| protobuf::Reader::of_message(protobuf::Limits::default()))
                .run(body, SLICE_BYTES, sink),
            Processor::Protobuf => self
                .call
                .get_or_insert_with(|| protobuf::Reader::of_body(protobuf::Limits::default()))
                .run(body, SLICE_BYTES, sink),
            _ => Ok(Progress::Done),
        }
    }

    fn call<S: Sink + ?Sized>(&mut self, body: &[u8], sink: &mut S) -> Result<Progress, Flaw> {
        let call = self
            .call
            .get_or_insert_with(|| protobuf::Reader::of_call(protobuf::Limits::default()));
        let read = call.run(body, SLICE_BYTES, sink)?;
        match call.compressed() {
            0 => Ok(read),
            _ => Err(Flaw::new(&reasons::GRPC_COMPRESSED, 0)),
        }
    }
}

fn decoded(body: &[u8]) -> Result<Vec<u8>, Flaw> {
    let mut out = Vec::new();
    let mut decoder = TextDecoder::default();
    let fed = decoder.feed(body, &mut out).and_then(|()| decoder.end());
    match fed {
        Ok(()) => Ok(out),
        Err(reason) => Err(Flaw::new(reason, 0)),
    }
}
