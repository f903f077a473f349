"""The tables. Every change here wants a migration; a test compares the two.

Times are milliseconds since the epoch, as in events, so that a row and the
event about it can be laid side by side.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, Index, Integer, LargeBinary, MetaData, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Constraints have names, because a migration can only change what it can name."""

    metadata = MetaData(
        naming_convention={
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Counter(Base):
    """A sequence that never goes back, not even when a transaction is undone halfway.

    A row that is updated in the same transaction as what it numbers makes
    writers queue, so numbers become visible in their own order. A database's
    own sequence does not: a reader could see 8, miss 7, and never look again.
    """

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class Key(Base):
    """An API key. The key itself is shown once and not kept; only its digest is.

    Its id outlives its secrets: while one is replaced, the one before still opens for a time.
    """

    __tablename__ = "keys"
    __table_args__ = (
        UniqueConstraint("digest"),
        Index("ix_keys_created_ms_id", "created_ms", "id"),
        Index("ix_keys_previous_digest", "previous_digest", unique=True),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    owner: Mapped[str] = mapped_column(String(200))
    environment: Mapped[str] = mapped_column(String(16))
    apis: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    expires_ms: Mapped[int | None] = mapped_column(BigInteger)
    revoked_ms: Mapped[int | None] = mapped_column(BigInteger)
    revoked_reason: Mapped[str | None] = mapped_column(String(500))
    scopes: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    methods: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    networks: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    app: Mapped[str | None] = mapped_column(String(64))
    """The program that has it."""
    rate: Mapped[dict[str, int] | None] = mapped_column(JSON(none_as_null=True))
    """How much may come by it: `allow` in each `per_ms`, `burst` of them at once."""
    suspended_ms: Mapped[int | None] = mapped_column(BigInteger)
    rerolled_ms: Mapped[int | None] = mapped_column(BigInteger)
    previous_digest: Mapped[str | None] = mapped_column(String(64))
    previous_until_ms: Mapped[int | None] = mapped_column(BigInteger)
    """Until when the secret before the newest opens."""
    used_ms: Mapped[int | None] = mapped_column(BigInteger)
    """The hour in which its newest secret was last used, as gates tell it."""
    previous_used_ms: Mapped[int | None] = mapped_column(BigInteger)


class App(Base):
    """A program of others. Of one that the configuration names, only what is here of its being stopped counts."""

    __tablename__ = "apps"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(String(16))
    """`configuration`, `operator`, or `registration` (RFC 7591)."""
    name: Mapped[str | None] = mapped_column(String(200))
    """What people are shown."""
    owner: Mapped[str] = mapped_column(String(200))
    purpose: Mapped[str | None] = mapped_column(String(500))
    contact: Mapped[str | None] = mapped_column(String(200))
    tier: Mapped[str] = mapped_column(String(16))
    clients: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    scopes: Mapped[dict[str, int] | None] = mapped_column(JSON(none_as_null=True))
    """Each with when it was given; none means all that credentials say."""
    apis: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    operations: Mapped[dict[str, list[str]]] = mapped_column(JSON)
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    secrets: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """Those that it proves itself by to the token endpoint: `digest`, `created_ms`, and `until_ms` where it ends."""
    issuer: Mapped[str | None] = mapped_column(String(64))
    """Where it has registered itself."""
    access: Mapped[str | None] = mapped_column(String(64))
    """The digest of what it changes that with (RFC 7592)."""
    registered: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What it said of itself then (RFC 7591)."""
    created_ms: Mapped[int] = mapped_column(BigInteger)
    changed_ms: Mapped[int | None] = mapped_column(BigInteger)
    until_ms: Mapped[int | None] = mapped_column(BigInteger)
    review_ms: Mapped[int | None] = mapped_column(BigInteger)
    stopped_ms: Mapped[int | None] = mapped_column(BigInteger)
    stopped_by: Mapped[str | None] = mapped_column(String(200))
    stopped_reason: Mapped[str | None] = mapped_column(String(500))


class AppGrant(Base):
    """What somebody has allowed a program."""

    __tablename__ = "app_grants"
    __table_args__ = (
        Index("ix_app_grants_iss_subject", "iss", "subject"),
        Index("ix_app_grants_app", "app"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    issuer: Mapped[str] = mapped_column(String(64))
    """The configuration's name of whose tokens the program gets."""
    app: Mapped[str] = mapped_column(String(64))
    iss: Mapped[str] = mapped_column(String(400))
    """Who knows the person."""
    subject: Mapped[str] = mapped_column(String(400))
    auth_time: Mapped[int | None] = mapped_column(BigInteger)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    generation: Mapped[int] = mapped_column(BigInteger, default=0)
    """How many refresh tokens were used."""
    created_ms: Mapped[int] = mapped_column(BigInteger)
    used_ms: Mapped[int | None] = mapped_column(BigInteger)
    renewed_ms: Mapped[int | None] = mapped_column(BigInteger)
    until_ms: Mapped[int] = mapped_column(BigInteger)
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    ended_reason: Mapped[str | None] = mapped_column(String(500))


class AppToken(Base):
    """A code or an invitation, by its digest; it counts once."""

    __tablename__ = "app_tokens"
    __table_args__ = (Index("ix_app_tokens_grant", "grant"), Index("ix_app_tokens_until_ms", "until_ms"))

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    """`code` or `invitation`."""
    grant: Mapped[str | None] = mapped_column(String(32))
    redirect_uri: Mapped[str | None] = mapped_column(String(2000))
    challenge: Mapped[str | None] = mapped_column(String(128))
    until_ms: Mapped[int] = mapped_column(BigInteger)
    used_ms: Mapped[int | None] = mapped_column(BigInteger)


class AppUse(Base):
    """What a program has really used: an API, an operation, a scope."""

    __tablename__ = "app_uses"

    app: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    what: Mapped[str] = mapped_column(String(400), primary_key=True)
    """`API`, `API OPERATION`, or the scope."""
    first_ms: Mapped[int] = mapped_column(BigInteger)
    last_ms: Mapped[int] = mapped_column(BigInteger)


class KeySet(Base):
    """An issuer's keys as they were last fetched: public ones, for verifying its tokens."""

    __tablename__ = "key_sets"

    issuer: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    keys: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    changed_ms: Mapped[int] = mapped_column(BigInteger)
    confirmed_ms: Mapped[int] = mapped_column(BigInteger)
    told_ms: Mapped[int] = mapped_column(BigInteger)
    """The last confirmation that gates were told of."""


class TokenRevocation(Base):
    """Tokens of an issuer that were revoked before their time, and by what they are told."""

    __tablename__ = "token_revocations"
    __table_args__ = (
        UniqueConstraint("issuer", "by", "value"),
        Index("ix_token_revocations_created_ms_id", "created_ms", "id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    issuer: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(String(256))
    before_ms: Mapped[int | None] = mapped_column(BigInteger)
    """Those that were issued until then; none means whenever."""
    until_ms: Mapped[int | None] = mapped_column(BigInteger)
    """From when on there can be none left."""
    created_ms: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str | None] = mapped_column(String(500))
    device_id: Mapped[str | None] = mapped_column(String(32))
    """The device that is revoked by it, also when that is long forgotten."""


class SignInSession(Base):
    """The session of a person who signed in with a browser."""

    __tablename__ = "sign_in_sessions"
    __table_args__ = (
        Index("ix_sign_in_sessions_until_ms", "until_ms"),
        Index("ix_sign_in_sessions_created_ms_id", "created_ms", "id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    sign_in: Mapped[str] = mapped_column(String(128))
    issuer: Mapped[str] = mapped_column(String(128))
    """The configuration's name of who signed the person in."""
    iss: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(String(255))
    provider_session: Mapped[str | None] = mapped_column(String(255))
    device: Mapped[str | None] = mapped_column(String(64))
    """The mark of the browser that it was begun in."""
    created_ms: Mapped[int] = mapped_column(BigInteger)
    until_ms: Mapped[int] = mapped_column(BigInteger)
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    """When it was ended before its time."""
    id_token: Mapped[bytes] = mapped_column(LargeBinary)
    """What the provider wants to see when the person signs out, sealed."""
    tokens: Mapped[bytes | None] = mapped_column(LargeBinary)
    """What the session is renewed with, sealed."""


class SecondFactor(Base):
    """What a person proves themselves by besides signing in; recovery codes one by one."""

    __tablename__ = "second_factors"
    __table_args__ = (UniqueConstraint("mark"), Index("ix_second_factors_iss_subject", "iss", "subject"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    iss: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(80))
    mark: Mapped[str | None] = mapped_column(String(128))
    """What it is known again by, of all people's."""
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    """Sealed."""
    counter: Mapped[int] = mapped_column(BigInteger)
    """What is not above it was used before."""
    created_ms: Mapped[int] = mapped_column(BigInteger)
    used_ms: Mapped[int | None] = mapped_column(BigInteger)


class Device(Base):
    """A device of a person or program, and what was seen of it."""

    __tablename__ = "devices"
    __table_args__ = (
        UniqueConstraint("issuer", "subject", "mark"),
        Index("ix_devices_first_ms_id", "first_ms", "id"),
        Index("ix_devices_last_ms", "last_ms"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    issuer: Mapped[str] = mapped_column(Text)
    """As tokens' `iss` says it."""
    subject: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(16))
    mark: Mapped[str] = mapped_column(String(128))
    """What it is known by. It is shown to nobody."""
    name: Mapped[str] = mapped_column(String(64))
    agent: Mapped[str] = mapped_column(String(80))
    address: Mapped[str | None] = mapped_column(String(64))
    country: Mapped[str | None] = mapped_column(String(64))
    network: Mapped[str | None] = mapped_column(String(200))
    ja4: Mapped[str | None] = mapped_column(String(64))
    http2: Mapped[str | None] = mapped_column(String(256))
    latitude: Mapped[float | None] = mapped_column(Float)
    longitude: Mapped[float | None] = mapped_column(Float)
    placed_ms: Mapped[int | None] = mapped_column(BigInteger)
    """When it was where country and coordinates say."""
    known: Mapped[dict[str, str]] = mapped_column(JSON)
    """Its traits when it was last confirmed or approved, or first seen."""
    looks: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """What was seen of it that no operator has approved, the look seen last at the end."""
    first_ms: Mapped[int] = mapped_column(BigInteger)
    last_ms: Mapped[int] = mapped_column(BigInteger)
    confirmed_ms: Mapped[int | None] = mapped_column(BigInteger)
    """When its owner has confirmed it by a second factor."""
    proved_s: Mapped[int | None] = mapped_column(BigInteger)
    """When its owner gave the last proof that was taken for it, in seconds."""
    approved_ms: Mapped[int | None] = mapped_column(BigInteger)
    approved_by: Mapped[str | None] = mapped_column(String(200))
    revoked_ms: Mapped[int | None] = mapped_column(BigInteger)
    revoked_by: Mapped[str | None] = mapped_column(String(400))
    changed_ms: Mapped[int | None] = mapped_column(BigInteger)
    travel_ms: Mapped[int | None] = mapped_column(BigInteger)


class LocalUser(Base):
    """A person of this installation. Who was removed stays as a name that nobody else gets."""

    __tablename__ = "local_users"
    __table_args__ = (Index("ix_local_users_issuer_email", "issuer", "email"),)

    issuer: Mapped[str] = mapped_column(String(128), primary_key=True)
    """The configuration's name of whose person it is."""
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    """`invited` (has never had a password), `active`, `suspended` or `removed`."""
    display: Mapped[str | None] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(320))
    groups: Mapped[list[str]] = mapped_column(JSON)
    password: Mapped[str | None] = mapped_column(String(256))
    """Its Argon2id hash."""
    created_ms: Mapped[int] = mapped_column(BigInteger)
    changed_ms: Mapped[int | None] = mapped_column(BigInteger)
    """When the password was set."""
    signed_in_ms: Mapped[int | None] = mapped_column(BigInteger)


class UserLink(Base):
    """A link by which a person sets a password, once; only its hash is kept, and one of each person."""

    __tablename__ = "user_links"
    __table_args__ = (UniqueConstraint("issuer", "name"),)

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    issuer: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    """`invitation` or `reset`."""
    created_ms: Mapped[int] = mapped_column(BigInteger)
    expires_ms: Mapped[int] = mapped_column(BigInteger)


class LoginFailures(Base):
    """Failures to sign in to one account, of strangers or of one that is known there."""

    __tablename__ = "login_failures"
    __table_args__ = (Index("ix_login_failures_last_ms", "last_ms"),)

    mark: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A keyed hash: names that nobody has are not kept as they were typed, which may be a password."""
    failures: Mapped[int]
    until_ms: Mapped[int] = mapped_column(BigInteger)
    last_ms: Mapped[int] = mapped_column(BigInteger)


class SecondFactorFailures(Base):
    """Failures in a row of one person."""

    __tablename__ = "second_factor_failures"

    iss: Mapped[str] = mapped_column(Text, primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    until_ms: Mapped[int] = mapped_column(BigInteger)


class Fact(Base):
    """One line of the facts log, exactly as gates receive it."""

    __tablename__ = "facts"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    payload: Mapped[str] = mapped_column(Text)


class Bundle(Base):
    """A bundle that was signed. The last twenty are kept so that old events can be explained."""

    __tablename__ = "bundles"
    __table_args__ = (Index("ix_bundles_hash", "hash"),)

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(String(16))
    content_hash: Mapped[str] = mapped_column(String(64))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    text: Mapped[str] = mapped_column(Text)
    key_id: Mapped[str] = mapped_column(String(16))
    signature: Mapped[str] = mapped_column(String(128))
    admin_address: Mapped[str] = mapped_column(String(64))
    duties: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    refused: Mapped[str | None] = mapped_column(Text)


class Finding(Base):
    """A weakness that somebody should look at, or a waiver that somebody answers for."""

    __tablename__ = "findings"
    __table_args__ = (UniqueConstraint("source", "kind", "code", "object"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(16))
    code: Mapped[str] = mapped_column(String(64))
    object: Mapped[str] = mapped_column(String(500))
    message: Mapped[str] = mapped_column(Text)
    severity: Mapped[str] = mapped_column(String(16))
    owner: Mapped[str | None] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(Text)
    until_ms: Mapped[int | None] = mapped_column(BigInteger)
    file: Mapped[str | None] = mapped_column(String(500))
    line: Mapped[int | None]
    first_seen_ms: Mapped[int] = mapped_column(BigInteger)
    last_seen_ms: Mapped[int] = mapped_column(BigInteger)
    closed_ms: Mapped[int | None] = mapped_column(BigInteger)


class Gate(Base):
    """A gate on another machine that has enrolled."""

    __tablename__ = "gates"

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    enrolled_ms: Mapped[int] = mapped_column(BigInteger)
    serial: Mapped[str] = mapped_column(String(64))
    previous_serial: Mapped[str | None] = mapped_column(String(64))
    not_after_ms: Mapped[int] = mapped_column(BigInteger)
    revoked_ms: Mapped[int | None] = mapped_column(BigInteger)


class GateToken(Base):
    """A token that one gate may enrol with, once; only its hash is kept."""

    __tablename__ = "gate_tokens"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(63))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    expires_ms: Mapped[int] = mapped_column(BigInteger)
    used_ms: Mapped[int | None] = mapped_column(BigInteger)


def columns(row: Base) -> dict[str, Any]:
    """A row as plain values, for answers."""
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}
