"""Every vector as a configuration, what an engine knows, and requests: as the tests of each policy make them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import yaml

from gateway.harness.gate import key_put
from lockgate import _native
from lockgate.config import load
from policies import (
    test_api_key,
    test_cors,
    test_grpc,
    test_headers,
    test_inflate,
    test_jwt,
    test_limits,
    test_mtls,
    test_redirect,
    test_rewrite,
    test_signature,
    test_waf,
    test_webhook,
    test_websocket,
)
from policies.conftest import written
from support import places, signing
from support.middleware import Asked
from support.tree import ROOT
from support.vectors import Case, cases, document

HOST = ("Host", "a.example")
NOW_MS = 1_800_000_000_000
VERSIONED = {
    "version": 1,
    "upstreams": {"one": {"targets": ["http://127.0.0.1:9001"]}, "two": {"targets": ["http://127.0.0.1:9002"]}},
}
VERSIONS = {"v1": {"upstream": "one"}, "v2": {"upstream": "two"}}


@dataclass
class Situation:
    """A configuration, what is known, and requests one after the other."""

    name: str
    bundle: Callable[[], dict[str, Any]]
    asked: list[Asked]
    facts: list[bytes] = field(default_factory=list)
    pepper: bytes = bytes(32)
    secret: str | None = None
    """What the variable of the cases for `jwt` holds."""


def every() -> Iterator[Situation]:
    """All of them but those that only a gate's sockets can show (`framing.yaml`) and switches that no API has."""
    yield from _api_key()
    yield from _body_limit()
    yield from _cors()
    yield from _grpc()
    yield from _headers()
    yield from _inflate()
    yield from _ip_filter()
    yield from _jwt()
    yield from _limits()
    yield from _mtls()
    yield from _operation()
    yield from _signature()
    yield from _moved("redirect", test_redirect)
    yield from _moved("rewrite", test_rewrite)
    yield from _version()
    yield from _target()
    yield from _waf()
    yield from _webhook()
    yield from _websocket()


@cache
def _folder() -> Path:
    return Path(mkdtemp(prefix="lockgate-vectors-"))


def compiled(file: Path) -> dict[str, Any]:
    """The bundle; facts do not grow old while a test tells the time."""
    bundle: dict[str, Any] = load(file).compile(1, 1)
    bundle["facts"]["then"] = "continue"
    return bundle


def _of(api: dict[str, Any], **sections: Any) -> dict[str, Any]:
    return compiled(written(_folder(), api, **sections))


def _api_key() -> Iterator[Situation]:
    for case in test_api_key.CASES:
        if case.get("stale"):
            continue
        headers = [HOST, *((key, value) for key, value in case["headers"])]
        peer = case.get("client", "192.0.2.1")
        asked = Asked(case.get("method", "GET"), headers=headers, peer=peer, now_ms=case.get("now_ms"))
        yield Situation(
            f"api_key: {case['name']}",
            partial(_of, {"authenticate": [{"api_key": case.get("config", {})}]}),
            [asked] * case.get("times", 1),
            [json.dumps(fact).encode() for fact in test_api_key.facts(case, test_api_key.PEPPER)],
            test_api_key.PEPPER,
        )


def _signature() -> Iterator[Situation]:
    for case in test_signature.CASES:
        now = int(case.get("now", test_signature.NOW))
        yield _signed(f"signature: {case['name']}", case, now, signing.signature_fields(case, now))


def _webhook() -> Iterator[Situation]:
    for case in test_webhook.CASES:
        now = int(case.get("now", test_webhook.NOW))
        posted = {"method": "POST", **case}
        yield _signed(f"webhook: {case['name']}", posted, now, signing.webhook_fields(case, now))


def _signed(name: str, case: Case, now: int, fields: list[tuple[str, str]]) -> Situation:
    body = signing.body_of(case)
    told = {key.lower() for key, _ in fields}
    length = [("Content-Length", str(len(body)))] if body and "content-length" not in told else []
    method, target = case.get("method", "GET"), case.get("target", "/")
    pieces = [body] if body else []
    asked = Asked(method, target, [*fields, *length], pieces=pieces, now_ms=now * 1000)
    of = test_signature if name.startswith("signature") else test_webhook
    return Situation(name, partial(_undated, of, case), [asked] * case.get("times", 1))


