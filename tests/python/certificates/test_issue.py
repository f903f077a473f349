"""Certificates had from a real authority, by each challenge and each way of being refused."""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization

from lockgate.certificates import (
    AcmeError,
    Authority,
    Challenge,
    DnsHook,
    ExternalAccount,
    HttpChallenge,
    Kept,
    Names,
    RenewalWindow,
    Store,
    TlsAlpnChallenge,
    Wanted,
    check,
    obtain,
    order,
    runner,
)
from lockgate.certificates.chain import check_pair, make_request, new_key, public_bytes, read_chain, read_key
from support.acme import LOOPBACK, Answer, Answers, Pebble, StandIn, TestAuthority
from support.processes import Processes

DAY = timedelta(days=1)


def wanted(pebble: Pebble, *names: str, **more: Any) -> Wanted:
    return Wanted(Names.of(names), more.pop("authority", None) or pebble.authority(), **more)


def had(wish: Wanted, store: Store, answers: Answers, **more: Any) -> Kept:
    return asyncio.run(obtain(wish, store, answers, **more))


def refused(wish: Wanted, store: Store, answers: Answers, **more: Any) -> AcmeError:
    with pytest.raises(AcmeError) as caught:
        had(wish, store, answers, **more)
    return caught.value


def usable(kept: Kept, pebble: Pebble) -> None:
    """The chain leads to the authority's root, and the key is the certificate's."""
    assert kept.chain is not None
    assert kept.key_pem is not None
    check_pair(kept.chain, read_key(kept.key_pem))
    read_chain(kept.chain.pem + pebble.root().public_bytes(serialization.Encoding.PEM).decode())


def test_by_http(pebble: Pebble, answers: Answers, store: Store) -> None:
    kept = had(wanted(pebble, "www.shop.test", "shop.test"), store, answers)
    usable(kept, pebble)
    assert kept.names == Names.of(["shop.test", "www.shop.test"])
    assert {challenge.name for challenge in answers.published} == {"shop.test", "www.shop.test"}
    assert all(isinstance(challenge, HttpChallenge) for challenge in answers.published)
    assert answers.withdrawn == answers.published
    assert store.load(kept.names) == kept
    assert kept.status.source == "acme"
    assert kept.status.attempts == 0


def test_by_http_for_an_address(pebble: Pebble, answers: Answers, store: Store) -> None:
    usable(had(wanted(pebble, "127.0.0.1"), store, answers), pebble)


@pytest.mark.parametrize("name", ["tls.shop.test", "127.0.0.1"])
def test_by_tls(name: str, pebble: Pebble, answers: Answers, store: Store) -> None:
    kept = had(wanted(pebble, name, challenge="tls-alpn-01"), store, answers)
    usable(kept, pebble)
    assert [type(challenge) for challenge in answers.published] == [TlsAlpnChallenge]
    assert answers.withdrawn == answers.published


@pytest.fixture
def hook(pebble: Pebble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DnsHook:
    """A program that tells Pebble's DNS server, and notes what it was called with."""
    program = tmp_path / "hook"
    program.write_text(
        f"""#!{sys.executable}
import json, os, sys, urllib.request
provider, what, record, value = sys.argv[1:]
with open({str(tmp_path / "calls")!r}, "a") as calls:
    print(what, record, sorted(name for name in os.environ if name.startswith("LOCKGATE")), file=calls)
path = "/set-txt" if what == "present" else "/clear-txt"
body = json.dumps({{"host": record + ".", "value": value}}).encode()
urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(
    urllib.request.Request({pebble.records_url!r} + path, data=body)
)
"""
    )
    program.chmod(0o700)
    monkeypatch.setenv("LOCKGATE_TEST_TOKEN", "hush")
    monkeypatch.setenv("LOCKGATE_TEST_OTHER", "hush")
    return DnsHook([str(program), "challtestsrv"], environment=["LOCKGATE_TEST_TOKEN"])


def test_by_dns(pebble: Pebble, answers: Answers, store: Store, hook: DnsHook, tmp_path: Path) -> None:
    kept = had(wanted(pebble, "*.dns.test", "dns.test", challenge="dns-01", hook=hook), store, answers)
    usable(kept, pebble)
    assert answers.published == []
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split()[:2] for call in calls] == [
        [what, "_acme-challenge.dns.test"] for what in ("present", "present", "cleanup", "cleanup")
    ]
    assert all(call.endswith("['LOCKGATE_TEST_TOKEN']") for call in calls)


