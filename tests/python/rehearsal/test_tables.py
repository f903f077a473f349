"""Tables of cases: what is read, what is refused with its place, and what comes of each case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from lockgate._native import Engine
from lockgate.config import load
from lockgate.errors import ConfigErrors
from lockgate.rehearsal.coverage import Coverage, Met, measure
from lockgate.rehearsal.first_table import first_table
from lockgate.rehearsal.junit import report
from lockgate.rehearsal.model import schema
from lockgate.rehearsal.read import beside, read
from lockgate.rehearsal.run import Result, Run

CONFIG = """\
version: 1
apis:
  shop:
    hosts: [shop.example.com]
    path: [/orders, {template: "/products/{sku}"}]
    methods: [GET, POST]
    upstream: http://127.0.0.1:9000
    authenticate:
      - api_key: {header: X-Key}
    authorize: authenticated
    ip_filter: {deny: [203.0.113.0/24]}
    body_limit: {bytes: 1KiB}
  open:
    hosts: [shop.example.com]
    path: {exact: /healthz}
    upstream: http://127.0.0.1:9000
    public: {owner: ops@example.com, reason: monitoring, until: 2099-01-01}

"""

HEAD = "version: 1\ndefaults: {host: shop.example.com}\ncases:\n"


@pytest.fixture
def bundle(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "lockgate.yaml").write_text(CONFIG)
    return load(tmp_path / "lockgate.yaml").compile(0, 0)


def table(folder: Path, text: str) -> Path:
    path = folder / "lockgate.tests.yaml"
    path.write_text(text)
    return path


def run(bundle: dict[str, Any], folder: Path, text: str) -> list[Result]:
    return list(Run(bundle, read([table(folder, text)])))


def one(bundle: dict[str, Any], folder: Path, said: str) -> Result:
    (result,) = run(bundle, folder, f"{HEAD}  - name: it\n" + "".join(f"    {line}\n" for line in said.splitlines()))
    return result


@pytest.mark.parametrize(
    "said",
    [
        "request: GET /orders\nkey: true\nexpect: allow",
        "request: GET /orders\nexpect: deny",
        "request: GET /orders\nexpect: key-missing",
        "request: GET /orders\nexpect: {reason: key-missing, status: 401, api: shop, route: /orders/*}",
        "request: GET /orders\nkey: {owner: crm@example.com}\nexpect: {verdict: allow, owner: crm@example.com}",
        "request: GET /orders\nkey: {apis: [open]}\nexpect: key-not-for-api",
        "request: GET /orders\nkey: {revoked: true}\nexpect: key-revoked",
        "request: GET /orders\nkey: {expired: true}\nexpect: key-expired",
        "request: GET /orders\nkey: {unknown: true}\nexpect: key-unknown",
        "request: GET /orders\nheaders: {X-Key: nonsense}\nexpect: key-malformed",
        "request: GET /orders\nheaders: {X-Key: [a, b]}\nexpect: key-repeated",
        "request: GET /orders\npeer: 203.0.113.9\nkey: true\nexpect: address-denied",
        "request: POST /orders\nkey: true\nbytes: 1KiB\nexpect: allow",
        "request: POST /orders\nkey: true\nbytes: 1025\nexpect: body-too-large",
        "request: POST /orders\nkey: true\njson: {sku: LK-001, count: [1, 2]}\nexpect: allow",
        "request: POST /orders\nkey: true\nbody: hello\nexpect: allow",
        "request: DELETE /orders\nexpect: {reason: method-not-allowed, status: 405}",
        "request: GET http://other.example.com/orders\nexpect: no-route",
        "request: GET HTTP://other.example.com/orders\nexpect: no-route",
        "request: GET /healthz\nexpect: {verdict: allow, api: open, target: /healthz}",
        "request: GET /healthz\nat: 2099-01-01\nexpect: waiver-expired",
        "request: GET /healthz\nat: 2098-12-31T23:59:59Z\nexpect: allow",
        "request: GET /.lockgate/reasons/no-route\nexpect: respond",
        "request: GET /orders\nkey: true\nrepeat: 3\nevery: 1s\nexpect: allow",
    ],
)
def test_a_case_passes_where_the_gate_does_so(bundle: dict[str, Any], tmp_path: Path, said: str) -> None:
    result = one(bundle, tmp_path, said)
    assert result.passed, [miss.words for miss in result.misses] or result.broken


def test_a_url_s_port_is_that_of_a_listener(tmp_path: Path) -> None:
    """Unless one is named: listeners differ in whom they trust."""
    listeners = """listeners:
  inner: {address: "127.0.0.1:8080", trusted_proxies: [127.0.0.0/8]}
  outer: {address: "127.0.0.1:8083"}
