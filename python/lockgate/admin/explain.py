"""Why a request was, or would be, answered as it is: offline, and from its event.

There is no second copy of the rules: a request that is only asked about goes
through the engine that the gate runs. A request that was is told from its
event, with the lines that its own bundle names, while that is kept.
"""

import contextlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from lockgate.admin.keys import KnownKeys
from lockgate.admin.routes import operations_of
from lockgate.config.check_hosts import reached
from lockgate.plugin.launch import COMMAND
from lockgate.policies.risk import DEFAULTS
from lockgate.policies.session import session_cookie
from lockgate.rehearsal.asked import NoListenerError, arrives_at, explanation, other_methods
from lockgate.rehearsal.certificates import asks
from lockgate.rehearsal.credentials import api_of, key_headers
from lockgate.rehearsal.decisions import stated
from lockgate.rehearsal.devices import USUAL
from lockgate.rehearsal.devices import standing as standing_of

if TYPE_CHECKING:
    from lockgate._native import Engine
    from lockgate.config.bundle_types import Clients

HOST_UNSAID = "localhost"
TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
"""The compact form of a signed object (RFC 7515 section 7.1)."""
ALERT: Final = "the handshake ends with an alert"
"""What a client hears whose certificate is refused before there is a request."""


UNASKED: Final = frozenset({"introspection-unavailable", "basic-unavailable"})
"""What the engine says of a token that nobody was asked about."""

GROUNDS: Final = {
    "apps": ("app ", "tier ", "withheld "),
    "roles": ("role ",),
    "scopes": ("scope ", "scheme ", "the document"),
    "cedar": ("policy ",),
    "decide": ("decision ",),
    "risk": ("risk ", *(f"{signal} " for signal in DEFAULTS)),
}
"""How each policy's grounds begin: an event has those of all in one list."""

NAMED_MOST: Final = 5
"""Names of certificates that a refusal tells of."""


class UnreadableError(ValueError):
    """The request to explain is not one that could be sent; the message says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that somebody asks about."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = ()
    key: str | None = None
    peer: str = "127.0.0.1"
    listener: str | None = None
    body: bytes | None = None
    certificate: bytes | None = None
    """That of the client, PEM, with those that vouch for it behind."""
    device: Sequence[str] = USUAL
    """What the caller's device is taken for, in the words of `lockgate.rehearsal.devices`."""
    decision: str | None = None
    """What decision points are taken to say: `allow`, `deny`, or JSON."""

    others: int = 0
    """How many other users are taken to have places already, of each cap on them."""

    @property
    def names_host(self) -> bool:
        """Whether it says which host it is for; a path alone does not."""
        return "://" in self.url or any(name.lower() == "host" for name, _ in self.headers)

    def _device(self) -> str:
        try:
            return standing_of(self.device)
        except ValueError as error:
            raise UnreadableError(f"{error}.") from error

    def _decision(self) -> str | None:
        try:
            return None if self.decision is None else stated(self.decision)
        except ValueError as error:
            raise UnreadableError(f"{error}.") from error

    def request(self) -> dict[str, Any]:
        """As the engine takes it. The path is handed on as it was typed: what it means is the engine's to say."""
        target, host = self.url, None
        if "://" in self.url:
            try:
                host = urlsplit(self.url).netloc
            except ValueError as error:
                raise UnreadableError(f"{self.url} is not a URL: {error}") from error
            if "@" in host:
                raise UnreadableError(f"{self.url} names a user, which clients send as a header: ask with that instead")
            rest = self.url.partition("://")[2]
            target = rest[len(host) :].partition("#")[0] or "/"
            if target.startswith("?"):
                target = "/" + target
        elif not self.url.startswith("/") and self.url != "*":
            raise UnreadableError(
                f"{self.url!r} is neither a path such as /orders nor a URL such as http://host/orders"
            )
        headers = [(name, value) for name, value in self.headers]
        if not any(name.lower() == "host" for name, _ in headers):
            headers.insert(0, ("Host", host or HOST_UNSAID))
        return {
            "method": self.method.upper() if self.method.islower() else self.method,
            "target": target,
            "headers": headers,
            "peer": self.peer,
            "listener": self.listener,
            "body": self.body,
            "certificate": self.certificate,
            "device": self._device(),
            "decision": self._decision(),
            "others": self.others,
        }


class Known(NamedTuple):
    """What is known of credentials."""

    keys: KnownKeys | None
    pepper: bytes
    key_sets: Sequence[dict[str, Any]]
    """Of issuers, to verify tokens by."""


