"""W3C Trace Context from a sender to the departments: one trace id a case, a span of its own for every try.

The id comes from the message (the CloudEvents extension ``traceparent``, else the HTTP header of that name) or is drawn at random.
Nothing else is taken over: ``tracestate`` is free text of others and may say anything.
"""

import hashlib
import os
import re

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_NOTHING = re.compile(r"0+")


def trace_id(traceparent: str | None) -> str:
    """The trace that a message belongs to, 32 hexadecimal digits; a new one where it names none, or none that can be read."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None or traceparent is None or traceparent.startswith("ff"):
        return os.urandom(16).hex()
    if (traceparent.startswith("00") and match[3]) or any(_NOTHING.fullmatch(part) for part in (match[1], match[2])):
        return os.urandom(16).hex()
    return match[1]


def traceparent(trace: str | None, delivery: str, attempt: int) -> str | None:
    """What a try of a delivery sends along; None for a case of the time before cases had one. The same try has the same span."""
    if not trace:
        return None
    span = hashlib.sha256(f"{delivery}/{attempt}".encode()).hexdigest()[:16]
    return f"00-{trace}-{span}-01"