apis:
  shop:
    upstream: http://127.0.0.1:9000
    ip_filter: {allow: [10.0.0.0/8]}
    authenticate: [api_key]
    authorize: authenticated
"""
    (tmp_path / "lockgate.yaml").write_text(f"version: 1\n{listeners}")
    bundle = load(tmp_path / "lockgate.yaml").compile(0, 0)
    said = "request: GET http://a:{port}/\nkey: true\nheaders: {{X-Forwarded-For: 10.0.0.1}}\nexpect: {verdict}"
    for port, verdict in ((8080, "allow"), (8083, "address-not-allowed"), (443, "allow")):
        result = one(bundle, tmp_path, said.format(port=port, verdict=verdict))
        assert result.passed, [miss.words for miss in result.misses] or result.broken


MOVED = """  moved:
    path: /old
    redirect: {to: "https://new.example.com{rest}"}
    public: {owner: ops@example.com, reason: moved, until: 2099-01-01}
"""


SIGNED_IN = """\
version: 1
issuers:
  company: {issuer: "https://login.example.com", client: {id: lockgate}}
sign_in:
  staff: {issuers: [company], second_factor: [totp]}
apis:
  orders:
    path: /orders
    methods: [GET, POST]
    upstream: http://127.0.0.1:9000
    authenticate: [{session: {sign_in: staff}}]
    authorize: authenticated
    step_up: {rules: [{methods: [POST], amr: [otp]}]}
    body_limit: {bytes: 1KiB}
"""


def test_who_is_sent_to_sign_in_or_to_prove_more_is_led_there(tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(SIGNED_IN)
    bundle = load(tmp_path / "lockgate.yaml").compile(0, 0)
    page = "headers: {Sec-Fetch-Mode: navigate}"
    to = "/.lockgate/staff/sign-in?to=/orders"
    said = f"request: GET /orders\n{page}\nexpect: {{reason: session-sign-in, status: 303, location: '{to}'}}"
    assert one(bundle, tmp_path, said).passed
    (miss,) = one(bundle, tmp_path, said.replace(to, "/elsewhere")).misses
    assert (miss.field, miss.found) == ("location", to)
    said = f"request: POST /orders\n{page}\nsession: true\nexpect: {{reason: step-up-page, location: '%s'}}"
    (miss,) = one(bundle, tmp_path, said % "/elsewhere").misses
    assert str(miss.found).startswith("/.lockgate/staff/step-up?to=")
    assert one(bundle, tmp_path, said % miss.found).passed


def test_the_pages_of_a_sign_in_count_as_a_route_and_all_can_be_met(tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(SIGNED_IN)
    bundle = load(tmp_path / "lockgate.yaml").compile(0, 0)
    cases = [
        "request: POST /orders, session: {claims: {amr: [otp]}}, expect: allow",
        "request: POST /orders, session: {claims: {amr: [otp]}}, bytes: 2KiB, expect: body-too-large",
        "request: POST /orders, session: true, expect: step-up-wanted",
        "request: GET /orders, expect: session-missing",
        "request: GET /.lockgate/staff/sign-in, expect: allow",
    ]
    text = HEAD + "".join(f"  - {{name: c{number}, {case}}}\n" for number, case in enumerate(cases))
    running = Run(bundle, read([table(tmp_path, text)]))
    assert all(result.passed for result in running)
    met = measure(running.outline(), running.explained)
    assert (met.missing, met.percent, met.of("route")) == ([], 100, (2, 2))
    without = measure(running.outline(), running.explained[:-1])
    assert [point.words for point in without.missing] == ["no case goes to route /.lockgate/staff/* of sign-in:staff"]


def test_what_is_nearly_all_is_not_told_as_all() -> None:
    points = [Met("route", "shop", str(number), number > 0, "") for number in range(2_000)]
    assert Coverage(points).as_json()["percent"] == 99.9


def test_a_redirect_may_be_expected_to_lead_somewhere(tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(CONFIG + MOVED)
    bundle = load(tmp_path / "lockgate.yaml").compile(0, 0)
    expected = "{status: 308, location: 'https://new.example.com/x?a=1'}"
    assert one(bundle, tmp_path, f"request: GET /old/x?a=1\nexpect: {expected}").passed
    (miss,) = one(bundle, tmp_path, f"request: GET /old/y\nexpect: {expected}").misses
    assert (miss.field, miss.found) == ("location", "https://new.example.com/y")


SHARED = """\
version: 1
upstreams: {one: {targets: ["http://127.0.0.1:9000"]}}
apis:
  shop:
    path: /shop
    upstream: one
    authenticate: [api_key]
    authorize: authenticated
    body_limit: {bytes: 1KiB}
    routes:
      orders: {path: /shop/orders}
      gone: {path: /shop/gone, redirect: {to: /shop/orders}}
