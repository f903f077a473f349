"""Sessions and passwords that a table makes for its cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.config import load
from lockgate.errors import ConfigErrors
from lockgate.rehearsal.read import read
from lockgate.rehearsal.run import Result, Run

CONFIG = """\
version: 1
issuers:
  company: {issuer: "https://login.example.com", client: {id: lockgate}}
  people: {users: {pages: "https://portal.example.com"}}
sign_in:
  staff: {issuers: [company, people], second_factor: [totp]}
  guests: {issuers: [company], claims: [email]}
  codes: {issuers: [company], claims: [email], second_factor: [totp]}
  own: {issuers: [people]}
  own-codes: {issuers: [people], second_factor: [totp]}
apis:
  orders:
    path: /orders
    upstream: http://127.0.0.1:9000
    authenticate: [{session: {sign_in: staff}}]
    authorize: authenticated
    step_up:
      rules: [{methods: [POST], within: 10m, amr: [otp]}]
    device: {new: deny}
  reports:
    path: /reports
    upstream: http://127.0.0.1:9000
    authenticate: [{basic: {issuer: people}}, api_key]
    authorize: authenticated
  guests:
    path: /guests
    upstream: http://127.0.0.1:9000
    authenticate: [{session: {sign_in: guests}}]
    authorize: authenticated
  codes:
    path: /codes
    upstream: http://127.0.0.1:9000
    authenticate: [{session: {sign_in: codes}}]
    authorize: authenticated
    step_up: {rules: [{within: 5m, amr: [mfa]}]}
  own:
    path: /own
    upstream: http://127.0.0.1:9000
    authenticate: [{session: {sign_in: own}}]
    authorize: authenticated
  own-codes:
    path: /own-codes
    upstream: http://127.0.0.1:9000
    authenticate: [{session: {sign_in: own-codes}}]
    authorize: authenticated
    step_up: {rules: [{within: 5m, amr: [mfa]}]}
