"""Accounts over the local socket, for ``onedoor users``: how the first administrator comes into being."""

from typing import TYPE_CHECKING

from aiohttp import web

from contracts.records import adapter, record
from hub import passwords, people
from hub.cloud_events import parse_json, read_data
from hub.people import Account, NewAccount, Role
from hub.web.asking import HUB, body_of

if TYPE_CHECKING:
    pass

LIMIT = 65_536
OPERATOR = "operator"


@record
class UserRequest:
    """An account to be made. ``once``: the password must be changed at the first sign-in.

    ``identity``: ``issuer|subject`` at the city's identity provider; the account then has no password.
    """

    login: str
    name: str
    roles: frozenset[Role] = frozenset()
    centres: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    once: bool = True
    identity: str | None = None


@record
class FirstPassword:
    """An account and the password that is shown this once."""

    account: Account
    password: str


async def list_users(request: web.Request) -> web.Response:
    """GET /admin/users."""
    hub = request.app[HUB]
    found = await hub.read(lambda connection: people.listed(connection, hub.city.region, hub.keys))
    return _json(adapter(tuple[Account, ...]).dump_json(found))


async def create_user(request: web.Request) -> web.Response:
    """POST /admin/users."""
    hub = request.app[HUB]
    wanted = read_data(UserRequest, parse_json(await body_of(request, LIMIT)))
    password = passwords.random_password()
    new = new_account(wanted, await hub.passwords.hash(password))
    password = "" if wanted.identity else password
    at = hub.now_ms()
    made = await hub.writer.run(lambda c: people.create(c, hub.city.journal, hub.keys, new, at, OPERATOR))
    return _json(adapter(FirstPassword).dump_json(FirstPassword(account=made, password=password)), 201)


async def reset_password(request: web.Request) -> web.Response:
    """POST /admin/users/{login}/password: a new one, shown once; the second factor stays."""
    hub, login = request.app[HUB], request.match_info["login"]
    password = passwords.random_password()
    hashed, at = await hub.passwords.hash(password), hub.now_ms()
    await hub.writer.run(lambda c: people.set_password(c, hub.city.journal, login, hashed, at, OPERATOR, once=True))
    found = await hub.read(lambda connection: people.find(connection, hub.city.region, hub.keys, login))
    assert found is not None, "its password has just been set"
    return _json(adapter(FirstPassword).dump_json(FirstPassword(account=found, password=password)))


async def disable_user(request: web.Request) -> web.Response:
    """POST /admin/users/{login}/disable: ends its sessions too."""
    hub, login = request.app[HUB], request.match_info["login"]
    at = hub.now_ms()
    await hub.writer.run(lambda c: people.disable(c, hub.city.journal, login, at, OPERATOR))
    return web.Response(status=204)


def new_account(wanted: UserRequest, password_hash: str) -> NewAccount:
    """What ``people.create`` takes."""
    return NewAccount(
        login=wanted.login,
        name=wanted.name,
        roles=wanted.roles,
        centres=wanted.centres,
        departments=wanted.departments,
        password_hash=None if wanted.identity else password_hash,
        change_password=wanted.once and not wanted.identity,
        identity=wanted.identity,
    )


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


_LOGIN = "{login:[a-z0-9._-]{2,32}}"
ROUTES = [
    web.get("/admin/users", list_users),
    web.post("/admin/users", create_user),
    web.post(f"/admin/users/{_LOGIN}/password", reset_password),
    web.post(f"/admin/users/{_LOGIN}/disable", disable_user),
]
