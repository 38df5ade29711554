"""Every error that crosses a boundary. The class decides what the hub does; the text is for a person.

    OnedoorError
    +-- DeliveryError               one delivery went wrong at one department
    |   +-- TemporaryError          the department did not act: back off and try again
    |   +-- OutcomeUnknownError     bytes may have arrived: enquire, or resend only where that is safe
    |   +-- PermanentError          rejected as a message: dead letter at once
    |   |   +-- DuplicateError      the department says it already has this record
    |   +-- CredentialsError        hold the lane and tell staff; never hammer a login
    +-- InboundRefused              a callback that is not genuine or not readable, with the department's own error form
    +-- SiteError                   a site folder with mistakes, all of them at once

Any other exception out of a plugin is a bug: counted, logged, few retries, dead letter.
A department's business refusal is no error: ``Completed(decision=Decision.REFUSED)``.
Codes and texts never hold personal data: they are logged, counted and shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class OnedoorError(Exception):
    """Root of all errors of the product."""


class DeliveryError(OnedoorError):
    """One delivery went wrong. ``code`` is short and countable (``http_503``, a department's code)."""

    def __init__(self, code: str, detail: str = "") -> None:
        """``code``: at most 64 characters of a small set; ``detail``: one sentence without personal data."""
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class TemporaryError(DeliveryError):
    """The department did not act (connection refused, 429, 503)."""

    def __init__(self, code: str, detail: str = "", *, retry_after: float | None = None) -> None:
        """``retry_after``: seconds the department asked for; the hub clamps it."""
        super().__init__(code, detail)
        self.retry_after = retry_after


class OutcomeUnknownError(DeliveryError):
    """Bytes may have arrived and no trustworthy answer came back (timeout, reset, 500, 504, nonsense in a 200)."""


NEEDS_PAPER = "needs_paper"
"""Code of a PermanentError: this channel can never carry the message, a task sheet can."""


class PermanentError(DeliveryError):
    """The department, or the mapping, rejected the message itself; sending it again cannot help."""


class DuplicateError(PermanentError):
    """The department already holds this record. Permanent only when no earlier attempt of ours can have left it there."""


class CredentialsError(DeliveryError):
    """Login, key or certificate refused. Retrying would lock the account: the lane is held until staff act."""


class InboundRefused(OnedoorError):
    """A call from a department that must not be believed; the answer is in that department's own form."""

    def __init__(self, code: str, *, status: int = 401, body: bytes = b"", content_type: str = "text/plain") -> None:
        """``status``, ``body`` and ``content_type`` are sent back as they are."""
        super().__init__(code)
        self.code = code
        self.status = status
        self.body = body
        self.content_type = content_type


@dataclass(frozen=True)
class SiteMistake:
    """One mistake in a site folder. ``line`` is 1-based, 0 when the whole file is meant."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class SiteError(OnedoorError):
    """A site folder cannot be used; ``mistakes`` holds every one found, not the first."""

    def __init__(self, mistakes: Sequence[SiteMistake]) -> None:
        """``mistakes`` is never empty."""
        super().__init__("\n".join(str(m) for m in mistakes))
        self.mistakes = tuple(mistakes)