def test_a_hook_that_fails_is_told(pebble: Pebble, answers: Answers, store: Store, tmp_path: Path) -> None:
    program = tmp_path / "hook"
    program.write_text("#!/bin/sh\necho the zone is locked >&2\nexit 3\n")
    program.chmod(0o700)
    hook = DnsHook([str(program)])
    error = refused(wanted(pebble, "locked.test", challenge="dns-01", hook=hook), store, answers)
    assert "status 3 and printed: the zone is locked" in str(error)


def test_with_an_external_account(processes: Processes, tmp_path: Path, store: Store) -> None:
    secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    pebble = Pebble(processes, tmp_path, externalAccountBindingRequired=True, externalAccountMACKeys={"kid-1": secret})
    with Answers(pebble) as answers:
        error = refused(wanted(pebble, "eab.test"), store, answers)
        assert error.kind == "externalAccountRequired"
        assert "set the key identifier" in str(error)
        unknown = pebble.authority(external_account=ExternalAccount("kid-9", secret))
        error = refused(wanted(pebble, "eab.test", authority=unknown), store, answers, at_once=True)
        assert secret not in str(error)
        assert "check the external account's key identifier" in str(error)
        known = pebble.authority(external_account=ExternalAccount("kid-1", secret))
        usable(had(wanted(pebble, "eab.test", authority=known), store, answers, at_once=True), pebble)
    assert 'newAccount Binding with CA using kid "kid-1"' in pebble.process.output


def test_terms_are_to_be_agreed_to(pebble: Pebble, answers: Answers, store: Store) -> None:
    error = refused(wanted(pebble, "terms.test", authority=pebble.authority(terms_agreed=False)), store, answers)
    assert "agree to its terms, data:" in str(error)


def test_one_account_however_many_certificates(pebble: Pebble, answers: Answers, store: Store) -> None:
    async def both() -> None:
        await asyncio.gather(*(obtain(wanted(pebble, f"{name}.many.test"), store, answers) for name in "abc"))

    before = pebble.process.output.count("accounts in memory")
    asyncio.run(both())
    assert pebble.process.output.count("accounts in memory") == before + 1
    assert len(store.all()) == 3


def test_an_account_that_the_authority_lost_is_made_anew(pebble: Pebble, answers: Answers, store: Store) -> None:
    had(wanted(pebble, "first.lost.test"), store, answers)
    identifier = pebble.authority().account_id
    account = store.account(identifier)
    assert account is not None
    assert account.url is not None
    store.put_account(identifier, account.model_copy(update={"url": account.url + "00"}))
    had(wanted(pebble, "second.lost.test"), store, answers)
    assert store.account(identifier) == account  # The key is the same, so the authority knew it.


def test_an_account_that_was_lost_and_has_another_email(pebble: Pebble, answers: Answers, store: Store) -> None:
    had(wanted(pebble, "first.both.test"), store, answers)
    identifier = pebble.authority().account_id
    account = store.account(identifier)
    assert account is not None
    assert account.url is not None
    store.put_account(identifier, account.model_copy(update={"url": account.url + "00"}))
    other = pebble.authority(email="other@example.com")
    had(wanted(pebble, "second.both.test", authority=other), store, answers)
    assert store.account(identifier) == account.model_copy(update={"email": "other@example.com"})


def test_a_changed_email_is_told(pebble: Pebble, answers: Answers, store: Store) -> None:
    had(wanted(pebble, "first.mail.test"), store, answers)
    other = pebble.authority(email="other@example.com")
    had(wanted(pebble, "second.mail.test", authority=other), store, answers)
    account = store.account(other.account_id)
    assert account is not None
    assert account.email == "other@example.com"


def test_a_profile_is_asked_for(pebble: Pebble, answers: Answers, store: Store) -> None:
    kept = had(wanted(pebble, "short.test", profile="shortlived"), store, answers)
    assert kept.chain is not None
    assert kept.chain.not_after - kept.chain.not_before < timedelta(days=7)
    error = refused(wanted(pebble, "none.test", profile="unheard-of"), store, answers)
    assert "no profile `unheard-of`, but default, shortlived" in str(error)


