"""Pages: templates, what all of them know, and how one is answered.

A page group is a file ``views_<group>.py`` with ``ROUTES`` and handlers, a folder of templates, and ``locale/zh_CN/<group>.po``;
each route has its row in ``hub.web.policy``. A handler gathers what the template shows and returns ``show(request, ..)``.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import jinja2
from aiohttp import web

from contracts.records import record
from contracts.task_sheet import masked
from hub.city import moment
from hub.people import Account, Role
from hub.sign_in import Level, Session
from hub.web.asking import HUB
from hub.web.texts import LANGUAGES, translations

if TYPE_CHECKING:
    from hub.app import Hub

HERE = Path(__file__).parent
STATIC = HERE / "static"

SESSION = web.RequestKey("session", Session)
"""Where the guard puts the session that it found."""

TOKEN = web.RequestKey("token", str)
"""The secret that forms are bound to: the session's cookie, before that the browser's."""

FIRST = next(iter(LANGUAGES))


@record
class Link:
    """An entry of the menu, for those with one of the roles; no role: for everybody. ``place``: the smallest comes first."""

    path: str
    text: str
    roles: frozenset[Role] = frozenset()
    place: int = 10


MENU: list[Link] = []
"""Filled by the page groups."""


@cache
def environment(language: str = "en") -> jinja2.Environment:
    """The templates in a language: escaped always, and a misspelt name is an error."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.policies["ext.i18n.trimmed"] = True
    found.filters["masked"] = masked
    found.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]  # comes with the extension
    return found


@cache
def asset(name: str) -> str:
    """The address of a static file; it changes with the content, so that a browser may keep it."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def language_of(request: web.BaseRequest) -> str:
    """The account's language, else the browser's choice on our pages, else Chinese."""
    session = signed_in(request)
    if session is not None:
        return session.account.language
    kept = request.cookies.get("language", "")
    return kept if kept in LANGUAGES else FIRST


def signed_in(request: web.BaseRequest) -> Session | None:
    """The session that the guard found."""
    return request.get(SESSION)


def person(request: web.Request) -> Account:
    """Who is signed in. The guard has made sure that somebody is."""
    session = signed_in(request)
    assert session is not None, "the policy of this route lets nobody in who is not signed in"
    return session.account


def form_token(request: web.BaseRequest) -> str:
    """What a form must carry to be believed: bound to the session, or before that to the browser."""
    secret = request.get(TOKEN, "")
    return hmac.digest(secret.encode(), b"form", "sha256").hex()[:40]


def text(request: web.BaseRequest, sentence: str, **values: Any) -> str:
    """A sentence in the reader's language, then its values put in."""
    found = translations(language_of(request)).gettext(sentence)
    return found.format(**values) if values else found


def show(request: web.Request, template: str, status: int = 200, /, **context: Any) -> web.Response:
    """A page."""
    body = render(request, template, **context)
    return web.Response(status=status, text=body, content_type="text/html", charset="utf-8")


def render(request: web.Request, template: str, /, **context: Any) -> str:
    """The text of a page; what every template knows is added here."""
    hub = request.app[HUB]
    language = language_of(request)
    known = {
        "language": language,
        "html_language": LANGUAGES[language],
        "languages": LANGUAGES,
        "session": signed_in(request),
        "me": session.account if (session := signed_in(request)) else None,
        "full": session is not None and session.level == Level.FULL,
        "form_token": form_token(request),
        "menu": menu(request),
        "here": request.path,
        "asset": asset,
        "site_name": hub.site.name_zh if language == "zh" else hub.site.name_en,
        **_formats(hub, language),
        **context,
    }
    return environment(language).get_template(template).render(known)


def menu(request: web.BaseRequest) -> list[Link]:
    """What the person may open."""
    session = signed_in(request)
    if session is None or session.level != Level.FULL:
        return []
    mine = (link for link in MENU if not link.roles or session.account.is_any(*link.roles))
    return sorted(mine, key=lambda link: link.place)


def _formats(hub: "Hub", language: str) -> Mapping[str, Callable[..., str]]:
    """Times and names as templates write them: of the site's zone, in the reader's language."""
    zone = ZoneInfo(hub.city.timezone)

    def local(at: datetime | int) -> datetime:
        return (moment(at) if isinstance(at, int) else at).astimezone(zone)

    def clock(at: datetime | int | None) -> str:
        return f"{local(at):%Y-%m-%d %H:%M}" if at is not None else ""

    def day(at: datetime | int | None) -> str:
        return f"{local(at):%Y-%m-%d}" if at is not None else ""

    def hour(at: datetime | int | None) -> str:
        return f"{local(at):%H:%M}" if at is not None else ""

    def named(thing: Any, kind: str = "name") -> str:
        return str(getattr(thing, f"{kind}_{language}"))

    return {"clock": clock, "day": day, "hour": hour, "named": named}
