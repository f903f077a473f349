"""What the cases are run against: a proxy that runs the rules, and tells which logged for which connection."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from conformance.crs.backend import Backend
from conformance.crs.client import Exchange, exchange
from conformance.crs.ftw import Case
from conformance.crs.judge import Result
from conformance.crs.request import built
from support.ports import free_port, listens
from support.processes import Process
from support.waiting import until

AT_ONCE = 4
"""Cases that are under way at the same time."""
START_SECONDS = 60.0

ENGINE = """\
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecRequestBodyLimit 13107200
SecRequestBodyLimitAction Reject
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html text/xml application/json
SecResponseBodyLimit 524288
SecResponseBodyLimitAction ProcessPartial
SecAuditEngine Off
"""
"""What the gate is told by its own configuration."""

RULES = """\
SecDefaultAction "phase:3,log,auditlog,pass"
SecDefaultAction "phase:4,log,auditlog,pass"
SecDefaultAction "phase:5,log,auditlog,pass"
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\\+|/)|text/)xml" \
 "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/json" \
 "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_HEADERS:Content-Type "^application/[a-z0-9.-]+[+]json" \
 "id:200006,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQBODY_ERROR "!@eq 0" \
 "id:200002,phase:2,t:none,log,deny,status:400,msg:'Body not parsed: %{reqbody_error_msg}'"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" "id:200003,phase:2,t:none,log,deny,status:400,msg:'Multipart body not strict'"
SecAction "id:900005,phase:1,nolog,pass,ctl:ruleEngine=DetectionOnly,\
setvar:tx.blocking_paranoia_level=4,setvar:tx.detection_paranoia_level=4,\
setvar:tx.crs_validate_utf8_encoding=1,setvar:tx.arg_name_length=100,setvar:tx.arg_length=400,\
setvar:tx.total_arg_length=64000,setvar:tx.max_num_args=255,setvar:tx.max_file_size=64100,\
setvar:tx.combined_file_sizes=65535"
"""

SETTINGS = ENGINE + RULES
"""What the suite wants: all levels, limits small enough to be reached, and nothing refused, so that all rules run."""


def directives(module: Path, folder: Path) -> Path:
    """A file of directives in a folder that takes in the rules of a module's folder.

    The module's rules have no blank lines. ModSecurity 3.0.9 wants one behind a rule without actions, so there is one
    between any two directives, as in the project's own releases.
    """
    copies = folder / "crs"
    copies.mkdir()
    rules = module / "rules"
    for source in [*(rules / "@owasp_crs").iterdir(), rules / "@crs-setup.conf.example"]:
        content = source.read_bytes()
        if source.suffix in (".conf", ".example"):
            content = re.sub(rb"(?<!\\)\n(?=[ \t]*Sec[A-Z])", b"\n\n", content)
        (copies / source.name.removeprefix("@")).write_bytes(content)
    found = folder / "rules.conf"
    found.write_text(f"{SETTINGS}\nInclude {copies}/crs-setup.conf.example\nInclude {copies}/*.conf\n")
    return found


@dataclass
class Logged:
    """What a connection led to."""

    ids: set[int] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)


class Subject(Protocol):
    """A proxy, started in front of a backend."""

    @property
    def port(self) -> int:
        """Where it listens."""

    def stop(self) -> None:
        """Ends it, with all that it has to say written."""

    def logged(self) -> Mapping[int, Sequence[Logged]]:
        """By the client's port the connections from it, in their order."""


@dataclass
class Nginx:
    """nginx with ModSecurity; the error log names the connection, the access log its port."""

    process: Process
    port: int
    folder: Path

    def stop(self) -> None:
        """Lets it finish what is under way."""
        self.process.child.terminate()
        self.process.child.wait(timeout=30)

    def logged(self) -> Mapping[int, Sequence[Logged]]:
        """Reads both logs."""
        by_connection: dict[int, Logged] = defaultdict(Logged)
        for line in (self.folder / "error.log").read_text(encoding="utf-8", errors="replace").splitlines():
            found = re.search(r"\*(\d+) .*ModSecurity: ", line)
            if found is None:
                continue
            logged = by_connection[int(found[1])]
            logged.lines.append(line)
            logged.ids.update(int(one) for one in re.findall(r'\[id "(\d+)"\]', line))
        ports: dict[int, dict[int, Logged]] = defaultdict(dict)
        for line in (self.folder / "access.log").read_text(encoding="ascii").splitlines():
            port, connection = line.split()
            ports[int(port)][int(connection)] = by_connection[int(connection)]
        return {port: [connections[number] for number in sorted(connections)] for port, connections in ports.items()}


