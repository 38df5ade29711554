"""Errors as pages: one clear sentence, what to do, and the way back. Statuses are those of the API."""

import json
import re
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlsplit

from aiohttp import web

from contracts.errors import OnedoorError
from hub.web.pages import show, text
from hub.web.problems import log_bug, problem_of
from hub.web.texts import N_

TITLES = {
    400: N_("This cannot be read"),
    401: N_("Please sign in"),
    403: N_("Not for you"),
    404: N_("Nothing here"),
    405: N_("Not like this"),
    409: N_("Nothing was changed"),
    413: N_("Too large"),
    421: N_("Wrong address"),
    422: N_("Something is missing"),
    429: N_("Too many tries"),
    500: N_("The hub made a mistake"),
    503: N_("Nothing can be stored at the moment"),
}
HELP = {
    403: N_("Your role does not open this page, or the form is out of date. Open the page again from the menu."),
    404: N_("There is nothing under this address, or it belongs to another centre or department. Check the number."),
    405: N_("This address does not take that. Use the menu."),
    413: N_("The file or the form is larger than this hub takes."),
    421: N_("Use the address that your centre has been given."),
    500: N_("It is logged. Try again later, and tell those who run the hub if it stays."),
    503: N_("Nothing you keyed was stored. Wait a moment and send it again."),
}


def wants_page(request: web.Request) -> bool:
    """Whether a person with a browser asks, as far as an address that leads nowhere lets us know."""
    return "text/html" in request.headers.get("Accept", "") and not request.path.startswith("/v1/")


async def answered(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The handler's answer, or the page of its error."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            return web.Response(status=error.status, headers={"Location": error.headers["Location"]})
        return error_page(request, error.status)
    except OnedoorError as error:
        problem = problem_of(error)
        return error_page(request, problem.status, sentence(request, error))
    except Exception as error:  # noqa: BLE001 - the last stop: a person must get a page that tells nothing of the inside
        log_bug(error)
        return error_page(request, 500)


def error_page(request: web.Request, status: int, detail: str = "") -> web.Response:
    """The page of an error."""
    title = text(request, TITLES.get(status, TITLES[400]))
    told = detail or text(request, HELP.get(status, HELP[404]))
    return show(request, "error.html", status, title=title, detail=told, status=status)


def sentence(request: web.Request, error: OnedoorError) -> str:
    """What an error says, in the reader's language as far as it is in the catalogue."""
    values = getattr(error, "values", None)
    if values is not None and hasattr(error, "text"):
        return text(request, error.text, **values)
    plain = str(error)
    for pattern, told in _WITH_VALUES:
        found = pattern.fullmatch(plain)
        if found is not None:
            return text(request, told, **found.groupdict())
    return text(request, plain)


_WITH_VALUES = (
    (
        re.compile("this print is outdated: version (?P<number>[0-9]+) counts, print it again"),
        N_("This print is outdated: version {number} counts. Print it again."),
    ),
    (
        re.compile("the case cannot be accepted as it is: (?P<wrong>.*)", re.DOTALL),
        N_("The case cannot be accepted as it is: {wrong}"),
    ),
    (re.compile(r"a case in state [0-9]+ \(.*\) cannot .*"), N_("The state of the case does not allow this.")),
)
"""Sentences of the core that carry values, and how they are said here."""


async def sign_in_first(request: web.Request) -> web.Response:
    """To the sign-in page. What was typed into a form of ours meanwhile waits there and can be sent afterwards."""
    if request.method in ("GET", "HEAD"):
        wanted = request.path_qs
        path = "/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted, safe='/')}"
        return web.Response(status=303, headers={"Location": path})
    if urlsplit(request.headers.get("Origin", "")).netloc != request.host:
        return web.Response(status=303, headers={"Location": "/sign-in"})
    posted = await request.post()
    typed = [(name, value) for name, value in posted.items() if isinstance(value, str) and name != "_form"]
    kept = json.dumps(typed, ensure_ascii=False)
    problem = text(request, N_("Your sign-in has ended. What you typed is kept: sign in and send it."))
    if any(isinstance(value, web.FileField) for value in posted.values()):
        problem += text(request, N_(" The files are not kept: drop them in afterwards, under Scan-back."))
    return show(request, "sign_in.html", 401, problem=problem, login="", next=request.path, provider="", kept=kept)
