"""The ``[systems.channels.rest]`` table of a department, and what the status of its answers means.

    [systems.channels.rest]
    base_path = "/api/v1"
    enquire_path = "/deliveries/{delivery_id}"
    later_replies = "callback"
    auth = { kind = "hmac", secrets = ["relief_key"], algorithm = "hmac-sha256" }
    reference = { in = "header", name = "X-Delivery-Id" }
    timeouts = { connect_seconds = 3, total_seconds = 10 }
    callback = { answer = { ok = { status = 200, body = { received = true } }, refused = { status = 422 } } }
    status = { 404 = "temporary" }

An operation says in ``wire.api``: ``method``, ``path`` and, where names differ, the rows of its field map.
"""

import codecs
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, JsonValue, field_validator, model_validator

from adapters.strict_tables import Strict
from contracts.errors import CredentialsError, DeliveryError, OutcomeUnknownError, PermanentError, TemporaryError

Algorithm = Literal["hmac-sha256", "hmac-sm3"]
Path = Annotated[str, Field(pattern=r"^/[^\s?#]*$")]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class AuthKind(StrEnum):
    """How the hub proves who it is."""

    NONE = "none"
    HMAC = "hmac"
    BEARER = "bearer"
    API_KEY = "api_key"
    OAUTH2 = "oauth2"
    MTLS = "mtls"


_SECRETS_OF: Mapping[AuthKind, int] = {
    AuthKind.NONE: 0,
    AuthKind.HMAC: 1,
    AuthKind.BEARER: 1,
    AuthKind.API_KEY: 1,
    AuthKind.OAUTH2: 2,
    AuthKind.MTLS: 1,
}


class Auth(Strict):
    """``secrets``: names; one key or token, for oauth2 client id and client secret, for mtls the private key in PEM.

    ``header``: where the signature or the API key travels. ``token_path``: below the place's address, not below base_path.
    """

    kind: AuthKind = AuthKind.NONE
    secrets: tuple[str, ...] = ()
    algorithm: Algorithm = "hmac-sha256"
    header: HeaderName | None = None
    token_path: Path = "/oauth/token"  # noqa: S105 - a path
    scope: str | None = None

    @model_validator(mode="after")
    def _has_its_secrets(self) -> Self:
        wanted = _SECRETS_OF[self.kind]
        if len(self.secrets) != wanted:
            raise ValueError(f"auth of kind {self.kind} takes {wanted} names of secrets")
        return self


class Reference(Strict):
    """Where the delivery id travels. ``connection``: nowhere; the answer comes at once, on a connection of its own.

    ``echo``: the field of every answer that repeats the id (a dotted path where it lies in a part); an answer header called ``name``
    does as well. ``width``: 36 characters, or 32 without hyphens.
    """

    place: Literal["header", "body", "connection"] = Field(default="header", alias="in")
    name: HeaderName | Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")] = "X-Delivery-Id"
    echo: str = "delivery_id"
    width: Literal[32, 36] = 36

    def written(self, delivery_id: UUID) -> str:
        """The delivery id as it travels."""
        return delivery_id.hex if self.width == 32 else str(delivery_id)


class Timeouts(Strict):
    """Seconds of a machine. ``connect_seconds`` covers name, connection and TLS; ``total_seconds`` everything."""

    connect_seconds: float = Field(default=3.0, gt=0, le=60)
    total_seconds: float = Field(default=10.0, gt=0, le=600)


class Poll(Strict):
    """How later answers are fetched: ``path`` lists many behind a cursor; without it each delivery is enquired, first after
    ``every_seconds`` and then at intervals that double up to ``longest_seconds`` (eight times the first if nothing is said)."""

    every_seconds: float = Field(default=600.0, gt=0)
    longest_seconds: float | None = Field(default=None, gt=0)
    path: Path | None = None
    cursor: str = "since"
    page_size: int = Field(default=200, ge=1, le=10_000)


class AnswerForm(Strict):
    """What the caller of a callback is told: text as it stands, anything else as JSON."""

    status: int = Field(ge=200, le=599)
    body: JsonValue = None
    content_type: str = "application/json"


class CallbackAnswers(Strict):
    """``ok`` after the commit, ``refused`` for what is not genuine or not readable, ``failure`` when it could not be stored."""

    ok: AnswerForm = AnswerForm(status=200)
    refused: AnswerForm = AnswerForm(status=422)
    failure: AnswerForm = AnswerForm(status=503)


