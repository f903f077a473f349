"""Tokens that are bound to a key or a certificate, with real clients: nobody else can use them."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.harness.upstream import AutoUpstream
from support.certificates import Authority, Issued
from support.issuer import Issuer, b64
from support.ports import free_port
from support.processes import Processes
from support.providers import FOLDER, Provider, installed
from support.running import Running

pytestmark = pytest.mark.full


class Place:
    """A gate whose one API takes tokens of an issuer."""

    def __init__(
        self,
        processes: Processes,
        folder: Path,
        upstream: AutoUpstream,
        issuer: dict[str, Any],
        *,
        entry: dict[str, Any] | None = None,
        tls: dict[str, Any] | None = None,
        **api: Any,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        listener: dict[str, Any] = {"address": f"127.0.0.1:{self.port}"}
        if tls is not None:
            listener["tls"] = tls
        config = {
            "version": 1,
            "listeners": {"public": listener},
            "admin": {"address": "127.0.0.1:0"},
            "outgoing": {"allow": ["127.0.0.0/8"]},
            "issuers": {"company": issuer},
            "apis": {
                "shop": {
                    "upstream": f"http://127.0.0.1:{upstream.port}",
                    "authenticate": [{"jwt": {"issuer": "company", **(entry or {})}}],
                    "authorize": "authenticated",
                    **api,
                }
            },
        }
        (folder / "lockgate.yaml").write_text(yaml.safe_dump(config))
        self.running = Running(processes, folder).ready()
        self.running.serving()


@pytest.fixture
def upstream() -> Iterator[AutoUpstream]:
    with AutoUpstream() as running:
        yield running


@pytest.mark.parametrize(
    ("algorithm", "nonce"), [("ES256", False), ("ES256", True), ("EdDSA", False), ("PS256", False)]
)
def test_a_token_of_a_certified_provider_is_its_clients_alone(
    algorithm: str, nonce: bool, processes: Processes, tmp_path: Path, upstream: AutoUpstream
) -> None:
    provider = Provider(processes, "oidc_provider.mjs", "one", "ES256")
    issuer = {"issuer": provider.url, "audience": "https://api.example.com", "types": ["at+jwt"]}
    entry = {"sender_constrained": ["dpop"], "proof": {"nonce": nonce}}
    place = Place(processes, tmp_path, upstream, issuer, entry=entry)
    api = f"http://127.0.0.1:{place.port}/orders"
    client = subprocess.run(
        ["node", str(FOLDER / "dpop_client.mjs"), provider.url, api, algorithm],
        env={"PROVIDERS": installed(), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert client.returncode == 0, client.stderr
    said = json.loads(client.stdout)
    challenge = said.pop("challenge")
    assert said == {
        "type": "DPoP",
        "first": "jwt-proof-nonce" if nonce else "ok",
        "proved": "ok",
        "again": "jwt-proof-replayed",
        "bearer": "jwt-proof-missing",
        "without": "jwt-proof-missing",
        "stolen": "jwt-proof",
        "method": "jwt-proof",
        "elsewhere": "jwt-proof",
    }
    if nonce:
        assert 'error="use_dpop_nonce"' in challenge
    plain = httpx.get(api, headers={"Authorization": f"Bearer {provider.token(scope='orders:read')}"}, trust_env=False)
    assert plain.json()["reason"] == "jwt-unbound"
    assert plain.headers["www-authenticate"].startswith("DPoP ")
    passed = [name.lower() for request in upstream.requests for name, _ in request.headers]
    assert passed
    assert not {"dpop", "authorization"} & set(passed), "neither token nor proof goes on"
    with place.running.admin as admin:
        events = admin.get("/v1/events", params={"limit": 100}).json()["items"]
    [replayed] = [event for event in events if event.get("reason") == "jwt-proof-replayed"]
    assert replayed["key"] == "company/crm", "whose token it is, is written down"


def test_a_token_that_is_bound_to_a_certificate(processes: Processes, tmp_path: Path, upstream: AutoUpstream) -> None:
    authority = Authority(tmp_path)
    gate, client, other = (authority.issue(name, f"{name}.example") for name in ("gate", "client", "other"))
    tls = {
        "certificate": {"chain": str(gate.chain), "key": str(gate.key)},
        "client_certificates": {"trust": str(authority.pem), "require": False},
    }
    with Issuer() as issuer:
        rules = {"issuer": issuer.url, "audience": "shop"}
        place = Place(processes, tmp_path, upstream, rules, entry={"sender_constrained": ["mtls"]}, tls=tls)
        thumbprint = b64(client.certificate.fingerprint(SHA256()))
        bound = issuer.token(cnf={"x5t#S256": thumbprint})
        plain = issuer.token()

        def reason(token: str, certificate: Issued | None) -> str:
            context = ssl.create_default_context(cafile=str(authority.pem))
            if certificate is not None:
                context.load_cert_chain(certificate.chain, certificate.key)
            with httpx.Client(verify=context, trust_env=False, timeout=30) as connection:
                url = f"https://127.0.0.1:{place.port}/orders"
                headers = {"Authorization": f"Bearer {token}", "Host": "gate.example"}
                answer = connection.get(url, headers=headers, extensions={"sni_hostname": "gate.example"})
            return "ok" if answer.status_code == 200 else str(answer.json()["reason"])

        assert reason(bound, client) == "ok"
        assert reason(bound, other) == "jwt-certificate"
        assert reason(bound, None) == "jwt-certificate"
        assert reason(plain, client) == "jwt-unbound"

        # A certificate that was lost: what is bound to it is refused, whenever it was issued.
        with place.running.admin as admin:
            lost = {"issuer": "company", "by": "device", "value": thumbprint}
            assert admin.post("/v1/tokens/revocations", json=lost).json()["gate"] == "applied"
        later = issuer.token(cnf={"x5t#S256": thumbprint}, iat=int(time.time()) + 5)
        assert (reason(bound, client), reason(later, client)) == ("jwt-revoked", "jwt-revoked")