def test_a_request_made_elsewhere_keeps_its_key_there(pebble: Pebble, answers: Answers, store: Store) -> None:
    names, key = Names.of(["elsewhere.test"]), new_key()
    request = make_request(names, key).public_bytes(serialization.Encoding.PEM).decode()
    kept = had(Wanted(names, pebble.authority(), request_pem=request), store, answers)
    assert kept.chain is not None
    assert kept.key_pem is None
    assert public_bytes(kept.chain.leaf.public_key()) == public_bytes(key.public_key())
    assert store.load(names) == kept


def test_a_wrong_answer_is_told_and_waited_after(pebble: Pebble, answers: Answers, store: Store) -> None:
    answers.wrong = True
    wish = wanted(pebble, "wrong.test")
    began = datetime.now(UTC)
    error = refused(wish, store, answers)
    assert error.kind == "unauthorized"
    assert "the authority says" in str(error)
    assert "lead to this gate" in str(error)
    assert answers.withdrawn == answers.published
    status = store.load(wish.names).status
    assert status.attempts == 1
    assert status.last_error == str(error)
    assert status.next_attempt is not None
    assert timedelta(seconds=119) < status.next_attempt - began < timedelta(seconds=180)

    answers.wrong = False
    orders = pebble.orders
    assert "tried again at" in str(refused(wish, store, answers))
    assert pebble.orders == orders
    usable(had(wish, store, answers, at_once=True), pebble)
    assert store.load(wish.names).status.attempts == 0


def test_nobody_listens(pebble: Pebble, store: Store) -> None:
    """The challenge is published nowhere."""

    class Nowhere:
        async def publish(self, challenge: object) -> None:
            pass

        async def withdraw(self, challenge: object) -> None:
            pass

    with pytest.raises(AcmeError) as caught:
        asyncio.run(obtain(wanted(pebble, "nowhere.test"), store, Nowhere()))
    assert caught.value.kind == "connection"
    assert "open port 80" in str(caught.value)


class Unpublished:
    async def publish(self, challenge: object) -> None:
        pass

    async def withdraw(self, challenge: object) -> None:
        pass


@pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01"])
def test_a_host_that_nobody_answers_for_is_told_apart_from_one_that_answers_wrongly(
    pebble: Pebble, store: Store, challenge: str
) -> None:
    with pytest.raises(AcmeError) as caught:
        asyncio.run(obtain(wanted(pebble, f"{challenge}.test", challenge=challenge), store, Unpublished()))
    assert "the authority could not connect: open port 80 (http-01) or 443 (tls-alpn-01)" in str(caught.value)


def test_a_name_that_does_not_resolve_is_told_as_that(pebble: Pebble, store: Store) -> None:
    answer = httpx.post(f"{pebble.records_url}/set-servfail", json={"host": "unknown.test."}, trust_env=False)
    assert answer.status_code == 200
    with pytest.raises(AcmeError) as caught:
        asyncio.run(obtain(wanted(pebble, "unknown.test"), store, Unpublished()))
    assert "check the name's DNS records and that the domain's name servers answer" in str(caught.value)
    assert "directory" not in str(caught.value)


