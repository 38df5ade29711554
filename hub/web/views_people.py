"""Accounts: the system administrator makes and switches them, the security administrator grants roles, the auditor reads along."""

from typing import TYPE_CHECKING, Any

from aiohttp import web

from contracts.errors import OnedoorError
from hub import passwords, people
from hub.people import Account, AccountRefused, NewAccount, Role
from hub.readings import Reading, Way, What
from hub.results.errors import NotFoundHere
from hub.store import accounts, reading
from hub.store.connection import Connection
from hub.views import journal_lines
from hub.web.asking import HUB
from hub.web.page_errors import sentence
from hub.web.pages import MENU, Link, person, show
from hub.web.texts import N_
from hub.web.views_sign_in import ROLE_NAMES

if TYPE_CHECKING:
    pass

ADMINISTRATORS = frozenset({Role.SYSTEM, Role.SECURITY, Role.AUDITOR})

MENU.append(Link(path="/people", text=N_("People"), roles=ADMINISTRATORS))

KINDS = {
    "account": N_("Account"),
    "roles": N_("Roles and scope"),
    "password": N_("Password"),
    "second_factor": N_("Second factor"),
    "sign_in": N_("Sign-in"),
    "session": N_("Session"),
}


async def show_people(request: web.Request) -> web.Response:
    """GET /people."""
    return await _people(request)


async def _people(
    request: web.Request, *, problem: str = "", typed: dict[str, Any] | None = None, made: Any = None, status: int = 200
) -> web.Response:
    hub, me = request.app[HUB], person(request)
    everybody = await hub.read(lambda c: people.listed(c, hub.city.region, hub.keys))
    return show(
        request,
        "people.html",
        status,
        people=everybody,
        role_names=ROLE_NAMES,
        may_make=me.is_any(Role.SYSTEM),
        problem=problem,
        typed=typed or {},
        made=made,
    )


async def make(request: web.Request) -> web.Response:
    """POST /people: an account without any role yet; the first password is shown on the answer and kept nowhere."""
    hub, me = request.app[HUB], person(request)
    form = await request.post()
    typed = {name: str(form.get(name, "")).strip() for name in ("login", "name")}
    password = passwords.random_password()
    wanted = NewAccount(
        login=typed["login"].lower(), name=typed["name"], password_hash=await hub.passwords.hash(password)
    )
    try:
        account = await hub.writer.run(
            lambda c: people.create(c, hub.city.journal, hub.keys, wanted, hub.now_ms(), me.login)
        )
    except AccountRefused as error:
        return await _people(request, problem=sentence(request, error), typed=typed, status=422)
    return await _people(request, made={"account": account, "password": password})


async def show_person(request: web.Request) -> web.Response:
    """GET /people/{login}."""
    return await _person(request)


async def _person(request: web.Request, *, problem: str = "", password: str = "", status: int = 200) -> web.Response:
    hub, me, login = request.app[HUB], person(request), request.match_info["login"]
    chain = f"account:{login}"

    def read(connection: Connection) -> dict[str, Any]:
        account = people.find(connection, hub.city.region, hub.keys, login)
        if account is None:
            raise NotFoundHere("there is no such account here")
        entries = reading.journal(connection, hub.city.region, chain)
        return {
            "account": account,
            "sessions": len(accounts.open_sessions(connection, hub.city.region, login)),
            "journal": [line for entry in entries for line in journal_lines(entry)],
        }

    known = await hub.read(read)
    await hub.readings.shown(Reading(of=chain, what=What.ACCOUNT, by=me.login, way=Way.PAGE), hub.now_ms())
    return show(
        request,
        "person.html",
        status,
        role_names=ROLE_NAMES,
        kinds=KINDS,
        centres=hub.city.centres,
        departments={facts.department: facts.department_name for facts in hub.city.systems.values()},
        may_switch=me.is_any(Role.SYSTEM) and me.login != login,
        may_grant=me.is_any(Role.SECURITY) and me.login != login,
        problem=problem,
        password=password,
        **known,
    )


async def grant(request: web.Request) -> web.StreamResponse:
    """POST /people/{login}/roles."""
    hub, me, login = request.app[HUB], person(request), request.match_info["login"]
    form = await request.post()
    roles = frozenset(Role(str(role)) for role in form.getall("role", []) if role in set(Role))
    centres = frozenset(str(code) for code in form.getall("centre", []) if code in hub.city.centres)
    known = {facts.department for facts in hub.city.systems.values()}
    departments = frozenset(str(code) for code in form.getall("department", []) if code in known)

    def unit(connection: Connection) -> None:
        people.grant(connection, hub.city.journal, login, roles, centres, departments, hub.now_ms(), me.login)

    return await _changed(request, unit)


async def switch(request: web.Request) -> web.StreamResponse:
    """POST /people/{login}/switch: off, or on again."""
    hub, me, login = request.app[HUB], person(request), request.match_info["login"]
    off = (await request.post()).get("to") == "off"

    def unit(connection: Connection) -> None:
        people.disable(connection, hub.city.journal, login, hub.now_ms(), me.login, off=off)

    return await _changed(request, unit)


async def end_sessions(request: web.Request) -> web.StreamResponse:
    """POST /people/{login}/sessions: end all sign-ins of a person."""
    hub, me, login = request.app[HUB], person(request), request.match_info["login"]

    def unit(connection: Connection) -> None:
        people.required(connection, hub.city.region, login)
        accounts.end_sessions(connection, hub.city.region, login, hub.real_ms(), "administrator")
        people.note(connection, hub.city.journal, login, "session", "open", "ended", hub.now_ms(), me.login)

    return await _changed(request, unit)


async def drop_second_factor(request: web.Request) -> web.StreamResponse:
    """POST /people/{login}/second-factor: switch it off for somebody who has lost the phone."""
    hub, me, login = request.app[HUB], person(request), request.match_info["login"]

    def unit(connection: Connection) -> None:
        people.set_secret(connection, hub.city.journal, hub.keys, login, None, 0, hub.now_ms(), me.login)

    return await _changed(request, unit)


async def reset_password(request: web.Request) -> web.StreamResponse:
    """POST /people/{login}/password: a new first password, shown on the answer and kept nowhere."""
    hub, me, login = request.app[HUB], person(request), request.match_info["login"]
    password = passwords.random_password()
    hashed = await hub.passwords.hash(password)
    try:
        await hub.writer.run(
            lambda c: people.set_password(c, hub.city.journal, login, hashed, hub.now_ms(), me.login, once=True)
        )
    except AccountRefused as error:
        raise NotFoundHere("there is no such account here") from error
    return await _person(request, password=password)


async def _changed(request: web.Request, unit: Any) -> web.StreamResponse:
    hub = request.app[HUB]
    try:
        await hub.writer.run(unit)
    except AccountRefused as error:
        return await _person(request, problem=sentence(request, error), status=422)
    except OnedoorError:
        raise
    raise web.HTTPSeeOther(f"/people/{request.match_info['login']}")


_LOGIN = "{login:[a-z0-9._-]{2,32}}"
ROUTES = [
    web.get("/people", show_people),
    web.post("/people", make),
    web.get(f"/people/{_LOGIN}", show_person),
    web.post(f"/people/{_LOGIN}/roles", grant),
    web.post(f"/people/{_LOGIN}/switch", switch),
    web.post(f"/people/{_LOGIN}/sessions", end_sessions),
    web.post(f"/people/{_LOGIN}/second-factor", drop_second_factor),
    web.post(f"/people/{_LOGIN}/password", reset_password),
]

__all__ = ["ROUTES", "Account"]
