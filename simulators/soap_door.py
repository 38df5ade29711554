"""The door of a simulated SOAP department: UsernameToken with digest or text, an API key; each nonce once, no stale token.

``mtls`` is not checked here: TLS ends at the department's own front, as it does in most data centres.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from adapters.soap_envelope import TOKEN_PROFILE, WSSE, WSU
from adapters.soap_table import SoapAuthKind, SoapTable
from adapters.soap_xml import Element

_FRESH = timedelta(minutes=5)


class SoapDoor:
    """Checks who calls. It reads the token by itself, never with the code that wrote it."""

    def __init__(self, table: SoapTable, secret: Callable[[str], str]) -> None:
        """``secret``: values by name, the same as the hub's."""
        self._auth = table.auth
        self._values = [secret(name) for name in table.auth.secrets]
        self._nonces: set[str] = set()

    def admits(self, security: Element | None, headers: Mapping[str, str]) -> str:
        """What is wrong, as a code of WS-Security; blank: come in. ``headers`` by lower-case name."""
        match self._auth.kind:
            case SoapAuthKind.USERNAMETOKEN:
                return "InvalidSecurity" if security is None else self._token(security)
            case SoapAuthKind.API_KEY if self._auth.place == "header":
                given = headers.get(self._auth.header.lower(), "")
                return "" if hmac.compare_digest(given.encode(), self._values[0].encode()) else "FailedAuthentication"
            case _:
                return ""

    def knows(self, key: str) -> bool:
        """Whether that is the API key; for one that travels inside the argument."""
        return hmac.compare_digest(key.encode(), self._values[0].encode())

    def _token(self, security: Element) -> str:
        token = f"{{{WSSE}}}UsernameToken"
        user, password, nonce, created = (
            security.findtext(f"{token}/{name}", "")
            for name in (f"{{{WSSE}}}Username", f"{{{WSSE}}}Password", f"{{{WSSE}}}Nonce", f"{{{WSU}}}Created")
        )
        kind = security.find(f"{token}/{{{WSSE}}}Password")
        expected = self._values[1]
        if self._auth.password == "digest":  # noqa: S105 - a form, no secret
            digest = hashlib.sha1(base64.b64decode(nonce) + created.encode() + expected.encode(), usedforsecurity=False)
            expected = base64.b64encode(digest.digest()).decode()
        form = {"digest": "PasswordDigest", "text": "PasswordText"}[self._auth.password]
        if kind is None or kind.get("Type") != f"{TOKEN_PROFILE}#{form}":
            return "UnsupportedSecurityToken"
        if user != self._values[0] or not hmac.compare_digest(password.encode(), expected.encode()):
            return "FailedAuthentication"
        if abs(datetime.now(UTC) - datetime.fromisoformat(created)) > _FRESH:
            return "MessageExpired"
        if nonce in self._nonces:
            return "FailedAuthentication"
        self._nonces.add(nonce)
        return ""
