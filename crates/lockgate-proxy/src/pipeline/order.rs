//! The order of policies and stages, with the reason of each place.

/// A place in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// A room's name, or that of a stage of the gate's own.
    pub name: &'static str,
    /// Which part of the room, where it has several places; else empty.
    pub part: &'static str,
    /// When it runs.
    pub phase: &'static str,
    /// Whether it is a room that configuration speaks of.
    pub policy: bool,
    /// Why it stands here.
    pub why: &'static str,
}

const fn stage(name: &'static str, phase: &'static str, why: &'static str) -> Place {
    Place {
        name,
        part: "",
        phase,
        policy: false,
        why,
    }
}

const fn policy(name: &'static str, phase: &'static str, why: &'static str) -> Place {
    part(name, "", phase, why)
}

/// One of the places of a room that has several.
const fn part(
    name: &'static str,
    part: &'static str,
    phase: &'static str,
    why: &'static str,
) -> Place {
    Place {
        name,
        part,
        phase,
        policy: true,
        why,
    }
}

/// The part of `limits` that needs nothing but the address.
pub const BY_ADDRESS: &str = "by address";
/// The part of `limits` that wants to know who calls.
pub const BY_CLIENT: &str = "by client";

/// The order. The configuration cannot change it.
pub const ORDER: &[Place] = &[
    stage(
        "admission",
        "connection",
        "Too many connections are turned away before a byte of theirs is read.",
    ),
    stage(
        "framing",
        "head",
        "What two readers could take differently must never reach one of them.",
    ),
    stage(
        "tls",
        "head",
        "What was made safe for one host, or by one client certificate, carries nothing of another's.",
    ),
    stage(
        "normal_form",
        "head",
        "Route and policies judge what the upstream gets, not one of its spellings.",
    ),
    stage(
        "route",
        "head",
        "Which API it is decides everything that follows.",
    ),
    policy(
        "ip_filter",
        "head",
        "The cheapest refusal comes first; it needs nothing but the address.",
    ),
    part(
        "limits",
        BY_ADDRESS,
        "head",
        "Floods and guessing end before anything is spent on finding out who calls.",
    ),
    policy(
        "cors",
        "head, response",
        "Browsers send no credential with a preflight; and refusals that follow have to say who may read them.",
    ),
    policy(
        "api_key",
        "head",
        "Who calls must be known before what they may do can be asked.",
    ),
    policy(
        "jwt",
        "head",
        "A signature costs more than looking a key up; whom a key has proved, no token need prove.",
    ),
    policy(
        "introspection",
        "head",
        "An issuer's word costs a question at worst; what another entry can tell by itself is not asked.",
    ),
    policy(
        "basic",
        "head",
        "A password costs the control process a slow hash at worst; what is cheaper to tell goes before it.",
    ),
    policy(
        "signature",
        "head",
        "What is signed is the request itself: where it has a body, all of that is awaited, and whoever sends a key or a token need not be.",
    ),
    policy(
        "webhook",
        "head",
        "A sender shows nothing else: nearly all of what it is judged by is the body, which is awaited.",
    ),
    policy(
        "session",
        "head",
        "A browser sends its cookie by itself; whoever sends a key or a token with the request is known by that.",
    ),
    policy(
        "mtls",
        "head",
        "A certificate is the connection's; whoever sends a key or a token with the request is known by that.",
    ),
    part(
        "limits",
        BY_CLIENT,
        "head",
        "Who calls is known now, so that one client's requests are not counted as another's.",
    ),
    stage(
        "version",
        "head",
        "Who still uses a version that ends is known by then, and is written down.",
    ),
    stage(
        "operation",
        "head",
        "What an API's document does not know is refused; only callers who are known learn what it knows.",
    ),
    stage(
        "authorize",
        "head",
        "Nothing that costs is done for those who may not call.",
    ),
    policy(
        "apps",
        "head",
        "A program has no more than it was given, whatever its credential says: all that entitles comes after it.",
    ),
    policy(
        "scopes",
        "head",
        "What a credential was given is cheaper to tell than what its holder is.",
    ),
    policy(
        "roles",
        "head",
        "Both must entitle: a program may do for a person no more than either of them.",
    ),
    policy(
        "device",
        "head",
        "Only of those who may call it is asked from what; where that asks for a proof, nothing else asks again.",
    ),
    policy(
        "enumeration",
        "head",
        "What those ask for is counted who may call it; what is refused behind it counts as well.",
    ),
    policy(
        "properties",
        "head",
        "Where it leaves something out of a body, whatever judges later sees what the API gets.",
    ),
    policy(
        "risk",
        "head",
        "It adds up what is known by then, the device too; policies in Cedar may look at the sum.",
    ),
    policy(
        "cedar",
        "head",
        "Its policies may look at all that is known by then, the device too; it costs more than scopes and roles, and so comes after them.",
    ),
    policy(
        "decide",
        "head",
        "Whoever is asked over the network is told all that is known by then, and only of those whom nothing here refuses.",
    ),
    policy(
        "objects",
        "head, response",
        "Whose it is matters of what may be done at all. What the answer alone tells is judged before it is looked at otherwise.",
    ),
    policy(
        "minimise",
        "head, response",
        "Of the caller's own answer it cuts out what they may not read; both look at it at once, and what inspects answers sees what goes out.",
    ),
    policy(
        "step_up",
        "head",
        "Who may not call at all is not asked for more of a proof; all else waits until it is there.",
    ),
    policy(
        "users",
        "head",
        "A place is taken by those alone who may call, and have shown what they have to; who is refused later has come nevertheless.",
    ),
    policy(
        "redirect",
        "head",
        "Where else something is to be found is told to those who may ask for it.",
    ),
    policy(
        "websocket",
        "head, connection",
        "Who may call may open one, where the API takes them; what passes over it is bounded until it ends.",
    ),
    policy(
        "inflate",
        "head, body",
        "What counts or inspects a body sees what is in it; only those who may call cost the work.",
    ),
    policy(
        "body_limit",
        "head, body",
        "A body is bounded before anything reads it, and only for those who may send one.",
    ),
    policy(
        "grpc",
        "head, body, response",
        "Messages are bounded one by one, behind the bound on all of them; what judges later sees none of their coding.",
    ),
    policy(
        "waf",
        "head, body, response",
        "What looks for attacks sees bodies unpacked and bounded; what it refuses costs nobody else anything.",
    ),
    policy(
        "plugins",
        "head, response",
        "What the operator's own code judges costs most, and was let through by everything else.",
    ),
    policy(
        "rewrite",
        "head",
        "All policies judge the path that was asked for; the API gets the one that it knows.",
    ),
    policy(
        "headers",
        "head, response",
        "Fields are changed once nothing judges them any more; its part for answers runs on every answer, refusals too.",
    ),
    policy(
        "compress",
        "head, response",
        "An answer is packed once nothing changes it any more.",
    ),
    stage(
        "transform",
        "head",
        "Credentials and hop-by-hop fields are taken off once nothing needs them any more.",
    ),
    stage("upstream", "upstream", "What is left is what the API gets."),
    stage(
        "response",
        "response",
        "Hop-by-hop fields of the answer end here.",
    ),
    stage(
        "events",
        "end",
        "Always runs: also after a refusal, a panic or a client that went away.",
    ),
];

/// Where `name` stands in the order, or this part of it; unknown names stand last.
#[must_use]
pub fn position(name: &str, part: &str) -> usize {
    ORDER
        .iter()
        .position(|place| place.name == name && place.part == part)
        .unwrap_or(ORDER.len())
}
