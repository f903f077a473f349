"""What the host asks of the native gate; `lockgate._native.Gate` is it."""

from typing import Any, Protocol


class GateCore(Protocol):
    """The native gate, as its host uses it."""

    def load(self, signed: bytes) -> dict[str, Any]:
        """Serve this bundle; refused as a whole where anything is wrong with it."""

    def apply_facts(self, facts: list[bytes]) -> int:
        """Take facts; the last one's number."""

    def facts_seq(self) -> int:
        """The last fact's number."""

    def bundle_info(self) -> dict[str, Any] | None:
        """Sequence and hash of what is served."""

    def contact(self) -> None:
        """Facts are complete as of now."""

    def addresses(self) -> dict[str, str]:
        """Each listener's name and where it really listens."""

    def stats(self) -> dict[str, Any]:
        """Numbers for people."""

    def metrics(self) -> str:
        """Numbers for Prometheus."""

    def alive(self) -> bool:
        """Whether every worker thread is."""

    def drain(self, timeout_s: float) -> bool:
        """Take no more, finish what was begun; whether all was finished in time."""
