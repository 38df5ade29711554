"""The manual's reference of every key, made of the schemas. ``python -m plugins.site_keys.pages DOCS/REFERENCE`` writes it."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugins.site_keys.composing import FILES, Schema, schemas

_SUFFIXES: Mapping[str, str] = {
    "_seconds": "seconds",
    "_minutes": "minutes",
    "_hours": "hours",
    "_working_days": "working days",
    "_bytes": "bytes",
    "width": "bytes",
    "days": "days",
    "months": "months",
    "bytes": "bytes",
    "_cny": "CNY",
    "_cents_per_row": "CNY cents a record",
    "rate_per_second": "attempts a second",
}
_KEYS: Mapping[str, str] = {
    "concurrency": "attempts",
    "max_attempts": "attempts",
    "max_size": "deliveries",
    "max_length": "characters",
    "name_max": "characters",
    "slice": "characters",
    "page_size": "results",
    "max_files": "files",
    "sequence_max": "files",
    "copies": "copies",
    "min": "years",
    "max": "years",
    "min_male": "years",
    "min_female": "years",
}
UNITLESS = frozenset({"version", "year", "status", "code_page_byte", "weekdays"})
"""Numbers that count nothing."""

_INTRO = """\
This page is made from the code, as are the JSON Schemas that let an editor complete these keys (`onedoor schema`). A key
without a default and not *needed* may be left out, and then is not there. `onedoor check` tells of every key that is not here."""

_WAYS = """\
What a key means in practice is told on the pages of the situations: [REST](rest.md), [SOAP](soap.md),
[files](file_drop.md), [paper](../paper.md); the ways between them on [Channels](channels.md)."""

_FILES = """\
The files lie in the site folder under the names that head each part. The rules of a form have [a page of their own](validators.md)."""

PAGES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "department.md": ("Every key of department.toml", _WAYS, ("department",)),
    "site.md": (
        "Every key of items and of a site's other files",
        _FILES,
        tuple(name for name in FILES if name != "department"),
    ),
}
"""Page -> title, what stands below it, the schemas that it shows."""


def page(name: str) -> str:
    """The text of one of ``PAGES``."""
    title, says, shown = PAGES[name]
    all_schemas = schemas()
    lines = [f"# {title}", "", _INTRO, "", says]
    for one in shown:
        lines += ["", f"## {FILES[one][1].replace('<', '*').replace('>', '*')}"]
        for heading, table in _tables(all_schemas[one]):
            lines += ["", *_section(heading, table, all_schemas[one])]
    return "\n".join(lines) + "\n"


def unit(key: str) -> str | None:
    """In what a number is counted; None for a key that nobody gave one."""
    found = _KEYS.get(key) or next((unit for end, unit in _SUFFIXES.items() if key.endswith(end)), None)
    return "" if key in UNITLESS else found


def _tables(document: Schema) -> Iterator[tuple[str, Schema]]:
    """Each table with the heading of its section, from the outside in: the path under which a file has it first."""
    waiting, seen, found = [Place("", "")], {""}, list[tuple[Place, Schema]]()
    while waiting:
        place = waiting.pop(0)
        table = document["$defs"][place.name] if place.name else document
        found.append((place, table))
        inner = list[Place]()
        for key, part in table["properties"].items():
            for below in _below(part, f"{place.path}.{key}" if place.path else key):
                if below.name not in seen and "properties" in document["$defs"][below.name]:
                    seen.add(below.name)
                    inner.append(below)
        waiting = inner + waiting
    times = Counter(place.path for place, _ in found)
    for place, table in found:
        yield place.heading(table if times[place.path] > 1 else None), table


@dataclass(frozen=True)
class Place:
    """Where a table stands: the path of keys to it, its name among the schemas, and whether there are several, as ``[[..]]``."""

    path: str
    name: str
    is_list: bool = False

    def heading(self, one_of_several: Schema | None) -> str:
        """As a TOML file has it. ``one_of_several``: the table itself, where others may stand at the same place."""
        if not self.path:
            return ""
        head = f"`[[{self.path}]]`" if self.is_list else f"`[{self.path}]`"
        if one_of_several is None:
            return head
        kind = one_of_several["properties"].get("kind", {}).get("const")
        return f"{head}, {kind or self.name.partition('.')[0]}"


def _below(part: Any, path: str, *, is_list: bool = False) -> Iterator[Place]:
    """The tables that may stand at a key."""
    if "$ref" in part:
        yield Place(path, part["$ref"].removeprefix("#/$defs/"), is_list)
    for one in (*part.get("allOf", ()), *part.get("anyOf", ()), *part.get("oneOf", ())):
        yield from _below(one, path, is_list=is_list)
    if isinstance(part.get("items"), dict):
        yield from _below(part["items"], path, is_list=True)
    for key, one in part.get("properties", {}).items():
        yield from _below(one, f"{path}.{key}")
    if isinstance(part.get("additionalProperties"), dict):
        yield from _below(part["additionalProperties"], f"{path}.<name>")


def _section(heading: str, table: Schema, document: Schema) -> Iterator[str]:
    if heading:
        yield f"### {heading}"
        yield ""
    yield " ".join(table.get("description", "").split("\n\n")[0].replace("``", "`").split())
    yield ""
    yield "| key | type | unit | default | meaning |"
    yield "|---|---|---|---|---|"
    for key, part in table["properties"].items():
        kind = _kind(part, document)
        counted = (unit(key) or "") if "number" in kind else ""
        default = "*needed*" if key in table.get("required", ()) else _default(part)
        yield f"| `{key}` | {kind} | {counted} | {default} | {part['description']} |"


def _default(part: Schema) -> str:
    return f"`{json.dumps(part['default'], ensure_ascii=False)}`".replace("|", "\\|") if "default" in part else ""


def _kind(part: Any, document: Schema) -> str:
    """A type in words."""
    if "$ref" in part:
        of = document["$defs"][part["$ref"].removeprefix("#/$defs/")]
        return "table" if "properties" in of else _kind(of, document)
    if "enum" in part or "const" in part:
        return ", ".join(f"`{one}`" for one in part.get("enum", [part.get("const")]))
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in part and "type" not in part:
            kinds = [_kind(one, document) for one in part[choice] if "$ref" in one or "type" in one or "enum" in one]
            return " or ".join(dict.fromkeys(kinds))
    said = _KINDS.get(part.get("type"))
    return said(part, document) if said else "any value"


def _list(part: Schema, document: Schema) -> str:
    return "two numbers" if isinstance(part["items"], list) else f"list: {_kind(part['items'], document)}"


def _table(part: Schema, document: Schema) -> str:
    inner = part.get("additionalProperties")
    return f"table of {_kind(inner, document)}" if isinstance(inner, dict) and inner else "table"


_KINDS: Mapping[str | None, Callable[[Schema, Schema], str]] = {
    "array": _list,
    "object": _table,
    "boolean": lambda _part, _document: "`true`, `false`",
    "integer": lambda part, _document: "whole number" + _bounds(part),
    "number": lambda part, _document: "number" + _bounds(part),
    "string": lambda part, _document: "date" if part.get("format") == "date" else "text",
}


def _bounds(part: Schema) -> str:
    least, most = part.get("minimum"), part.get("maximum")
    words = [
        f"more than {part['exclusiveMinimum']}" if "exclusiveMinimum" in part else "",
        f"at least {least}" if least is not None else "",
        f"at most {most}" if most is not None else "",
    ]
    return "".join(f", {one}" for one in words if one)


def main(folder: Path) -> None:
    """Write every page."""
    for name in PAGES:
        (folder / name).write_text(page(name), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
