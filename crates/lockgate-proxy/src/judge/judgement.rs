//! What was decided of a request.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use lockgate_policy::device::Standing;
use lockgate_policy::enumeration::Bounds;
use lockgate_policy::inflate::Plan;
use lockgate_policy::limits::CounterKey;
use lockgate_policy::risk::Score;
use lockgate_policy::users::Seats;
use lockgate_policy::ways::Ways;
use lockgate_policy::websocket::Terms;
use lockgate_policy::{
    compress, grpc, minimise, objects, BodyMachine, Denial, Edit, Geo, Grounds, Identity, Place,
    PolicyError, Program, ReasonRef, Span,
};
use lockgate_wire::headers::forwarded::Told;
use lockgate_wire::websocket::Offer;

use crate::route::Matched;
use crate::split::ChosenBy;
use crate::trace::Trace;

use super::Inspecting;

/// A policy that watches a body.
pub struct Watcher {
    /// What watches.
    pub machine: Box<dyn BodyMachine>,
    /// Number of its step, in the API and in the trace.
    pub step: usize,
    /// Whether its refusal holds; it is only written down otherwise.
    pub enforced: bool,
}

/// What an answer is looked at for, as a whole.
#[derive(Debug)]
pub struct Answering<P> {
    /// Number of the step, in the API and in the trace.
    pub step: usize,
    /// Whether its verdict holds; it is only written down otherwise.
    pub enforced: bool,
    /// The rules, and for whom.
    pub pending: P,
}

/// How a request shall end.
#[derive(Debug)]
pub enum End {
    /// It goes to the API's upstream.
    Forward,
    /// It is refused.
    Refuse(Denial),
    /// A policy answered.
    Respond(Box<http::Response<Vec<u8>>>),
}

impl Default for Judgement {
    fn default() -> Self {
        Self {
            end: End::Forward,
            matched: None,
            version: None,
            operation: None,
            captures: Vec::new(),
            rewritten: None,
            outgoing: None,
            upstream: None,
            chosen_by: ChosenBy::Api,
            identity: None,
            identified: None,
            previous_secret: false,
            known: None,
            ways: Ways::default(),
            open: false,
            grounds: Vec::new(),
            client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            proxy: false,
            told: None,
            program: None,
            device: None,
            risk: None,
            place: None,
            trace: Trace::default(),
            decided: None,
            edits: Vec::new(),
            answer_edits: Vec::new(),
            shown: None,
            websocket: None,
            grpc: None,
            inflate: None,
            packing: None,
            watchers: Vec::new(),
            inspecting: None,
            owned: None,
            minimised: None,
            sighting: None,
            seats: None,
            cut: None,
            dropped: None,
            noted: None,
            errors: Vec::new(),
        }
    }
}

impl Judgement {
    /// What entitles the caller, as the step of this number says it.
    #[must_use]
    pub fn grounds_of(&self, step: usize) -> Vec<String> {
        let said = self.grounds.iter().filter(|(number, _)| *number == step);
        said.flat_map(|(_, grounds)| grounds.iter())
            .map(ToString::to_string)
            .collect()
    }

    /// Whether its answer is looked at as a whole before any of it goes out: the reason for what cannot be.
    #[must_use]
    pub fn looks_at_whole(&self) -> Option<ReasonRef> {
        let owned = self.owned.as_ref().filter(|one| one.enforced);
        let cut = self.minimised.as_ref();
        let cut = cut.filter(|one| one.enforced && one.pending.cuts());
        let cut = cut.map(|_| &minimise::ANSWER);
        owned.map(|_| &objects::ANSWER).or(cut)
    }

    /// Where the client is: as it was looked up already, or as the databases have it, if there are any.
    #[must_use]
    pub fn place<'j>(&'j self, geo: &Geo) -> Option<Cow<'j, Place>> {
        match &self.place {
            Some(place) => Some(Cow::Borrowed(&**place)),
            None => geo.ask(&self.client).map(Cow::Owned),
        }
    }
}

