"""The requests of one REST channel: authorised, bounded, and with an error for every status outside 2xx."""

from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from adapters.rest_auth import Authoriser, authoriser
from adapters.rest_table import RestTable, status_error
from contracts.errors import DeliveryError, OutcomeUnknownError
from contracts.plugin import Http, HttpAnswer, HttpRequest, Runtime

_LONGEST_WAIT_SECONDS = 3600.0


class Calls:
    """Sends requests below one address. Safe for use by many tasks of one loop."""

    def __init__(self, table: RestTable, address: str, runtime: Runtime, http: Http) -> None:
        """``address``: the place's URL. Raises CredentialsError where a secret is missing."""
        self._table = table
        self._http = http
        self._root = address.rstrip("/") + table.base_path
        self._runtime = runtime
        self._place = address.rstrip("/")
        self._secrets = self._secrets_now()
        self._auth: Authoriser = authoriser(table, runtime, http, self._place)

    async def call(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """One request; ``path`` below base_path, with any query. A second one goes out only after a 401 that a new token or a
        secret that has been changed since may cure: what was turned away at the door was not acted on. Raises DeliveryError when no answer came."""
        url = self._root + path
        parts = urlsplit(url)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        proof = await self._auth.headers(method, target, body)
        answer = await self._send(method, url, body, headers or {}, proof)
        if answer.status == 401 and (self._secrets_changed() or self._auth.renewable(proof)):
            proof = await self._auth.headers(method, target, body)
            answer = await self._send(method, url, body, headers or {}, proof)
        return answer

    def _secrets_now(self) -> list[str]:
        return [self._runtime.secret(name) for name in self._table.auth.secrets]

    def _secrets_changed(self) -> bool:
        """Whether somebody has put other secrets in place; they hold from now on, without a restart."""
        found = self._secrets_now()
        if found == self._secrets:
            return False
        self._secrets, self._auth = found, authoriser(self._table, self._runtime, self._http, self._place)
        return True

    async def _send(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], proof: Mapping[str, str]
    ) -> HttpAnswer:
        return await self._http.send(
            HttpRequest(
                method=method,
                url=url,
                headers={"Accept": "application/json", **headers, **proof},
                body=body,
                connect_seconds=self._table.timeouts.connect_seconds,
                total_seconds=self._table.timeouts.total_seconds,
                max_bytes=self._table.max_answer_bytes,
                own_connection=self._table.reference.place == "connection",
            )
        )

    def error_of(self, answer: HttpAnswer) -> DeliveryError:
        """The error for an answer whose status does not promise content."""
        if answer.status < 300:
            return OutcomeUnknownError(f"http_{answer.status}", "this status promises no answer that could be trusted")
        return status_error(answer.status, self._table.status, retry_after(answer.headers))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from a number or a date, clamped: a department's mistake must neither hammer it nor lose a day. None: unreadable."""
    text = headers.get("retry-after", "").strip()
    try:
        if text.isascii() and text.isdigit():
            seconds = float(text[:12])
        else:
            # The department's own clock wrote the date, so its own clock says how far off that is.
            sent_at = parsedate_to_datetime(headers.get("date", ""))
            seconds = (parsedate_to_datetime(text) - sent_at) / timedelta(seconds=1)
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 1.0), _LONGEST_WAIT_SECONDS)
