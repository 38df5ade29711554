"""Signing in and out, the language, the start page, and the own account."""

import json
from io import BytesIO
from typing import TYPE_CHECKING

import segno
from aiohttp import web

from hub import oidc, passwords, people, sign_in, totp
from hub.oidc import ProviderFailed
from hub.people import AccountRefused, Role
from hub.sign_in import Level, SignInRefused, Started, TooManyTries
from hub.store import accounts
from hub.web.asking import HUB
from hub.web.guard import address_of, cookie_name, drop_cookie, lacks_second_factor, local_path, own_origin, set_cookie
from hub.web.page_errors import sentence
from hub.web.pages import SESSION, TOKEN, menu, person, show, signed_in, text
from hub.web.texts import LANGUAGES, N_

if TYPE_CHECKING:
    from hub.app import Hub

MARK_DAYS = 180

ROLE_NAMES = {
    Role.COUNTER: N_("counter clerk"),
    Role.BACK_OFFICE: N_("back office"),
    Role.SUPERVISOR: N_("supervisor"),
    Role.OPERATOR: N_("operator"),
    Role.AUDITOR: N_("auditor"),
    Role.SYSTEM: N_("system administrator"),
    Role.SECURITY: N_("security administrator"),
}

WRONG = N_("The staff number or the password is wrong. Check both and try again.")
WRONG_CODE = N_("This code does not count. Wait for the next one and type it.")
WAIT = N_("Too many wrong tries. Wait {seconds} seconds, then try again.")


async def start(request: web.Request) -> web.Response:
    """GET /: where the person's work is."""
    session = signed_in(request)
    if session is not None and session.level != Level.FULL:
        raise web.HTTPSeeOther("/sign-in/code")
    for link in menu(request):
        raise web.HTTPSeeOther(link.path)
    raise web.HTTPSeeOther("/account")


async def ask(request: web.Request) -> web.Response:
    """GET /sign-in."""
    session = signed_in(request)
    wanted = local_path(request.query.get("next", "/"))
    if session is not None:
        raise web.HTTPSeeOther(wanted)
    return _form(request, 200, "", "", wanted)


async def take(request: web.Request) -> web.Response:
    """POST /sign-in."""
    hub = request.app[HUB]
    form = await request.post()
    login, password = str(form.get("login", "")), str(form.get("password", ""))
    wanted = local_path(str(form.get("next", "/")))
    mark = request.cookies.get(cookie_name(request, "known"), "")
    kept = str(form.get("kept", ""))
    before = signed_in(request)
    try:
        started = await sign_in.with_password(hub, login, password, address_of(request), mark)
    except SignInRefused:
        return _form(request, 401, text(request, WRONG), login, wanted, kept)
    except TooManyTries as error:
        return _form(request, 429, text(request, WAIT, seconds=error.seconds), login, wanted, kept)
    if before is not None:
        await sign_in.out(hub, before)
    response = _entered(request, started, wanted)
    return _resumed(request, started, wanted, kept, response) if kept else response


def _resumed(request: web.Request, started: Started, path: str, kept: str, entered: web.Response) -> web.Response:
    """What was typed before the session ended, to be looked at and sent again: under the new session, by the person alone."""
    try:
        fields = [(str(name), str(value)) for name, value in json.loads(kept)]
    except (TypeError, ValueError):
        return entered
    if started.session.level != Level.FULL:
        return entered
    request[SESSION], request[TOKEN] = started.session, started.token
    response = show(request, "resume.html", path=path, fields=fields)
    response.cookies.update(entered.cookies)
    return response


def _form(request: web.Request, status: int, problem: str, login: str, wanted: str, kept: str = "") -> web.Response:
    settings = request.app[HUB].settings.oidc
    name = settings.name if settings is not None else ""
    return show(request, "sign_in.html", status, problem=problem, login=login, next=wanted, provider=name, kept=kept)


async def go_to_provider(request: web.Request) -> web.Response:
    """GET /sign-in/with: to the city's identity provider."""
    hub = request.app[HUB]
    if hub.settings.oidc is None:
        raise web.HTTPNotFound
    try:
        begun = await oidc.begin(hub, _back(request))
    except ProviderFailed as error:
        return _form(request, 503, sentence(request, error), "", "/")
    response = web.Response(status=303, headers={"Location": begun.address})
    set_cookie(response, request, "provider", begun.kept)
    return response


