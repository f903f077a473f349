"""A directory: a real slapd, asked whether passwords are somebody's."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockgate.config.people import DirectoryPeople
from lockgate.identity.directory import Directory, DirectoryError
from support.certificates import Authority
from support.slapd import BASE, PEOPLE, READER, SECRET, SLAPD, Slapd, slapd

pytestmark = pytest.mark.skipif(SLAPD is None, reason="wants Debian's slapd (scripts/system-packages.sh installs it)")

ANN = "seven green chairs"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    folder = tmp_path_factory.mktemp("ldap")
    with slapd(folder / "slapd", Authority(folder)) as serving:
        yield serving


def of(running: Slapd, **said: Any) -> Directory:
    """The directory, by an account that searches unless it is said otherwise."""
    made = DirectoryPeople(
        url=running.secure,
        start_tls=False,
        trust=str(running.trust),
        bind_dn=READER,
        bind_password="file:secret",
        template=None,
        base=PEOPLE,
        filter="(uid={name})",
        subject="uid",
        claims=(("email", "mail"), ("name", "cn"), ("groups", "employeeType")),
        timeout_ms=5_000,
    )
    return Directory(dataclasses.replace(made, **said), lambda _: SECRET)


TEMPLATE = {"bind_dn": None, "bind_password": None, "template": f"uid={{name}},{PEOPLE}"}


@pytest.mark.parametrize("how", [{}, TEMPLATE], ids=["bind", "template"])
def test_whose_password_it_is(running: Slapd, how: dict[str, Any]) -> None:
    directory = of(running, **how)
    assert directory.look("ann", ANN) == {
        "sub": "ann",
        "email": "ann@example.com",
        "name": "Ann Example",
        "groups": ["staff", "admins"],
    }
    assert directory.look("ann", "wrong") is None
    assert directory.look("nobody", ANN) is None
    assert directory.look("dan", ANN) is None, "who has no password has none"


@pytest.mark.parametrize("how", [{}, TEMPLATE], ids=["bind", "template"])
@pytest.mark.parametrize("password", ["", "\0", "\0x"])
def test_an_empty_password_is_refused_before_anybody_is_asked(
    running: Slapd, how: dict[str, Any], password: str
) -> None:
    """RFC 4513 section 5.1.2: this slapd takes such a bind for nobody's, and says that it succeeded."""
    dn = f"uid=ann,{PEOPLE}".encode()
    bind = b"\x02\x01\x03\x04" + bytes([len(dn)]) + dn + b"\x80\x00"
    asked = b"\x02\x01\x01\x60" + bytes([len(bind)]) + bind
    with socket.create_connection(("127.0.0.1", running.port), 10) as raw:
        raw.sendall(b"\x30" + bytes([len(asked)]) + asked)
        assert b"\x61\x07\x0a\x01\x00" in raw.recv(1_024), "a name without a password is a success there"
    assert of(running, **how).look("ann", password) is None


@pytest.mark.parametrize(
    "name", ["*", "ann*", "a*n", "ann)(uid=*", "*)(objectClass=*", "ann\\2a", "\\61nn", "ann,ou=x"]
)
@pytest.mark.parametrize("how", [{}, TEMPLATE], ids=["bind", "template"])
def test_a_name_is_never_a_filter_or_a_path(running: Slapd, how: dict[str, Any], name: str) -> None:
    assert of(running, **how).look(name, ANN) is None


def test_who_is_found_twice_is_nobody(running: Slapd) -> None:
    directory = of(running, filter="(mail={name})")
    assert directory.look("ann@example.com", ANN) is not None
    assert directory.look("shared@example.com", "eight brown tables") is None


def test_the_entry_is_told_before_its_password_is_tried(running: Slapd) -> None:
    directory = of(running, filter="(|(uid={name})(mail={name}))")
    for name, dns in (("ann", [f"uid=ann,{PEOPLE}"]), ("ann@example.com", [f"uid=ann,{PEOPLE}"]), ("nobody", [])):
        told: list[str] = []
        assert (directory.look(name, ANN, lambda dn, told=told: not told.append(dn)) is not None) == bool(dns)  # type: ignore[misc]
        assert told == dns
    assert directory.look("ann", ANN, lambda _: False) is None


def test_starttls_and_plain_on_this_machine(running: Slapd) -> None:
    started = of(running, url=f"ldap://localhost:{running.port}", start_tls=True)
    assert started.look("ann", ANN) is not None
    assert of(running, url=running.plain, trust=None).look("ann", ANN) is not None


def test_a_certificate_of_nobody_known_ends_it(running: Slapd, tmp_path: Path) -> None:
    other = Authority(tmp_path)
    with pytest.raises(DirectoryError, match=r"(?i)certificate|SSL|LDAPSocketOpenError"):
        of(running, trust=str(other.pem)).look("ann", ANN)
    with pytest.raises(DirectoryError):
        of(running, url=f"ldaps://127.0.0.1:{running.tls_port}").look("ann", ANN)
    started = of(running, url=f"ldap://localhost:{running.port}", start_tls=True, trust=str(other.pem))
    with pytest.raises(DirectoryError):
        started.look("ann", ANN)


def test_referrals_are_not_followed(running: Slapd) -> None:
    """A reader's password would go wherever the directory points."""
    whole = of(running, base=BASE)
    assert whole.look("ann", ANN) is not None, "a reference among what is found is left where it is"
    with pytest.raises(DirectoryError, match="referral"):
        of(running, base=f"ou=elsewhere,{BASE}").look("ann", ANN)


def test_what_is_wrong_with_the_configuration_is_no_persons_fault(running: Slapd) -> None:
    with pytest.raises(DirectoryError, match="`bind`"):
        Directory(of(running).said, lambda _: "wrong").look("ann", ANN)
    with pytest.raises(DirectoryError, match="`base`"):
        of(running, base=f"ou=nowhere,{BASE}").look("ann", ANN)
    with pytest.raises(DirectoryError, match="told apart"):
        of(running, subject="description").look("ann", ANN)

    def missing(_: str) -> str:
        raise ValueError("the environment has no variable LDAP")

    with pytest.raises(DirectoryError, match="LDAP"):
        Directory(of(running).said, missing).look("ann", ANN)


def test_one_that_is_down_or_says_nothing_is_not_waited_for(running: Slapd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(DirectoryError):
            of(running, url=f"ldap://127.0.0.1:{port}", timeout_ms=300).look("ann", ANN)
    with pytest.raises(DirectoryError):
        of(running, url=f"ldap://127.0.0.1:{port}", timeout_ms=300).look("ann", ANN)


def test_one_that_answers_garbage_is_none(running: Slapd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as connection:
                connection.recv(1_024)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"ldap://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(DirectoryError):
            of(running, url=url, timeout_ms=1_000).look("ann", ANN)
        thread.join()


def test_a_name_with_several_addresses_is_tried_at_each(running: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no socket is left behind where nobody listens: warnings are errors here."""
    found = socket.getaddrinfo

    def both(host: str, port: int, *more: Any) -> list[Any]:
        return [*found("127.0.0.2", port, *more), *found("127.0.0.1", port, *more)] if host == "two" else []

    monkeypatch.setattr("socket.getaddrinfo", both)
    directory = of(running, url=f"ldap://two:{running.port}", **TEMPLATE)
    assert directory.look("ann", ANN) is not None
