"""OpenLDAP's `slapd`, with a few people of the tests' own."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.certificates import Authority
from support.ports import free_port
from support.waiting import until

BASE: Final = "dc=example,dc=com"
READER: Final = f"cn=lockgate,{BASE}"
SECRET: Final = "reads & searches"
PEOPLE: Final = f"ou=people,{BASE}"
STARTS_WITHIN: Final = 60.0
STOP_SECONDS: Final = 15.0
SLAPD: Final = shutil.which("slapd") or next((p for p in ("/usr/sbin/slapd",) if Path(p).exists()), None)
SCHEMA: Final = Path("/etc/ldap/schema")

# Mallory's name would find everybody in a filter that is not escaped; two have one mailbox; one points elsewhere.
ENTRIES: Final = f"""\
dn: {BASE}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: ou=elsewhere,{BASE}
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://127.0.0.1:1/ou=elsewhere,{BASE}

dn: uid=ann,{PEOPLE}
objectClass: inetOrgPerson
objectClass: extensibleObject
uid: ann
cn: Ann Example
sn: Example
mail: ann@example.com
userPassword: seven green chairs
employeeType: cn=staff,ou=groups,{BASE}
employeeType: cn=admins,ou=groups,{BASE}

dn: uid=bob,{PEOPLE}
objectClass: inetOrgPerson
uid: bob
cn: Bob (the second)
sn: Example
mail: shared@example.com
userPassword: eight brown tables

dn: uid=cid,{PEOPLE}
objectClass: inetOrgPerson
uid: cid
cn: Cid
sn: Example
mail: shared@example.com
userPassword: nine white lamps

dn: uid=dan,{PEOPLE}
objectClass: inetOrgPerson
uid: dan
cn: Dan
sn: Example
"""


@dataclass(frozen=True)
class Slapd:
    """A running `slapd`."""

    port: int
    tls_port: int
    trust: Path

    @property
    def plain(self) -> str:
        """Its address on this machine."""
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def secure(self) -> str:
        """Its address with TLS."""
        return f"ldaps://localhost:{self.tls_port}"


@contextmanager
def slapd(folder: Path, authority: Authority) -> Iterator[Slapd]:
    """One with those people."""
    if SLAPD is None:
        raise RuntimeError("there is no slapd: scripts/system-packages.sh installs it")
    folder.mkdir()
    (folder / "data").mkdir()
    own = authority.issue("slapd", "localhost")
    config = folder / "slapd.conf"
    schemas = "".join(f"include {SCHEMA / name}.schema\n" for name in ("core", "cosine", "inetorgperson"))
    config.write_text(
        f"{schemas}modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {folder}/pid\n"
        f"TLSCACertificateFile {authority.pem}\nTLSCertificateFile {own.chain}\nTLSCertificateKeyFile {own.key}\n"
        # As many a directory is set up: a bind without a password is taken for nobody's, and is no failure.
        "allow bind_anon_dn\n"
        f'database mdb\nmaxsize 10485760\nsuffix "{BASE}"\nrootdn "{READER}"\nrootpw "{SECRET}"\n'
        f"directory {folder}/data\n"
        "access to attrs=userPassword by anonymous auth by * none\naccess to * by users read by * none\n",
        encoding="utf-8",
    )
    (folder / "entries.ldif").write_text(ENTRIES, encoding="utf-8")
    subprocess.run(
        [SLAPD, "-T", "add", "-f", str(config), "-l", str(folder / "entries.ldif")], check=True, capture_output=True
    )
    port, tls_port = free_port(), free_port()
    listens = f"ldap://127.0.0.1:{port}/ ldaps://127.0.0.1:{tls_port}/"
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [SLAPD, "-f", str(config), "-h", listens, "-d", "0"], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            until(lambda: _answers(port) or process.poll() is not None, "slapd to answer", within=STARTS_WITHIN)
            if process.poll() is not None:
                raise AssertionError((folder / "output").read_text(encoding="utf-8"))
            yield Slapd(port, tls_port, authority.pem)
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def _answers(port: int) -> bool:
    """Whether it listens; who asks then waits for it. The library for LDAP would leave a socket open each time."""
    try:
        socket.create_connection(("127.0.0.1", port), STARTS_WITHIN).close()
    except OSError:
        return False
    return True
