"""TLS in a configuration: what is read of certificates, and what the bundle says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lockgate import _native
from lockgate.certificates.chain import check_pair, read_chain, read_key
from lockgate.config import ConfigErrors, load
from lockgate.config.loaded import Loaded
from support.certificates import Authority

API = "apis: {shop: {upstream: http://127.0.0.1:9000, authenticate: [api_key], authorize: authenticated}}\n"


def read(folder: Path, listeners: str, upstreams: str = "", api: str = API) -> Loaded:
    """A configuration with these listeners."""
    file = folder / "lockgate.yaml"
    file.write_text(f"version: 1\nlisteners: {listeners}\n{upstreams}{api}", encoding="utf-8")
    return load(file)


def codes(folder: Path, listeners: str) -> list[str]:
    """What is wrong with it."""
    with pytest.raises(ConfigErrors) as refused:
        read(folder, listeners)
    return [problem.code for problem in refused.value.errors]


def test_a_listener_with_tls_has_safe_defaults(tmp_path: Path) -> None:
    Authority(tmp_path).issue("shop", "shop.example")
    loaded = read(tmp_path, "{public: {address: 0.0.0.0:8443, tls: {certificate: {chain: shop.pem, key: shop.key}}}}")
    bundle = loaded.compile(1, 1)
    [listener] = bundle["listeners"]
    assert listener["protocols"] == ["h2", "http/1.1"]
    assert listener["tls"] == {
        "certificates": [{"files": {"chain": str(tmp_path / "shop.pem"), "key": str(tmp_path / "shop.key")}}],
        "minimum": "1.2",
        "clients": None,
        "hosts": [],
        "hsts": "max-age=31536000",
        "passthrough": [],
    }
    assert _native.check_bundle(json.dumps(bundle).encode()) == []
    assert not loaded.warnings


def test_a_key_that_everybody_can_read_is_warned_of(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("shop", "shop.example")
    issued.key.chmod(0o644)
    said = "{public: {address: 0.0.0.0:8443, tls: {certificate: {chain: shop.pem, key: shop.key}}}}"
    [warning] = read(tmp_path, said).warnings
    assert (warning.code, warning.message) == ("secret-readable", "`shop.key` can be read by everybody")
    assert warning.hint == "chmod 600 shop.key"
    issued.key.chmod(0o640)
    assert not read(tmp_path, said).warnings, "a group may be the gate's own"


@pytest.mark.parametrize("listed", [True, False])
def test_networks_of_what_is_carried_on_arrive(tmp_path: Path, *, listed: bool) -> None:
    (tmp_path / "bad.txt").write_text("203.0.113.0/24 # since May\n2001:db8::/32\n")
    way = "{hosts: db.example, upstream: db, ip_filter: {allow: [10.0.0.0/8], deny: [10.6.6.6, {file: bad.txt}]}}"
    said = f"{{public: {{address: 127.0.0.1:8443, tls: {{passthrough: {f'[{way}]' if listed else way}}}}}}}"
    loaded = read(tmp_path, said, "upstreams: {db: {targets: ['tcp://127.0.0.1:5432']}}\n")
    assert tmp_path / "bad.txt" in loaded.files
    bundle = loaded.compile(1, 0)
    [way_of] = bundle["listeners"][0]["tls"]["passthrough"]
    assert way_of["ip_filter"] == {"allow": ["10.0.0.0/8"], "deny": ["10.6.6.6", "203.0.113.0/24", "2001:db8::/32"]}
    assert _native.check_bundle(json.dumps(bundle).encode()) == []
    way_of["ip_filter"]["deny"][1] = "nowhere"
    [error] = _native.check_bundle(json.dumps(bundle).encode())
    place = "/listeners/0/tls/passthrough/0/ip_filter/deny/1"
    assert (error["code"], error["path"]) == ("not-a-network", place)


def test_everything_that_is_said_arrives(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("shop", "shop.example")
    authority.issue("staff", "*.staff.example")
    authority.revoke()
    said = """
  public:
    address: 127.0.0.1:8443
    protocols: http/1.1
    tls:
      certificate: [{chain: shop.pem, key: shop.key}, {chain: staff.pem, key: staff.key}]
      preset: modern
      client_certificates: {trust: authority.pem, require: false}
      hosts:
        a.staff.example:
          client_certificates: {trust: [authority.pem], crl: revoked.crl, ocsp: from_certificate}
      hsts: {max_age: 730d, include_subdomains: true, preload: true}
  plain: {address: 0.0.0.0:8080, redirect_to: public}
