"""`signature`, from the configuration to the wire."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message
from lockgate import _native
from lockgate.config import load
from lockgate.config.bundle_types import Bundle
from policies.conftest import Evaluate, Refusals, written
from support.middleware import Asked, engine, loaded, through_asgi, through_wsgi
from support.signing import SIGNATURE, WEBHOOK, body_of, signature_config, signature_fields, webhook_config
from support.vectors import Case, cases, name

CASES = cases("signature")
NOW = int(SIGNATURE["now"])
STATUS = {"signature-body-too-long": 413, "signature-secret-missing": 503}
SECRET = "a secret of at least thirty-two bytes"


def entry(case: Case, secrets: Path) -> dict[str, Any]:
    placed = {"mode": "enforce", "on_error": "deny", "waiver": None, "span": bundles.span(35)}
    return {"signature": {**placed, "config": signature_config(case, secrets)}}


def bundle_of(case: Case, secrets: Path, port: int = 9000) -> Bundle:
    keys: list[Any] = [entry(case, secrets)]
    return bundles.bundle([bundles.api(keys=keys)], [bundles.upstream(port)])


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    judge = _native.Engine(json.dumps(bundle_of(case, tmp_path)).encode())
    now = int(case.get("now", NOW))
    request = {
        "method": case.get("method", "GET"),
        "target": case.get("target", "/"),
        "peer": "127.0.0.1",
        "headers": signature_fields(case, now),
        "body": body_of(case),
    }
    told = [judge.evaluate(request, now_ms=now * 1000) for _ in range(case.get("times", 1))][-1]
    if case["verdict"] == "identify":
        assert (told["verdict"], told["identity"]["credential"]) == ("allow", f"signature:{case['who']}")
    else:
        assert (told["verdict"], (told["reason"] or {})["code"]) == ("deny", case["reason"])


LIVE = [case for case in CASES if "now" not in case]


@pytest.mark.parametrize("case", LIVE, ids=name)
def test_a_running_gate(case: Case, gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(bundle_of(case, tmp_path, auto.port))
    before = len(auto.requests)
    fields = signature_fields(case, int(time.time()))
    body = body_of(case) or b""
    target = case.get("target", "/")
    head = "".join(f"{key}: {value}\r\n" for key, value in fields)
    request = f"{case.get('method', 'GET')} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
    answer = [sent_to(gate, request) for _ in range(case.get("times", 1))][-1]
    if case["verdict"] == "identify":
        assert answer.status == 200
        seen = auto.requests[-1]
        assert seen.body == body
        assert not {"signature", "signature-input"} & set(seen.names), "they were taken off"
        return
    assert (answer.status, answer.reason) == (STATUS.get(case["reason"], 401), case["reason"])
    # Of all that is refused the upstream hears nothing, not even a head.
    assert len(auto.requests) == before + case.get("times", 1) - 1
    assert ("accept-signature" in answer.names) == ("www-authenticate" in answer.names) == (answer.status == 401)


def sent_to(gate: Gate, request: bytes) -> Message:
    with gate.client() as client:
        client.send(request)
        return client.message()


def test_what_a_refusal_says_can_be_signed(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    case = {"name": "x", "config": {"tag": "orders"}}
    gate.load(bundle_of(case, tmp_path, auto.port))
    answer = gate.client().get("/")
    assert answer.all("www-authenticate") == ["Signature"]
    assert answer.get("accept-signature") == ('sig=("@method" "@authority" "@path" "@query");created;tag="orders"')


# Every algorithm, by another implementation.


@dataclass
class Sent:
    """A request, as the other implementation wants one."""

    method: str
    url: str
    headers: dict[str, str]


@dataclass
class Resolver(HTTPSignatureKeyResolver):
    """Private keys by their names."""

    keys: dict[str, Any] = field(default_factory=dict)

    def resolve_public_key(self, key_id: str) -> Any:
        raise NotImplementedError

    def resolve_private_key(self, key_id: str) -> Any:
        return self.keys[key_id]


PRIVATE: dict[str, Any] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ecdsa-p256-sha256": ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-p384-sha384": ec.generate_private_key(ec.SECP384R1()),
    "rsa-pss-sha512": rsa.generate_private_key(65_537, 2048),
    "rsa-v1_5-sha256": rsa.generate_private_key(65_537, 3072),
}
ALGORITHMS = {
    "ed25519": algorithms.ED25519,
    "ecdsa-p256-sha256": algorithms.ECDSA_P256_SHA256,
    "ecdsa-p384-sha384": algorithms.ECDSA_P384_SHA384,
    "rsa-pss-sha512": algorithms.RSA_PSS_SHA512,
    "rsa-v1_5-sha256": algorithms.RSA_V1_5_SHA256,
    "hmac-sha256": algorithms.HMAC_SHA256,
}
COVERED = ("@method", "@authority", "@target-uri", "@path", "@query", "content-type", "content-digest")
BODY = b'{"sku": "LK-001"}'


def pem(key: Any) -> str:
    """Its public part."""
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    text: bytes = key.public_key().public_bytes(serialization.Encoding.PEM, public)
    return text.decode()


def said(folder: Path, **more: Any) -> dict[str, Any]:
    """An entry with a key of each kind, as a user writes it."""
    (folder / "secret").write_text(SECRET, encoding="ascii")
    (folder / "secret").chmod(0o600)
    keys: dict[str, Any] = {kind: {"algorithm": kind, "key": pem(key)} for kind, key in PRIVATE.items()}
    keys["hmac-sha256"] = {"algorithm": "hmac-sha256", "secret": "${file:secret}"}
    return {"authenticate": [{"signature": {"keys": keys, **more}}]}


def signed(kind: str, url: str, method: str = "POST", body: bytes = BODY, **more: Any) -> Sent:
    """A request that the other implementation has signed."""
    headers = {"Host": url.split("/")[2], "Content-Type": "application/json"}
    sent = Sent(method, url, headers)
    keys = {**PRIVATE, "hmac-sha256": SECRET.encode()}
    signer = HTTPMessageSigner(signature_algorithm=ALGORITHMS[kind], key_resolver=Resolver(keys))
    signer.sign(sent, key_id=kind, covered_component_ids=COVERED, body=body, **more)
    return sent


def put(gate: Gate, sent: Sent, body: bytes = BODY) -> Message:
    """Sends it, and gives the answer."""
    target = "/" + sent.url.split("/", 3)[3]
    head = "".join(f"{key}: {value}\r\n" for key, value in sent.headers.items())
    with gate.client() as client:
        client.send(f"{sent.method} {target} HTTP/1.1\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body)
        return client.message()


def compiled(folder: Path, port: int, **more: Any) -> Bundle:
    file = written(folder, {"upstream": f"http://127.0.0.1:{port}", **said(folder, **more)})
    bundle: Any = load(file).compile(1, 1)
    bundle["listeners"] = bundles.bundle([], [])["listeners"]
    bundle["facts"]["then"] = "continue"
    return bundle  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_another_implementation_signs_in_every_way(kind: str, gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(compiled(tmp_path, auto.port))
    url = f"http://127.0.0.1:{gate.port()}/orders?page=1&q=a%20b"
    sent = signed(kind, url, include_alg=kind != "ed25519")
    answer = put(gate, sent)
    assert answer.status == 200, answer.body
    seen = auto.requests[-1]
    assert (seen.method, seen.target, seen.body) == ("POST", "/orders?page=1&q=a%20b", BODY)
    assert gate.event(answer.id)["key"] == f"signature:{kind}"
    assert put(gate, sent, b'{"sku": "LK-002"}').reason == "signature-digest-wrong"
    sent.method = "PUT"
    assert put(gate, sent).reason == "signature-wrong"


def test_a_nonce_of_another_implementation_counts_once(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(compiled(tmp_path, auto.port, nonce=True))
    url = f"http://127.0.0.1:{gate.port()}/"
    assert put(gate, signed("ed25519", url)).reason == "signature-parameters"
    sent = signed("ed25519", url, nonce="c1b2")
    assert put(gate, sent).status == 200
    again = put(gate, sent)
    assert (again.status, again.reason) == (401, "signature-replayed")
    # Who holds the key has not guessed it: the event says who it was.
    assert gate.event(again.id)["key"] == "signature:ed25519"


def test_what_the_gate_makes_of_a_request_breaks_nothing_that_was_signed(
    gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    bundle = compiled(tmp_path, auto.port, forward=True)
    api = bundle["apis"][0]
    api["strip_path"] = True
    api["paths"] = [{"prefix": "/v1"}]
    gate.load(bundle)
    sent = signed("hmac-sha256", f"http://127.0.0.1:{gate.port()}/v1/a/../b?x")
    # The client signs what it sends; the upstream gets the normal form.
    assert put(gate, sent).status == 200
    seen = auto.requests[-1]
    assert seen.target == "/b?x"
    assert {"signature", "signature-input", "content-digest"} <= set(seen.names), "it was asked for"


def test_a_body_in_chunks_is_held_until_it_is_known(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(compiled(tmp_path, auto.port))
    sent = signed("ed25519", f"http://127.0.0.1:{gate.port()}/")
    head = "".join(f"{key}: {value}\r\n" for key, value in sent.headers.items())
    start = f"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{head}\r\n".encode()
    before = len(auto.requests)
    with gate.client() as client:
        client.send(start, b"4\r\n" + BODY[:4] + b"\r\n")
        assert client.silent()
        assert len(auto.requests) == before, "nothing of it has gone on"
        client.send(f"{len(BODY) - 4:x}\r\n".encode() + BODY[4:] + b"\r\n0\r\n\r\n")
        assert client.message().status == 200
    assert auto.requests[-1].body == BODY
    with gate.client() as client:
        client.send(start, b"4\r\n" + BODY[:4] + b"\r\n0\r\n\r\n")
        assert client.message().reason == "signature-digest-wrong"
    assert len(auto.requests) == before + 1


def test_who_cannot_sign_has_nothing_held(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(compiled(tmp_path, auto.port))
    sent = signed("ed25519", f"http://127.0.0.1:{gate.port()}/")
    sent.headers["Signature"] = sent.headers["Signature"].replace(":", ":AAAA", 1)
    head = "".join(f"{key}: {value}\r\n" for key, value in sent.headers.items())
    with gate.client() as client:
        client.send(f"POST / HTTP/1.1\r\nContent-Length: 1000\r\n{head}\r\n".encode())
        assert client.message().reason == "signature-wrong", "it is refused before a byte of its body"


def test_a_key_of_another_way_need_not_wait_for_the_body(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    bundle = compiled(tmp_path, auto.port)
    bundle["apis"][0]["policies"]["authenticate"].append(bundles.api_key())
    gate.load(bundle)
    key = gate.key(1)
    sent = Sent("POST", f"http://127.0.0.1:{gate.port()}/", {"Host": "a.example", "X-API-Key": key})
    assert put(gate, sent, b"x" * (2 << 20)).status == 200
    assert len(auto.requests[-1].body) == 2 << 20


def test_the_body_that_was_too_long_to_be_verified_goes_on_by_another_way(
    gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    """A way that comes later in the pipeline may still prove who calls; nothing of the body is lost."""
    case = {"name": "x", "config": {"body_bytes": 8}}
    bundle = bundle_of(case, tmp_path, auto.port)
    placed = {"mode": "enforce", "on_error": "deny", "waiver": None, "span": bundles.span(36)}
    config = {**webhook_config({"name": "x"}, tmp_path), "body_bytes": 1 << 20}
    bundle["apis"][0]["policies"]["authenticate"].append({"webhook": {**placed, "config": config}})  # type: ignore[typeddict-item]
    gate.load(bundle)
    now = int(time.time())
    body = b"x" * 300_000
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    lines = ['"@method": POST', '"@authority": a.example', '"@path": /', '"@query": ?', f'"content-digest": {digest}']
    params = f'("@method" "@authority" "@path" "@query" "content-digest");created={now};keyid="test-shared-secret"'
    base = "\n".join([*lines, f'"@signature-params": {params}'])
    tag = hmac.digest(base64.b64decode(SIGNATURE["secret"]), base.encode(), "sha256")
    key = base64.b64decode(WEBHOOK["secrets"]["first"]["key"])
    hook = base64.b64encode(hmac.digest(key, f"m.{now}.".encode() + body, "sha256")).decode()
    headers = {
        "Host": "a.example",
        "Content-Digest": digest,
        "Signature-Input": f"s={params}",
        "Signature": f"s=:{base64.b64encode(tag).decode()}:",
        "webhook-id": "m",
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{hook}",
    }
    answer = put(gate, Sent("POST", "http://a.example/", headers), body)
    assert answer.status == 200, answer.body
    assert auto.requests[-1].body == body
    assert gate.event(answer.id)["key"] == "webhook:sender"


def test_who_is_known_by_a_signature_is_counted_by_it(evaluate: Evaluate, tmp_path: Path) -> None:
    api = {**said(tmp_path), "limits": [{"name": "each", "by": "client", "allow": "1/m"}]}
    judge = _native.Engine(json.dumps(load(written(tmp_path, api)).compile(1, 1)).encode())
    reasons = []
    for kind in ("ed25519", "ed25519", "hmac-sha256"):
        sent = signed(kind, "http://a.example/")
        request = {"method": "POST", "target": "/", "headers": list(sent.headers.items()), "body": BODY}
        told = judge.evaluate({**request, "peer": "127.0.0.1"})
        reasons.append((told["reason"] or {}).get("code"))
    assert reasons == [None, "rate-limited", None]


def test_middlewares_hear_the_same_and_give_the_body_on(tmp_path: Path) -> None:
    bundle = load(written(tmp_path, said(tmp_path))).compile(1, 1)
    bundle["facts"]["then"] = "continue"
    for through in (through_asgi, through_wsgi):
        ask = through(engine(bundle))
        sent = signed("ed25519", "http://a.example/")
        headers = [*sent.headers.items(), ("Content-Length", str(len(BODY)))]
        good = ask(Asked("POST", "/", headers, pieces=[BODY[:5], BODY[5:]]))
        assert good.status == 200
        assert good.seen is not None
        assert good.seen.body == BODY
        assert good.seen.judged.identity is not None
        assert good.seen.judged.identity.credential == "signature:ed25519"
        wrong = ask(Asked("POST", "/", headers, pieces=[BODY[:-1] + b" "]))
        assert (wrong.reason, wrong.seen) == ("signature-digest-wrong", None)


def test_a_middleware_takes_keys_that_an_issuer_publishes_in_a_file(tmp_path: Path) -> None:
    numbers = PRIVATE["ed25519"].public_key().public_bytes_raw()
    x = base64.urlsafe_b64encode(numbers).rstrip(b"=").decode()
    (tmp_path / "keys.json").write_text(
        json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "ed25519"}]})
    )
    config = f"""version: 1
