"""What a person who runs the hub may see of what a resident wrote: that it is there, of which kind and how long, not what it says."""

import re
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

LONGEST = 12
LONGEST_NAME = 64


def is_field_name(name: str) -> bool:
    """Whether a name that a sender made up may go back to it in an answer. One with spaces, many digits or signs beyond ASCII may be a value."""
    return len(name) <= LONGEST_NAME and re.fullmatch(r"[!-~]+", name) is not None and not re.search("[0-9]{5}", name)


def masked(value: object) -> JsonValue:
    """The same shape, every text and number covered: the first character and stars. Truth values and gaps stay."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {str(name): masked(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [masked(part) for part in value]
    text = str(value)
    return text[:1] + "*" * min(len(text) - 1, LONGEST) if len(text) > 1 else "*" * len(text)
