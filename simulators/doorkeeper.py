"""The door of a simulated REST department: who may come in, by the kind of authentication its channel declares.

``mtls`` is not checked here: TLS ends at the department's own front, as it does in most data centres.
"""

import base64
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, unquote_plus

from adapters.rest_table import AuthKind, RestTable
from adapters.signature import SIGNATURE_HEADER, ForgedError, Verifier


class Doorkeeper:
    """Checks requests; for oauth2 it also issues tokens, and counts them."""

    def __init__(self, table: RestTable, secret: Callable[[str], str], *, token_seconds: float = 600.0) -> None:
        """``secret``: values by name, the same as the hub's."""
        self._auth = table.auth
        self._values = [secret(name) for name in table.auth.secrets]
        self._token_seconds = token_seconds
        self.issued = 0
        self._tokens: dict[str, float] = {}
        self._verifier = Verifier(
            self._values[0].encode() if self._values else b"",
            table.auth.algorithm,
            header=table.auth.header or SIGNATURE_HEADER,
        )

    def admits(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bool:
        """``headers`` by lower-case name; ``path`` with its query."""
        match self._auth.kind:
            case AuthKind.NONE | AuthKind.MTLS:
                return True
            case AuthKind.HMAC:
                try:
                    self._verifier.verify(method, path, headers, body, at=time.time())
                except ForgedError:
                    return False
                return True
            case AuthKind.BEARER:
                return _equal(headers.get((self._auth.header or "Authorization").lower()), f"Bearer {self._values[0]}")
            case AuthKind.API_KEY:
                return _equal(headers.get((self._auth.header or "X-Api-Key").lower()), self._values[0])
            case AuthKind.OAUTH2:
                token = headers.get("authorization", "").removeprefix("Bearer ")
                return self._tokens.get(token, 0.0) > time.monotonic()

    def token(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, str | int] | None:
        """A new token for the client credentials grant, None when the client or the form is wrong."""
        login = headers.get("authorization", "").removeprefix("Basic ")
        try:
            given = base64.b64decode(login).decode(errors="replace").split(":")
        except ValueError:
            return None
        form = parse_qs(body.decode(errors="replace"))
        if [unquote_plus(part) for part in given] != self._values or form.get("grant_type") != ["client_credentials"]:
            return None
        self.issued += 1
        token = secrets.token_urlsafe(24)
        self._tokens[token] = time.monotonic() + self._token_seconds
        return {"access_token": token, "token_type": "Bearer", "expires_in": int(self._token_seconds)}

    def forget_tokens(self) -> None:
        """Every token is refused from now on, whatever its holder was told."""
        self._tokens.clear()


def _equal(given: str | None, expected: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())
