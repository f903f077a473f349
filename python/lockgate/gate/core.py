"""What the host asks of the native gate; `lockgate._native.Gate` is it."""

from typing import Any, Protocol

Sockets = tuple[str, str, list[int]]
"""A listener's address, the one that it really has, and its descriptors."""


class LinkedGate(Protocol):
    """The native gate, as the link to the control process uses it."""

    def load(self, signed: bytes) -> dict[str, Any]:
        """Serve this bundle; refused as a whole where anything is wrong with it."""

    def apply_facts(self, facts: list[bytes]) -> int:
        """Take facts; the last one's number."""

    def put_certificates(self, text: bytes) -> None:
        """Take certificates and challenges in the place of those before; they are at work when this returns."""

    def facts_seq(self) -> int:
        """The last fact's number."""

    def bundle_info(self) -> dict[str, Any] | None:
        """Sequence and hash of what is served."""

    def key_uses(self, most: int) -> list[tuple[str, int, bool]]:
        """Up to so many uses of API keys that were not told before: id, hour, whether by the secret before."""

    def wishes(self) -> list[str]:
        """Issuers whose keys are wanted anew, each told once."""

    def wishes_fd(self) -> int:
        """What can be read while there are wishes."""

    def refetched(self, issuer: str) -> None:
        """An issuer's keys were looked for, whatever was found."""

    def questions(self) -> list[tuple[str, str, list[bytes]]]:
        """Clients' certificates that responders are to be asked about, each told once.

        By what the answer goes, which rules for clients hold, and what the client showed, DER.
        """

    def questions_fd(self) -> int:
        """What can be read while there are questions."""

    def answered(self, question: str, standing: str, again_ms: int, holds_ms: int) -> bool:
        """What came of a question; whether it could be understood."""

    def introspections(self) -> list[tuple[str, str, str, str | None]]:
        """Tokens that issuers are to be asked about, each told once: by what the answer goes, whom, about what."""

    def introspections_fd(self) -> int:
        """What can be read while there are any."""

    def introspected(
        self, question: str, issuer: str, outcome: str, *, answer: str | None = None, retry_s: int = 1
    ) -> bool:
        """What came of one; whether it could be understood."""

    def orders(self) -> list[tuple[str, str, str, str, str]]:
        """Sessions to renew and tokens to get, each told once: its name, what, about whom, of whom, what is shown."""

    def orders_fd(self) -> int:
        """What can be read while there are any."""

    def brought(
        self,
        order: str,
        goods: str,
        about: str,
        outcome: str,
        *,
        got: str | None = None,
        until_ms: int = 0,
        retry_s: int = 1,
    ) -> bool:
        """What came of one; whether it could be understood."""

    def linked(self) -> None:
        """Another control process is there: what was not answered is told again."""

    def contact(self) -> None:
        """Facts are complete as of now."""

    def secure_listeners(self) -> list[str]:
        """Names of the listeners that speak TLS."""

    def addresses(self) -> dict[str, str]:
        """Each listener's name and where it really listens."""

    def stats(self) -> dict[str, Any]:
        """Numbers for people."""

    def metrics(self) -> str:
        """Numbers for Prometheus."""


class GateCore(LinkedGate, Protocol):
    """The native gate, as its host uses it."""

    def let_in(self) -> bool:
        """Let clients in by the last good bundle, where nobody was yet; whether it was so."""

    def alive(self) -> bool:
        """Whether every worker thread is."""

    def drain(self, timeout_s: float) -> bool:
        """Take no more, finish what was begun; whether all was finished in time."""

    def renew_secrets(self) -> bool:
        """Put secrets to work whose files have changed; whether there were any."""

    def sockets(self) -> list[Sockets]:
        """The listening sockets once more; the caller closes them."""

    def release(self) -> None:
        """Let go of the files that only one gate may write, and serve on."""

    def reclaim(self) -> None:
        """Take the files back."""

    def retire(self, rest_s: float, timeout_s: float) -> bool:
        """As `drain`, but connections that rest are told with their next answer, for `rest_s` seconds."""

    def adopt(self) -> bool:
        """Take the events that a retired gate has written; whether none still writes."""