def test_an_authority_that_nobody_vouches_for_is_told_with_what_to_do(
    pebble: Pebble, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(AcmeError) as caught:
        asyncio.run(obtain(wanted(pebble, "a.test", authority=pebble.authority(trust=None)), store, Unpublished()))
    assert "_ssl.c" not in str(caught.value)
    assert "name a file with it, PEM, as `trust` under `acme`" in str(caught.value)
    other = tmp_path / "other.pem"
    other.write_text(TestAuthority("Another").pem)
    with pytest.raises(AcmeError) as caught:
        asyncio.run(
            obtain(
                wanted(pebble, "a.test", authority=pebble.authority(trust=str(other))),
                store,
                Unpublished(),
                at_once=True,
            )
        )
    assert f"nobody in {other} vouches" in str(caught.value)


def test_a_publisher_that_fails_is_told(pebble: Pebble, store: Store) -> None:
    withdrawn = []

    class Broken:
        async def publish(self, challenge: object) -> None:
            raise ConnectionError("no gate is linked")

        async def withdraw(self, challenge: object) -> None:
            withdrawn.append(challenge)

    with pytest.raises(AcmeError, match=r"broken\.test cannot be published: no gate is linked"):
        asyncio.run(obtain(wanted(pebble, "broken.test"), store, Broken()))
    assert len(withdrawn) == 1


def test_a_name_that_the_authority_refuses(pebble: Pebble, answers: Answers, store: Store) -> None:
    error = refused(wanted(pebble, "blocked.example"), store, answers)
    assert error.kind == "rejectedIdentifier"
    assert "use another authority" in str(error)
    assert answers.published == []


def test_a_directory_that_is_not_reached_or_not_allowed_or_not_trusted(
    pebble: Pebble, answers: Answers, store: Store
) -> None:
    for number, (authority, word) in enumerate(
        [
            (Authority("https://127.0.0.1:1/dir", rules=LOOPBACK), "cannot be reached"),
            (Authority(pebble.directory, trust=str(pebble.trust)), "no public address"),
            (Authority(pebble.directory, rules=LOOPBACK), "as `trust` under `acme`"),
            (Authority(pebble.directory, rules=LOOPBACK, trust="/nowhere.pem"), "/nowhere.pem) cannot be read"),
            (Authority(pebble.directory + "x", rules=LOOPBACK, trust=str(pebble.trust)), "status 404"),
        ]
    ):
        error = refused(wanted(pebble, f"n{number}.unreached.test", authority=authority), store, answers)
        assert word in str(error)


def test_refused_nonces_are_no_refusal(processes: Processes, tmp_path: Path, store: Store) -> None:
    pebble = Pebble(processes, tmp_path, environment={"PEBBLE_WFE_NONCEREJECT": "20"})
    with Answers(pebble) as answers:
        for number in range(3):
            usable(had(wanted(pebble, f"n{number}.nonce.test"), store, answers), pebble)


def problem(status: int, kind: str, detail: str, **headers: str) -> Answer:
    body = json.dumps({"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail}).encode()
    return status, {"Content-Type": "application/problem+json", **headers}, body


def front(pebble: Pebble, instead: Callable[[str], Answer | None]) -> StandIn:
    """Pebble's directory with other places for accounts and orders; nonces come from here, and are any text."""
    nonces = iter(range(10**6))

    def answer(method: str, path: str, body: bytes) -> Answer:
        headers = {"Replay-Nonce": f"nonce{next(nonces):07}"}
        if path == "/dir":
            names = {"newNonce": "nonce", "newAccount": "account", "newOrder": "order"}
            found = {name: f"{server.url}/{at}" for name, at in names.items()}
            return 200, headers, json.dumps(found).encode()
        status, more, content = instead(path) or (200, {}, b"")
        return status, {**headers, **more}, content

    server = StandIn(answer)
    return server


def test_a_rate_limit_is_obeyed(pebble: Pebble, answers: Answers, store: Store) -> None:
    def instead(path: str) -> Answer | None:
        if path == "/account":
            return 201, {"Location": "http://127.0.0.1/account/1"}, b'{"status": "valid"}'
        if path == "/order":
            return problem(429, "rateLimited", "too many\x1b[31m certificates", **{"Retry-After": "7200"})
        return None

    with front(pebble, instead) as server:
        authority = Authority(f"{server.url}/dir", rules=LOOPBACK)
        wish = wanted(pebble, "limited.test", authority=authority)
        began = datetime.now(UTC)
        error = refused(wish, store, answers)
        assert (error.kind, error.retry_after) == ("rateLimited", 7200.0)
        assert "\x1b" not in str(error)
        status = store.load(wish.names).status
        assert status.next_attempt is not None
        assert timedelta(hours=2) <= status.next_attempt - began < timedelta(hours=2.6)
        asked = len(server.asked)
        refused(wish, store, answers)
        assert len(server.asked) == asked


@pytest.mark.parametrize(("times", "well"), [(3, True), (100, False)])
def test_nonces_are_tried_again_and_not_for_ever(
    times: int, well: bool, pebble: Pebble, answers: Answers, store: Store
) -> None:
    left = [times]

    def instead(path: str) -> Answer | None:
        if path == "/account":
            left[0] -= 1
            if left[0] >= 0:
                return problem(400, "badNonce", "no")
            return 201, {"Location": "http://127.0.0.1/account/1"}, b'{"status": "valid"}'
        if path == "/order":
            return problem(403, "rejectedIdentifier", "the account was made")
        return None

    with front(pebble, instead) as server:
        wish = wanted(pebble, "nonce.test", authority=Authority(f"{server.url}/dir", rules=LOOPBACK))
        assert ("the account was made" if well else "refused 8 nonces") in str(refused(wish, store, answers))
        assert sum(path == "/account" for _, path in server.asked) == (4 if well else 8)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ((200, {}, b"<html>"), "not JSON"),
        ((200, {}, b"[]"), "not a JSON object"),
        ((200, {}, b"{}"), "no `newNonce`"),
        ((200, {}, b'{"newNonce": 1}'), "no `newNonce`"),
        ((200, {}, b'{"meta": 1}'), "`meta`"),
        ((503, {"Retry-After": "60"}, b"down"), "status 503"),
        ((302, {"Location": "/elsewhere"}, b""), "redirect"),
        ((200, {}, b" " * (2**20 + 1)), "more than"),
    ],
)
def test_what_is_no_directory(answer: Answer, word: str, pebble: Pebble, answers: Answers, store: Store) -> None:
    with StandIn(lambda *_: answer) as server:
        wish = wanted(pebble, "strange.test", authority=Authority(f"{server.url}/dir", rules=LOOPBACK))
        assert word in str(refused(wish, store, answers))


def test_renewed_when_the_authority_suggests(pebble: Pebble, answers: Answers, store: Store) -> None:
    wish = wanted(pebble, "renewed.test")
    first = had(wish, store, answers)
    assert first.chain is not None
    assert had(wish, store, answers) == first
    status = asyncio.run(check(wish, store))
    assert status.window is not None
    assert status.window.start < status.window.chosen < status.window.end
    assert status.next_check is not None
    assert timedelta(hours=5) < status.next_check - datetime.now(UTC) <= timedelta(hours=6)
    assert asyncio.run(check(wish, store)) == status  # Not asked again before.
    store.note(wish.names, status.model_copy(update={"next_check": None}))
    assert asyncio.run(check(wish, store)).window == status.window  # The moment is drawn once for a window.

    past = datetime.now(UTC) - timedelta(hours=2)
    pebble.suggest(first.chain.pem, past, past + timedelta(hours=1))
    store.note(wish.names, status.model_copy(update={"next_check": None, "issued": past - DAY}))
    status = asyncio.run(check(wish, store))
    assert status.window is not None
    assert status.window.chosen < datetime.now(UTC)
    second = had(wish, store, answers)
    usable(second, pebble)
    assert second.chain is not None
    assert second.chain.fingerprint != first.chain.fingerprint
    assert second.key_pem != first.key_pem
    assert second.status.window is None
    replaced = re.findall(r"ARI: order \S+ is a replacement of", pebble.process.output)
    assert len(replaced) == 1


def test_a_certificate_that_was_replaced_already_is_ordered_anew(
    pebble: Pebble, answers: Answers, store: Store
) -> None:
    """Pebble refuses the order that says so (409, alreadyReplaced); the next one does not say it."""
    wish = wanted(pebble, "twice.test")
    first = had(wish, store, answers)
    assert first.chain is not None
    past = datetime.now(UTC) - timedelta(hours=2)
    window = RenewalWindow(start=past, end=past, chosen=past)
    again = replace(first, status=first.status.model_copy(update={"window": window, "issued": past - DAY}))
    fingerprints = {first.chain.fingerprint}
    for _ in range(2):
        store.put(again)
        renewed = had(wish, store, answers)
        assert renewed.chain is not None
        fingerprints.add(renewed.chain.fingerprint)
    assert len(fingerprints) == 3


def test_an_order_that_is_cancelled_leaves_nothing_behind(pebble: Pebble, answers: Answers, store: Store) -> None:
    wish = wanted(pebble, "cancelled.test")
    withdrawn: list[Challenge] = []
    orders: list[asyncio.Future[Kept]] = []

    class Slow:
        async def publish(self, challenge: Challenge) -> None:
            orders[0].cancel()
            await asyncio.Event().wait()

        async def withdraw(self, challenge: Challenge) -> None:
            withdrawn.append(challenge)

    async def cancelled() -> None:
        orders.append(asyncio.ensure_future(obtain(wish, store, Slow())))
        with pytest.raises(asyncio.CancelledError):
            await orders[0]

    asyncio.run(cancelled())
    assert [challenge.name for challenge in withdrawn] == ["cancelled.test"]
    assert store.holder(wish.names) is None
    assert store.load(wish.names).status.attempts == 0
    usable(had(wish, store, answers), pebble)


def test_an_order_has_a_deadline(
    pebble: Pebble, answers: Answers, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a publisher nor an authority that never comes to an end holds an order for ever."""

    class Stuck:
        async def publish(self, challenge: Challenge) -> None:
            await asyncio.Event().wait()

        async def withdraw(self, challenge: Challenge) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(runner, "ORDER_SECONDS", 1.0)
    monkeypatch.setattr(order, "WITHDRAW_SECONDS", 0.1)
    with pytest.raises(AcmeError, match=r"for stuck\.test was not had within 1 s"):
        asyncio.run(obtain(wanted(pebble, "stuck.test"), store, Stuck()))

    monkeypatch.setattr(order, "VALIDATION_SECONDS", 0.0)
    assert "has not looked within 0 s" in str(refused(wanted(pebble, "unseen.test"), store, answers))
    assert answers.withdrawn == answers.published != []


def test_a_challenge_that_is_not_offered(pebble: Pebble, answers: Answers, store: Store) -> None:
    """RFC 8555 section 8: what is not offered cannot be chosen; the message says what is."""
    real = order._objects

    def without(found: object) -> list[dict[str, Any]]:
        return [each for each in real(found) if each.get("type") != "http-01"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "_objects", without)
        error = refused(wanted(pebble, "choice.test"), store, answers)
    assert re.search(r"does not offer `http-01` but dns-.*, tls-alpn-01; choose", str(error))


def test_the_library_is_loaded_at_the_first_order_alone() -> None:
    words = "import sys, lockgate.certificates; print([m for m in ('acme', 'josepy', 'requests') if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True, env={"PYTHONPATH": "python"}
    )
    assert found.stdout.strip() == "[]"


ONE_PROCESS = """
import asyncio, sys
from pathlib import Path
from lockgate.certificates import Names, Store, Wanted, obtain, Authority
from lockgate.state import StateFolder
from support.acme import LOOPBACK

class Files:
    def path(self, challenge):
        return Path(sys.argv[4]) / challenge.token
    async def publish(self, challenge):
        self.path(challenge).write_text(challenge.key_authorization)
    async def withdraw(self, challenge):
        self.path(challenge).unlink()

authority = Authority(sys.argv[2], terms_agreed=True, trust=sys.argv[3], rules=LOOPBACK)
store = Store.open(StateFolder.without_secrets(sys.argv[1]))
print("begins", flush=True)
kept = asyncio.run(obtain(Wanted(Names.of(["two.test"]), authority), store, Files()))
print("had", kept.chain.fingerprint, flush=True)
"""


def test_two_processes_make_one_order(
    pebble: Pebble, answers: Answers, processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    monkeypatch.setattr(answers, "text", lambda path: (folder / path.rpartition("/")[2]).read_text())
    words = [str(tmp_path / "state"), pebble.directory, str(pebble.trust), str(folder)]
    env = {"PYTHONPATH": os.pathsep.join(["python", "tests"])}
    before = pebble.orders
    both = [processes.start([sys.executable, "-c", ONE_PROCESS, *words], env=env) for _ in range(3)]
    printed = [process.wait_for_output("had") for process in both]
    assert len({each.split()[-1] for each in printed}) == 1
    assert pebble.orders == before + 1
    assert [process.wait() for process in both] == [0, 0, 0]


def test_what_is_kept_is_nobody_elses(pebble: Pebble, answers: Answers, store: Store) -> None:
    old = os.umask(0)
    try:
        had(wanted(pebble, "modes.test"), store, answers)
        store.request(Names.of(["request.test"]))
    finally:
        os.umask(old)
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in [store.root, *store.root.rglob("*")]}
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in found.items() if path.is_file()} == {0o600}
    assert len(found) >= 10


def test_no_key_is_told(
    pebble: Pebble, answers: Answers, store: Store, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    kept = had(wanted(pebble, "quiet.test"), store, answers)
    account = store.account(pebble.authority().account_id)
    assert account is not None
    assert kept.key_pem is not None
    said = "".join(capfd.readouterr()) + caplog.text + repr(kept) + repr(account) + repr(answers.published)
    for secret in (kept.key_pem, account.key_pem):
        body = "".join(secret.splitlines()[1:-1])
        assert body[:40] not in said
        assert body[-40:] not in said
    assert "PRIVATE" not in said
