"""People of this installation, who sign in with a password. A link for setting one is in one answer only."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query
from pydantic import Field

from lockgate.admin.api.context import ACTOR, Body, Limit, WithControl
from lockgate.admin.api.problems import Problem
from lockgate.admin.control import Control
from lockgate.admin.people import NoSuchPeopleError, about_of
from lockgate.admin.users import GROUPS, IMPORT_BATCH, User, UserExistsError, UserNotFoundError, UserStateError
from lockgate.config.people import People

router = APIRouter(prefix="/v1/users", tags=["users"])

T = TypeVar("T")

PLAIN = r"^[^\x00-\x1f\x7f]+$"
Issuer = Annotated[str, Path(max_length=64, description="Whose person it is: a name under `issuers`.")]
Name = Annotated[str, Path(max_length=256, description="What the person is called.")]
Email = Annotated[str, Field(max_length=320, pattern=r"^[^\x00-\x20\x7f@]{1,64}@[^\x00-\x20\x7f@]{1,255}$")]
Display = Annotated[str, Field(min_length=1, max_length=200, pattern=PLAIN)]
Groups = Annotated[list[Annotated[str, Field(min_length=1, max_length=128, pattern=PLAIN)]], Field(max_length=GROUPS)]
Password = Annotated[str, Field(min_length=1, max_length=1024)]


class NewUser(Body):
    """A person to add."""

    name: str = Field(min_length=1, max_length=256, description="What they are called when they sign in.")
    issuer: str | None = Field(None, max_length=64, description="Left out, the only issuer with `users`.")
    display: Display | None = Field(None, description="Their name for people to read.")
    email: Email | None = Field(None, description="Where links are sent.")
    groups: Groups = Field(default_factory=list)
    password: Password | None = Field(
        None, repr=False, description="Left out, they set one themselves by an invitation."
    )


class ImportedUser(Body):
    """A person of an import."""

    name: str = Field(min_length=1, max_length=256)
    display: Display | None = None
    email: Email | None = None
    groups: Groups = Field(default_factory=list)
    hash: str | None = Field(None, max_length=256, description="The password as Argon2id has hashed it elsewhere.")


class Import(Body):
    """People to add."""

    issuer: str | None = Field(None, max_length=64)
    users: list[ImportedUser] = Field(min_length=1, max_length=IMPORT_BATCH)


class UserChange(Body):
    """What is to be changed; what is left out stays."""

    display: Display | None = None
    email: Email | None = None
    groups: Groups | None = None
    suspended: bool | None = None


class LinkWish(Body):
    """How a link is made."""

    sign_in: str | None = Field(None, max_length=64, description="Whose pages it leads to; left out, the first's.")


class Person(Body):
    """A person; nothing of the password."""

    issuer: str
    name: str
    state: str = Field(description="`invited` (has never had a password), `active` or `suspended`.")
    display: str | None
    email: str | None
    groups: list[str]
    created_ms: int
    changed_ms: int | None = Field(description="When the password was set.")
    signed_in_ms: int | None


class Persons(Body):
    """A page of people."""

    items: list[Person]
    next: str | None = Field(description="Give this as `after` for the next page.")


class Link(Body):
    """A link by which a person sets a password, once. It is shown this once."""

    link: str = Field(
        description="Without a host where neither `issuers.NAME.users.pages` nor hosts and listeners tell it."
    )
    until_ms: int
    sent_to: str | None = Field(description="The mailbox that it was sent to; nothing where it has to be handed over.")


class ImportResult(Body):
    """What an import did."""

    added: int
    known: int = Field(description="People that there were already; they stay as they are.")


@router.get("")
async def list_users(
    control: WithControl,
    limit: Limit = 100,
    after: Annotated[str | None, Query(max_length=400)] = None,
    issuer: Annotated[str | None, Query(max_length=64, description="Of this issuer alone.")] = None,
) -> Persons:
    """List people, by issuer and name."""
    last: tuple[str, str] | None = None
    if after is not None:
        before, _, name = after.partition("/")
        last = (before, name)
    found = await asyncio.to_thread(lambda: control.people.users.page(issuer=issuer, after=last, limit=limit))
    more = f"{found[-1].issuer}/{found[-1].name}" if len(found) == limit else None
    return Persons(items=[_shown(user) for user in found], next=more)


@router.post("", status_code=201)
async def add_user(control: WithControl, said: NewUser) -> Person:
    """Add a person."""
    people, name = _people(control, said.issuer), _name(said.name)
    hashed = None
    if said.password is not None:
        made = User(people.name, name, "active", said.display, said.email, (), 0, None, None)
        hashed = await _hashed(control, made, said.password)
    more = {"display": said.display, "email": said.email, "groups": said.groups, "password": hashed}
    return _shown(await _done(lambda: control.people.users.add(ACTOR, people.name, name, **more)))  # type: ignore[arg-type]


@router.post("/import")
async def import_users(control: WithControl, said: Import) -> ImportResult:
    """Add people of another system, with their hashes where it has Argon2id."""
    people = _people(control, said.issuer)
    rows: list[dict[str, Any]] = []
    for number, user in enumerate(said.users):
        if user.hash is not None and not await asyncio.to_thread(control.people.is_kept_form, user.hash):
            detail = f"the hash of person {number + 1} is none of Argon2id with costs that a sign-in can bear"
            raise Problem("user-unfit", detail)
        rows.append(
            {
                "name": _name(user.name),
                "display": user.display,
                "email": user.email,
                "groups": user.groups,
                "password": user.hash,
            }
        )
    done = await asyncio.to_thread(control.people.users.import_, ACTOR, people.name, iter(rows))
    return ImportResult(added=done.added, known=done.known)


@router.get("/{issuer}/{name}")
async def show_user(control: WithControl, issuer: Issuer, name: Name) -> Person:
    """Show a person."""
    return _shown(await _done(lambda: control.people.users.one(issuer, _name(name))))


@router.patch("/{issuer}/{name}")
async def change_user(control: WithControl, issuer: Issuer, name: Name, said: UserChange) -> Person:
    """Change a person. Who is suspended, or is in other groups, has no session any more, on no gate."""
    users, account = control.people.users, _name(name)
    people = _people(control, issuer)
    fields = ("display", "email", "groups")
    changed: dict[str, Any] = {key: getattr(said, key) for key in fields if key in said.model_fields_set}
    if changed.get("groups", []) is None:
        del changed["groups"]
    done = await _done(lambda: users.one(people.name, account))
    if changed:
        done = await _done(lambda: users.change(ACTOR, people.name, account, changed))
    if said.suspended is True:
        done = await _done(lambda: users.suspend(ACTOR, people.name, account))
    elif said.suspended is False:
        done = await _done(lambda: users.resume(ACTOR, people.name, account))
    if "groups" in changed or said.suspended is True:
        await control.people.changed(ACTOR, done, "suspended" if said.suspended else "groups were changed")
    return _shown(done)


@router.delete("/{issuer}/{name}")
async def remove_user(control: WithControl, issuer: Issuer, name: Name) -> Person:
    """Remove a person, with their sessions, second factors and devices. The name is never given to another."""
    account, people = _name(name), _people(control, issuer)
    done = await _done(lambda: control.people.users.remove(ACTOR, people.name, account))
    factors = control.sign_ins.factors
    await asyncio.to_thread(factors.forget_all, ACTOR, people.issuer, account)
    await asyncio.to_thread(control.devices.forget_all, ACTOR, people.issuer, account)
    await control.people.changed(ACTOR, done, "removed")
    return _shown(done)


@router.post("/{issuer}/{name}/invitation")
async def invite_user(control: WithControl, issuer: Issuer, name: Name, said: LinkWish) -> Link:
    """Make, and where there is a way send, the link by which a person sets the first password."""
    people, account = _people(control, issuer), _name(name)
    try:
        made = await control.people.send_link(ACTOR, people, account, "invitation", said.sign_in)
    except (UserNotFoundError, UserStateError) as error:
        raise _problem(error) from error
    return Link(link=made[0], until_ms=made[1], sent_to=made[2])


@router.post("/{issuer}/{name}/reset")
async def reset_user(control: WithControl, issuer: Issuer, name: Name, said: LinkWish) -> Link:
    """The same for another password. When it is set, sessions end, and waits after failures."""
    people, account = _people(control, issuer), _name(name)
    try:
        made = await control.people.send_link(ACTOR, people, account, "reset", said.sign_in)
    except (UserNotFoundError, UserStateError) as error:
        raise _problem(error) from error
    return Link(link=made[0], until_ms=made[1], sent_to=made[2])


def _people(control: Control, issuer: str | None) -> People:
    try:
        return control.people.local(issuer)
    except NoSuchPeopleError as error:
        raise Problem("user-issuer-unknown", str(error)) from error


def _name(said: str) -> str:
    from lockgate.identity.passwords import UnfitError, account_name

    try:
        return account_name(said)
    except UnfitError as error:
        raise Problem("user-unfit", str(error)) from error


async def _hashed(control: Control, user: User, password: str) -> str:
    from lockgate.identity.passwords import UnfitError
    from lockgate.identity.people import UnavailableError

    try:
        return await control.people.hashed(user.issuer, password, about_of(user, ""))
    except UnfitError as error:
        raise Problem("user-password-refused", str(error)) from error
    except UnavailableError as error:
        raise Problem("user-password-refused", "the list of lost passwords cannot be read, or too many ask") from error


async def _done(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except (UserExistsError, UserNotFoundError, UserStateError) as error:
        raise _problem(error) from error


def _problem(error: Exception) -> Problem:
    codes = {UserExistsError: "user-exists", UserNotFoundError: "user-not-found", UserStateError: "user-state"}
    return Problem(codes[type(error)], str(error))


def _shown(user: User) -> Person:
    members = {key: getattr(user, key) for key in Person.model_fields}
    return Person(**{**members, "groups": list(user.groups)})
