"""What `load` hands on: the bundle, places, files, warnings; and what it does when it breaks itself."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest

import lockgate.config.loaded
from lockgate import _native
from lockgate.config import ConfigErrors, load

from .conftest import API, HEAD, Read, Write


def test_the_bundle_is_taken_by_the_core(read: Read) -> None:
    bundle = read(HEAD + API).compile(7, 1_000)
    assert _native.check_bundle(json.dumps(bundle).encode()) == []
    assert (bundle["sequence"], bundle["created_ms"], bundle["bundle_version"]) == (7, 1_000, 1)
    assert bundle["sources"] == ["lockgate.yaml"]


def test_nothing_said_has_safe_defaults(read: Read) -> None:
    bundle = read(HEAD + API).compile(0, 0)
    [listener] = bundle["listeners"]
    assert (listener["name"], listener["address"], listener["trusted_proxies"]) == ("public", "127.0.0.1:8080", [])
    assert listener["limits"] == {
        "head_bytes": 32768,
        "headers": 100,
        "handshake_timeout_ms": 10_000,
        "head_timeout_ms": 10_000,
        "idle_timeout_ms": 75_000,
        "body_rate_min": 1024,
        "write_timeout_ms": 60_000,
        "connections": 10_000,
        "connections_per_ip": 1_000,
        "new_connections_per_ip": 0,
        "streams": 100,
        "control_frames": 1,
        "compress_memory": 256 * 2**20,
        "inflate_memory": 256 * 2**20,
        "inspect_memory": 256 * 2**20,
    }
    [upstream] = bundle["upstreams"]
    assert upstream["timeouts"] == {
        "connect_ms": 1_000,
        "first_byte_ms": 30_000,
        "idle_ms": 60_000,
        "keep_alive_ms": 30_000,
    }
    assert (upstream["head_bytes"], upstream["credential"], upstream["insecure"]) == (65536, None, None)
    [api] = bundle["apis"]
    assert (api["authorize"], api["public"], api["hosts"], api["methods"]) == ("authenticated", None, [], [])
    assert api["paths"] == [{"prefix": "/"}]
    assert api["policies"]["ip_filter"] is None
    body_limit = api["policies"]["body_limit"]
    assert body_limit is not None
    assert body_limit["config"] == {"bytes": 10 * 2**20}
    [way] = api["policies"]["authenticate"]
    assert way["api_key"]["config"] == {"header": "X-API-Key", "environments": [], "imported": False}
    assert (way["api_key"]["mode"], way["api_key"]["on_error"]) == ("enforce", "deny")
    assert bundle["facts"] == {"max_age_ms": 86_400_000, "then": "continue"}
    assert bundle["events"] == {"access": True, "retain_bytes": 2**30, "header_order": False}
    assert bundle["problem_base"] == "/.lockgate/reasons/"


EVERYTHING = """\
version: 1
listeners:
  inside:
    address: "[::1]:0"
    trusted_proxies: [10.0.0.0/8]
    limits: {head_bytes: 16KiB, headers: 50, head_timeout: 5s, idle_timeout: 1m, body_rate_min: 0,
             write_timeout: 30s, connections: 20, connections_per_ip: 10}
  outside: {address: 0.0.0.0:8088, insecure: {owner: me, reason: TLS ends before, until: 2999-01-01}}
