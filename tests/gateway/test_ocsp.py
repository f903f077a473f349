"""Whether clients' certificates were revoked, asked of responders: a real one, and those that mean harm."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.http3 import Http3
from gateway.harness.secure import Http2, context, secure
from gateway.harness.talks import Server
from gateway.harness.upstream import AutoUpstream
from gateway.harness.wire import Message
from gateway.test_websocket_http2 import Web, bounds
from lockgate.config.bundle_types import Bundle, Ocsp
from support.certificates import Authority, Issued
from support.command import lockgate
from support.ports import free_port
from support.processes import Processes
from support.responder import GOOD, OddResponder, OpensslResponder, answer, names
from support.responder import signer as signer_of
from support.running import Running
from support.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n"
REVOKED = "tls-client-certificate-revoked"
UNKNOWN = "tls-client-certificate-status-unknown"
H3_NO_ERROR = 0x100
PATIENT: Ocsp = {"rules": "some.rules", "responder": None, "timeout_ms": 30_000, "max_age_ms": 60_000}
HOUR = 3_600_000


def ask(port: int, how: ssl.SSLContext, host: str = "shop.example") -> Message:
    """One answer over a connection of its own."""
    with secure(port, how, host) as wire:
        wire.send(GET % host.encode())
        return wire.message()


class Asking:
    """A gate alone: the test says what the control process would."""

    def __init__(self, gate: Gate, port: int, authority: Authority, stack: ExitStack) -> None:
        self.gate = gate
        self.upstream = port
        self.authority = authority
        self.own = authority.issue("gate", "shop.example")
        self.how = context(authority.pem, shown=authority.issue("client", "client.example"))
        self.pool = stack.enter_context(ThreadPoolExecutor(4))

    def load(
        self, *, certain: bool = False, ocsp: Ocsp = PATIENT, require: bool = True, http3: bool = False, **more: Any
    ) -> None:
        """Serves whom a certificate opens the API."""
        clients = bundles.clients(self.authority.pem, certain=certain, ocsp=ocsp, require=require)
        api = bundles.api(keys=[bundles.mtls()], **more)
        listener = bundles.listener(tls=bundles.tls(self.own, clients=clients), http3=http3)
        bundle: Bundle = bundles.bundle([api], [bundles.upstream(self.upstream)], listeners=[listener])
        self.gate.load(bundle)
        self.gate.tell("contact")

    def ask(self, how: ssl.SSLContext | None = None) -> Message:
        """One answer."""
        return ask(self.gate.port(), how or self.how)

    def begin(self, work: Callable[[], Any] | None = None) -> Future[Any]:
        """Asks, and goes on."""
        return self.pool.submit(work or self.ask)

    def question(self) -> str:
        """What is asked about next."""
        asked = until(lambda: self.gate.tell("questions"), "a question")
        [(question, rules, certificates)] = asked
        # OpenSSL shows the authority that it knows, too; aioquic does not.
        assert rules == "some.rules"
        assert certificates in (1, 2)
        return str(question)

    def answers(self, standing: str, again_ms: int = HOUR, holds_ms: int = HOUR) -> None:
        """What is asked about next stands so."""
        assert self.gate.tell(
            "answered", question=self.question(), standing=standing, again_ms=again_ms, holds_ms=holds_ms
        )


@pytest.fixture
def asking(gate: Gate, auto: AutoUpstream, tmp_path: Path, ends: ExitStack) -> Asking:
    return Asking(gate, auto.port, Authority(tmp_path), ends)


def test_the_first_request_waits_and_others_do_not(asking: Asking) -> None:
    asking.load(certain=True, require=False)
    waiting = [asking.begin() for _ in range(3)]
    question = asking.question()
    # The gate has one worker, and it serves others.
    assert asking.ask(context(asking.authority.pem)).status == 401
    assert not any(each.done() for each in waiting)
    assert asking.gate.tell("answered", question=question, standing="good", again_ms=HOUR, holds_ms=HOUR)
    assert [each.result().status for each in waiting] == [200] * 3
    # What was heard is remembered, for every connection.
    assert asking.ask().status == 200
    assert asking.gate.tell("questions") == []
    assert asking.gate.count("lockgate_ocsp_questions_total") == 1
    assert asking.gate.count("lockgate_ocsp_known") == 1
    # A certificate that is another one is asked about for itself.
    other = context(asking.authority.pem, shown=asking.authority.issue("other", "other.example"))
    more = asking.begin(lambda: asking.ask(other))
    asking.answers("revoked")
    refused = more.result()
    assert (refused.status, refused.reason) == (403, REVOKED)
    assert asking.ask(other).reason == REVOKED
    assert asking.ask().status == 200


def test_an_answer_nobody_understands_is_none(asking: Asking) -> None:
    asking.load()
    for question, standing in (("a" * 64, "excellent"), ("short", "good"), ("z" * 64, "good")):
        assert not asking.gate.tell("answered", question=question, standing=standing, again_ms=1, holds_ms=1)
    # One that nobody has asked for changes nothing.
    assert asking.gate.tell("answered", question="a" * 64, standing="good", again_ms=HOUR, holds_ms=2**63)
    assert asking.gate.count("lockgate_ocsp_known") == 0


def test_whom_the_authorities_do_not_vouch_for_nobody_asks_about(asking: Asking) -> None:
    folder = asking.authority.folder / "elsewhere"
    folder.mkdir()
    asking.load()
    stranger = Authority(folder, "authority").issue(
        "stranger", "client.example", extensions=[names("http://a.example")]
    )
    with contextlib.suppress(ssl.SSLError, ConnectionError, AssertionError):
        asking.ask(context(asking.authority.pem, shown=stranger))
    until(lambda: asking.gate.refusals("tls-client-certificate-refused"), "the refusal")
    assert asking.gate.tell("questions") == []
    # Nor once they do not any more.
    waiting = asking.begin()
    asking.answers("good", again_ms=0)
    assert waiting.result().status == 200
    with secure(asking.gate.port(), asking.how) as wire:
        wire.send(GET % b"shop.example")
        asking.answers("good", again_ms=0)
        assert wire.message().status == 200
        asking.authority.pem.write_bytes(stranger.chain.read_bytes())
        assert asking.gate.tell("renew_secrets")
        wire.send(GET % b"shop.example")
        assert wire.message().reason == "tls-client-certificate-refused"
    assert asking.gate.tell("questions") == []


def test_without_an_answer_the_configuration_decides(asking: Asking) -> None:
    hasty: Ocsp = {**PATIENT, "timeout_ms": 1}
    for certain, status, reason in ((False, 200, None), (True, 403, UNKNOWN)):
        asking.load(certain=certain, ocsp=hasty)
        told = asking.ask()
        assert (told.status, told.reason if status != 200 else None) == (status, reason)
        # Just now there was none: nobody is asked again at once.
        before = asking.gate.count("lockgate_ocsp_questions_total")
        assert asking.ask().status == status
        assert asking.gate.count("lockgate_ocsp_questions_total") == before
    event = next(iter(asking.gate.written(status=403)))
    assert event["reason"] == UNKNOWN


def test_whom_the_control_process_refuses_the_configuration_does_not_let_in(asking: Asking) -> None:
    asking.load(certain=False)
    waiting = asking.begin()
    asking.answers("refused", again_ms=0, holds_ms=0)
    told = waiting.result()
    assert (told.status, told.reason) == (403, UNKNOWN)
    # Not for ever: it may have been a fault.
    waiting = asking.begin()
    asking.answers("unknown")
    assert waiting.result().status == 200


def test_what_is_shown_besides_makes_no_other_certificate(asking: Asking) -> None:
    asking.load(certain=False)
    shown = asking.authority.issue("other", "other.example")
    waiting = asking.begin(lambda: asking.ask(context(asking.authority.pem, shown=shown)))
    asking.answers("revoked")
    assert waiting.result().reason == REVOKED
    for number in range(3):
        more = asking.authority.issue(f"more-{number}", "more.example")
        chain = asking.authority.folder / f"chain-{number}.pem"
        chain.write_bytes(shown.chain.read_bytes() + more.chain.read_bytes())
        odd = replace(shown, chain=chain)
        assert asking.ask(context(asking.authority.pem, shown=odd)).reason == REVOKED
    assert asking.gate.tell("questions") == []
    assert asking.gate.count("lockgate_ocsp_known") == 1


def test_who_was_revoked_stays_so_and_who_is_good_does_for_a_while(asking: Asking) -> None:
    asking.load()
    waiting = asking.begin()
    asking.answers("revoked", again_ms=0, holds_ms=0)
    assert waiting.result().reason == REVOKED
    # The control process was restarted, and the responder is gone.
    waiting = asking.begin()
    asking.answers("unknown", again_ms=0, holds_ms=0)
    assert waiting.result().reason == REVOKED
    # It was on hold, and is not any more.
    waiting = asking.begin()
    asking.answers("good")
    assert waiting.result().status == 200
    assert asking.ask().status == 200


@pytest.mark.parametrize("web", [None, Http2, Http3], ids=["HTTP/1.1", "HTTP/2", "HTTP/3"])
def test_a_connection_does_not_outlive_a_revocation(web: type[Http2 | Http3] | None, asking: Asking) -> None:
    asking.load(certain=True, http3=web is Http3)
    port = asking.gate.port()
    if web is not None:
        shown = asking.authority.issue("other", "other.example")
        with asking.begin(lambda: web(port, asking.authority.pem, shown=shown)).result() as client:
            first = asking.begin(lambda: client.get().status)
            asking.answers("good", again_ms=0)
            assert first.result() == 200
            second = asking.begin(lambda: client.get().status)
            asking.answers("revoked")
            assert second.result() == 403
            if isinstance(client, Http3):
                assert client.end() == H3_NO_ERROR
            else:
                client.until_closed()
        return
    with secure(port, asking.how) as wire:
        wire.send(GET % b"shop.example")
        asking.answers("good", again_ms=0)
        assert wire.message().status == 200
        wire.send(GET % b"shop.example")
        asking.answers("revoked")
        assert wire.message().reason == REVOKED
        assert wire.rest() == b""


def test_a_websocket_does_not_outlive_a_revocation(asking: Asking) -> None:
    with Server() as server:
        asking.upstream = server.port
        asking.load(certain=True, sockets=bounds())
        shown = asking.authority.issue("other", "other.example")
        with Http2(asking.gate.port(), asking.authority.pem, shown=shown) as client:
            web = Web(client)
            # It is looked at every second, and asked about without anybody waiting.
            asking.answers("good", again_ms=0)
            assert web.reply.status == 200
            web.say("hello")
            assert web.whole() == b"hello"
            asking.answers("good", again_ms=0)
            asking.gate.tell("contact")
            web.say("again")
            assert web.whole() == b"again"
            asking.answers("revoked")
            assert web.closes()[0] == 1008


# The whole of it: `lockgate run`, and responders that answer over HTTP.


class Whole:
    """A gate and its control process; each host has rules of its own."""

    def __init__(self, processes: Processes, folder: Path, authority: Authority, upstream: int) -> None:
        self.authority = authority
        self.folder = folder
        self.upstream = upstream
        self.port = free_port()
        self.number = 0
        self._processes = processes
        self.running: Running

    def start(self, rules: dict[str, dict[str, Any]]) -> None:
        """Serves these hosts, each by its rules for clients."""
        own = self.authority.issue("gate", *rules)
        hosts = {
            host: {"client_certificates": {"trust": str(self.authority.pem), **said}} for host, said in rules.items()
        }
        tls = {"certificate": {"chain": str(own.chain), "key": str(own.key)}, "hosts": hosts}
        config = {
            "version": 1,
            "listeners": {"public": {"address": f"127.0.0.1:{self.port}", "tls": tls}},
            "admin": {"address": "127.0.0.1:0"},
            "outgoing": {"allow": ["127.0.0.0/8"]},
            "apis": {
                "shop": {
                    "upstream": f"http://127.0.0.1:{self.upstream}",
                    "authenticate": ["mtls"],
                    "authorize": "authenticated",
                }
            },
        }
        (self.folder / "lockgate.yaml").write_text(yaml.safe_dump(config))
        self.running = Running(self._processes, self.folder).ready()
        self.running.serving()

    def issue(self, *extensions: Any, authority: Authority | None = None) -> Issued:
        """A client's certificate."""
        self.number += 1
        name = f"client-{self.number}"
        return (authority or self.authority).issue(name, f"{name}.example", extensions=extensions)

    def says(self, host: str, shown: Issued) -> str:
        """`ok`, or why the client is refused."""
        told = ask(self.port, context(self.authority.pem, shown=shown), host)
        return "ok" if told.status == 200 else str(told.reason)

    def findings(self) -> list[dict[str, Any]]:
        """The open ones about responders."""
        with self.running.admin as admin:
            found = admin.get("/v1/findings").json()
        return [row for row in found["items"] if row["source"] == "ocsp"]

    def answers(self, result: str) -> int:
        """How often responders gave such an answer."""
        with self.running.admin as admin:
            text = admin.get("/metrics").text
        wanted = f'lockgate_ocsp_answers_total{{result="{result}"}} '
        return next(int(float(line.removeprefix(wanted))) for line in text.splitlines() if line.startswith(wanted))


