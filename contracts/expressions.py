"""JMESPath expressions over a case: which roots they begin with."""

from collections.abc import Iterator, Mapping
from typing import Any

import jmespath

ROOTS = frozenset(
    {
        *("applicant", "agent", "form", "steps", "joined", "row"),
        *("case_no", "item_code", "item_version", "applicant_type", "channel"),
        *("received_at", "accepted_at", "receiving_centre", "accepting_centre", "paper_holder"),
    }
)
"""What a case gives to conditions and sources."""

_FROM_THE_FIRST = frozenset(
    {
        *("subexpression", "index_expression", "pipe", "flatten"),
        *("projection", "value_projection", "filter_projection"),
    }
)
"""Nodes whose other children are read from what the first one gave."""


def roots_of(expression: str) -> frozenset[str]:
    """The names that an expression looks up in the case itself. Raises JMESPathError.

    Without ``null``: JMESPath reads it as a name, and what no case has is null.
    """
    return frozenset(_roots(jmespath.compile(expression).parsed)) - {"null"}


def _roots(node: Mapping[str, Any]) -> Iterator[str]:
    if node["type"] == "field":
        yield node["value"]
    elif node["type"] in _FROM_THE_FIRST:
        yield from _roots(node["children"][0])
    elif node["type"] != "expref":  # applied to rows
        for child in node["children"]:
            yield from _roots(child)