admin: {address: 127.0.0.1:8089}
gates: {address: "0.0.0.0:8444", advertise: "control.example.com:8444"}
facts: {max_age: 5m, then: deny}
events: {access: false, retain: 2MiB, header_order: true}
problems: {base: https://docs.example.com/refusals/}
upstreams:
  far:
    targets: [http://orders.internal, "http://[2001:db8::1]:9000"]
    timeouts: {connect: 100ms, first_byte: 2s, idle: 3s, keep_alive: 0s}
    head_bytes: 8KiB
    credential: {header: X-Gate, value: "${env:TOKEN}"}
    insecure: {owner: me, reason: the mesh encrypts, until: 2999-01-01}
apis:
  everything:
    hosts: [Shop.Example.com, "*.shop.example.com"]
    path: [/a, {exact: /b/}, {template: "/c/{id}"}, {prefix: /d}]
    methods: [GET, PROPFIND]
    upstream: far
    strip_path: true
    authenticate:
      - api_key: {header: X-Other, mode: observe, waiver: {owner: me, reason: moving, until: 2999-01-02}}
    authorize: authenticated
    ip_filter: {allow: [10.0.0.0/8, 2001:DB8::/32], deny: [10.6.6.6], mode: observe, on_error: allow}
    body_limit: {bytes: 1.5KiB, mode: off}
  open:
    path: /open
    upstream: http://localhost
    public: {owner: me, reason: a catalogue, until: 2999-01-01}
"""


def test_everything_that_is_said_arrives(read: Read) -> None:
    bundle = read(EVERYTHING, {"TOKEN": "secret"}).compile(0, 0)
    inside, outside = bundle["listeners"]
    assert (inside["address"], inside["trusted_proxies"]) == ("[::1]:0", ["10.0.0.0/8"])
    assert inside["limits"] == {
        "head_bytes": 16384,
        "headers": 50,
        "handshake_timeout_ms": 10_000,
        "head_timeout_ms": 5_000,
        "idle_timeout_ms": 60_000,
        "body_rate_min": 0,
        "write_timeout_ms": 30_000,
        "connections": 20,
        "connections_per_ip": 10,
        "new_connections_per_ip": 0,
        "streams": 100,
        "control_frames": 1,
        "compress_memory": 256 * 2**20,
        "inflate_memory": 256 * 2**20,
        "inspect_memory": 256 * 2**20,
    }
    assert outside["limits"]["new_connections_per_ip"] == 200
    assert outside["insecure"] is not None
    assert outside["insecure"]["reason"] == "TLS ends before"
    assert bundle["facts"] == {"max_age_ms": 300_000, "then": "deny"}
    assert bundle["events"] == {"access": False, "retain_bytes": 2**21, "header_order": True}
    assert bundle["problem_base"] == "https://docs.example.com/refusals/"
    far, direct = bundle["upstreams"]
    assert [server["url"] for server in far["targets"]] == ["http://orders.internal:80", "http://[2001:db8::1]:9000"]
    assert far["timeouts"] == {"connect_ms": 100, "first_byte_ms": 2_000, "idle_ms": 3_000, "keep_alive_ms": 0}
    assert far["head_bytes"] == 8192
    assert far["credential"] == {"header": "X-Gate", "secret": "env:TOKEN"}
    assert [server["url"] for server in direct["targets"]] == ["http://localhost:80"]
    api, public = bundle["apis"]
    assert api["hosts"] == ["shop.example.com", "*.shop.example.com"]
    assert api["paths"] == [{"prefix": "/a"}, {"exact": "/b/"}, {"template": "/c/{id}"}, {"prefix": "/d"}]
    assert (api["methods"], api["strip_path"], api["upstream"]) == (["GET", "PROPFIND"], True, "far")
    [way] = api["policies"]["authenticate"]
    key = way["api_key"]
    assert (key["config"], key["mode"]) == ({"header": "X-Other", "environments": [], "imported": False}, "observe")
    assert key["waiver"] == {
        "owner": "me",
        "reason": "moving",
        "until_ms": 32_472_230_400_000,
        "span": {"file": 0, "line": 29, "column": 51},
    }
    ip_filter = api["policies"]["ip_filter"]
    assert ip_filter is not None
    assert ip_filter["config"] == {"allow": ["10.0.0.0/8", "2001:db8::/32"], "deny": ["10.6.6.6"]}
    assert (ip_filter["mode"], ip_filter["on_error"]) == ("observe", "allow")
    body_limit = api["policies"]["body_limit"]
    assert body_limit is not None
    assert (body_limit["config"], body_limit["mode"]) == ({"bytes": 1536}, "off")
    assert public["authorize"] == "public"
    assert public["public"] is not None
    assert public["public"]["owner"] == "me"
    assert public["upstream"] == direct["name"]


def test_the_admin_address_is_the_control_process_own(read: Read) -> None:
    assert read(EVERYTHING, {"TOKEN": ""}).admin_address == "127.0.0.1:8089"
    assert read(HEAD + API).admin_address == "127.0.0.1:8081"


def test_places_are_lines_of_the_file_that_says_it(read: Read) -> None:
    main = HEAD + "include: apis.yaml\ndefaults:\n  ip_filter: {deny: [10.0.0.1]}\n"
    apis = "apis:\n  # a remark\n  shop:\n    upstream: shop\n    authenticate:\n      - api_key\n"
    apis += "    authorize: authenticated\n    body_limit: {bytes: 1}\n"
    bundle = read(main, apis_yaml=apis).compile(0, 0)
    assert bundle["sources"] == ["lockgate.yaml", "apis.yaml"]
    [api] = bundle["apis"]
    assert api["span"] == {"file": 1, "line": 3, "column": 3}
    assert api["authorize_span"] == {"file": 1, "line": 7, "column": 5}
    policies = api["policies"]
    assert policies["authenticate"][0]["api_key"]["span"] == {"file": 1, "line": 6, "column": 9}
    assert policies["body_limit"] is not None
    assert policies["body_limit"]["span"] == {"file": 1, "line": 8, "column": 5}
    assert policies["ip_filter"] is not None
    assert policies["ip_filter"]["span"] == {"file": 0, "line": 6, "column": 3}
    assert bundle["upstreams"][0]["span"] == {"file": 0, "line": 3, "column": 3}


def test_an_api_refines_the_defaults_key_by_key(read: Read) -> None:
    text = (
        HEAD
        + """\
defaults:
  ip_filter: {deny: [10.0.0.1], on_error: allow}
  body_limit: {bytes: 1KiB, mode: observe}
apis:
  inherits: {path: /a, upstream: shop, authenticate: [api_key], authorize: authenticated}
  refines:
    path: /b
    upstream: shop
    authenticate: [api_key]
    authorize: authenticated
    ip_filter: {allow: [10.0.0.0/8]}
    body_limit: {mode: enforce}
  replaces: {path: /c, upstream: shop, authenticate: [api_key], authorize: authenticated,
    ip_filter: {deny: [], mode: off}}
"""
    )
    inherits, refines, replaces = (api["policies"] for api in read(text).compile(0, 0)["apis"])
    assert inherits["ip_filter"] is not None
    assert inherits["ip_filter"]["config"] == {"allow": [], "deny": ["10.0.0.1"]}
    assert inherits["ip_filter"]["on_error"] == "allow"
    assert refines["ip_filter"] is not None
    assert refines["ip_filter"]["config"] == {"allow": ["10.0.0.0/8"], "deny": ["10.0.0.1"]}
    assert refines["ip_filter"]["on_error"] == "allow"
    assert refines["body_limit"] is not None
    assert (refines["body_limit"]["config"], refines["body_limit"]["mode"]) == ({"bytes": 1024}, "enforce")
    assert replaces["ip_filter"] is not None
    assert replaces["ip_filter"]["config"] == {"allow": [], "deny": []}
    assert replaces["ip_filter"]["mode"] == "off"


def test_files_and_patterns_to_watch(read: Read, tmp_path: Path) -> None:
    main = HEAD + "include: [apis/*.yaml]\ndefaults:\n  ip_filter: {deny: [{file: bad.txt}]}\n"
    loaded = read(main, apis__a_yaml=API, bad_txt="10.0.0.1\n")
    assert loaded.files == [tmp_path / "lockgate.yaml", tmp_path / "apis/a.yaml", tmp_path / "bad.txt"]
    assert loaded.patterns == [str(tmp_path / "apis/*.yaml")]


def test_a_refused_configuration_says_what_to_watch(write: Write, tmp_path: Path) -> None:
    main = write(HEAD + "include: [apis/*.yaml]\n", apis__a_yaml="apis: {shop: {}}\n")
    with pytest.raises(ConfigErrors) as refused:
        load(main)
    assert refused.value.files == (main, tmp_path / "apis/a.yaml")
    assert refused.value.patterns == (str(tmp_path / "apis/*.yaml"),)
    assert "apis/a.yaml:1:8" in str(refused.value)


def test_a_fault_of_its_own_is_an_error_like_any_other(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(lockgate.config.loaded, "check", broken)
    with pytest.raises(ConfigErrors) as refused:
        load(write(HEAD + API))
    [error] = refused.value.errors
    assert error.code == "internal"
    assert "RuntimeError: two lines" in error.message
    assert "report" in (error.hint or "")


def test_the_collector_runs_again_afterwards(write: Write) -> None:
    assert gc.isenabled()
    load(write(HEAD + API)).compile(0, 0)
    assert gc.isenabled()
    gc.disable()
    try:
        load(write(HEAD + API))
        assert not gc.isenabled(), "whoever had it off keeps it off"
    finally:
        gc.enable()


def test_problems_for_programs(write: Write) -> None:
    with pytest.raises(ConfigErrors) as refused:
        load(write(HEAD + "apis:\n  shop: {upstream: shpo, authenticate: [api_key], authorize: authenticated}\n"))
    [error] = refused.value.errors
    said = error.as_json()
    assert said["code"] == "upstream-unknown"
    assert (said["line"], said["column"], said["end_line"], said["end_column"]) == (5, 20, 5, 24)
    assert said["path"] == "apis.shop.upstream"
    assert said["hint"] == "did you mean `shop`?"
    assert Path(said["file"]).name == "lockgate.yaml"
