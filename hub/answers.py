"""What a gateway gave, held against the contract: nothing that it is not may reach the case. Types can be lied about in Python."""

from collections.abc import Mapping
from datetime import datetime

from contracts.delivery import AwaitingReply, Completed, Decision, Outcome, Returned
from contracts.task_sheet import TaskSheet
from hub.results.shadows import canonical

LARGEST_BYTES = 1_048_576
"""Of an outcome as JSON: the same as of a message that arrives (``max_body_bytes``). Documents are named in it, not contained."""


def checked(result: object) -> Outcome | BaseException:
    """The outcome or the error itself, or the TypeError or ValueError that stands for a plugin's mistake."""
    if isinstance(result, BaseException):
        return result
    if not isinstance(result, Completed | Returned | AwaitingReply):
        return TypeError(f"a gateway gave {type(result).__name__}, not an outcome")
    if not _well_typed(result):
        return TypeError(f"a gateway gave a {type(result).__name__} whose fields are of other types")
    try:
        size = len(canonical(result))
    except (TypeError, ValueError, RecursionError):
        return TypeError(f"a gateway gave a {type(result).__name__} that is no JSON")
    if size > LARGEST_BYTES:
        return ValueError(f"a gateway gave {size} bytes, the most is {LARGEST_BYTES}")
    return result


def _well_typed(result: Outcome) -> bool:
    """Whether the parts are what the record declares; those that ``canonical`` writes as JSON are seen there."""
    if isinstance(result, Completed):
        decision: object = result.decision
        fields: object = result.fields
        return isinstance(decision, Decision) and isinstance(fields, Mapping)
    if isinstance(result, Returned):
        reason: object = result.reason_code
        return isinstance(reason, str)
    poll: object = result.next_poll_at
    sheet: object = result.task_sheet
    reference: object = result.department_ref
    aware = isinstance(poll, datetime) and poll.tzinfo is not None
    return (poll is None or aware) and isinstance(sheet, TaskSheet | None) and isinstance(reference, str | None)
