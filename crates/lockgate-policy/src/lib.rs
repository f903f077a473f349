//! Lockgate's policies: one file per room, each a pure decision over a request
//! view, its config, facts already obtained and a clock. No I/O, no async.
//!
//! A room is a type with `NAME`, `Config`, `REASONS` and `decide`. What it
//! wants from outside it asks for with [`Verdict::Need`]; the caller obtains it
//! and asks again with the answer in [`Answers`].

pub mod api_key;
pub mod apps;
pub mod basic;
pub mod body_limit;
pub mod cedar;
pub mod compress;
pub mod cors;
pub mod decide;
pub mod device;
pub mod grpc;
pub mod headers;
pub mod inflate;
pub mod introspection;
pub mod ip_filter;
pub mod jwt;
pub mod limits;
pub mod minimise;
pub mod mtls;
pub mod objects;
pub mod plugins;
pub mod properties;
pub mod redirect;
pub mod rewrite;
pub mod risk;
pub mod roles;
pub mod scopes;
pub mod session;
pub mod signature;
pub mod step_up;
pub mod users;
pub mod waf;
pub mod webhook;
pub mod websocket;

pub mod body;
pub mod broker;
pub mod conditions;
pub mod document;
pub mod enumeration;
pub mod facts;
pub mod fields;
pub mod geo;
pub mod only;
pub mod openings;
pub mod pattern;
pub mod placement;
pub mod ranges;
pub mod template;
pub mod verdict;
pub mod view;
pub mod ways;

pub use api_key::{Grant, KeyRecord, Terms};
pub use body::{BodyMachine, BodyVerdict};
pub use facts::{Answers, Content, Digest, First, Gather, IssuerFacts, Need, Proved, Spend};
pub use geo::{Country, Geo, Place};
pub use lockgate_wire::reason::{Fault, Reason, ReasonRef};
pub use placement::{Mode, OnError, Span, Waiver};
pub use ranges::Ranges;
pub use verdict::{
    remove_cookies, ConfigError, Denial, Edit, Edits, Grounds, Identity, Own, PolicyError, Verdict,
    POLICY_FAILED,
};
pub use view::{Caller, Program, Reading, RequestView};

/// The rooms' names, in alphabetical order.
pub const NAMES: &[&str] = &[
    api_key::NAME,
    apps::NAME,
    basic::NAME,
    body_limit::NAME,
    cedar::NAME,
    compress::NAME,
    cors::NAME,
    decide::NAME,
    device::NAME,
    enumeration::NAME,
    grpc::NAME,
    headers::NAME,
    inflate::NAME,
    introspection::NAME,
    ip_filter::NAME,
    jwt::NAME,
    limits::NAME,
    minimise::NAME,
    mtls::NAME,
    objects::NAME,
    plugins::NAME,
    properties::NAME,
    redirect::NAME,
    rewrite::NAME,
    risk::NAME,
    roles::NAME,
    scopes::NAME,
    session::NAME,
    signature::NAME,
    step_up::NAME,
    users::NAME,
    waf::NAME,
    webhook::NAME,
    websocket::NAME,
];

/// Ways whose callers have these claims and no others, by their names.
pub const CLAIMS: [(&str, &[&str]); 4] = [
    (api_key::NAME, &api_key::CLAIMS),
    (mtls::NAME, &mtls::CLAIMS),
    (signature::NAME, &signature::CLAIMS),
    (webhook::NAME, &webhook::CLAIMS),
];

/// Every reason that a room can give, room by room.
#[must_use]
pub fn reasons() -> Vec<ReasonRef> {
    let rooms: [&[ReasonRef]; 33] = [
        api_key::REASONS,
        apps::REASONS,
        basic::REASONS,
        body_limit::REASONS,
        cedar::REASONS,
        cors::REASONS,
        decide::REASONS,
        device::REASONS,
        enumeration::REASONS,
        grpc::REASONS,
        inflate::REASONS,
        introspection::REASONS,
        ip_filter::REASONS,
        jwt::REASONS,
        limits::REASONS,
        minimise::REASONS,
        mtls::REASONS,
        objects::REASONS,
        plugins::REASONS,
        properties::REASONS,
        redirect::REASONS,
        rewrite::REASONS,
        risk::REASONS,
        roles::REASONS,
        scopes::REASONS,
        session::REASONS,
        signature::REASONS,
        step_up::REASONS,
        users::REASONS,
        waf::REASONS,
        webhook::REASONS,
        websocket::REASONS,
        verdict::REASONS,
    ];
    rooms.concat()
}
