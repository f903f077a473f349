"""The models and the core take and refuse the same policies.

Each generated policy goes to Python's model as the file would say it, and, past
the model, in a bundle to the core.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lockgate import _native
from lockgate.addresses import Network, Target
from lockgate.config.model_apis import Api

SPAN = {"file": 0, "line": 1, "column": 1}
UNTIL = {"owner": "me", "reason": "a test", "until_ms": 1, "span": SPAN}
BUNDLE: dict[str, Any] = {
    "bundle_version": 1,
    "sequence": 1,
    "created_ms": 1,
    "sources": ["lockgate.yaml"],
    "listeners": [],
    "upstreams": [
        {
            "name": "shop",
            "targets": [{"url": "http://127.0.0.1:9000", "weight": 1, "priority": 0}],
            "timeouts": {"connect_ms": 1, "first_byte_ms": 1, "idle_ms": 1, "keep_alive_ms": 1},
            "credential": None,
            "head_bytes": 65536,
            "insecure": None,
            "span": SPAN,
        }
    ],
    "issuers": [],
    "apis": [],
    "documents": [],
    "facts": {"max_age_ms": 1, "then": "deny"},
    "events": {"access": True, "retain_bytes": 1},
    "problem_base": "/",
}
API: dict[str, Any] = {
    "name": "shop",
    "hosts": [],
    "paths": [{"prefix": "/"}],
    "methods": [],
    "upstream": "shop",
    "strip_path": False,
    "client_cert": "off",
    "openapi": None,
    "public": None,
    "authorize": "authenticated",
    "policies": {"ip_filter": None, "cors": None, "authenticate": [], "body_limit": None, "headers": None},
    "span": SPAN,
    "authorize_span": SPAN,
}

modes = st.sampled_from(["enforce", "observe", "off", "on", "Enforce"])
on_errors = st.sampled_from(["deny", "allow", "ignore"])
waived = st.booleans()
words = st.text("0123456789abcdef.:/ -%*", max_size=12)
octets = st.integers(0, 300).map(str)
networks = st.one_of(
    st.ip_addresses().map(str),
    st.tuples(st.ip_addresses(), st.integers(-1, 140)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
    st.tuples(st.ip_addresses(v=4).map(str), st.sampled_from(["", "08", "+8", "0008", "8 ", "255.0.0.0"])).map(
        "/".join
    ),
    st.lists(octets, min_size=3, max_size=5).map(".".join),
    st.integers(0, 32).map(lambda length: f"10.0.0.0/{length}"),
    st.sampled_from(["::ffff:10.0.0.0/104", "::ffff:10.0.0.0/90", "fe80::1%eth0", "010.0.0.1", "10.1", "0x0a000001"]),
    words,
)
headers = st.one_of(
    st.sampled_from(
        [
            *["X-API-Key", "Host", "content-length", "Connection", "TE", "Authorization", "Expect", "", "é"],
            *["Via", "x_request_id", "X-Forwarded-For", "X-User-Key", "X-User-Agent", "Proxy-Authorization"],
        ]
    ),
    st.text("abcXYZ019-_!#$%&'*+.^`|~ :;()\"\t\n", max_size=12),
)
sizes = st.one_of(st.integers(-5, 2**50), st.booleans(), st.none(), st.just("10MiB"))


def python_takes(policies: dict[str, Any]) -> bool:
    """What the models say, with the rules of `check` that look at two values."""
    try:
        api = Api.model_validate({"upstream": "shop", **policies})
    except ValidationError:
        return False
    return all(
        way.api_key is not None
        and way.api_key.on_error == "deny"
        and (way.api_key.mode == "enforce" or way.api_key.waiver is not None)
        for way in api.authenticate or ()
    )


def core_takes(policies: dict[str, Any]) -> bool:
    bundle = copy.deepcopy(BUNDLE)
    bundle["apis"] = [{**copy.deepcopy(API), "policies": {**API["policies"], **policies}}]
    return _native.check_bundle(json.dumps(bundle).encode()) == []


def placed(config: object, mode: str, on_error: str, *, waiver: bool) -> dict[str, Any]:
    return {
        "mode": mode,
        "on_error": on_error,
        "waiver": UNTIL if waiver else None,
        "span": SPAN,
        "config": config,
    }


def common(mode: str, on_error: str, *, waiver: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"mode": mode, "on_error": on_error}
    if waiver:
        said["waiver"] = {"owner": "me", "reason": "a test", "until": "2027-01-01"}
    return said


WAY = {"api_key": placed({"header": "X-API-Key"}, "enforce", "deny", waiver=False)}


def test_the_frame_is_taken_by_both() -> None:
    assert core_takes({"authenticate": [WAY]})
    assert python_takes({"authenticate": ["api_key"]})


@given(st.lists(networks, max_size=3), st.lists(networks, max_size=3), modes, on_errors, waived)
def test_ip_filter(allow: list[str], deny: list[str], mode: str, on_error: str, waiver: bool) -> None:
    said = {**common(mode, on_error, waiver=waiver), "allow": allow, "deny": deny}
    python = python_takes({"authenticate": ["api_key"], "ip_filter": said})
    policy = placed({"allow": allow, "deny": deny}, mode, on_error, waiver=waiver)
    assert python == core_takes({"authenticate": [WAY], "ip_filter": policy})


@given(networks)
def test_one_network(text: str) -> None:
    try:
        canonical = TypeAdapter(Network).validate_python(text)
    except ValidationError:
        canonical = None
    policy = placed({"allow": [], "deny": [text]}, "enforce", "deny", waiver=False)
    assert (canonical is not None) == core_takes({"authenticate": [WAY], "ip_filter": policy})


@given(headers, modes, on_errors, waived)
def test_api_key(header: str, mode: str, on_error: str, waiver: bool) -> None:
    said = {**common(mode, on_error, waiver=waiver), "header": header}
    policy = placed({"header": header}, mode, on_error, waiver=waiver)
    assert python_takes({"authenticate": [{"api_key": said}]}) == core_takes({"authenticate": [{"api_key": policy}]})


@given(sizes, modes, on_errors, waived)
def test_body_limit(size: object, mode: str, on_error: str, waiver: bool) -> None:
    said = {**common(mode, on_error, waiver=waiver), "bytes": size}
    # The file's spelling of a size is Python's alone; the core is given the number.
    number = 10 * 2**20 if size == "10MiB" else size
    policy = placed({"bytes": number}, mode, on_error, waiver=waiver)
    assert python_takes({"authenticate": ["api_key"], "body_limit": said}) == core_takes(
        {"authenticate": [WAY], "body_limit": policy}
    )


paths = st.one_of(
    st.lists(st.sampled_from(["", "a", "{id}", "x{id}", "{}", "b.c", "%20", "{a}{b}"]), max_size=4).map(
        lambda segments: "/" + "/".join(segments)
    ),
    st.sampled_from(["", "a", "a/b", "/" + "a/" * 70]),
)


@given(paths, st.sampled_from(["exact", "prefix", "template"]))
def test_what_python_takes_as_a_path_the_core_takes(path: str, kind: str) -> None:
    """The other way round Python is stricter: it also refuses paths that no request can have."""
    try:
        Api.model_validate({"upstream": "shop", "path": {kind: path}})
    except ValidationError:
        return
    bundle = copy.deepcopy(BUNDLE)
    bundle["apis"] = [
        {**copy.deepcopy(API), "paths": [{kind: path}], "policies": {**API["policies"], "authenticate": [WAY]}}
    ]
    assert _native.check_bundle(json.dumps(bundle).encode()) == []


@given(
    st.one_of(
        st.text("abc.-_:/[]@0123456789", max_size=20).map(lambda rest: f"http://{rest}"),
        st.ip_addresses().map(lambda ip: f"http://{ip}:80" if ip.version == 4 else f"http://[{ip}]"),
    )
)
def test_what_python_takes_as_a_target_the_core_takes(target: str) -> None:
    try:
        canonical = TypeAdapter(Target).validate_python(target)
    except ValidationError:
        return
    bundle = copy.deepcopy(BUNDLE)
    bundle["upstreams"][0] |= {"targets": [{"url": canonical, "weight": 1, "priority": 0}], "insecure": UNTIL}
    assert _native.check_bundle(json.dumps(bundle).encode()) == []
