"""A gate in a process of its own, in a state folder of its own."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gateway.harness.bundles import Signer, now_ms
from gateway.harness.wire import Client
from lockgate import _native
from lockgate.config.bundle_types import Bundle
from support.exposition import labels_told
from support.waiting import until

HOST = Path(__file__).with_name("host.py")
STOP_SECONDS = 15.0


class Refused(Exception):  # noqa: N818 -- It is no error of the test; tests expect it.
    """The gate refused what it was told."""

    def __init__(self, code: str, why: str, path: str | None) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code
        self.path = path


class Gate:
    """A running gate; `with` ends it."""

    def __init__(
        self,
        folder: Path,
        *,
        signer: Signer | None = None,
        workers: int = 1,
        descriptors: int = 0,
        env: dict[str, str] | None = None,
    ) -> None:
        self.state = folder
        self.signer = signer or Signer()
        self.pepper = b"pepper of a test's gate"
        self._order = threading.Lock()
        self._sequence = 0
        self._clients: list[Client] = []
        self._stderr = (folder.parent / f"{folder.name}.stderr").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, str(HOST)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=env,
            text=True,
        )
        settings = {
            "state_dir": str(folder),
            "pepper": self.pepper.hex(),
            "public_key": self.signer.public.hex(),
            "workers": workers,
            "descriptors": descriptors,
        }
        self._exchange(settings)

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def load(self, bundle: Bundle) -> dict[str, Any]:
        """Serves by the bundle, given the next number unless it has a greater one."""
        self._sequence = max(self._sequence + 1, bundle["sequence"])
        bundle["sequence"] = self._sequence
        return self.load_signed(self.signer.sign(bundle))

    def load_signed(self, signed: bytes) -> dict[str, Any]:
        """Hands over these very bytes."""
        return dict(self.tell("load", signed=base64.b64encode(signed).decode()))

    def facts(self, *facts: dict[str, Any]) -> int:
        """Applies facts."""
        coded = [base64.b64encode(json.dumps(fact).encode()).decode() for fact in facts]
        return int(self.tell("facts", facts=coded))

    def put_certificates(self, *certificates: dict[str, str], challenges: Sequence[dict[str, Any]] = ()) -> None:
        """Hands over what the control process looks after."""
        text = json.dumps({"certificates": certificates, "challenges": challenges})
        self.tell("certificates", text=text)

    def key(self, seq: int, name: str = "key_1", **more: Any) -> str:
        """Makes a key, lets the gate know it, and gives its text."""
        text, digest = _native.mint_key(self.pepper)
        self.facts(key_put(seq, name, digest, **more))
        return text

    def tell(self, order: str, **more: Any) -> Any:
        """Gives an order to the process."""
        return self._exchange({"do": order, **more})

    def port(self, name: str = "public") -> int:
        """Where a listener listens."""
        return int(self.tell("addresses")[name].rpartition(":")[2])

    def client(self, name: str = "public", *, source: str = "127.0.0.1", receive: int = 0) -> Client:
        """A new connection to a listener; it is closed with the gate."""
        client = Client(self.port(name), source=source, receive=receive)
        self._clients.append(client)
        return client

    def count(self, metric: str, **labels: str) -> int:
        """A number of the gate's, summed over the lines that have these labels."""
        found = 0
        text = str(self.tell("metrics"))
        labels_told(text)
        for line in text.splitlines():
            name, _, value = line.rpartition(" ")
            told = dict(re.findall(r'(\w+)="([^"]*)"', name))
            if name.partition("{")[0] == metric and labels.items() <= told.items():
                found += int(value)
        return found

    def refusals(self, reason: str) -> int:
        """How often it gave this reason."""
        return self.count("lockgate_refusals_total", reason=reason)

    def refused(self, reason: str, times: int = 1) -> None:
        """It has given this reason so often, or does so soon: a request is counted once its answer is sent."""
        until(lambda: self.refusals(reason) >= times, f"{reason} to be counted")
        assert self.refusals(reason) == times

    @property
    def events(self) -> Path:
        """Its events' folder."""
        return self.state / "gate" / "events"

    def event(self, request_id: str) -> dict[str, Any]:
        """The event of a request, once it is there."""
        return until(lambda: _native.find_event(self.events, request_id), f"the event of {request_id}")

    def written(self, at_least: int = 1, /, **wanted: Any) -> list[dict[str, Any]]:
        """Events with these fields, once there are so many."""

        def found() -> list[dict[str, Any]] | None:
            events = self.now_written(**wanted)
            return events if len(events) >= at_least else None

        return until(found, f"{at_least} events with {wanted}")

    def now_written(self, **wanted: Any) -> list[dict[str, Any]]:
        """Events with these fields, as of now."""
        events, _ = _native.last_events(self.events, 10_000)
        return [event for event in events if wanted.items() <= event.items()]

    def memory(self, what: str = "VmRSS") -> int:
        """Bytes of memory that the process holds (VmRSS) or held at most (VmHWM)."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        found = re.search(rf"^{what}:\s+(\d+) kB$", status, re.MULTILINE)
        if found is None:
            raise AssertionError(f"no {what} in the process's status")
        return int(found[1]) * 1024

    def forget_peak(self) -> None:
        """Lets VmHWM begin anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")

    def descriptors(self) -> int:
        """How many descriptors it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def kill(self) -> None:
        """Ends it as the kernel does when memory runs out."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self) -> None:
        """Ends it; a gate that does not is killed, and that is an error."""
        for client in self._clients:
            client.close()
        for end in (self.process.stdin, self.process.stdout):
            if end is not None:
                end.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._stderr.close()

    def _exchange(self, order: dict[str, Any]) -> Any:
        to, back = self.process.stdin, self.process.stdout
        if to is None or back is None:
            raise AssertionError("the process has no pipes")
        with self._order:
            try:
                to.write(json.dumps(order) + "\n")
                to.flush()
                line = back.readline()
            except BrokenPipeError:
                line = ""
        if not line:
            said = Path(self._stderr.name).read_text(encoding="utf-8", errors="replace")
            raise AssertionError(f"the gate's process ended with {self.process.poll()}:\n{said}")
        told = json.loads(line)
        if "refused" in told:
            raise Refused(told["refused"], told["why"], told.get("path"))
        return told["done"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def key_put(
    seq: int,
    name: str,
    digest: str,
    *,
    owner: str = "tests",
    apis: Sequence[str] | None = None,
    expires_ms: int | None = None,
    **rules: Any,
) -> dict[str, Any]:
    """The fact that a key was made; `rules` as the fact says them."""
    key = {
        "id": name,
        "digest": digest,
        "name": name,
        "owner": owner,
        "environment": "live",
        "apis": None if apis is None else list(apis),
        "expires_ms": expires_ms,
        **rules,
    }
    return {"seq": seq, "at_ms": now_ms(), "kind": "key.put", "key": key}


def key_revoke(seq: int, name: str) -> dict[str, Any]:
    """The fact that a key was revoked."""
    return {"seq": seq, "at_ms": now_ms(), "kind": "key.revoke", "id": name}