Standing = Callable[["Clients", bytes], tuple[str, str]]
"""How a client that shows this, PEM, stands by the word of who issued it: `good`, `revoked` or `unknown`, and why."""


Ask = Callable[[str, str], tuple[str | None, str | None]]
"""What an issuer answers about a token, as JSON; or why there is no answer. Issuers go by their names."""


def offline(
    bundle: str,
    asked: Asked,
    known: Callable[[], Known],
    standing: Standing | None = None,
    ended: Mapping[str, Collection[str]] | None = None,
    ask: Ask | None = None,
) -> dict[str, Any]:
    """What the gate would do with the request, under this bundle.

    `known` is called only if the request carries what may be a key, or the API takes tokens; `standing`
    only for a client's certificate of whose issuers the gate would ask whether they revoked it. `ended` are the
    names that the certificates of each listener are good for, where they are known. `ask` is called where the gate
    would have an issuer asked about a token.
    """
    from lockgate._native import Engine, LockgateError, Plugins

    request = asked.request()
    text, document = bundle.encode(), json.loads(bundle)
    plugins = Plugins(list(COMMAND)) if document.get("plugins") is not None else None
    try:
        listener = arrives_at(document, asked.url, asked.listener)
    except NoListenerError as error:
        raise UnreadableError(str(error)) from error
    request["listener"] = listener["name"]
    if asked.certificate is not None and not asks(document, listener["name"]):
        raise UnreadableError(
            f"The listener `{listener['name']}` asks no client for a certificate; see its `tls.client_certificates`."
        )
    try:
        engine = Engine(text, pepper=bytes(32), plugins=plugins)
        explained = engine.evaluate(request)
        host = _without_port(explained["request"]["host"])
        unread = _unread(document, listener["name"], host)
        if unread is None and asked.names_host:
            unread = _nameless(host, (ended or {}).get(listener["name"], ()))
        if unread is not None:
            return explanation({**explained, **unread}, listener, request)
        turned_away, unsaid = _turned_away(document, listener["name"], host, asked.certificate, standing)
        if turned_away is not None:
            return explanation({**explained, **turned_away}, listener, request)
        if explained["route"] is None:
            others = other_methods(engine, document, request, explained)
            return explanation({**explained, **_errors(explained, unsaid)}, listener, request, others)
        names = key_headers(document, explained["route"])
        if asked.key is not None:
            request["headers"] += [(name, asked.key) for name in names]
        # A key that stands among the headers is as good as one that is handed over by itself.
        carried = {value for name, value in request["headers"] if name.lower() in map(str.lower, names)}
        tokens = _tokens(request) if _takes_tokens(document, explained["route"]) else set()
        sessions = _sessions(request, document, explained["route"])
        if carried or tokens or sessions or _takes_published(document, explained["route"]):
            there = known()
            facts = facts_of(carried, tokens, sessions, there)
            engine = Engine(text, facts=facts, pepper=there.pepper, plugins=plugins)
            explained = engine.evaluate(request)
        if any(step["reason"] in UNASKED for step in explained["steps"]):
            explained, unheard = _introspected(engine, document, request, explained, ask)
            unsaid = unheard or unsaid
        return explanation({**explained, **_errors(explained, unsaid)}, listener, request)
    except LockgateError as error:
        raise UnreadableError(str(error)) from error


