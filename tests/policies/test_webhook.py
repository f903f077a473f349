"""`webhook`, from the configuration to the wire."""

from __future__ import annotations

import datetime as dt
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Sender

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message
from lockgate import _native
from lockgate.config import load
from lockgate.config.bundle_types import Bundle
from lockgate.policies.webhook import FORMS, Webhook
from policies.conftest import Refusals, written
from support.middleware import Asked, engine, through_asgi, through_wsgi
from support.signing import WEBHOOK, body_of, webhook_config, webhook_fields
from support.vectors import Case, cases, name

CASES = cases("webhook")
NOW = int(WEBHOOK["now"])
STATUS = {"webhook-body-too-long": 413, "webhook-secret-missing": 503}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def bundle_of(case: Case, secrets: Path, port: int = 9000) -> Bundle:
    placed = {"mode": "enforce", "on_error": "deny", "waiver": None, "span": bundles.span(35)}
    keys: list[Any] = [{"webhook": {**placed, "config": webhook_config(case, secrets)}}]
    return bundles.bundle([bundles.api(keys=keys)], [bundles.upstream(port)])


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_engine(case: Case, tmp_path: Path) -> None:
    judge = _native.Engine(json.dumps(bundle_of(case, tmp_path)).encode())
    now = int(case.get("now", NOW))
    request = {
        "method": "POST",
        "target": "/",
        "peer": "127.0.0.1",
        "headers": webhook_fields(case, now),
        "body": body_of(case),
    }
    told = [judge.evaluate(request, now_ms=now * 1000) for _ in range(case.get("times", 1))][-1]
    if case["verdict"] == "identify":
        assert (told["verdict"], told["identity"]["credential"]) == ("allow", "webhook:sender")
    else:
        assert (told["verdict"], (told["reason"] or {})["code"]) == ("deny", case["reason"])


