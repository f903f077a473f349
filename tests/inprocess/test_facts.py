"""What the engine must know beside its configuration: found at the start, kept fresh, and not believed for ever."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inprocess.conftest import PUBLIC, Installed
from lockgate import _native, asgi
from lockgate.config import ConfigErrors
from lockgate.inprocess.engine import Engine
from lockgate.state import StateError, StateFolder
from support.issuer import SigningKey
from support.middleware import Asked, Got, loaded, through_wsgi
from support.waiting import until

HOST = ("Host", "a.example")
ISSUER = "https://login.example.com/realms/main"


def with_key(key: str) -> Asked:
    return Asked(headers=[HOST, ("X-API-Key", key)])


def with_token(token: str) -> Asked:
    return Asked(headers=[HOST, ("Authorization", f"Bearer {token}")])


def test_keys_are_found_beside_the_configuration(installed: Installed) -> None:
    key = installed.key().key
    got = through_wsgi(loaded(installed.keyed()))(with_key(key))
    assert got.seen is not None
    assert got.seen.judged.identity is not None
    assert got.seen.judged.identity.owner == "crm"
    assert "x-api-key" not in dict(got.seen.headers)


def test_or_where_one_says(installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = installed.key().key
    config = installed.keyed()
    elsewhere = installed.state.rename(tmp_path / "elsewhere")
    with pytest.raises(StateError, match=r"the API 'shop' wants API keys, .* no state folder .*LOCKGATE_STATE"):
        Engine(config)
    assert through_wsgi(loaded(config, state=elsewhere))(with_key(key)).status == 200
    monkeypatch.setenv("LOCKGATE_STATE", str(elsewhere))
    assert through_wsgi(loaded(config))(with_key(key)).status == 200


def test_a_folder_that_has_no_keys_is_told(installed: Installed) -> None:
    config = installed.keyed()
    state = StateFolder.open(installed.state)
    with pytest.raises(StateError, match="has no keys yet: `lockgate keys create` makes the first"):
        Engine(config)
    state.enrolment_file.write_text("{}", encoding="utf-8")
    with pytest.raises(StateError, match="belongs to a gate of another machine's control process"):
        Engine(config)


def test_a_key_that_is_made_and_one_that_is_revoked(installed: Installed) -> None:
    first = installed.key()
    ask = through_wsgi(loaded(installed.keyed()))
    assert ask(with_key(first.key)).status == 200
    second = installed.key()
    until(lambda: ask(with_key(second.key)).status == 200, "the new key to be known")
    installed.revoke(first)
    assert until(lambda: ask(with_key(first.key)).reason, "the revocation to be known") == "key-revoked"
    assert ask(with_key(second.key)).status == 200


def test_facts_that_cannot_be_read_are_not_believed_for_ever(
    installed: Installed, caplog: pytest.LogCaptureFixture
) -> None:
    key = installed.key().key
    ask = through_wsgi(loaded(installed.keyed(facts={"max_age": "2s"})))
    assert ask(with_key(key)).status == 200
    database = installed.state / "control/lockgate.db"
    hidden = database.rename(database.with_suffix(".hidden"))
    got = until(lambda: refused(ask(with_key(key))), "the facts to be too old")
    assert (got.status, got.reason) == (503, "facts-stale")
    assert "keys cannot be read" in caplog.text
    hidden.rename(database)
    until(lambda: ask(with_key(key)).status == 200, "the facts to be read again")


def test_unless_the_configuration_says_so(installed: Installed, caplog: pytest.LogCaptureFixture) -> None:
    key = installed.key().key
    engine = loaded(installed.keyed(facts={"max_age": "1s", "then": "continue"}))
    ask = through_wsgi(engine)
    assert ask(with_key(key)).status == 200
    database = installed.state / "control/lockgate.db"
    database.rename(database.with_suffix(".hidden"))
    until(lambda: "keys cannot be read" in caplog.text, "the keeper to have looked")
    late = replace(with_key(key), now_ms=time.time_ns() // 1_000_000 + 3_600_000)
    assert ask(late).status == 200


SIGNED_IN = """\
version: 1
issuers: {company: {issuer: "https://login.example.com", client: {id: lockgate}}}
sign_in: {staff: {issuers: [company]}}
facts: {then: continue}
apis: {shop: {upstream: "http://127.0.0.1:9", authenticate: [{session: {sign_in: staff}}], authorize: authenticated}}
"""


def with_session(pepper: bytes) -> Asked:
    claims = {"iss": "https://login.example.com", "sub": "ann", "jti": "s1"}
    session = {"issuer": "company", "until_ms": time.time_ns() // 1_000_000 + 60_000, "claims": claims}
    sealed = _native.seal_session(pepper, "staff", json.dumps(session).encode())
    return Asked(headers=[HOST, ("Cookie", f"__Host-lockgate-staff={sealed}")])


def test_sessions_are_those_of_the_installation(installed: Installed, tmp_path: Path) -> None:
    """Else they would be sealed under something that everybody knows, and anybody could be anyone."""
    config = tmp_path / "sessions.yaml"
    config.write_text(SIGNED_IN, encoding="utf-8")
    with pytest.raises(StateError, match="the API 'shop' takes sessions, which are sealed under the installation's"):
        Engine(config, state=tmp_path / "nowhere")
    installed.key()
    ask = through_wsgi(loaded(config, state=installed.state))
    got = ask(with_session(StateFolder.existing(installed.state).pepper()))
    assert got.seen is not None
    assert got.seen.judged.identity is not None
    assert got.seen.judged.identity.owner == "ann"
    for known in (bytes(32), bytes(range(32))):
        assert ask(with_session(known)).reason == "session-invalid"


def refused(got: Got) -> Got | None:
    return got if got.status != 200 else None


def taking(**keys: Any) -> dict[str, Any]:
    issuer = {"issuer": ISSUER, "audience": ["shop"], "algorithms": ["ES256"], **keys}
    return {"issuers": {"company": issuer}}


TOKENS = {"shop": {"authenticate": [{"jwt": {"issuer": "company"}}], "authorize": "authenticated"}}


def test_an_issuers_keys_in_a_file_need_no_state(installed: Installed) -> None:
    first, second = SigningKey("first"), SigningKey("second")
    file = installed.folder / "keys.json"
    file.write_text(json.dumps({"keys": [first.jwk]}), encoding="utf-8")
    ask = through_wsgi(loaded(installed.write(TOKENS, **taking(jwks={"file": "keys.json"}))))
    got = ask(with_token(first.token(iss=ISSUER, tenant="acme")))
    assert got.seen is not None
    assert got.seen.judged.identity is not None
    assert got.seen.judged.identity.credential == "company/ann"
    assert got.seen.judged.identity.claims["tenant"] == "acme"
    assert ask(with_token(second.token(iss=ISSUER))).status == 401
    file.write_text(json.dumps({"keys": [second.jwk]}), encoding="utf-8")
    until(lambda: ask(with_token(second.token(iss=ISSUER))).status == 200, "the new key to be read")
    assert ask(with_token(first.token(iss=ISSUER))).status == 401


def test_keys_that_are_fetched_need_it(installed: Installed) -> None:
    config = installed.write(TOKENS, **taking(jwks={"url": "https://login.example.com/keys"}))
    with pytest.raises(StateError, match="the keys of the issuer 'company' are fetched by the control process"):
        Engine(config)


@pytest.mark.parametrize("stand_in", [b"offline", b"in-process", b""])
def test_a_secret_that_is_not_there_has_no_stand_in(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, stand_in: bytes
) -> None:
    monkeypatch.delenv("LOCKGATE_TEST_SECRET", raising=False)
    shared = {**taking()["issuers"]["company"], "algorithms": ["HS256"], "secret": "${env:LOCKGATE_TEST_SECRET}"}
    ask = through_wsgi(loaded(installed.write(TOKENS, issuers={"company": shared})))
    body = {"iss": ISSUER, "aud": "shop", "sub": "ann", "exp": int(time.time()) + 300}
    signed = ".".join(_b64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "at+jwt"}, body))
    token = f"{signed}.{_b64(hmac.digest(stand_in, signed.encode(), hashlib.sha256))}"
    assert ask(with_token(token)).status in {401, 503}


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def test_mistakes_are_told_with_their_place_and_a_caret(installed: Installed) -> None:
    config = installed.write({"shop": {"authenticate": ["api_kee"], "authorize": "authenticated"}})
    with pytest.raises(ConfigErrors) as wrong:
        asgi.Middleware(nobody, config)
    assert f"{config.name}:" in str(wrong.value)
    assert "^" in "".join(wrong.value.__notes__)


def test_names_that_are_not_there_are_told(installed: Installed) -> None:
    config = installed.write({"shop": {"public": PUBLIC}})
    with pytest.raises(ValueError, match="no API 'ship'; did you mean 'shop'"):
        Engine(config, api="ship")
    with pytest.raises(ValueError, match="no listener 'x'; there are: public"):
        Engine(config, listener="x")


def test_what_the_application_does_not_serve_needs_no_keys(installed: Installed) -> None:
    config = installed.write(
        {
            "open": {"path": "/open", "public": PUBLIC},
            "shop": {"path": "/shop", "authenticate": ["api_key"], "authorize": "authenticated"},
        }
    )
    ask = through_wsgi(loaded(config, api="open"))
    assert ask(Asked(target="/open", headers=[HOST])).status == 200
    assert ask(Asked(target="/shop", headers=[HOST])).reason == "no-route"


async def nobody(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    raise AssertionError("nobody is asked")


def test_the_thread_ends_with_the_engine(installed: Installed) -> None:
    key = installed.key().key
    engine = loaded(installed.keyed())
    before = _keepers()
    assert through_wsgi(engine)(with_key(key)).status == 200
    (thread,) = _keepers() - before
    assert engine._keeper is not None
    engine._keeper.stop()
    until(lambda: not thread.is_alive(), "the thread to end")


def _keepers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "lockgate-facts"}


FORKING = """
import os, sys
from pathlib import Path
from support.middleware import loaded, through_wsgi
from inprocess.test_facts import with_key