def of_event(event: dict[str, Any], bundle: str | None, faults: Sequence[str] = ()) -> dict[str, Any]:
    """What the gate did with the request, in the same form; `faults` are those of policies that could not decide."""
    from lockgate._native import reasons

    outlined = _outlined(bundle, event)
    words = {reason["code"]: reason for reason in reasons()}
    document = json.loads(bundle) if bundle is not None else None
    api = _api(document, event.get("api"))
    reason = event.get("reason")
    said: Any = words.get(reason, {}) if reason is not None else {}
    key, owner = event.get("key"), event.get("identity")
    return {
        "id": event["id"],
        "at_ms": event["at_ms"],
        "request": {
            "method": event["method"],
            "host": event["host"],
            "path": event["path"],
            "query": None,
            "target": None,
        },
        "client": event["peer"],
        "place": {"country": event.get("country"), "network": event.get("network"), "organization": None},
        "route": None
        if event.get("api") is None
        else {
            "api": event["api"],
            "route": outlined.get("route"),
            "conditions": outlined.get("conditions", ""),
            "pattern": event.get("route"),
            "span": _span(document, api and api["span"]),
            "version": _version(document, api, event.get("version")),
            "operation": _operation(document, api, event.get("operation"), event.get("version")),
        },
        "steps": [
            {
                "policy": verdict["policy"],
                "part": step["part"] if step else "",
                "names": step["names"] if step else [],
                "phase": step["phase"] if step else "",
                "verdict": verdict["outcome"],
                "reason": verdict.get("reason"),
                "grounds": _grounds(verdict["policy"], event),
                "span": step["span"] if step else None,
            }
            for verdict, step in zip_longest(event["verdicts"], outlined.get("steps", []))
        ],
        "verdict": _verdict(event),
        "status": event["status"],
        "reason": None
        if reason is None
        else {
            "code": reason,
            "own": event.get("own"),
            "title": said.get("title"),
            "room": event.get("room"),
            "advice": said.get("advice"),
            "detail": None,
            "span": event.get("span"),
        },
        "errors": list(faults),
        "identity": None if key is None and owner is None else {"credential": key, "owner": owner},
        "upstream": None if event.get("target") is None else _asked_upstream(event),
        "location": None,
        "waf": event.get("waf"),
        "took_us": event["took_us"],
        "upstream_us": event.get("upstream_us"),
        "other_methods": None,
        "bundle": event["bundle"],
        "bundle_kept": bundle is not None,
    }


def _grounds(policy: str, event: dict[str, Any]) -> list[str]:
    """What entitled the caller, as one of the policies says it."""
    words = GROUNDS.get(policy, ())
    return [ground for ground in event.get("grounds") or () if ground.startswith(words)] if words else []


def _asked_upstream(event: dict[str, Any]) -> dict[str, Any]:
    """Which upstream an event says was asked, where it does."""
    target = {"target": event["target"]}
    return target if event.get("upstream") is None else {"upstream": event["upstream"], **target}


def _verdict(event: dict[str, Any]) -> str:
    """`failed` is what no policy refused and yet was not answered by the API."""
    unread = event.get("protocol") == "tls-passthrough"
    if event.get("reason") is None:
        return "passthrough" if unread else "allow"
    if unread:
        return "failed"
    judged = any(verdict["outcome"] == "deny" for verdict in event["verdicts"])
    return "deny" if judged or event.get("api") is None else "failed"


def _turned_away(
    document: dict[str, Any], listener: str, host: str, certificate: bytes | None, standing: Standing | None
) -> tuple[dict[str, Any] | None, str | None]:
    """What becomes of a client that is refused for its certificate; else what nobody could say of it."""
    from lockgate._native import client_refusal

    (tls,) = (each["tls"] for each in document["listeners"] if each["name"] == listener)
    clients = _clients(tls, host) if tls is not None else None
    if certificate is None:
        missing = clients is not None and clients["require"]
        return (_refused("tls-client-certificate-missing", ALERT) if missing else None), None
    if clients is None:
        raise UnreadableError(f"The listener `{listener}` asks clients of `{host}` for no certificate.")
    try:
        trust, crl = ([Path(name).read_bytes() for name in clients[part]] for part in ("trust", "crl"))
    except OSError as error:
        raise UnreadableError(f"{error.filename} cannot be read: {error.strerror}") from error
    asks_responders, deny = clients.get("ocsp") is not None, clients["unknown_revocation"] == "deny"
    code = client_refusal(certificate, trust, crl, certain=deny and (bool(crl) or not asks_responders))
    if code is not None:
        return _refused(code, ALERT), None
    state, why = standing(clients, certificate) if asks_responders and standing is not None else ("good", "")
    if state == "revoked":
        return _refused("tls-client-certificate-revoked", why), None
    if state == "refused" or (state == "unknown" and deny):
        return _refused("tls-client-certificate-status-unknown", why), None
    if state == "unknown":
        return None, f"whether the certificate was revoked is not known, and it is let in: {why}"
    return None, None


def _nameless(host: str, named: Collection[str]) -> dict[str, Any] | None:
    """What becomes of a client of a host that none of the certificates is good for; one by address asks for no name."""
    if not host or not named or reached(host, named):
        return None
    several = ", ".join(sorted(named)[:NAMED_MOST]) + (", and others" if len(named) > NAMED_MOST else "")
    return _refused("tls-name-unknown", f"{ALERT}; the listener's certificates are good for {several}")


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


