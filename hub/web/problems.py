"""Errors as ``application/problem+json`` (RFC 9457). What is not in the table is a bug: logged, and told without any detail."""

import logging
import math
import traceback
from collections.abc import Awaitable, Callable

from aiohttp import web

from contracts.api import BadField, Problem
from contracts.errors import OnedoorError
from contracts.records import adapter, record
from hub import metrics
from hub.city import NotReceivable
from hub.clients import Forbidden
from hub.cloud_events import BadData, BadMessage, WrongMediaType
from hub.keys import Erased
from hub.people import AccountRefused
from hub.results.errors import IdConflict, NotAllowed, NotFoundHere, Overtaken
from hub.store.connection import StoreUnavailable

_log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
TYPE = "urn:onedoor:problem:"
"""Names of problems; docs/reference/problems.md says what to do about each."""

STORE_RETRY_SECONDS = 5

SAFE_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""On every answer: nothing here is for a cache or for a browser to guess about."""


class Unauthorised(OnedoorError):
    """No key, or one that does not count any more (401)."""


class NotSignedIn(OnedoorError):
    """Nobody, or a session that has ended (401)."""


class FormRefused(OnedoorError):
    """A form that did not come from a page of ours, or from a page of another session (403)."""


class TooLarge(OnedoorError):
    """A body over its limit (413)."""


class TooSlow(OnedoorError):
    """A body that did not arrive in time (408)."""


class Overloaded(OnedoorError):
    """More than the hub can put away now (429)."""

    def __init__(self, seconds: float) -> None:
        """``seconds`` until another try makes sense."""
        super().__init__("more is arriving than can be put away: send again later")
        self.seconds = seconds


@record
class Kind:
    """What a class of errors is for the sender."""

    status: int
    name: str
    title: str


UNEXPECTED = Kind(status=500, name="internal", title="The hub made a mistake")

KINDS: tuple[tuple[type[OnedoorError], Kind], ...] = (
    (BadData, Kind(status=422, name="invalid-data", title="The data do not follow the rules")),
    (BadMessage, Kind(status=400, name="unreadable", title="The message cannot be read")),
    (WrongMediaType, Kind(status=415, name="media-type", title="This media type is not taken here")),
    (NotReceivable, Kind(status=422, name="not-receivable", title="The item cannot be received")),
    (Unauthorised, Kind(status=401, name="no-key", title="A valid key is needed")),
    (Forbidden, Kind(status=403, name="out-of-scope", title="The key does not cover this")),
    (NotSignedIn, Kind(status=401, name="not-signed-in", title="Sign in first")),
    (FormRefused, Kind(status=403, name="form-refused", title="This form is not taken")),
    (AccountRefused, Kind(status=422, name="account", title="The account cannot be like this")),
    (NotFoundHere, Kind(status=404, name="not-found", title="Not found")),
    (IdConflict, Kind(status=409, name="id-conflict", title="Another content came under this id")),
    (Overtaken, Kind(status=409, name="overtaken", title="Somebody else was faster")),
    (NotAllowed, Kind(status=409, name="not-allowed", title="Not possible in this state")),
    (Erased, Kind(status=410, name="erased", title="The person's data was erased")),
    (TooLarge, Kind(status=413, name="too-large", title="Too large")),
    (TooSlow, Kind(status=408, name="too-slow", title="The body did not arrive in time")),
    (Overloaded, Kind(status=429, name="overloaded", title="Too much at once")),
    (StoreUnavailable, Kind(status=503, name="store-unavailable", title="Nothing can be stored at the moment")),
)
"""The first class that fits decides."""


@web.middleware
async def problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The one middleware: whatever goes wrong below it leaves as a problem."""
    try:
        return await handler(request)
    except OnedoorError as error:
        return respond(error)
    except web.HTTPException as error:
        return _of_aiohttp(error)
    except Exception as error:  # noqa: BLE001 - the last stop: the sender must get an answer that tells nothing of the inside
        return respond(error)


def problem_of(error: Exception) -> Problem:
    """The problem that an error is for the sender; logs what is not in the table."""
    for of, kind in KINDS:
        if isinstance(error, of):
            errors: tuple[BadField, ...] = error.errors if isinstance(error, BadMessage) else ()
            detail = "" if of is StoreUnavailable else str(error)
            return _problem(kind, detail, errors)
    log_bug(error)
    return _problem(UNEXPECTED, "it is logged; send again later, and tell those who run the hub if it stays")


def respond(error: Exception) -> web.Response:
    """The whole answer to an error."""
    response = _response(problem_of(error))
    if isinstance(error, Overloaded):
        response.headers["Retry-After"] = str(max(1, math.ceil(error.seconds)))
    elif isinstance(error, StoreUnavailable):
        response.headers["Retry-After"] = str(STORE_RETRY_SECONDS)
        _log.error("the store takes no writes: %s", error)
    elif isinstance(error, Unauthorised):
        response.headers["WWW-Authenticate"] = 'Bearer realm="onedoor"'
    elif isinstance(error, TooLarge | TooSlow):
        response.force_close()  # the rest of the body is not waited for
    return response


def log_bug(error: Exception) -> None:
    """Where it happened and of which class, without its text: that may quote what a resident wrote."""
    metrics.BUGS.labels("web").inc()
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    where = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    _log.error("unexpected %s at %s", type(error).__name__, where)


def _of_aiohttp(error: web.HTTPException) -> web.Response:
    """Errors of the framework: no such address, wrong method, body over the framework's own limit."""
    name = (error.reason or "error").lower().replace(" ", "-")
    response = _response(_problem(Kind(status=error.status, name=name, title=error.reason or "Error"), ""))
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _problem(kind: Kind, detail: str, errors: tuple[BadField, ...] = ()) -> Problem:
    return Problem(type=TYPE + kind.name, title=kind.title, status=kind.status, detail=detail, errors=errors)


def _response(problem: Problem) -> web.Response:
    body = adapter(Problem).dump_json(problem, exclude_defaults=True)
    return web.Response(status=problem.status, body=body, content_type=PROBLEM_JSON, headers=SAFE_HEADERS)
