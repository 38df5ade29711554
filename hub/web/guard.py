"""The guard in front of every handler: who is it, may they, and did the form come from a page of ours.

What it lets through is decided by the policy of the route alone (``hub.web.policy``).
"""

import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from contracts.errors import OnedoorError
from hub import sign_in
from hub.clients import Forbidden
from hub.people import CASEWORK, Account
from hub.sign_in import Level
from hub.web import page_errors
from hub.web.asking import HUB
from hub.web.pages import SESSION, TOKEN, form_token, signed_in
from hub.web.policy import Policy, Who, policy_of
from hub.web.problems import FormRefused, NotSignedIn

if TYPE_CHECKING:
    from hub.app import Hub

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
READING = frozenset({"GET", "HEAD"})
FORM_FIELD = "_form"

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""On every answer of every route. ``Cache-Control: no-store`` too, but for the files that pages are made of."""

HSTS = "max-age=31536000"


class CookiesUnsafe(OnedoorError):
    """Cookies without ``Secure`` on an address that others can reach."""


def check_cookies(hub: "Hub") -> None:
    """Raises CookiesUnsafe: cookies without ``Secure`` are for a demo that only this machine reaches."""
    if hub.settings.sign_in.loopback_http and not _is_loopback(hub.settings.host):
        raise CookiesUnsafe(
            "sign_in.loopback_http is for 127.0.0.1 only: listen there, or put TLS in front and remove it"
        )


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Called before every answer."""
    headers = response.headers
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    policy = policy_of(request)
    if "Cache-Control" not in headers:
        kept = policy is not None and policy.cached and response.status == 200
        headers["Cache-Control"] = "public, max-age=31536000, immutable" if kept else "no-store"
    if (request.app[HUB].settings.public_url or "").startswith("https://"):
        headers["Strict-Transport-Security"] = HSTS


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Enforce the policy; errors of pages leave as pages."""
    policy = policy_of(request)
    if policy is None:
        return (
            await page_errors.answered(request, handler) if page_errors.wants_page(request) else await handler(request)
        )
    if not policy.page:
        return await handler(request)

    if policy.upload:
        # aiohttp knows one limit for all of an application, and would leave the files of a cloned request open
        request._client_max_size = request.app[HUB].settings.max_scan_bytes  # noqa: SLF001

    async def guarded(request: web.Request) -> web.StreamResponse:
        _check_host(request)
        await _recognise(request)
        fresh = _browser(request)
        try:
            _admit(request, policy)
        except NotSignedIn:
            response: web.StreamResponse = await page_errors.sign_in_first(request)
        else:
            if request.method not in READING:
                await _believe(request)
            response = await handler(request)
        if fresh:
            set_cookie(response, request, "form", fresh)
        return response

    return await page_errors.answered(request, guarded)


async def _recognise(request: web.Request) -> None:
    token = request.cookies.get(cookie_name(request, "session"), "")
    if token:
        session = await sign_in.find(request.app[HUB], token)
        if session is not None:
            request[SESSION], request[TOKEN] = session, token


def _browser(request: web.Request) -> str:
    """Before somebody has signed in a form is bound to the browser: the value of a cookie that must be set, or ""."""
    if signed_in(request) is not None:
        return ""
    kept = request.cookies.get(cookie_name(request, "form"), "")
    request[TOKEN] = kept or secrets.token_urlsafe(24)
    return "" if kept else request[TOKEN]


def _admit(request: web.Request, policy: Policy) -> None:
    """Raises NotSignedIn, Forbidden, or HTTPSeeOther to what must be done first."""
    if policy.who is not Who.STAFF:
        return
    session = signed_in(request)
    if session is None:
        raise NotSignedIn("sign in first")
    if not policy.half:
        if session.level != Level.FULL:
            raise web.HTTPSeeOther("/sign-in/code")
        if session.account.change_password or lacks_second_factor(request.app[HUB], session.account):
            raise web.HTTPSeeOther("/account")
    if policy.roles and not session.account.is_any(*policy.roles):
        raise Forbidden("your role does not open this page")


def lacks_second_factor(hub: "Hub", account: Account) -> bool:
    """Whether the settings demand a second factor of this person that is not set up yet."""
    wanted = hub.settings.sign_in.second_factor
    if wanted == "optional" or account.second_factor or account.identity is not None:
        return False
    return wanted == "everybody" or not account.roles <= _CLERKS


_CLERKS = frozenset(role for role in CASEWORK if role != "supervisor")


async def _believe(request: web.Request) -> None:
    """Raises FormRefused unless the form came from a page of ours, of this session."""
    origin = request.headers.get("Origin")
    if origin is not None and origin != own_origin(request):
        raise FormRefused("this form was sent from another site")
    if origin is None and request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise FormRefused("this form was sent from another site")
    if request.content_type not in FORMS:
        raise FormRefused("only forms are taken here")
    given = (await request.post()).get(FORM_FIELD, "")
    if not isinstance(given, str) or not secrets.compare_digest(given.encode(), form_token(request).encode()):
        raise FormRefused("this form belongs to another sign-in: open the page again")


def own_origin(request: web.Request) -> str:
    """Scheme and host that our pages have for the browser."""
    public = request.app[HUB].settings.public_url
    if public:
        parts = urlsplit(public)
        return f"{parts.scheme}://{parts.netloc}"
    return f"{'https' if secure(request) else 'http'}://{request.host}"


def _check_host(request: web.Request) -> None:
    """A page is served under its own name only, where the settings give one."""
    public = request.app[HUB].settings.public_url
    if public and request.host != urlsplit(public).netloc:
        raise web.HTTPMisdirectedRequest


def secure(request: web.Request) -> bool:
    """Whether cookies are ``Secure``: always, unless the settings make the exception for this machine."""
    return not request.app[HUB].settings.sign_in.loopback_http


def cookie_name(request: web.Request, name: str) -> str:
    """With ``__Host-`` a browser takes the cookie from this host only, over TLS only, for every path."""
    return f"__Host-onedoor-{name}" if secure(request) else f"onedoor-{name}"


def set_cookie(response: web.StreamResponse, request: web.Request, name: str, value: str, days: int = 0) -> None:
    """A cookie that scripts cannot read and other sites cannot send; without ``days`` it goes with the browser."""
    response.set_cookie(
        cookie_name(request, name),
        value,
        path="/",
        secure=secure(request),
        httponly=True,
        samesite="Lax",
        max_age=days * 86_400 or None,
    )


def drop_cookie(response: web.StreamResponse, request: web.Request, name: str) -> None:
    """Have the browser forget it."""
    response.del_cookie(cookie_name(request, name), path="/", secure=secure(request), httponly=True, samesite="Lax")


def address_of(request: web.Request) -> str:
    """The caller's address; behind proxies of ours the one that the outermost of them saw."""
    count = request.app[HUB].settings.sign_in.proxies
    if count:
        seen = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
        if len(seen) >= count:
            return seen[-count]
    return request.remote or ""


def local_path(text: str) -> str:
    """A path of ours, or ``/``: never an address elsewhere, whatever it is dressed up as."""
    parts = urlsplit(text)
    plain = text.startswith("/") and not text.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return text if plain and text.isprintable() and "\\" not in text else "/"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
