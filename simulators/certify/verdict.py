"""How a check ends."""

from enum import StrEnum

from contracts.records import record


class Status(StrEnum):
    """``not_applicable``: the plugin has nothing that this check could ask about; the reason says what."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"


class Failed(Exception):
    """The plugin does not conform. The text says what happened, without personal data."""


class NotApplicable(Exception):
    """The check has nothing to ask here; the text says why."""


@record
class Result:
    """How one check ended. ``reason`` is blank when it passed."""

    name: str
    status: Status
    reason: str = ""


def require(holds: object, reason: str) -> None:
    """Raises Failed with ``reason`` unless ``holds``."""
    if not holds:
        raise Failed(reason)