"""
MEETING = """version: 1
cases:
  - {name: a, request: GET /shop/orders, key: true, expect: allow}
  - {name: b, request: GET /shop/orders, expect: key-missing}
  - {name: c, request: POST /shop/orders, key: true, bytes: 2KiB, expect: body-too-large}
  - {name: d, request: GET /shop/gone, key: true, expect: respond}
  - {name: e, request: GET /shop, key: true, expect: allow}
"""


def test_what_is_said_once_is_met_once_and_what_a_redirect_hides_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(SHARED)
    run_ = Run(load(tmp_path / "lockgate.yaml").compile(0, 0), read([table(tmp_path, MEETING)]))
    results = list(run_)
    assert all(result.passed for result in results)
    explained = [result.explained for result in results if result.explained is not None]
    assert measure(run_.outline(), explained).missing == []
    without = [told for told in explained if told["status"] != 413]
    missing = measure(run_.outline(), without).missing
    assert [(point.kind, point.what) for point in missing] == [("refuses", "body_limit")]


ODD = """\
version: 1
upstreams: {one: {targets: ["http://127.0.0.1:9000"]}, two: {targets: ["http://127.0.0.1:9001"]}}
apis:
  dated:
    path: /orders
    authenticate: [api_key]
    authorize: authenticated
    version_by: {header: X-Version}
    versions: {"1": {upstream: one}, "2": {upstream: two}}
  moved:
    path: /old
    redirect: {to: /new}
    authenticate: [api_key]
    authorize: authenticated