/// What was decided of a request, and why.
pub struct Judgement {
    /// How it shall end.
    pub end: End,
    /// The API that it was routed to.
    pub matched: Option<Matched>,
    /// The version of the API that it asks for.
    pub version: Option<usize>,
    /// The operation of the API's document that it is.
    pub operation: Option<u32>,
    /// What stands in the braces of the operation's path, decoded, where a policy asks.
    pub captures: Vec<(Arc<str>, String)>,
    /// Path and query in normal form, where they arrived in another.
    pub rewritten: Option<String>,
    /// What the upstream is asked for, where that is not what arrived.
    pub outgoing: Option<PathAndQuery>,
    /// The upstream that it goes to, an index into the snapshot's. Whatever sets
    /// it before the end of judging decides; else the API's own or its split does.
    pub upstream: Option<usize>,
    /// What chose it.
    pub chosen_by: ChosenBy,
    /// Who calls.
    pub identity: Option<Identity>,
    /// Which of the API's steps has said so.
    pub identified: Option<usize>,
    /// Whether a key proved it by the secret that it had before the newest.
    pub previous_secret: bool,
    /// Whose credential was refused, where that is certain; for the event alone.
    pub known: Option<Box<Identity>>,
    /// All that has proved who calls.
    pub ways: Ways,
    /// Whether what is asked for is open to anyone.
    pub open: bool,
    /// What entitles the caller, each by the number of the step that says so.
    pub grounds: Vec<(usize, Grounds)>,
    /// The client's address.
    pub client: IpAddr,
    /// Whether that is a proxy that is believed, and speaks for many.
    pub proxy: bool,
    /// What proxies that are believed told of it; the upstream hears no more than that.
    pub told: Option<Box<Told>>,
    /// What its program looks like, where somebody asks.
    pub program: Option<Box<Program>>,
    /// What is known of the caller's device, where the API asks.
    pub device: Option<Box<Standing>>,
    /// What speaks against the request, where the API asks.
    pub risk: Option<Box<Score>>,
    /// Where the client is, where its API asks.
    pub place: Option<Box<Place>>,
    /// What each policy said.
    pub trace: Trace,
    /// Where the configuration says what refused.
    pub decided: Option<Span>,
    /// Changes to the request, besides the API's own.
    pub edits: Vec<Edit>,
    /// Changes to the answer, besides the API's own.
    pub answer_edits: Vec<Edit>,
    /// By step, the request's head as a plugin that judges the answer sees it.
    pub shown: Option<Box<[Option<serde_json::Value>]>>,
    /// What is offered where it becomes a WebSocket, and what may pass over it.
    pub websocket: Option<Box<(Offer, Terms)>>,
    /// The call of gRPC that it is, where the API says which it takes.
    pub grpc: Option<grpc::Call>,
    /// How the body is unpacked, and by which step.
    pub inflate: Option<Box<(usize, Plan)>>,
    /// How the client wants its answer packed, and by which step.
    pub packing: Option<(usize, compress::Asked)>,
    /// What watches the body.
    pub watchers: Vec<Watcher>,
    /// What looks at it, where something does.
    pub inspecting: Option<Box<Inspecting>>,
    /// What its answer is held against, where that tells whose it is.
    pub owned: Option<Box<Answering<objects::Pending>>>,
    /// What is cut out of its answer, where something may be.
    pub minimised: Option<Box<Answering<minimise::Pending>>>,
    /// Whose object it is that it asks for, and how much is too much: how it ends is told there.
    pub sighting: Option<(CounterKey, Bounds)>,
    /// Places that its caller has taken: they are given back at its end.
    pub seats: Option<Box<Seats>>,
    /// The body that goes on in the place of the one that came, where something was left out of it.
    pub cut: Option<Bytes>,
    /// What was left out, in words.
    pub dropped: Option<Box<str>>,
    /// Where it says what is verified of its caller, where the API wants to know.
    pub noted: Option<Box<objects::Noted>>,
    /// Errors of policies, for the log.
    pub errors: Vec<PolicyError>,
}
