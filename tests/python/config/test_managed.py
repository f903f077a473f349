"""Certificates that a configuration wants: which, under which names, and what the control process makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.admin.certificates.orders import wanted
from lockgate.config import Loaded, load
from lockgate.outgoing import Rules
from support.certificates import Authority

ACME = "acme: {email: ops@example.com, terms_agreed: true}"
APIS = """\
apis:
  shop: {hosts: [shop.example.com, www.example.com], upstream: "http://127.0.0.1:9000",
    authenticate: [api_key], authorize: authenticated}
  any: {path: /any, upstream: "http://127.0.0.1:9000", authenticate: [api_key], authorize: authenticated}
"""


def read(folder: Path, listeners: str) -> Loaded:
    file = folder / "lockgate.yaml"
    file.write_text(f"version: 1\nlisteners:\n{listeners}{APIS}")
    return load(file)


def shown(loaded: Loaded) -> dict[str, list[object]]:
    """What each listener of the bundle shows."""
    return {each["name"]: each["tls"]["certificates"] for each in loaded.compile(1, 1)["listeners"]}


def test_each_host_gets_one_and_listeners_share_it(tmp_path: Path) -> None:
    lines = f"  public: {{address: 0.0.0.0:443, tls: {{{ACME}}}}}\n  more: {{address: 0.0.0.0:8443, tls: {{{ACME}}}}}\n"
    loaded = read(tmp_path, lines)
    certificates = loaded.managed.certificates
    assert {name: each.hosts for name, each in certificates.items()} == {
        "shop.example.com": ("shop.example.com",),
        "www.example.com": ("www.example.com",),
    }
    assert certificates["shop.example.com"].listeners == ("public", "more")
    both = [{"managed": "shop.example.com"}, {"managed": "www.example.com"}]
    assert shown(loaded) == {"public": both, "more": both}
    assert loaded.warnings == []


def test_names_make_one_certificate_that_is_called_as_the_listener(tmp_path: Path) -> None:
    said = ACME.replace("}", ", names: [www.example.com, SHOP.example.com]}")
    loaded = read(tmp_path, f"  public: {{address: 0.0.0.0:443, tls: {{{said}}}}}\n")
    assert loaded.managed.certificates["public"].hosts == ("shop.example.com", "www.example.com")
    assert shown(loaded) == {"public": [{"managed": "public"}]}


def test_a_host_that_a_file_is_good_for_is_not_asked_for(tmp_path: Path) -> None:
    Authority(tmp_path).issue("shop", "shop.example.com")
    files = "certificate: {chain: shop.pem, key: shop.key}"
    loaded = read(tmp_path, f"  public: {{address: 0.0.0.0:443, tls: {{{files}, {ACME}}}}}\n")
    assert list(loaded.managed.certificates) == ["www.example.com"]
    [of_file, managed] = shown(loaded)["public"]
    assert of_file == {"files": {"chain": str(tmp_path / "shop.pem"), "key": str(tmp_path / "shop.key")}}
    assert managed == {"managed": "www.example.com"}
    assert loaded.certificate_files == [("public", tmp_path / "shop.pem")]


def test_hosts_with_rules_of_their_own_get_one_too(tmp_path: Path) -> None:
    Authority(tmp_path)
    hosts = "hosts: {admin.example.com: {client_certificates: {trust: authority.pem}}}"
    loaded = read(tmp_path, f"  public: {{address: 0.0.0.0:443, tls: {{{ACME}, {hosts}}}}}\n")
    assert "admin.example.com" in loaded.managed.certificates


def test_an_order_is_what_the_configuration_says(tmp_path: Path) -> None:
    program = tmp_path / "records"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    Authority(tmp_path)
    (tmp_path / "eab.key").write_text("c2VjcmV0\n")
    said = """{email: ops@example.com, terms_agreed: true, challenge: dns-01, directory: "https://ca.internal/directory",
      names: "*.example.com", trust: authority.pem, profile: short,
      external_account: {kid: k, hmac_key: "${file:eab.key}"},
      dns: {command: [records, --zone, a], environment: [TOKEN_A], settle: 10s}}"""
    loaded = read(tmp_path, f"  public: {{address: 0.0.0.0:443, tls: {{acme: {said}}}}}\n")
    made = wanted(loaded.managed.certificates["*.example.com"], Rules())
    assert made.authority.directory == "https://ca.internal/directory"
    assert made.authority.trust == str(tmp_path / "authority.pem")
    assert made.authority.external_account is not None
    assert made.authority.external_account.hmac_key == "c2VjcmV0"
    assert "c2VjcmV0" not in repr(made)
    assert made.hook is not None
    assert (list(made.hook.command), list(made.hook.environment), made.hook.settle_seconds) == (
        [str(program), "--zone", "a"],
        ["TOKEN_A"],
        10.0,
    )
    assert (made.profile, made.challenge) == ("short", "dns-01")
    (tmp_path / "eab.key").unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        wanted(loaded.managed.certificates["*.example.com"], Rules())