"""


EVERY_WAY = """\
version: 1
issuers:
  company: {issuer: https://login.example.com, audience: shop, client: {id: gate, secret: "${env:HOME}"}}
  other: {issuer: https://other.example.com, audience: shop}
  people: {users: {pages: https://portal.example.com}}
sign_in:
  staff: {issuers: [company], claims: [email]}
apis:
  shop:
    path: [/orders, /more]
    upstream: http://127.0.0.1:9000
    authenticate:
      - session: {sign_in: staff}
      - api_key
      - api_key: {header: X-Second}
      - jwt: {issuer: company}
      - jwt: {issuer: other}
      - introspection: {issuer: company, header: X-Token}
    authorize: authenticated
  reports:
    path: /reports
    upstream: http://127.0.0.1:9000
    authenticate: [{basic: {issuer: people}}]
    authorize: authenticated
  both:
    path: /both
    upstream: http://127.0.0.1:9000
    authenticate: [{all: [api_key, {jwt: {issuer: company}}]}]
    authorize: authenticated
  twice:
    path: /twice
    upstream: http://127.0.0.1:9000
    authenticate: [{all: [{jwt: {issuer: company}}, {jwt: {issuer: other, header: X-Other}}]}]
    authorize: authenticated
"""


def test_a_first_table_has_each_way_to_authenticate_let_through_and_refused(tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(EVERY_WAY)
    loaded = load(tmp_path / "lockgate.yaml")
    bundle, sign_in = loaded.compile(0, 0), loaded.document.sign_in
    cases = read([table(tmp_path, first_table(bundle, sign_in))])
    assert all(result.passed for result in Run(bundle, cases, sign_in))
    named = {one.case.name.partition(": ")[2]: one.case.expect for one in cases}
    assert {name: said.verdict or said.reason for name, said in named.items() if name.startswith("/orders")} == {
        "/orders with a session": "allow",
        "/orders with a key": "allow",
        "/orders with a token that is signed": "allow",
        "/orders with a token of other that is signed": "allow",
        "/orders with a token of company that its issuer is asked about": "allow",
        "/orders with a forged session": "session-invalid",
        "/orders with a wrong key": "key-unknown",
        "/orders with a forged token that is signed": "jwt-signature",
        "/orders with a forged token of other that is signed": "jwt-signature",
        "/orders with a forged token of company that its issuer is asked about": "introspection-inactive",
        "/orders is refused without one": "key-missing",
    }
    assert [name for name in named if name.startswith("/more")] == [
        "/more with a session",
        "/more is refused without one",
    ]
    assert {"/reports with a password", "/reports with a wrong password"} <= named.keys()
    assert {"/both with a key and a token", "/both with a wrong key and a token"} <= named.keys()
    assert "/.lockgate/staff/sign-in is let through" in named
    assert [name for name in named if name.startswith("/twice")] == ["/twice is refused"]


def test_a_first_table_says_what_the_engine_does(tmp_path: Path) -> None:
    """Also where a good credential is not enough, and where the gate answers by itself."""
    (tmp_path / "lockgate.yaml").write_text(ODD)
    bundle = load(tmp_path / "lockgate.yaml").compile(0, 0)
    text = first_table(bundle)
    assert "expect: version-missing" in text
    assert "expect: respond" in text
    assert all(result.passed for result in Run(bundle, read([table(tmp_path, text)])))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("request: GET /orders\nexpect: allow", "expected `allow`, but the verdict is `deny`"),
        ("request: GET /orders\nkey: true\nexpect: deny", "expected `deny`, but the verdict is `allow`"),
        ("request: GET /orders\nexpect: key-expired", "expected reason `key-expired`, but it is `key-missing`"),
        ("request: GET /orders\nexpect: {status: 403}", "expected status `403`, but it is `401`"),
        ("request: GET /orders\nexpect: {api: open}", "expected api `open`, but it is `shop`"),
        ("request: GET /orders\nexpect: {api: shpo}", "expected api `shpo`, but it is `shop` (a slip?)"),
        ("request: GET /orders\nexpect: {route: /x}", "expected route `/x`, but it is `/orders/*`"),
        ("request: GET /orders\nkey: true\nexpect: {upstream: x}", "expected upstream `x`, but it is `api:shop`"),
        ("request: GET /orders\nkey: true\nexpect: {owner: me}", "expected owner `me`, but it is `tests@example.com`"),
        ("request: GET /orders\nexpect: {owner: me}", "expected owner `me`, but it is `none`"),
    ],
)
def test_a_case_fails_in_words_where_it_does_not(bundle: dict[str, Any], tmp_path: Path, said: str, words: str) -> None:
    result = one(bundle, tmp_path, said)
    assert not result.passed
    assert words in [miss.words for miss in result.misses]


def test_a_listener_that_there_is_not_breaks_the_case_and_no_other(bundle: dict[str, Any], tmp_path: Path) -> None:
    first, second = run(
        bundle,
        tmp_path,
        HEAD
        + "  - {name: a, request: GET /healthz, listener: nowhere, expect: allow}\n"
        + "  - {name: b, request: GET /healthz, expect: allow}\n",
    )
    assert "no listener `nowhere`" in str(first.broken)
    assert second.passed


@pytest.mark.parametrize(
    ("text", "line", "column", "code", "words"),
    [
        ("", 1, 1, "empty-file", "empty"),
        ("- a\n", 1, 1, "not-a-mapping", "mapping"),
        ("cases: []\n", 1, 1, "missing-key", "version"),
        ("version: 1\ncases: []\n", 2, 1, "no-cases", "no case"),
        ("version: 2\ncases: []\n", 1, 10, "not-a-choice", "2"),
        (f"{HEAD}  - {{name: a, request: GET /, expct: allow}}\n", 4, 31, "unknown-key", "expct"),
        (f"{HEAD}  - {{name: a, request: GET /}}\n", 4, 5, "missing-key", "expect"),
        (f"{HEAD}  - {{name: a, request: GET http://a/x#f, expect: allow}}\n", 4, 24, "request-malformed", "fragment"),
        (
            f"{HEAD}  - {{name: a, request: GET http://u@a/x, expect: allow}}\n",
            4,
            24,
            "request-malformed",
            "names a user",
        ),
        (f"{HEAD}  - {{name: a, request: /orders, expect: allow}}\n", 4, 24, "request-malformed", "no request"),
        (f"{HEAD}  - {{name: a, request: GET /, expect: alow}}\n", 4, 39, "expectation-unknown", "alow"),
        (f"{HEAD}  - {{name: a, request: GET /, expect: redirect}}\n", 4, 39, "expectation-unknown", "redirect"),
        (
            f"{HEAD}  - {{name: a, request: GET /, expect: {{reason: key-mising}}}}\n",
            4,
            48,
            "reason-unknown",
            "key-mising",
        ),
        (f"{HEAD}  - {{name: a, request: GET /, at: soon, expect: allow}}\n", 4, 35, "moment-malformed", "soon"),
        (f"{HEAD}  - {{name: a, request: GET /, repeat: 0, expect: allow}}\n", 4, 39, "out-of-range", "0"),
        (f"{HEAD}  - {{name: a, request: GET /, key: false, expect: allow}}\n", 4, 36, "key-absent", "false"),
        (f"{HEAD}  - {{name: a, request: GET /, key: {{ownr: x}}, expect: allow}}\n", 4, 37, "unknown-key", "ownr"),
        (f"{HEAD}  - {{name: a, request: GET /, device: [nwe], expect: allow}}\n", 4, 40, "device-word-unknown", "new"),
        (f"{HEAD}  - {{name: a, request: GET /, device: nwe, expect: allow}}\n", 4, 39, "device-word-unknown", "new"),
        (
            f"{HEAD}  - {{name: a, request: GET /, device: [new, approved], expect: allow}}\n",
            4,
            45,
            "device-contradictory",
            "no device is `new` and `approved`",
        ),
        (f"{HEAD}  - {{name: a, request: GET /, device: [], expect: allow}}\n", 4, 31, "list-too-short", "empty"),
        (f"{HEAD}  - {{name: a, request: GET /, expect: {{}}}}\n", 4, 31, "expectation-empty", "nothing is expected"),
        (
            f"{HEAD}  - {{name: a, request: POST /, body: x, json: {{}}, bytes: 3, expect: allow}}\n",
            4,
            41,
            "body-twice",
            "`body` and `json`",
        ),
        (f"{HEAD}  - {{name: a, request: GET /, peer: nowhere, expect: allow}}\n", 4, 37, "peer-malformed", "nowhere"),
        (
            f"{HEAD}  - {{name: a, request: GET /, session: {{claims: {{sub: 5}}}}, expect: allow}}\n",
            4,
            55,
            "subject-malformed",
            "not `5`",
        ),
        (
            f"{HEAD}  - {{name: a, request: GET /, basic: {{claims: {{sub: [ann]}}}}, expect: allow}}\n",
            4,
            48,
            "subject-malformed",
            "a text",
        ),
        ("version: 1\ncases: [\n", 3, 1, "yaml", ""),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, text: str, line: int, column: int, code: str, words: str
) -> None:
    with pytest.raises(ConfigErrors) as refused:
        read([table(tmp_path, text)])
    (error, *_) = refused.value.errors
    assert (error.code, error.region.line, error.region.column) == (code, line, column)
    assert words in error.message


CAPPED = """\
version: 1
apps:
  crm: {owner: sales@example.com, clients: [], apis: [shop], scopes: []}
apis:
  shop:
    path: /orders
    upstream: http://127.0.0.1:9000
    authenticate: [api_key]
    authorize:
      allow: authenticated
      users: [{distinct_per_day: 2}, {by: app, concurrent: 1}]
    limits: []
  plain:
    path: /plain
    upstream: http://127.0.0.1:9000
    authenticate: [api_key]
    authorize: authenticated
"""


@pytest.mark.parametrize(
    ("said", "broken"),
    [
        ("request: GET /orders, key: {owner: ann}, expect: allow", None),
        ("request: GET /orders, key: {owner: bob}, expect: allow", None),
        ("request: GET /orders, key: {owner: ann}, others: 2, expect: users-a-day", None),
        ("request: GET /orders, key: {app: crm}, others: 1, expect: users-at-once", None),
        ("request: GET /orders, key: {app: crmm}, expect: allow", "did you mean `crm`?"),
        ("request: GET /plain, key: true, others: 1, expect: allow", "has no cap on users"),
    ],
)
def test_how_many_others_there_are_can_be_said(tmp_path: Path, said: str, broken: str | None) -> None:
    (tmp_path / "lockgate.yaml").write_text(CAPPED)
    bundle = load(tmp_path / "lockgate.yaml").compile(0, 0)
    for one in bundle["apis"]:
        # Nothing else of it counts: each case has an engine of its own for its users alone.
        one["policies"]["limits"] = []
    before = "  - {name: first, request: GET /orders, key: {owner: eve}, expect: allow}\n"
    results = run(bundle, tmp_path, f"{HEAD}{before}  - {{name: one, {said}}}\n")
    assert results[0].passed
    if broken is None:
        assert results[1].passed, results[1].misses
    else:
        assert broken in str(results[1].broken)


def test_slips_are_guessed_and_all_mistakes_told_at_once(tmp_path: Path) -> None:
    text = (
        f"{HEAD}  - {{name: a, request: GET /, expct: allow, expect: allow}}\n"
        "  - {name: b, request: GET /, expect: key-mising}\n"
    )
    with pytest.raises(ConfigErrors) as refused:
        read([table(tmp_path, text)])
    hints = {error.hint for error in refused.value.errors}
    assert hints == {"did you mean `expect`?", "did you mean `key-missing`?"}


def test_two_cases_of_one_name_are_refused(tmp_path: Path) -> None:
    case = "  - {name: a, request: GET /, expect: allow}\n"
    with pytest.raises(ConfigErrors) as refused:
        read([table(tmp_path, HEAD + case + case)])
    assert [error.code for error in refused.value.errors] == ["name-twice"]


def test_tables_are_found_beside_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "lockgate.yaml"
    assert beside(config) == []
    (tmp_path / "tests").mkdir()
    for name in ("lockgate.tests.yaml", "tests/b.yaml", "tests/a.yaml", "tests/no.txt"):
        (tmp_path / name).write_text("")
    found = [path.relative_to(tmp_path).as_posix() for path in beside(config)]
    assert found == ["lockgate.tests.yaml", "tests/a.yaml", "tests/b.yaml"]


def test_defaults_hold_unless_a_case_says_otherwise(bundle: dict[str, Any], tmp_path: Path) -> None:
    results = run(
        bundle,
        tmp_path,
        "version: 1\ndefaults: {host: shop.example.com, peer: 203.0.113.9, headers: {X-Key: bad}, at: 2099-01-01}\n"
        "cases:\n"
        "  - {name: a, request: GET /orders, expect: address-denied}\n"
        "  - {name: b, request: GET /orders, peer: 192.0.2.1, expect: key-malformed}\n"
        "  - {name: c, request: GET /orders, peer: 192.0.2.1, headers: {x-key: [x, y]}, expect: key-repeated}\n"
        "  - {name: d, request: GET /healthz, expect: waiver-expired}\n"
        "  - {name: e, request: GET /healthz, at: 2027-01-01, expect: allow}\n"
        "  - {name: f, request: GET /healthz, host: other.example.com, expect: no-route}\n",
    )
    assert [result.passed for result in results] == [True] * 6


def test_coverage_counts_routes_and_both_verdicts_of_each_policy(bundle: dict[str, Any], tmp_path: Path) -> None:
    running = Run(bundle, read([table(tmp_path, f"{HEAD}  - {{name: a, request: GET /orders, expect: deny}}\n")]))
    list(running)
    met = measure(running.outline(), running.explained)
    assert met.of("route") == (1, 3)
    # ip_filter let it through; api_key refused it.
    assert {(point.kind, point.what) for point in met.points if point.met} == {
        ("route", "/orders/*"),
        ("allows", "ip_filter"),
        ("refuses", "api_key"),
    }
    missing = {point.words for point in met.missing}
    assert "no case goes to route /products/{sku} of shop" in missing
    assert "no case that ip_filter of shop refuses" in missing
    assert "no case that api_key of shop lets through" in missing
    assert not any("authorize of shop refuses" in words for words in missing), "where keys are asked for, it cannot"
    assert 0 < met.percent < 100


def test_everything_can_be_covered(bundle: dict[str, Any], tmp_path: Path) -> None:
    cases = [
        "request: GET /orders, key: true, expect: allow",
        "request: GET /products/1, expect: key-missing",
        "request: GET /orders, peer: 203.0.113.1, expect: address-denied",
        "request: POST /orders, key: true, bytes: 2KiB, expect: body-too-large",
        "request: GET /healthz, expect: allow",
        "request: GET /healthz, at: 2099-02-01, expect: waiver-expired",
        "request: POST /healthz, bytes: 20MiB, expect: body-too-large",
    ]
    text = HEAD + "".join(f"  - {{name: c{number}, {case}}}\n" for number, case in enumerate(cases))
    running = Run(bundle, read([table(tmp_path, text)]))
    assert all(result.passed for result in running)
    met = measure(running.outline(), running.explained)
    assert met.missing == []
    assert met.percent == 100


def test_a_first_table_is_a_good_one_and_passes(bundle: dict[str, Any], tmp_path: Path) -> None:
    running = Run(bundle, read([table(tmp_path, first_table(bundle))]))
    results = list(running)
    assert len(results) == 7
    assert [result.read.case.name for result in results if not result.passed] == []
    met = measure(running.outline(), running.explained)
    assert met.of("route") == (3, 3)


def test_junit_holds_each_case_and_what_was_wrong(bundle: dict[str, Any], tmp_path: Path) -> None:
    results = run(
        bundle,
        tmp_path,
        HEAD
        + "  - {name: good, request: GET /healthz, expect: allow}\n"
        + "  - {name: bad <&>, request: GET /healthz, expect: deny}\n"
        + "  - {name: broken, request: GET /healthz, listener: x, expect: deny}\n",
    )
    made = report(results, lambda result: f"words\x07 of {result.read.case.name}")
    root = ET.fromstring(made)  # noqa: S314 -- Our own.
    assert root.attrib["tests"] == "3"
    assert (root.attrib["failures"], root.attrib["errors"]) == ("1", "1")
    good, bad, broken = root.iter("testcase")
    assert good.find("failure") is None
    assert good.find("error") is None
    assert bad.attrib["name"] == "bad <&>"
    failure = bad.find("failure")
    assert failure is not None
    assert "expected `deny`" in failure.attrib["message"]
    assert "words\N{REPLACEMENT CHARACTER} of bad" in str(failure.text)
    assert broken.find("error") is not None


def test_the_schema_describes_every_field() -> None:
    document = schema()
    for name, node in {"": document, **document["$defs"]}.items():
        assert node.get("additionalProperties") is False, name
        for key, field in node["properties"].items():
            meant = {**document["$defs"][field["$ref"].rsplit("/", 1)[1]], **field} if "$ref" in field else field
            assert meant.get("description", "").rstrip().endswith("."), f"{name}.{key}"
            assert meant.get("examples") is not None, f"{name}.{key}"


def test_the_outline_is_the_bundle_that_the_engine_judges_by(bundle: dict[str, Any]) -> None:
    outline = Engine(json.dumps(bundle).encode()).outline()
    assert [api["api"] for api in outline] == ["shop", "open"]
    steps = [(step["policy"], step["part"], step["said"]) for step in outline[0]["steps"]]
    assert steps == [
        ("ip_filter", "", True),
        ("limits", "by address", False),
        ("api_key", "", True),
        ("authorize", "", True),
        ("body_limit", "", True),
    ]
