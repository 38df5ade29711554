"""JSON values as YAML for people to read. It only writes: what is read by machines here is TOML or JSON."""

import json
import re
from collections.abc import Iterator

from pydantic import JsonValue

_PLAIN = re.compile(r"(?:[^\W\d]|[/$])[\w ./$(){}<>=+,;'-]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"})
"""Words that some reader of YAML 1.1 takes for a boolean or for nothing."""


def yaml_text(value: JsonValue) -> str:
    """Block style, two spaces, keys in their order; a YAML 1.2 reader gets exactly ``value`` back."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _below(f"{_scalar(key)}:", below, "  ")
    elif isinstance(value, list) and value:
        for below in value:
            inner = list(_lines(below))
            yield f"- {inner[0]}"
            yield from (f"  {line}" if line else line for line in inner[1:])
    else:
        yield _scalar(value)


def _below(head: str, value: JsonValue, indent: str) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield head
        yield from (f"{indent}{line}" if line else line for line in _lines(value))
    elif isinstance(value, str) and _is_prose(value):
        yield f"{head} |-"
        yield from (f"{indent}{line}" if line else line for line in value.split("\n"))
    else:
        yield f"{head} {_scalar(value)}"


def _is_prose(value: str) -> bool:
    """Text of several lines that a block scalar gives back exactly."""
    return "\n" in value and value == value.strip() and all(line.isprintable() for line in value.split("\n"))


def _scalar(value: JsonValue) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value == value.strip() and value.lower() not in _WORDS:
        return value
    # What cannot be seen is escaped in YAML's own way: JSON would use surrogates, which YAML does not have.
    shown = json.dumps(value, ensure_ascii=False)
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in shown)