def _refused(code: str, detail: str) -> dict[str, Any]:
    """A client that is refused in its handshake, or for its certificate: nothing of its request is judged."""
    from lockgate._native import reasons

    (reason,) = (each for each in reasons() if each["code"] == code)
    told = {key: reason[key] for key in ("code", "title", "room", "advice")}
    return {
        **_UNREAD,
        "verdict": "deny",
        "status": reason["status"],
        "reason": {**told, "own": None, "detail": detail, "span": None},
        "upstream": None,
    }


_UNREAD: Final[dict[str, Any]] = {
    "route": None,
    "steps": [],
    "identity": None,
    "location": None,
    "changes": {"request": [], "response": []},
}
"""What is told of a request that is not read."""


def _unread(document: dict[str, Any], listener: str, host: str) -> dict[str, Any] | None:
    """What becomes of a client of a name whose connections are carried on unread."""
    (tls,) = (each["tls"] for each in document["listeners"] if each["name"] == listener)
    entries = tls["passthrough"] if tls is not None else []
    goes = {name: each["upstream"] for each in entries for name in each["hosts"]}
    ways = {name: None for each in entries for name in each["ended"]} | goes
    upstream = next((ways[name] for name in _patterns(host) if name in ways), None)
    if upstream is None:
        return None
    targets = [each["url"] for one in document["upstreams"] if one["name"] == upstream for each in one["targets"]]
    to = {"upstream": upstream, "target": ", ".join(targets)}
    return {**_UNREAD, "verdict": "passthrough", "status": None, "reason": None, "upstream": to}


def _patterns(host: str) -> list[str]:
    """The patterns that have a host, the most precise first."""
    labels = host.split(".")
    return [host, *("*." + ".".join(labels[number:]) for number in range(1, len(labels)))]


def _errors(explained: dict[str, Any], more: str | None) -> dict[str, Any]:
    return {} if more is None else {"errors": [*explained.get("errors", []), more]}


def _clients(tls: dict[str, Any], host: str) -> "Clients | None":
    """Whose certificates clients of this host may show: by its own rules, or those of the longest pattern."""
    rules = {name: each["clients"] for each in tls["hosts"] for name in each["names"]}
    found: Clients | None = next((rules[name] for name in _patterns(host) if name in rules), tls["clients"])
    return found


def _introspected(
    engine: "Engine", document: dict[str, Any], request: dict[str, Any], explained: dict[str, Any], ask: Ask | None
) -> tuple[dict[str, Any], str | None]:
    """The same after those were asked whom the gate would ask; and why there was no answer."""
    api = api_of(document, explained["route"])
    entries = api["policies"]["authenticate"] if api is not None else []
    unheard: str | None = None
    for way in (entry["introspection"]["config"] for entry in entries if "introspection" in entry):
        token = _at(way["place"], request["headers"])
        if token is None:
            continue
        answer, why = ask(way["issuer"], token) if ask is not None else (None, "nobody can be asked here")
        if answer is None:
            unheard = f"what the issuer {way['issuer']} says of the token is not known: {why}"
        else:
            engine.hear(way["issuer"], token.encode(), answer.encode())
    for name in (entry["basic"]["config"]["issuer"] for entry in entries if "basic" in entry):
        sent = [value for header, value in request["headers"] if header.lower() == "authorization"]
        scheme, _, both = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
        if scheme.lower() != "basic":
            continue
        answer, why = ask(name, both.strip()) if ask is not None else (None, "nobody can be asked here")
        if answer is None:
            unheard = f"whether the password is right is not known: {why}"
        else:
            engine.hear(name, both.strip().encode(), answer.encode())
    return engine.evaluate(request), unheard


def _at(place: dict[str, str], headers: Iterable[tuple[str, str]]) -> str | None:
    """The token that stands there."""
    for name, value in headers:
        if "cookie" in place and name.lower() == "cookie":
            pairs = (pair.strip().partition("=") for pair in value.split(";"))
            found = next((token for cookie, _, token in pairs if cookie == place["cookie"]), None)
            if found is not None:
                return found
        elif name.lower() == place.get("header", "").lower():
            scheme, blank, token = value.partition(" ")
            return token.strip() if blank and scheme.lower() in {"bearer", "dpop"} else value
    return None


def _takes_tokens(document: dict[str, Any], route: dict[str, Any]) -> bool:
    api = api_of(document, route)
    return api is not None and any("jwt" in way or "introspection" in way for way in api["policies"]["authenticate"])