def _undated(of: Any, case: Case) -> dict[str, Any]:
    bundle: dict[str, Any] = {**of.bundle_of(case, _folder())}
    bundle["facts"]["then"] = "continue"
    return bundle


def _body_limit() -> Iterator[Situation]:
    for case in cases("body_limit"):
        asked = Asked("POST", headers=[HOST])
        if "sizes" in case:
            asked.headers = [HOST, ("Transfer-Encoding", "chunked")]
            asked.pieces = [b"x" * size for size in case["sizes"]]
        elif "length" in case:
            asked.headers = [HOST, ("Content-Length", str(case["length"]))]
            asked.pieces = [b"x" * case["length"]]
        yield Situation(f"body_limit: {case['name']}", partial(_of, {"body_limit": case["config"]}), [asked])


def _cors() -> Iterator[Situation]:
    for case in test_cors.TAKEN:
        keyed: dict[str, Any] = {"authenticate": ["api_key"]} if "x-api-key" in str(case.get("fields")) else {}
        headers = [HOST, *((key, value) for key, value in case["headers"])]
        bundle = partial(_of, {"cors": test_cors.said(case["config"]), **keyed})
        yield Situation(f"cors: {case['name']}", bundle, [Asked(case.get("method", "GET"), headers=headers)])


def _grpc() -> Iterator[Situation]:
    for case in test_grpc.CASES:
        asked = Asked(case.get("method", "POST"), headers=[HOST, *case["headers"].items()])
        yield Situation(f"grpc: {case['name']}", partial(_called, case["config"]), [asked])


def _called(config: dict[str, Any]) -> dict[str, Any]:
    bundle: dict[str, Any] = {**test_grpc.compiled(_folder(), config)}
    bundle["facts"]["then"] = "continue"
    return bundle


def _headers() -> Iterator[Situation]:
    for case in test_headers.OF_KEYS:
        who, credential, facts = test_headers.known(case)
        headers = [HOST, *((key, value) for key, value in [*credential, *case.get("headers", [])])]
        yield Situation(
            f"headers: {case['name']}",
            partial(_of, {"headers": case["config"], **who}),
            [Asked(headers=headers, peer=case.get("client", "127.0.0.1"))],
            facts,
            test_headers.PEPPER,
        )


def _waf() -> Iterator[Situation]:
    for case in cases("waf"):
        body = test_waf.body_of(case)
        length = [("Content-Length", str(len(body)))] if body else []
        headers = [HOST, *length, *test_waf.fields(case)]
        bundle = partial(_of, {"waf": test_waf.said(case)})
        asked = Asked("POST", case.get("target", "/"), headers=headers, pieces=[body] if body else [])
        yield Situation(f"waf: {case['name']}", bundle, [asked])


def _inflate() -> Iterator[Situation]:
    for case in cases("inflate"):
        if case.get("at") != "body":  # A gate alone unpacks bodies; the application gets them packed.
            body = base64.b64decode(case["body"])
            headers = [HOST, ("Content-Length", str(len(body))), *test_inflate.fields(case)]
            bundle = partial(_of, {"inflate": case["config"]})
            yield Situation(f"inflate: {case['name']}", bundle, [Asked("POST", headers=headers, pieces=[body])])


def _ip_filter() -> Iterator[Situation]:
    for case in cases("ip_filter"):
        asked = Asked(headers=[HOST], peer=case["address"])
        bundle = partial(_located, {"ip_filter": case["config"]})
        yield Situation(f"ip_filter: {case['name']}", bundle, [asked])


def _located(api: dict[str, Any]) -> dict[str, Any]:
    """The same, where it can be told where addresses are."""
    return _of(api, geo=_databases())


@cache
def _databases() -> dict[str, str]:
    return places.section(Path(mkdtemp()), document("ip_filter")["places"])


def _jwt() -> Iterator[Situation]:
    for case in test_jwt.CASES:
        asked = Asked(headers=[("Host", "a"), *test_jwt.headers(case)], now_ms=test_jwt.NOW_MS)
        facts = list(test_jwt.facts(case))
        yield Situation(f"jwt: {case['name']}", partial(_taking, case), [asked], facts, secret=case.get("secret"))


def _taking(case: Case) -> dict[str, Any]:
    way = {"issuer": "company", **case.get("place", {})}
    return compiled(test_jwt.written(_folder(), {"company": test_jwt.issuer(case)}, way))


