"""`load`: a configuration read, checked and ready to compile, or every error of it."""

from __future__ import annotations

import datetime as dt
import functools
import gc
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from lockgate.config import geo, grants, secrets, tls
from lockgate.config.apps import check_apps, setup
from lockgate.config.cedar import CedarFiles, check_claims, check_permissions
from lockgate.config.check import check
from lockgate.config.check_authorize import check_authorize
from lockgate.config.check_device import check_device
from lockgate.config.check_fields import check_fields
from lockgate.config.check_known import check_known
from lockgate.config.check_proofs import check_proofs
from lockgate.config.check_risk import check_risk
from lockgate.config.check_step_up import check_step_up
from lockgate.config.compile import Compiler
from lockgate.config.document import START, Document
from lockgate.config.duties import Duties
from lockgate.config.effective import EffectiveApi, effective_apis
from lockgate.config.fence import Fence, OutsideError
from lockgate.config.findings import Finding, findings
from lockgate.config.issuers import AskedIssuer, KeyOrigin, asked, origins, outgoing, read_files
from lockgate.config.lists import ListFiles
from lockgate.config.managed import Managed
from lockgate.config.native import cross_check, rule_warnings
from lockgate.config.openapi import Documents
from lockgate.config.people import people
from lockgate.config.plugins import LoadedPlugins, load_plugins
from lockgate.config.problems import Problem, Problems, Source
from lockgate.config.read import Reader
from lockgate.config.relations import RelationFiles
from lockgate.config.rule_sets import RuleSets
from lockgate.config.sign_in import setups
from lockgate.config.upstream_tokens import token_setups
from lockgate.errors import ConfigErrors
from lockgate.outgoing import Rules

A = ParamSpec("A")
R = TypeVar("R")


def _unpaused(function: Callable[A, R]) -> Callable[A, R]:
    """Run without the cyclic collector: it would walk a growing tree, none of it garbage, again and again.

    Measured on 10,000 APIs: composing takes 0.4 s without it and 1.5 s with it.
    """

    @functools.wraps(function)
    def run(*args: A.args, **kwargs: A.kwargs) -> R:
        was = gc.isenabled()
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            if was:
                gc.enable()

    return run


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration without errors."""

    document: Document
    apis: list[EffectiveApi]
    files: list[Path]
    """Every file whose change may change the configuration: to be watched."""
    patterns: list[str]
    """Patterns of includes and of files of rules, absolute: a new file that matches one changes it too."""
    lists: ListFiles
    documents: Documents
    """OpenAPI documents that APIs are held to."""
    plugins: LoadedPlugins | None = None
    """What loading its plugins told, where it has any."""
    managed: Managed = field(default_factory=Managed)
    """Certificates that the control process looks after."""
    rule_sets: RuleSets | None = None
    """Rules in SecLang that policies name."""
    cedar: CedarFiles | None = None
    """Files of policies in Cedar."""
    relations: RelationFiles | None = None
    """Relations that rules of `objects` look up."""
    looked_at: list[Path] = field(default_factory=list)
    """Programs and the like, which are not read: to be watched, too."""

    _bundle: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Made once: it is asked for to be checked, and again to be signed."""

    @property
    def warnings(self) -> list[Problem]:
        """What does not stop the load."""
        return self.document.problems.warnings

    @property
    def sources(self) -> list[Source]:
        """The files, in reading order: what a span's `file` counts into."""
        return self.document.problems.sources

    @property
    def admin_address(self) -> str:
        """Where the admin API listens."""
        return self.document.admin.address

    @property
    def outgoing(self) -> Rules:
        """What our own calls may reach."""
        return outgoing(self.document, self.lists.references)

    @property
    def key_origins(self) -> list[KeyOrigin]:
        """Where the keys of each issuer are, but for those with a shared secret."""
        return list(origins(self.document, self.lists.references))

    @property
    def asked_issuers(self) -> list[AskedIssuer]:
        """How issuers are asked about tokens."""
        return list(asked(self.document, self.lists.references))

    @property
    def duties(self) -> Duties:
        """What the control process does for gates while this serves."""
        references, keys = self.lists.references, self.document.api_keys
        return Duties(
            apps=setup(self.document),
            outgoing=self.outgoing,
            key_origins=tuple(self.key_origins),
            ocsp_rules=tls.Files(self.document, references).asking(),
            sign_ins=tuple(setups(self.document, references)),
            grants=tuple(grants.setups(self.document)),
            upstream_tokens=tuple(token_setups(self.document, references)),
            asked_issuers=tuple(self.asked_issuers),
            people=tuple(people(self.document, references, self.apis)),
            key_lifetime_ms=keys.default_lifetime or keys.max_lifetime,
            key_lifetime_max_ms=keys.max_lifetime,
        )

    @property
    def certificate_files(self) -> list[tuple[str, Path]]:
        """Listeners and the files of their certificates, with the chains in them."""
        return [(name, chain) for name, chain, _ in self.certificate_pairs]

    @property
    def certificate_pairs(self) -> list[tuple[str, Path, Path]]:
        """The same, each with the file of its key."""
        files = tls.Files(self.document, self.lists.references)
        return [
            (
                name,
                Path(files.absolute(("listeners", name, "tls", "certificate"), each.chain)),
                Path(files.absolute(("listeners", name, "tls", "certificate"), each.key)),
            )
            for name, listener in self.document.listeners.items()
            for each in (listener.tls.certificate if listener.tls is not None else ())
        ]

    @_unpaused
    def compile(self, sequence: int, created_ms: int) -> dict[str, Any]:
        """The bundle, as `bundle.rs` declares it. Its parts are those of every other that is made of this."""
        if not self._bundle:
            compiler = Compiler(
                self.document,
                self.apis,
                self.lists.read,
                self.documents,
                self.lists.references,
                self.plugins,
                self.managed,
                self.rule_sets,
                self.cedar,
                self.relations,
            )
            self._bundle.update(compiler.bundle(sequence, created_ms))
        return {**self._bundle, "sequence": sequence, "created_ms": created_ms}

    def findings(self, now: dt.datetime | None = None) -> list[Finding]:
        """Rows of the table of waivers and findings, at `now`."""
        return findings(self.document, self.apis, now or dt.datetime.now(dt.UTC))