"""
    upstreams = """upstreams:
  shop:
    targets: [https://orders.internal]
    tls:
      trust: authority.pem
      server_name: Orders.internal
      pins: sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
      client_certificate: {chain: shop.pem, key: shop.key}
      minimum: 1.3
      skip_verify: {owner: me, reason: a test, until: 2999-01-01}
"""
    bundle = read(tmp_path, said, upstreams, API.replace("http://127.0.0.1:9000", "shop")).compile(1, 1)
    public, plain = bundle["listeners"]
    assert public["protocols"] == ["http/1.1"]
    assert plain["redirect_port"] == 8443
    tls = public["tls"]
    assert tls is not None
    trust = [str(tmp_path / "authority.pem")]
    assert (tls["minimum"], len(tls["certificates"])) == ("1.3", 2)
    assert tls["hsts"] == "max-age=63072000; includeSubDomains; preload"
    clients = {"trust": trust, "require": False, "crl": [], "unknown_revocation": "allow", "ocsp": None}
    assert tls["clients"] == clients
    assert tls["hosts"] == [
        {
            "names": ["a.staff.example"],
            "clients": {
                "trust": trust,
                "require": True,
                "crl": [str(tmp_path / "revoked.crl")],
                "unknown_revocation": "allow",
                "ocsp": {
                    "rules": "listeners.public.tls.hosts.a.staff.example.client_certificates",
                    "responder": None,
                    "timeout_ms": 3_000,
                    "max_age_ms": 3_600_000,
                },
            },
        }
    ]
    [upstream] = bundle["upstreams"]
    assert upstream["targets"][0]["url"] == "https://orders.internal:443"
    outbound = upstream["tls"]
    assert outbound is not None
    assert (outbound["trust"], outbound["server_name"], outbound["minimum"]) == (trust, "orders.internal", "1.3")
    assert outbound["pins"] == ["00" * 32]
    assert outbound["unverified"] is not None
    assert _native.check_bundle(json.dumps(bundle).encode()) == []


def test_a_redirect_names_the_port_that_clients_know(tmp_path: Path) -> None:
    Authority(tmp_path).issue("shop", "shop.example")
    said = """
  public: {address: 127.0.0.1:0, public_port: 443, tls: {certificate: {chain: shop.pem, key: shop.key}}}
  plain: {address: 0.0.0.0:8080, public_port: 80, redirect_to: public}
"""
    bundle = read(tmp_path, said).compile(1, 1)
    public, plain = bundle["listeners"]
    assert (public["public_port"], public["redirect_port"]) == (443, 0)
    assert (plain["public_port"], plain["redirect_port"]) == (80, 443)
    assert _native.check_bundle(json.dumps(bundle).encode()) == []


def test_on_loopback_browsers_are_not_told_to_come_back_over_tls(tmp_path: Path) -> None:
    Authority(tmp_path).issue("shop", "shop.example")
    certificate = "certificate: {chain: shop.pem, key: shop.key}"
    for said, told in [(certificate, None), (f"{certificate}, hsts: {{}}", "max-age=31536000")]:
        [listener] = read(tmp_path, f"{{public: {{tls: {{{said}}}}}}}").compile(1, 1)["listeners"]
        assert listener["tls"] is not None
        assert listener["tls"]["hsts"] == told


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("", "the listener has no other, and a gate that serves nothing yet refuses to begin with it"),
        (", imported: [b.example]", "a gate that does not show it yet turns away who asks for its names"),
    ],
)
def test_a_certificate_that_ran_out_holds_up_nothing_else(tmp_path: Path, more: str, why: str) -> None:
    authority = Authority(tmp_path)
    said = f"{{public: {{tls: {{certificate: {{chain: shop.pem, key: shop.key}}{more}}}}}}}"
    authority.issue("shop", "shop.example")
    assert not read(tmp_path, said).warnings
    authority.issue("shop", "shop.example", days=-1)
    loaded = read(tmp_path, said)
    [warning] = loaded.warnings
    assert warning.code == "certificate-expired"
    assert why in warning.message
    assert "certificate-expired" in [row.code for row in loaded.findings()]
    # What never was good is a slip, and stops the load as before.
    (tmp_path / "shop.key").write_bytes(authority.issue("other", "other.example").key.read_bytes())
    assert codes(tmp_path, said) == ["certificate-unfit"]


def test_one_that_ran_out_towards_an_upstream_holds_up_nothing_else(tmp_path: Path) -> None:
    Authority(tmp_path).issue("gate", "gate.example", days=-1)
    upstreams = (
        "upstreams: {shop: {targets: ['https://shop.internal'], "
        "tls: {client_certificate: {chain: gate.pem, key: gate.key}}}}\n"
    )
    api = "apis: {shop: {upstream: shop, authenticate: [api_key], authorize: authenticated}}\n"
    [warning] = read(tmp_path, "{public: {}}", upstreams, api).warnings
    assert warning.code == "certificate-expired"
    assert "calls no server of the upstream" in warning.message


def test_who_may_issue_nothing_is_doubted_as_an_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("shop", "shop.example")
    authority.issue("leaf", "leaf.example")
    tls = "certificate: {chain: shop.pem, key: shop.key}"
    for trust, place in (
        ("leaf.pem", "listeners.public.tls.client_certificates.trust"),
        ("[authority.pem, leaf.pem]", "listeners.public.tls.client_certificates.trust.1"),
    ):
        [warning] = read(tmp_path, f"{{public: {{tls: {{{tls}, client_certificates: {{trust: {trust}}}}}}}}}").warnings
        assert (warning.code, warning.path) == ("trust-without-authority", place)
        assert warning.message.startswith("`leaf.pem` holds no certificate of an authority")
    assert not read(tmp_path, f"{{public: {{tls: {{{tls}, client_certificates: {{trust: authority.pem}}}}}}}}").warnings


def test_a_list_of_nobody_who_is_trusted_is_doubted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("shop", "shop.example")
    own = authority.revoke()
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other", "Somebody Else").revoke()
    tls = "certificate: {chain: shop.pem, key: shop.key}"

    def warnings(crl: str) -> list[str]:
        clients = f"client_certificates: {{trust: authority.pem, crl: {crl}}}"
        loaded = read(tmp_path, f"{{public: {{tls: {{{tls}, {clients}}}}}}}")
        return [f"{warning.code} {warning.path}: {warning.message}" for warning in loaded.warnings]

    assert not warnings(own.name)
    [told] = warnings(f"other/{stranger.name}")
    assert told.startswith("crl-of-another listeners.public.tls.client_certificates.crl: ")
    assert "is a list of `CN=Somebody Else`, which is no authority of `trust`" in told
    [told] = warnings(f"[{own.name}, other/{stranger.name}]")
    assert told.startswith("crl-of-another listeners.public.tls.client_certificates.crl.1: ")


def test_what_is_carried_on_is_found_and_warned_of_no_more(tmp_path: Path) -> None:
    said = "{public: {address: 127.0.0.1:8443, tls: {passthrough: {hosts: db.example.com, upstream: db}}}}"
    upstreams = "upstreams: {db: {targets: ['tcp://127.0.0.1:5432']}}\n"
    loaded = read(tmp_path, said, upstreams)
    assert not loaded.warnings
    [row] = loaded.findings()
    assert (row.code, row.severity) == ("passthrough-unjudged", "info")
    assert row.object == "listeners.public.tls.passthrough"
    assert "no policy sees what is carried on to `db`" in row.message


def test_a_certificate_that_ends_soon_is_told_of(tmp_path: Path) -> None:
    Authority(tmp_path).issue("shop", "shop.example", days=5)
    loaded = read(tmp_path, "{public: {tls: {certificate: {chain: shop.pem, key: shop.key}}}}")
    assert [warning.code for warning in loaded.warnings] == ["certificate-ends-soon"]


def test_one_from_tomorrow_is_not_good_yet(tmp_path: Path) -> None:
    Authority(tmp_path).issue("shop", "shop.example", begins=1)
    said = "{public: {tls: {certificate: {chain: shop.pem, key: shop.key}}}}"
    assert codes(tmp_path, said) == ["certificate-not-valid-yet"]


def test_a_host_that_nobody_can_ask_for_is_a_slip(tmp_path: Path) -> None:
    Authority(tmp_path).issue("shop", "shop.example", "*.shop.example")
    said = "{public: {tls: {certificate: {chain: shop.pem, key: shop.key}, hosts: {HOST: {}}}}}"
    assert not read(tmp_path, said.replace("HOST", "a.shop.example")).warnings
    for host in ("b.a.shop.example", "shop.other"):
        assert codes(tmp_path, said.replace("HOST", host)) == ["host-without-certificate"]


def test_a_certificate_without_names_serves_no_host(tmp_path: Path) -> None:
    Authority(tmp_path).issue("shop")
    assert codes(tmp_path, "{public: {tls: {certificate: {chain: shop.pem, key: shop.key}}}}") == ["certificate-unfit"]


def test_files_of_certificates_are_watched(tmp_path: Path) -> None:
    Authority(tmp_path).issue("shop", "shop.example")
    loaded = read(tmp_path, "{public: {tls: {certificate: {chain: shop.pem, key: shop.key}}}}")
    assert {tmp_path / "shop.pem", tmp_path / "shop.key"} <= set(loaded.files)


def test_responders_are_asked_in_the_place_of_lists(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("shop", "shop.example")
    tls = "certificate: {chain: shop.pem, key: shop.key}"
    ocsp = "ocsp: {responder: http://ocsp.example.com/a, timeout: 500ms, max_age: 10m}"
    clients = f"client_certificates: {{trust: authority.pem, unknown_revocation: deny, {ocsp}}}"
    loaded = read(tmp_path, f"{{public: {{tls: {{{tls}, {clients}}}}}}}")
    [listener] = loaded.compile(1, 1)["listeners"]
    assert listener["tls"] is not None
    rules = "listeners.public.tls.client_certificates"
    asked = {
        "rules": rules,
        "responder": "http://ocsp.example.com/a",
        "timeout_ms": 500,
        "max_age_ms": 600_000,
    }
    assert listener["tls"]["clients"]["ocsp"] == asked
    assert loaded.duties.ocsp_rules == {rules: listener["tls"]["clients"]}
    # Lists that are named beside them have to be there.
    revoked = authority.revoke(days=-1)
    clients = clients.replace("ocsp:", f"crl: {revoked.name}, ocsp:")
    assert not read(tmp_path, f"{{public: {{tls: {{{tls}, {clients}}}}}}}").warnings


@pytest.mark.parametrize(
    ("responder", "allow", "code"),
    [
        ("http://127.0.0.1:8888", "", "responder-not-allowed"),
        ("http://localhost:8888", "", "responder-not-allowed"),
        ("http://[::1]/", "", "responder-not-allowed"),
        ("http://[::ffff:10.0.0.1]/", "", "responder-not-allowed"),
        ("http://169.254.169.254/latest", "", "responder-not-allowed"),
        ("http://10.1.2.3", "10.0.0.0/8", None),
        ("http://127.0.0.1:8888", "127.0.0.1", None),
        ("http://ocsp.internal", "", None),
        ("http://192.0.2.1", "", "responder-not-allowed"),
        ("http://8.8.8.8", "", None),
    ],
)
def test_responders_within_the_network_are_named(tmp_path: Path, responder: str, allow: str, code: str | None) -> None:
    Authority(tmp_path).issue("shop", "shop.example")
    clients = f"client_certificates: {{trust: authority.pem, ocsp: '{responder}'}}"
    said = f"{{public: {{tls: {{certificate: {{chain: shop.pem, key: shop.key}}, {clients}}}}}}}"
    if allow:
        said += f"\noutgoing: {{allow: [{allow}]}}"
    if code is None:
        assert not read(tmp_path, said).warnings
    else:
        assert codes(tmp_path, said) == [code]


def test_a_host_of_an_api_that_no_certificate_is_for_is_warned_of(tmp_path: Path) -> None:
    Authority(tmp_path).issue("shop", "shop.example", "*.shop.example")
    said = "{public: {address: 127.0.0.1:8443, tls: {certificate: {chain: shop.pem, key: shop.key}}}PLAIN}"
    api = API.replace("{upstream", "{hosts: [HOST], upstream")
    for host in ("shop.example", "a.shop.example", "*.shop.example", "*.example"):
        assert not read(tmp_path, said.replace("PLAIN", ""), api=api.replace("HOST", f'"{host}"')).warnings
    for host in ("b.a.shop.example", "shop.other", "*.other"):
        other = api.replace("HOST", f'"{host}"')
        [warning] = read(tmp_path, said.replace("PLAIN", ""), api=other).warnings
        assert warning.code == "api-without-certificate"
        assert warning.path == "apis.shop.hosts.0"
        assert host in warning.message
        assert "`*.shop.example`, `shop.example`" in (warning.hint or "")
        # Where TLS is not spoken it is served.
        assert not read(tmp_path, said.replace("PLAIN", ", plain: {address: 127.0.0.1:8080}"), api=other).warnings


def test_files_in_another_form_are_refused_with_the_remedy(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("shop", "shop.example")
    certificate = x509.load_pem_x509_certificate(issued.chain.read_bytes())
    (tmp_path / "der.pem").write_bytes(certificate.public_bytes(serialization.Encoding.DER))
    key = serialization.load_pem_private_key(issued.key.read_bytes(), None)
    form = serialization.PrivateFormat.PKCS8
    locked = key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"secret"))
    (tmp_path / "locked.key").write_bytes(locked)
    der = key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())
    (tmp_path / "der.key").write_bytes(der)
    for chain, own, why in (
        ("shop.key", "shop.pem", "the files of `chain` and `key` may be swapped"),
        ("shop.pem", "shop.pem", "name the file with the private key"),
        ("der.pem", "shop.key", "`openssl x509 -inform DER -in CHAIN -out NEW.pem`"),
        ("shop.pem", "der.key", "`openssl pkey -inform DER -in KEY -out NEW.key`"),
        ("shop.pem", "locked.key", "`openssl pkey -in KEY -out NEW.key` writes it without one"),
    ):
        with pytest.raises(ConfigErrors) as refused:
            read(tmp_path, f"{{public: {{tls: {{certificate: {{chain: {chain}, key: {own}}}}}}}}}")
        assert why in refused.value.errors[0].message
        if (chain, own) in {("shop.pem", "shop.pem"), ("der.pem", "shop.key")}:
            continue
        # What an import of the same files says.
        with pytest.raises(ValueError, match=r"openssl|swapped"):
            check_pair(read_chain((tmp_path / chain).read_bytes()), read_key((tmp_path / own).read_bytes()))


def test_what_cannot_be_used_is_named_by_its_file(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("shop", "shop.example")
    authority.revoke()
    (tmp_path / "empty.pem").write_text("", encoding="utf-8")
    said = (
        "{public: {tls: {certificate: {chain: CHAIN, key: shop.key}, client_certificates: {trust: TRUST, crl: CRL}}}}"
    )
    for changed, why in (
        ({"CHAIN": "empty.pem"}, "`empty.pem` and `shop.key`: the chain holds no certificate"),
        ({"TRUST": "empty.pem"}, "`empty.pem`: `trust` holds no certificate"),
        ({"CRL": "empty.pem"}, "`empty.pem`: `crl` holds no revocation list in PEM"),
    ):
        words = said
        for place, file in ({"CHAIN": "shop.pem", "TRUST": "authority.pem", "CRL": "revoked.crl"} | changed).items():
            words = words.replace(place, file)
        with pytest.raises(ConfigErrors) as refused:
            read(tmp_path, words)
        assert [problem.message for problem in refused.value.errors] == [why]