@pytest.fixture
def whole(processes: Processes, tmp_path: Path) -> Iterator[Whole]:
    with AutoUpstream() as upstream:
        yield Whole(processes, tmp_path, Authority(tmp_path), upstream.port)


def pem(der: bytes) -> bytes:
    """As a client's file holds it."""
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def version_5(certificate: x509.Certificate) -> bytes:
    """One that says that it is of version 5 of X.509, DER."""
    return certificate.public_bytes(Encoding.DER).replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020104"), 1)


def always(body: bytes) -> Callable[[bytes], bytes]:
    """Says the same, whatever is asked."""
    return lambda _: body


def both(name: str, responder: str, **more: Any) -> dict[str, dict[str, Any]]:
    """One host that lets in of whom nothing is known, and one that does not."""
    asked = {"responder": responder, **more}
    return {
        f"soft.{name}.example": {"ocsp": asked},
        f"hard.{name}.example": {"ocsp": asked, "unknown_revocation": "deny"},
    }


@pytest.mark.full
def test_a_real_responder(whole: Whole) -> None:
    with OpensslResponder(whole.authority) as responder:
        rules = {
            **both("real", responder.url),
            **both("named", "from_certificate"),
            **both("fresh", responder.url, max_age="1s"),
        }
        whole.start(rules)
        good, revoked, unknown = whole.issue(), whole.issue(), whole.issue()
        named, named_revoked = whole.issue(names(responder.url)), whole.issue(names(responder.url))
        responder.knows(*(each.certificate for each in (good, revoked, named, named_revoked)))
        for each in (revoked, named_revoked):
            responder.revoke(each.certificate)
        for host in ("soft.real.example", "hard.real.example"):
            assert whole.says(host, good) == "ok"
            assert whole.says(host, revoked) == REVOKED
            assert whole.says(host, unknown) == (UNKNOWN if host.startswith("hard") else "ok")
        for host in ("soft.named.example", "hard.named.example"):
            assert whole.says(host, named) == "ok"
            assert whole.says(host, named_revoked) == REVOKED
            # It names nobody to ask.
            assert whole.says(host, good) == (UNKNOWN if host.startswith("hard") else "ok")
        # Each was asked about once, for both hosts and however often it came.
        assert whole.says("hard.real.example", good) == "ok"
        assert (whole.answers("good"), whole.answers("revoked"), whole.answers("failed")) == (2, 2, 0)
        assert whole.findings() == []
        # Explained by the very same rules, with the responder asked.
        for shown, url, verdict in (
            (good, "https://hard.real.example/", None),
            (revoked, "https://soft.real.example/", REVOKED),
            (unknown, "https://hard.real.example/", UNKNOWN),
            (None, "https://hard.real.example/", "tls-client-certificate-missing"),
        ):
            words = ["explain", "GET", url, "--json"]
            words += [] if shown is None else ["--certificate", str(shown.chain)]
            explained = json.loads(lockgate(*words, cwd=whole.folder).out)
            assert (explained["reason"] or {}).get("code") == verdict, explained
            question = {"url": url, "certificate": None if shown is None else shown.chain.read_text()}
            with whole.running.admin as admin:
                explained = admin.post("/v1/explain", json=question).json()
            assert (explained["reason"] or {}).get("code") == verdict, explained
        # Whoever hides behind what cannot be read, or shows an own certificate that TLS does not follow.
        odd = whole.folder / "odd.pem"
        for number, behind in enumerate((pem(version_5(good.certificate)), good.chain.read_bytes())):
            hiding, honest = whole.issue(), whole.issue()
            responder.knows(hiding.certificate, honest.certificate)
            responder.revoke(hiding.certificate)
            for each, wanted in ((hiding, REVOKED), (honest, "ok")):
                odd.write_bytes(each.chain.read_bytes() + behind)
                assert (number, whole.says("soft.real.example", replace(each, chain=odd))) == (number, wanted)
        # Revoked while the connection is open.
        late = whole.issue()
        responder.knows(late.certificate)
        host = "hard.fresh.example"
        with secure(whole.port, context(whole.authority.pem, shown=late), host) as wire:

            def once() -> Message:
                wire.send(GET % host.encode())
                return wire.message()

            assert once().status == 200
            responder.revoke(late.certificate)
            told: list[Message] = []

            def out() -> bool:
                told.append(once())
                return told[-1].status != 200

            until(out, "the revocation to be heard of")
            assert told[-1].reason == REVOKED
            assert wire.rest() == b""


