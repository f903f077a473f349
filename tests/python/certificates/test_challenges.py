"""What is published: the challenge certificate parsed back, names, the program for DNS."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from lockgate.addresses import is_address
from lockgate.certificates import (
    Authority,
    DnsChallenge,
    DnsHook,
    ExternalAccount,
    HttpChallenge,
    Names,
    directory_url,
    hook,
)
from lockgate.certificates.challenges import ACME_IDENTIFIER, tls_alpn
from lockgate.certificates.order import TOKEN, dns_value
from support.waiting import until


@pytest.mark.parametrize(
    ("name", "server_name"),
    [
        ("shop.test", "shop.test"),
        ("127.0.0.1", "1.0.0.127.in-addr.arpa"),
        ("2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
    ],
)
def test_the_challenge_certificate_is_what_the_rfc_says(name: str, server_name: str) -> None:
    challenge = tls_alpn(name, "token.thumbprint")
    assert challenge.server_name == server_name
    certificate = x509.load_pem_x509_certificate(challenge.certificate_pem.encode())
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert len(list(held)) == 1
    kind: type[x509.DNSName | x509.IPAddress] = x509.IPAddress if is_address(name) else x509.DNSName
    assert [str(each) for each in held.get_values_for_type(kind)] == [name]
    extension = certificate.extensions.get_extension_for_oid(ACME_IDENTIFIER)
    assert extension.critical
    assert isinstance(extension.value, x509.UnrecognizedExtension)
    # DER of an OCTET STRING of 32 bytes.
    assert extension.value.value == b"\x04\x20" + hashlib.sha256(b"token.thumbprint").digest()
    certificate.verify_directly_issued_by(certificate)
    assert certificate.not_valid_before_utc < datetime.now(UTC) < certificate.not_valid_after_utc
    key = serialization.load_pem_private_key(challenge.key_pem.encode(), None)
    assert key.public_key() == certificate.public_key()
    assert "PRIVATE" not in repr(challenge)


def test_the_dns_value_is_the_rfcs() -> None:
    value = dns_value("token.thumbprint")
    assert base64.urlsafe_b64decode(value + "=") == hashlib.sha256(b"token.thumbprint").digest()
    assert not value.endswith("=")


@pytest.mark.parametrize("token", ["short", "../../../../etc/passwd/and/more", "a" * 257, "a" * 21 + "\n"])
def test_a_token_that_is_none(token: str) -> None:
    assert not TOKEN.fullmatch(token)


def test_the_same_names_are_the_same_set_however_written() -> None:
    one, two = Names.of(["B.test", "a.TEST", "::0001"]), Names.of(["::1", "a.test", "b.test", "a.test"])
    assert one == two
    assert one.folder == two.folder
    assert str(Names.of([f"{letter}.test" for letter in "abcde"])) == "a.test, b.test, c.test and 2 more"


@pytest.mark.parametrize(
    "names",
    [
        [],
        [""],
        ["."],
        ["a..test"],
        ["a.test."],
        ["a.*.test"],
        ["*"],
        ["*.*.test"],
        ["-a.test"],
        ["a-.test"],
        ["a b.test"],
        ["a/b.test"],
        ["../x"],
        ["bücher.test"],
        ["1.2.3"],
        ["256.1.1.1"],
        ["fe80::1%eth0"],
        ["a" * 64 + ".test"],
        [".".join(["a" * 60] * 5)],
        ["a.test\n"],
        [f"n{number}.test" for number in range(101)],
    ],
)
def test_what_is_no_name(names: list[str]) -> None:
    with pytest.raises(ValueError, match=r"name|address|ASCII"):
        Names.of(names)


@given(st.lists(st.from_regex(r"(\*\.)?[a-z0-9_]([a-z0-9-]{0,8}[a-z])?\.[a-z]{2,4}", fullmatch=True), min_size=1))
def test_a_folder_is_one_plain_name(names: list[str]) -> None:
    folder = Names.of(names[:50]).folder
    assert re.fullmatch(r"[a-z0-9_][a-z0-9._-]*-[0-9a-f]{16}", folder)
    assert len(folder) < 100


def test_a_wildcard_covers_one_label() -> None:
    held = Names.of(["*.shop.test", "127.0.0.1"])
    assert Names.of(["a.shop.test", "127.0.0.1"]).missing_from(held) == ()
    assert Names.of(["shop.test", "a.b.shop.test", "127.0.0.2"]).missing_from(held) == (
        "127.0.0.2",
        "a.b.shop.test",
        "shop.test",
    )


def test_short_names_of_directories() -> None:
    assert Authority(directory_url("letsencrypt")).directory == "https://acme-v02.api.letsencrypt.org/directory"
    assert "staging" in directory_url("letsencrypt-staging")
    assert directory_url("https://ca.test/dir") == "https://ca.test/dir"
    with pytest.raises(ValueError, match="`letsencrypt-staging`"):
        Authority("letsencript")
    with pytest.raises(ValueError, match="e-mail"):
        Authority("https://ca.test/dir", email="nobody")


@pytest.mark.parametrize("secret", ["not base64!", "", "hush+hush/"])
def test_a_bad_external_account_is_refused_without_being_told(secret: str) -> None:
    with pytest.raises(ValueError, match="HMAC key") as refused:
        ExternalAccount("kid", secret)
    assert not secret or secret not in str(refused.value)
    assert "hush" not in repr(ExternalAccount("kid", "hush"))


def program(folder: Path, text: str) -> str:
    path = folder / "hook"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


CHALLENGE = DnsChallenge("shop.test", "_acme-challenge.shop.test", "value")


def test_a_hook_that_does_not_end_is_ended_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    dns = DnsHook([program(tmp_path, f"sleep 600 & echo $$ $! > {pids}; wait")], seconds=1.0)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="hook present` did not end within 1 s"):
        asyncio.run(dns.publish(CHALLENGE))
    assert time.monotonic() - began < 30
    left = [int(pid) for pid in pids.read_text().split()]
    until(lambda: all(map(ended, left)), "the hook's processes to end")


def ended(pid: int) -> bool:
    """Gone, or waiting to be told of: an orphan's new parent may take its time."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def test_a_hook_may_print_more_than_is_read(tmp_path: Path) -> None:
    dns = DnsHook([program(tmp_path, "head -c 1000000 /dev/zero; printf 'the\\033[31m end'; exit 1")])
    with pytest.raises(OSError, match=r"the.* end") as failed:
        asyncio.run(dns.publish(CHALLENGE))
    assert "\x1b" not in str(failed.value)
    assert len(str(failed.value)) < 600


def test_what_a_hook_prints_is_kept_in_part(tmp_path: Path) -> None:
    prints = program(tmp_path, "/usr/bin/head -c 1000000 /dev/zero; echo end")
    status, printed = asyncio.run(hook._run([prints, "", ""], {}, 30))
    assert (status, len(printed), printed[-4:]) == (0, hook.OUTPUT_BYTES, b"end\n")


def test_a_hook_is_no_shell_line(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    dns = DnsHook([program(tmp_path, f'printf "%s\\n" "$@" > {seen}'), "a b; exit 1", "$(id)"])
    asyncio.run(dns.withdraw(CHALLENGE))
    assert seen.read_text().splitlines() == ["a b; exit 1", "$(id)", "cleanup", CHALLENGE.record, "value"]


@pytest.mark.parametrize("command", [[], ["hook"], ["/nowhere/hook"], ["/etc/passwd"], ["/etc"]])
def test_what_is_no_hook(command: list[str]) -> None:
    with pytest.raises(ValueError, match="program"):
        DnsHook(command)


def test_a_hook_is_for_dns_alone(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        asyncio.run(DnsHook([program(tmp_path, "true")]).publish(HttpChallenge("a", "b", "c")))
