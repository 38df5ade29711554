"""What a person who runs the hub may see of what a resident wrote: that it is there, of which kind and how long, not what it says."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

LONGEST = 12


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
