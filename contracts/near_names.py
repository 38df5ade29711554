"""What was probably meant by a name that nobody knows: a near miss is told with the name that it missed."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

_CUTOFF = 0.7
"""Share of a name that must be right. Below it a guess misleads more often than it helps."""

Schema: TypeAlias = Mapping[str, Any]


def meant(name: str, known: Iterable[str]) -> str:
    """``: did you mean X?`` to follow a message about ``name``, or nothing."""
    by_folded = {one.casefold(): one for one in known}
    found = get_close_matches(name.casefold(), by_folded, n=1, cutoff=_CUTOFF)
    return f": did you mean {by_folded[found[0]]}?" if found else ""


def keys_at(schema: Schema, path: tuple[str | int, ...]) -> frozenset[str]:
    """The keys of the tables that may stand at ``path`` of a document with this JSON Schema."""
    places = [schema]
    for step in path:
        places = [below for place in places for branch in _branches(schema, place) for below in _below(branch, step)]
    return frozenset(
        name for place in places for branch in _branches(schema, place) for name in branch.get("properties", ())
    )


def _branches(root: Schema, place: Schema) -> list[Schema]:
    """A place with its references followed and its alternatives laid open."""
    if "$ref" in place:
        return _branches(root, root["$defs"][place["$ref"].rpartition("/")[2]])
    alternatives = [*place.get("anyOf", ()), *place.get("oneOf", ())]
    return [branch for one in alternatives for branch in _branches(root, one)] if alternatives else [place]


def _below(place: Schema, step: str | int) -> list[Schema]:
    if isinstance(step, int):
        return [place["items"]] if "items" in place else []
    if step in place.get("properties", {}):
        return [place["properties"][step]]
    other = place.get("additionalProperties")
    return [other] if isinstance(other, dict) else []