class Callback(Strict):
    """How the department calls back. ``path`` is what it signs; ``secret`` a name, the channel's first one by default.

    ``replays``: within ``window_seconds`` a call with a nonce seen before is refused (each try must be signed anew), or for a
    partner that repeats the same bytes taken again: the hub stores a reply once in any case.
    """

    path: str = "/v1/callbacks/{system}"
    auth: Literal["hmac"] = "hmac"
    secret: str | None = None
    algorithm: Algorithm | None = None
    header: HeaderName = "X-Signature"
    window_seconds: float = Field(default=300.0, gt=0, le=3600)
    replays: Literal["refuse", "take"] = "refuse"
    answer: CallbackAnswers = CallbackAnswers()


class Verdict(StrEnum):
    """What a status says about the message."""

    TEMPORARY = "temporary"
    UNKNOWN = "unknown"
    PERMANENT = "permanent"
    CREDENTIALS = "credentials"


class RestTable(Strict):
    """The whole table."""

    base_path: str = Field(default="", pattern=r"^(/[^\s?#]*[^\s?#/])?$")
    content_type: str = "application/json"
    encoding: str = "UTF-8"
    auth: Auth = Auth()
    reference: Reference = Reference()
    timeouts: Timeouts = Timeouts()
    enquire_path: Path | None = None
    later_replies: Literal["none", "callback", "poll"] = "none"
    poll: Poll | None = None
    callback: Callback | None = None
    status: Mapping[int, Verdict] = Field(default_factory=dict)
    max_answer_bytes: int = Field(default=4_000_000, ge=1)

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError as error:
            raise ValueError(f"no such encoding: {value}") from error
        return value

    @model_validator(mode="after")
    def _has_a_way_back(self) -> Self:
        if self.later_replies == "poll" and not (self.enquire_path or (self.poll and self.poll.path)):
            raise ValueError("later_replies = poll needs enquire_path or poll.path")
        has_secret = self.auth.kind is AuthKind.HMAC or (self.callback is not None and self.callback.secret is not None)
        if self.later_replies == "callback" and not has_secret:
            raise ValueError("later_replies = callback needs callback.secret unless auth is hmac")
        if self.reference.place == "connection" and (self.later_replies != "none" or self.enquire_path):
            raise ValueError("a connection as reference must bring the answer at once: no later_replies, no enquiry")
        if self.enquire_path and "{delivery_id}" not in self.enquire_path:
            raise ValueError("enquire_path must contain {delivery_id}")
        if any(not 300 <= status <= 599 for status in self.status):
            raise ValueError("the status table takes 300 to 599: what a 2xx means is in its body")
        return self


class RestWire(Strict):
    """``wire.api`` of an operation. ``request`` and ``reply``: rows of the field map, where names differ."""

    path: Path
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = "POST"
    request: Mapping[str, str] = Field(default_factory=dict)
    reply: Mapping[str, str] = Field(default_factory=dict)


_STATUS: Mapping[int, Verdict] = {
    401: Verdict.CREDENTIALS,
    403: Verdict.CREDENTIALS,
    407: Verdict.CREDENTIALS,
    408: Verdict.UNKNOWN,
    425: Verdict.TEMPORARY,
    429: Verdict.TEMPORARY,
    503: Verdict.TEMPORARY,
}
_STATUS_CLASS: Mapping[int, Verdict] = {3: Verdict.PERMANENT, 4: Verdict.PERMANENT, 5: Verdict.UNKNOWN}
"""Redirects are never followed: where they lead, nobody agreed to send personal data. A 5xx may have acted before it failed."""


def verdict_of(status: int, overrides: Mapping[int, Verdict]) -> Verdict:
    """What a status outside 2xx means; ``unknown`` for one that HTTP does not have."""
    return overrides.get(status) or _STATUS.get(status) or _STATUS_CLASS.get(status // 100, Verdict.UNKNOWN)


def status_error(status: int, overrides: Mapping[int, Verdict], retry_after: float | None = None) -> DeliveryError:
    """The error for a status outside 2xx; its code is ``http_<status>``, ``redirect_<status>`` for a redirect."""
    code = f"redirect_{status}" if status // 100 == 3 else f"http_{status}"
    match verdict_of(status, overrides):
        case Verdict.TEMPORARY:
            return TemporaryError(code, "the department is not taking messages now", retry_after=retry_after)
        case Verdict.CREDENTIALS:
            return CredentialsError(
                code, "the department refused our credentials; check key, certificate and allow-list"
            )
        case Verdict.PERMANENT if status // 100 == 3:
            return PermanentError(
                code, "the department redirects, which is not followed; correct the address of the channel"
            )
        case Verdict.PERMANENT:
            return PermanentError(
                code, "the department rejected the message; correct its content or the channel's table"
            )
        case Verdict.UNKNOWN:
            return OutcomeUnknownError(code, "the department failed and may have acted before")
