"""ClamAV's `clamd`, with one signature of the tests' own, and one that does what no `clamd` should."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from gateway.harness.servers import program
from support.ports import free_port
from support.waiting import until

MARK: Final = b"lockgate-test-mark:abcdefghijklmnop"
"""What the tests' signature looks for; no harm in it, and nothing else has it."""
NAME: Final = "Lockgate.Test.Mark"
STARTS_WITHIN: Final = 60.0
STOP_SECONDS: Final = 15.0
MOST: Final = 2**20
"""What `StreamMaxLength` says here."""


@dataclass(frozen=True)
class Clamd:
    """A running `clamd`."""

    socket: str
    """`unix:` and its path."""
    address: str


@contextmanager
def clamd(folder: Path) -> Iterator[Clamd]:
    """One that knows nothing but the tests' signature."""
    folder.mkdir()
    database = folder / "database"
    database.mkdir()
    (database / "own.ndb").write_text(f"{NAME}:0:*:{MARK.hex()}\n", encoding="ascii")
    path, port = folder / "clamd.sock", free_port()
    config = folder / "clamd.conf"
    config.write_text(
        f"Foreground yes\nDatabaseDirectory {database}\nTemporaryDirectory {folder}\nLocalSocket {path}\n"
        f"TCPSocket {port}\nTCPAddr 127.0.0.1\nStreamMaxLength {MOST}\nMaxThreads 4\n",
        encoding="utf-8",
    )
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [program("clamd"), "--config-file", str(config)], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            answers = lambda: _answers(path) or process.poll() is not None  # noqa: E731
            until(answers, "clamd to answer", within=STARTS_WITHIN)
            if process.poll() is not None:
                raise AssertionError((folder / "output").read_text(encoding="utf-8"))
            yield Clamd(f"unix:{path}", f"127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(STOP_SECONDS)
        try:
            asking.connect(str(path))
            asking.sendall(b"zPING\0")
            return asking.recv(16) == b"PONG\0"
        except OSError:
            return False


Talk = Callable[[socket.socket, "Fake"], None]


@dataclass
class Fake:
    """Listens as `clamd` does, and has each connection talked with by `talk`, in a thread of its own."""

    talk: Talk
    path: Path | None = None
    """Where it listens, if at no port."""
    files: list[bytes] = field(default_factory=list)
    """What came whole."""
    begun: int = 0
    """Connections on which something came."""
    at_once: int = 0
    """Most files at a time that wait to be told of."""
    waiting: int = 0
    over: int = 0
    """Those that have ended."""
    go_on: threading.Event = field(default_factory=threading.Event)
    """What talks may wait for."""

    def __post_init__(self) -> None:
        if self.path is None:
            self._listening = socket.create_server(("127.0.0.1", 0))
        else:
            self._listening = socket.create_server(str(self.path), family=socket.AF_UNIX)
        self.lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="fake clamd", daemon=True)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._listening.getsockname()[1]}" if self.path is None else f"unix:{self.path}"

    def _run(self) -> None:
        while True:
            try:
                talking, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(talking,), daemon=True).start()

    def _one(self, talking: socket.socket) -> None:
        first = talking.recv(1, socket.MSG_PEEK)
        if first and talking.recv(6, socket.MSG_PEEK | socket.MSG_WAITALL) == b"zPING\0":
            talking.sendall(b"PONG\0")
            talking.close()
            return
        with self.lock:
            self.begun += 1
        try:
            with talking, contextlib.suppress(OSError):
                self.talk(talking, self)
        finally:
            with self.lock:
                self.over += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


def taken(talking: socket.socket) -> bytes:
    """A file, as the protocol has it."""
    whole = bytearray()
    with talking.makefile("rb") as reading:
        if (command := reading.read(10)) != b"zINSTREAM\0":
            raise AssertionError(command)
        while length := int.from_bytes(reading.read(4)):
            whole += reading.read(length)
    return bytes(whole)


def says(answer: bytes) -> Talk:
    """Takes the file, and says that."""

    def talk(talking: socket.socket, fake: Fake) -> None:
        fake.files.append(taken(talking))
        talking.sendall(answer)

    return talk


def says_at_once(answer: bytes) -> Talk:
    """Says that before it has read the file, and reads none of it."""

    def talk(talking: socket.socket, fake: Fake) -> None:
        talking.recv(10)
        talking.sendall(answer)
        fake.go_on.wait(STOP_SECONDS)

    return talk


def says_and_goes(answer: bytes) -> Talk:
    """Says that and closes, with the file unread."""

    def talk(talking: socket.socket, fake: Fake) -> None:
        talking.recv(10)
        talking.sendall(answer)

    return talk


def hangs(talking: socket.socket, fake: Fake) -> None:
    """Takes the file, and says nothing until the other end goes."""
    fake.files.append(taken(talking))
    talking.recv(1)


def waits(talking: socket.socket, fake: Fake) -> None:
    """Takes the file, and finds nothing once it may."""
    file = taken(talking)
    with fake.lock:
        fake.files.append(file)
        fake.waiting += 1
        fake.at_once = max(fake.at_once, fake.waiting)
    fake.go_on.wait(STOP_SECONDS)
    with fake.lock:
        fake.waiting -= 1
    talking.sendall(b"stream: OK\0")
