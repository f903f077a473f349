"""Where links lead to: the address of a sign-in's pages, as far as the configuration tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lockgate.config import load
from lockgate.config.people import People
from support.certificates import Authority

TLS = "tls"
"""Stands for a certificate."""
HOSTS = ["*.example.com", "portal.example.com", "www.example.com"]


@pytest.mark.parametrize(
    ("listeners", "hosts", "base"),
    [
        ({}, [], "http://127.0.0.1:8080"),
        ({"one": {"address": "[::1]:8081"}}, [], "http://[::1]:8081"),
        ({"one": {"address": "127.0.0.1:8443", "tls": TLS}}, HOSTS, "https://portal.example.com:8443"),
        ({"one": {"address": "0.0.0.0:8443", "public_port": 443, "tls": TLS}}, HOSTS, "https://portal.example.com"),
        (
            {"one": {"address": "0.0.0.0:443", "tls": TLS}, "two": {"address": "0.0.0.0:80", "redirect_to": "one"}},
            HOSTS,
            "https://portal.example.com",
        ),
        # Another port, or whatever stands in front, would be a guess.
        ({"one": {"address": "0.0.0.0:443", "tls": TLS}, "two": {"address": "0.0.0.0:444", "tls": TLS}}, HOSTS, None),
        ({"one": {"address": "127.0.0.1:0", "tls": TLS}}, HOSTS, None),
        ({"one": {"address": "127.0.0.1:8443", "tls": TLS}}, ["*.example.com"], None),
        ({"one": {"address": "127.0.0.1:8443", "tls": TLS}}, [], None),
        ({"one": {"address": "127.0.0.1:8080"}}, HOSTS, None),
    ],
)
def test_where_browsers_reach_the_pages(
    tmp_path: Path, listeners: dict[str, Any], hosts: list[str], base: str | None
) -> None:
    issued = Authority(tmp_path).issue("gate", *HOSTS)
    certificate = {"certificate": {"chain": str(issued.chain), "key": str(issued.key)}}
    portal: dict[str, Any] = {
        "upstream": "http://127.0.0.1:9000",
        "authenticate": [{"session": {"sign_in": "staff"}}],
        "authorize": "authenticated",
        "hosts": hosts,
    }
    said = {
        "version": 1,
        "listeners": {
            name: {key: certificate if value == TLS else value for key, value in one.items()}
            for name, one in listeners.items()
        },
        "issuers": {"people": {"users": {}}},
        "sign_in": {"staff": {"issuers": ["people"]}},
        "apis": {"portal": portal},
    }
    file = tmp_path / "lockgate.yaml"
    file.write_text(yaml.safe_dump({key: value for key, value in said.items() if value}))
    [people] = load(file).duties.people
    assert people.bases == ((("staff", base),) if base is not None else ())
    kept = {
        "name": people.name,
        "issuer": people.issuer,
        "local": None,
        "directory": None,
        "pages_of": ["staff"],
        "bases": [list(one) for one in people.bases],
    }
    assert People.from_json(kept).bases == people.bases