def _limits() -> Iterator[Situation]:
    for case in test_limits.CASES:
        keys, facts = {}, []
        for number, client in enumerate(test_limits.clients(case), 1):
            keys[client], digest = _native.mint_key(test_limits.PEPPER)
            facts.append(json.dumps(key_put(number, client, digest)).encode())
        asked = [
            Asked(
                one.get("method", "GET"),
                one.get("path", "/"),
                [HOST, *test_limits.headers(one, keys)],
                one.get("address", "127.0.0.1"),
                now_ms=NOW_MS + one.get("at_ms", 0),
            )
            for one in case["requests"]
            for _ in range(one.get("times", 1))
        ]
        bundle = partial(_of, {"authenticate": ["api_key"], "limits": case["limits"]})
        yield Situation(f"limits: {case['name']}", bundle, asked, facts, test_limits.PEPPER)


def _mtls() -> Iterator[Situation]:
    # What a client showed is not known within an application: each case is one in which nothing was shown.
    for case in test_mtls.CASES:
        bundle = partial(_of, {"authenticate": [{"mtls": test_mtls.said(case)}]})
        yield Situation(f"mtls: {case['name']}", bundle, [Asked(headers=[HOST], now_ms=NOW_MS)])


def _operation() -> Iterator[Situation]:
    for case in cases("operation"):
        if case.get("method") != "QUERY":  # HTTP's QUERY is no method of OpenAPI 3.1's.
            asked = Asked(case.get("method", "GET"), case["path"], [HOST])
            yield Situation(f"operation: {case['name']}", partial(_described, case["document"]), [asked])


def _described(called: str) -> dict[str, Any]:
    told = document("operation")["documents"][called]
    (_folder() / "document.json").write_text(json.dumps(_openapi(told)), encoding="utf-8")
    return _of({"openapi": "document.json"})


def _openapi(told: dict[str, Any]) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for what, called in told["operations"].items():
        method, _, path = what.partition(" ")
        if method != "QUERY":
            paths.setdefault(path, {})[method.lower()] = {"operationId": called}
    servers = [{"url": f"https://api.example.com{url}"} for url in told.get("servers", [""])]
    return {"openapi": "3.1.0", "info": {"title": "A case", "version": "1"}, "servers": servers, "paths": paths}


def _moved(room: str, tests: Any) -> Iterator[Situation]:
    for case in tests.WHOLE:
        asked = Asked(target=tests.asked(case), headers=[HOST])
        yield Situation(f"{room}: {case['name']}", partial(_of, tests.api_of(case)), [asked])


def _version() -> Iterator[Situation]:
    for case in cases("version"):
        by = "path" if case["by"] == {"path": {}} else case["by"]
        public = {"owner": "tests", "reason": "A case.", "until": "2100-01-01"}
        api = {"path": "/api", "public": public, "versions": VERSIONS, "version_by": by}
        if "default" in case:
            api["default_version"] = case["default"]
        headers = [HOST, *((header, value) for header, value in case.get("headers", []))]
        asked = Asked(target=case.get("path", "/api/things"), headers=headers)
        yield Situation(f"version: {case['name']}", partial(_versioned, api), [asked])


def _versioned(api: dict[str, Any]) -> dict[str, Any]:
    file = _folder() / "lockgate.yaml"
    file.write_text(yaml.safe_dump({**VERSIONED, "apis": {"api": api}}), encoding="utf-8")
    return compiled(file)


def _target() -> Iterator[Situation]:
    told = yaml.safe_load((ROOT / "tests/vectors/target.yaml").read_text(encoding="utf-8"))
    for case in told["targets"]:
        switches = {"normal_form": case["switches"]} if "switches" in case else {}
        asked = Asked("OPTIONS" if case["raw"] == "*" else "GET", case["raw"], [HOST])
        yield Situation(f"target: {case['name']}", partial(_of, switches), [asked])
    for case in told["hosts"]:
        yield Situation(f"host: {case['raw'][:80]}", partial(_of, {}), [Asked(headers=[("Host", case["raw"])])])


def _websocket() -> Iterator[Situation]:
    for case in test_websocket.CASES:
        asked = Asked(case.get("method", "GET"), headers=test_websocket.fields(case))
        yield Situation(f"websocket: {case['name']}", partial(_of, test_websocket.said(case)), [asked])