@pytest.mark.parametrize("case", [case for case in CASES if "now" not in case], ids=name)
def test_a_running_gate(case: Case, gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(bundle_of(case, tmp_path, auto.port))
    before, times = len(auto.requests), case.get("times", 1)
    fields, body = webhook_fields(case, int(time.time())), body_of(case)
    answer = [put(gate, fields, body or b"") for _ in range(times)][-1]
    if case["verdict"] == "identify":
        assert answer.status == 200
        seen = auto.requests[-1]
        assert seen.body == (body or b"")
        form = WEBHOOK["forms"][case.get("form", "standard")]
        assert form["header"].lower() not in seen.names, "it was taken off"
        assert form["id"] is None or form["id"].lower() in seen.names, "by that an application knows repetitions"
        return
    assert (answer.status, answer.reason) == (STATUS.get(case["reason"], 401), case["reason"])
    assert len(auto.requests) == before + times - 1, "of what is refused the upstream hears nothing"
    assert ("www-authenticate" in answer.names) == (answer.status == 401)


def put(gate: Gate, fields: list[tuple[str, str]], body: bytes) -> Message:
    head = "".join(f"{key}: {value}\r\n" for key, value in fields)
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    with gate.client() as client:
        client.send(f"POST / HTTP/1.1\r\n{length}{head}\r\n".encode("latin-1") + body)
        return client.message()


def test_forms_with_a_name_are_those_that_the_core_is_tried_with() -> None:
    assert set(WEBHOOK["forms"]) == set(FORMS)
    for form, wanted in WEBHOOK["forms"].items():
        said = Webhook.model_validate({"form": form, "secrets": ["${env:HOME}"]})
        config = said.own({})
        assert config["form"] == wanted
        assert config["once"] == (wanted["timestamp"] is not None or wanted["timestamp_prefix"] is not None)


def delivered(
    body: str, *, at: float | None = None, secret: str = SECRET, number: str = "msg_1"
) -> list[tuple[str, str]]:
    """What the library of Standard Webhooks sends."""
    moment = dt.datetime.fromtimestamp(time.time() if at is None else at, dt.UTC)
    signature = Sender(secret).sign(number, moment, body)
    return [
        ("Host", "a.example"),
        ("webhook-id", number),
        ("webhook-timestamp", str(int(moment.timestamp()))),
        ("webhook-signature", signature),
    ]


def compiled(folder: Path, port: int, **way: Any) -> Bundle:
    (folder / "secret").write_text(SECRET + "\n", encoding="ascii")
    (folder / "secret").chmod(0o600)
    api = {
        "upstream": f"http://127.0.0.1:{port}",
        "authenticate": [{"webhook": {"secrets": ["${file:secret}"], **way}}],
    }
    bundle: Any = load(written(folder, api)).compile(1, 1)
    bundle["listeners"] = bundles.bundle([], [])["listeners"]
    bundle["facts"]["then"] = "continue"
    return bundle  # type: ignore[no-any-return]


def test_the_library_of_standard_webhooks_delivers(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(compiled(tmp_path, auto.port, name="payments"))
    body = json.dumps({"type": "paid", "text": "Grüße"})
    sent = delivered(body)
    answer = put(gate, sent, body.encode())
    assert answer.status == 200, answer.body
    assert gate.event(answer.id)["key"] == "webhook:payments"
    again = put(gate, sent, body.encode())
    assert (again.status, again.reason) == (401, "webhook-replayed")
    assert gate.event(again.id)["key"] == "webhook:payments", "whose secret it was is known"
    # Who tries again has the same id, and another time.
    assert put(gate, delivered(body, at=time.time() - 2), body.encode()).status == 200
    assert put(gate, delivered(body, at=time.time() - 400), body.encode()).reason == "webhook-expired"
    other = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
    assert put(gate, delivered(body, secret=other), body.encode()).reason == "webhook-wrong"


def test_what_is_forwarded_the_library_verifies_behind_the_gate(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(compiled(tmp_path, auto.port, forward=True))
    body = '{"type": "paid"}'
    assert put(gate, delivered(body, number="msg_2"), body.encode()).status == 200
    seen = auto.requests[-1]
    assert Sender(SECRET).verify(seen.body, {key.lower(): value for key, value in seen.headers}) == {"type": "paid"}


def test_a_body_in_pieces_is_held_whole(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    gate.load(compiled(tmp_path, auto.port))
    body, before = b'{"type": "paid"}', len(auto.requests)
    head = "".join(f"{key}: {value}\r\n" for key, value in delivered(body.decode(), number="msg_3"))
    with gate.client() as client:
        client.send(f"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{head}\r\n5\r\n".encode() + body[:5] + b"\r\n")
        assert client.silent()
        assert len(auto.requests) == before
        client.send(f"{len(body) - 5:x}\r\n".encode() + body[5:] + b"\r\n0\r\n\r\n")
        assert client.message().status == 200
    assert auto.requests[-1].body == body


def test_a_body_that_is_too_long_is_refused_by_its_head_or_as_it_comes(
    gate: Gate, auto: AutoUpstream, tmp_path: Path
) -> None:
    gate.load(compiled(tmp_path, auto.port, body_bytes="1KiB"))
    head = "".join(f"{key}: {value}\r\n" for key, value in delivered("x", number="msg_4"))
    with gate.client() as client:
        client.send(f"POST / HTTP/1.1\r\nContent-Length: 1025\r\n{head}\r\n".encode())
        assert client.message().reason == "webhook-body-too-long", "not a byte of it is awaited"
    with gate.client() as client:
        client.send(f"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{head}\r\n401\r\n".encode() + b"x" * 0x401)
        assert client.message().reason == "webhook-body-too-long"


def test_the_secret_is_read_anew_when_its_file_changes(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    bundle = compiled(tmp_path, auto.port)
    (tmp_path / "secret").unlink()
    said = gate.load(bundle)
    assert said is not None
    missing = put(gate, delivered("{}", number="msg_5"), b"{}")
    assert (missing.status, missing.reason) == (503, "webhook-secret-missing")
    (unfit,) = [event for event in gate.written(1, code="secret-unfit") if "webhook" in event["message"]][-1:]
    assert SECRET not in json.dumps(unfit)
    (tmp_path / "secret").write_text(SECRET, encoding="ascii")
    gate.load({**bundle, "sequence": bundle["sequence"] + 1})
    assert put(gate, delivered("{}", number="msg_5"), b"{}").status == 200


def test_memory_that_is_full_refuses_and_says_when_to_come_back(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    bundle = compiled(tmp_path, auto.port)
    bundle["listeners"] = [bundles.listener(bounds=bundles.limits(inspect_memory=1024))]
    gate.load(bundle)
    body = "x" * 2048
    full = put(gate, delivered(body, number="msg_6"), body.encode())
    assert (full.status, full.reason) == (503, "inspect-full")
    assert full.get("retry-after") == "1"


def test_middlewares_hear_the_same_and_give_the_body_on(tmp_path: Path) -> None:
    bundle = compiled(tmp_path, 9000)
    for number, through in enumerate((through_asgi, through_wsgi)):
        ask = through(engine(bundle))
        body = b'{"type": "paid"}'
        fields = [*delivered(body.decode(), number=f"msg_{number}"), ("Content-Length", str(len(body)))]
        good = ask(Asked("POST", "/", fields, pieces=[body[:5], body[5:]]))
        assert good.seen is not None, good
        assert good.seen.body == body
        assert good.seen.judged.identity is not None
        assert good.seen.judged.identity.claims["id"] == f"msg_{number}"
        wrong = ask(Asked("POST", "/", fields, pieces=[body[:-1] + b" "]))
        assert (wrong.reason, wrong.seen) == ("webhook-wrong", None)
        long = [*fields[:-1], ("Content-Length", str(2 << 20))]
        too_long = ask(Asked("POST", "/", long, pieces=[b"x" * (1 << 20)] * 2))
        assert (too_long.status, too_long.reason, too_long.seen) == (413, "webhook-body-too-long", None)


def test_a_form_of_ones_own(tmp_path: Path) -> None:
    form = {"header": "X-Meter", "prefix": "sha256=", "timestamp": "X-Time", "signed": "{timestamp}.{body}"}
    bundle = compiled(tmp_path, 9000, form=form, name="meter")
    judge = _native.Engine(json.dumps(bundle).encode())
    tag = hmac.digest(SECRET.encode(), f"{NOW}.{{}}".encode(), "sha256").hex()
    fields = [("Host", "a.example"), ("X-Meter", f"sha256={tag}"), ("X-Time", str(NOW))]
    request = {"method": "POST", "target": "/", "peer": "127.0.0.1", "headers": fields, "body": b"{}"}
    told = judge.evaluate(request, now_ms=NOW * 1000)
    assert told["identity"]["credential"] == "webhook:meter"


PUBLIC = "whpk_NtFvNpKCzcNKkvUWJwg/dhoPYY1oWMjZLUKMW/4JV4w="
SHARED = {"secrets": ["${env:HOME}"]}
MINE = {"header": "X-A", "signed": "{body}"}
TIMED = {**MINE, "timestamp_prefix": "t=", "signed": "{timestamp}.{body}"}


@pytest.mark.parametrize(
    ("way", "codes"),
    [
        ({}, ["webhook-secretless"]),
        ({"secrets": ["hush"]}, ["secret-literal"]),
        ({"public_keys": ["whsec_AAAA"]}, ["webhook-key-malformed"]),
        ({**SHARED, "form": "gihub"}, ["webhook-form-unknown"]),
        ({**SHARED, "form": "github", "once": True}, ["webhook-once-timeless"]),
        (
            {**SHARED, "form": "github", "public_keys": [PUBLIC]},
            ["webhook-key-unfit"],
        ),
        ({**SHARED, "form": {**MINE, "signed": "{body}{id}"}}, ["webhook-signed-malformed"]),
        ({**SHARED, "form": {**MINE, "signed": "{when}.{body}"}}, ["webhook-signed-malformed"]),
        ({**SHARED, "form": {**MINE, "id": "X-Id", "signed": "{id}{body}"}}, ["webhook-signed-malformed"]),
        ({**SHARED, "form": {**MINE, "signed": "{id}.{body}"}}, ["webhook-form-malformed"]),
        ({**SHARED, "form": {**MINE, "timestamp": "X-T"}}, ["webhook-form-malformed"]),
        (
            {**SHARED, "form": {**MINE, "timestamp_prefix": "t=", "signed": "{timestamp}.{body}"}},
            ["webhook-form-malformed"],
        ),
        ({**SHARED, "form": {**MINE, "prefix": "\n"}}, ["webhook-text-malformed"]),
        ({**SHARED, "form": {**MINE, "header": "Host"}}, ["header-framing"]),
        ({**SHARED, "tolerance": "2d"}, ["out-of-range"]),
        ({**SHARED, "body_bytes": "1GiB"}, ["out-of-range"]),
        ({**SHARED, "on_error": "allow"}, ["fail-open-authentication"]),
        ({**SHARED, "mode": "observe"}, ["unenforced-authentication"]),
    ],
)
def test_a_wrong_configuration_is_refused(refusals: Refusals, way: dict[str, Any], codes: list[str]) -> None:
    assert refusals({"authenticate": [{"webhook": way}]}) == codes


def test_observed_it_lets_pass_and_still_knows_who_it_was(gate: Gate, auto: AutoUpstream, tmp_path: Path) -> None:
    waiver = {"owner": "tests", "reason": "A case.", "until": "2100-01-01"}
    gate.load(compiled(tmp_path, auto.port, mode="observe", waiver=waiver))
    wrong = put(gate, delivered("{}", number="msg_7"), b"{ }")
    assert wrong.status == 200
    assert auto.requests[-1].body == b"{ }"
    assert gate.event(wrong.id)["key"] is None
    right = put(gate, delivered("{}", number="msg_8"), b"{}")
    assert gate.event(right.id)["key"] == "webhook:webhook"