config, key, go = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
engine = loaded(config)  # Before the fork, as a server that loads the application first does.
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
ask = through_wsgi(engine)
assert ask(with_key(key)).status == 200
go.touch()
from support.waiting import until
until(lambda: ask(with_key(key)).reason == "key-revoked", "the revocation")
"""


def test_a_worker_that_was_forked_hears_of_revocations(installed: Installed, root: Path) -> None:
    key = installed.key()
    go = installed.folder / "go"
    command = [sys.executable, "-W", "error", "-c", FORKING, str(installed.keyed()), key.key, str(go)]
    with subprocess.Popen(command, cwd=root / "tests", stderr=subprocess.PIPE, text=True) as forked:
        until(lambda: go.exists() or forked.poll() is not None, "the child to know the key")
        installed.revoke(key)
        _, said = forked.communicate(timeout=60)
    assert forked.returncode == 0, said


RUNNING_BEFORE = FORKING.replace(
    "if os.fork()", "assert through_wsgi(engine)(with_key(key)).status == 200\nif os.fork()"
)


def test_one_that_was_forked_from_a_server_at_work_does_too(installed: Installed, root: Path) -> None:
    """The thread of the process before is not there, and its database is not this one's to use."""
    key = installed.key()
    go = installed.folder / "go"
    # From Python 3.12 on, forking a process with threads is warned of, for good reasons.
    ignored = "ignore:This process:DeprecationWarning"
    command = [
        sys.executable,
        "-W",
        "error",
        "-W",
        ignored,
        "-c",
        RUNNING_BEFORE,
        str(installed.keyed()),
        key.key,
        str(go),
    ]
    with subprocess.Popen(command, cwd=root / "tests", stderr=subprocess.PIPE, text=True) as forked:
        until(lambda: go.exists() or forked.poll() is not None, "the child to know the key")
        installed.revoke(key)
        _, said = forked.communicate(timeout=60)
    assert forked.returncode == 0, said


def test_importing_brings_no_server_no_framework_and_no_control_process() -> None:
    asked = "import sys, lockgate.asgi, lockgate.wsgi; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "lockgate.inprocess.engine" in modules
    for heavy in ("fastapi", "starlette", "uvicorn", "sqlalchemy", "pydantic", "structlog", "lockgate.admin"):
        assert heavy not in modules
