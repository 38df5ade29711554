"""How a gateway proves who it is: one authoriser a kind, each giving the headers of one request."""

import asyncio
import base64
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import quote_plus, urlencode

import orjson

from adapters.rest_table import Auth, AuthKind, RestTable
from adapters.signature import SIGNATURE_HEADER, signed_headers
from contracts.errors import CredentialsError, OutcomeUnknownError, TemporaryError
from contracts.plugin import Http, HttpRequest, Runtime


class Authoriser(Protocol):
    """Proves who we are."""

    async def headers(self, method: str, path: str, body: bytes) -> Mapping[str, str]:
        """For one request; ``path`` with its query. Raises TemporaryError or CredentialsError: nothing of the message left."""
        ...

    def renewable(self, refused: Mapping[str, str]) -> bool:
        """After a 401 to those headers: whether there can be newer ones, so that one more try makes sense."""
        ...


class FixedHeaders:
    """none, mtls, bearer, api_key."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    async def headers(self, method: str, path: str, body: bytes) -> Mapping[str, str]:
        return self._headers

    def renewable(self, refused: Mapping[str, str]) -> bool:
        return False


class Signed:
    """hmac: each request is signed anew."""

    def __init__(self, key: bytes, auth: Auth) -> None:
        self._key = key
        self._auth = auth

    async def headers(self, method: str, path: str, body: bytes) -> Mapping[str, str]:
        return signed_headers(
            self._key,
            self._auth.algorithm,
            method,
            path,
            body,
            at=time.time(),
            nonce=secrets.token_hex(16),
            header=self._auth.header or SIGNATURE_HEADER,
        )

    def renewable(self, refused: Mapping[str, str]) -> bool:
        return False


class ClientCredentials:
    """oauth2, RFC 6749 section 4.4: a token is fetched when it is first needed, and again shortly before it ends."""

    def __init__(
        self, http: Http, token_url: str, client: tuple[str, str], table: RestTable, monotonic: Callable[[], float]
    ) -> None:
        self._http = http
        self._token_url = token_url
        self._table = table
        self._monotonic = monotonic
        login = ":".join(quote_plus(part) for part in client)
        self._login = "Basic " + base64.b64encode(login.encode()).decode()
        self._one_fetch = asyncio.Lock()
        self._token: str | None = None
        self._ends_at = 0.0

    async def headers(self, method: str, path: str, body: bytes) -> Mapping[str, str]:
        async with self._one_fetch:
            if self._token is None or self._monotonic() >= self._ends_at:
                self._token, seconds = await self._fetch()
                # A tenth early, so that a token does not end on its way.
                self._ends_at = self._monotonic() + 0.9 * seconds
            return {"Authorization": f"Bearer {self._token}"}

    def renewable(self, refused: Mapping[str, str]) -> bool:
        # Many calls may be refused at once with the same old token: only the first of them makes a new one necessary.
        if refused["Authorization"] == f"Bearer {self._token}":
            self._token = None
        return True

    async def _fetch(self) -> tuple[str, float]:
        form = {
            "grant_type": "client_credentials",
            **({"scope": self._table.auth.scope} if self._table.auth.scope else {}),
        }
        request = HttpRequest(
            method="POST",
            url=self._token_url,
            headers={
                "Authorization": self._login,
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
            body=urlencode(form).encode(),
            connect_seconds=self._table.timeouts.connect_seconds,
            total_seconds=self._table.timeouts.total_seconds,
            max_bytes=65536,
        )
        try:
            answer = await self._http.send(request)
        except OutcomeUnknownError as error:
            # Whatever became of the request for a token, the message itself has not left.
            raise TemporaryError("token_unreachable", "the token service did not answer") from error
        if answer.status in {400, 401, 403}:
            raise CredentialsError("token_refused", "the token service refused our client; check its id and secret")
        try:
            grant = orjson.loads(answer.body) if answer.status == 200 else {}
            token, seconds = str(grant["access_token"]), float(grant.get("expires_in", 300))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise TemporaryError(
                "token_unreadable", f"the token service answered {answer.status} without a token"
            ) from error
        return token, seconds


def authoriser(table: RestTable, runtime: Runtime, http: Http, address: str) -> Authoriser:
    """The authoriser of a channel; ``address``: scheme, host and port. Raises CredentialsError where a secret is missing."""
    auth = table.auth
    values = [runtime.secret(name) for name in auth.secrets]
    match auth.kind:
        case AuthKind.NONE | AuthKind.MTLS:
            return FixedHeaders({})
        case AuthKind.BEARER:
            return FixedHeaders({auth.header or "Authorization": f"Bearer {values[0]}"})
        case AuthKind.API_KEY:
            return FixedHeaders({auth.header or "X-Api-Key": values[0]})
        case AuthKind.HMAC:
            return Signed(values[0].encode(), auth)
        case AuthKind.OAUTH2:
            return ClientCredentials(http, address + auth.token_path, (values[0], values[1]), table, runtime.monotonic)