@_unpaused
def load(
    path: Path | str,
    *,
    environment: Mapping[str, str] | None = None,
    native: bool = True,
    instead: Mapping[Path, bytes | None] | None = None,
    fence: Fence | None = None,
    core: Path | None = None,
) -> Loaded:
    """Read and check a configuration.

    Raises `ConfigErrors` with every error at once. `native=False` leaves out
    what only the core knows (which routes exclude each other), and imports no
    plugins, so that nothing comes of compiling where there are some. `instead` holds
    contents to be read in the place of what is on disk, by absolute path.
    `core` is where the Core Rule Set is, in the place of the one that is installed.
    What is behind the `fence` is not read: it raises `OutsideError`.
    """
    reader = Reader.read(Path(path), os.environ if environment is None else environment, instead, fence)
    problems = reader.problems
    try:
        loaded = _checked(reader, native=native, core=core)
    except OutsideError:
        raise
    except Exception as error:  # noqa: BLE001 -- Whatever breaks here is told of as any error is.
        problems.sources = problems.sources or [Source(Path(path), str(path))]
        internal(problems, error)
        loaded = None
    if loaded is None or problems.errors:
        raise ConfigErrors(
            problems.errors,
            problems.warnings,
            files=reader.watched,
            patterns=[*reader.patterns, *reader.references.patterns],
            looked_at=reader.references.looked_at,
        )
    return loaded


def internal(problems: Problems, error: Exception) -> None:
    """Note a fault of Lockgate's own, without a traceback."""
    problems.add(
        START,
        "internal",
        f"Lockgate itself failed while checking: {type(error).__name__}: {' '.join(str(error).split())[:300]}",
        hint="the file may be right: please report this line, and the file without its secrets, as an issue",
    )


def _checked(reader: Reader, *, native: bool, core: Path | None) -> Loaded:
    document = Document.read(reader.sections, reader.problems)
    lists = ListFiles(reader.problems, reader.references)
    lists.resolve(document)
    documents = Documents.of(reader.problems, reader.references)
    documents.resolve(document)
    apis = effective_apis(document)
    read_files(document, reader.references)
    managed = tls.check(document, reader.references)
    check(document, apis, lists.read, reader.references)
    relations = RelationFiles(reader.problems, reader.references)
    relations.resolve(document)
    check_device(document, apis)
    check_authorize(document, apis, documents)
    check_known(document, apis)
    check_apps(document, apis, documents)
    grants.check(document)
    check_fields(document, apis, documents)
    check_step_up(document, apis, documents)
    check_risk(document, apis)
    check_proofs(document, apis)
    secrets.check(document, reader.references)
    geo.check(document, reader.references)
    rule_sets = RuleSets(reader.problems, reader.references, core)
    rule_sets.resolve(document, apis)
    check_claims(document, apis)
    cedar = CedarFiles(reader.problems, reader.references)
    cedar.resolve(document, apis, documents)
    check_permissions(document, apis, cedar)
    plugins = load_plugins(document, apis) if native and reader.problems.leave_a_whole else None
    if plugins is not None:
        reader.references.files.extend(plugins.files)
    loaded = Loaded(
        document,
        apis,
        reader.watched,
        [*reader.patterns, *reader.references.patterns],
        lists,
        documents,
        plugins,
        managed,
        rule_sets,
        cedar,
        relations,
        reader.references.looked_at,
    )
    if native and reader.problems.leave_a_whole:
        bundle = loaded.compile(0, 0)
        cross_check(bundle, document)
        if not reader.problems.errors:
            rule_warnings(bundle, document)
    return loaded
