"""Why the results module refuses a change. Each text is one sentence for a person."""

from datetime import datetime

from contracts.errors import OnedoorError


class IdConflict(OnedoorError):
    """A message id came before with another content (409)."""


class NotAllowed(OnedoorError):
    """The state of the case, step or task does not allow this, or a guard does not hold (409)."""

    def __init__(self, text: str, code: str = "not_allowed") -> None:
        """``code`` is what the journal keeps of a refusal; the text is for the person."""
        super().__init__(text)
        self.code = code


class NotFoundHere(OnedoorError):
    """No such case, task or delivery in this region (404)."""


class Overtaken(OnedoorError):
    """Somebody else was faster (409): who and when, for the message 已由 X 于 .. 处理."""

    def __init__(self, by: str, at: datetime) -> None:
        """``by``: a staff reference; ``at``: aware UTC."""
        super().__init__(f"already handled by {by} at {at:%H:%M}: nothing was changed")
        self.by = by
        self.at = at


class LeaseLost(OnedoorError):
    """The claim was voided meanwhile (a reply, another worker): the try must not begin."""