"""


def one(folder: Path, said: str) -> Result:
    (folder / "lockgate.yaml").write_text(CONFIG)
    table = folder / "lockgate.tests.yaml"
    lines = "".join(f"    {line}\n" for line in said.splitlines())
    table.write_text(f"version: 1\ncases:\n  - name: it\n{lines}")
    loaded = load(folder / "lockgate.yaml")
    (result,) = Run(loaded.compile(0, 0), read([table]), loaded.document.sign_in)
    return result


@pytest.mark.parametrize(
    "said",
    [
        "request: GET /orders\nsession: true\nexpect: allow",
        "request: GET /orders\nsession: {claims: {sub: ann}}\nexpect: {owner: ann, verdict: allow}",
        "request: GET /orders\nsession: {issuer: people}\nexpect: allow",
        "request: GET /orders\nsession: {sign_in: staff}\nheaders: {Cookie: theme=dark}\nexpect: allow",
        "request: GET /orders\nsession: {expired: true}\nexpect: session-expired",
        "request: GET /orders\nsession: {forged: true}\nexpect: session-invalid",
        "request: GET /orders\nsession: {without: [device]}\nexpect: device-missing",
        "request: GET /orders\nsession: true\ndevice: [new]\nexpect: device-new",
        "request: GET /orders\nexpect: session-missing",
        "request: POST /orders\nsession: {claims: {amr: [otp]}}\nexpect: allow",
        "request: POST /orders\nsession: {claims: {amr: [otp]}, ago: 9m}\nexpect: allow",
        "request: POST /orders\nsession: {claims: {amr: [otp]}, ago: 11m}\nexpect: step-up-wanted",
        "request: POST /orders\nsession: true\nexpect: step-up-wanted",
        "request: POST /orders\nsession: true\nheaders: {Origin: https://evil.example}\nexpect: session-cross-site",
        "request: GET /reports\nbasic: true\nexpect: allow",
        "request: GET /reports\nbasic: {claims: {sub: ann}}\nexpect: {owner: ann, verdict: allow}",
        "request: GET /reports\nbasic: {wrong: true}\nexpect: basic-wrong",
        "request: GET /reports\nkey: true\nexpect: allow",
        "request: GET /orders\nsession: true\ndevice: new\nexpect: device-new",
        "request: GET /orders\nsession: true\ndevice: approved, 4 at once\nexpect: allow",
        "request: GET /guests\nsession: {claims: {email: ann@example.com, sid: s1}}\nexpect: allow",
        "request: GET /codes\nsession: true\nexpect: step-up-wanted",
        "request: GET /codes\nsession: {claims: {amr: [otp, mfa]}, ago: 4m}\nexpect: allow",
        "request: GET /codes\nsession: {claims: {amr: [otp, mfa]}, ago: 6m}\nexpect: step-up-wanted",
        "request: GET /own\nsession: {claims: {amr: [pwd], groups: [staff]}, ago: 6m}\nexpect: allow",
        "request: GET /own-codes\nsession: {claims: {amr: [pwd, otp, mfa]}, ago: 4m}\nexpect: allow",
    ],
)
def test_what_a_gate_would_say(tmp_path: Path, said: str) -> None:
    result = one(tmp_path, said)
    assert result.passed, (result.misses, result.broken)


@pytest.mark.parametrize(
    ("path", "said", "at", "words"),
    [
        ("guests", "{claims: {acr: gold}}", ("claims", "acr"), "since `sign_in.guests.claims` leaves it out: add it"),
        ("guests", "{claims: {amr: [otp]}}", ("claims", "amr"), "no session of `guests` holds `amr`"),
        ("guests", "{ago: 1m}", ("ago",), "no session of `guests` holds `auth_time`"),
        ("guests", "{claims: {nonce: n}}", ("claims", "nonce"), "no session of `guests` holds `nonce`"),
        ("codes", "{claims: {amr: [hwk]}}", ("claims", "amr"), "no session of `codes` holds `amr`"),
        ("codes", "{claims: {amr: [{}]}}", ("claims", "amr"), "no session of `codes` holds `amr`"),
        ("codes", "{ago: 1m}", ("ago",), "no session of `codes` holds `auth_time`"),
        ("own", "{claims: {amr: [mfa]}}", ("claims", "amr"), "`people` knows people by passwords (`pwd`)"),
        ("own", "{claims: {acr: gold}}", ("claims", "acr"), "`people` knows people by passwords (`pwd`)"),
        ("own-codes", "{claims: {amr: [hwk]}}", ("claims", "amr"), "no session of `own-codes` holds `amr`"),
        ("orders", "{issuer: people, claims: {acr: gold}}", ("claims", "acr"), "no session of `staff` holds `acr`"),
        ("codes", "{claims: {amr: [otp], acr: gold}}", ("claims", "acr"), "no session of `codes` holds `acr`"),
    ],
)
def test_a_session_holds_what_signing_in_leaves_in_it_and_no_more(
    tmp_path: Path, path: str, said: str, at: tuple[str, ...], words: str
) -> None:
    result = one(tmp_path, f"request: GET /{path}\nsession: {said}\nexpect: allow")
    assert (result.passed, result.broken_at) == (False, ("session", *at))
    assert words in str(result.broken)


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ("request: GET /reports\nsession: true", "session", "takes no sessions; see its `authenticate`"),
        ("request: GET /orders\nsession: {sign_in: other}", "session", "of `other`, but of `staff`"),
        ("request: GET /orders\nsession: {issuer: other}", "session", "by `other` there, but by `company`, `people`"),
        ("request: GET /orders\nbasic: true", "basic", "takes no passwords; see its `authenticate`"),
        ("request: GET /reports\nbasic: {issuer: company}", "basic", "of `company`, but of `people`"),
        (
            f"request: GET /orders\nsession: {{claims: {{name: {'x' * 5000}}}}}",
            "session",
            "longer than a cookie may be",
        ),
        ("request: GET /reports\nbasic: true\ndevice: new", "device", "`reports` asks about no device"),
    ],
)
def test_what_a_case_says_in_vain_is_told_at_its_field(tmp_path: Path, said: str, field: str, words: str) -> None:
    result = one(tmp_path, f"{said}\nexpect: allow")
    assert (result.passed, result.broken_at[0]) == (False, field)
    assert words in str(result.broken)


def test_cases_of_one_table_know_nothing_of_each_other(tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(CONFIG)
    table = tmp_path / "lockgate.tests.yaml"
    said = ["basic: true, expect: allow", "basic: {wrong: true}, expect: basic-wrong"] * 2
    lines = "".join(f"  - {{name: {number}th, request: GET /reports, {one}}}\n" for number, one in enumerate(said))
    table.write_text(f"version: 1\ncases:\n{lines}")
    results = list(Run(load(tmp_path / "lockgate.yaml").compile(0, 0), read([table])))
    assert [(one.passed, one.misses) for one in results] == [(True, [])] * 4


@pytest.mark.parametrize("said", ["session: a.cookie", "basic: ann:secret"])
def test_a_credential_of_somebody_is_not_taken(tmp_path: Path, said: str) -> None:
    with pytest.raises(ConfigErrors) as refused:
        one(tmp_path, f"request: GET /orders\n{said}\nexpect: allow")
    assert "makes its own" in str(refused.value)
    assert said.partition(": ")[2] not in str(refused.value)