def _sessions(request: Mapping[str, Any], document: dict[str, Any], route: dict[str, Any]) -> list[tuple[str, str]]:
    """Cookies of the request that may be sessions which the API takes, with the sign-ins' names."""
    api = api_of(document, route)
    ways = api["policies"]["authenticate"] if api is not None else []
    names = [way["session"]["config"]["sign_in"] for way in ways if "session" in way]
    lines = [value for name, value in request["headers"] if name.lower() == "cookie"]
    pairs = [pair.strip().partition("=") for line in lines for pair in line.split(";")]
    return [(name, value) for name in names for cookie, _, value in pairs if cookie == session_cookie(name)]


def _takes_published(document: dict[str, Any], route: dict[str, Any]) -> bool:
    """Whether the API takes signatures by keys that an issuer publishes."""
    api = api_of(document, route)
    ways = api["policies"]["authenticate"] if api is not None else []
    return any("signature" in way and way["signature"]["config"].get("issuer") is not None for way in ways)


def _tokens(request: Mapping[str, Any]) -> set[str]:
    """What may be tokens among the headers and cookies of a request."""
    return {token for _, value in request["headers"] for token in TOKEN.findall(value)}


def facts_of(
    carried: Iterable[str], tokens: Iterable[str], sessions: Iterable[tuple[str, str]], known: Known
) -> list[bytes]:
    """What a gate would know of these credentials. Only they are looked up: a million need not be loaded."""
    from lockgate._native import LockgateError, key_digest, open_session

    found = [{"at_ms": 1, "kind": "keyset.put", "keyset": keys} for keys in known.key_sets]
    for key in sorted(carried):
        try:
            fact = known.keys.by_digest(key_digest(key, known.pepper)) if known.keys is not None else None
        except LockgateError:
            continue  # The engine will say itself that it is malformed.
        if fact is not None:
            found.append(fact)
    if known.keys is not None:
        found += known.keys.apps()
        found += [fact for token in sorted(tokens) for fact in known.keys.revoked(token.encode())]
        for sign_in, cookie in sessions:
            with contextlib.suppress(LockgateError):  # The engine will say itself what is wrong with it.
                found += known.keys.told(open_session(known.pepper, sign_in, cookie.encode())["meant"])
    return [json.dumps({**fact, "seq": number}).encode() for number, fact in enumerate(found, 1)]


def _api(document: dict[str, Any] | None, name: str | None) -> dict[str, Any] | None:
    if document is None or name is None:
        return None
    return next((api for api in document["apis"] if api["name"] == name), None)


def _outlined(bundle: str | None, event: dict[str, Any]) -> dict[str, Any]:
    """The API or route as the event's own bundle has it, with the policies that have spoken; empty if that is gone."""
    from lockgate._native import Engine, LockgateError

    if bundle is None or event.get("api") is None:
        return {}
    said = [verdict["policy"] for verdict in event["verdicts"]]
    try:
        outline = Engine(bundle.encode()).outline()
    except LockgateError:  # An older Lockgate's bundle, which this one does not take.
        return {}
    for api in outline:
        steps = api["steps"][: len(said)]
        fits = api["api"] == event["api"] and event.get("route") in api["routes"]
        if fits and [step["policy"] for step in steps] == said:
            return {**api, "steps": steps}
    return {}


def _version(document: dict[str, Any] | None, api: dict[str, Any] | None, name: str | None) -> dict[str, Any] | None:
    """The version, with what the configuration says of it while that is kept."""
    if name is None:
        return None
    listed = api["versions"]["list"] if api is not None and api["versions"] is not None else []
    found = next((one for one in listed if one["name"] == name), None)
    said = found or {"deprecated_ms": None, "sunset_ms": None, "span": None}
    ends = {key: said[key] for key in ("deprecated_ms", "sunset_ms")}
    return {"name": name, **ends, "span": _span(document, said["span"])}


def _operation(
    document: dict[str, Any] | None, api: dict[str, Any] | None, name: str | None, version: str | None
) -> dict[str, Any] | None:
    """The operation, with what its document says of it while that is kept."""
    if name is None:
        return None
    found = next((one for one in operations_of(document, api, version) if one["name"] == name), None)
    said = found or {"method": None, "path": None, "span": None}
    return {"name": name, "method": said["method"], "path": said["path"], "span": _span(document, said["span"])}


def _span(document: dict[str, Any] | None, span: dict[str, int] | None) -> dict[str, Any] | None:
    if document is None or span is None:
        return None
    return {"file": document["sources"][span["file"]], "line": span["line"], "column": span["column"]}