NGINX = """\
load_module {modules}/ngx_http_modsecurity_module.so;
daemon off;
master_process off;
error_log {folder}/error.log info;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    log_format ports '$remote_port $connection';
    access_log {folder}/access.log ports;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 20m;
    large_client_header_buffers 8 32k;
    underscores_in_headers on;
    ignore_invalid_headers off;
    server {{
        listen 127.0.0.1:{port} backlog=512;
        modsecurity on;
        modsecurity_rules_file {folder}/rules.conf;
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""


def nginx(libraries: Path, module: Path, folder: Path, backend: int) -> Nginx:
    """Starts nginx with ModSecurity.

    Args:
        libraries: Where Debian's packages are unpacked, with `usr` in it.
        module: The rules' folder.
        folder: For its files.
        backend: The backend's port.
    """
    port = free_port()
    directives(module, folder)
    modules = libraries / "usr/lib/nginx/modules"
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(modules=modules, folder=folder, port=port, backend=backend))
    library_path = f"{libraries}/usr/lib/x86_64-linux-gnu"
    process = Process(
        ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)],
        log=folder / "output.log",
        cwd=folder,
        env={"LD_LIBRARY_PATH": library_path, "PATH": os.environ["PATH"] + ":/usr/sbin"},
    )
    serving(process, port)
    return Nginx(process, port, folder)


@dataclass
class Coraza:
    """Our small proxy of Coraza."""

    process: Process
    port: int
    folder: Path

    def stop(self) -> None:
        """Lets it finish what is under way, and write its log."""
        self.process.child.terminate()
        self.process.child.wait(timeout=30)

    def logged(self) -> Mapping[int, Sequence[Logged]]:
        """Reads the log."""
        connections: dict[int, Logged] = {}
        ports: dict[int, list[int]] = defaultdict(list)
        for line in (self.folder / "matches.jsonl").read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            logged = connections.setdefault(entry["connection"], Logged())
            if "port" in entry:
                ports[entry["port"]].append(entry["connection"])
            else:
                logged.ids.add(entry["rule"])
                logged.lines.append(entry["line"])
        return {port: [connections[number] for number in sorted(numbers)] for port, numbers in ports.items()}


def coraza(program: Path, module: Path, folder: Path, backend: int) -> Coraza:
    """Starts the proxy of Coraza; the arguments are as for nginx."""
    port = free_port()
    rules = directives(module, folder)
    process = Process(
        [
            str(program),
            *("-listen", f"127.0.0.1:{port}", "-origin", f"127.0.0.1:{backend}"),
            *("-rules", str(rules), "-log", str(folder / "matches.jsonl")),
        ],
        log=folder / "output.log",
        cwd=folder,
        env={},
    )
    serving(process, port)
    return Coraza(process, port, folder)


def serving(process: Process, port: int) -> None:
    """Waits until something listens; what it said, if it ended before."""

    def ready() -> bool:
        if process.child.poll() is not None:
            raise AssertionError(f"{process.command[0]} has ended: {process.output[-2000:]}")
        return listens(port)

    until(ready, f"{process.command[0]} on port {port}", within=START_SECONDS)


def exchanges(port: int, backend: Backend, case: Case) -> list[Exchange]:
    """All requests of a case, one after the other."""
    found = []
    for stage in case.stages:
        for uri in stage.input.uris or (None,):
            if stage.input.response is not None:
                target = uri or stage.input.uri or "/"
                backend.configured[stage.input.method or "GET", target] = stage.input.response
            found.append(exchange(port, built(stage.input, uri)))
    return found


def results(subject: Subject, backend: Backend, cases: Iterable[Case]) -> dict[str, list[Result]]:
    """Runs cases against a subject, ends it, and reads its log.

    Which lines belong to which request is told by the client's port. A port that was used twice has its connections in
    order, for the second one was opened when the first one was closed.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(lambda case: (case, exchanges(subject.port, backend, case)), cases))
    subject.stop()
    logged = {port: list(each) for port, each in subject.logged().items()}
    found: dict[str, list[Result]] = {}
    for case, all_exchanges in done:
        found[case.id] = [result(each, logged) for each in all_exchanges]
    return found


def result(found: Exchange, logged: dict[int, list[Logged]]) -> Result:
    """An exchange, together with what was logged for it."""
    lines = logged.get(found.port)
    own = lines.pop(0) if lines else Logged()
    return Result(found.status, frozenset(own.ids), "\n".join(own.lines), found.error, found.whole)


def program(command: Sequence[str]) -> str:
    """What a program prints in one line."""
    return subprocess.run(list(command), capture_output=True, text=True, check=True).stdout.strip()