async def come_from_provider(request: web.Request) -> web.Response:
    """GET /sign-in/back: with a code, which counts only together with the cookie of the browser that began."""
    hub = request.app[HUB]
    if hub.settings.oidc is None:
        raise web.HTTPNotFound
    kept = request.cookies.get(cookie_name(request, "provider"), "")
    state, code = request.query.get("state", ""), request.query.get("code", "")
    try:
        identity = await oidc.finish(hub, kept, state, code, _back(request))
        started = await sign_in.with_identity(hub, identity)
    except ProviderFailed as error:
        return _form(request, 403, sentence(request, error), "", "/")
    except SignInRefused:
        return _form(
            request, 403, text(request, N_("You have no account here. Ask the system administrator.")), "", "/"
        )
    response = _entered(request, started, "/")
    drop_cookie(response, request, "provider")
    return response


def _back(request: web.Request) -> str:
    return f"{own_origin(request)}/sign-in/back"


def _entered(request: web.Request, started: Started, wanted: str) -> web.Response:
    if started.session.level != Level.FULL:
        response = web.Response(status=303, headers={"Location": "/sign-in/code"})
        set_cookie(response, request, "next", wanted)
    else:
        response = web.Response(status=303, headers={"Location": wanted})
        _mark(response, request, started)
    set_cookie(response, request, "session", started.token)
    drop_cookie(response, request, "form")
    return response


def _mark(response: web.Response, request: web.Request, started: Started) -> None:
    """Let the browser be known next time, so that other people's wrong guesses do not slow this person down."""
    login = started.session.account.login
    mark = sign_in.mark_of(request.app[HUB], login, started.session.id[:16])
    set_cookie(response, request, "known", mark, MARK_DAYS)


async def ask_code(request: web.Request) -> web.Response:
    """GET /sign-in/code."""
    session = signed_in(request)
    if session is not None and session.level == Level.FULL:
        raise web.HTTPSeeOther("/")
    return show(request, "code.html", problem="")


async def take_code(request: web.Request) -> web.Response:
    """POST /sign-in/code."""
    session = signed_in(request)
    assert session is not None, "the policy lets nobody in who is not signed in"
    if session.level == Level.FULL:
        raise web.HTTPSeeOther("/")
    typed = str((await request.post()).get("code", ""))
    mark = request.cookies.get(cookie_name(request, "known"), "")
    try:
        started = await sign_in.with_code(request.app[HUB], session, typed, address_of(request), mark)
    except SignInRefused:
        return show(request, "code.html", 401, problem=text(request, WRONG_CODE))
    except TooManyTries as error:
        return show(request, "code.html", 429, problem=text(request, WAIT, seconds=error.seconds))
    response = _entered(request, started, local_path(request.cookies.get(cookie_name(request, "next"), "/")))
    drop_cookie(response, request, "next")
    return response


async def leave(request: web.Request) -> web.Response:
    """POST /sign-out."""
    session = signed_in(request)
    if session is not None:
        await sign_in.out(request.app[HUB], session)
    response = web.Response(status=303, headers={"Location": "/sign-in"})
    drop_cookie(response, request, "session")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


async def choose_language(request: web.Request) -> web.Response:
    """POST /language."""
    hub = request.app[HUB]
    form = await request.post()
    language = str(form.get("language", ""))
    response = web.Response(status=303, headers={"Location": local_path(str(form.get("next", "/")))})
    if language in LANGUAGES:
        response.set_cookie("language", language, path="/", max_age=31_536_000, samesite="Lax", httponly=True)
        session = signed_in(request)
        if session is not None:
            login, at = session.account.login, hub.now_ms()
            await hub.writer.run(lambda c: people.set_language(c, hub.city.region, login, language, at))
    return response


async def account(request: web.Request) -> web.Response:
    """GET /account."""
    return await _account(request, 200)


