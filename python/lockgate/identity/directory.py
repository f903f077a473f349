"""A directory (LDAP), asked whether a password is somebody's.

The person's entry is found by an account that may search, or its name is made of what was typed in; then the password
is tried by binding as that entry. Never with an empty one, which a directory takes for no attempt at all and lets pass
(RFC 4513 section 5.1.2); never without TLS but to this machine; never where a referral points.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from lockgate.config.people import DirectoryPeople

VALUES: Final = 200
"""Of one attribute: more groups fit into no session."""
VALUE_CHARACTERS: Final = 1_000
LISTS: Final = frozenset({"groups", "roles"})
NO_SUCH: Final = frozenset({32, 34, 49})
"""noSuchObject, invalidDNSyntax, invalidCredentials: nobody of that name, or another password."""
UNWILLING: Final = frozenset({19, 50, 53})
"""constraintViolation, insufficientAccessRights, unwillingToPerform: locked or expired there, mostly."""


class DirectoryError(Exception):
    """It gave no answer that holds; the message is for the operator."""


class Directory:
    """One directory. `look` blocks: it is called in threads."""

    def __init__(self, said: DirectoryPeople, secret: Callable[[str], str]) -> None:
        """`secret` reads what a reference names."""
        self.said = said
        self._secret = secret

    def look(
        self, name: str, password: str, admits: Callable[[str], bool] = lambda _: True
    ) -> Mapping[str, Any] | None:
        """The claims of whose name and password they are; nothing where they are nobody's. Raises `DirectoryError`.

        `admits` is told which entry was found (its DN), before the password is tried on it; one that it does not admit
        is answered for as one that was not found.
        """
        if not name or not password or "\0" in name or "\0" in password:
            return None
        try:
            return self._look(name, password, admits)
        except DirectoryError:
            raise
        except Exception as error:
            # What the library makes of bytes that are no LDAP has many names, and no common one.
            raise DirectoryError(f"{type(error).__name__}: {error}"[:300]) from error

    def _look(self, name: str, password: str, admits: Callable[[str], bool]) -> Mapping[str, Any] | None:
        from ldap3.utils.dn import escape_rdn

        if self.said.template is not None:
            dn = self.said.template.replace("{name}", escape_rdn(name))
            with self._connection(dn, password) as own:
                if not self._bound(own):
                    return None
                found = self._search(own, name)
                # Whoever was bound reads their own entry, and no other's.
                return None if found is None else self._claims(found[1])
        with self._connection(self.said.bind_dn or "", self._secret(self.said.bind_password or "")) as searching:
            if not self._bound(searching):
                raise DirectoryError("the account that searches is refused: look at `bind`")
            found = self._search(searching, name)
        if found is None or not admits(found[0]):
            return None
        with self._connection(found[0], password) as own:
            return self._claims(found[1]) if self._bound(own) else None

    def _connection(self, dn: str, password: str) -> Any:
        import ldap3

        parts = urlsplit(self.said.url)
        # Whole seconds: the library hands them to the socket as such.
        seconds = max(1, -(-self.said.timeout_ms // 1_000))
        server = ldap3.Server(
            parts.hostname or "",
            port=parts.port or (636 if parts.scheme == "ldaps" else 389),
            use_ssl=parts.scheme == "ldaps",
            tls=_tls(parts.hostname or "", self.said.trust),
            get_info=ldap3.NONE,
            connect_timeout=seconds,
        )
        return _Closing(
            _connection_type()(
                server,
                user=dn,
                password=password,
                authentication=ldap3.SIMPLE,
                client_strategy=ldap3.SYNC,
                auto_bind=ldap3.AUTO_BIND_NONE,
                auto_referrals=False,
                raise_exceptions=False,
                receive_timeout=seconds,
                read_only=True,
                check_names=False,
            ),
            start_tls=self.said.start_tls,
        )

    def _bound(self, connection: Any) -> bool:
        if connection.bind():
            return True
        code = int(connection.result.get("result", -1))
        if code in NO_SUCH | UNWILLING:
            return False
        raise DirectoryError(f"it answers {connection.result.get('description', 'nothing')} to a bind"[:200])

    def _search(self, connection: Any, name: str) -> tuple[str, Mapping[str, Any]] | None:
        """The one entry, by its name and attributes; nothing where there is none, or more than one."""
        import ldap3
        from ldap3.utils.conv import escape_filter_chars

        wanted = self.said.filter.replace("{name}", escape_filter_chars(name))
        connection.search(
            self.said.base,
            wanted,
            search_scope=ldap3.SUBTREE,
            dereference_aliases=ldap3.DEREF_NEVER,
            attributes=sorted({self.said.subject, *(attribute for _, attribute in self.said.claims)}),
            size_limit=2,
            time_limit=max(1, self.said.timeout_ms // 1000),
        )
        code = int(connection.result.get("result", -1))
        if code == 32:
            raise DirectoryError(f"there is no entry {self.said.base!r} to look below: look at `base`"[:300])
        if code not in {0, 4}:
            raise DirectoryError(f"it answers {connection.result.get('description', 'nothing')} to a search"[:200])
        entries = [one for one in connection.response or () if one.get("type") == "searchResEntry"]
        return (str(entries[0]["dn"]), entries[0]["raw_attributes"]) if len(entries) == 1 else None

    def _claims(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        by_name = {str(name).lower(): values for name, values in attributes.items()}

        def texts(attribute: str) -> list[str]:
            values = by_name.get(attribute.lower()) or []
            decoded = [bytes(value).decode("utf-8", "replace") for value in values[:VALUES]]
            return [value for value in decoded if value and len(value) <= VALUE_CHARACTERS and value.isprintable()]

        subject = texts(self.said.subject)
        if len(subject) != 1 or len(subject[0]) > 255:
            raise DirectoryError(f"an entry has not one readable `{self.said.subject}`, by which people are told apart")
        claims: dict[str, Any] = {"sub": subject[0]}
        for claim, attribute in self.said.claims:
            found = texts(attribute)
            if claim in LISTS:
                claims[claim] = [_first_value(value) for value in found]
            elif found:
                claims[claim] = found[0]
        return claims


@functools.cache
def _connection_type() -> type[Any]:
    import ldap3

    class Connection(ldap3.Connection):
        """One that closes a socket before it takes another: the library forgets those that did not connect."""

        _socket: Any = None

        @property
        def socket(self) -> Any:
            return self._socket

        @socket.setter
        def socket(self, opened: Any) -> None:
            before, self._socket = self._socket, opened
            if before is not None and before is not opened:
                before.close()

    return Connection


class _Closing:
    """A connection that has TLS where that is wanted, and is closed in any case."""

    def __init__(self, connection: Any, *, start_tls: bool) -> None:
        self._connection = connection
        self._start_tls = start_tls

    def __enter__(self) -> Any:
        try:
            self._connection.open(read_server_info=False)
            begun = not self._start_tls or self._connection.start_tls(read_server_info=False)
        except BaseException:
            self._close()
            raise
        if not begun:
            self._close()
            raise DirectoryError("it does not begin TLS")
        return self._connection

    def __exit__(self, *_: object) -> None:
        try:
            if not self._connection.closed:
                self._connection.unbind()
        finally:
            self._close()

    def _close(self) -> None:
        # The library leaves a socket open over which something went wrong.
        if self._connection.socket is not None:
            self._connection.socket.close()


def _tls(host: str, trust: str | None) -> Any:
    """The library's settings, with the system's own checks of certificates and names in place of the library's."""
    import ldap3

    context = ssl.create_default_context(cafile=trust)

    class Checked(ldap3.Tls):
        def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
            plain = connection.socket
            try:
                connection.socket = context.wrap_socket(
                    plain, server_hostname=host, do_handshake_on_connect=do_handshake
                )
            except BaseException:
                plain.close()
                raise

    return Checked(validate=ssl.CERT_REQUIRED)


def _first_value(name: str) -> str:
    """`staff` of `cn=staff,ou=groups,…`; what is no entry's name stays as it is."""
    from ldap3.core.exceptions import LDAPException
    from ldap3.utils.dn import parse_dn

    try:
        return str(parse_dn(name, escape=False)[0][1])
    except (LDAPException, IndexError):
        return name