@pytest.mark.full
def test_responders_that_give_no_answer_that_holds(whole: Whole, ends: ExitStack) -> None:
    elsewhere = whole.folder / "elsewhere"
    elsewhere.mkdir()
    other = signer_of(Authority(elsewhere, "authority"))
    shown = whole.issue()
    certificate, issuer, own = shown.certificate, whole.authority.certificate, signer_of(whole.authority)
    somebody = whole.issue().certificate
    bodies = {
        "forged": answer(certificate, issuer, other),
        "late": answer(certificate, issuer, own, this=7200, until=-3600),
        "mistaken": answer(somebody, issuer, own),
        "nonsense": b"<html>",
        "long": bytes(1 << 20),
    }
    odd = {name: ends.enter_context(OddResponder(always(body))) for name, body in bodies.items()}
    hanging = odd["hanging"] = ends.enter_context(OddResponder(None))
    true = answer(certificate, issuer, own)
    elsewhere_good = ends.enter_context(OddResponder(always(true)))
    moved = odd["moved"] = ends.enter_context(OddResponder(always(b"")))
    moved.status, moved.headers = 302, {"Location": elsewhere_good.url}
    failing = odd["failing"] = ends.enter_context(OddResponder(always(true)))
    failing.status = 500
    urls = {name: each.url for name, each in odd.items()} | {"gone": f"http://127.0.0.1:{free_port()}"}
    rules: dict[str, dict[str, Any]] = {}
    for name, url in urls.items():
        rules |= both(name, url, timeout="500ms" if name == "hanging" else "20s")
    rules |= both("true", elsewhere_good.url)
    whole.start(rules)
    assert whole.says("hard.true.example", shown) == "ok"
    assert elsewhere_good.asked == 1
    for name in urls:
        assert (name, whole.says(f"soft.{name}.example", shown)) == (name, "ok")
        assert (name, whole.says(f"hard.{name}.example", shown)) == (name, UNKNOWN)
    assert elsewhere_good.asked == 1, "nobody is led elsewhere"
    # Whoever comes next does not wait for one that hangs; a gate asks for itself, the control process once.
    for _ in range(5):
        assert whole.says("soft.hanging.example", whole.issue()) == "ok"
    assert hanging.asked == 1
    told = {row["object"].partition(" for ")[0]: row["message"] for row in whole.findings()}
    assert set(told) == set(urls.values())
    for name, why in {
        "forged": "signed neither by who issued the certificate nor by a responder of theirs",
        "late": "ran out at",
        "mistaken": "about another certificate",
        "nonsense": "not one of OCSP",
        "long": "more than 65536 bytes",
        "hanging": "did not answer within",
        "moved": "a redirect",
        "failing": "status 500",
        "gone": "cannot be reached",
    }.items():
        assert why in told[urls[name]], name