issuers:
  partners: {{issuer: "https://partners.example.com", audience: shop, jwks: {{file: {tmp_path / "keys.json"}}}}}
apis:
  shop:
    upstream: http://127.0.0.1:9000
    authenticate: [{{signature: {{issuer: partners}}}}]
    authorize: authenticated
"""
    (tmp_path / "lockgate.yaml").write_text(config)
    ask = through_asgi(loaded(tmp_path / "lockgate.yaml"))
    sent = signed("ed25519", "http://a.example/")
    got = ask(Asked("POST", "/", [*sent.headers.items(), ("Content-Length", str(len(BODY)))], pieces=[BODY]))
    assert got.seen is not None, got
    assert got.seen.judged.identity is not None
    assert got.seen.judged.identity.credential == "signature:partners/ed25519"


PARTNER = {"algorithm": "ed25519", "key": pem(PRIVATE["ed25519"])}


@pytest.mark.parametrize(
    ("way", "codes"),
    [
        ({}, ["signature-keyless"]),
        ({"keys": {}}, ["signature-keyless"]),
        ({"keys": {"a": {**PARTNER, "key": "hush"}}}, ["signing-key-malformed"]),
        ({"keys": {"a": {**PARTNER, "algorithm": "rsa-pss-sha512"}}}, ["signing-key-unfit"]),
        ({"keys": {"a": {**PARTNER, "algorithm": "hmac-sha256"}}}, ["signing-key-unfit"]),
        ({"keys": {"a": {"algorithm": "ed25519", "secret": "${env:HOME}"}}}, ["signing-key-unfit"]),
        ({"keys": {"a": {"algorithm": "hmac-sha256", "secret": "hush"}}}, ["secret-literal"]),
        ({"keys": {"a": {**PARTNER, "keyid": "k"}, "b": {**PARTNER, "keyid": "k"}}}, ["keyid-repeated"]),
        ({"keys": {"a": PARTNER}, "components": []}, ["list-empty"]),
        ({"keys": {"a": PARTNER}, "components": ["@status"]}, ["component-malformed"]),
        ({"keys": {"a": PARTNER}, "components": ["Content-Type"]}, ["component-malformed"]),
        ({"keys": {"a": PARTNER}, "components": ["@query-param"]}, ["component-malformed"]),
        ({"keys": {"a": PARTNER}, "components": ["@method;req"]}, ["component-malformed"]),
        ({"keys": {"a": PARTNER}, "label": "Sig"}, ["label-malformed"]),
        ({"keys": {"a": PARTNER}, "tag": ""}, ["tag-malformed"]),
        ({"keys": {"a": PARTNER}, "max_age": "2d"}, ["out-of-range"]),
        ({"keys": {"a": PARTNER}, "body_bytes": "1GiB"}, ["out-of-range"]),
        ({"keys": {"a": PARTNER}, "issuer": "nobody"}, ["issuer-unknown"]),
        ({"keys": {"a": PARTNER}, "on_error": "allow"}, ["fail-open-authentication"]),
        ({"keys": {"a": PARTNER}, "mode": "off"}, ["unenforced-authentication"]),
    ],
)
def test_a_wrong_configuration_is_refused(refusals: Refusals, way: dict[str, Any], codes: list[str]) -> None:
    assert refusals({"authenticate": [{"signature": way}]}) == codes


def test_what_a_user_writes_is_what_the_core_takes(tmp_path: Path) -> None:
    way = {
        "keys": {"a": PARTNER},
        "components": ["@method", '@query-param;name="page"', "priority;sf", 'x-d;key="a"', "x-b;bs"],
        "tag": 'a "b" \\',
        "label": "sig-1",
    }
    config = load(written(tmp_path, {"authenticate": [{"signature": way}]})).compile(1, 1)
    made: Any = config["apis"][0]["policies"]["authenticate"][0]
    wanted = ['"@method"', '"@query-param";name="page"', '"priority";sf', '"x-d";key="a"', '"x-b";bs']
    assert made["signature"]["config"]["components"] == wanted


def test_no_secret_is_told(tmp_path: Path) -> None:
    file = written(tmp_path, said(tmp_path))
    loaded_ = load(file)
    assert SECRET not in json.dumps(loaded_.compile(1, 1))
    assert loaded_.warnings == []
    (tmp_path / "secret").unlink()
    (missing,) = load(file).warnings
    assert missing.code == "secret-missing"


def test_beside_another_way_a_refusal_names_both(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    bundle = compiled(tmp_path, auto.port)
    gate.load(bundle)
    alone = gate.client().get("/")
    assert (alone.all("www-authenticate"), "detail" in alone.problem) == (["Signature"], False)
    bundle["apis"][0]["policies"]["authenticate"].append(bundles.api_key())
    gate.load({**bundle, "sequence": bundle["sequence"] + 1})
    both = gate.client().get("/")
    assert both.all("www-authenticate") == ['ApiKey header="x-api-key"', "Signature"]
    assert both.get("accept-signature") is not None
    assert "any one" in both.problem["detail"]