async def _account(request: web.Request, status: int, problem: str = "", done: str = "") -> web.Response:
    hub, me = request.app[HUB], person(request)
    if not _full(request):
        raise web.HTTPSeeOther("/sign-in/code")
    opened = await hub.read(lambda c: accounts.open_sessions(c, hub.city.region, me.login))
    names = {facts.department: facts.department_name for facts in hub.city.systems.values()}
    return show(
        request,
        "account.html",
        status,
        problem=problem,
        done=done,
        roles=[ROLE_NAMES[role] for role in Role if role in me.roles],
        centres=[hub.city.centres[code] for code in sorted(me.centres) if code in hub.city.centres],
        departments=[names.get(code, code) for code in sorted(me.departments)],
        sessions=len(opened),
        demanded=lacks_second_factor(hub, me),
        secret=totp.written(_pending(hub, me.login, request)) if not me.second_factor else "",
    )


def _full(request: web.Request) -> bool:
    session = signed_in(request)
    return session is not None and session.level == Level.FULL


def _pending(hub: "Hub", login: str, request: web.Request) -> bytes:
    """The secret that is offered in this session, until it is proven with a code: derived, so that nothing is stored for it."""
    session = signed_in(request)
    assert session is not None
    return bytes.fromhex(hub.keys.sign_in_hash("second factor", f"{login}:{session.id}"))[:20]


async def change_password(request: web.Request) -> web.Response:
    """POST /account/password: needs the present one; ends all sessions and begins a new one."""
    hub, me = request.app[HUB], person(request)
    form = await request.post()
    old, new = str(form.get("old", "")), str(form.get("new", ""))
    row = await hub.read(lambda c: accounts.find(c, hub.city.region, me.login))
    if not _full(request):
        raise web.HTTPSeeOther("/sign-in/code")
    if row is None or not await hub.passwords.fits(row["password_hash"], old):
        return await _account(request, 422, problem=text(request, N_("The present password is wrong.")))
    try:
        passwords.check(new, me.login)
    except AccountRefused as error:
        return await _account(request, 422, problem=sentence(request, error))
    if new == old:
        return await _account(request, 422, problem=text(request, N_("Choose another password than the present one.")))
    hashed, at = await hub.passwords.hash(new), hub.now_ms()
    await hub.writer.run(lambda c: people.set_password(c, hub.city.journal, me.login, hashed, at, me.login, once=False))
    started = await sign_in.again(hub, me.login)
    return _entered(request, started, "/account")


async def switch_second_factor_on(request: web.Request) -> web.Response:
    """POST /account/second-factor."""
    hub, me = request.app[HUB], person(request)
    if me.second_factor or not _full(request):
        raise web.HTTPSeeOther("/account")
    secret = _pending(hub, me.login, request)
    step = totp.accepted(secret, str((await request.post()).get("code", "")), hub.real_time(), 0)
    if step is None:
        return await _account(request, 422, problem=text(request, WRONG_CODE))
    at = hub.now_ms()
    await hub.writer.run(
        lambda c: people.set_secret(c, hub.city.journal, hub.keys, me.login, secret, step, at, me.login)
    )
    raise web.HTTPSeeOther("/account")


async def second_factor_picture(request: web.Request) -> web.Response:
    """GET /account/second-factor.svg: the offered secret as a QR code."""
    hub, me = request.app[HUB], person(request)
    if me.second_factor or not _full(request):
        raise web.HTTPNotFound
    address = totp.address(_pending(hub, me.login, request), me.login, "Onedoor")
    body = BytesIO()
    segno.make(address, error="m").save(body, kind="svg", scale=4, border=2)
    return web.Response(body=body.getvalue(), content_type="image/svg+xml")


async def end_other_sessions(request: web.Request) -> web.Response:
    """POST /account/sessions."""
    hub, session = request.app[HUB], signed_in(request)
    assert session is not None
    if not _full(request):
        raise web.HTTPSeeOther("/sign-in/code")
    await hub.writer.run(lambda c: sign_in.end_others(c, hub, session))
    raise web.HTTPSeeOther("/account")


ROUTES = [
    web.get("/", start),
    web.get("/sign-in", ask),
    web.post("/sign-in", take),
    web.get("/sign-in/with", go_to_provider),
    web.get("/sign-in/back", come_from_provider),
    web.get("/sign-in/code", ask_code),
    web.post("/sign-in/code", take_code),
    web.post("/sign-out", leave),
    web.post("/language", choose_language),
    web.get("/account", account),
    web.post("/account/password", change_password),
    web.post("/account/second-factor", switch_second_factor_on),
    web.get("/account/second-factor.svg", second_factor_picture),
    web.post("/account/sessions", end_other_sessions),
]