def test_beside_a_refused_configuration_the_last_good_ones_responders_are_asked(whole: Whole) -> None:
    with OpensslResponder(whole.authority) as responder:
        good, revoked = whole.issue(), whole.issue()
        responder.knows(good.certificate, revoked.certificate)
        responder.revoke(revoked.certificate)
        whole.start(both("kept", responder.url))
        whole.running.again(beside="colour: red\n")
        whole.running.serving()
        assert "ATTENTION" in whole.running.output
        assert whole.says("hard.kept.example", good) == "ok"
        assert whole.says("hard.kept.example", revoked) == REVOKED


@pytest.mark.full
def test_a_control_process_that_is_away(whole: Whole) -> None:
    with OddResponder(lambda _: body) as responder:
        shown, other = whole.issue(), whole.issue()
        body = answer(shown.certificate, whole.authority.certificate, signer_of(whole.authority), GOOD)
        whole.start(both("away", responder.url))
        assert whole.says("hard.away.example", shown) == "ok"
        pid = whole.running.pids()["control"]
        os.kill(pid, signal.SIGSTOP)
        try:
            # What was heard is remembered; of others nothing is known.
            assert whole.says("hard.away.example", shown) == "ok"
            assert whole.says("soft.away.example", other) == "ok"
            assert whole.says("hard.away.example", other) == UNKNOWN
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
