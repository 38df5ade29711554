"""The guard of the control server: only this machine's own names, and no change that another site asks a browser for."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

READING: Final = frozenset({"GET", "HEAD"})
FORMS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
FORM_FIELD: Final = "_form"
COOKIE: Final = "simulators-form"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self';"
        " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

TOKEN: Final = web.RequestKey("token", str)
"""What forms of this browser carry."""


def is_api(request: web.BaseRequest) -> bool:
    """Programs under /v1, people elsewhere."""
    return request.path.startswith("/v1/")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Raises HTTPMisdirectedRequest for a foreign name, HTTPForbidden for a change from elsewhere."""
    if request.url.host not in ("127.0.0.1", "localhost", "::1"):
        # A foreign name that leads here is how another site's script would reach us.
        raise web.HTTPMisdirectedRequest(text="the simulators answer to 127.0.0.1 and localhost only")
    request[TOKEN] = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
    if request.method not in READING:
        await _believe(request)
    response = await handler(request)
    if not is_api(request) and request.cookies.get(COOKIE) != request[TOKEN]:
        response.set_cookie(COOKIE, request[TOKEN], path="/", httponly=True, samesite="Strict")
    return response


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Called before every answer."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.update(HEADERS)


async def _believe(request: web.Request) -> None:
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.scheme}://{request.host}":
        raise web.HTTPForbidden(text="this was sent from another site")
    if origin is None and request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise web.HTTPForbidden(text="this was sent from another site")
    if is_api(request):
        # A form can be sent from any site without being asked; JSON and TOML cannot.
        if request.can_read_body and request.content_type not in ("application/json", "application/toml"):
            raise web.HTTPUnsupportedMediaType(text="send application/json, or application/toml for a scenario")
        return
    if request.content_type not in FORMS:
        raise web.HTTPForbidden(text="only forms are taken here")
    given = (await request.post()).get(FORM_FIELD, "")
    known = request.cookies.get(COOKIE, "")
    if not known or not isinstance(given, str) or not secrets.compare_digest(given.encode(), known.encode()):
        raise web.HTTPForbidden(text="this form is not from this browser: open the page again")
