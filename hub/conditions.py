"""Conditions of forms: JMESPath over ``applicant``, ``agent`` and ``form``, compiled once, cheap on the hot path."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError

Root: TypeAlias = Mapping[str, Any]
Condition: TypeAlias = Callable[[Root], bool]


@cache
def condition(expression: str) -> Condition:
    """The compiled condition; false where it cannot be evaluated (the length of a table that is not there). Raises JMESPathError."""
    parsed = jmespath.compile(expression)
    plain = _plain(parsed.parsed)
    if plain is not None:
        return plain

    def search(root: Root) -> bool:
        try:
            return bool(parsed.search(root))
        except JMESPathError:
            return False

    return search


def _plain(node: Any) -> Condition | None:
    """``a.b == literal`` and ``a.b != literal`` without the interpreter: most conditions are that, and a tenth of its time."""
    if node["type"] != "comparator" or node["value"] not in {"eq", "ne"}:
        return None
    path, literal = node["children"]
    if path["type"] != "subexpression" or literal["type"] != "literal":
        return None
    scope, name = path["children"]
    if scope["type"] != "field" or name["type"] != "field":
        return None
    return _compared(scope["value"], name["value"], literal["value"], wanted=node["value"] == "eq")


def _compared(scope: str, name: str, literal: Any, *, wanted: bool) -> Condition:
    def compare(root: Root) -> bool:
        values = root.get(scope)
        found = values.get(name) if isinstance(values, Mapping) else None
        # In JSON true is not 1.
        equal = found == literal and isinstance(found, bool) is isinstance(literal, bool)
        return equal is wanted

    return compare
